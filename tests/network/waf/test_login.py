"""Sign-in page: sessions, forms of other sites, redirects, guessing."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode

import pytest

from wic.auth.secret import Secret
from wic.network.waf.users import PasswordVerifier

if TYPE_CHECKING:
    from wic.network.waf import Waf


async def test_the_page_can_be_used_by_people_and_password_managers(browser) -> None:
    page = await browser.get("/login")
    assert page.status == 200
    assert 'autocomplete="username"' in page.text
    assert 'autocomplete="current-password"' in page.text
    assert '<label for="username">' in page.text
    assert '<html lang="en">' in page.text
    assert (await browser.get("/style.css")).headers["Content-Type"].startswith("text/css")


async def test_every_page_is_protected(browser) -> None:
    for page in (await browser.get("/login"), await browser.get("/nowhere"), await browser.get("/authorize")):
        policy = page.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "base-uri 'none'" in policy
        assert page.headers["X-Content-Type-Options"] == "nosniff"
        assert page.headers["Referrer-Policy"] == "no-referrer"
        assert page.headers["Cache-Control"] == "no-store"
        assert "<script" not in page.text


async def test_the_cookie_belongs_to_this_host_alone(browser) -> None:
    cookie = (await browser.get("/login")).cookies["__Host-waf"]
    for attribute in ("HttpOnly", "Secure", "SameSite=Lax", "Path=/"):
        assert attribute in cookie
    assert "Domain" not in cookie


async def test_a_user_signs_in_and_out(browser) -> None:
    answer = await browser.sign_in(target="/")
    assert (answer.status, answer.location) == (303, "/")
    home = await browser.get("/")
    assert "sip:carol@ims.example" in home.text
    assert (await browser.post("/logout", {"csrf": "forged"})).status == 403
    out = await browser.post("/logout", {"csrf": home.field("csrf")})
    assert out.location == "/login"
    assert (await browser.get("/")).location == "/login"


@pytest.mark.parametrize("client", ["", "wic", "unknown", "web"])
async def test_signing_out_leads_to_own_pages(waf: Waf, browser, client: str) -> None:
    """Only the operator's own WWSF gets its users back (`tests/network/wwsf`)."""
    waf.store.clients.add("web", redirect_uris=("https://web.example/cb",))
    assert (await browser.get(f"/logout?client_id={client}")).location == "/login"
    await browser.sign_in()
    page = await browser.get(f"/logout?client_id={client}")
    assert page.field("client_id") == client
    assert "form-action 'self';" in page.headers["Content-Security-Policy"]
    assert (await browser.get("/device")).status == 200  # asking is not doing
    out = await browser.post("/logout", {"csrf": page.field("csrf"), "client_id": client})
    assert out.location == "/login"
    assert (await browser.get("/device")).status == 303


async def test_a_session_expires(browser, clock) -> None:
    await browser.sign_in()
    clock.now += 8 * 3600
    assert (await browser.get("/")).location == "/login"


async def test_a_new_password_ends_the_sessions(waf: Waf, browser) -> None:
    await browser.sign_in()
    waf.store.users.add("carol", Secret("another"), "carol@ims.example", ["sip:carol@ims.example"])
    assert (await browser.get("/")).location == "/login"
    assert (await browser.sign_in()).status == 403
    assert (await browser.sign_in(password="another")).status == 303


async def test_a_session_ends_with_its_user(waf: Waf, browser) -> None:
    await browser.sign_in()
    waf.store.users.remove("carol")
    assert (await browser.get("/")).location == "/login"


async def test_signing_in_changes_the_cookie(waf: Waf, browser, open_browser) -> None:
    """A cookie that was planted before is worthless after (session fixation)."""
    planted = "A" * 43
    browser.session.cookie_jar.update_cookies({"__Host-waf": planted})
    answer = await browser.sign_in()
    assert planted not in answer.cookies["__Host-waf"]
    attacker = open_browser(waf.url)
    attacker.session.cookie_jar.update_cookies({"__Host-waf": planted})
    assert (await attacker.get("/")).location == "/login"


async def test_signing_in_again_ends_the_session_before(waf: Waf, browser, open_browser) -> None:
    await browser.sign_in()
    before = {cookie.key: cookie.value for cookie in browser.session.cookie_jar}
    await browser.sign_in()
    other = open_browser(waf.url)
    other.session.cookie_jar.update_cookies(before)
    assert (await other.get("/")).location == "/login"


@pytest.mark.parametrize("cookie", ["", "x", "A" * 44, "A" * 42 + "!", "A" * 5000])
async def test_malformed_cookies(browser, cookie: str) -> None:
    browser.session.cookie_jar.update_cookies({"__Host-waf": cookie})
    page = await browser.get("/login")
    assert page.status == 200
    assert "__Host-waf" in page.cookies


@pytest.mark.parametrize("token", [None, "", "forged", "é", "A" * 43])
async def test_a_form_of_another_site_is_refused(browser, token: str | None) -> None:
    await browser.get("/login")
    form = {"username": "carol", "password": "correct horse", **({} if token is None else {"csrf": token})}
    answer = await browser.post("/login", form)
    assert answer.status == 403
    assert (await browser.get("/")).location == "/login"


async def test_a_form_without_a_session_is_refused(waf: Waf, browser, open_browser) -> None:
    page = await browser.get("/login")
    form = {"csrf": page.field("csrf"), "username": "carol", "password": "correct horse"}
    assert (await open_browser(waf.url).post("/login", form)).status == 403


