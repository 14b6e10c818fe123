"""Signals that end a command, heeded from its first moment on.

Three stages follow each other. While modules are loaded a signal is only noted: an exception in the middle of an import may
be lost, and there is nothing to clean up. Blocking code, such as a prompt for a password, is ended by an exception. An
event loop takes the signals as events (`execution.run_async`).
"""

from __future__ import annotations

import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

SIGNALS = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
)  # Windows has no SIGHUP
"""Signals after which a command cleans up before it ends; SIGHUP comes when its terminal is closed."""

_noted: list[int] = []


class Terminated(KeyboardInterrupt):
    """SIGTERM, with which a service manager stops a program."""


def heeded() -> list[signal.Signals]:
    """Return the signals that end a command: all but a SIGHUP that the parent process has switched off, as `nohup` does.

    A shell that runs a script switches SIGINT off for what it starts with `&`; the script has to be able to end it all the same.
    """
    asked = (signal.SIGINT, signal.SIGTERM)
    return [number for number in SIGNALS if number in asked or signal.getsignal(number) is not signal.SIG_IGN]


def note_signals() -> None:
    """Keep signals from now on until `interrupting` raises the first of them; a second one ends the process at once."""
    for number in heeded():
        signal.signal(number, _note)


def _note(number: int, _frame: FrameType | None) -> None:
    _noted.append(number)
    # A way out if loading hangs, or the end of the process: it may wait for a thread, and nothing is raised there.
    for each in heeded():
        signal.signal(each, signal.SIG_DFL)


@contextmanager
def interrupting() -> Iterator[None]:
    """Let every signal end the block by an exception, as Ctrl-C does; one that was noted ends it before it begins.

    Raises:
        KeyboardInterrupt: a signal came; `Terminated` for SIGTERM.
    """

    def interrupt(number: int, _frame: FrameType | None) -> None:
        raise Terminated if number == signal.SIGTERM else KeyboardInterrupt

    before = {number: signal.signal(number, interrupt) for number in heeded()}
    try:
        if _noted:
            interrupt(_noted.pop(0), None)
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
