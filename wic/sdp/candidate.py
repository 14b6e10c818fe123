"""ICE candidates as SDP writes them (RFC 8839 §5.1, RFC 6544 §4.5)."""

from __future__ import annotations

import re
from dataclasses import dataclass

from wic.sdp.attributes import parse_number
from wic.sdp.errors import SdpRefused

_FOUNDATION = re.compile(r"[A-Za-z0-9+/]{1,32}", re.ASCII)
_WORD = re.compile(r"[\x21-\x7e]{1,255}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Candidate:
    """One address at which a component may be reached, `a=candidate`."""

    foundation: str
    component: int
    transport: str
    """`udp` or `tcp`, in lower case."""
    priority: int
    address: str
    """An IP address, or a `.local` name where a browser hides its address."""
    port: int
    type: str
    """`host`, `srflx`, `prflx` or `relay`."""
    related_address: str | None = None
    related_port: int | None = None
    tcp_type: str | None = None
    """`active`, `passive` or `so` (RFC 6544 §4.5)."""
    extensions: tuple[tuple[str, str], ...] = ()
    """Further name and value pairs, in order, e.g. `("generation", "0")`."""

    @classmethod
    def parse(cls, text: str) -> Candidate:
        """Read the value of `a=candidate`.

        Raises:
            SdpRefused: not in the grammar of RFC 8839 §5.1.

        >>> Candidate.parse("1 1 UDP 2130706431 192.0.2.1 5000 typ host").port
        5000
        """
        fields = text.removeprefix("candidate:").split()
        # RFC 8839 §5.1: eight words, then pairs of a name and a value, whose names may be new.
        if len(fields) < 8 or fields[6] != "typ" or len(fields) % 2 or not all(map(_WORD.fullmatch, fields)):
            raise SdpRefused("a=candidate is not in the grammar of RFC 8839")
        if not _FOUNDATION.fullmatch(fields[0]):
            raise SdpRefused("a=candidate has no foundation of 1 to 32 ice-chars")
        pairs = list(zip(fields[8::2], fields[9::2], strict=True))
        known = dict(reversed(pairs))  # of a name that occurs twice, the first counts
        related_port = known.get("rport")
        return cls(
            foundation=fields[0],
            component=parse_number(fields[1], name="component", low=1, high=256),
            transport=fields[2].lower(),
            priority=parse_number(fields[3], name="priority", low=1, high=2**31 - 1),  # RFC 8445 §5.1.2
            address=fields[4],
            port=parse_number(fields[5], name="candidate port", high=65535),
            type=fields[7].lower(),
            related_address=known.get("raddr"),
            related_port=None if related_port is None else parse_number(related_port, name="rport", high=65535),
            tcp_type=known.get("tcptype"),  # RFC 6544 §4.5
            extensions=tuple(pair for pair in pairs if pair[0] not in ("raddr", "rport", "tcptype")),
        )

    def __str__(self) -> str:
        words = [self.foundation, str(self.component), self.transport, str(self.priority)]
        words += [self.address, str(self.port), "typ", self.type]
        if self.related_address is not None:
            words += ["raddr", self.related_address]
        if self.related_port is not None:
            words += ["rport", str(self.related_port)]
        if self.tcp_type is not None:
            words += ["tcptype", self.tcp_type]
        for name, value in self.extensions:
            words += [name, value]
        return " ".join(words)
