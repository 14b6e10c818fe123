"""TUAK, the second example set of authentication and key generation functions, on Keccak (TS 35.231)."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import ClassVar

from wic.auth.keccak import keccak_f1600
from wic.errors import ConfigurationError

_NAME = b"TUAK1.0"[::-1]  # TS 35.231: ALGONAME
_PADDING = b"\x1f" + bytes(38) + b"\x80" + bytes(64)  # of SHAKE256 after 96 octets, and its capacity
_NO_AMF_SQN = bytes(8)
_USED = 102  # octets of the output that a function reads: RES, CK, IK with 32 each, AK with 6

_MAC_INSTANCE = {64: 0x08, 128: 0x10, 256: 0x20}
_RES_INSTANCE = {32: 0x00, 64: 0x08, 128: 0x10, 256: 0x20}
_KEY_BITS = (128, 256)


@dataclass(frozen=True, kw_only=True, slots=True)
class TuakOptions:
    """Choices of an operator (TS 35.231 §5); the defaults are those of IMS.

    Raises:
        ConfigurationError: a length is none of those allowed, or there is no iteration.
    """

    mac_bits: int = 64
    """64, 128 or 256; an AUTN holds 64."""
    res_bits: int = 64
    """32, 64, 128 or 256."""
    ck_bits: int = 128
    """128 or 256."""
    ik_bits: int = 128
    """128 or 256."""
    iterations: int = 1
    """Number of times that the permutation is applied."""

    def __post_init__(self) -> None:
        if self.mac_bits not in _MAC_INSTANCE or self.res_bits not in _RES_INSTANCE:
            raise ConfigurationError("the MAC of TUAK has 64, 128 or 256 bits, its RES 32, 64, 128 or 256")
        if self.ck_bits not in _KEY_BITS or self.ik_bits not in _KEY_BITS:
            raise ConfigurationError("CK and IK of TUAK have 128 or 256 bits")
        if not 1 <= self.iterations <= 1000:
            raise ConfigurationError("TUAK applies Keccak at least once, and at most 1000 times")


_DEFAULTS = TuakOptions()


class Tuak:
    """f1 to f5* with the K and TOP of one subscriber.

    >>> Tuak(bytes(16), topc=bytes(32))
    Tuak(***)
    """

    __slots__ = ("_given", "_is_top", "_k", "_k256", "_options", "_topc", "mac_octets")

    name: ClassVar[str] = "TUAK"

    def __init__(
        self, k: bytes, *, top: bytes | None = None, topc: bytes | None = None, options: TuakOptions = _DEFAULTS
    ) -> None:
        """Prepare the functions.

        Args:
            k: the subscriber's key, 16 or 32 octets.
            top: the operator's value, 32 octets; or
            topc: what TS 35.231 §6.1 makes of it and K.
            options: lengths and iterations.

        Raises:
            ConfigurationError: a length is wrong, or there is not one of `top` and `topc`.
        """
        given = top if topc is None else topc
        if given is None or (top is not None and topc is not None):
            raise ConfigurationError("TUAK takes either TOP or TOPc")
        if len(k) not in (16, 32):
            raise ConfigurationError(f"K of TUAK has 16 or 32 octets, not {len(k)}")
        if len(given) != 32:
            raise ConfigurationError(f"{'TOP' if topc is None else 'TOPc'} of TUAK has 32 octets, not {len(given)}")
        self._k = k
        self._k256 = int(len(k) == 32)
        self._given = given
        self._is_top = topc is None
        self._options = options
        self.mac_octets = options.mac_bits // 8
        self._topc = given[::-1]  # every field goes in with its octets in reverse
        if self._is_top:
            self._topc = self._keccak(self._k256, bytes(16), _NO_AMF_SQN)[:32]

    @property
    def operator_value(self) -> str:
        """Name of what the operator's part was given as: `TOP` or `TOPc`."""
        return "TOP" if self._is_top else "TOPc"

    @property
    def topc(self) -> bytes:
        """TOPc, whichever was given."""
        return self._topc[::-1]

    def f1(self, rand: bytes, sqn: bytes, amf: bytes) -> bytes:
        """Return MAC-A, which proves the network."""
        return self._mac(0x00, rand, sqn, amf)

    def f1_star(self, rand: bytes, sqn: bytes, amf: bytes) -> bytes:
        """Return MAC-S, which proves a resynchronisation."""
        return self._mac(0x80, rand, sqn, amf)

    def f2345(self, rand: bytes) -> tuple[bytes, bytes, bytes, bytes]:
        """Return RES, CK, IK and AK (6 octets)."""
        options = self._options
        lengths = (options.ck_bits == 256) << 2 | (options.ik_bits == 256) << 1 | self._k256
        out = self._keccak(0x40 | _RES_INSTANCE[options.res_bits] | lengths, rand, _NO_AMF_SQN)
        res, ck, ik = out[: options.res_bits // 8], out[32:][: options.ck_bits // 8], out[64:][: options.ik_bits // 8]
        return res[::-1], ck[::-1], ik[::-1], out[96:102][::-1]

    def f5_star(self, rand: bytes) -> bytes:
        """Return AK* (6 octets), which hides the SQN of a resynchronisation."""
        return self._keccak(0xC0 | self._k256, rand, _NO_AMF_SQN)[96:102][::-1]

    def mistaken(self) -> tuple[tuple[str, Tuak], ...]:
        """Return what these functions would be if the values had been mixed up, and how so."""
        options = self._options
        if self._is_top:
            return (("the value given as TOP is the TOPc", Tuak(self._k, topc=self._given, options=options)),)
        return (("the value given as TOPc is the TOP", Tuak(self._k, top=self._given, options=options)),)

    def _mac(self, star: int, rand: bytes, sqn: bytes, amf: bytes) -> bytes:
        bits = self._options.mac_bits
        out = self._keccak(star | _MAC_INSTANCE[bits] | self._k256, rand, amf[::-1] + sqn[::-1])
        return out[: bits // 8][::-1]

    def _keccak(self, instance: int, rand: bytes, amf_sqn: bytes) -> bytes:
        """Return the part of the output that functions read; `amf_sqn` with its octets in reverse."""
        fields = (self._topc, bytes((instance,)), _NAME, rand[::-1], amf_sqn, self._k[::-1].ljust(32, b"\0"))
        data = b"".join(fields)
        if self._options.iterations == 1:
            # TS 35.231's padding of these 96 octets is that of SHAKE256 (FIPS 202 §6.2), whose first output
            # block of 136 octets is the state after one permutation.
            return hashlib.shake_256(data).digest(_USED)
        state = data + _PADDING
        for _ in range(self._options.iterations):
            state = keccak_f1600(state)
        return state[:_USED]

    def __repr__(self) -> str:
        return "Tuak(***)"
