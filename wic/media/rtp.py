"""RTP packets as octets (RFC 3550 §5.1, RFC 5761 §4)."""

from __future__ import annotations

import struct
from dataclasses import dataclass

HEADER_LENGTH = 12

HEADER = struct.Struct("!BBHII")
_EXTENSION = struct.Struct("!HH")

VERSION = 0x80
MARKER = 0x80
_PADDING = 0x20
_EXTENDED = 0x10
_CSRC_COUNT = 0x0F


@dataclass(frozen=True, slots=True)
class RtpPacket:
    """One RTP packet without its CSRCs, extension and padding."""

    payload_type: int
    sequence: int
    timestamp: int
    ssrc: int
    payload: bytes
    marker: bool = False


def is_rtcp(packet: bytes) -> bool:
    """Tell RTCP from RTP where both use one port (RFC 5761 §4: packet types 192 to 223).

    >>> is_rtcp(bytes([0x80, 200]))
    True
    """
    return len(packet) > 1 and 191 < packet[1] < 224


def parse_rtp(packet: bytes) -> RtpPacket | None:
    """Read a packet; None for octets that are no RTP packet of version 2.

    >>> parse_rtp(bytes.fromhex("8088ffff0000000000000001616263")).payload
    b'abc'
    """
    if len(packet) < HEADER_LENGTH:
        return None
    first, second, sequence, timestamp, ssrc = HEADER.unpack_from(packet)
    if first & 0xC0 != VERSION:
        return None
    # The usual packet has neither CSRCs nor extension nor padding.
    payload = packet[HEADER_LENGTH:] if first == VERSION else _strip(packet, first)
    if payload is None:
        return None
    return RtpPacket(second & 0x7F, sequence, timestamp, ssrc, payload, second > 127)


def _strip(packet: bytes, first: int) -> bytes | None:
    """Take CSRCs, header extension and padding off, or say None if they do not fit in."""
    start = HEADER_LENGTH + 4 * (first & _CSRC_COUNT)
    end = len(packet)
    if first & _EXTENDED:  # §5.3.1: a profile word, then a length in words
        if end < start + 4:
            return None
        start += 4 + 4 * _EXTENSION.unpack_from(packet, start)[1]
    if first & _PADDING:
        if not packet[-1]:  # §5.1: the last octet counts the padding, with itself
            return None
        end -= packet[-1]
    return packet[start:end] if start <= end else None
