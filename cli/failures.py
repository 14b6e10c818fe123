"""Failures of commands: a sentence for users, and a document for scripts."""

from __future__ import annotations

import asyncio
import errno
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, TextIO

import click

from wic.errors import ConfigurationError, LocalProtocolError, WicError

from .error_text import sentence
from .exit_codes import ExitCode

if TYPE_CHECKING:
    from pathlib import Path


class OutputFailed(WicError):
    """Standard output, or a file that the user asked for, that cannot be written in full."""

    @classmethod
    def of(cls, file: str | Path, error: OSError) -> OutputFailed:
        """Name the file and the cause, such as a full disk."""
        return cls(f"{file} could not be written in full: {error.strerror or error}")


class ReaderGone(BrokenPipeError):
    """Standard output whose reader wants no more, which is no fault: click ends the command."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandFailure:
    """A failure as every command reports it: with `--json` one document of this shape."""

    outcome: str
    """`failed`, `usage` for a mistake of the user, or `interrupted`."""
    reason: str
    """One sentence."""
    error: str
    """Name of the exception, `UsageError` for the command line's, `Interrupted` for a signal."""
    status: int | None = None
    """The SIP status that decided, if there was one."""

    @classmethod
    def of(cls, error: BaseException) -> CommandFailure:
        """Describe an error."""
        if isinstance(error, asyncio.CancelledError | KeyboardInterrupt | EOFError | click.Abort):
            return INTERRUPTED
        if isinstance(error, click.ClickException):
            return cls(outcome="usage", reason=sentence(error), error=click.UsageError.__name__)
        own_mistake = isinstance(error, ConfigurationError | LocalProtocolError)  # nothing was tried
        status = getattr(getattr(error, "response", None), "status", None)
        return cls(
            outcome="usage" if own_mistake else "failed",
            reason=sentence(error),
            error=type(error).__name__,
            status=status if isinstance(status, int) else None,
        )

    @property
    def code(self) -> ExitCode:
        """The exit code of a command that ends with this failure."""
        return {"usage": ExitCode.USAGE, "interrupted": ExitCode.INTERRUPTED}.get(self.outcome, ExitCode.FAILED)

    def to_dict(self) -> dict[str, object]:
        """Return plain values, ready for JSON."""
        return {"outcome": self.outcome, "status": self.status, "reason": self.reason, "error": self.error}


INTERRUPTED = CommandFailure(outcome="interrupted", reason="Interrupted.", error="Interrupted")
"""A signal ended the command before it had done what was asked."""


class OutputStream:
    """Standard output that says so if it cannot be written, instead of raising an `OSError` like any other.

    Args:
        stream: the stream.
        essential: raise an error; without it a text that cannot be written is lost, as standard error's is: there is
            no other place to say so.
    """

    def __init__(self, stream: TextIO, *, essential: bool = True) -> None:
        self._stream = stream
        self._essential = essential

    def write(self, text: str) -> int:
        """Write a text.

        Raises:
            OutputFailed: the disk is full, or fails, or the terminal was closed.
            ReaderGone: a pipe has no reader any more.
        """
        try:
            return self._stream.write(text)
        except OSError as error:
            self._failed(error)
            return len(text)

    def flush(self) -> None:
        """Pass on what was written.

        Raises:
            OutputFailed: the disk is full, or fails, or the terminal was closed.
            ReaderGone: a pipe has no reader any more.
        """
        try:
            self._stream.flush()
        except OSError as error:
            self._failed(error)

    def _failed(self, error: OSError) -> None:
        # A thread draws the progress line; the next text of the command fails as well.
        if not self._essential or threading.current_thread() is not threading.main_thread():
            return
        if error.errno == errno.EPIPE:
            raise ReaderGone(error.errno, error.strerror) from error
        raise OutputFailed.of("Standard output", error) from error

    def __getattr__(self, name: str) -> object:
        return getattr(self._stream, name)
