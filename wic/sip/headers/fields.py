"""Header fields of a message: an ordered multimap that keeps the lines as they came, and typed views of it.

A field is a line: it is found by any spelling of its name, and goes out byte for byte as it came unless this side
has changed it. Its value is taken apart only when it is asked for, and what was read is kept until that field
changes, for most elements on the way need three or four fields of twenty.

Not all octets are text: a peer may write Latin-1, or a NUL. Only the line keeps them, so that they go on unchanged where the
field does; the value has U+FFFD there, and can be logged, stored and shown like any other text.

A typed view is one `TypedHeader`, made by `required`, `optional`, `topmost`, `each` or `tokens`: it names the header and
the parser of one value. `wic.sip.message` declares all of them, a line each. Whether a header that may stand once is
there twice is found out where it is read, so that it matters to those who use it, and to no other (RFC 3261 §7.3.1).
"""

from __future__ import annotations

import logging
import re
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, Generic, Protocol, Self, TypeVar, overload

from wic.errors import LocalProtocolError
from wic.sip.errors import MalformedHeader
from wic.sip.grammar import TOKEN, WS, is_token, split_list, split_usable
from wic.sip.headers.names import DISPLAY, KEYS, display_name, key_of
from wic.sip.limits import Limits
from wic.sip.masking import masked

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

logger = logging.getLogger(__name__)

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

Field = tuple[str, str, str, str | None]
"""Key, name as spelled, value, and the line as it came (None once it is ours).

The value has its folding undone and is `readable`. The line has, as a lone surrogate, each octet that was not UTF-8.
"""
Index = dict[str, list[str]]
"""The values of each key."""

FOLD: Final = re.compile(r"\r\n(?![ \t])")
"""What ends a header line: a line break that is no folding."""

