"""RTP packets as peers send them."""

from __future__ import annotations

import struct


def pack_rtp(
    payload_type: int, sequence: int, timestamp: int, ssrc: int, payload: bytes, *, marker: bool = False
) -> bytes:
    """Build a packet without CSRCs, extension and padding (RFC 3550 §5.1).

    >>> pack_rtp(0, 1, 160, 7, b"x").hex()
    '80000001000000a00000000778'
    """
    return struct.pack("!BBHII", 0x80, payload_type | 0x80 * marker, sequence, timestamp, ssrc) + payload
