from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wic.auth import AKA_ALGORITHMS, AutsRefused, Milenage, Secret, find_aka_algorithm, make_ha1, verify_auts
from wic.auth.aka import MalformedNonce, aka_password, format_auts, make_auts, make_nonce, parse_auts, parse_nonce
from wic.auth.digest import DigestInput

VECTORS_OF = Path(__file__).parent.parent / "vectors"
VECTORS = json.loads((VECTORS_OF / "akav1v2.json").read_text(encoding="utf-8"))
MILENAGE = json.loads((VECTORS_OF / "milenage.json").read_text(encoding="utf-8"))["sets"]
KEYS = {vector["set"]: vector for vector in MILENAGE}
ODDITIES = VECTORS["rfc_base64_oddities"]

octets16 = st.binary(min_size=16, max_size=16)


def functions_of(number: int) -> Milenage:
    return Milenage(bytes.fromhex(KEYS[number]["K"]), opc=bytes.fromhex(KEYS[number]["OPc"]))


@pytest.mark.parametrize("vector", VECTORS["vectors"], ids=lambda vector: vector["name"])
def test_vectors(vector: dict[str, Any]) -> None:
    algorithm = find_aka_algorithm(vector["algorithm"])
    assert algorithm is not None
    res, ck, ik = (bytes.fromhex(vector[name]) for name in ("RES", "CK", "IK"))
    password = aka_password(algorithm, res=res, ck=ck, ik=ik)
    expected = vector["password"].encode() if "password" in vector else bytes.fromhex(vector["password_hex"])
    assert password == expected
    ha1 = make_ha1(algorithm, vector["username"], vector["realm"], password)
    assert ha1.reveal() == vector["HA1"]
    assert algorithm.hash(f"{vector['method']}:{vector['uri']}") == vector["HA2"]
    fields = {name: vector[name] for name in ("nonce", "uri", "method")}
    counted = {name: vector[name] for name in ("qop", "nc", "cnonce")}
    assert DigestInput(algorithm=algorithm, **fields, **counted).response(ha1) == vector["response"]
    assert DigestInput(algorithm=algorithm, **fields).response(ha1) == vector["response_no_qop"]


@pytest.mark.parametrize("vector", VECTORS["vectors"], ids=lambda vector: vector["name"])
def test_nonces_of_the_vectors(vector: dict[str, Any]) -> None:
    rand, autn = bytes.fromhex(vector["RAND"]), bytes.fromhex(vector["AUTN"])
    assert make_nonce(rand, autn) == vector["nonce"]
    assert parse_nonce(vector["nonce"]) == (rand, autn)


@pytest.mark.parametrize("vector", VECTORS["auts"], ids=lambda vector: vector["AUTS"])
def test_auts_of_the_vectors(vector: dict[str, Any]) -> None:
    number = vector["milenage_set"]
    rand, sqn_ms = bytes.fromhex(KEYS[number]["RAND"]), int(vector["SQN_MS"], 16)
    auts = make_auts(functions_of(number), rand, sqn_ms)
    assert (auts.hex(), format_auts(auts)) == (vector["AUTS"], vector["AUTS_b64"])
    assert verify_auts(functions_of(number), rand, auts) == sqn_ms


@pytest.mark.parametrize(
    ("name", "key"),
    [("AKAv2-MD5", "response_empty_password_MD5"), ("AKAv2-SHA-256", "response_empty_password_SHA256")],
)
@pytest.mark.parametrize("vector", VECTORS["auts"], ids=lambda vector: vector["AUTS"])
def test_responses_beside_an_auts_have_an_empty_password(vector: dict[str, Any], name: str, key: str) -> None:
    """RFC 3310 §3.4."""
    algorithm = find_aka_algorithm(name)
    assert algorithm is not None
    of = next(each for each in VECTORS["vectors"] if each["milenage_set"] == vector["milenage_set"])
    fields = {name: of[name] for name in ("nonce", "uri", "method", "qop", "nc", "cnonce")}
    ha1 = make_ha1(algorithm, of["username"], of["realm"], b"")
    assert DigestInput(algorithm=algorithm, **fields).response(ha1) == vector[key]


@pytest.mark.parametrize("vector", VECTORS["auts_published"], ids=lambda vector: vector["AUTS"])
def test_auts_of_other_implementations(vector: dict[str, Any]) -> None:
    k, opc, rand, auts = (bytes.fromhex(vector[name]) for name in ("K", "OPc", "RAND", "AUTS"))
    assert verify_auts(Milenage(k, opc=opc), rand, auts) == int(vector["SQN_MS"], 16)