FORBIDDEN: Final = re.compile(r"[\r\n\0\ud800-\udfff]")
"""Characters that no text of ours may have: they would end its line, or cannot be encoded."""
_UNREADABLE: Final = re.compile(r"[\0\ud800-\udfff]")
_UNREAD: Final[Any] = object()
_NO_LINES: Final[list[str]] = []
_LIST_VALUES: Final = Limits().list_values
_TOKENS: Final = re.compile(rf"{TOKEN}(?:{WS},{WS}{TOKEN})*+")


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

    __slots__ = ("_held", "_index", "_list_values", "_read")

    def __init__(self, pairs: Iterable[tuple[str, object]] = ()) -> None:
        """Make headers from names and values; `str()` of a value is its text."""
        self._held: list[Field] | str = [
            (KEYS.get(name) or _key(name), name, str(value), None) for name, value in pairs
        ]
        self._index: Index | None = None
        self._read: dict[TypedHeader[Any], Any] = {}
        self._list_values = _LIST_VALUES

    @classmethod
    def of_lines(cls, fields: list[Field], index: Index | None, list_values: int) -> Self:
        """Wrap lines that the parser has split; the index belongs to them."""
        headers = cls.__new__(cls)
        headers._held = fields
        headers._index = index
        headers._read = {}
        headers._list_values = list_values
        return headers

    @property
    def _fields(self) -> list[Field]:
        if isinstance(self._held, str):
            split = split_fields(FOLD.split(self._held) if self._held else [], odd=True)
            assert not isinstance(split, str), "what was packed is no header"
            self._held = split[0]
        return self._held

    def _indexed(self) -> Index:
        index: Index = {}
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
        key = KEYS.get(name) or _key(name)
        self._fields.append((key, name, str(value), None))
        self._changed(key)

    def keep_read(self, header: TypedHeader[T], value: T) -> None:
        """Keep the value of a header that has been read, or written, so that it need not be read again."""
        self._read[header] = value

    def prepend(self, name: str, value: object) -> None:
        """Put a line before the first of its name, or at the top where there is none."""
        key = KEYS.get(name) or _key(name)
        fields = self._fields
        place = next((place for place, field in enumerate(fields) if field[0] == key), 0)
        fields.insert(place, (key, name, str(value), None))
        self._changed(key)

    def set(self, name: str, value: object) -> None:
        """Replace all lines of that name by one, in the place of the first, or at the end."""
        key = KEYS.get(name) or _key(name)
        field = (key, name, str(value), None)
        place = self._first(key)
        if place is None:
            self._fields.append(field)
        else:
            rest = [other for other in self._fields[place + 1 :] if other[0] != key]
            self._fields[place:] = [field, *rest]
        self._changed(key)

    def append_to(self, name: str, text: str) -> None:
        """Append text, such as a parameter, to the first line of that name; the rest of it stays as it came."""
        place = self._first(key_of(name))
        if place is not None:
            key, spelling, value, line = self._fields[place]
            self._fields[place] = (key, spelling, value + text, None if line is None else line + text)
            self._changed(key)

    def remove(self, name: str) -> None:
        """Remove all lines of that name."""
        key = KEYS.get(name) or key_of(name)
        kept = [field for field in self._fields if field[0] != key]
        if key is not None and len(kept) < len(self._fields):
            self._held = kept
            self._changed(key)

    def write(self, header: TypedHeader[tuple[T, ...]], values: tuple[T, ...]) -> None:
        """Replace all lines of a typed header by values, one a line, at the end; they need not be read again."""
        key = header.key
        name = DISPLAY.get(key, key)
        kept = [field for field in self._fields if field[0] != key]
        self._held = [*kept, *[(key, name, str(value), None) for value in values]]
        self._changed(key)
        if values:
            self._read[header] = values

    def remove_first(self, name: str) -> None:
        """Remove the topmost value of a list header; the other values of its line stay.

        Raises:
            MalformedHeader: the line cannot be split.
        """
        place = self._first(key_of(name))
        if place is None:
            return
        key, spelling, value, line = self._fields[place]
        rest = ", ".join(split_list(value)[1:])
        if rest and line is not None:  # the other values are not ours: their octets go on as they came
            line = f"{DISPLAY.get(key, spelling)}: {', '.join(split_list(unfolded(line.partition(':')[2]))[1:])}"
        self._fields[place : place + 1] = [(key, spelling, rest, line)] if rest else []
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
        headers = Headers.__new__(Headers)
        headers._held = self._fields.copy()
        headers._index = None if self._index is None else self._index.copy()
        headers._read = self._read.copy()
        headers._list_values = self._list_values
        return headers

    def items(self) -> Iterator[tuple[str, str]]:
        """Iterate over names, compact forms written in full, and values, one pair a line."""
        return ((display_name(key, name), value) for key, name, value, _ in self._fields)

    def __contains__(self, name: object) -> bool:
        key = (KEYS.get(name) or key_of(name)) if isinstance(name, str) else None
        if self._index is not None:
            return key in self._index
        return key in [field[0] for field in self._fields]

    def __len__(self) -> int:
        return len(self._fields)

    def __repr__(self) -> str:
        return f"Headers({', '.join(name for name, _ in self.items())})"

    def lines(self) -> list[tuple[str, str]]:
        """Return keys and the lines that go out.

        Raises:
            LocalProtocolError: a value of ours holds CR, LF, NUL or a lone surrogate.
        """
        fields = self._fields
        if FORBIDDEN.search("".join([value for _, _, value, line in fields if line is None])):
            name = next(name for _, name, value, line in fields if line is None and FORBIDDEN.search(value))
            raise LocalProtocolError(f"line break, NUL or lone surrogate in the value of {name}")
        return [
            (key, f"{DISPLAY.get(key, name)}: {value}" if line is None else line) for key, name, value, line in fields
        ]

    def read(self, header: TypedHeader[T]) -> T:
        """Return the value of a typed header, kept until that header changes.

        Raises:
            MalformedHeader: it does not follow its grammar, or is missing although it is required.
        """
        found: T = self._read.get(header, _UNREAD)
        if found is _UNREAD:
            found = self._read[header] = header.parse(self)
        return found

    def usable(self, header: TypedHeader[T]) -> T:
        """Return the value of a typed header as far as it can be read, and log what had to be left out.

        Of a list that are the elements that can be read, each for itself; a single value is None where it cannot.

        Raises:
            MalformedHeader: it cannot be read, and every message has to have it.
        """
        try:
            return self.read(header)
        except MalformedHeader as error:
            if header.salvage is None:
                raise
            # The message does its work without. A peer sends as many of these as it likes, so that they are told at the
            # level of every message only, and could not fill a log at any other.
            if logger.isEnabledFor(logging.DEBUG):
                logger.debug("left out of a message what cannot be used: %s", masked(str(error)))
            return header.salvage(self)

    def usable_values(self, key: str) -> list[str]:
        """Return the values of a list header with this key, without those that are empty or broken."""
        return [value for line in self._lines(key) for value in split_usable(line)][: self._list_values]

    def pack(self) -> None:
        """Become one text, to save memory; it is taken apart again when something is asked for.

        Raises:
            LocalProtocolError: a value of ours holds CR, LF, NUL or a lone surrogate.
        """
        if not isinstance(self._held, str):
            self._held = "\r\n".join([line for _, line in self.lines()])
        self._index = None
        self._read.clear()

    def has_any(self, keys: frozenset[str]) -> bool:
        """Whether there is a header with one of these keys."""
        return not keys.isdisjoint([field[0] for field in self._fields] if self._index is None else self._index)

    def _lines(self, key: str) -> list[str]:
        """Return the values of the lines with a key, not to be changed."""
        return (self._indexed() if self._index is None else self._index).get(key, _NO_LINES)

    def _first(self, key: str | None) -> int | None:
        return next((place for place, field in enumerate(self._fields) if field[0] == key), None)

    def _changed(self, key: str) -> None:
        if self._index is not None:  # its lists may be shared with a copy
            values = [field[2] for field in self._fields if field[0] == key]
            if values:
                self._index[key] = values
            else:
                self._index.pop(key, None)
        if self._read:
            for header in [header for header in self._read if header.key == key]:
                del self._read[header]


