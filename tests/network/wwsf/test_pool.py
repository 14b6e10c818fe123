"""Pool of identities (TS 24.371 §6.2.3 and §6.3.2, TS 33.203 Annex X.4)."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from wic.network.waf import Waf, token_endpoint
from wic.network.wwsf.options import PoolOptions
from wic.network.wwsf.waf_client import WafClient

if TYPE_CHECKING:
    from collections.abc import Callable

    from wic.network.wwsf import Wwsf


@pytest.fixture
async def wic(wwsf: Wwsf, open_browser):
    """A program, not a browser."""
    return open_browser(wwsf.url)


async def lease(wic, **more: object):
    return await wic.post("/pool/lease", **more)


def claims(waf: Waf, answer) -> dict[str, object]:
    found = waf.store.access_tokens.read(str(answer.json["access_token"]))
    assert found is not None
    return found


def is_active(waf: Waf, answer) -> bool:
    return waf.store.access_tokens.is_active(str(claims(waf, answer)["jti"]), now=waf.options.clock())


async def test_an_anonymous_user_gets_a_pair_and_a_token_for_it(waf: Waf, wwsf: Wwsf, wic) -> None:
    answer = await lease(wic)
    assert answer.status == 201
    assert answer.headers["Cache-Control"] == "no-store"
    document = answer.json
    assert (document["impi"], document["impu"]) == ("pool1@ims.example", "sip:pool1@ims.example")
    assert (document["token_type"], document["expires_in"]) == ("Bearer", 3600)
    assert document["wss"] == "wss://127.0.0.1:8443/"
    said = claims(waf, answer)
    assert (said["impi"], said["impu"], said["wwsf"]) == ("pool1@ims.example", ["sip:pool1@ims.example"], "wwsf")


async def test_a_pair_has_one_holder_at_a_time(wic) -> None:
    answers = await asyncio.gather(*(lease(wic) for _ in range(3)))
    assert sorted(answer.status for answer in answers) == [201, 201, 503]
    assert len({answer.json["impi"] for answer in answers if answer.status == 201}) == 2


async def test_an_empty_pool_says_when_to_retry(wic, clock) -> None:
    await lease(wic)
    clock.now += 600
    await lease(wic)
    answer = await lease(wic)
    assert (answer.status, answer.json["error"]) == (503, "pool_exhausted")
    assert answer.headers["Retry-After"] == str(3600 + 30 - 600)


async def test_a_pair_that_was_given_back_is_free(waf: Waf, wic) -> None:
    first, _ = await lease(wic), await lease(wic)
    assert (await wic.request("DELETE", f"/pool/lease/{first.json['lease']}")).status == 204
    again = await lease(wic)
    assert again.status == 201
    assert again.json["impi"] == first.json["impi"]
    assert not is_active(waf, first)  # the token of the holder before is revoked
    assert is_active(waf, again)
    assert (await wic.request("DELETE", f"/pool/lease/{first.json['lease']}")).status == 404
    assert (await wic.post(f"/pool/lease/{first.json['lease']}")).status == 404


async def test_a_pair_may_be_held_until_its_token_expires(
    waf: Waf, make_wwsf: Callable[..., object], open_browser, clock
) -> None:
    wwsf = await make_wwsf(waf, pool=PoolOptions(anonymous=True, hold_until_expiry=True, leases_each=4))
    wic = open_browser(wwsf.url)
    first, _ = await lease(wic), await lease(wic)
    assert (await wic.request("DELETE", f"/pool/lease/{first.json['lease']}")).status == 204
    assert (await wic.request("DELETE", f"/pool/lease/{first.json['lease']}")).status == 404
    assert (await lease(wic)).status == 503
    clock.now += 3630
    assert (await lease(wic)).status == 201


async def test_a_lease_expires_with_its_token_and_not_before(wic, clock) -> None:
    first, _ = await lease(wic), await lease(wic)
    clock.now += 3629  # the eP-CSCF's clock may be 30 s behind
    assert (await lease(wic)).status == 503
    clock.now += 1
    assert (await wic.post(f"/pool/lease/{first.json['lease']}")).status == 404
    assert (await lease(wic)).json["impi"] == first.json["impi"]


async def test_a_lease_is_prolonged(waf: Waf, wic, clock) -> None:
    first = await lease(wic)
    clock.now += 3000
    prolonged = await wic.post(f"/pool/lease/{first.json['lease']}")
    assert prolonged.status == 200
    assert prolonged.json["impi"] == first.json["impi"]
    assert prolonged.json["lease"] == first.json["lease"]
    assert prolonged.json["expires_in"] == 3600
    assert not is_active(waf, first)
    await lease(wic)
    clock.now += 3000
    assert (await lease(wic)).status == 503


async def test_a_pair_is_not_given_away_while_its_holder_waits_for_the_next_token(
    waf: Waf, wwsf: Wwsf, wic, monkeypatch
) -> None:
    """The WAF might hear of the holder before after it has heard of the next one."""
    first, _ = await lease(wic), await lease(wic)
    asked, go_on, for_pair = asyncio.Event(), asyncio.Event(), WafClient.request_pool_token

    async def slow(self: WafClient, impi: str) -> object:
        asked.set()
        await go_on.wait()
        return await for_pair(self, impi)

    monkeypatch.setattr(WafClient, "request_pool_token", slow)
    prolonged = asyncio.create_task(wic.post(f"/pool/lease/{first.json['lease']}"))
    await asked.wait()
    given_back = asyncio.create_task(wic.request("DELETE", f"/pool/lease/{first.json['lease']}"))
    assert (await lease(wic)).status == 503
    go_on.set()
    assert [(await prolonged).status, (await given_back).status] == [200, 204]
    again = await lease(wic)
    assert is_active(waf, again)
    assert not is_active(waf, await prolonged)


async def test_a_lease_lasts_while_its_next_token_is_requested(waf: Waf, wwsf: Wwsf, wic, clock) -> None:
    first, _ = await lease(wic), await lease(wic)
    clock.now += 3629
    assert wwsf.store.prolong(str(first.json["lease"]), now=clock.now, until=clock.now + 30) is not None
    clock.now += 2
    assert (await wic.post(f"/pool/lease/{first.json['lease']}")).status == 200


async def test_a_pair_that_is_removed_while_its_token_is_requested(waf: Waf, wwsf: Wwsf, wic, monkeypatch) -> None:
    first, for_pair = await lease(wic), WafClient.request_pool_token

    async def removed(self: WafClient, impi: str) -> object:
        given = await for_pair(self, impi)
        wwsf.store.remove_pool_pair(impi)
        return given

    monkeypatch.setattr(WafClient, "request_pool_token", removed)
    assert (await wic.post(f"/pool/lease/{first.json['lease']}")).status == 404
    assert (await lease(wic)).status == 404


async def test_a_token_of_the_pool_stands_for_no_user(waf: Waf, make_wwsf, open_browser, client) -> None:
    wwsf = await make_wwsf(waf, pool=PoolOptions())
    wic = open_browser(wwsf.url)
    token = (await client.tokens())["access_token"]
    lent = (await lease(wic, headers={"Authorization": f"Bearer {token}"})).json["access_token"]
    answer = await lease(wic, headers={"Authorization": f"Bearer {lent}"})
    assert (answer.status, answer.json["error"]) == (401, "invalid_token")


async def test_the_pair_that_was_free_for_longest_goes_first(wic, clock) -> None:
    first = await lease(wic)
    await wic.request("DELETE", f"/pool/lease/{first.json['lease']}")
    clock.now += 1
    assert (await lease(wic)).json["impi"] == "pool2@ims.example"


async def test_leases_survive_a_restart(waf: Waf, wwsf: Wwsf, make_wwsf: Callable[..., object], wic, clock) -> None:
    first, second = await lease(wic), await lease(wic)
    port = wwsf.port
    await wwsf.close()
    wwsf = await make_wwsf(waf, port=port)
    assert (await lease(wic)).status == 503
    assert (await wic.post(f"/pool/lease/{first.json['lease']}")).status == 200
    assert (await wic.request("DELETE", f"/pool/lease/{second.json['lease']}")).status == 204
    assert (await lease(wic)).json["impi"] == second.json["impi"]


@pytest.mark.parametrize("name", ["x", "' OR 1=1 --", "%2e%2e", "A" * 43, "A" * 5000])
async def test_unknown_leases(wic, name: str) -> None:
    assert (await wic.request("DELETE", f"/pool/lease/{name}")).status == 404
    assert (await wic.post(f"/pool/lease/{name}")).status == 404


async def test_anonymous_users_are_refused_where_users_have_to_sign_in(waf: Waf, make_wwsf, open_browser) -> None:
    wwsf = await make_wwsf(waf, pool=PoolOptions())
    answer = await lease(open_browser(wwsf.url))
    assert (answer.status, answer.json["error"]) == (401, "login_required")
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    configuration = (await open_browser(wwsf.url).get("/.well-known/wic-configuration")).json
    assert configuration["anonymous"] is False


async def test_a_user_is_known_by_token(waf: Waf, make_wwsf, open_browser, client) -> None:
    wwsf = await make_wwsf(waf, pool=PoolOptions(leases_each=1))
    wic = open_browser(wwsf.url)
    token = (await client.tokens())["access_token"]
    headers = {"Authorization": f"Bearer {token}"}
    assert (await lease(wic, headers=headers)).status == 201
    answer = await lease(wic, headers=headers)
    assert (answer.status, answer.json["error"]) == (429, "too_many_leases")
    assert int(answer.headers["Retry-After"]) > 3000


@pytest.mark.parametrize("token", ["", "x", "a.b.c", "x" * 8000])
async def test_a_bad_token_is_refused_where_none_is_needed(wic, token: str) -> None:
    answer = await lease(wic, headers={"Authorization": f"Bearer {token}"})
    assert (answer.status, answer.json["error"]) == (401, "invalid_token")
    assert "Bearer" in answer.headers["WWW-Authenticate"]


async def test_a_signed_in_browser_gets_a_pair(waf: Waf, make_wwsf, open_browser, client) -> None:
    wwsf = await make_wwsf(waf, pool=PoolOptions())
    page = client.browser
    page.url = wwsf.url
    away = await page.get("/signin")
    back = await page.get(away.location)
    assert (await page.get(back.location)).status == 303
    assert (await lease(page, headers={"Origin": wwsf.url, "Sec-Fetch-Site": "same-origin"})).status == 201
    for headers in ({"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}, {"Origin": "null"}):
        assert (await lease(page, headers=headers)).status == 403


async def test_one_user_gets_no_large_share_of_a_large_pool(
    waf: Waf, make_wwsf, open_browser, client, monkeypatch
) -> None:
    """An address may stand for many users; a browser session, or a token, stands for one."""
    monkeypatch.setattr("wic.network.wwsf.pool.USER_LEASES", 2)
    wwsf = await make_wwsf(waf, pool=PoolOptions(anonymous=True))
    for number in range(3, 11):
        waf.store.pool.add("wwsf", f"pool{number}@ims.example", f"sip:pool{number}@ims.example")
        wwsf.store.add_pool_pair(f"pool{number}@ims.example", f"sip:pool{number}@ims.example")
    token = (await client.tokens())["access_token"]
    page = client.browser
    page.url = wwsf.url
    back = await page.get((await page.get("/signin")).location)
    assert (await page.get(back.location)).status == 303
    by_session = [(await lease(page)).status for _ in range(3)]
    wic = open_browser(wwsf.url)
    by_token = (await lease(wic, headers={"Authorization": f"Bearer {token}"})).status
    by_address = [(await lease(wic)).status for _ in range(6)]
    assert (by_session, by_token, by_address) == ([201, 201, 429], 429, [*[201] * 5, 429])


async def test_leases_are_limited_by_address(waf: Waf, make_wwsf, open_browser, clock) -> None:
    wwsf = await make_wwsf(waf, pool=PoolOptions(anonymous=True, rate=3, leases_each=2))
    wic = open_browser(wwsf.url)
    statuses = [(await lease(wic)).status for _ in range(4)]
    assert statuses == [201, 201, 429, 429]
    answer = await lease(wic)
    assert answer.json["error"] == "slow_down"
    assert answer.headers["Retry-After"] == "60"
    clock.now += 60
    assert (await lease(wic)).json["error"] == "too_many_leases"


async def test_pairs_that_are_held_count_for_who_gave_them_back(waf: Waf, make_wwsf, open_browser) -> None:
    """Or one address could take the whole pool, pair by pair."""
    wwsf = await make_wwsf(waf, pool=PoolOptions(anonymous=True, leases_each=1, hold_until_expiry=True))
    wic = open_browser(wwsf.url)
    first = await lease(wic)
    assert (await wic.request("DELETE", f"/pool/lease/{first.json['lease']}")).status == 204
    assert (await lease(wic)).json["error"] == "too_many_leases"


async def test_removing_a_pair_revokes_its_token(waf: Waf, wwsf: Wwsf, wic) -> None:
    answer = await lease(wic)
    waf.store.pool.remove("pool1@ims.example")
    wwsf.store.remove_pool_pair("pool1@ims.example")
    assert not is_active(waf, answer)
    assert (await wic.post(f"/pool/lease/{answer.json['lease']}")).status == 404


async def test_a_pair_that_the_waf_does_not_know(waf: Waf, wwsf: Wwsf, wic) -> None:
    """A pair that is not of this WWSF's pool at the WAF is not lent, and stays free."""
    waf.store.pool.remove("pool1@ims.example")
    answer = await lease(wic)
    assert (answer.status, answer.json["error"]) == (502, "waf_refused")
    waf.store.pool.add("wwsf", "pool1@ims.example", "sip:pool1@ims.example")
    assert {(await lease(wic)).status for _ in range(2)} == {201}


