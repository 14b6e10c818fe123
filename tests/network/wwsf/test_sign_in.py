"""Sign-in of a browser at the WWSF through the WAF (TS 24.371 §6.3.1)."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest

from tests.support.web_servers import begin_sign_in, sign_in_at_waf
from wic.network.tokens.authorization_server import AuthorizationServerClient
from wic.network.tokens.errors import WafUnreachable
from wic.network.waf.context import WafContext
from wic.network.waf.options import Lifetimes
from wic.network.web.browser_session import csrf_token
from wic.network.web.responses import JsonError
from wic.oauth.metadata import OAuthEndpoint

if TYPE_CHECKING:
    from collections.abc import Callable

    from wic.network.waf import Waf
    from wic.network.wwsf import Wwsf


@pytest.fixture
async def page(wwsf: Wwsf, open_browser):
    """Browser at the WWSF."""
    return open_browser(wwsf.url)


@pytest.fixture
async def signed_in(waf: Waf, page):
    """Browser in which carol has signed in."""
    answer = await page.get(await sign_in_at_waf(page, waf, await begin_sign_in(page)))
    assert (answer.status, answer.location) == (303, "/")
    return page


async def test_the_page_shows_the_user(signed_in) -> None:
    home = await signed_in.get("/")
    assert "carol" in home.text
    assert "sip:carol@ims.example" in home.text
    policy = home.headers["Content-Security-Policy"]
    assert "script-src 'self'" in policy
    assert "connect-src 'self' wss://127.0.0.1:8443" in policy
    assert "eyJ" not in home.text  # the token is for the script alone
    script = await signed_in.get("/wwsf.js")
    assert script.headers["Content-Type"].startswith("text/javascript")


async def test_the_page_may_connect_to_an_address_of_ipv6(waf: Waf, make_wwsf, open_browser) -> None:
    wwsf = await make_wwsf(waf, wss="wss://[::1]:8443/")
    policy = (await open_browser(wwsf.url).get("/")).headers["Content-Security-Policy"]
    assert policy.endswith("connect-src 'self' wss:")


async def test_the_page_offers_the_sign_in(page) -> None:
    home = await page.get("/")
    assert 'href="/signin"' in home.text
    assert "without signing in" in home.text
    cookie = home.cookies["__Host-wwsf"]
    assert all(word in cookie for word in ("HttpOnly", "Secure", "SameSite=Lax", "Path=/"))


async def test_the_script_gets_token_and_server(waf: Waf, signed_in, clock) -> None:
    answer = await signed_in.get("/token", headers={"Sec-Fetch-Site": "same-origin"})
    assert answer.status == 200
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert "Access-Control-Allow-Origin" not in answer.headers
    document = answer.json
    assert document["wss"] == "wss://127.0.0.1:8443/"
    assert (document["subject"], document["impi"]) == ("carol", "carol@ims.example")
    assert document["impu"] == ["sip:carol@ims.example", "tel:+4930123"]
    assert document["expires_in"] == 3600
    claims = waf.store.access_tokens.read(str(document["access_token"]))
    assert claims is not None
    assert (claims["wwsf"], claims["client_id"], claims["impi"]) == ("wwsf", "wwsf", "carol@ims.example")


@pytest.mark.parametrize(
    "headers", [{"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}, {"Origin": "https://evil.example"}]
)
async def test_pages_of_other_sites_get_no_token(signed_in, headers: dict[str, str]) -> None:
    answer = await signed_in.get("/token", headers=headers)
    assert (answer.status, answer.json["error"]) == (403, "foreign_origin")


async def test_browsers_without_a_session_get_no_token(page) -> None:
    for cookie in ("", "A" * 43, "x"):
        page.session.cookie_jar.update_cookies({"__Host-wwsf": cookie})
        answer = await page.get("/token")
        assert (answer.status, answer.json["error"]) == (401, "login_required")


async def test_the_request_to_the_waf_has_pkce_and_state(waf: Waf, wwsf: Wwsf, page) -> None:
    query = dict(parse_qsl(urlsplit(await begin_sign_in(page)).query))
    assert query["code_challenge_method"] == "S256"
    assert query["redirect_uri"] == wwsf.redirect_uri == f"{wwsf.url}/callback"
    assert len(query["state"]) == 43
    other = dict(parse_qsl(urlsplit(await begin_sign_in(page)).query))
    assert other["state"] != query["state"]
    assert other["code_challenge"] != query["code_challenge"]


async def test_the_response_counts_in_one_browser_once(waf: Waf, wwsf: Wwsf, page, open_browser) -> None:
    back = await sign_in_at_waf(page, waf, await begin_sign_in(page))
    victim = open_browser(wwsf.url)
    assert (await victim.get(back)).status == 403  # signing a victim in as the attacker
    await victim.get("/")
    assert (await victim.get(back)).status == 403
    assert (await page.get(back)).status == 303
    assert (await page.get(back)).status == 403


async def test_a_sign_in_that_takes_too_long(waf: Waf, page, clock) -> None:
    url = await begin_sign_in(page)
    clock.now += 600
    back = await sign_in_at_waf(page, waf, url)
    assert (await page.get(back)).status == 403


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"state": "invented"}, 403),
        ({"state": ""}, 403),
        ({"iss": "https://evil.example"}, 403),
        ({"code": "invented"}, 403),
        ({"code": ""}, 403),
    ],
)
async def test_forged_responses(waf: Waf, page, change: dict[str, str], status: int) -> None:
    back = urlsplit(await sign_in_at_waf(page, waf, await begin_sign_in(page)))
    forged = f"/callback?{urlencode({**dict(parse_qsl(back.query)), **change})}"
    assert (await page.get(forged)).status == status
    assert (await page.get("/token")).status == 401


async def test_a_user_who_cancels(waf: Waf, page) -> None:
    state = dict(parse_qsl(urlsplit(await begin_sign_in(page)).query))["state"]
    answer = await page.get(f"/callback?{urlencode({'state': state, 'error': '<script>', 'iss': waf.url})}")
    assert answer.status == 403
    assert "was cancelled" in answer.text
    assert "<script" not in answer.text
    assert (await page.get("/callback?state=a&state=b")).status == 400


async def test_signing_in_changes_the_cookie(waf: Waf, wwsf: Wwsf, page, open_browser) -> None:
    planted = "A" * 43
    page.session.cookie_jar.update_cookies({"__Host-wwsf": planted})
    answer = await page.get(await sign_in_at_waf(page, waf, await begin_sign_in(page)))
    assert planted not in answer.cookies["__Host-wwsf"]
    attacker = open_browser(wwsf.url)
    attacker.session.cookie_jar.update_cookies({"__Host-wwsf": planted})
    assert (await attacker.get("/token")).status == 401


async def test_signing_out_revokes_the_tokens(waf: Waf, signed_in) -> None:
    token = str((await signed_in.get("/token")).json["access_token"])
    assert (await signed_in.post("/signout", {"csrf": "forged"})).status == 403
    csrf = (await signed_in.get("/")).field("csrf")
    assert (await signed_in.post("/signout", {"csrf": csrf})).status == 303
    assert (await signed_in.get("/token")).status == 401
    claims = waf.store.access_tokens.read(token)
    assert claims is not None
    assert not waf.store.access_tokens.is_active(str(claims["jti"]), now=waf.options.clock())


async def test_signing_out_leads_to_the_waf_and_back(waf: Waf, wwsf: Wwsf, signed_in) -> None:
    """Or the next user of this browser would still be signed in at the WAF."""
    home = await signed_in.get("/")
    assert f"form-action 'self' {waf.url};" in home.headers["Content-Security-Policy"]
    away = await signed_in.post("/signout", {"csrf": home.field("csrf")})
    assert away.location == f"{waf.url}/logout?client_id=wwsf"
    page = await signed_in.get(away.location)
    assert "carol" in page.text
    assert f"form-action 'self' {wwsf.url};" in page.headers["Content-Security-Policy"]
    form = {"csrf": page.field("csrf"), "client_id": page.field("client_id")}
    assert (await signed_in.post(f"{waf.url}/logout", form)).location == f"{wwsf.url}/"
    assert (await signed_in.get(away.location)).location == f"{wwsf.url}/"  # signed out already
    assert urlsplit((await signed_in.get(await begin_sign_in(signed_in))).location).path == "/login"


@pytest.mark.parametrize("endpoint", [None, "https://elsewhere.example/logout"])
async def test_a_waf_without_a_sign_out_page(signed_in, monkeypatch: pytest.MonkeyPatch, endpoint: str | None) -> None:
    asked = AuthorizationServerClient.url_of

    async def answer(self: AuthorizationServerClient, name: OAuthEndpoint, *, now: float) -> str:
        if name is not OAuthEndpoint.END_SESSION:
            return await asked(self, name, now=now)
        if endpoint is None:
            raise WafUnreachable("no such name")
        return endpoint

    monkeypatch.setattr(AuthorizationServerClient, "url_of", answer)
    csrf = (await signed_in.get("/")).field("csrf")
    assert (await signed_in.post("/signout", {"csrf": csrf})).location == "/"


async def test_signing_out_twice_or_without_a_waf(waf: Waf, wwsf: Wwsf, signed_in) -> None:
    csrf = (await signed_in.get("/")).field("csrf")
    await waf.close()
    assert (await signed_in.post("/signout", {"csrf": csrf})).status == 303
    visit = await signed_in.get("/")
    page = await signed_in.post("/signout", {"csrf": "x"})
    assert visit.status == 200
    assert page.status == 403


async def test_a_sign_out_without_a_session_is_harmless(wwsf: Wwsf, page) -> None:
    page.session.cookie_jar.update_cookies({"__Host-wwsf": "B" * 43})
    assert (await page.post("/signout", {"csrf": csrf_token("B" * 43)})).status == 303


async def test_tokens_are_renewed_once_and_before_they_expire(waf: Waf, signed_in, clock) -> None:
    first = (await signed_in.get("/token")).json["access_token"]
    clock.now += 3000
    assert (await signed_in.get("/token")).json["access_token"] == first
    clock.now += 301
    answers = await asyncio.gather(*(signed_in.get("/token") for _ in range(5)))
    tokens = {answer.json["access_token"] for answer in answers}
    assert len(tokens) == 1
    assert first not in tokens
    assert answers[0].json["expires_in"] == 3600


async def test_sessions_survive_a_restart(
    waf: Waf, wwsf: Wwsf, make_wwsf: Callable[..., object], signed_in, clock
) -> None:
    token = (await signed_in.get("/token")).json["access_token"]
    port = wwsf.port
    await wwsf.close()
    await make_wwsf(waf, port=port)
    assert (await signed_in.get("/token")).json["access_token"] == token
    clock.now += 3600
    assert (await signed_in.get("/token")).json["expires_in"] == 3600


async def test_a_session_expires(signed_in, clock) -> None:
    clock.now += 8 * 3600
    assert (await signed_in.get("/token")).status == 401
    assert 'href="/signin"' in (await signed_in.get("/")).text


async def test_a_user_removed_at_the_waf_is_signed_out(waf: Waf, signed_in, clock) -> None:
    waf.store.users.remove("carol")
    clock.now += 3301
    answers = await asyncio.gather(*(signed_in.get("/token") for _ in range(3)))
    assert {answer.json["error"] for answer in answers} == {"login_required"}
    assert 'href="/signin"' in (await signed_in.get("/")).text


async def test_a_waf_that_is_away(waf: Waf, signed_in, open_browser, wwsf: Wwsf, clock) -> None:
    await waf.close()
    clock.now += 3301
    assert (await signed_in.get("/token")).status == 200  # the old token lasts a while
    clock.now += 300
    answer = await signed_in.get("/token")
    assert (answer.status, answer.json["error"]) == (503, "temporarily_unavailable")


@pytest.mark.parametrize(
    ("status", "error"), [(429, "slow_down"), (503, "temporarily_unavailable"), (401, "invalid_client")]
)
async def test_failures_that_may_pass_end_no_session(
    signed_in, clock, monkeypatch: pytest.MonkeyPatch, status: int, error: str
) -> None:
    def refuse(*arguments: object, **options: object) -> dict[str, object]:
        raise JsonError(error, "not now", status=status)

    first = (await signed_in.get("/token")).json["access_token"]
    clock.now += 3301
    with monkeypatch.context() as patched:
        patched.setattr(WafContext, "authenticate_client", refuse)
        assert (await signed_in.get("/token")).json["access_token"] == first
        clock.now += 300
        assert (await signed_in.get("/token")).status == 503
    assert (await signed_in.get("/token")).json["expires_in"] == 3600


async def test_no_sign_in_without_a_waf(waf: Waf, wwsf: Wwsf, page, clock) -> None:
    await waf.close()
    answer = await page.get("/signin")
    assert answer.status == 502
    assert answer.headers["Retry-After"] == "10"


async def test_a_waf_that_disappears_during_the_sign_in(waf: Waf, wwsf: Wwsf, page) -> None:
    back = await sign_in_at_waf(page, waf, await begin_sign_in(page))
    await waf.close()
    assert (await page.get(back)).status == 502


async def test_sign_ins_are_limited_by_address(page, clock) -> None:
    for _ in range(60):
        await begin_sign_in(page)
    assert (await page.get("/signin")).status == 429
    clock.now += 60
    await begin_sign_in(page)


async def test_short_lived_tokens_are_renewed_in_time(make_waf, make_wwsf, open_browser, clock) -> None:
    waf = await make_waf(lifetimes=Lifetimes(access=120))
    wwsf = await make_wwsf(waf)
    page = open_browser(wwsf.url)
    await page.get(await sign_in_at_waf(page, waf, await begin_sign_in(page)))
    first = (await page.get("/token")).json["access_token"]
    assert (await page.get("/token")).json["access_token"] == first
    clock.now += 60
    assert (await page.get("/token")).json["access_token"] != first


async def test_a_waf_that_gives_no_refresh_token(waf: Waf, wwsf: Wwsf, page, clock) -> None:
    waf.store.clients.add(
        "wwsf",
        wwsf.options.client_secret,
        redirect_uris=(wwsf.redirect_uri,),
        grants=("authorization_code",),
        consent=False,
    )
    await page.get(await sign_in_at_waf(page, waf, await begin_sign_in(page)))
    clock.now += 3599
    assert (await page.get("/token")).json["expires_in"] == 1
    clock.now += 1
    assert (await page.get("/token")).status == 401


async def test_no_secret_is_shown(wwsf: Wwsf, signed_in) -> None:
    assert "for machines" not in repr(wwsf.options)
    (cookie,) = (each for each in signed_in.session.cookie_jar if each.key == "__Host-wwsf")
    session = wwsf.store.session(cookie.value, now=wwsf.options.clock())
    assert session is not None
    assert session.access_token.reveal() not in repr(session)
    assert session.refresh_token is not None
    assert session.refresh_token.reveal() not in repr(session)
