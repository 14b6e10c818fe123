"""Writer of a TOML document that changes single entries and leaves the rest as it is: comments, order, other tables.

The document is a list of pieces: each table head, each statement and each comment is a piece of whole lines, and tomllib
finds their limits, so that a text which looks like a table head within a string is never taken for one. A comment above
the head of a table belongs to that table. (tomlkit, a library for the purpose, counts it to the table before: it puts new
entries behind it, and drops it with that table.)
"""

from __future__ import annotations

import json
import re
import tomllib
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

Value: TypeAlias = str | bool | int | list[str]
"""Values that can be written."""
Path: TypeAlias = tuple[str, ...]
"""Keys that lead to a table."""

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")


@dataclass(slots=True)
class _Piece:
    """One or more whole lines: the head of a table, a statement, or neither, such as a comment."""

    text: str
    table: Path | None = None
    key: str | None = None


class TomlText:
    """A document under change; only tables with a head of their own, `[a.b]`, can be changed.

    Args:
        text: a valid document.
    """

    def __init__(self, text: str) -> None:
        self._text = text
        self._added: list[str] = []

    def __str__(self) -> str:
        """Return the document with the changes so far."""
        text = "".join(piece.text for piece in self._pieces) if "_pieces" in self.__dict__ else self._text
        for table in self._added:
            text = f"{text.rstrip()}\n\n{table}" if text.strip() else table
        return text

    @cached_property
    def _pieces(self) -> list[_Piece]:
        # Made when an old table changes: each line is parsed, which a document that only grows can do without.
        return list(_split(self._text))

    def add(self, table: Path, entries: Mapping[str, Value]) -> None:
        """Add a table at the end."""
        head = ".".join(_key(name) for name in table)
        self._added.append("".join([f"[{head}]\n", *(_statement(key, entries[key]) for key in entries)]))

    def drop(self, table: Path) -> None:
        """Remove a table and those within it; comments after their last statements stay."""
        heads = [at for at, piece in enumerate(self._pieces) if (piece.table or ())[: len(table)] == table]
        for start in heads[::-1]:  # from the end, so that the positions before it stay valid
            last, end = self._last(start), self._end(start)
            while last + 1 < end and not self._pieces[last + 1].text.strip():
                last += 1
            del self._pieces[start : last + 1]

    def put(self, table: Path, key: str, value: Value) -> None:
        """Add an entry to a table, or replace its value; a comment behind it stays.

        Raises:
            KeyError: the table has no head.
        """
        start = self._start(table)
        own = self._entries(start, key)
        if own:
            self._pieces[own[0]].text = _statement(key, value, comment=_comment(self._pieces[own[0]].text))
        else:
            last = self._last(start)
            self._pieces[last].text = self._pieces[last].text.rstrip("\n") + "\n"  # the file may lack its last one
            self._pieces.insert(last + 1, _Piece(_statement(key, value), key=key))

    def remove(self, table: Path, key: str) -> None:
        """Remove an entry from a table.

        Raises:
            KeyError: the table has no head.
        """
        for at in self._entries(self._start(table), key)[::-1]:  # dotted keys can stand in several statements
            del self._pieces[at]

    def _start(self, table: Path) -> int:
        for at, piece in enumerate(self._pieces):
            if piece.table == table:
                return at
        raise KeyError(table)

    def _end(self, start: int) -> int:
        heads = (at for at in range(start + 1, len(self._pieces)) if self._pieces[at].table is not None)
        return next(heads, len(self._pieces))

    def _last(self, start: int) -> int:
        """Return the position of the last statement of a table, or of its head if it has none."""
        return max(at for at in range(start, self._end(start)) if at == start or self._pieces[at].key is not None)

    def _entries(self, start: int, key: str) -> list[int]:
        return [at for at in range(start, self._end(start)) if self._pieces[at].key == key]


def _split(text: str) -> Iterator[_Piece]:
    """Return the pieces of a valid document: a line begins one if what came before it is complete."""
    *lines, rest = text.split("\n")
    text = ""
    for line in [*(f"{each}\n" for each in lines), *([rest] if rest else [])]:
        text += line
        try:
            document = tomllib.loads(text)
        except tomllib.TOMLDecodeError:
            continue  # the statement has more lines
        if text.lstrip().startswith("["):  # no statement begins with one
            yield _Piece(text, table=_path(document))
        else:
            yield _Piece(text, key=next(iter(document), None))
        text = ""


def _path(document: object) -> Path:
    """Return the path of the only table of a document; for one of an array of tables, the path of the array."""
    if not isinstance(document, dict) or not document:
        return ()
    ((name, within),) = document.items()
    return (name, *_path(within))


def _comment(statement: str) -> str:
    """Return the comment behind a statement.

    >>> _comment("password = 'a#b'  # of 2026")
    '  # of 2026'
    """
    for found in re.finditer(r"[ \t]*#", statement):
        try:
            tomllib.loads(statement[: found.start()])
        except tomllib.TOMLDecodeError:
            continue  # this # is within the value
        return statement[found.start() :].rstrip("\n")
    return ""


def _statement(key: str, value: Value, *, comment: str = "") -> str:
    return f"{_key(key)} = {_value(value)}{comment}\n"


def _key(name: str) -> str:
    return name if _BARE_KEY.fullmatch(name) else _value(name)  # a quoted key is written like a string


def _value(value: Value) -> str:
    # JSON's strings, integers, booleans and arrays of them are TOML's, but for DEL, which TOML wants escaped.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
