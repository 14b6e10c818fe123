"""Sign-in and sign-out, with a scripted browser or device."""

from __future__ import annotations

import asyncio
from urllib.parse import parse_qs, urlsplit

import aiohttp
import pytest

from wic.accounts import PoolAccess
from wic.auth import Secret
from wic.client.web.sign_in import sign_in_by_browser, sign_in_by_device, sign_out
from wic.client.web.store import StoreKey
from wic.errors import ConfigurationError, ConnectFailed, SignInFailed
from wic.oauth.pkce import challenge_of
from wic.oauth.tokens import AccessToken


class Browser:
    """Browser that opens the URL and comes back with an answer."""

    def __init__(self, **answer: str) -> None:
        self.url = ""
        self.query: dict[str, str] = {}
        self._answer = answer
        self._task: asyncio.Task[None] | None = None

    def open(self, url: str) -> None:
        self.url = url
        self.query = {name: value for name, (value,) in parse_qs(urlsplit(url).query).items()}
        self._task = asyncio.create_task(self._come_back())

    async def _come_back(self) -> None:
        answer = {"state": self.query["state"], "code": "the-code"} | self._answer
        async with aiohttp.ClientSession() as session:
            await session.get(self.query["redirect_uri"], params=answer)


def key(server) -> StoreKey:
    return StoreKey(server.url, "", "carol")


async def test_by_browser(server, settings, store) -> None:
    server.becomes_a_waf()
    server.gives("one")
    browser = Browser(iss=server.url)
    token = await sign_in_by_browser(settings(), store, show=browser.open)
    assert token.value == Secret("one")
    assert store.load(key(server)) == token
    assert browser.url.startswith(f"{server.url}/authorize?")
    assert browser.query["response_type"] == "code"
    assert browser.query["client_id"] == "wic"
    assert browser.query["scope"] == "ims"
    assert browser.query["code_challenge_method"] == "S256"
    (asked,) = server.forms("/token")
    assert (asked["code"], asked["redirect_uri"]) == ("the-code", browser.query["redirect_uri"])
    assert challenge_of(asked["code_verifier"]) == browser.query["code_challenge"]


async def test_by_browser_at_the_waf_of_a_wwsf(server, settings, store) -> None:
    server.becomes_a_waf(authorization_endpoint=f"{server.url}/authorize?tenant=1")
    server.becomes_a_wwsf(client_id="native")
    server.gives("one")
    browser = Browser(iss=server.url)
    token = await sign_in_by_browser(settings(waf="", wwsf=server.url), store, show=browser.open)
    assert token.server == "wss://pcscf.ims.example/"
    assert (browser.query["tenant"], browser.query["client_id"]) == ("1", "native")
    assert store.load(key(server)) == token


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        ({"error": "access_denied", "code": ""}, "did not sign the user in: access_denied"),
        ({"iss": "https://evil.example"}, "another server"),
    ],
)
async def test_a_user_or_a_server_that_refuses(server, settings, store, answer: dict[str, str], sentence: str) -> None:
    server.becomes_a_waf()
    with pytest.raises(SignInFailed, match=sentence):
        await sign_in_by_browser(settings(), store, show=Browser(**({"iss": server.url} | answer)).open)
    assert store.load(key(server)) is None
    assert server.forms("/token") == []


async def test_a_user_who_does_not_come(server, settings, store) -> None:
    server.becomes_a_waf()
    with pytest.raises(SignInFailed, match=r"the user did not sign in within 0\.05 s") as failed:
        await sign_in_by_browser(settings(), store, show=lambda _: None, timeout=0.05)
    assert failed.value.error == "expired"


@pytest.mark.parametrize("changes", [{"authorization_endpoint": None}, {"code_challenge_methods_supported": ["plain"]}])
async def test_a_server_without_pkce(server, settings, store, changes: dict[str, object]) -> None:
    if "authorization_endpoint" in changes:
        metadata = {"issuer": server.url, "token_endpoint": f"{server.url}/token"}
        server.says("/.well-known/oauth-authorization-server", metadata)
    else:
        server.becomes_a_waf(**changes)
    with pytest.raises(ConfigurationError, match="no sign-in with PKCE"):
        await sign_in_by_browser(settings(), store, show=lambda _: None)


