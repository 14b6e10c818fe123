"""G.711 by tables: A-law and μ-law (ITU-T G.711), faster than a codec context for 160 samples."""

from __future__ import annotations

import sys
from array import array

_CLIP = 32635
_MU_BIAS = 0x84


def _mu_to_linear(octet: int) -> int:
    octet = ~octet & 0xFF  # G.711: μ-law goes out with all bits inverted, A-law with every second one
    magnitude = ((((octet & 0x0F) << 3) + _MU_BIAS) << (octet >> 4 & 7)) - _MU_BIAS
    return -magnitude if octet & 0x80 else magnitude


def _linear_to_mu(sample: int) -> int:
    sign = 0x80 if sample < 0 else 0
    magnitude = min(abs(sample), _CLIP) + _MU_BIAS
    exponent = magnitude.bit_length() - 8
    return ~(sign | exponent << 4 | magnitude >> (exponent + 3) & 0x0F) & 0xFF


def _a_to_linear(octet: int) -> int:
    octet ^= 0x55
    exponent = octet >> 4 & 7
    magnitude = (octet & 0x0F) << 4 | 8
    if exponent:
        magnitude = (magnitude | 0x100) << (exponent - 1)
    return magnitude if octet & 0x80 else -magnitude


def _linear_to_a(sample: int) -> int:
    sign = 0x80 if sample >= 0 else 0
    magnitude = min(sample if sample >= 0 else ~sample, 32767)
    exponent = max(magnitude.bit_length() - 8, 0)
    mantissa = magnitude >> (exponent + 3 if exponent else 4) & 0x0F
    return (sign | exponent << 4 | mantissa) ^ 0x55


class Law:
    """One of the two companding laws; encodes and decodes any number of samples."""

    def __init__(self, name: str) -> None:
        encode, decode = (_linear_to_mu, _mu_to_linear) if name == "PCMU" else (_linear_to_a, _a_to_linear)
        # Made once, for there are only 65,536 samples. Index: the sample as an unsigned 16-bit number.
        self._octets = bytes(encode(sample - 0x10000 if sample & 0x8000 else sample) for sample in range(0x10000))
        linear = [decode(octet) & 0xFFFF for octet in range(256)]
        self._low = bytes(sample & 0xFF for sample in linear)
        self._high = bytes(sample >> 8 for sample in linear)

    def encode(self, samples: bytes) -> bytes:
        """Compress signed 16-bit little-endian samples to one octet each."""
        indices = array("H", samples[: len(samples) & ~1])
        if sys.byteorder == "big":
            indices.byteswap()
        octets = self._octets
        return bytes([octets[index] for index in indices])

    def decode(self, payload: bytes) -> bytes:
        """Expand octets to signed 16-bit little-endian samples."""
        samples = bytearray(2 * len(payload))
        samples[0::2] = payload.translate(self._low)
        samples[1::2] = payload.translate(self._high)
        return bytes(samples)


MU_LAW = Law("PCMU")
A_LAW = Law("PCMA")
