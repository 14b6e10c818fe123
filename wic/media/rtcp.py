"""RTCP reports as values and octets (RFC 3550 §6.4 to §6.6)."""

from __future__ import annotations

import struct
from dataclasses import dataclass

SR, RR, SDES, BYE = 200, 201, 202, 203

_HEADER = struct.Struct("!BBH")
_SENDER = struct.Struct("!IIIII")
_BLOCK = struct.Struct("!IIIIII")
_WORD = struct.Struct("!I")

_VERSION = 0x80
_PADDING = 0x20
_COUNT = 0x1F

MAX_BLOCKS = 31
CNAME_ITEM = 1


@dataclass(frozen=True, slots=True)
class ReportBlock:
    """Report block: a receiver about one source (RFC 3550 §6.4.1)."""

    ssrc: int
    """The source that is reported on."""
    fraction_lost: int
    """Loss since the report before, in 256ths."""
    lost: int
    """Packets lost since the beginning; negative when duplicates outweigh them."""
    highest_sequence: int
    """Extended highest sequence number received."""
    jitter: int
    """Interarrival jitter in units of the RTP clock."""
    last_sr: int
    """Middle 32 bits of the NTP time of the last SR received, or 0."""
    delay_since_last_sr: int
    """Time since that SR arrived, in 65,536ths of a second."""


@dataclass(frozen=True, slots=True)
class SenderInfo:
    """Sender information: a sender about itself (RFC 3550 §6.4.1)."""

    ntp: int
    """64 bits: seconds since 1900 and their fraction."""
    timestamp: int
    """RTP timestamp of the same instant."""
    packets: int
    octets: int


@dataclass(frozen=True, slots=True)
class SenderReport:
    """An SR packet."""

    ssrc: int
    sender: SenderInfo
    blocks: tuple[ReportBlock, ...] = ()


@dataclass(frozen=True, slots=True)
class ReceiverReport:
    """An RR packet."""

    ssrc: int
    blocks: tuple[ReportBlock, ...] = ()


@dataclass(frozen=True, slots=True)
class Bye:
    """A BYE packet: these sources have left."""

    ssrcs: tuple[int, ...]


def pack_rtcp(report: SenderReport | ReceiverReport, cname: str, *, bye: bool = False) -> bytes:
    """Build a compound packet: the report, SDES with the CNAME, and BYE at the end of a call.

    >>> parse_rtcp(pack_rtcp(ReceiverReport(7), "a", bye=True))
    (ReceiverReport(ssrc=7, blocks=()), Bye(ssrcs=(7,)))
    """
    blocks = b"".join(_pack_block(block) for block in report.blocks[:MAX_BLOCKS])
    count = len(blocks) // _BLOCK.size
    if isinstance(report, SenderReport):
        sender = report.sender
        high, low = divmod(sender.ntp, 1 << 32)
        info = _SENDER.pack(high, low, sender.timestamp, sender.packets, sender.octets & 0xFFFFFFFF)
        compound = _packet(SR, count, _WORD.pack(report.ssrc) + info + blocks)
    else:
        compound = _packet(RR, count, _WORD.pack(report.ssrc) + blocks)
    # §6.1: a compound packet begins with a report, and has an SDES with the CNAME.
    compound += _packet(SDES, 1, _sdes_chunk(report.ssrc, cname))
    return compound + _packet(BYE, 1, _WORD.pack(report.ssrc)) if bye else compound


def parse_rtcp(compound: bytes) -> tuple[SenderReport | ReceiverReport | Bye, ...] | None:
    """Read a compound packet; None if any part of it breaks the format (RFC 3550 §A.2).

    Packets of other types (SDES, feedback of RFC 4585, XR) are passed over.
    """
    found: list[SenderReport | ReceiverReport | Bye] = []
    start = 0
    while start < len(compound):
        if len(compound) - start < _HEADER.size:
            return None
        first, kind, words = _HEADER.unpack_from(compound, start)
        end = start + 4 * (words + 1)
        # §A.2: the version is 2, the lengths add up, and only the last packet may be padded.
        if first & 0xC0 != _VERSION or end > len(compound) or (first & _PADDING and end != len(compound)):
            return None
        body = compound[start + 4 : end]
        start = end
        if kind not in _READERS:
            continue  # §6.1: packets of unknown types are ignored
        value = _READERS[kind](body, first & _COUNT)
        if value is None:
            return None
        found.append(value)
    return tuple(found)


def _packet(kind: int, count: int, body: bytes) -> bytes:
    return _HEADER.pack(_VERSION | count, kind, len(body) // 4) + body


def _pack_block(block: ReportBlock) -> bytes:
    # §A.3: the loss is clamped to 24 signed bits; duplicates can make it negative.
    lost = max(-0x800000, min(block.lost, 0x7FFFFF)) & 0xFFFFFF
    return _BLOCK.pack(
        block.ssrc,
        block.fraction_lost << 24 | lost,
        block.highest_sequence & 0xFFFFFFFF,
        min(block.jitter, 0xFFFFFFFF),
        block.last_sr,
        block.delay_since_last_sr & 0xFFFFFFFF,
    )


def _sdes_chunk(ssrc: int, cname: str) -> bytes:
    name = cname.encode()[:255]
    chunk = _WORD.pack(ssrc) + bytes((CNAME_ITEM, len(name))) + name
    return chunk + bytes(4 - len(chunk) % 4)  # §6.5: at least one zero octet ends the list


def _read_blocks(body: bytes, start: int, count: int) -> tuple[ReportBlock, ...] | None:
    if len(body) < start + count * _BLOCK.size:
        return None
    blocks = []
    for place in range(count):
        ssrc, loss, highest, jitter, last_sr, delay = _BLOCK.unpack_from(body, start + place * _BLOCK.size)
        lost = loss & 0xFFFFFF
        lost -= (lost & 0x800000) << 1  # signed, 24 bits
        blocks.append(ReportBlock(ssrc, loss >> 24, lost, highest, jitter, last_sr, delay))
    return tuple(blocks)


def _read_sr(body: bytes, count: int) -> SenderReport | None:
    blocks = _read_blocks(body, 4 + _SENDER.size, count)
    if blocks is None or len(body) < 4 + _SENDER.size:
        return None
    high, low, timestamp, packets, octets = _SENDER.unpack_from(body, 4)
    return SenderReport(_WORD.unpack_from(body)[0], SenderInfo(high << 32 | low, timestamp, packets, octets), blocks)


def _read_rr(body: bytes, count: int) -> ReceiverReport | None:
    blocks = _read_blocks(body, 4, count)
    if blocks is None or len(body) < 4:
        return None
    return ReceiverReport(_WORD.unpack_from(body)[0], blocks)


def _read_bye(body: bytes, count: int) -> Bye | None:
    if len(body) < 4 * count:  # §6.6: a reason may follow, which is not read here
        return None
    return Bye(struct.unpack_from(f"!{count}I", body))


_READERS = {SR: _read_sr, RR: _read_rr, BYE: _read_bye}
