"""The WAF's own word about a token (RFC 7662)."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web

from wic.auth.secret import Secret
from wic.network.tokens import Introspection, TokenFault, TokenInvalid, TokenValidator, WafUnreachable

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


def test_the_secret_is_not_shown() -> None:
    assert "a secret" not in repr(EPCSCF)
