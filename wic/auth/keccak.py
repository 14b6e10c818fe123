"""The permutation Keccak-f[1600] (FIPS 202 §3.2, TS 35.231 Annex A)."""

from __future__ import annotations

from struct import Struct

_LANES = Struct("<25Q")  # FIPS 202 §3.1.2: 25 lanes of 64 bits, little-endian
_MASK = (1 << 64) - 1

_ROUND_CONSTANTS = (
    0x0000000000000001, 0x0000000000008082, 0x800000000000808A, 0x8000000080008000,
    0x000000000000808B, 0x0000000080000001, 0x8000000080008081, 0x8000000000008009,
    0x000000000000008A, 0x0000000000000088, 0x0000000080008009, 0x000000008000000A,
    0x000000008000808B, 0x800000000000008B, 0x8000000000008089, 0x8000000000008003,
    0x8000000000008002, 0x8000000000000080, 0x000000000000800A, 0x800000008000000A,
    0x8000000080008081, 0x8000000000008080, 0x0000000080000001, 0x8000000080008008,
)  # fmt: skip


def _walk() -> tuple[tuple[int, int, int], ...]:
    """Return the steps of rho and pi together: from lane, to lane, bits of rotation (FIPS 202 §3.2.2, §3.2.3)."""
    steps = [(0, 0, 0)]
    x, y = 1, 0
    for t in range(24):
        there = y, (2 * x + 3 * y) % 5
        steps.append((x + 5 * y, there[0] + 5 * there[1], (t + 1) * (t + 2) // 2 % 64))
        x, y = there
    return tuple(steps)


_WALK = _walk()


def keccak_f1600(state: bytes) -> bytes:
    """Return the permutation of a state of 200 octets.

    >>> keccak_f1600(bytes(200)).hex()[:16]
    'e7dde140798f25f1'
    """
    lanes = list(_LANES.unpack(state))
    for constant in _ROUND_CONSTANTS:
        lanes = _round(lanes)
        lanes[0] ^= constant  # FIPS 202 §3.2.5: iota
    return _LANES.pack(*lanes)


def _round(a: list[int]) -> list[int]:
    column = [a[x] ^ a[x + 5] ^ a[x + 10] ^ a[x + 15] ^ a[x + 20] for x in range(5)]
    theta = [column[x - 1] ^ _rotated(column[(x + 1) % 5], 1) for x in range(5)]  # FIPS 202 §3.2.1
    b = [0] * 25
    for source, target, bits in _WALK:
        b[target] = _rotated(a[source] ^ theta[source % 5], bits)
    return [b[i] ^ (~b[i - i % 5 + (i + 1) % 5] & b[i - i % 5 + (i + 2) % 5]) for i in range(25)]


def _rotated(lane: int, bits: int) -> int:
    return ((lane << bits) | (lane >> (64 - bits))) & _MASK