def _key(name: str) -> str:
    key = KEYS.get(name) or key_of(name)
    if key is None:
        raise LocalProtocolError(f"{name!r} cannot be the name of a header")
    return key


class _HasHeaders(Protocol):
    """A message."""

    headers: Headers


class TypedHeader(Generic[T_co]):
    """Typed view of one header, as a property of messages.

    >>> class Memo:
    ...     subject = required("Subject", str.title)
    ...     def __init__(self, headers): self.headers = headers
    >>> Memo(Headers([("s", "first words")])).subject
    'First Words'
    """

    __slots__ = ("key", "parse", "salvage")

    def __init__(
        self, name: str, parse: Callable[[Headers], T_co], salvage: Callable[[Headers], T_co] | None = None
    ) -> None:
        """Make a view that reads `name` by `parse`, which returns an immutable value; `salvage` returns what is usable."""
        self.key = _key(name)
        self.parse = parse
        self.salvage = salvage

    @overload
    def __get__(self, message: None, owner: type) -> Self: ...
    @overload
    def __get__(self, message: _HasHeaders, owner: type) -> T_co: ...
    def __get__(self, message: _HasHeaders | None, owner: type) -> Self | T_co:
        """Return the value in a message, or for a class the view itself."""
        if message is None:
            return self
        read = message.headers._read
        found: T_co = read.get(self, _UNREAD)  # as `Headers.read`, of which every message asks some ten times
        if found is _UNREAD:
            found = read[self] = self.parse(message.headers)
        return found


def required(name: str, parse: Callable[[str], T]) -> TypedHeader[T]:
    """View a header that has to be there, once."""
    key = _key(name)

    def read(headers: Headers) -> T:
        lines = headers._lines(key)
        if len(lines) != 1:
            raise MalformedHeader(f"{name} is {'repeated' if lines else 'missing'}")
        try:  # and not `_named`: four of these are read of every message
            return parse(lines[0])
        except MalformedHeader as error:
            raise MalformedHeader(f"{name}: {error}") from error

    return TypedHeader(name, read)


