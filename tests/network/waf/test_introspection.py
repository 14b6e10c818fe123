"""Introspection and revocation endpoints (RFC 7662, RFC 7009)."""

from __future__ import annotations

import base64
import time
from typing import TYPE_CHECKING

import pytest

from wic.auth.secret import Secret
from wic.network.tokens import Introspection, TokenFault, TokenInvalid, TokenValidator, TrustedIssuer

if TYPE_CHECKING:
    from wic.network.waf import Waf

SECRET = "secret of the eP-CSCF"


@pytest.fixture
def epcscf(waf: Waf) -> dict[str, str]:
    """The credentials of a resource server."""
    waf.store.clients.add("epcscf", Secret(SECRET), grants=())
    return {"Authorization": "Basic " + base64.b64encode(f"epcscf:{SECRET}".replace(" ", "+").encode()).decode()}


async def ask(browser, token: object, headers: dict[str, str]) -> dict[str, object]:
    answer = await browser.post("/introspect", {"token": str(token)}, headers=headers)
    assert answer.status == 200, answer.text
    return answer.json


async def test_a_resource_server_introspects_every_token(waf: Waf, client, epcscf) -> None:
    tokens = await client.tokens()
    found = await ask(client.browser, tokens["access_token"], epcscf)
    assert found["active"] is True
    assert found["username"] == "carol"
    assert found["impi"] == "carol@ims.example"
    assert found["iss"] == waf.url
    assert found["aud"] == "sip:ims.example"
    found = await ask(client.browser, tokens["refresh_token"], epcscf)
    assert (found["active"], found["client_id"], found["sub"]) == (True, "wic", "carol")


@pytest.mark.parametrize("token", ["x", "a.b.c", "x" * 9000, "..", "' OR 1=1 --"])
async def test_malformed_tokens_are_not_active(browser, epcscf, token: str) -> None:
    assert await ask(browser, token, epcscf) == {"active": False}


async def test_expired_tokens_are_not_active(client, epcscf, clock) -> None:
    token = (await client.tokens())["access_token"]
    clock.now += 3600
    assert await ask(client.browser, token, epcscf) == {"active": False}


async def test_a_changed_token_is_not_active(client, epcscf) -> None:
    token = str((await client.tokens())["access_token"])
    changed = token[:-4] + ("AAAA" if not token.endswith("AAAA") else "BBBB")
    assert await ask(client.browser, changed, epcscf) == {"active": False}


async def test_a_client_introspects_its_own_tokens_only(waf: Waf, client) -> None:
    waf.store.clients.add("web", Secret("secret of the web client"), redirect_uris=("https://web.example/cb",))
    credentials = {"client_id": "web", "client_secret": "secret of the web client"}
    token = (await client.tokens())["access_token"]
    answer = await client.browser.post("/introspect", {"token": str(token), **credentials})
    assert answer.json == {"active": False}


async def test_callers_that_may_not_introspect(client) -> None:
    token = str((await client.tokens())["access_token"])
    answer = await client.browser.post("/introspect", {"token": token, "client_id": "wic"})
    assert (answer.status, answer.json["error"]) == (401, "invalid_client")
    answer = await client.browser.post("/introspect", {"token": token})
    assert (answer.status, answer.json["error"]) == (400, "invalid_request")


async def test_a_request_without_a_token(browser, epcscf) -> None:
    answer = await browser.post("/introspect", {"token_type_hint": "access_token"}, headers=epcscf)
    assert (answer.status, answer.json["error"]) == (400, "invalid_request")


async def revoke(browser, token: object, client_id: str = "wic"):
    return await browser.post("/revoke", {"token": str(token), "client_id": client_id})


async def test_an_access_token_is_revoked(client, epcscf) -> None:
    tokens = await client.tokens()
    assert (await revoke(client.browser, tokens["access_token"])).status == 200
    assert await ask(client.browser, tokens["access_token"], epcscf) == {"active": False}
    assert (await client.refresh(tokens["refresh_token"])).status == 200


async def test_revoking_a_refresh_token_revokes_the_grant(client, epcscf) -> None:
    tokens = await client.tokens()
    assert (await revoke(client.browser, tokens["refresh_token"])).status == 200
    assert await ask(client.browser, tokens["access_token"], epcscf) == {"active": False}
    assert await ask(client.browser, tokens["refresh_token"], epcscf) == {"active": False}
    assert (await client.refresh(tokens["refresh_token"])).status == 400


async def test_revoking_an_unknown_token_succeeds(browser) -> None:
    assert (await revoke(browser, "invented")).status == 200


async def test_only_its_client_can_revoke_a_token(waf: Waf, client) -> None:
    waf.store.clients.add("web", redirect_uris=("https://web.example/cb",))
    tokens = await client.tokens()
    for name in ("access_token", "refresh_token"):
        answer = await revoke(client.browser, tokens[name], "web")
        assert (answer.status, answer.json["error"]) == (400, "unauthorized_client")
    assert (await client.refresh(tokens["refresh_token"])).status == 200


async def test_the_epcscf_accepts_a_token_until_it_is_revoked(make_waf, open_browser, native, authority) -> None:
    """Both ends together, in real time."""
    waf = await make_waf(clock=time.time)
    waf.store.clients.add("epcscf", Secret(SECRET), grants=())
    browser = open_browser(waf.url)
    await browser.sign_in()
    tokens = await native(browser).tokens()
    asking = Introspection(client_id="epcscf", client_secret=Secret(SECRET))
    issuer = TrustedIssuer(issuer=waf.url, audience="sip:ims.example", introspection=asking)
    validator = TokenValidator([issuer], ca=authority.certificate_path)
    token = Secret(str(tokens["access_token"]))
    authorization = await validator.validate(token, now=time.time())
    assert authorization.impi == "carol@ims.example"
    await revoke(browser, token.reveal())
    with pytest.raises(TokenInvalid) as caught:
        await validator.validate(token, now=time.time())
    assert caught.value.reason is TokenFault.REVOKED
    await validator.close()
