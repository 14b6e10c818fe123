"""Lists of `name=value` parameters: ordered, immutable, case-insensitive in their names; and the quoting of values.

A list is its text, as it came or as it was written. It is taken apart when a parameter is asked for, once for all of
its parameters.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, ClassVar, Self
from urllib.parse import quote as percent_encode
from urllib.parse import unquote as percent_decode

from wic.sip.errors import MalformedHeader
from wic.sip.grammar import PARAM, PARAMS, PLAIN, QUOTED, TOKEN, URI_HEADERS, URI_PARAMS, WS, is_token

if TYPE_CHECKING:
    from collections.abc import Collection, Container, Iterable, Iterator

_Pair = tuple[str, str | None]

_IPV6 = re.compile(r"\[?[0-9A-Fa-f:.]+\]?")
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_QUOTABLE = re.compile(r'["\\]')


def quote(text: str) -> str:
    r"""Return `text` as a quoted string.

    >>> print(quote('the "boss"'))
    "the \"boss\""
    """
    escaped = _QUOTABLE.sub(r"\\\g<0>", text) if '"' in text or "\\" in text else text
    return f'"{escaped}"'


def unquote(text: str) -> str:
    """Return the text within a quoted string; any other text comes back unchanged."""
    if text[:1] != '"':
        return text
    inner = text[1:-1]
    return _ESCAPED.sub(r"\1", inner) if "\\" in inner else inner


class Params:
    """Parameters of a header field value (RFC 3261 §25.1: generic-param).

    >>> params = Params.parse(';tag=1928;+sip.instance="<urn:uuid:0>"')
    >>> params.get("+SIP.instance"), "tag" in params, params.get("q")
    ('<urn:uuid:0>', True, None)
    >>> print(params.with_("text", "a b").without("tag"))
    ;+sip.instance="<urn:uuid:0>";text="a b"
    """

    __slots__ = ("_values", "text")

    text: str
    """The list as it is written, its leading separator included."""
    _values: dict[str, str] | None
    """The values as they are written, by names in lower case, once one was asked for."""

    _grammar: ClassVar[re.Pattern[str]] = re.compile(rf"{PARAMS}{WS}", re.DOTALL)
    _pattern: ClassVar[re.Pattern[str]] = re.compile(rf"({TOKEN})(?:{WS}={WS}({QUOTED}|{PLAIN}))?", re.DOTALL)
    _before: ClassVar[str] = ";"
    _between: ClassVar[str] = ";"

    def __init__(self, pairs: Iterable[_Pair] = (), *, quoted: Iterable[str] = ()) -> None:
        """Make parameters from names and values.

        Args:
            pairs: names with their plain values; None stands for a name without `=`.
            quoted: names whose values are put in quotes even where the grammar does not need it.
        """
        names = {name.lower() for name in quoted}
        written = [
            (self._encode_name(name), None if value is None else self._encode(value, name.lower() in names))
            for name, value in pairs
        ]
        self.text = self._joined(written)
        self._values = None

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse a list with its leading separator, such as `;a=1;b`; empty text is an empty list.

        Raises:
            MalformedHeader: the text is no such list.
        """
        if cls._grammar.fullmatch(text) is None:
            raise MalformedHeader(f"malformed parameters: {text[:80]!r}")
        return cls.of_checked(text)

    @classmethod
    def of_checked(cls, text: str) -> Self:
        """Wrap text that has already matched the grammar of this list; nothing is checked again."""
        params = cls.__new__(cls)
        params.text = text
        params._values = None
        return params

    @classmethod
    def of_field(cls, text: str, once: Container[str]) -> Self:
        """Wrap the parameters of a header field value, which have matched the grammar.

        RFC 3261 §7.3.1: no name may stand there twice. Only with a parameter that something is decided by does that
        matter: two elements could take a different one of both. Nor may such a one have octets that are no text, not
        even in quotes, for two that differ in them could not be told apart.

        Args:
            text: the list with its leading semicolon.
            once: names in lower case, of the parameters that something is decided by.

        Raises:
            MalformedHeader: one of them is there twice, or has such octets.
        """
        params = cls.of_checked(text)
        if text.count(";") > 1 or "\ufffd" in text:
            pairs = cls._pattern.findall(text)
            values = params._values = {key.lower(): value for key, value in reversed(pairs)}
            if len(values) < len(pairs):
                names = [key.lower() for key, _ in pairs]
                for name in values:
                    if name in once and names.count(name) > 1:
                        raise MalformedHeader(f"the parameter {name} is repeated")
            if "\ufffd" in text:
                for name, value in values.items():
                    if name in once and "\ufffd" in value:
                        raise MalformedHeader(f"the parameter {name} has octets that are no text")
        return params

    @classmethod
    def of_written(cls, values: dict[str, str]) -> Self:
        """Wrap values that are written as the grammar asks, by names in lower case; nothing is checked or quoted.

        The mapping is kept.
        """
        params = cls.__new__(cls)
        params.text = cls._joined(values.items())
        params._values = values
        return params

    @classmethod
    def _joined(cls, pairs: Collection[_Pair]) -> str:
        if not pairs:
            return ""
        return cls._before + cls._between.join([name if value is None else f"{name}={value}" for name, value in pairs])

    def _split(self) -> list[_Pair]:
        return [(match[1], match[2]) for match in self._pattern.finditer(self.text)]

    def get(self, name: str, default: str | None = None) -> str | None:
        """Return the value of the first parameter of that name.

        A parameter without a value gives the empty string, so that it differs from an absent one.
        """
        values = self._values
        name = name.lower()
        if values is None:
            if name not in self.text.lower():
                return default  # seen without taking the text apart
            # Backwards, since of several with one name the first counts.
            values = self._values = {key.lower(): value for key, value in reversed(self._pattern.findall(self.text))}
        value = values.get(name)
        if value is None:
            return default
        return unquote(value) if value[:1] == '"' else value

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and self.get(name) is not None

    def with_(self, name: str, value: str | None = None, *, quoted: bool = False) -> Self:
        """Return a copy in which `name` has that value: in its old place, or at the end.

        Args:
            name: the parameter's name.
            value: the plain value, quoted or escaped as the grammar asks; None for a flag.
            quoted: put the value in quotes even where the grammar does not need it.
        """
        pair = (self._encode_name(name), None if value is None else self._encode(value, quoted))
        kept: list[_Pair] = []
        placed = False
        for old in self._split():
            if self._name(old[0]).lower() != name.lower():
                kept.append(old)
            elif not placed:
                kept.append(pair)
                placed = True
        return self.of_checked(self._joined(kept if placed else [*kept, pair]))

    def without(self, *names: str) -> Self:
        """Return a copy that lacks the parameters of these names."""
        gone = {name.lower() for name in names}
        kept = [pair for pair in self._split() if self._name(pair[0]).lower() not in gone]
        return self.of_checked(self._joined(kept))

    def items(self) -> Iterator[_Pair]:
        """Iterate over names and plain values, in order; None for a name without `=`."""
        return ((self._name(name), None if value is None else self._decode(value)) for name, value in self._split())

    def __iter__(self) -> Iterator[str]:
        return (self._name(name) for name, _ in self._split())

    def __len__(self) -> int:
        return len(self._split())

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        return f"{type(self).__name__}.parse({self.text!r})"

    def _key(self) -> frozenset[_Pair]:
        return frozenset((name.lower(), value) for name, value in self.items())

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Params):
            return NotImplemented
        return self.text == other.text or self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())

    @staticmethod
    def _name(name: str) -> str:
        return name

    @classmethod
    def _encode_name(cls, name: str) -> str:
        return name

    @staticmethod
    def _decode(value: str) -> str:
        return unquote(value)

    @classmethod
    def _encode(cls, value: str, quoted: bool) -> str:
        if not quoted and (is_token(value) or _IPV6.fullmatch(value)):
            return value
        return quote(value)