async def test_by_another_device(server, settings, store) -> None:
    server.becomes_a_waf()
    page = f"{server.url}/device"
    document = {"device_code": "dev", "user_code": "AB-CD", "verification_uri": page, "expires_in": 60, "interval": 1}
    server.says("/device_authorization", document)
    server.says("/token", {"error": "authorization_pending"}, status=400)
    server.gives("one")
    shown = []
    token = await sign_in_by_device(settings(), store, show=shown.append)
    assert [(each.code, each.url) for each in shown] == [("AB-CD", page)]
    assert store.load(key(server)) == token
    assert len(server.forms("/token")) == 2


async def test_a_server_without_the_device_grant(server, settings, store) -> None:
    server.says(
        "/.well-known/oauth-authorization-server", {"issuer": server.url, "token_endpoint": f"{server.url}/token"}
    )
    with pytest.raises(ConfigurationError, match="has no sign-in on another device"):
        await sign_in_by_device(settings(), store, show=lambda _: None)


@pytest.mark.parametrize(
    "changes",
    [
        {"token": Secret("x")},
        {"client_id": "bot", "client_secret": Secret("x")},
        {"wwsf": "https://wwsf.ims.example", "pool": PoolAccess.ANONYMOUS},
    ],
)
async def test_accounts_that_need_no_sign_in(settings, store, changes: dict[str, object]) -> None:
    for work in (
        sign_in_by_browser(settings(**changes), store, show=lambda _: None),
        sign_in_by_device(settings(**changes), store, show=lambda _: None),
    ):
        with pytest.raises(ConfigurationError, match="needs no sign-in"):
            await work
    if "pool" not in changes:
        with pytest.raises(ConfigurationError, match="needs no sign-in"):
            await sign_out(settings(**changes), store)


async def test_signing_out_where_the_pool_became_anonymous(server, settings, store) -> None:
    """What was stored before is not kept, and good for use, for ever."""
    server.becomes_a_waf()
    server.becomes_a_wwsf(issuer=server.url)
    server.says("/revoke", {})
    store.save(key(server), AccessToken(value=Secret("one"), issuer=server.url))
    assert await sign_out(settings(wwsf=server.url, pool=PoolAccess.ANONYMOUS), store)
    assert store.load(key(server)) is None


@pytest.mark.parametrize(("refresh", "revoked"), [(Secret("again"), "again"), (None, "one")])
async def test_signing_out(server, settings, store, refresh: Secret | None, revoked: str) -> None:
    server.becomes_a_waf()
    server.says("/revoke", {})
    store.save(key(server), AccessToken(value=Secret("one"), issuer=server.url, refresh=refresh))
    assert await sign_out(settings(), store)
    assert server.forms("/revoke") == [{"token": revoked, "client_id": "wic"}]
    assert store.load(key(server)) is None
    assert not await sign_out(settings(), store)


@pytest.mark.parametrize("known", ["waf", "wwsf"])
async def test_signing_out_where_the_server_is_away(server, settings, store, known: str) -> None:
    store.save(key(server), AccessToken(value=Secret("one"), issuer=server.url))
    with pytest.raises(ConnectFailed):
        await sign_out(settings(**{"waf": "", known: server.url}), store)
    assert store.load(key(server)) is None


async def test_a_token_is_revoked_at_its_issuer(server, other_server, settings, store) -> None:
    """The WWSF may have another WAF by now."""
    server.becomes_a_wwsf(issuer="http://another.example")
    other_server.becomes_a_waf()
    other_server.says("/revoke", {})
    store.save(key(server), AccessToken(value=Secret("one"), issuer=other_server.url))
    assert await sign_out(settings(waf="", wwsf=server.url), store)
    assert other_server.forms("/revoke") == [{"token": "one", "client_id": "wic"}]
