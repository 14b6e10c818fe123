"""Device grant (RFC 8628)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from wic.auth.secret import Secret

if TYPE_CHECKING:
    from wic.network.waf import Waf

GRANT = "urn:ietf:params:oauth:grant-type:device_code"


async def begin(browser) -> dict[str, str]:
    answer = await browser.post("/device_authorization", {"client_id": "wic", "scope": "ims"})
    assert answer.status == 200, answer.text
    return answer.json


async def poll(browser, code: str, **changes: str):
    form = {"grant_type": GRANT, "client_id": "wic", "device_code": code, **changes}
    return await browser.post("/token", form)


async def test_a_device_is_approved_in_another_browser(waf: Waf, browser, open_browser, clock) -> None:
    device = open_browser(waf.url)
    begun = await begin(device)
    assert re.fullmatch(r"[BCDFGHJKLMNPQRSTVWXZ]{4}-[BCDFGHJKLMNPQRSTVWXZ]{4}", begun["user_code"])
    assert begun["verification_uri"] == f"{waf.url}/device"
    assert begun["verification_uri_complete"].endswith(begun["user_code"])
    assert (begun["expires_in"], begun["interval"]) == (600, 5)
    waiting = await poll(device, begun["device_code"])
    assert (waiting.status, waiting.json["error"]) == (400, "authorization_pending")
    await browser.sign_in()
    asked = await browser.form("/device", user_code=begun["user_code"].lower().replace("-", " "))
    assert asked.status == 200
    assert begun["user_code"] in asked.text
    assert "headless" in asked.text
    form = {"csrf": asked.field("csrf"), "user_code": begun["user_code"], "decision": "approve"}
    done = await browser.post("/device", form)
    assert "connected" in done.text
    clock.now += 5
    tokens = await poll(device, begun["device_code"])
    assert tokens.status == 200
    assert tokens.json["impi"] == "carol@ims.example"
    assert tokens.json["refresh_token"]
    assert (await poll(device, begun["device_code"])).json["error"] == "invalid_grant"


async def test_the_link_fills_in_the_code_after_the_sign_in(browser) -> None:
    begun = await begin(browser)
    path = f"/device?user_code={begun['user_code']}"
    sent = await browser.get(path)
    assert sent.location.startswith("/login?continue=")
    page = await browser.get(sent.location)
    target = page.field("continue")
    assert target == path
    assert (await browser.sign_in(target=target)).location == path
    assert (await browser.get(path)).field("user_code") == begun["user_code"]


async def test_a_user_denies_the_request(browser) -> None:
    begun = await begin(browser)
    await browser.sign_in()
    refused = await browser.form("/device", user_code=begun["user_code"], decision="deny")
    assert "refused" in refused.text
    assert (await poll(browser, begun["device_code"])).json["error"] == "access_denied"
    assert (await browser.form("/device", user_code=begun["user_code"], decision="approve")).status == 404


async def test_early_polls_prolong_the_interval(browser, clock) -> None:
    """RFC 8628 §3.5: each time five seconds more."""
    code = (await begin(browser))["device_code"]
    assert (await poll(browser, code)).json["error"] == "authorization_pending"
    clock.now += 4
    assert (await poll(browser, code)).json["error"] == "slow_down"
    clock.now += 9
    assert (await poll(browser, code)).json["error"] == "slow_down"
    clock.now += 15
    assert (await poll(browser, code)).json["error"] == "authorization_pending"


async def test_a_code_that_expires(browser, clock) -> None:
    begun = await begin(browser)
    await browser.sign_in()
    clock.now += 600
    assert (await poll(browser, begun["device_code"])).json["error"] == "expired_token"
    assert (await browser.form("/device", user_code=begun["user_code"])).status == 404


async def test_unknown_device_codes(waf: Waf, browser) -> None:
    assert (await poll(browser, "invented")).json["error"] == "invalid_grant"
    waf.store.clients.add("tv", grants=(GRANT,))
    code = (await begin(browser))["device_code"]
    assert (await poll(browser, code, client_id="tv")).json["error"] == "invalid_grant"


async def test_clients_and_scopes_that_are_refused(waf: Waf, browser) -> None:
    waf.store.clients.add("web", redirect_uris=("https://web.example/cb",))
    for form, error in (
        ({"client_id": "web"}, "unauthorized_client"),
        ({"client_id": "wic", "scope": "mail"}, "invalid_scope"),
        ({}, "invalid_request"),
    ):
        assert (await browser.post("/device_authorization", form)).json["error"] == error


async def test_device_codes_are_limited_by_address(browser, clock) -> None:
    for _ in range(30):
        await begin(browser)
    answer = await browser.post("/device_authorization", {"client_id": "wic"})
    assert answer.status == 429
    assert answer.headers["Retry-After"] == "60"
    clock.now += 60
    await begin(browser)


async def test_guessing_user_codes_is_slowed_down(browser, clock) -> None:
    """RFC 8628 §5.1."""
    begun = await begin(browser)
    await browser.sign_in()
    for guess in ("BBBB-BBBB", "CCCC-CCCC", "", "x" * 15_000):
        assert (await browser.form("/device", user_code=guess)).status == 404
    answer = await browser.form("/device", user_code=begun["user_code"])
    assert answer.status == 429
    assert answer.headers["Retry-After"] == "1"
    clock.now += 1
    assert (await browser.form("/device", user_code=begun["user_code"])).status == 200


async def test_own_codes_do_not_clear_failed_guesses(browser, clock) -> None:
    """A user can have any number of codes of his own."""
    begun = await begin(browser)
    await browser.sign_in()
    for _ in range(3):
        assert (await browser.form("/device", user_code="BBBB-BBBB")).status == 404
        assert (await browser.form("/device", user_code=begun["user_code"])).status == 200
    assert (await browser.form("/device", user_code="BBBB-BBBB")).status == 404
    assert (await browser.form("/device", user_code=begun["user_code"])).status == 429


async def test_the_device_page_needs_its_own_form_and_a_user(waf: Waf, browser, open_browser) -> None:
    begun = await begin(browser)
    await browser.sign_in()
    assert (await browser.post("/device", {"user_code": begun["user_code"], "decision": "approve"})).status == 403
    stranger = open_browser(waf.url)
    page = await stranger.get("/login")
    form = {"csrf": page.field("csrf"), "user_code": begun["user_code"], "decision": "approve"}
    assert (await stranger.post("/device", form)).status == 403


async def test_a_removed_user_gets_no_token(waf: Waf, browser) -> None:
    waf.store.users.add("dave", Secret("dave's"), "dave@ims.example", ["sip:dave@ims.example"])
    begun = await begin(browser)
    await browser.sign_in("dave", "dave's")
    await browser.form("/device", user_code=begun["user_code"], decision="approve")
    waf.store.users.remove("dave")
    assert (await poll(browser, begun["device_code"])).json["error"] == "invalid_grant"


async def test_the_page_shows_the_name_of_the_client(waf: Waf, browser) -> None:
    waf.store.clients.add("tv", title="The TV", grants=(GRANT,))
    begun = (await browser.post("/device_authorization", {"client_id": "tv"})).json
    await browser.sign_in()
    assert "The TV" in (await browser.form("/device", user_code=begun["user_code"])).text
    waf.store.clients.remove("tv")
    assert (await browser.form("/device", user_code=begun["user_code"])).status == 404
