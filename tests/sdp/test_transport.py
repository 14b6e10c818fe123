from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from wic.sdp import RtcpAddress, SdpRefused, SessionDescription, Setup, TransportDescription
from wic.sdp.transport import read_transport, transport_lines

if TYPE_CHECKING:
    from collections.abc import Callable

HEAD = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\n"
AUDIO = "m=audio 5000 UDP/TLS/RTP/SAVPF 0\r\nc=IN IP4 192.0.2.1\r\n"


def described(transport: TransportDescription) -> SessionDescription:
    lines = "".join(f"{line}\r\n" for line in transport_lines(transport))
    text = AUDIO.replace("192.0.2.1", transport.address).replace("5000", str(transport.port))
    return SessionDescription.parse(HEAD + text + lines)


def test_round_trip(transport: TransportDescription, data_transport: TransportDescription) -> None:
    full = replace(
        transport, ice_options=("ice2", "trickle"), end_of_candidates=True, setup=Setup.PASSIVE, rtcp=RtcpAddress(5001)
    )
    small = replace(data_transport, rtcp_mux=False, max_message_size=None)
    for value in (transport, full, replace(data_transport, rtcp_mux=False), small):
        assert read_transport(described(value), 0) == value


def test_round_trip_of_plain_rtp() -> None:
    plain = TransportDescription(address="192.0.2.1", port=4000, rtcp_mux=False, setup=Setup.ACTIVE)
    assert read_transport(described(plain), 0) == plain
    assert not plain.secure
    assert transport_lines(plain) == ()


def test_the_password_is_not_shown(transport: TransportDescription) -> None:
    assert transport.ice_pwd not in repr(transport)


def test_a_browser(vector: Callable[[str], bytes]) -> None:
    description = SessionDescription.parse(vector("chromium_offer.sdp"))
    audio = read_transport(description, 0)
    assert [candidate.type for candidate in audio.candidates] == ["host", "host", "srflx", "host"]
    assert (audio.setup, audio.rtcp_mux, audio.secure, audio.ice_options) == (Setup.ACTPASS, True, True, ("trickle",))
    data = read_transport(description, 2)
    assert (data.sctp_port, data.max_message_size) == (5000, 262144)


def test_fingerprints_of_the_session_hold_for_every_line(transport: TransportDescription) -> None:
    text = HEAD + f"a=fingerprint:{transport.fingerprints[0]}\r\na=ice-lite\r\na=setup:passive\r\n" + AUDIO
    read = read_transport(SessionDescription.parse(text), 0)
    assert (read.fingerprints, read.ice_lite, read.setup) == (transport.fingerprints, True, Setup.PASSIVE)


def test_rtcp_mux_only_is_as_good_as_rtcp_mux() -> None:
    assert read_transport(SessionDescription.parse(HEAD + AUDIO + "a=rtcp-mux-only\r\n"), 0).rtcp_mux


def test_a_role_that_is_not_said() -> None:
    """RFC 4145 §4.1: active in an offer, passive in an answer."""
    description = SessionDescription.parse(HEAD + AUDIO)
    assert read_transport(description, 0).setup is Setup.ACTIVE
    assert read_transport(description, 0, answer=True).setup is Setup.PASSIVE


@pytest.mark.parametrize(
    ("lines", "hint"),
    [
        ("a=ice-ufrag:abc\r\n", 400),
        ("a=ice-pwd:" + "p" * 21 + "\r\n", 400),
        ("a=ice-ufrag:ab cd\r\n", 400),
        ("a=sctp-port:65536\r\n", 400),
        ("a=max-message-size:x\r\n", 400),
        ("a=tls-id:short\r\n", 400),
        ("a=setup:none\r\n", 400),
        ("a=fingerprint:x\r\n", 400),
        ("a=candidate:1 1 udp 1 192.0.2.1 5000 typ host\r\n" * 101, 488),
    ],
)
def test_broken_attributes_are_refused(lines: str, hint: int) -> None:
    with pytest.raises(SdpRefused) as refused:
        read_transport(SessionDescription.parse(HEAD + AUDIO + lines), 0)
    assert refused.value.status_hint == hint
