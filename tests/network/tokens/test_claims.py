"""Any input is a token or raises `TokenInvalid`."""

from __future__ import annotations

import contextlib

from hypothesis import given
from hypothesis import strategies as st

from wic.network.tokens import Authorization, TokenInvalid, TrustedIssuer
from wic.network.tokens.claims import ALGORITHMS, read_claims, read_unverified
from wic.network.tokens.keys import read_key

ISSUER = TrustedIssuer(issuer="https://waf.example", audience="sip:ims.example")
GOOD = {
    "iss": "https://waf.example",
    "aud": "sip:ims.example",
    "sub": "carol",
    "client_id": "wic",
    "iat": 1000,
    "exp": 2000,
    "jti": "1",
    "scope": "ims",
    "impi": "carol@ims.example",
    "impu": ["sip:carol@ims.example"],
}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=8,
)


@given(st.text() | st.from_regex(r"[A-Za-z0-9_-]*\.[A-Za-z0-9_-]*\.[A-Za-z0-9_-]*", fullmatch=True))
def test_any_text(text: str) -> None:
    with contextlib.suppress(TokenInvalid):
        assert read_unverified(text).algorithm in ALGORITHMS


@given(st.dictionaries(st.sampled_from(sorted({*GOOD, "nbf", "wwsf"})), JSON, min_size=1))
def test_any_claims(changes: dict[str, object]) -> None:
    with contextlib.suppress(TokenInvalid):
        found = read_claims({**GOOD, **changes}, ISSUER, now=1500)
        assert isinstance(found, Authorization)
        assert found.impi.isprintable()
        assert all(impu.startswith(("sip:", "sips:", "tel:")) for impu in found.impus)
        assert found.expires_at > 1470


@given(
    JSON
    | st.fixed_dictionaries(
        {"kty": st.sampled_from(["EC", "RSA", "OKP", "oct"])},
        optional=dict.fromkeys(("crv", "x", "y", "n", "e", "kid", "use", "alg"), JSON),
    )
)
def test_any_key(entry: object) -> None:
    assert read_key(entry) is None
