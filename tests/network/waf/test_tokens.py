"""Refresh tokens with their rotation (RFC 6749 §6, RFC 9700 §4.14), and signing keys."""

from __future__ import annotations

import asyncio
import base64
import json
from typing import TYPE_CHECKING

import pytest

from wic.network.waf import WafStore
from wic.network.waf.options import Lifetimes

if TYPE_CHECKING:
    from wic.network.waf import Waf


async def test_every_use_issues_a_new_refresh_token(client) -> None:
    token = (await client.tokens())["refresh_token"]
    seen = {token}
    for _ in range(5):
        answer = await client.refresh(token)
        assert answer.status == 200
        token = answer.json["refresh_token"]
        seen.add(token)
    assert len(seen) == 6


async def test_a_used_refresh_token_revokes_the_grant(client) -> None:
    first = (await client.tokens())["refresh_token"]
    second = (await client.refresh(first)).json["refresh_token"]
    answer = await client.refresh(first)
    assert (answer.status, answer.json["error"]) == (400, "invalid_grant")
    assert "revoked" in str(answer.json["error_description"])
    assert (await client.refresh(second)).json["error"] == "invalid_grant"


async def test_other_grants_are_not_affected(client) -> None:
    stolen, other = (await client.tokens())["refresh_token"], (await client.tokens())["refresh_token"]
    await client.refresh(stolen)
    await client.refresh(stolen)
    assert (await client.refresh(other)).status == 200


async def test_consents_of_one_client_for_one_user_are_bounded(waf: Waf, client, clock, monkeypatch) -> None:
    """A browser that is signed in can ask for codes as fast as it likes."""
    monkeypatch.setattr("wic.network.waf.tokens.MAX_CONSENTS", 3)
    tokens = []
    for _ in range(5):
        clock.now += 1
        tokens.append((await client.tokens())["refresh_token"])
    assert [(await client.refresh(token)).status for token in tokens] == [400, 400, 200, 200, 200]
    row = waf.store.database.row("SELECT count(*), (SELECT count(*) FROM access_token) FROM consent")
    assert row == (3, 6)


async def test_sessions_of_one_user_are_bounded(waf: Waf, monkeypatch) -> None:
    monkeypatch.setattr("wic.network.waf.users.MAX_SESSIONS", 3)
    sessions = [waf.store.sessions.open("carol", expires_at=10 + number) for number in range(5)]
    assert [waf.store.sessions.user(each, now=0) for each in sessions] == [None, None, "carol", "carol", "carol"]


async def test_two_simultaneous_uses(client) -> None:
    token = (await client.tokens())["refresh_token"]
    answers = await asyncio.gather(client.refresh(token), client.refresh(token))
    assert sorted(answer.status for answer in answers) == [200, 400]


async def test_only_its_client_can_use_a_refresh_token(waf: Waf, client) -> None:
    waf.store.clients.add("other", redirect_uris=("https://other.example/cb",))
    token = (await client.tokens())["refresh_token"]
    assert (await client.refresh(token, client_id="other")).json["error"] == "invalid_grant"
    assert (await client.refresh(token)).status == 200


@pytest.mark.parametrize(("scope", "error"), [("mail", "invalid_scope"), ("ims mail", "invalid_scope")])
async def test_the_scope_cannot_grow(client, scope: str, error: str) -> None:
    token = (await client.tokens())["refresh_token"]
    assert (await client.refresh(token, scope=scope)).json["error"] == error
    assert (await client.refresh(token, scope="ims")).status == 200


async def test_an_unused_refresh_token_expires(client, clock) -> None:
    token = (await client.tokens())["refresh_token"]
    clock.now += Lifetimes().refresh
    assert (await client.refresh(token)).json["error"] == "invalid_grant"


async def test_tokens_expire_with_the_consent(make_waf, open_browser, native, clock) -> None:
    waf = await make_waf(lifetimes=Lifetimes(grant=5000))
    browser = open_browser(waf.url)
    await browser.sign_in()
    client = native(browser)
    token = (await client.tokens())["refresh_token"]
    clock.now += 4000
    renewed = (await client.refresh(token)).json
    assert renewed["expires_in"] == 1000
    clock.now += 1000
    assert (await client.refresh(renewed["refresh_token"])).json["error"] == "invalid_grant"


async def test_malformed_refresh_tokens(client) -> None:
    for token in ("x", "x" * 10_000, "' OR 1=1 --"):
        assert (await client.refresh(token)).json["error"] == "invalid_grant"
    answer = await client.browser.post("/token", {"grant_type": "refresh_token", "client_id": "wic"})
    assert answer.json["error"] == "invalid_request"


async def test_keys_are_rotated_while_it_runs(waf: Waf, client, clock) -> None:
    first = (await client.tokens())["access_token"]
    with WafStore(waf.options.database) as store:
        kid = store.keys.rotate(at=clock.now)
    keys = (await client.browser.get("/jwks")).json["keys"]
    assert keys[0]["kid"] == kid
    assert len(keys) == 2
    assert all("d" not in key and key["use"] == "sig" and key["alg"] == "ES256" for key in keys)
    assert waf.store.access_tokens.read(str(first)) is not None
    second = (await client.tokens())["access_token"]
    assert waf.store.access_tokens.read(str(second)) is not None
    clock.now += 3600 + 300
    waf.sweep()
    assert [key["kid"] for key in (await client.browser.get("/jwks")).json["keys"]] == [kid]
    assert waf.store.access_tokens.read(str(first)) is None


async def test_a_rotation_is_published_at_once(waf: Waf, browser) -> None:
    kid = waf.store.keys.rotate(at=waf.options.clock())
    assert (await browser.get("/jwks")).json["keys"][0]["kid"] == kid


async def test_the_next_key_is_published_before_it_signs(waf: Waf, make_waf, browser, clock) -> None:
    """Resource servers may cache the keys for an hour."""

    def signing() -> object:
        header = waf.store.keys.sign({}, now=clock.now).partition(".")[0]
        return json.loads(base64.urlsafe_b64decode(header + "=="))["kid"]

    async def shown() -> list[object]:
        waf.sweep()
        return [key["kid"] for key in (await browser.get("/jwks")).json["keys"]]

    begun, first = clock.now, signing()
    clock.now = begun + 90 * 86400 - 7201
    assert await shown() == [first]
    clock.now += 1
    second, *others = await shown()
    assert others == [first]
    assert signing() == first
    clock.now = begun + 90 * 86400
    assert signing() == second
    assert await shown() == [second, first]
    clock.now += 3600 + 300
    assert await shown() == [second]
    clock.now = begun  # set back
    assert signing() == second
    port = waf.port
    await waf.close()
    clock.now = begun + 180 * 86400
    waf = await make_waf(port=port)
    assert len(await shown()) == 2
    assert signing() == second
    clock.now += 7200
    assert signing() != second
