from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from wic.sdp.attributes import RtcpAddress, Setup
from wic.sdp.description import SessionDescription
from wic.sdp.errors import SdpRefused
from wic.sdp.transport import TransportDescription, read_transport, transport_lines

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


FINGERPRINT = "a=fingerprint:sha-256 AA:BB\r\n"
ICE = "a=ice-ufrag:abcd\r\na=ice-pwd:" + "p" * 22 + "\r\n"
SPARE = [
    "a=rtcp:",
    "a=rtcp:x",
    "a=rtcp:65536",
    "a=tls-id:",
    "a=tls-id:short",
    "a=tls-id:" + "x" * 256,
    "a=max-message-size:",
    "a=max-message-size:-1",
    "a=max-message-size:x",
    "a=sctp-port:65536",
    "a=sctp-port:",
    "a=candidate:",
    "a=candidate:1 1 udp x 192.0.2.1 5000 typ host",
    "a=fingerprint:x",
    "a=fingerprint:",
]
"""Lines that the transport can do without."""
NEEDED = ["a=ice-ufrag:abc", "a=ice-pwd:" + "p" * 21, "a=ice-ufrag:ab cd", "a=ice-pwd:", "a=setup:none"]
"""Lines of which it needs the value, where there is DTLS."""


@pytest.mark.parametrize("line", SPARE)
@pytest.mark.parametrize("place", ["session", "media"])
def test_a_malformed_line_that_is_not_needed_costs_itself(line: str, place: str) -> None:
    def read(head: str, rest: str) -> TransportDescription:
        return read_transport(SessionDescription.parse(HEAD + head + AUDIO + ICE + FINGERPRINT + rest), 0)

    assert read(*(("", f"{line}\r\n") if place == "media" else (f"{line}\r\n", ""))) == read("", "")


@pytest.mark.parametrize("line", [*NEEDED, *SPARE[:-2]])
def test_plain_rtp_needs_nothing_of_dtls_and_ice(line: str) -> None:
    plain = HEAD + AUDIO.replace("UDP/TLS/RTP/SAVPF", "RTP/AVP")
    with_line = read_transport(SessionDescription.parse(f"{plain}{line}\r\n"), 0)
    assert with_line == read_transport(SessionDescription.parse(plain), 0)


@pytest.mark.parametrize("line", NEEDED)
def test_broken_attributes_that_are_needed_are_refused(line: str) -> None:
    with pytest.raises(SdpRefused) as refused:
        read_transport(SessionDescription.parse(f"{HEAD}{AUDIO}{FINGERPRINT}{line}\r\n"), 0)
    assert refused.value.status_hint == 400


@pytest.mark.parametrize(("lines", "hint"), [("a=fingerprint:x\r\n", 400), ("a=candidate:x\r\n" * 101, 488)])
def test_a_line_without_which_nothing_is_safe_is_refused(lines: str, hint: int) -> None:
    """What was to be protected is not taken for plain, and nothing grows without bound."""
    with pytest.raises(SdpRefused) as refused:
        read_transport(SessionDescription.parse(HEAD + AUDIO + lines), 0)
    assert refused.value.status_hint == hint
