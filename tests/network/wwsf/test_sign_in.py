"""A browser signs in at the WWSF through the WAF and gets a token (TS 24.371 §6.3.1)."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest

from wic.auth.secret import Secret
from wic.errors import ConfigurationError
from wic.network.tokens.authorization_server import AuthorizationServerClient
from wic.network.tokens.errors import WafUnreachable
from wic.network.waf import Waf, WafOptions, token_endpoint
from wic.network.waf.options import Lifetimes
from wic.network.web.answers import JsonRefusal
from wic.network.web.browser_session import csrf_token
from wic.network.wwsf import Wwsf, WwsfOptions
from wic.oauth.metadata import Endpoint

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


async def to_waf(page) -> str:
    """Begin at the WWSF; return the WAF's authorization URL."""
    answer = await page.get("/signin")
    assert answer.status == 303, answer.text
    return answer.location


async def through_waf(page, waf: Waf, url: str) -> str:
    """Sign in at the WAF; return the URL that leads back."""
    path = url.removeprefix(waf.url)
    page.url, own = waf.url, page.url
    signed_in = await page.sign_in(target=path)
    back = await page.get(signed_in.location)
    page.url = own
    assert back.status == 303, back.text
    return back.location


@pytest.fixture
async def page(wwsf: Wwsf, open_browser):
    """A browser at the WWSF."""
    return open_browser(wwsf.url)


@pytest.fixture
async def signed_in(waf: Waf, page):
    """A browser that has signed in."""
    answer = await page.get(await through_waf(page, waf, await to_waf(page)))
    assert (answer.status, answer.location) == (303, "/")
    return page


async def test_the_page_shows_who_has_signed_in(signed_in) -> None:
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


async def test_the_page_asks_strangers_to_sign_in(page) -> None:
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
async def test_pages_of_others_get_no_token(signed_in, headers: dict[str, str]) -> None:
    answer = await signed_in.get("/token", headers=headers)
    assert (answer.status, answer.json["error"]) == (403, "foreign_origin")


async def test_strangers_get_no_token(page) -> None:
    for cookie in ("", "A" * 43, "x"):
        page.session.cookie_jar.update_cookies({"__Host-wwsf": cookie})
        answer = await page.get("/token")
        assert (answer.status, answer.json["error"]) == (401, "login_required")


async def test_the_request_to_the_waf_has_pkce_and_state(waf: Waf, wwsf: Wwsf, page) -> None:
    query = dict(parse_qsl(urlsplit(await to_waf(page)).query))
    assert query["code_challenge_method"] == "S256"
    assert query["redirect_uri"] == wwsf.redirect_uri == f"{wwsf.url}/callback"
    assert len(query["state"]) == 43
    other = dict(parse_qsl(urlsplit(await to_waf(page)).query))
    assert other["state"] != query["state"]
    assert other["code_challenge"] != query["code_challenge"]


async def test_the_way_back_is_good_in_one_browser_once(waf: Waf, wwsf: Wwsf, page, open_browser) -> None:
    back = await through_waf(page, waf, await to_waf(page))
    victim = open_browser(wwsf.url)
    assert (await victim.get(back)).status == 403  # signing a victim in as the attacker
    await victim.get("/")
    assert (await victim.get(back)).status == 403
    assert (await page.get(back)).status == 303
    assert (await page.get(back)).status == 403


async def test_a_sign_in_that_takes_too_long(waf: Waf, page, clock) -> None:
    url = await to_waf(page)
    clock.now += 600
    back = await through_waf(page, waf, url)
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
async def test_answers_that_are_not_believed(waf: Waf, page, change: dict[str, str], status: int) -> None:
    back = urlsplit(await through_waf(page, waf, await to_waf(page)))
    forged = f"/callback?{urlencode({**dict(parse_qsl(back.query)), **change})}"
    assert (await page.get(forged)).status == status
    assert (await page.get("/token")).status == 401


async def test_a_user_who_breaks_off(waf: Waf, page) -> None:
    state = dict(parse_qsl(urlsplit(await to_waf(page)).query))["state"]
    answer = await page.get(f"/callback?{urlencode({'state': state, 'error': '<script>', 'iss': waf.url})}")
    assert answer.status == 403
    assert "broken off" in answer.text
    assert "<script" not in answer.text
    assert (await page.get("/callback?state=a&state=b")).status == 400


