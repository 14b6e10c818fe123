from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.rtp import pack_rtp
from wic.media.rtp import RtpPacket, is_rtcp, parse_rtp

PLAIN = pack_rtp(0, 1, 160, 7, b"payload")


def test_packs_and_parses() -> None:
    packet = pack_rtp(111, 65535, 0xFFFFFFFF, 0xDEADBEEF, b"abc", marker=True)
    assert packet[:2] == bytes((0x80, 0x80 | 111))
    assert parse_rtp(packet) == RtpPacket(111, 65535, 0xFFFFFFFF, 0xDEADBEEF, b"abc", True)


def test_takes_csrcs_extension_and_padding_off() -> None:
    header = bytes((0x80 | 0x20 | 0x10 | 2, 8)) + PLAIN[2:12]
    extension = bytes.fromhex("bede0001") + b"\x10\xff\x00\x00"
    packet = header + bytes(8) + extension + b"sound" + b"\x00\x00\x03"
    parsed = parse_rtp(packet)
    assert parsed is not None
    assert (parsed.payload_type, parsed.payload) == (8, b"sound")


@pytest.mark.parametrize(
    "packet",
    [
        b"",
        PLAIN[:11],
        b"\x40" + PLAIN[1:],  # version 1
        b"\x8f" + PLAIN[1:],  # 15 CSRCs that are not there
        b"\x90" + PLAIN[1:14],  # an extension cut short
        b"\x90" + PLAIN[1:12] + b"\xbe\xde\xff\xff",  # an extension longer than the packet
        b"\xa0" + PLAIN[1:-1] + b"\x00",  # no padding at all
        b"\xa0" + PLAIN[1:-1] + b"\xff",  # more padding than packet
    ],
)
def test_refuses_what_does_not_fit(packet: bytes) -> None:
    assert parse_rtp(packet) is None


@given(st.binary(max_size=64))
def test_reads_any_octets_without_raising(packet: bytes) -> None:
    parsed = parse_rtp(packet)
    assert parsed is None or len(parsed.payload) <= len(packet)


def test_tells_rtcp_from_rtp_by_the_packet_type() -> None:
    assert is_rtcp(bytes((0x80, 192)))
    assert is_rtcp(bytes((0x80, 223)))
    assert not is_rtcp(bytes((0x80, 224)))
    assert not is_rtcp(bytes((0x80, 0x80 | 63)))
    assert not is_rtcp(b"\x80")
