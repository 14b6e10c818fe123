from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wic.auth.keccak import keccak_f1600

VECTORS = json.loads((Path(__file__).parent.parent / "vectors" / "tuak.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("vector", VECTORS["keccak_f1600"], ids=lambda vector: f"TS 35.232 set {vector['id']}")
def test_vectors(vector: dict[str, str]) -> None:
    assert keccak_f1600(bytes.fromhex(vector["in"])).hex() == vector["out"]


@given(st.binary(max_size=135))
def test_it_is_the_permutation_of_sha_3(data: bytes) -> None:
    """FIPS 202 §6.1: one block of SHA3-256 is one permutation."""
    padded = bytearray(data + b"\x06" + bytes(135 - len(data)))
    padded[135] |= 0x80
    assert keccak_f1600(bytes(padded) + bytes(64))[:32] == hashlib.sha3_256(data).digest()
