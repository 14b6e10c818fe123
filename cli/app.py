"""The root command group."""

from __future__ import annotations

import click

from wic import __version__


@click.group()
@click.version_option(__version__, prog_name="wic")
def main() -> None:
    """A headless WebRTC IMS Client and the IMS network it needs."""
