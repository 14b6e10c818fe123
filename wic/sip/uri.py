"""URIs: `sip` and `sips` with all their parts (RFC 3261 §19.1), `tel` (RFC 3966), and any other scheme as text."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from ipaddress import AddressValueError, IPv6Address
from typing import Final, TypedDict, Unpack
from urllib.parse import quote as percent_encode
from urllib.parse import unquote as percent_decode

from wic.sip.errors import MalformedUri
from wic.sip.grammar import HOST, URI_HEADERS, URI_PARAMS
from wic.sip.params import Params, UriHeaders, UriParams

_USER = r"[A-Za-z0-9\-_.!~*'()&=+$,;?/%#]++"
_PASSWORD = r"[A-Za-z0-9\-_.!~*'()&=+$,%]*+"

_SIP = re.compile(
    rf"(sips?):(?:({_USER})(?::({_PASSWORD}))?@)?({HOST})(?::([0-9]{{1,5}}))?({URI_PARAMS})({URI_HEADERS})",
    re.IGNORECASE | re.ASCII,
)
_TEL = re.compile(rf"tel:(\+?[0-9A-Fa-f*#\-.()]++)({URI_PARAMS})", re.IGNORECASE | re.ASCII)
_OTHER = re.compile(r"([A-Za-z][A-Za-z0-9+.\-]*+):([^\x00-\x20\x7f\ufffd<>\"]++)")
_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_THREE_COLONS = re.compile(r"(?<!:):::(?!:)")
_SEPARATORS = re.compile(r"[-.()]")

_NO_PARAMS: Final = UriParams()
_NO_HEADERS: Final = UriHeaders()
_UNESCAPED_IN_USER: Final = "-_.!~*'()&=+$,;?/"
_NEVER_ALONE: Final = ("user", "ttl", "method", "maddr", "transport")


class _Changes(TypedDict, total=False):
    scheme: str
    user: str | None
    password: str | None
    host: str
    port: int | None
    params: Params
    headers: Params
    opaque: str


@dataclass(frozen=True, slots=True)
class Uri:
    """A URI, taken apart as far as its scheme is known.

    >>> uri = Uri.parse("sip:alice@[2001:db8::10]:5070;transport=ws?Subject=hello%20you")
    >>> uri.user, uri.host, uri.port, uri.params.get("Transport"), uri.headers.get("subject")
    ('alice', '2001:db8::10', 5070, 'ws', 'hello you')
    >>> print(uri.replace(port=None, headers=UriHeaders()))
    sip:alice@[2001:db8::10];transport=ws
    """

    scheme: str
    """In lower case."""
    user: str | None = None
    """As it came, escapes included; `username` gives it plain."""
    password: str | None = None
    """As it came; RFC 3261 §19.1.1 advises against its use."""
    host: str = ""
    """Name or address; an IPv6 address stands here without its brackets. Empty for other schemes."""
    port: int | None = None
    """As written; None where the scheme's and transport's default holds."""
    params: Params = _NO_PARAMS
    """Parameters of `sip`, `sips` and `tel` URIs."""
    headers: Params = _NO_HEADERS
    """Header fields that the URI asks for."""
    opaque: str = ""
    """All that follows the scheme where it is not SIP; for `tel` the number without parameters."""

    @classmethod
    def parse(cls, text: str) -> Uri:
        """Parse a URI without angle brackets.

        Raises:
            MalformedUri: the text does not follow the grammar of its scheme.
        """
        match = _SIP.fullmatch(text)
        if match is None:
            return cls._parse_other(text)
        scheme, user, password, host, port, params, headers = match.groups()
        if "%" in text and _BAD_ESCAPE.search(text):  # RFC 3261 §19.1.2
            raise MalformedUri(f"broken escape in URI {text[:80]!r}")
        return cls(
            scheme.lower(),
            user,
            password,
            ipv6(host[1:-1]) if host[0] == "[" else host,
            port_number(port),
            UriParams.of_checked(params) if params else _NO_PARAMS,
            UriHeaders.of_checked(headers) if headers else _NO_HEADERS,
        )

    @classmethod
    def _parse_other(cls, text: str) -> Uri:
        scheme, _, _ = text.partition(":")
        if scheme.lower() == "tel":
            match = _TEL.fullmatch(text)
            if match is not None:
                return cls("tel", opaque=match[1], params=UriParams.of_checked(match[2]))  # RFC 3966 §3
        elif scheme.lower() not in ("sip", "sips"):
            match = _OTHER.fullmatch(text)
            if match is not None:
                return cls(match[1].lower(), opaque=match[2])
        raise MalformedUri(f"malformed URI {text[:80]!r}")

    def __str__(self) -> str:
        if not self.host:
            return f"{self.scheme}:{self.opaque}{self.params.text}"
        user = ""
        if self.user is not None:
            user = f"{self.user}@" if self.password is None else f"{self.user}:{self.password}@"
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if self.port is None else f":{self.port}"
        return f"{self.scheme}:{user}{host}{port}{self.params.text}{self.headers.text}"

    def replace(self, **changes: Unpack[_Changes]) -> Uri:
        """Return a copy with other parts."""
        return replace(self, **changes)

    @property
    def username(self) -> str:
        """The user part with its escapes decoded; empty where there is none."""
        return percent_decode(self.user or "")

    @property
    def is_sip(self) -> bool:
        """Whether the scheme is `sip` or `sips`."""
        return self.scheme in ("sip", "sips")

    @property
    def secure(self) -> bool:
        """Whether the scheme is `sips` (RFC 3261 §26.2.2)."""
        return self.scheme == "sips"

    @property
    def is_global_number(self) -> bool:
        """Whether it is a telephone number that means the same everywhere: `+` and decimal digits (RFC 3966 §5.1.4)."""
        number = _SEPARATORS.sub("", self.opaque)
        return self.scheme == "tel" and number.startswith("+") and number[1:].isdecimal()

    def aor(self) -> Uri:
        """Return the address-of-record in canonical form, the key of a registrar (RFC 3261 §10.3 step 5).

        Port, parameters, password and header fields are gone, the host is in lower case and the user
        part escapes only what has to be; a telephone number keeps `phone-context` and loses its separators.
        SIPS is a way to reach a user, who is the same as that of the SIP URI (§19.1, RFC 5630 §3.3).
        """
        if self.scheme == "tel":
            context = self.params.get("phone-context")
            params = _NO_PARAMS if context is None else _NO_PARAMS.with_("phone-context", context.lower())
            return Uri("tel", opaque=_SEPARATORS.sub("", self.opaque), params=params)
        if not self.host:
            return self
        # §25.1 allows the dot of the root.
        return Uri("sip", _canonical_user(self.user), host=self.host.lower().removesuffix("."))

    def matches(self, other: Uri) -> bool:
        """Whether both URIs are equivalent by the rules of RFC 3261 §19.1.4 (RFC 3966 §4 for `tel`)."""
        if self.scheme != other.scheme:
            return False
        if not self.host:
            return _same_opaque(self, other)
        return (
            _canonical_user(self.user) == _canonical_user(other.user)
            and percent_decode(self.password or "") == percent_decode(other.password or "")
            and self.host.lower() == other.host.lower()
            and self.port == other.port
            and _same_params(self.params, other.params)
            and self.headers == other.headers
        )


def ipv6(text: str) -> str:
    """Return an IPv6 address that came in brackets, checked.

    RFC 5118 §4.10: the ABNF of RFC 3261 allowed three colons in a row; they are read as two.

    Raises:
        MalformedUri: it is no IPv6 address.
    """
    address = _THREE_COLONS.sub("::", text)
    try:
        IPv6Address(address)
    except AddressValueError:
        raise MalformedUri(f"malformed IPv6 address {text[:80]!r}") from None
    return address


def bracketed(host: str) -> str:
    """Return a host as it stands in a URI: an IPv6 address in brackets."""
    return f"[{host}]" if ":" in host else host


def port_number(text: str | None) -> int | None:
    """Return a port, or None for None.

    Raises:
        MalformedUri: it is beyond 65535.
    """
    if text is None:
        return None
    port = int(text)
    if port > 0xFFFF:
        raise MalformedUri(f"port {port} does not exist")
    return port


def _canonical_user(user: str | None) -> str | None:
    if user is None or "%" not in user:
        return user
    return percent_encode(percent_decode(user), safe=_UNESCAPED_IN_USER)


def _same_opaque(one: Uri, other: Uri) -> bool:
    if one.scheme == "tel":
        return one.aor().opaque == other.aor().opaque and one.params == other.params
    return one.opaque == other.opaque


def _same_params(one: Params, other: Params) -> bool:
    """Compare URI parameters: what both have must agree, and some may not stand on one side alone."""
    for name in {*map(str.lower, one), *map(str.lower, other)}:
        left, right = one.get(name), other.get(name)
        if left is None or right is None:
            if name in _NEVER_ALONE:
                return False
        elif left.lower() != right.lower():
            return False
    return True
