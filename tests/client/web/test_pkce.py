"""PKCE (RFC 7636)."""

from __future__ import annotations

import re

from wic.client.web.pkce import challenge_of, new_verifier


def test_the_example_of_appendix_b() -> None:
    verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
    assert challenge_of(verifier) == "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"


def test_verifiers_follow_the_grammar_and_differ() -> None:
    verifiers = {new_verifier() for _ in range(100)}
    assert len(verifiers) == 100
    assert all(re.fullmatch(r"[A-Za-z0-9\-._~]{43,128}", verifier) for verifier in verifiers)
