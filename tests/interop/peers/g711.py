"""G.711 µ-law by the tables of ITU-T G.711, independent of the product's."""

from __future__ import annotations

import array

BIAS = 132


def _decoded(code: int) -> int:
    code = ~code & 0xFF
    magnitude = (((code & 0x0F) << 3) + BIAS << (code >> 4 & 7)) - BIAS
    return -magnitude if code & 0x80 else magnitude


TABLE = [_decoded(code) for code in range(256)]


def decode(payload: bytes) -> array.array[int]:
    """Turn µ-law into 16-bit samples."""
    return array.array("h", map(TABLE.__getitem__, payload))


def encode(samples: array.array[int]) -> bytes:
    """Turn 16-bit samples into µ-law, each to the nearest of the 256 values."""
    nearest = {sample: min(range(256), key=lambda code: abs(TABLE[code] - sample)) for sample in set(samples)}
    return bytes(map(nearest.__getitem__, samples))
