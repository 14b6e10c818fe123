"""Entry point of the program, which heeds signals before it loads anything else."""

from __future__ import annotations

from .signals import note_signals


def main() -> None:
    """Run the command line and exit with its code."""
    note_signals()
    from .app import main as run  # takes longer than a service manager may wait before it stops a program

    run()
