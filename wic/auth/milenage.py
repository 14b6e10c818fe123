"""MILENAGE, the example set of authentication and key generation functions (TS 35.206)."""

from __future__ import annotations

from typing import ClassVar

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from wic.errors import ConfigurationError

_BLOCK = 16
_MASK = (1 << 128) - 1


class Milenage:
    """f1 to f5* with the K and OP of one subscriber.

    >>> Milenage(bytes(16), opc=bytes(16))
    Milenage(***)
    """

    __slots__ = ("_encrypt", "_given", "_is_op", "_k", "_opc", "_opc_thrice")

    mac_octets: ClassVar[int] = 8
    name: ClassVar[str] = "MILENAGE"

    def __init__(self, k: bytes, *, op: bytes | None = None, opc: bytes | None = None) -> None:
        """Prepare the functions.

        Args:
            k: the subscriber's key, 16 octets.
            op: the operator's value, 16 octets; or
            opc: what TS 35.206 §4.1 makes of it and K.

        Raises:
            ConfigurationError: a length is wrong, or there is not one of `op` and `opc`.
        """
        given = op if opc is None else opc
        if given is None or (op is not None and opc is not None):
            raise ConfigurationError("MILENAGE takes either OP or OPc")
        if len(k) != _BLOCK:
            raise ConfigurationError(f"K of MILENAGE has 16 octets, not {len(k)}")
        if len(given) != _BLOCK:
            raise ConfigurationError(f"{'OP' if opc is None else 'OPc'} of MILENAGE has 16 octets, not {len(given)}")
        # One context, so that AES expands the key once; ECB of whole blocks carries nothing from call to call.
        self._encrypt = Cipher(algorithms.AES(k), modes.ECB()).encryptor().update
        self._k = k
        self._given = given
        self._is_op = opc is None
        value = int.from_bytes(given)
        self._opc = self._e(value) ^ value if self._is_op else value  # TS 35.206 §4.1
        self._opc_thrice = self._opc << 256 | self._opc << 128 | self._opc

    @property
    def operator_value(self) -> str:
        """Name of what the operator's part was given as: `OP` or `OPc`."""
        return "OP" if self._is_op else "OPc"

    @property
    def opc(self) -> bytes:
        """OPc, whichever was given."""
        return self._opc.to_bytes(_BLOCK)

    def f1(self, rand: bytes, sqn: bytes, amf: bytes) -> bytes:
        """Return MAC-A, 8 octets, which proves the network."""
        return self._out1(rand, sqn, amf)[:8]

    def f1_star(self, rand: bytes, sqn: bytes, amf: bytes) -> bytes:
        """Return MAC-S, 8 octets, which proves a resynchronisation."""
        return self._out1(rand, sqn, amf)[8:]

    def f2345(self, rand: bytes) -> tuple[bytes, bytes, bytes, bytes]:
        """Return RES (8 octets), CK (16), IK (16) and AK (6)."""
        x = self._temp(rand) ^ self._opc
        blocks = (x ^ 1) << 256 | (_rotated(x, 32) ^ 2) << 128 | _rotated(x, 64) ^ 4
        out = (int.from_bytes(self._encrypt(blocks.to_bytes(48))) ^ self._opc_thrice).to_bytes(48)
        return out[8:16], out[16:32], out[32:], out[:6]  # TS 35.206 §4.1: f2, f3, f4, f5

    def f5_star(self, rand: bytes) -> bytes:
        """Return AK* (6 octets), which hides the SQN of a resynchronisation."""
        out5 = self._e(_rotated(self._temp(rand) ^ self._opc, 96) ^ 8) ^ self._opc  # TS 35.206 §4.1: r5, c5
        return out5.to_bytes(_BLOCK)[:6]

    def mistaken(self) -> tuple[tuple[str, Milenage], ...]:
        """Return what these functions would be if the values had been mixed up, and how so."""
        other = Milenage(self._k, opc=self._given) if self._is_op else Milenage(self._k, op=self._given)
        name, meant = self.operator_value, other.operator_value
        return (
            (f"the value given as {name} is the {meant}", other),
            (f"the values of K and {name} are exchanged", self._exchanged(self._is_op)),
            (f"K is given as {name}, and as K the {meant}", self._exchanged(not self._is_op)),
        )

    def _exchanged(self, is_op: bool) -> Milenage:
        return Milenage(self._given, op=self._k) if is_op else Milenage(self._given, opc=self._k)

    def _out1(self, rand: bytes, sqn: bytes, amf: bytes) -> bytes:
        in1 = int.from_bytes((sqn + amf) * 2)  # TS 35.206 §4.1
        return (self._e(self._temp(rand) ^ _rotated(in1 ^ self._opc, 64)) ^ self._opc).to_bytes(_BLOCK)

    def _temp(self, rand: bytes) -> int:
        return self._e(int.from_bytes(rand) ^ self._opc)

    def _e(self, block: int) -> int:
        return int.from_bytes(self._encrypt(block.to_bytes(_BLOCK)))

    def __repr__(self) -> str:
        return "Milenage(***)"


def _rotated(block: int, bits: int) -> int:
    return ((block << bits) | (block >> (128 - bits))) & _MASK
