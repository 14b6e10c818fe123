"""Authorization code with PKCE: RFC 6749 §4.1, RFC 7636, RFC 8252, RFC 9207."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wic.network.waf import Waf


def parts(token: object) -> tuple[dict[str, object], dict[str, object]]:
    """Header and claims of a JWT, unverified."""
    header, claims, _ = (base64.urlsafe_b64decode(part + "==") for part in str(token).split("."))
    return json.loads(header), json.loads(claims)


async def test_a_signed_in_user_lets_a_client_have_a_token(waf: Waf, client) -> None:
    answer = await client.redeem(await client.code())
    assert answer.status == 200
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.json["token_type"] == "Bearer"
    assert answer.json["expires_in"] == 3600
    assert answer.json["scope"] == "ims"
    assert answer.json["impi"] == "carol@ims.example"
    assert answer.json["impu"] == ["sip:carol@ims.example", "tel:+4930123"]
    header, claims = parts(answer.json["access_token"])
    assert header["typ"] == "at+jwt"
    assert header["alg"] == "ES256"
    assert claims["iss"] == waf.url
    assert claims["aud"] == "sip:ims.example"
    assert claims["sub"] == "carol"
    assert claims["client_id"] == "wic"
    assert claims["impi"] == "carol@ims.example"
    assert claims["exp"] == claims["iat"] + 3600
    assert "wwsf" not in claims
    assert len(claims["jti"]) >= 16


async def test_the_answer_carries_state_and_issuer(waf: Waf, client) -> None:
    path = client.authorization()
    answer = await client.browser.form(path, query=path.partition("?")[2], decision="approve")
    assert answer.status == 303
    assert answer.query["state"] == "st&te"
    assert answer.query["iss"] == waf.url


async def test_a_user_may_say_no(client) -> None:
    path = client.authorization()
    answer = await client.browser.form(path, query=path.partition("?")[2], decision="deny")
    assert answer.query["error"] == "access_denied"
    assert answer.query["state"] == "st&te"
    assert "code" not in answer.query
