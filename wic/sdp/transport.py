"""Transport of one m-line: its ICE, DTLS and SCTP parameters as one value."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from wic.sdp.attributes import (
    Fingerprint,
    RtcpAddress,
    Setup,
    parse_number,
    parse_tls_id,
    read_all,
    read_optional,
)
from wic.sdp.candidate import Candidate
from wic.sdp.errors import SdpRefused
from wic.sdp.line import Line, attribute

if TYPE_CHECKING:
    from wic.sdp.description import SessionDescription

MAX_CANDIDATES = 100
"""More candidates than this are not read: RFC 8445 §6.1.2.5 limits an agent to 100 pairs."""

DEFAULT_MAX_MESSAGE_SIZE = 65536
"""Octets that a peer accepts which does not name `a=max-message-size` (RFC 8841 §6)."""

_ICE_CHARS = re.compile(r"[A-Za-z0-9+/]*+")


@dataclass(frozen=True, kw_only=True)
class TransportDescription:
    """One side's transport parameters for one m-line, of this side or of the peer.

    Without fingerprints it describes plain RTP; without `ice_ufrag` there is no ICE.
    """

    address: str
    """Default destination, the `c=` line."""
    port: int
    """Default port, on the `m=` line; 0 = the m-line is not used."""
    ice_ufrag: str = ""
    ice_pwd: str = field(default="", repr=False)
    candidates: tuple[Candidate, ...] = ()
    end_of_candidates: bool = False
    ice_lite: bool = False
    ice_options: tuple[str, ...] = ()
    fingerprints: tuple[Fingerprint, ...] = ()
    setup: Setup = Setup.ACTPASS
    tls_id: str | None = None
    rtcp_mux: bool = True
    rtcp: RtcpAddress | None = None
    """Destination of RTCP if it is not multiplexed and not the port after RTP."""
    sctp_port: int | None = None
    max_message_size: int | None = None
    """Largest message this side accepts, in octets; None = not said (65,536), 0 = any."""

    @property
    def secure(self) -> bool:
        """Whether DTLS protects the m-line."""
        return bool(self.fingerprints)


def read_transport(description: SessionDescription, index: int, *, answer: bool = False) -> TransportDescription:
    """Read the transport parameters of the m-line at `index`, session-level values included.

    A malformed line that the transport can do without is as good as none. What it needs is refused: its ICE name and
    password, and with DTLS its role and a fingerprint, without which it would not be protected.

    Args:
        description: the peer's.
        index: of the m-line.
        answer: whether it is an answer; the default of `a=setup` depends on it (RFC 4145 §4.1).

    Raises:
        SdpRefused: an attribute that is needed is not in its grammar, or no address is given.
    """
    media = description.media[index]

    def value(name: str) -> str | None:
        return description.inherited(index, name)

    candidates = media.attributes("candidate")
    if len(candidates) > MAX_CANDIDATES:
        raise SdpRefused(f"more than {MAX_CANDIDATES} candidates", status_hint=488)
    # RFC 8122 §5: fingerprints of the m-line take the place of the session's, they are not added to them.
    hashes = media.attributes("fingerprint") or description.attributes("fingerprint")
    fingerprints = read_all(Fingerprint.parse, hashes)
    if hashes and not fingerprints:
        raise SdpRefused("a=fingerprint is not a hash function and its octets")
    # RFC 8839 §5.4, RFC 4145 §4, RFC 8122 §5: these may stand at the session's level, for all m-lines. The others are
    # read there too, where some stacks put them.
    setup = value("setup") or (Setup.PASSIVE if answer else Setup.ACTIVE)  # RFC 4145 §4.1
    ufrag, pwd = value("ice-ufrag"), value("ice-pwd")
    if not fingerprints:  # plain RTP: nothing of DTLS and ICE is needed
        setup = read_optional(Setup.parse, setup) or Setup.ACTIVE
        ufrag, pwd = read_optional(_ice_ufrag, ufrag), read_optional(_ice_pwd, pwd)
    return TransportDescription(
        address=description.address(index),
        port=media.port,
        ice_ufrag="" if ufrag is None else _ice_ufrag(ufrag),
        ice_pwd="" if pwd is None else _ice_pwd(pwd),
        candidates=read_all(Candidate.parse, candidates),
        end_of_candidates=value("end-of-candidates") is not None,
        ice_lite=description.has("ice-lite"),  # RFC 8839 §5.3: at the session's level only
        ice_options=tuple((value("ice-options") or "").split()),
        fingerprints=fingerprints,
        setup=Setup.parse(setup),
        tls_id=read_optional(parse_tls_id, value("tls-id")),
        rtcp_mux=media.has("rtcp-mux") or media.has("rtcp-mux-only"),  # RFC 5761 §5.1.1, RFC 8858
        rtcp=read_optional(RtcpAddress.parse, value("rtcp")),
        sctp_port=read_optional(_sctp_port, value("sctp-port")),  # RFC 8841 §5: missed where data channels need it
        max_message_size=read_optional(_message_size, value("max-message-size")),
    )


def _sctp_port(text: str) -> int:
    return parse_number(text, name="sctp-port", high=65535)


def _message_size(text: str) -> int:
    return parse_number(text, name="max-message-size", high=2**64 - 1)


def transport_lines(transport: TransportDescription) -> tuple[Line, ...]:
    """Write the attributes of `transport`, for an m-line whose port and address are set."""
    lines: list[Line] = []
    if transport.ice_ufrag:  # RFC 8839 §5.4
        lines += [attribute("ice-ufrag", transport.ice_ufrag), attribute("ice-pwd", transport.ice_pwd)]
    if transport.ice_options:
        lines.append(attribute("ice-options", " ".join(transport.ice_options)))
    if transport.fingerprints:
        lines += [attribute("fingerprint", str(fingerprint)) for fingerprint in transport.fingerprints]
        lines.append(attribute("setup", transport.setup))  # RFC 5763 §5
    if transport.tls_id is not None:  # RFC 8842 §4: with DTLS only
        lines.append(attribute("tls-id", transport.tls_id))
    if transport.sctp_port is not None:
        lines.append(attribute("sctp-port", str(transport.sctp_port)))  # RFC 8841 §5
        if transport.max_message_size is not None:
            lines.append(attribute("max-message-size", str(transport.max_message_size)))  # RFC 8841 §6
    else:
        if transport.rtcp is not None:
            lines.append(attribute("rtcp", str(transport.rtcp)))  # RFC 3605 §2.1
        if transport.rtcp_mux:
            lines.append(attribute("rtcp-mux"))  # RFC 5761 §5.1.1
    lines += [attribute("candidate", str(candidate)) for candidate in transport.candidates]
    if transport.end_of_candidates:
        lines.append(attribute("end-of-candidates"))  # RFC 8840
    return tuple(lines)


def _ice_ufrag(text: str) -> str:
    return _ice_text(text, "ice-ufrag", low=4)


def _ice_pwd(text: str) -> str:
    return _ice_text(text, "ice-pwd", low=22)


def _ice_text(text: str, name: str, *, low: int) -> str:
    # RFC 8839 §5.4: at least 4 characters of the name, at least 22 of the password, at most 256 of either.
    if not low <= len(text) <= 256 or _ICE_CHARS.fullmatch(text) is None:
        raise SdpRefused(f"a={name} is not {low} to 256 ice-chars")
    return text
