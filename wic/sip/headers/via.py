"""Via (RFC 3261 §20.42, RFC 3581 for `rport`)."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Final

from wic.sip.errors import MalformedHeader
from wic.sip.grammar import HOST, PARAMS, TOKEN, WS
from wic.sip.params import Params
from wic.sip.uri import bracketed, ipv6, port_number

_SLASH = rf"{WS}/{WS}"
_VIA = re.compile(
    rf"{WS}({TOKEN}){_SLASH}({TOKEN}){_SLASH}({TOKEN})[ \t]++({HOST})(?:{WS}:{WS}([0-9]{{1,5}}))?({PARAMS}){WS}",
    re.DOTALL,
)
_NONE: Final = Params()
_ONCE: Final = frozenset({"branch"})  # `received` and `rport` are set by who decides by them; the others decide nothing


@dataclass(frozen=True, slots=True)
class Via:
    """One hop of the way a request took.

    >>> via = Via.parse("SIP/2.0/WSS df7jal23ls0d.invalid;branch=z9hG4bK56sdasks;rport")
    >>> via.transport, via.host, via.port, via.branch, via.rport
    ('WSS', 'df7jal23ls0d.invalid', None, 'z9hG4bK56sdasks', None)
    """

    protocol: str
    """`SIP/2.0`."""
    transport: str
    """`WS`, `WSS`, `UDP`, `TCP`, `TLS` or anything else, as it came."""
    host: str
    """Host of the sent-by; an IPv6 address stands here without its brackets."""
    port: int | None = None
    """Port of the sent-by, as written."""
    params: Params = _NONE
    """`branch`, `received`, `rport`, `maddr`, `ttl`, `keep` and others."""

    @classmethod
    def parse(cls, text: str) -> Via:
        """Parse one value.

        Raises:
            MalformedHeader: it does not follow the grammar.
        """
        match = _VIA.fullmatch(text)
        if match is None:
            raise MalformedHeader(f"malformed Via {text[:80]!r}")
        name, version, transport, host, port, params = match.groups()
        return cls(
            f"{name}/{version}",
            transport,
            ipv6(host[1:-1]) if host[0] == "[" else host,
            port_number(port),
            Params.of_field(params, _ONCE) if params else _NONE,
        )

    def __str__(self) -> str:
        port = "" if self.port is None else f":{self.port}"
        return f"{self.protocol}/{self.transport} {bracketed(self.host)}{port}{self.params.text}"

    @property
    def branch(self) -> str | None:
        """The transaction identifier."""
        return self.params.get("branch")

    @property
    def received(self) -> str | None:
        """The address the request really came from, without the brackets some stacks put (RFC 5118 §4.5)."""
        text = self.params.get("received")
        return text.strip("[]") if text else None

    @property
    def rport(self) -> int | None:
        """The port the request really came from; None where it is absent or not filled in yet."""
        text = self.params.get("rport")
        return int(text) if text and re.fullmatch(r"[0-9]{1,5}", text) and int(text) <= 0xFFFF else None

    @property
    def sent_by(self) -> str:
        """Host and port in lower case, as RFC 3261 §17.2.3 compares them."""
        port = "" if self.port is None else f":{self.port}"
        return bracketed(self.host.lower()) + port

    def with_params(self, params: Params) -> Via:
        """Return a copy with these parameters."""
        return replace(self, params=params)

    def with_param(self, name: str, value: str | None = None) -> Via:
        """Return a copy with one parameter set, such as `received` (RFC 3261 §18.2.1)."""
        return replace(self, params=self.params.with_(name, value))
