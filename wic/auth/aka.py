"""AKA in Digest: nonces, AUTN, AUTS, passwords (RFC 3310, RFC 4169, TS 33.102 §6.3)."""

from __future__ import annotations

import base64
import binascii
import hmac
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple, Protocol

from wic.auth.digest import DigestAlgorithm
from wic.errors import RemoteProtocolError

RAND = 16
"""Octets of a RAND."""
AUTN = 16
"""Octets of an AUTN."""
AUTS = 14
"""Octets of an AUTS."""
NO_AMF = bytes(2)
"""The AMF that goes into an AUTS (TS 33.102 §6.3.3)."""
DEFAULT_AMF = bytes(2)
"""The AMF of vectors for IMS unless the operator says otherwise."""
EPS_AMF = b"\x80\x00"
"""The same with the separation bit, which marks vectors for EPS (TS 33.102 Annex H)."""

_MAX_NONCE = 4096  # characters; server data may follow RAND and AUTN
_LABEL = b"http-digest-akav2-password"  # RFC 4169 §2.1


class MalformedNonce(RemoteProtocolError):
    """A nonce that does not begin with a RAND and an AUTN (RFC 3310 §3.2)."""


class AutsRefused(RemoteProtocolError):
    """An AUTS that the USIM did not make (TS 33.102 §6.3.5)."""


class AkaFunctions(Protocol):
    """The functions of TS 33.102 §6.3 with the keys of one subscriber: `Milenage`, `Tuak` or others."""

    @property
    def name(self) -> str:
        """Name of the set, for messages."""

    @property
    def operator_value(self) -> str:
        """Name of the operator's part as it was given: `OP`, `OPc` or their like."""

    @property
    def mac_octets(self) -> int:
        """Octets of MAC-A and MAC-S; an AUTN holds 8."""

    def f1(self, rand: bytes, sqn: bytes, amf: bytes) -> bytes:
        """Return MAC-A."""

    def f1_star(self, rand: bytes, sqn: bytes, amf: bytes) -> bytes:
        """Return MAC-S."""

    def f2345(self, rand: bytes) -> tuple[bytes, bytes, bytes, bytes]:
        """Return RES, CK, IK and AK."""

    def f5_star(self, rand: bytes) -> bytes:
        """Return AK*."""

    def mistaken(self) -> tuple[tuple[str, AkaFunctions], ...]:
        """Return the functions that other readings of the configured values give, each with the mistake it stands for."""


class AkaVersion(Enum):
    """Way in which a password is made of RES, CK and IK."""

    V1 = "AKAv1"
    V2 = "AKAv2"


@dataclass(frozen=True, slots=True)
class AkaAlgorithm(DigestAlgorithm):
    """A Digest algorithm whose password comes from AKA."""

    version: AkaVersion = AkaVersion.V2


AKA_ALGORITHMS = (
    AkaAlgorithm("AKAv2-SHA-512-256", "sha512_256"),
    AkaAlgorithm("AKAv2-SHA-256", "sha256"),
    AkaAlgorithm("AKAv2-MD5", "md5"),
    AkaAlgorithm("AKAv1-MD5", "md5", version=AkaVersion.V1),  # RFC 3310; TS 24.371 §6.2.1.3 wants AKAv2
)
"""The algorithms, strongest first (RFC 4169 §4.1: AKAv2 before AKAv1)."""

_BY_NAME = {algorithm.name.lower(): algorithm for algorithm in AKA_ALGORITHMS}


def find_aka_algorithm(name: str | None) -> AkaAlgorithm | None:
    """Return the AKA algorithm of that name, or None if it is unknown or none.

    >>> find_aka_algorithm("akav2-sha-256").version.value
    'AKAv2'
    """
    return None if name is None else _BY_NAME.get(name.lower())


class Autn(NamedTuple):
    """The parts of an AUTN (TS 33.102 §6.3.2)."""

    concealed_sqn: bytes
    """SQN xor AK."""
    amf: bytes
    mac: bytes

    @classmethod
    def split(cls, autn: bytes) -> Autn:
        """Take 16 octets apart."""
        return cls(autn[:6], autn[6:8], autn[8:AUTN])  # TS 33.102 §6.3.2: SQN xor AK, AMF, MAC


