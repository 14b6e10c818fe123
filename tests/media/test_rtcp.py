from __future__ import annotations

import pytest
from aiortc.rtp import RtcpByePacket, RtcpPacket, RtcpSdesPacket, RtcpSrPacket
from hypothesis import given
from hypothesis import strategies as st

from wic.media.rtcp import Bye, ReceiverReport, ReportBlock, SenderInfo, SenderReport, pack_rtcp, parse_rtcp

BLOCK = ReportBlock(0x11223344, 64, -5, 0x0001FFFE, 77, 0xAABBCCDD, 65536)
REPORT = SenderReport(7, SenderInfo(0x0102030405060708, 160, 50, 8000), (BLOCK,))


def test_reads_back_what_it_writes() -> None:
    assert parse_rtcp(pack_rtcp(REPORT, "wic@host")) == (REPORT,)
    assert parse_rtcp(pack_rtcp(ReceiverReport(9, (BLOCK,)), "x", bye=True)) == (
        ReceiverReport(9, (BLOCK,)),
        Bye((9,)),
    )


def test_octets_of_a_receiver_report() -> None:
    packet = pack_rtcp(ReceiverReport(1, (BLOCK,)), "ab")
    assert packet.hex() == (
        "81c90007" "00000001" "11223344" "40fffffb" "0001fffe" "0000004d" "aabbccdd" "00010000"
        "81ca0003" "00000001" "01026162" "00000000"
    )  # fmt: skip


def test_another_implementation_reads_them() -> None:
    sender, sdes, bye = RtcpPacket.parse(pack_rtcp(REPORT, "wic@host", bye=True))
    assert isinstance(sender, RtcpSrPacket)
    assert sender.sender_info.packet_count == 50
    assert sender.reports[0].packets_lost == -5
    assert isinstance(sdes, RtcpSdesPacket)
    assert sdes.chunks[0].items == [(1, b"wic@host")]
    assert isinstance(bye, RtcpByePacket)
    assert bye.sources == [7]


@pytest.mark.parametrize(
    "compound",
    [
        b"\x80",
        b"\x40\xc9\x00\x01\x00\x00\x00\x01",  # version 1
        b"\x80\xc9\x00\x02\x00\x00\x00\x01",  # longer than the packet
        b"\x81\xc9\x00\x01\x00\x00\x00\x01",  # a block that is not there
        b"\x80\xc9\x00\x00",  # no SSRC
        b"\x80\xc8\x00\x01\x00\x00\x00\x01",  # no sender information
        b"\x9f\xcb\x00\x01\x00\x00\x00\x01",  # 31 sources in four octets
        b"\xa0\xc9\x00\x01\x00\x00\x00\x01\x80\xc9\x00\x01\x00\x00\x00\x01",  # padding before the end
    ],
)
def test_refuses_what_breaks_the_format(compound: bytes) -> None:
    assert parse_rtcp(compound) is None


def test_passes_over_other_types() -> None:
    nack = bytes.fromhex("81cd0003000000010000000200030000")
    assert parse_rtcp(pack_rtcp(ReceiverReport(1), "x") + nack) == (ReceiverReport(1),)


def test_keeps_extreme_values_in_their_fields() -> None:
    block = ReportBlock(1, 255, 1 << 30, 1 << 40, 1 << 40, 0, 1 << 40)
    report = ReceiverReport(1, (block,) * 40)
    (read,) = parse_rtcp(pack_rtcp(report, "n" * 300)) or ()
    assert isinstance(read, ReceiverReport)
    assert len(read.blocks) == 31
    assert read.blocks[0].lost == 0x7FFFFF


@given(st.binary(max_size=96))
def test_reads_any_octets_without_raising(compound: bytes) -> None:
    read = parse_rtcp(pack_rtcp(ReceiverReport(1), "x") + compound)
    assert read is None or read[0] == ReceiverReport(1)
