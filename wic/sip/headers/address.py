"""`name-addr` and `addr-spec` with parameters: From, To, Contact, Route and their kin (RFC 3261 §20.10)."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Final

from wic.sip.errors import MalformedHeader
from wic.sip.grammar import PARAMS, QUOTED, WS
from wic.sip.headers.values import delta_seconds
from wic.sip.params import Params, quote, unquote
from wic.sip.uri import Uri

# Display names without quotes are tokens; octets beyond ASCII are met there and do no harm.
_WORD = r"[A-Za-z0-9\-.!%*_+`'~\u0080-\U0010ffff]++"
_NAME_ADDR = re.compile(rf"{WS}(?:({QUOTED})|({_WORD}(?:[ \t]++{_WORD})*+))?+{WS}<([^<>]++)>({PARAMS}){WS}", re.DOTALL)
# RFC 3261 §20: without angle brackets a URI with comma, question mark or semicolon is not allowed,
# and every parameter belongs to the header field.
_ADDR_SPEC = re.compile(rf"{WS}([^\s<>\",;?]++)({PARAMS}){WS}", re.DOTALL)

_NONE: Final = Params()
_ONCE: Final = frozenset({"tag", "expires", "q", "reg-id", "+sip.instance", "pub-gruu", "temp-gruu"})
_DEFAULT_EXPIRES: Final = 3600
_Q: Final = re.compile(r"0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?")


@dataclass(frozen=True, slots=True)
class NameAddr:
    """A URI with a display name and parameters.

    >>> caller = NameAddr.parse('"Bell, Alexander" <sip:bell@example.com>;tag=43')
    >>> caller.display, caller.uri.user, caller.tag
    ('Bell, Alexander', 'bell', '43')
    """

    display: str
    """The display name without quotes and escapes; empty where there is none."""
    uri: Uri
    """The address."""
    params: Params = _NONE
    """Parameters of the header field value, not of the URI."""

    @classmethod
    def parse(cls, text: str) -> NameAddr:
        """Parse one value.

        Raises:
            MalformedHeader: the value, or (MalformedUri) its URI, does not follow the grammar.
        """
        match = _NAME_ADDR.fullmatch(text)
        if match is None:
            match = _ADDR_SPEC.fullmatch(text)
            if match is None:
                raise MalformedHeader(f"malformed address {text[:80]!r}")
            uri, params = match.groups()
            return cls("", Uri.parse(uri), Params.of_field(params, _ONCE) if params else _NONE)
        quoted, words, uri, params = match.groups()
        display = unquote(quoted) if quoted else words or ""
        return cls(display, Uri.parse(uri), Params.of_field(params, _ONCE) if params else _NONE)

    def __str__(self) -> str:
        display = f"{quote(self.display)} " if self.display else ""
        return f"{display}<{self.uri}>{self.params.text}"

    @property
    def tag(self) -> str | None:
        """The `tag` parameter of From and To."""
        return self.params.get("tag")

    @property
    def expires(self) -> int | None:
        """The `expires` parameter of a Contact in seconds, or None.

        RFC 3261 §10.2: beyond 2**32-1 is 2**32-1, malformed is 3600.
        """
        text = self.params.get("expires")
        if text is None:
            return None
        if not (text.isascii() and text.isdigit()):
            return _DEFAULT_EXPIRES
        return delta_seconds(text)

    @property
    def q(self) -> float:
        """The preference of a Contact, 0 to 1; 1 where it is absent or malformed (RFC 3261 §16.6)."""
        return float(self.q_text or 1)

    @property
    def q_text(self) -> str | None:
        """The preference of a Contact as it stands there; None where it is absent or malformed."""
        text = self.params.get("q") or ""
        return text if _Q.fullmatch(text) else None

    def with_tag(self, tag: str) -> NameAddr:
        """Return a copy with that tag."""
        return replace(self, params=self.params.with_("tag", tag))

    def with_params(self, params: Params) -> NameAddr:
        """Return a copy with these parameters."""
        return replace(self, params=params)

    def with_uri(self, uri: Uri) -> NameAddr:
        """Return a copy with that URI."""
        return replace(self, uri=uri)
