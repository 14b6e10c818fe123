"""The sign-in page: sessions, forms of other sites, redirects, guessing."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode

import pytest

from wic.auth.secret import Secret
from wic.errors import ConfigurationError
from wic.network.waf.passwords import PasswordCheck, hash_password, verify_password
from wic.network.web.throttle import ThrottleOptions

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


@pytest.mark.parametrize("client", ["", "wic", "nobody", "web"])
async def test_signing_out_leads_nobody_away(waf: Waf, browser, client: str) -> None:
    """Only the operator's own WWSF gets its users back."""
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


async def test_a_session_ends(browser, clock) -> None:
    await browser.sign_in()
    clock.now += 8 * 3600
    assert (await browser.get("/")).location == "/login"


async def test_a_new_password_ends_the_sessions(waf: Waf, browser) -> None:
    await browser.sign_in()
    waf.store.add_user("carol", Secret("another"), "carol@ims.example", ["sip:carol@ims.example"])
    assert (await browser.get("/")).location == "/login"
    assert (await browser.sign_in()).status == 403
    assert (await browser.sign_in(password="another")).status == 303


async def test_a_session_ends_with_its_user(waf: Waf, browser) -> None:
    await browser.sign_in()
    waf.store.remove_user("carol")
    assert (await browser.get("/")).location == "/login"


async def test_signing_in_changes_the_cookie(waf: Waf, browser, open_browser) -> None:
    """A cookie that somebody planted before is worth nothing after (session fixation)."""
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
async def test_cookies_that_are_not_ours(browser, cookie: str) -> None:
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


async def test_a_form_without_a_visit_is_refused(waf: Waf, browser, open_browser) -> None:
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
async def test_one_goes_on_to_our_own_pages_only(browser, target: str) -> None:
    assert (await browser.sign_in(target=target)).location == "/"


async def test_the_target_cannot_break_out_of_the_page(browser) -> None:
    page = await browser.get("/login?" + urlencode({"continue": '/device?"><script>alert(1)</script>'}))
    assert "<script" not in page.text
    await browser.get("/login")
    page = await browser.sign_in('"><script>alert(1)</script>', "wrong")
    assert "<script" not in page.text


async def test_a_target_that_leads_nowhere_is_said_at_once(browser) -> None:
    assert (await browser.get("/login?continue=" + quote("/authorize?client_id=nobody"))).status == 400
    assert (await browser.get("/login?continue=/device&continue=/device")).status == 400


async def test_the_page_says_what_for(browser, native) -> None:
    page = await browser.get("/login?" + urlencode({"continue": native(browser).authorization()}))
    assert "wic, the headless WebRTC IMS client" in page.text
    assert "form-action 'self' http://127.0.0.1:7777;" in page.headers["Content-Security-Policy"]


@pytest.mark.parametrize(
    ("name", "password"), [("carol", "wrong"), ("nobody", "correct horse"), ("", ""), ("carol", "x" * 1025)]
)
async def test_wrong_passwords(browser, name: str, password: str) -> None:
    answer = await browser.sign_in(name, password)
    assert answer.status == 403
    assert "do not fit together" in answer.text  # the same for a user who is not there
    assert 'role="alert"' in answer.text
    assert not password or password not in answer.text
    assert (await browser.get("/")).location == "/login"


async def test_guessing_takes_longer_and_longer(browser, clock) -> None:
    for _ in range(4):
        assert (await browser.sign_in(password="wrong")).status == 403
    for wait in (1, 2, 4, 8, 16, 32, 60, 60):
        answer = await browser.sign_in()
        assert answer.status == 429
        assert answer.headers["Retry-After"] == str(wait)
        assert f"Try again in {wait} s" in answer.text
        clock.now += wait
        assert (await browser.sign_in(password="wrong")).status == 403


async def test_the_right_password_forgives(browser, clock) -> None:
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