async def test_signing_in_changes_the_cookie(waf: Waf, wwsf: Wwsf, page, open_browser) -> None:
    planted = "A" * 43
    page.session.cookie_jar.update_cookies({"__Host-wwsf": planted})
    answer = await page.get(await through_waf(page, waf, await to_waf(page)))
    assert planted not in answer.cookies["__Host-wwsf"]
    attacker = open_browser(wwsf.url)
    attacker.session.cookie_jar.update_cookies({"__Host-wwsf": planted})
    assert (await attacker.get("/token")).status == 401


async def test_signing_out_takes_the_tokens_back(waf: Waf, signed_in) -> None:
    token = str((await signed_in.get("/token")).json["access_token"])
    assert (await signed_in.post("/signout", {"csrf": "forged"})).status == 403
    csrf = (await signed_in.get("/")).field("csrf")
    assert (await signed_in.post("/signout", {"csrf": csrf})).status == 303
    assert (await signed_in.get("/token")).status == 401
    claims = waf.store.access_tokens.read(token)
    assert claims is not None
    assert not waf.store.access_tokens.is_active(str(claims["jti"]), now=waf.options.clock())


async def test_signing_out_leads_to_the_waf_and_back(waf: Waf, wwsf: Wwsf, signed_in) -> None:
    """Or the next one at this browser would be the last one's friend."""
    home = await signed_in.get("/")
    assert f"form-action 'self' {waf.url};" in home.headers["Content-Security-Policy"]
    away = await signed_in.post("/signout", {"csrf": home.field("csrf")})
    assert away.location == f"{waf.url}/logout?client_id=wwsf"
    page = await signed_in.get(away.location)
    assert "carol" in page.text
    assert f"form-action 'self' {wwsf.url};" in page.headers["Content-Security-Policy"]
    form = {"csrf": page.field("csrf"), "client_id": page.field("client_id")}
    assert (await signed_in.post(f"{waf.url}/logout", form)).location == f"{wwsf.url}/"
    assert (await signed_in.get(away.location)).location == f"{wwsf.url}/"  # nobody is signed in any more
    assert urlsplit((await signed_in.get(await to_waf(signed_in))).location).path == "/login"


@pytest.mark.parametrize("endpoint", [None, "https://elsewhere.example/logout"])
async def test_a_waf_without_a_place_to_sign_out(
    signed_in, monkeypatch: pytest.MonkeyPatch, endpoint: str | None
) -> None:
    asked = AuthorizationServerClient.url_of

    async def answer(self: AuthorizationServerClient, name: Endpoint, *, now: float) -> str:
        if name is not Endpoint.END_SESSION:
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


async def test_tokens_are_renewed_before_they_end_and_once(waf: Waf, signed_in, clock) -> None:
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


async def test_a_session_ends(signed_in, clock) -> None:
    clock.now += 8 * 3600
    assert (await signed_in.get("/token")).status == 401
    assert 'href="/signin"' in (await signed_in.get("/")).text


async def test_a_user_who_was_removed_at_the_waf_is_out(waf: Waf, signed_in, clock) -> None:
    waf.store.remove_user("carol")
    clock.now += 3301
    answers = await asyncio.gather(*(signed_in.get("/token") for _ in range(3)))
    assert {answer.json["error"] for answer in answers} == {"login_required"}
    assert 'href="/signin"' in (await signed_in.get("/")).text


async def test_a_waf_that_is_away(waf: Waf, signed_in, open_browser, wwsf: Wwsf, clock) -> None:
    await waf.close()
    clock.now += 3301
    assert (await signed_in.get("/token")).status == 200  # the old token is good for a while
    clock.now += 300
    answer = await signed_in.get("/token")
    assert (answer.status, answer.json["error"]) == (503, "temporarily_unavailable")


@pytest.mark.parametrize(
    ("status", "error"), [(429, "slow_down"), (503, "temporarily_unavailable"), (401, "invalid_client")]
)
async def test_what_may_pass_at_the_waf_signs_nobody_out(
    signed_in, clock, monkeypatch: pytest.MonkeyPatch, status: int, error: str
) -> None:
    def refuse(*arguments: object) -> dict[str, object]:
        raise JsonRefusal(status, error, "not now")

    first = (await signed_in.get("/token")).json["access_token"]
    clock.now += 3301
    with monkeypatch.context() as patched:
        patched.setattr(token_endpoint, "authenticate_client", refuse)
        assert (await signed_in.get("/token")).json["access_token"] == first
        clock.now += 300
        assert (await signed_in.get("/token")).status == 503
    assert (await signed_in.get("/token")).json["expires_in"] == 3600


