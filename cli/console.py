"""Output of all commands: human-readable text, tables, a progress line, and JSON documents.

With `--json` standard output carries JSON and nothing else, and human-readable text goes to standard
error. In a pipe the text is plain: no colour, no progress line, no control characters.

All text goes through `plain`, which keeps rich from reading it: users and peers write brackets, colons and backslashes
that would be taken for markup or for names of emoji.
"""

from __future__ import annotations

import json
import re
import sys
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, TextIO

from rich.console import Console as RichConsole
from rich.table import Table
from rich.text import Text

from .failures import OutputFailed
from .ladder import ASCII, UNICODE, Arrow, draw

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from .failures import CommandFailure

CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
"""Characters of a peer's text that must not reach a terminal: controls, changes of direction, halves of characters."""

CONTROL_AND_BREAKS = re.compile(f"{CONTROL.pattern}|[\\t\\n]")

PLAIN_WIDTH = 110
"""Columns of a ladder or a table in a pipe."""


class Console:
    """The two output streams of a command, for users and for scripts."""

    def __init__(self, *, as_json: bool = False, out: TextIO | None = None, err: TextIO | None = None) -> None:
        self.as_json = as_json
        self._out = out or sys.stdout
        self._err = err or sys.stderr
        human = self._err if as_json else self._out
        width = None if human.isatty() else PLAIN_WIDTH  # a pipe has none, and rich would take 80
        self._rich = RichConsole(file=human, highlight=False, emoji=False, markup=False, soft_wrap=False, width=width)
        self._errors = RichConsole(file=self._err, highlight=False, emoji=False, markup=False, soft_wrap=True)
        self._failure_reported = False

    @property
    def is_terminal(self) -> bool:
        """Whether human-readable text goes to a terminal."""
        return self._rich.is_terminal

    def say(self, text: str, *, style: str = "") -> None:
        """Print a line of human-readable text."""
        self._rich.print(plain(text, style), soft_wrap=True)

    def error(self, text: str) -> None:
        """Print an error: one sentence on standard error."""
        self._errors.print(Text.assemble(("Error:", "bold red"), " ", plain(text)))

    def failure(self, failure: CommandFailure) -> None:
        """Report the failure that ends the command: a sentence, unless the user interrupted it, and a document."""
        if failure.outcome != "interrupted":
            self.error(failure.reason)
        with suppress(OutputFailed):  # which may be the very failure
            self.failure_document(failure.to_dict())

    def failure_document(self, value: Mapping[str, object]) -> None:
        """Print the document of a failure; the first one of a command is the only one."""
        if not self._failure_reported:
            self._failure_reported = True
            self.document(value)

    def trace(self, text: str) -> None:
        """Print a traced SIP message on standard error."""
        self._err.write(clean(text).rstrip("\n") + "\n\n")
        self._err.flush()  # in order with the other stream, also in a file

    def document(self, value: object) -> None:
        """Print one JSON document on one line, if `--json` asked for it."""
        if self.as_json:
            self._out.write(json.dumps(value) + "\n")  # in ASCII: any stream can carry it
            self._out.flush()

    def table(self, title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
        """Print a table of figures."""
        self.say(title, style="bold")
        table = Table(box=None, pad_edge=False)
        for index, column in enumerate(columns):
            numeric = bool(rows) and all(isinstance(row[index], int | float) or row[index] == "-" for row in rows)
            table.add_column(plain(column), justify="right" if numeric else "left", overflow="fold")
        for row in rows:
            table.add_row(*(plain(f"{cell:.2f}" if isinstance(cell, float) else str(cell)) for cell in row))
        self._rich.print(table)

    def facts(self, facts: Mapping[str, object]) -> None:
        """Print names and values, a line each."""
        width = max(map(len, facts), default=0)
        for name, value in facts.items():
            self.say(f"  {name.ljust(width)}  {value}")

    def ladder(self, participants: list[str], arrows: list[Arrow]) -> None:
        """Print a ladder diagram of messages."""
        # A terminal of another encoding would show question marks.
        encoding = (getattr(self._rich.file, "encoding", None) or "ascii").lower()
        strokes = UNICODE if encoding.startswith("utf") else ASCII
        for line in draw(participants, arrows, width=min(self._rich.width, PLAIN_WIDTH), strokes=strokes):
            self._rich.print(plain(line), no_wrap=True, crop=False, overflow="ignore", soft_wrap=True)

    @contextmanager
    def progress(self, text: str) -> Iterator[ProgressLine]:
        """Show a progress line while the block runs; only in a terminal."""
        if not self._rich.is_terminal:
            yield ProgressLine(None)
            return
        with self._rich.status(plain(text)) as status:
            yield ProgressLine(status.update)


class ProgressLine:
    """The progress line of a terminal; in a pipe nothing is shown."""

    def __init__(self, update: Callable[[Text | ElapsedTime], None] | None) -> None:
        self._update = update

    def update(self, text: str, *, timed: bool = False) -> None:
        """Replace the line.

        Args:
            text: the new one.
            timed: show the time since now behind it.
        """
        if self._update is not None:
            self._update(ElapsedTime(plain(text)) if timed else plain(text))


class ElapsedTime:
    """A text with the time since it was first shown; rich asks for it each time that it draws the line."""

    def __init__(self, text: Text) -> None:
        self._text = text
        self._since = time.monotonic()

    def __rich__(self) -> Text:
        """Return the text and the time."""
        seconds = int(time.monotonic() - self._since)
        return Text.assemble(self._text, f" {seconds // 60}:{seconds % 60:02}")


def plain(text: str, style: str = "") -> Text:
    """Return a text that is printed as it is written, but for control characters."""
    return Text(clean(text), style=style)


def clean(text: str) -> str:
    """Replace control characters: a peer's text must not control the terminal."""
    return CONTROL.sub("�", text.replace("\r\n", "\n"))


def one_line(text: str, *, most: int = 500) -> str:
    r"""Return a peer's text on one line, its control characters visible as in a program, and no longer than it may be.

    >>> one_line("a\nError: b")
    'a\\nError: b'
    """
    shown = CONTROL_AND_BREAKS.sub(lambda found: found[0].encode("unicode_escape").decode(), text[:most])
    return shown if len(text) <= most else f"{shown}… ({len(text)} characters)"