async def test_many_guesses_at_the_same_moment_are_no_way_around(waf: Waf, browser) -> None:
    page = await browser.get("/login")
    form = {"csrf": page.field("csrf"), "username": "carol", "password": "wrong"}
    answers = await asyncio.gather(*(browser.post("/login", form) for _ in range(20)))
    statuses = [answer.status for answer in answers]
    assert statuses.count(403) == 4
    assert statuses.count(429) == 16


async def test_a_crowd_that_signs_in_is_told_to_wait(make_waf, open_browser, monkeypatch: pytest.MonkeyPatch) -> None:
    waf = await make_waf()
    monkeypatch.setattr(PasswordCheck, "is_busy", property(lambda self: True))
    answer = await open_browser(waf.url).sign_in()
    assert answer.status == 503
    assert answer.headers["Retry-After"] == "5"


@pytest.mark.parametrize("gone", [True, False])
async def test_a_user_who_changes_while_the_password_is_checked(
    waf: Waf, browser, monkeypatch: pytest.MonkeyPatch, gone: bool
) -> None:
    verify = PasswordCheck.verify

    async def changing(self: PasswordCheck, password: Secret, stored: str | None) -> bool:
        right = await verify(self, password, stored)
        if gone:
            waf.store.remove_user("carol")
        else:
            waf.store.add_user("carol", Secret("another"), "carol@ims.example", ["sip:carol@ims.example"])
        return right

    monkeypatch.setattr(PasswordCheck, "verify", changing)
    assert (await browser.sign_in()).status == 403


async def test_how_many_may_wait_for_a_password() -> None:
    check = PasswordCheck(cost=16)
    assert not check.is_busy
    waiting = [asyncio.create_task(check.verify(Secret("x"), None)) for _ in range(32)]
    await asyncio.sleep(0)
    assert check.is_busy
    assert await asyncio.gather(*waiting) == [False] * 32
    assert not check.is_busy


def test_passwords_are_kept_as_salted_hashes() -> None:
    stored = hash_password(Secret("correct horse"), cost=16)
    assert "correct" not in stored
    assert stored != hash_password(Secret("correct horse"), cost=16)
    assert verify_password(Secret("correct horse"), stored)
    assert not verify_password(Secret("Correct horse"), stored)


@pytest.mark.parametrize(
    ("name", "password", "impi", "impus"),
    [
        ("", "x", "a@b", ["sip:a@b"]),
        ("n" * 129, "x", "a@b", ["sip:a@b"]),
        (" a", "x", "a@b", ["sip:a@b"]),
        ("a\n", "x", "a@b", ["sip:a@b"]),
        ("a", "", "a@b", ["sip:a@b"]),
        ("a", "x" * 1025, "a@b", ["sip:a@b"]),
        ("a", "x", "", ["sip:a@b"]),
        ("a", "x", "a b", ["sip:a@b"]),
        ("a", "x", "a@b", []),
        ("a", "x", "a@b", ["a@b"]),
        ("a", "x", "a@b", ["sip:a@b\r\n"]),
    ],
)
async def test_users_that_cannot_be(waf: Waf, name: str, password: str, impi: str, impus: list[str]) -> None:
    with pytest.raises(ConfigurationError):
        waf.store.add_user(name, Secret(password), impi, impus)
    assert [user.name for user in waf.store.users()] == ["carol"]


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH"])
async def test_methods_that_mean_nothing(browser, method: str) -> None:
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
async def test_secrets_do_not_go_into_queries(browser, method: str, path: str) -> None:
    """RFC 6749 §3.2: the token endpoint takes POST alone."""
    answer = await browser.request(method, f"{path}?grant_type=client_credentials&client_id=bot&client_secret=x")
    assert answer.status == 405


async def test_a_body_without_end_is_cut(browser) -> None:
    answer = await browser.request("POST", "/login", data=b"x" * 1_000_000)
    assert answer.status == 400


async def test_head_lines_are_bounded(browser) -> None:
    assert (await browser.get("/login", headers={"X-Long": "x" * 20_000})).status == 400


def test_how_much_guessing_is_allowed_by_default() -> None:
    assert ThrottleOptions().free == 5
