"""The WAF's own word about a token (RFC 7662)."""

from __future__ import annotations

import base64
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web

from wic.auth.secret import Secret
from wic.errors import ConfigurationError
from wic.network.tokens import (
    Introspection,
    TokenFault,
    TokenInvalid,
    TokenValidator,
    TrustedIssuer,
    WafUnreachable,
)

if TYPE_CHECKING:
    from collections.abc import Callable

NOW = 1_800_000_000.0
EPCSCF = Introspection(client_id="ep:cscf", client_secret=Secret("a secret & more"))


@pytest.fixture
def asking(make_validator: Callable[..., TokenValidator]) -> TokenValidator:
    return make_validator(introspection=EPCSCF)


async def test_the_waf_is_asked_about_a_good_token(issuer: Any, asking: TokenValidator) -> None:
    token = issuer.token()
    assert (await asking.validate(Secret(token), now=NOW)).impi == "carol@ims.example"
    credentials, form = issuer.asked
    assert form == {"token": token, "token_type_hint": "access_token"}
    assert base64.b64decode(credentials.removeprefix("Basic ")) == b"ep%3Acscf:a+secret+%26+more"
    await asking.validate(Secret(token), now=NOW)
    assert issuer.requests == ["metadata", "jwks", "introspect", "introspect"]


@pytest.mark.parametrize("answer", [{"active": False}, {}, {"active": "true"}, {"active": 1}])
async def test_a_token_that_was_withdrawn(issuer: Any, asking: TokenValidator, answer: dict[str, object]) -> None:
    issuer.introspection = answer
    with pytest.raises(TokenInvalid) as caught:
        await asking.validate(Secret(issuer.token()), now=NOW)
    assert caught.value.reason is TokenFault.REVOKED


async def test_a_bad_token_is_no_question(issuer: Any, asking: TokenValidator) -> None:
    with pytest.raises(TokenInvalid):
        await asking.validate(Secret(issuer.token(aud="sip:other.example")), now=NOW)
    assert "introspect" not in issuer.requests


@pytest.mark.parametrize("answer", [{"status": 401, "body": b"{}"}, {"body": b"yes"}], ids=["refused", "no JSON"])
async def test_a_waf_without_an_answer(issuer: Any, asking: TokenValidator, answer: dict[str, Any]) -> None:
    await asking.validate(Secret(issuer.token()), now=NOW)
    issuer.raw = web.Response(**answer)
    with pytest.raises(WafUnreachable):
        await asking.validate(Secret(issuer.token()), now=NOW)


async def test_where_to_ask_may_be_given(issuer: Any, make_validator: Callable[..., TokenValidator]) -> None:
    told = Introspection(client_id="a", client_secret=Secret("b"), url=f"{issuer.url}/introspect")
    validator = make_validator(introspection=told, jwks_uri=f"{issuer.url}/jwks")
    await validator.validate(Secret(issuer.token()), now=NOW)
    assert issuer.requests == ["jwks", "introspect"]


@pytest.fixture
def reading(make_validator: Callable[..., TokenValidator]) -> TokenValidator:
    """A validator for a WAF whose tokens only itself can read."""
    return make_validator(introspection=replace(EPCSCF, references=True), third_party=True)


async def test_a_token_that_only_the_waf_can_read(issuer: Any, reading: TokenValidator) -> None:
    issuer.introspection = {"active": True, **issuer.claims(iss=None, iat=None, jti=None)}
    found = await reading.validate(Secret("ory_at_x.7nQ-y"), now=NOW)
    assert (found.impi, found.impus[1], found.subject) == ("carol@ims.example", "tel:+4930123", "carol")
    assert (found.issuer, found.third_party, found.expires_at) == (issuer.url, True, NOW + 3600)
    assert issuer.requests == ["metadata", "introspect"]
    assert issuer.asked[1]["token"] == "ory_at_x.7nQ-y"
    assert (await reading.validate(Secret(issuer.token()), now=NOW)).impi == found.impi  # JWTs count as well


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ({"active": False}, TokenFault.REVOKED),
        ({"iss": "https://other.example"}, TokenFault.ISSUER),
        ({"aud": "sip:other.example"}, TokenFault.AUDIENCE),
        ({"aud": None}, TokenFault.AUDIENCE),
        ({"scope": "mail"}, TokenFault.SCOPE),
        ({"exp": NOW - 60}, TokenFault.EXPIRED),
        ({"exp": None}, TokenFault.MALFORMED),
        ({"impi": None}, TokenFault.MALFORMED),
        ({"impu": "carol"}, TokenFault.MALFORMED),
    ],
)
async def test_what_the_waf_says_is_checked_like_a_token(
    issuer: Any, reading: TokenValidator, said: dict[str, object], reason: TokenFault
) -> None:
    issuer.introspection = {"active": True, **issuer.claims(**said)}
    with pytest.raises(TokenInvalid) as caught:
        await reading.validate(Secret("reference"), now=NOW)
    assert caught.value.reason is reason


@pytest.mark.parametrize("token", ["x" * 8193, "réference"])
async def test_what_cannot_be_a_token_is_no_question(issuer: Any, reading: TokenValidator, token: str) -> None:
    with pytest.raises(TokenInvalid):
        await reading.validate(Secret(token), now=NOW)
    assert issuer.requests == []


async def test_references_are_shown_to_nobody_who_does_not_give_them_out(issuer: Any, asking: TokenValidator) -> None:
    with pytest.raises(TokenInvalid) as caught:
        await asking.validate(Secret("reference"), now=NOW)
    assert caught.value.reason is TokenFault.MALFORMED
    assert issuer.requests == []
    readers = [
        TrustedIssuer(issuer=f"https://{name}", audience="sip:a", introspection=replace(EPCSCF, references=True))
        for name in ("one.example", "two.example")
    ]
    with pytest.raises(ConfigurationError, match="cannot both"):
        TokenValidator(readers)


def test_the_secret_is_not_shown() -> None:
    assert "a secret" not in repr(EPCSCF)