@pytest.mark.parametrize("oddity", [each for each in ODDITIES if "auts" not in each["where"]], ids=lambda o: o["where"])
def test_the_nonces_that_rfc_3310_prints_can_be_read(oddity: dict[str, Any]) -> None:
    rand, autn = parse_nonce(oddity["text"])
    bare = oddity["text"].rstrip("=")
    octets = base64.b64decode(bare + "=" * (-len(bare) % 4))
    assert len(octets) == oddity["lenient_decode_octets"]
    assert rand + autn == octets[:32]


def test_the_auts_that_rfc_3310_prints_is_too_long() -> None:
    (oddity,) = (each for each in ODDITIES if "auts" in each["where"])
    assert parse_auts(oddity["text"]) is None


def test_the_order_of_strength() -> None:
    """RFC 4169 §4.1 puts AKAv2 before AKAv1."""
    assert [algorithm.name for algorithm in AKA_ALGORITHMS] == [
        "AKAv2-SHA-512-256",
        "AKAv2-SHA-256",
        "AKAv2-MD5",
        "AKAv1-MD5",
    ]


@pytest.mark.parametrize(
    ("name", "found"),
    [("akav1-md5", "AKAv1-MD5"), (None, None), ("", None), ("MD5", None), ("AKAv3-MD5", None), ("AKAv1", None)],
)
def test_finding_algorithms(name: str | None, found: str | None) -> None:
    algorithm = find_aka_algorithm(name)
    assert (algorithm.name if algorithm else None) == found


@given(rand=octets16, autn=octets16, data=st.binary(max_size=64))
def test_nonces_there_and_back(rand: bytes, autn: bytes, data: bytes) -> None:
    nonce = make_nonce(rand, autn, data)
    assert parse_nonce(nonce) == parse_nonce(nonce.rstrip("=")) == (rand, autn)


@given(st.text(max_size=100))
def test_any_text_is_a_nonce_or_malformed(text: str) -> None:
    try:
        rand, autn = parse_nonce(text)
    except MalformedNonce:
        return
    assert (len(rand), len(autn)) == (16, 16)


@pytest.mark.parametrize(
    ("nonce", "words"),
    [
        ("", "of 0 octets"),
        ("AAAA", "of 3 octets"),
        (base64.b64encode(bytes(31)).decode(), "of 31 octets"),
        ("dcd98b7102dd2f0e8b11d0f600bfb0c093", "of 25 octets"),
        ("A" * 45, "not Base64"),
        ("A" * 41 + "*-_", "not Base64"),
        ("A" * 43 + "\n", "not Base64"),
        ("Ä" * 44, "not Base64"),
        ("A=" * 32, "not Base64"),
        ("A" * 1_000_000, "of 1000000 characters"),
        ("=" * 4096, "of 0 octets"),
    ],
)
def test_nonces_that_hold_no_rand_and_autn(nonce: str, words: str) -> None:
    with pytest.raises(MalformedNonce, match=words):
        parse_nonce(nonce)


@given(rand=octets16, sqn_ms=st.integers(0, 2**48 - 1))
def test_auts_there_and_back(rand: bytes, sqn_ms: int) -> None:
    functions = functions_of(1)
    auts = parse_auts(format_auts(make_auts(functions, rand, sqn_ms)))
    assert auts is not None
    assert verify_auts(functions, rand, auts) == sqn_ms


@pytest.mark.parametrize("text", ["", "AAAA", "A" * 16, "A" * 24, "A" * 19 + "*", "A" * 1_000_000, "Ä" * 20])
def test_auts_that_are_malformed(text: str) -> None:
    assert parse_auts(text) is None


@pytest.mark.parametrize("length", [0, 5, 6, 13, 15, 16])
def test_an_auts_of_a_wrong_length_proves_nothing(length: int) -> None:
    right = make_auts(functions_of(1), bytes(16), 32) + bytes(2)
    with pytest.raises(AutsRefused):
        verify_auts(functions_of(1), bytes(16), right[:length])


@given(rand=octets16, position=st.integers(0, 14 * 8 - 1))
def test_an_auts_with_one_wrong_bit_proves_nothing(rand: bytes, position: int) -> None:
    functions = functions_of(1)
    auts = (int.from_bytes(make_auts(functions, rand, 4711)) ^ 1 << position).to_bytes(14)
    with pytest.raises(AutsRefused) as refused:
        verify_auts(functions, rand, auts)
    assert refused.value.status_hint == 403


def test_a_password_of_octets_and_one_of_text_are_hashed_alike() -> None:
    algorithm = AKA_ALGORITHMS[0]
    assert make_ha1(algorithm, "u", "r", "pä".encode()) == make_ha1(algorithm, "u", "r", Secret("pä"))
