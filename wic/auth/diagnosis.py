"""Why a challenge was refused: sentences for whoever typed in the keys."""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING

from wic.auth.aka import DEFAULT_AMF, EPS_AMF, Autn, xor
from wic.auth.sequence import Freshness

if TYPE_CHECKING:
    from wic.auth.aka import AkaFunctions
    from wic.auth.sequence import SequenceArray


def explain_mac(functions: AkaFunctions, rand: bytes, autn: bytes, *, expected_amf: bytes | None = None) -> str:
    """Return what to look at when the MAC of an AUTN is wrong; no key is in it."""
    amf = Autn.split(autn).amf
    for mixed_up, others in functions.mistaken():
        if _fits(others, rand, autn, amf):
            return f"the network's MAC fits if {mixed_up}: correct that in the account"
    for tried in dict.fromkeys((expected_amf or DEFAULT_AMF, DEFAULT_AMF, EPS_AMF)):
        if _fits(functions, rand, autn, tried):
            return (
                f"K and {functions.operator_value} fit, but the network made its MAC with the AMF {tried.hex()}"
                f" and sends {amf.hex()}: correct the AMF in the network"
            )
    return _keys(functions) + _amf_note(amf, expected_amf)


def _keys(functions: AkaFunctions) -> str:
    name = functions.operator_value
    return (
        f"the network's MAC does not fit K and {name}: compare first K and then {name} with the network's,"
        f" and see that it uses {functions.name} for this subscriber"
    )


def _amf_note(amf: bytes, expected: bytes | None) -> str:
    if expected is None or amf == expected:
        return ""
    # TS 33.102 Annex H: the first bit of the AMF tells vectors for EPS from others.
    eps = " (a vector for EPS)" if (amf[0] ^ expected[0]) & amf[0] & 0x80 else ""
    return f"; its AMF is {amf.hex()}{eps}, the account's {expected.hex()}"


def _fits(functions: AkaFunctions, rand: bytes, autn: bytes, amf: bytes) -> bool:
    concealed, _, mac = Autn.split(autn)
    sqn = xor(concealed, functions.f2345(rand)[3])
    return hmac.compare_digest(functions.f1(rand, sqn, amf), mac)


def explain_sequence(sequence: SequenceArray, sqn: int, found: Freshness) -> str:
    """Return what to look at when a SQN is not fresh; K and OP are right then."""
    numbers = f"the network's SQN {sqn:012x} is {found.value} (SQN_MS of the USIM is {sequence.sqn_ms:012x})"
    if found is Freshness.USED:
        return (
            f"{numbers}: the network repeats a challenge, its sequence was set back, or another USIM with the"
            " same K has been in use"
        )
    return f"{numbers}: the network's sequence has jumped, or the stored state of this USIM is an old one"
