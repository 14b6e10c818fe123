from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from wic.auth import Tuak, TuakOptions
from wic.errors import ConfigurationError

VECTORS = json.loads((Path(__file__).parent.parent / "vectors" / "tuak.json").read_text(encoding="utf-8"))["sets"]


@pytest.mark.parametrize("given", ["top", "topc"])
@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: f"TS 35.233 set {vector['id']}")
def test_vectors(vector: dict[str, Any], given: str) -> None:
    """Byte for byte, for every length and with more than one iteration."""
    k, rand, sqn, amf, value = (bytes.fromhex(vector[name]) for name in ("k", "rand", "sqn", "amf", given))
    options = TuakOptions(
        mac_bits=vector["maclength"],
        res_bits=vector["reslength"],
        ck_bits=vector["cklength"],
        ik_bits=vector["iklength"],
        iterations=vector["keccak_iterations"],
    )
    functions = Tuak(k, options=options, **{given: value})
    assert functions.operator_value.lower() == given
    assert functions.topc.hex() == vector["topc"]
    assert functions.f1(rand, sqn, amf).hex() == vector["f1"]
    assert functions.f1_star(rand, sqn, amf).hex() == vector["f1star"]
    assert [part.hex() for part in functions.f2345(rand)] == [vector[name] for name in ("f2", "f3", "f4", "f5")]
    assert functions.f5_star(rand).hex() == vector["f5star"]
    assert functions.mac_octets * 8 == vector["maclength"]


@pytest.mark.parametrize(
    ("k", "top", "topc", "words"),
    [
        (16, None, None, "either TOP or TOPc"),
        (16, 32, 32, "either TOP or TOPc"),
        (24, 32, None, "K of TUAK has 16 or 32 octets, not 24"),
        (16, 16, None, "TOP of TUAK has 32 octets, not 16"),
        (32, None, 33, "TOPc of TUAK has 32 octets, not 33"),
    ],
)
def test_wrong_lengths_are_refused(k: int, top: int | None, topc: int | None, words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        Tuak(bytes(k), top=None if top is None else bytes(top), topc=None if topc is None else bytes(topc))


@pytest.mark.parametrize(
    ("name", "value"),
    [("mac_bits", 32), ("res_bits", 96), ("ck_bits", 64), ("ik_bits", 512), ("iterations", 0), ("iterations", 1001)],
)
def test_options_that_ts_35_231_does_not_have_are_refused(name: str, value: int) -> None:
    with pytest.raises(ConfigurationError):
        TuakOptions(**{name: value})


def test_a_top_taken_for_a_topc_is_known_and_the_other_way_round() -> None:
    k, value, rand = b"k" * 32, b"t" * 32, bytes(16)
    as_top, as_topc = Tuak(k, top=value), Tuak(k, topc=value)
    ((words, other),) = as_top.mistaken()
    assert (words, other.f2345(rand)) == ("the value given as TOP is the TOPc", as_topc.f2345(rand))
    ((words, other),) = as_topc.mistaken()
    assert (words, other.f2345(rand)) == ("the value given as TOPc is the TOP", as_top.f2345(rand))


def test_no_key_is_shown() -> None:
    assert repr(Tuak(b"k" * 16, top=b"t" * 32)) == "Tuak(***)"