class AuthParams(Params):
    """Comma-separated parameters of credentials and challenges (RFC 3261 §25.1: digest-response, challenge)."""

    __slots__ = ()

    # RFC 9110 §5.6.1.2: a recipient passes over empty elements.
    _grammar = re.compile(rf"[ \t,]*+(?:{PARAM}(?:{WS},[ \t,]*+|{WS}\Z))*+", re.DOTALL)
    _before = ""
    _between = ", "


class UriParams(Params):
    """Parameters of a URI, percent-encoded instead of quoted (RFC 3261 §25.1: uri-parameters)."""

    __slots__ = ()

    _grammar = re.compile(URI_PARAMS)
    _pattern = re.compile(r"([^;=]++)(?:=([^;]*+))?")
    _safe: ClassVar[str] = "-_.!~*'()[]/:&+$"

    def get(self, name: str, default: str | None = None) -> str | None:
        """Return the value of the first parameter of that name; names may be escaped like values."""
        if "%" not in self.text:
            return super().get(name, default)
        name = name.lower()
        return next((value or "" for key, value in self.items() if key.lower() == name), default)

    @staticmethod
    def _name(name: str) -> str:
        return percent_decode(name)

    @classmethod
    def _encode_name(cls, name: str) -> str:
        return percent_encode(name, safe=cls._safe)

    @staticmethod
    def _decode(value: str) -> str:
        return percent_decode(value)

    @classmethod
    def _encode(cls, value: str, quoted: bool) -> str:
        return percent_encode(value, safe=cls._safe)


class UriHeaders(UriParams):
    """Header fields that a URI asks for, such as `?Replaces=…` (RFC 3261 §19.1.1)."""

    __slots__ = ()

    _grammar = re.compile(URI_HEADERS)
    _pattern = re.compile(r"(?:\A\?|&)([^&=]*+)(?:=([^&]*+))?")
    _before = "?"
    _between = "&"
    _safe = "-_.!~*'()[]/?:+$"
