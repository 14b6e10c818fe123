from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from wic.auth import Secret, find_algorithm, make_ha1
from wic.auth.digest import ALGORITHMS, DigestInput

VECTORS = json.loads((Path(__file__).parent.parent / "vectors" / "digest.json").read_text(encoding="utf-8"))["vectors"]
# The printed SHA-512-256 example was made with a truncated SHA-512, which is no algorithm of RFC 7616.
USABLE = [vector for vector in VECTORS if vector["algorithm"] != "SHA-512-trunc256"]


@pytest.mark.parametrize("vector", USABLE, ids=[vector["name"] for vector in USABLE])
def test_vectors(vector: dict[str, str]) -> None:
    algorithm = find_algorithm(vector["algorithm"])
    assert algorithm is not None
    ha1 = make_ha1(algorithm, vector["username"], vector["realm"], Secret(vector["password"]))
    assert ha1.reveal() == vector["HA1"]
    fields = {name: vector[name] for name in ("nonce", "uri", "method", "qop", "nc", "cnonce")}
    assert DigestInput(algorithm=algorithm, **fields).response(ha1) == vector["response_computed"]


def test_sha_512_256_is_that_of_fips_180_4() -> None:
    vector = next(vector for vector in VECTORS if vector["algorithm"] == "SHA-512-256")
    assert vector["response_computed"] != vector["response_published"]


def test_the_printed_example_of_sha_512_256_is_a_truncated_sha_512() -> None:
    """RFC 7616 §3.9.2: with that function every step gives what the RFC prints, so nothing else differs."""
    vector = next(vector for vector in VECTORS if vector["algorithm"] == "SHA-512-trunc256")

    def h(*parts: str) -> str:
        return hashlib.sha512(":".join(parts).encode()).hexdigest()[:64]

    ha1 = h(vector["username"], vector["realm"], vector["password"])
    assert ha1 == vector["HA1"]
    middle = [vector[name] for name in ("nonce", "nc", "cnonce", "qop")]
    assert h(ha1, *middle, h(vector["method"], vector["uri"])) == vector["response_published"]


def test_without_qop_as_in_rfc_2069() -> None:
    """RFC 2617 §3.2.2.1: request-digest = KD(H(A1), nonce ":" H(A2))."""
    md5 = ALGORITHMS["md5"]
    parts = DigestInput(algorithm=md5, nonce="n", uri="sip:a", method="REGISTER")
    assert parts.response(Secret("h")) == md5.hash(f"h:n:{md5.hash('REGISTER:sip:a')}")


def test_auth_int_covers_the_body() -> None:
    sha = ALGORITHMS["sha-256"]
    parts = DigestInput(
        algorithm=sha, nonce="n", uri="sip:a", method="INVITE", qop="auth-int", nc="00000001", cnonce="c", body=b"v=0"
    )
    a2 = sha.hash(f"INVITE:sip:a:{sha.hash(b'v=0')}")
    assert parts.response(Secret("h")) == sha.hash(f"h:n:00000001:c:auth-int:{a2}")
    answer = sha.hash(f":sip:a:{sha.hash(b'v=0')}")
    assert parts.rspauth(Secret("h")) == sha.hash(f"h:n:00000001:c:auth-int:{answer}")


def test_a_session_takes_in_the_nonces() -> None:
    session = ALGORITHMS["sha-512-256-sess"]
    plain = ALGORITHMS["sha-512-256"]
    fields = {"nonce": "n", "uri": "sip:a", "method": "REGISTER", "qop": "auth", "nc": "00000001", "cnonce": "c"}
    keyed = Secret(plain.hash("h:n:c"))
    assert DigestInput(algorithm=session, **fields).response(Secret("h")) == DigestInput(
        algorithm=plain, **fields
    ).response(keyed)


@pytest.mark.parametrize(
    ("name", "found"), [(None, "MD5"), ("md5", "MD5"), ("SHA-256-SESS", "SHA-256-sess"), ("SHA-1", None), ("", None)]
)
def test_finding_algorithms(name: str | None, found: str | None) -> None:
    algorithm = find_algorithm(name)
    assert (algorithm.name if algorithm else None) == found


def test_text_that_is_no_unicode_can_be_hashed() -> None:
    assert ALGORITHMS["md5"].hash("\udce9") == ALGORITHMS["md5"].hash(b"\xe9")