def make_nonce(rand: bytes, autn: bytes, server_data: bytes = b"") -> str:
    """Return the nonce of a challenge (RFC 3310 §3.2)."""
    return base64.b64encode(rand + autn + server_data).decode()


def parse_nonce(nonce: str) -> tuple[bytes, bytes]:
    """Return RAND and AUTN of a nonce; server data after them is opaque to a client (RFC 3310 §3.2).

    Raises:
        MalformedNonce: it is not Base64, too short for both, or longer than 4096 characters.
    """
    if len(nonce) > _MAX_NONCE:
        raise MalformedNonce(f"a nonce of {len(nonce)} characters")
    octets = _octets(nonce)  # RFC 3310 §3.2: Base64 of RAND, AUTN and data of the server
    if octets is None:
        raise MalformedNonce("a nonce that is not Base64, so no RAND and AUTN")
    if len(octets) < RAND + AUTN:
        raise MalformedNonce(f"a nonce of {len(octets)} octets, where RAND and AUTN take {RAND + AUTN}")
    return octets[:RAND], octets[RAND : RAND + AUTN]


def parse_auts(text: str) -> bytes | None:
    """Return the 14 octets of an `auts` parameter; None if it is malformed."""
    octets = _octets(text) if len(text) <= 2 * AUTS else None  # RFC 3310 §3.4
    return octets if octets is not None and len(octets) == AUTS else None


def format_auts(auts: bytes) -> str:
    """Return the value of an `auts` parameter (RFC 3310 §3.4)."""
    return base64.b64encode(auts).decode()


def aka_password(algorithm: AkaAlgorithm, *, res: bytes, ck: bytes, ik: bytes) -> bytes:
    """Return the password of a response: octets, not always text.

    AKAv1 takes RES as it is (RFC 3310 §3.3), AKAv2 hashes it with IK and CK (RFC 4169 §2.1).
    """
    # RFC 4169 §1: with AKAv1 a man in the middle can use RES inside a tunnel of its own; AKAv2 binds the session keys in.
    if algorithm.version is AkaVersion.V1:
        return res  # RFC 3310 §3.3
    return base64.b64encode(hmac.digest(res + ik + ck, _LABEL, algorithm.hash_name))  # RFC 4169 §2.1: raw IK and CK


def make_auts(functions: AkaFunctions, rand: bytes, sqn_ms: int) -> bytes:
    """Return the AUTS that tells the network where a USIM's sequence stands (TS 33.102 §6.3.3)."""
    sqn = sqn_ms.to_bytes(6)
    return xor(sqn, functions.f5_star(rand)) + functions.f1_star(rand, sqn, NO_AMF)  # TS 33.102 §6.3.3


def verify_auts(functions: AkaFunctions, rand: bytes, auts: bytes) -> int:
    """Return the SQN_MS of an AUTS (TS 33.102 §6.3.5).

    Args:
        functions: of the subscriber.
        rand: of the challenge that the AUTS answers.
        auts: 14 octets.

    Raises:
        AutsRefused: its MAC-S is wrong, or its length.
    """
    # TS 33.102 §6.3.3: AUTS is SQN_MS xor AK*, then MAC-S, which is made with an AMF of zeros.
    sqn = xor(auts[:6], functions.f5_star(rand))
    if len(auts) != AUTS or not hmac.compare_digest(functions.f1_star(rand, sqn, NO_AMF), auts[6:]):
        raise AutsRefused("an AUTS that does not come from the subscriber's USIM", status_hint=403)
    return int.from_bytes(sqn)


def xor(one: bytes, other: bytes) -> bytes:
    """Return the octets of two strings of one length added modulo 2."""
    return (int.from_bytes(one) ^ int.from_bytes(other)).to_bytes(len(other))


def _octets(text: str) -> bytes | None:
    # Padding is taken as it comes: the examples of RFC 3310 have too much of it, and some networks none.
    bare = text.rstrip("=")
    try:
        return base64.b64decode(bare + "=" * (-len(bare) % 4), validate=True)
    except (ValueError, binascii.Error):
        return None