def optional(name: str, parse: Callable[[str], T]) -> TypedHeader[T | None]:
    """View a header that may be there, once."""
    key = _key(name)

    def read(headers: Headers) -> T | None:
        lines = headers._lines(key)
        if not lines:
            return None
        if len(lines) > 1:
            raise MalformedHeader(f"{name} is repeated")
        return _named(name, parse, lines[0])

    return TypedHeader(name, read, lambda _: None)


def topmost(name: str, parse: Callable[[str], T]) -> TypedHeader[T]:
    """View the first value of a list header that has to be there; those below it are not looked at."""
    key = _key(name)

    def read(headers: Headers) -> T:
        lines = headers._lines(key)
        if not lines:
            raise MalformedHeader(f"{name} is missing")
        try:
            return parse(split_list(lines[0])[0] if "," in lines[0] else lines[0])
        except MalformedHeader as error:
            raise MalformedHeader(f"{name}: {error}") from error

    return TypedHeader(name, read)


def each(name: str, parse: Callable[[str], T], *, wildcard: str | None = None) -> TypedHeader[tuple[T, ...]]:
    """View all values of a list header; a header that is only `wildcard` has none."""
    key = _key(name)

    def read(headers: Headers) -> tuple[T, ...]:
        lines = headers._lines(key)
        if not lines or lines == [wildcard]:
            return ()
        try:
            return tuple([parse(value) for value in headers.values(name)])
        except MalformedHeader as error:
            raise MalformedHeader(f"{name}: {error}") from error

    def salvage(headers: Headers) -> tuple[T, ...]:
        found = []
        for value in headers.usable_values(key):
            with suppress(MalformedHeader):
                found.append(parse(value))
        return tuple(found)

    return TypedHeader(name, read, salvage)


def each_of_line(name: str, parse: Callable[[str], list[T]]) -> TypedHeader[tuple[T, ...]]:
    """View all values of a list header whose lines cannot be split without reading them."""

    def read(headers: Headers) -> tuple[T, ...]:
        return tuple([value for line in headers.get_all(name) for value in _named(name, parse, line)])

    return TypedHeader(name, read)


def tokens(name: str, *, lower: bool = True) -> TypedHeader[tuple[str, ...]]:
    """View a list of tokens, such as option tags; an empty line is an empty list (RFC 3261 §20.5, §20.37)."""
    key = _key(name)

    def read(headers: Headers) -> tuple[str, ...]:
        text = ",".join([line for line in headers._lines(key) if line])
        if not text:
            return ()
        if _TOKENS.fullmatch(text) is None:
            raise MalformedHeader(f"{name}: no list of tokens: {text[:80]!r}")
        return tuple([token.strip(" \t") for token in (text.lower() if lower else text).split(",")])

    def salvage(headers: Headers) -> tuple[str, ...]:
        return tuple([value.lower() if lower else value for value in headers.usable_values(key) if is_token(value)])

    return TypedHeader(name, read, salvage)


def _named(name: str, parse: Callable[[str], T], text: str) -> T:
    """Parse a value; an error says which header it was."""
    try:
        return parse(text)
    except MalformedHeader as error:
        raise MalformedHeader(f"{name}: {error}") from error


def split_fields(lines: Iterable[str], *, odd: bool = False) -> tuple[list[Field], Index] | str:
    """Take header lines apart, in one pass.

    Args:
        lines: without their line breaks.
        odd: whether some may be folded, or have octets that are no text.

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
        value = readable(unfolded(value)) if odd else value.strip(" \t")
        fields.append((key, name, value, line))
        if key in index:
            index[key].append(value)
        else:
            index[key] = [value]
    return fields, index


def unfolded(value: str) -> str:
    """Return a value as one line: each fold is one space (RFC 3261 §7.3.1)."""
    return " ".join([part.strip(" \t") for part in value.split("\r\n")]).strip(" ")


def readable(text: str) -> str:
    """Return text of a message with U+FFFD for each NUL and each octet that is not UTF-8, fit for any use."""
    if text.isascii() and "\0" not in text:
        return text
    return _UNREADABLE.sub("\ufffd", text)