async def test_without_a_waf_nobody_signs_in(waf: Waf, wwsf: Wwsf, page, clock) -> None:
    await waf.close()
    answer = await page.get("/signin")
    assert answer.status == 502
    assert answer.headers["Retry-After"] == "10"


async def test_a_waf_that_goes_away_in_between(waf: Waf, wwsf: Wwsf, page) -> None:
    back = await through_waf(page, waf, await to_waf(page))
    await waf.close()
    assert (await page.get(back)).status == 502


async def test_sign_ins_are_not_begun_without_end(page, clock) -> None:
    for _ in range(60):
        await to_waf(page)
    assert (await page.get("/signin")).status == 429
    clock.now += 60
    await to_waf(page)


async def test_short_lived_tokens_are_renewed_in_time(make_waf, make_wwsf, open_browser, clock) -> None:
    waf = await make_waf(lifetimes=Lifetimes(access=120))
    wwsf = await make_wwsf(waf)
    page = open_browser(wwsf.url)
    await page.get(await through_waf(page, waf, await to_waf(page)))
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
    await page.get(await through_waf(page, waf, await to_waf(page)))
    clock.now += 3599
    assert (await page.get("/token")).json["expires_in"] == 1
    clock.now += 1
    assert (await page.get("/token")).status == 401


async def test_both_on_one_port(make_waf, tmp_path: Path, server_tls, authority, open_browser, clock) -> None:
    waf = Waf(WafOptions(database=tmp_path / "waf.sqlite", ssl_context=server_tls, clock=clock), password_cost=16)
    waf.store.add_user("carol", Secret("correct horse"), "carol@ims.example", ["sip:carol@ims.example"])
    options = WwsfOptions(
        database=tmp_path / "wwsf.sqlite",
        ssl_context=server_tls,
        wss="wss://127.0.0.1:8443/",
        client_id="wwsf",
        client_secret=Secret("secret of the WWSF"),
        ca=authority.certificate_path,
        clock=clock,
    )
    async with Wwsf(options, waf=waf) as wwsf:
        assert waf.url == wwsf.url
        assert waf.port == wwsf.port
        page = open_browser(wwsf.url)
        configuration = (await page.get("/.well-known/wic-configuration")).json
        assert configuration["issuer"] == wwsf.url
        assert configuration["pool"] is None
        answer = await page.get(await through_waf(page, waf, await to_waf(page)))
        assert answer.status == 303
        assert (await page.get("/token")).json["impi"] == "carol@ims.example"
        assert (await page.post("/pool/lease")).status in (404, 405)
        assert "without signing in" not in (await open_browser(wwsf.url).get("/")).text


async def test_a_wic_learns_where_to_begin(waf: Waf, wwsf: Wwsf, page) -> None:
    answer = await page.get("/.well-known/wic-configuration")
    assert answer.json == {
        "wss": "wss://127.0.0.1:8443/",
        "issuer": waf.url,
        "client_id": "wic",
        "pool": f"{wwsf.url}/pool/lease",
        "anonymous": True,
    }


@pytest.mark.parametrize("issuer", [None, "https://a.example"])
async def test_a_wwsf_has_one_waf(waf: Waf, tmp_path: Path, server_tls, issuer: str | None) -> None:
    settings = {"database": tmp_path / "x", "ssl_context": server_tls, "wss": "wss://a", "client_id": "a"}
    options = WwsfOptions(**settings, client_secret=Secret("x" * 16), issuer=issuer)
    with pytest.raises(ConfigurationError, match="one WAF"):
        Wwsf(options, waf=None if issuer is None else waf)


async def test_a_port_that_is_taken(waf: Waf, wwsf: Wwsf, tmp_path: Path) -> None:
    other = Wwsf(replace(wwsf.options, database=tmp_path / "other.sqlite", port=waf.port))
    with pytest.raises(ConfigurationError, match="cannot listen"):
        await other.start()
    await other.close()


async def test_no_secret_is_shown(wwsf: Wwsf, signed_in) -> None:
    assert "for machines" not in repr(wwsf.options)
    (cookie,) = (each for each in signed_in.session.cookie_jar if each.key == "__Host-wwsf")
    session = wwsf.store.session(cookie.value, now=wwsf.options.clock())
    assert session is not None
    assert session.access_token not in repr(session)
    assert str(session.refresh_token) not in repr(session)
