from __future__ import annotations

import json
from pathlib import Path

import pytest

from wic.auth import Milenage
from wic.errors import ConfigurationError

VECTORS = json.loads((Path(__file__).parent.parent / "vectors" / "milenage.json").read_text(encoding="utf-8"))
SETS = VECTORS["sets"] + VECTORS["ts35207_extra"]


@pytest.mark.parametrize("given", ["OP", "OPc"])
@pytest.mark.parametrize("vector", SETS, ids=[vector["clause"] for vector in SETS])
def test_vectors(vector: dict[str, str], given: str) -> None:
    """TS 35.208 §4.3 and TS 35.207, byte for byte, from OP and from OPc."""
    names = ("K", "RAND", "SQN", "AMF", given)
    k, rand, sqn, amf, value = (bytes.fromhex(vector[name]) for name in names)
    functions = Milenage(k, op=value) if given == "OP" else Milenage(k, opc=value)
    assert functions.operator_value == given
    assert functions.opc.hex() == vector["OPc"]
    assert functions.f1(rand, sqn, amf).hex() == vector["f1"]
    assert functions.f1_star(rand, sqn, amf).hex() == vector["f1star"]
    assert [part.hex() for part in functions.f2345(rand)] == [vector[name] for name in ("f2", "f3", "f4", "f5")]
    assert functions.f5_star(rand).hex() == vector["f5star"]


def test_one_object_computes_for_many_challenges() -> None:
    """The key is expanded once; nothing is carried from one block to the next."""
    first, third = (SETS[number] for number in (0, 2))
    functions = Milenage(bytes.fromhex(first["K"]), opc=bytes.fromhex(first["OPc"]))
    rand = bytes.fromhex(first["RAND"])
    once = functions.f2345(rand)
    functions.f2345(bytes.fromhex(third["RAND"]))
    assert functions.f2345(rand) == once


@pytest.mark.parametrize(
    ("k", "op", "opc", "words"),
    [
        (16, None, None, "either OP or OPc"),
        (16, 16, 16, "either OP or OPc"),
        (15, 16, None, "K of MILENAGE has 16 octets, not 15"),
        (32, None, 16, "K of MILENAGE has 16 octets, not 32"),
        (16, 17, None, "OP of MILENAGE has 16 octets, not 17"),
        (16, None, 0, "OPc of MILENAGE has 16 octets, not 0"),
    ],
)
def test_wrong_lengths_are_refused(k: int, op: int | None, opc: int | None, words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        Milenage(bytes(k), op=None if op is None else bytes(op), opc=None if opc is None else bytes(opc))


def test_every_mix_up_of_the_values_is_known() -> None:
    k, value, rand = b"k" * 16, b"o" * 16, bytes(16)
    for functions in (Milenage(k, op=value), Milenage(k, opc=value)):
        right = {name: other.f2345(rand) for name, other in functions.mistaken()}
        others = [
            Milenage(k, op=value),
            Milenage(k, opc=value),
            Milenage(value, op=k),
            Milenage(value, opc=k),
        ]
        expected = {other.f2345(rand) for other in others} - {functions.f2345(rand)}
        assert set(right.values()) == expected
    assert next(iter(right)) == "the value given as OPc is the OP"


def test_no_key_is_shown() -> None:
    assert repr(Milenage(b"k" * 16, op=b"o" * 16)) == "Milenage(***)"
