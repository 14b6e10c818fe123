"""The header fields of a message: an ordered multimap that remembers the lines as they came."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar

from wic.errors import LocalProtocolError
from wic.sip.errors import MalformedHeader
from wic.sip.grammar import split_list
from wic.sip.limits import Limits
from wic.sip.names import DISPLAY, KEYS, display_name, key_of

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable, Iterator

T = TypeVar("T")

Field = tuple[str, str, str, str | None]
"""Key, name as spelled, value without folding, and the line as it came (None once it is ours)."""
Index = dict[str, list[str]]
"""The values of each key."""

FOLD: Final = re.compile(r"\r\n(?![ \t])")
"""What ends a header line: a line break that is no folding."""

_FORBIDDEN: Final = re.compile(r"[\r\n\0]")
_UNREAD: Final[Any] = object()
_LIST_VALUES: Final = Limits().list_values


class Headers:
    r"""Header fields in their order, found by any spelling of their names.

    Values are taken apart when they are asked for, and what was read is kept until the header changes.

    >>> headers = Headers([("v", "SIP/2.0/UDP a;branch=1"), ("X-Thing", "1")])
    >>> headers.add("Via", "SIP/2.0/UDP b;branch=2, SIP/2.0/UDP c;branch=3")
    >>> headers.remove_first("via")
    >>> headers.values("VIA")
    ['SIP/2.0/UDP b;branch=2', 'SIP/2.0/UDP c;branch=3']
    >>> list(headers.items())[0]
    ('X-Thing', '1')
    """

    __slots__ = ("_held", "_index", "_list_values", "_parsed")

    def __init__(self, pairs: Iterable[tuple[str, object]] = ()) -> None:
        """Make headers from names and values; `str()` of a value is its text."""
        self._held: list[Field] | str = [_field(name, value) for name, value in pairs]
        self._index: Index | None = None
        self._parsed: dict[str, Any] = {}
        self._list_values = _LIST_VALUES

    @classmethod
    def of_lines(cls, fields: list[Field], index: Index | None, list_values: int) -> Self:
        """Wrap lines that the parser has split; the index belongs to them."""
        headers = cls.__new__(cls)
        headers._held = fields
        headers._index = index
        headers._parsed = {}
        headers._list_values = list_values
        return headers

    @property
    def _fields(self) -> list[Field]:
        if isinstance(self._held, str):
            split = split_fields(FOLD.split(self._held) if self._held else [], folded=True)
            assert not isinstance(split, str), "what was packed is no header"
            self._held = split[0]
        return self._held

    def _indexed(self) -> Index:
        index = self._index
        if index is None:
            index = {}
            for key, _, value, _ in self._fields:
                index.setdefault(key, []).append(value)
            self._index = index
        return index

    def get(self, name: str) -> str | None:
        """Return the value of the first line of that name, folding undone; None if there is none."""
        index = self._indexed() if self._index is None else self._index
        values = index.get(KEYS.get(name) or key_of(name) or "")
        return values[0] if values else None

    def get_all(self, name: str) -> list[str]:
        """Return the values of all lines of that name, one string a line."""
        index = self._indexed() if self._index is None else self._index
        return list(index.get(KEYS.get(name) or key_of(name) or "", ()))

    def values(self, name: str) -> list[str]:
        """Return the values of a list header, lines split at their commas.

        Raises:
            MalformedHeader: an element is empty or broken, or there are more than the limit.
        """
        found = [value for line in self.get_all(name) for value in split_list(line)]
        if len(found) > self._list_values:
            raise MalformedHeader(f"{len(found)} values in {name}")
        return found

    def add(self, name: str, value: object) -> None:
        """Append a line; `str(value)` is its text."""
        field = _field(name, value)
        self._fields.append(field)
        self._changed(field[0])

    def keep_read(self, slot: str, value: object) -> None:
        """Let `parsed` return what a header was written from; see there."""
        self._parsed[slot] = value

    def prepend(self, name: str, value: object) -> None:
        """Put a line before the first of its name, or at the top where there is none."""
        field = _field(name, value)
        self._fields.insert(next(self._positions(field[0]), 0), field)
        self._changed(field[0])

    def set(self, name: str, value: object) -> None:
        """Replace all lines of that name by one, in the place of the first, or at the end."""
        field = _field(name, value)
        place = next(self._positions(field[0]), None)
        if place is None:
            self._fields.append(field)
        else:
            rest = [other for other in self._fields[place + 1 :] if other[0] != field[0]]
            self._fields[place:] = [field, *rest]
        self._changed(field[0])

    def append_to(self, name: str, text: str) -> None:
        """Append text, such as a parameter, to the first line of that name; the rest of it stays as it came."""
        place = next(self._positions(key_of(name)), None)
        if place is not None:
            key, spelling, value, line = self._fields[place]
            self._fields[place] = (key, spelling, value + text, None if line is None else line + text)
            self._changed(key)

    def remove(self, name: str) -> None:
        """Remove all lines of that name."""
        key = KEYS.get(name) or key_of(name)
        if key is not None and self._has(key):
            self._held = [field for field in self._fields if field[0] != key]
            self._changed(key)

    def remove_first(self, name: str) -> None:
        """Remove the topmost value of a list header; the other values of its line stay.

        Raises:
            MalformedHeader: the line cannot be split.
        """
        place = next(self._positions(key_of(name)), None)
        if place is None:
            return
        key, spelling, value, _ = self._fields[place]
        rest = split_list(value)[1:]
        self._fields[place : place + 1] = [(key, spelling, ", ".join(rest), None)] if rest else []
        self._changed(key)

    def copy_from(self, other: Headers, *names: str) -> None:
        """Append all lines of these names of another message, byte for byte as they came."""
        keys = {key_of(name) for name in names}
        copied = [field for field in other._fields if field[0] in keys]
        self._fields.extend(copied)
        for key in {field[0] for field in copied}:
            self._changed(key)

    def copy(self) -> Headers:
        """Return an independent copy; what was read of these headers need not be read again."""
        index = None if self._index is None else self._index.copy()
        headers = Headers.of_lines(self._fields.copy(), index, self._list_values)
        headers._parsed = self._parsed.copy()
        return headers

    def items(self) -> Iterator[tuple[str, str]]:
        """Iterate over names, compact forms written in full, and values, one pair a line."""
        return ((display_name(key, name), value) for key, name, value, _ in self._fields)

    def __contains__(self, name: object) -> bool:
        key = (KEYS.get(name) or key_of(name)) if isinstance(name, str) else None
        return key is not None and self._has(key)

    def __len__(self) -> int:
        return len(self._fields)

    def __repr__(self) -> str:
        return f"Headers({', '.join(name for name, _ in self.items())})"

    def lines(self) -> list[tuple[str, str]]:
        """Return keys and the lines that go out.

        Raises:
            LocalProtocolError: a value of ours holds CR, LF or NUL.
        """
        fields = self._fields
        if _FORBIDDEN.search("".join([value for _, _, value, line in fields if line is None])):
            name = next(name for _, name, value, line in fields if line is None and _FORBIDDEN.search(value))
            raise LocalProtocolError(f"line break or NUL in the value of {name}")
        return [
            (key, f"{DISPLAY.get(key, name)}: {value}" if line is None else line) for key, name, value, line in fields
        ]

    def parsed(self, slot: str, parse: Callable[[Headers], T]) -> T:
        """Return what `parse` makes of one header, kept until that header changes.

        Args:
            slot: the key of the header, with a blank and a word after it where there are several readings.
            parse: makes an immutable value.
        """
        found: T = self._parsed.get(slot, _UNREAD)
        if found is _UNREAD:
            found = self._parsed[slot] = parse(self)
        return found

    def pack(self) -> None:
        """Become one text, to save memory; it is taken apart again when something is asked for.

        Raises:
            LocalProtocolError: a value of ours holds CR, LF or NUL.
        """
        if not isinstance(self._held, str):
            self._held = "\r\n".join([line for _, line in self.lines()])
        self._index = None
        self._parsed.clear()

    def has_any(self, keys: frozenset[str]) -> bool:
        """Whether there is a header with one of these keys."""
        return not keys.isdisjoint(self._indexed())

    def repeated(self, keys: Container[str]) -> str | None:
        """Return the name of the first header that has more than one line, of those with these keys."""
        for key, values in self._indexed().items():
            if len(values) > 1 and key in keys:
                return display_name(key, key)
        return None

    def _has(self, key: str) -> bool:
        return key in ([field[0] for field in self._fields] if self._index is None else self._index)

    def _positions(self, key: str | None) -> Iterator[int]:
        return (place for place, field in enumerate(self._fields) if field[0] == key)

    def _changed(self, key: str) -> None:
        if self._index is not None:  # its lists may be shared with a copy
            values = [field[2] for field in self._fields if field[0] == key]
            if values:
                self._index[key] = values
            else:
                self._index.pop(key, None)
        if self._parsed:
            for slot in [slot for slot in self._parsed if slot.partition(" ")[0] == key]:
                del self._parsed[slot]


def _field(name: str, value: object) -> Field:
    key = KEYS.get(name) or key_of(name)
    if key is None:
        raise LocalProtocolError(f"{name!r} cannot be the name of a header")
    return (key, name, str(value), None)


def split_fields(lines: Iterable[str], *, folded: bool = False) -> tuple[list[Field], Index] | str:
    """Take header lines apart, in one pass.

    Args:
        lines: without their line breaks.
        folded: whether some may be folded.

    Returns:
        The fields and their index, or the first line that is no header field.
    """
    fields: list[Field] = []
    index: Index = {}
    for line in lines:
        name, colon, value = line.partition(":")
        key = KEYS.get(name) or key_of(name.rstrip(" \t"))
        if key is None or not colon:
            return line
        value = unfolded(value) if folded else value.strip(" \t")
        fields.append((key, name, value, line))
        if key in index:
            index[key].append(value)
        else:
            index[key] = [value]
    return fields, index


def unfolded(value: str) -> str:
    """Return a value as one line: each fold is one space (RFC 3261 §7.3.1)."""
    return " ".join([part.strip(" \t") for part in value.split("\r\n")]).strip(" ")
