"""PKCE (RFC 7636)."""

from __future__ import annotations

import pytest

from wic.oauth.pkce import VERIFIER_OCTETS, challenge_of, is_challenge, is_verifier, make_verifier


def test_the_example_of_appendix_b() -> None:
    octets = bytes.fromhex("7418dfb49799e0254ffa607dd8adbbba16d4254d69d6bff05b58055853848d79")
    verifier = make_verifier(octets)
    assert verifier == "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
    assert challenge_of(verifier) == "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"


def test_verifiers_and_challenges_have_their_form() -> None:
    verifier = make_verifier(bytes(range(VERIFIER_OCTETS)))
    assert is_verifier(verifier)
    assert is_challenge(challenge_of(verifier))


@pytest.mark.parametrize("text", ["", "a" * 42, "a" * 129, "a" * 42 + "!", "a" * 43 + "\n", "é" * 43])
def test_texts_that_are_no_verifier(text: str) -> None:
    assert not is_verifier(text)


@pytest.mark.parametrize("text", ["", "a" * 42, "a" * 44, "a" * 42 + ".", "a" * 42 + "="])
def test_texts_that_are_no_challenge(text: str) -> None:
    assert not is_challenge(text)
