"""Authorization code grant with PKCE: RFC 6749 §4.1, RFC 7636, RFC 8252, RFC 9207."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

import pytest

from wic.auth.secret import Secret

if TYPE_CHECKING:
    from wic.network.waf import Waf


def parts(token: object) -> tuple[dict[str, object], dict[str, object]]:
    """Return header and claims of a JWT, unverified."""
    header, claims, _ = (base64.urlsafe_b64decode(part + "==") for part in str(token).split("."))
    return json.loads(header), json.loads(claims)


def is_active(waf: Waf, tokens: dict[str, object]) -> bool:
    _, claims = parts(tokens["access_token"])
    return waf.store.access_tokens.is_active(str(claims["jti"]), now=waf.options.clock())


async def test_a_signed_in_user_approves_a_client(waf: Waf, client) -> None:
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


async def test_the_response_carries_state_and_issuer(waf: Waf, client) -> None:
    path = client.authorization()
    answer = await client.browser.form(path, query=path.partition("?")[2], decision="approve")
    assert answer.status == 303
    assert answer.query["state"] == "st&te"
    assert answer.query["iss"] == waf.url


async def test_a_user_denies_the_request(client) -> None:
    path = client.authorization()
    answer = await client.browser.form(path, query=path.partition("?")[2], decision="deny")
    assert answer.query["error"] == "access_denied"
    assert answer.query["state"] == "st&te"
    assert "code" not in answer.query


async def test_a_user_without_a_session_is_sent_to_sign_in_and_back(waf: Waf, browser, client) -> None:
    browser.session.cookie_jar.clear()
    path = client.authorization()
    answer = await browser.get(path)
    assert answer.status == 303
    assert answer.location.startswith("/login?continue=")
    page = await browser.get(answer.location)
    assert parse_qs(page.field("continue").partition("?")[2]) == parse_qs(path.partition("?")[2])
    form = {"csrf": page.field("csrf"), "continue": path, "username": "carol", "password": "correct horse"}
    assert (await browser.post("/login", form)).location == path


async def test_a_request_without_state_gets_none_back(client) -> None:
    path = client.authorization(state=None)
    answer = await client.browser.form(path, query=path.partition("?")[2], decision="approve")
    assert "state" not in answer.query


async def test_a_client_with_one_redirect_uri_may_omit_it(waf: Waf, client) -> None:
    secret = "secret of the one client"
    waf.store.clients.add("one", Secret(secret), redirect_uris=("https://one.example/cb?x=1",), consent=False)
    client.client_id = "one"
    answer = await client.browser.get(client.authorization(redirect_uri=None))
    assert answer.location.startswith("https://one.example/cb?x=1&iss=")
    token = await client.redeem(answer.query["code"], redirect_uri=None, client_secret=secret)
    assert token.status == 200


@pytest.mark.parametrize(
    "uri",
    [
        "http://127.0.0.1:1/callback",
        "http://127.0.0.1:65535/callback",
        "http://[::1]:7777/callback",
        "http://127.0.0.1/callback",
    ],
)
async def test_loopback_redirects_may_have_any_port(client, uri: str) -> None:
    client.redirect_uri = uri
    assert (await client.redeem(await client.code())).status == 200


@pytest.mark.parametrize(
    "uri",
    [
        "http://localhost:7777/callback",
        "https://127.0.0.1:7777/callback",
        "http://127.0.0.1:7777/callback/",
        "http://127.0.0.1:7777/callback?x=1",
        "http://127.0.0.1:7777/callback#x",
        "http://127.0.0.1:7777/../callback",
        "http://127.0.0.1:7777/",
        "http://127.0.0.1:port/callback",
        "http://127.0.0.1:99999/callback",
        "http://127.0.0.1:/callback",
        "http://127.0.0.1:7777@evil.example/callback",
        "http://evil.example@127.0.0.1:7777/callback",
        "http://127.0.0.1.evil.example:7777/callback",
        "http://127.0.0.2:7777/callback",
        "http://evil.example/callback",
        "//evil.example/callback",
        "/callback",
        "javascript:alert(1)",
        "http://[::1",
        "HTTP://127.0.0.1:7777/callback",
    ],
)
async def test_redirects_that_are_not_registered(client, uri: str) -> None:
    answer = await client.browser.get(client.authorization(redirect_uri=uri))
    assert answer.status == 400
    assert "Location" not in answer.headers


async def test_redirects_are_compared_letter_by_letter(waf: Waf, client) -> None:
    waf.store.clients.add("web", redirect_uris=("https://web.example/cb", "https://web.example/cb2"))
    client.client_id = "web"
    for uri in (
        "https://web.example/cb/",
        "https://web.example:443/cb",
        "https://web.example/cb?a",
        "https://web.example/CB",
    ):
        assert (await client.browser.get(client.authorization(redirect_uri=uri))).status == 400
    assert (await client.browser.get(client.authorization(redirect_uri=None))).status == 400


async def test_an_unknown_client_gets_an_error_page(client) -> None:
    for client_id in ("unknown", None):
        answer = await client.browser.get(client.authorization(client_id=client_id))
        assert answer.status == 400
        assert "not known" in answer.text


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"response_type": None}, "invalid_request"),
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"response_type": "code token"}, "unsupported_response_type"),
        ({"code_challenge": None}, "invalid_request"),
        ({"code_challenge": "short"}, "invalid_request"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"code_challenge_method": None}, "invalid_request"),
        ({"code_challenge_method": "s256"}, "invalid_request"),
        ({"scope": "ims mail"}, "invalid_scope"),
        ({"scope": " "}, "invalid_scope"),
    ],
)
async def test_errors_are_redirected_to_the_client(
    waf: Waf, client, changes: dict[str, str | None], error: str
) -> None:
    answer = await client.browser.get(client.authorization(**changes))
    assert answer.status == 303
    assert answer.location.startswith("http://127.0.0.1:7777/callback?")
    assert answer.query["error"] == error
    assert answer.query["state"] == "st&te"
    assert answer.query["iss"] == waf.url
    assert answer.query["error_description"]


async def test_a_client_that_may_not_ask_for_codes(waf: Waf, client) -> None:
    waf.store.clients.add("poor", redirect_uris=("https://poor.example/cb",), grants=("refresh_token",))
    answer = await client.browser.get(client.authorization(client_id="poor", redirect_uri="https://poor.example/cb"))
    assert answer.query["error"] == "unauthorized_client"


async def test_repeated_parameters_are_refused(client) -> None:
    """RFC 6749 §3.1."""
    path = client.authorization()
    assert (await client.browser.get(f"{path}&scope=ims")).status == 400
    assert (await client.browser.get("/authorize?" + "x=1&" * 33)).status == 400
    assert (await client.browser.get(f"{path}&x={'y' * 4096}")).status == 400


async def test_a_second_use_of_a_code_revokes_its_tokens(client) -> None:
    """RFC 6749 §4.1.2."""
    code = await client.code()
    first = (await client.redeem(code)).json
    second = await client.redeem(code)
    assert second.status == 400
    assert second.json["error"] == "invalid_grant"
    assert "revoked" in str(second.json["error_description"])
    assert (await client.refresh(first["refresh_token"])).json["error"] == "invalid_grant"
    assert (await client.redeem(code)).json["error"] == "invalid_grant"


async def test_a_second_use_is_noticed_long_after(waf: Waf, client, clock) -> None:
    code = await client.code()
    first = (await client.redeem(code)).json
    clock.now += 86400
    waf.sweep()
    assert "revoked" in str((await client.redeem(code)).json["error_description"])
    assert (await client.refresh(first["refresh_token"])).status == 400


async def test_a_code_expires_after_a_minute(client, clock) -> None:
    code = await client.code()
    clock.now += 60
    answer = await client.redeem(code)
    assert (answer.status, answer.json["error"]) == (400, "invalid_grant")


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"code": "invented"}, "invalid_grant"),
        ({"code": None}, "invalid_request"),
        ({"redirect_uri": "http://127.0.0.1:7778/callback"}, "invalid_grant"),
        ({"redirect_uri": None}, "invalid_grant"),
        ({"code_verifier": "x" * 43}, "invalid_grant"),
        ({"code_verifier": "short"}, "invalid_grant"),
        ({"code_verifier": None}, "invalid_grant"),
        ({"grant_type": None}, "invalid_request"),
        ({"grant_type": "password"}, "unsupported_grant_type"),
        ({"grant_type": "client_credentials"}, "unauthorized_client"),
        ({"client_id": None}, "invalid_request"),
    ],
)
async def test_token_requests_that_lack_a_proof(client, changes: dict[str, str | None], error: str) -> None:
    code = await client.code()
    answer = await client.redeem(code, **changes)
    assert answer.status == 400
    assert answer.json["error"] == error
    assert answer.headers["Cache-Control"] == "no-store"
    assert (await client.redeem(code)).status == 200  # a stranger's guess does not spoil it


async def test_the_challenge_is_no_verifier(client) -> None:
    code = await client.code()
    challenge = client.authorization().partition("code_challenge=")[2].partition("&")[0]
    assert (await client.redeem(code, code_verifier=challenge)).json["error"] == "invalid_grant"


async def test_another_client_cannot_redeem_the_code(waf: Waf, client) -> None:
    waf.store.clients.add("other", redirect_uris=("https://other.example/cb",))
    code = await client.code()
    assert (await client.redeem(code, client_id="other")).json["error"] == "invalid_grant"
    assert (await client.redeem(code)).status == 200


async def test_a_decision_needs_the_form_of_this_session(client) -> None:
    path = client.authorization()
    await client.browser.get(path)
    for token in ("", "invented", "é"):
        form = {"csrf": token, "query": path.partition("?")[2], "decision": "approve"}
        answer = await client.browser.post("/authorize", form)
        assert answer.status == 403
        assert "Location" not in answer.headers


async def test_a_decision_needs_a_signed_in_user(waf: Waf, client, open_browser) -> None:
    stranger = open_browser(waf.url)
    page = await stranger.get("/login")
    path = client.authorization()
    form = {"csrf": page.field("csrf"), "query": path.partition("?")[2], "decision": "approve"}
    assert (await stranger.post("/authorize", form)).status == 403


async def test_the_redirect_cannot_be_changed_in_the_consent_form(client) -> None:
    path = client.authorization()
    forged = client.authorization(redirect_uri="https://evil.example/cb").partition("?")[2]
    answer = await client.browser.form(path, query=forged, decision="approve")
    assert answer.status == 400
    assert "Location" not in answer.headers


async def test_tokens_follow_the_identities_of_the_user(waf: Waf, client) -> None:
    tokens = await client.tokens()
    waf.store.users.add("carol", Secret("correct horse"), "carol@ims.example", ["sip:caroline@ims.example"])
    assert not is_active(waf, tokens)  # it names identities that are not hers any more
    renewed = (await client.refresh(tokens["refresh_token"])).json
    assert renewed["impu"] == ["sip:caroline@ims.example"]
    waf.store.users.add("carol", Secret("correct horse"), "carol@ims.example", ["sip:caroline@ims.example"])
    assert is_active(waf, renewed)
    assert waf.store.users.remove("carol")
    assert (await client.refresh(renewed["refresh_token"])).json["error"] == "invalid_grant"
    assert not waf.store.users.remove("carol")


async def test_another_password_revokes_what_was_issued_under_the_old_one(waf: Waf, client) -> None:
    tokens, code = await client.tokens(), await client.code()
    waf.store.users.add("carol", Secret("another"), "carol@ims.example", ["sip:carol@ims.example", "tel:+4930123"])
    assert not is_active(waf, tokens)
    assert (await client.refresh(tokens["refresh_token"])).json["error"] == "invalid_grant"
    assert (await client.redeem(code)).json["error"] == "invalid_grant"


async def test_no_button_is_focused(client) -> None:
    """A page that makes its visitor hold Enter, and then opens this one, must not get a consent."""
    page = await client.browser.get(client.authorization())
    assert "autofocus" not in page.text


async def test_the_policy_allows_the_redirect_after_the_form(client) -> None:
    """Browsers apply form-action to the redirects after a form (CSP 3 §6.3.2)."""
    page = await client.browser.get(client.authorization())
    assert "form-action 'self' http://127.0.0.1:7777;" in page.headers["Content-Security-Policy"]
    assert "frame-ancestors 'none'" in page.headers["Content-Security-Policy"]
    six = await client.browser.get(client.authorization(redirect_uri="http://[::1]:7777/callback"))
    assert "form-action 'self' http:;" in six.headers["Content-Security-Policy"]