@pytest.mark.parametrize(
    "target",
    [
        "https://evil.example/",
        "//evil.example/authorize",
        "/\\evil.example",
        "/authorize/../../evil",
        "/device@evil.example",
        "/device\r\nLocation: https://evil.example",
        "/device?x=é",
        "javascript:alert(1)",
        "/logout",
        "",
    ],
)
async def test_the_sign_in_continues_to_own_pages_only(browser, target: str) -> None:
    assert (await browser.sign_in(target=target)).location == "/"


async def test_the_target_cannot_break_out_of_the_page(browser) -> None:
    page = await browser.get("/login?" + urlencode({"continue": '/device?"><script>alert(1)</script>'}))
    assert "<script" not in page.text
    await browser.get("/login")
    page = await browser.sign_in('"><script>alert(1)</script>', "wrong")
    assert "<script" not in page.text


async def test_a_target_that_cannot_work_is_refused_at_once(browser) -> None:
    assert (await browser.get("/login?continue=" + quote("/authorize?client_id=unknown"))).status == 400
    assert (await browser.get("/login?continue=/device&continue=/device")).status == 400


async def test_the_page_names_the_client(browser, native) -> None:
    page = await browser.get("/login?" + urlencode({"continue": native(browser).authorization()}))
    assert "wic, the headless WebRTC IMS client" in page.text
    assert "form-action 'self' http://127.0.0.1:7777;" in page.headers["Content-Security-Policy"]


@pytest.mark.parametrize(
    ("name", "password"), [("carol", "wrong"), ("unknown", "correct horse"), ("", ""), ("carol", "x" * 1025)]
)
async def test_wrong_passwords(browser, name: str, password: str) -> None:
    answer = await browser.sign_in(name, password)
    assert answer.status == 403
    assert "User name and password do not match." in answer.text  # the same for an unknown user
    assert 'role="alert"' in answer.text
    assert not password or password not in answer.text
    assert (await browser.get("/")).location == "/login"


async def test_each_wrong_password_doubles_the_wait(browser, clock) -> None:
    for _ in range(4):
        assert (await browser.sign_in(password="wrong")).status == 403
    for wait in (1, 2, 4, 8, 16, 32, 60, 60):
        answer = await browser.sign_in()
        assert answer.status == 429
        assert answer.headers["Retry-After"] == str(wait)
        assert f"Try again in {wait} s" in answer.text
        clock.now += wait
        assert (await browser.sign_in(password="wrong")).status == 403


async def test_the_right_password_resets_the_count(browser, clock) -> None:
    for _ in range(4):
        await browser.sign_in(password="wrong")
    clock.now += 1
    assert (await browser.sign_in()).status == 303
    for _ in range(2):
        assert (await browser.sign_in(password="wrong")).status == 403
    assert (await browser.sign_in()).status == 303


async def test_guessing_at_many_users_is_counted_by_address(waf: Waf, browser, clock) -> None:
    for number in range(7):
        assert (await browser.sign_in(f"user{number}", "wrong")).status == 403
    answer = await browser.sign_in()
    assert answer.status == 429
    clock.now += 1
    assert (await browser.sign_in()).status == 303  # carol's own success does not clear the address
    assert (await browser.sign_in("user9", "wrong")).status == 403
    assert (await browser.sign_in()).status == 429


async def test_simultaneous_guesses_are_counted(waf: Waf, browser) -> None:
    page = await browser.get("/login")
    form = {"csrf": page.field("csrf"), "username": "carol", "password": "wrong"}
    answers = await asyncio.gather(*(browser.post("/login", form) for _ in range(20)))
    statuses = [answer.status for answer in answers]
    assert statuses.count(403) == 4
    assert statuses.count(429) == 16


async def test_too_many_sign_ins_at_a_time(make_waf, open_browser, monkeypatch: pytest.MonkeyPatch) -> None:
    waf = await make_waf()
    monkeypatch.setattr(PasswordVerifier, "is_busy", property(lambda self: True))
    answer = await open_browser(waf.url).sign_in()
    assert answer.status == 503
    assert answer.headers["Retry-After"] == "5"


@pytest.mark.parametrize("gone", [True, False])
async def test_a_user_who_changes_while_the_password_is_checked(
    waf: Waf, browser, monkeypatch: pytest.MonkeyPatch, gone: bool
) -> None:
    verify = PasswordVerifier.verify

    async def changing(self: PasswordVerifier, password: Secret, stored: str | None) -> bool:
        right = await verify(self, password, stored)
        if gone:
            waf.store.users.remove("carol")
        else:
            waf.store.users.add("carol", Secret("another"), "carol@ims.example", ["sip:carol@ims.example"])
        return right

    monkeypatch.setattr(PasswordVerifier, "verify", changing)
    assert (await browser.sign_in()).status == 403


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH"])
async def test_methods_that_are_not_allowed(browser, method: str) -> None:
    answer = await browser.request(method, "/login")
    assert answer.status == 405
    assert "POST" in answer.headers["Allow"]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/token"),
        ("GET", "/introspect"),
        ("GET", "/revoke"),
        ("GET", "/device_authorization"),
        ("POST", "/jwks"),
    ],
)
async def test_secrets_are_not_accepted_in_queries(browser, method: str, path: str) -> None:
    """RFC 6749 §3.2: the token endpoint takes POST alone."""
    answer = await browser.request(method, f"{path}?grant_type=client_credentials&client_id=bot&client_secret=x")
    assert answer.status == 405


async def test_a_body_without_end_is_cut(browser) -> None:
    answer = await browser.request("POST", "/login", data=b"x" * 1_000_000)
    assert answer.status == 400


async def test_head_lines_are_bounded(browser) -> None:
    assert (await browser.get("/login", headers={"X-Long": "x" * 20_000})).status == 400
