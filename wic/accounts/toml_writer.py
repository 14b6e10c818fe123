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
    """One or more whole lines: the head of a table, a statement, which has a key, or neither, such as a comment."""

    text: str
    key: str | None = None


@dataclass(slots=True)
class _Section:
    """The head of a table with all that follows it; the first section of a document has none, nor a dropped table."""

    table: Path | None
    pieces: list[_Piece]

    @property
    def last(self) -> int:
        """Position of the last statement, or of the head if there is none."""
        return max((at for at, piece in enumerate(self.pieces) if piece.key is not None), default=0)


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
        text = self._text
        if "_sections" in self.__dict__:
            text = "".join(piece.text for section in self._sections for piece in section.pieces)
        if not self._added:
            return text
        before = f"{text.rstrip()}\n\n" if text.strip() else text
        return before + "\n".join(self._added)

    @cached_property
    def _sections(self) -> list[_Section]:
        # Made when an old table changes: each line is parsed, which a document that only grows can do without.
        sections = [_Section(None, [])]
        for piece, table in _split(self._text):
            if table is not None:
                sections.append(_Section(table, []))
            sections[-1].pieces.append(piece)
        return sections

    @cached_property
    def _by_table(self) -> dict[Path, _Section]:
        return {each.table: each for each in reversed(self._sections) if each.table is not None}

    def add(self, table: Path, entries: Mapping[str, Value]) -> None:
        """Add a table at the end."""
        head = ".".join(toml_key(name) for name in table)
        self._added.append("".join([f"[{head}]\n", *(_statement(key, entries[key]) for key in entries)]))

    def drop(self, table: Path) -> None:
        """Remove a table and those within it; comments after their last statements stay."""
        for name in [name for name in self._by_table if name[: len(table)] == table]:
            del self._by_table[name]
        for section in self._sections:
            if (section.table or ())[: len(table)] == table:
                rest = section.pieces[section.last + 1 :]
                while rest and not rest[0].text.strip():
                    del rest[0]
                section.table, section.pieces = None, rest

    def put(self, table: Path, key: str, value: Value) -> None:
        """Add an entry to a table, or replace its value; a comment behind it stays.

        Raises:
            KeyError: the table has no head.
        """
        pieces = self._by_table[table].pieces
        own = next((piece for piece in pieces if piece.key == key), None)
        if own is not None:
            own.text = _statement(key, value, comment=_comment(own.text))
        else:
            last = self._by_table[table].last
            pieces[last].text = pieces[last].text.rstrip("\n") + "\n"  # the file may lack its last one
            pieces.insert(last + 1, _Piece(_statement(key, value), key))

    def remove(self, table: Path, key: str) -> None:
        """Remove an entry from a table.

        Raises:
            KeyError: the table has no head.
        """
        section = self._by_table[table]
        section.pieces = [piece for piece in section.pieces if piece.key != key]  # dotted keys can stand in several


def _split(text: str) -> Iterator[tuple[_Piece, Path | None]]:
    """Return the pieces of a valid document, those that are heads with the path of their table.

    A line begins a piece if what came before it is complete.
    """
    *lines, rest = text.split("\n")
    text = ""
    for line in [*(f"{each}\n" for each in lines), *([rest] if rest else [])]:
        text += line
        try:
            document = tomllib.loads(text)
        except tomllib.TOMLDecodeError:
            continue  # the statement has more lines
        if text.lstrip().startswith("["):  # no statement begins with one
            yield _Piece(text), _path(document)
        else:
            yield _Piece(text, next(iter(document), None)), None
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
    return f"{toml_key(key)} = {_value(value)}{comment}\n"


def toml_key(name: str) -> str:
    """Return a key as it is written, in quotes where it has to be."""
    return name if _BARE_KEY.fullmatch(name) else _value(name)  # a quoted key is written like a string


def _value(value: Value) -> str:
    # JSON's strings, integers, booleans and arrays of them are TOML's, but for DEL, which TOML wants escaped.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
