"""Refresh tokens: rotation, and what happens when an old one comes back (RFC 6749 §6, RFC 9700 §4.14)."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from wic.network.waf.options import Lifetimes

if TYPE_CHECKING:
    from wic.network.waf import Waf


async def test_every_use_gives_a_new_one(client) -> None:
    token = (await client.tokens())["refresh_token"]
    seen = {token}
    for _ in range(5):
        answer = await client.refresh(token)
        assert answer.status == 200
        token = answer.json["refresh_token"]
        seen.add(token)
    assert len(seen) == 6


async def test_an_old_one_ends_the_family(client) -> None:
    first = (await client.tokens())["refresh_token"]
    second = (await client.refresh(first)).json["refresh_token"]
    answer = await client.refresh(first)
    assert (answer.status, answer.json["error"]) == (400, "invalid_grant")
    assert "revoked" in str(answer.json["error_description"])
    assert (await client.refresh(second)).json["error"] == "invalid_grant"


async def test_another_family_goes_on(client) -> None:
    stolen, other = (await client.tokens())["refresh_token"], (await client.tokens())["refresh_token"]
    await client.refresh(stolen)
    await client.refresh(stolen)
    assert (await client.refresh(other)).status == 200


async def test_two_at_the_same_moment_are_one_too_many(client) -> None:
    token = (await client.tokens())["refresh_token"]
    answers = await asyncio.gather(client.refresh(token), client.refresh(token))
    assert sorted(answer.status for answer in answers) == [200, 400]


async def test_only_its_client_can_use_it(waf: Waf, client) -> None:
    waf.store.clients.add("other", redirect_uris=("https://other.example/cb",))
    token = (await client.tokens())["refresh_token"]
    assert (await client.refresh(token, client_id="other")).json["error"] == "invalid_grant"
    assert (await client.refresh(token)).status == 200


@pytest.mark.parametrize(("scope", "error"), [("mail", "invalid_scope"), ("ims mail", "invalid_scope")])
async def test_the_scope_cannot_grow(client, scope: str, error: str) -> None:
    token = (await client.tokens())["refresh_token"]
    assert (await client.refresh(token, scope=scope)).json["error"] == error
    assert (await client.refresh(token, scope="ims")).status == 200


async def test_it_ends_when_it_is_not_used(client, clock) -> None:
    token = (await client.tokens())["refresh_token"]
    clock.now += Lifetimes().refresh
    assert (await client.refresh(token)).json["error"] == "invalid_grant"


async def test_all_ends_with_the_consent(make_waf, open_browser, native, clock) -> None:
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


async def test_garbage_is_refused(client) -> None:
    for token in ("x", "x" * 10_000, "' OR 1=1 --"):
        assert (await client.refresh(token)).json["error"] == "invalid_grant"
    answer = await client.browser.post("/token", {"grant_type": "refresh_token", "client_id": "wic"})
    assert answer.json["error"] == "invalid_request"