async def test_no_pair_is_lost_without_a_waf(waf: Waf, wwsf: Wwsf, make_waf, wic, client, clock) -> None:
    token = (await client.tokens())["access_token"]
    port = waf.port
    await waf.close()
    answer = await lease(wic)
    assert (answer.status, answer.json["error"]) == (503, "temporarily_unavailable")
    answer = await lease(wic, headers={"Authorization": f"Bearer {token}"})
    assert answer.status == 503
    await make_waf(port=port)
    clock.now += 10
    assert {(await lease(wic)).status for _ in range(2)} == {201}


async def test_a_waf_that_issues_a_token_for_another_identity(waf: Waf, wwsf: Wwsf, wic, client, monkeypatch) -> None:
    """A third party's WAF may be wrong."""
    request_pool_token = WafClient.request_pool_token

    async def wrong(self: WafClient, impi: str) -> object:
        return await request_pool_token(self, "pool2@ims.example")

    monkeypatch.setattr(WafClient, "request_pool_token", wrong)
    answer = await lease(wic)
    assert (answer.status, answer.json["error"]) == (502, "waf_refused")


async def test_a_waf_that_issues_no_token(waf: Waf, wwsf: Wwsf, wic, monkeypatch) -> None:
    def empty(*arguments: object) -> dict[str, object]:
        return {"token_type": "Bearer"}

    monkeypatch.setattr(token_endpoint, "issue_tokens", empty)
    answer = await lease(wic)
    assert (answer.status, answer.json["error"]) == (503, "temporarily_unavailable")


async def test_expired_rows_are_removed(wwsf: Wwsf, wic, clock) -> None:
    await lease(wic)
    await wic.get("/signin")
    clock.now += 4000
    assert wwsf.store.expire(now=clock.now) == 2
