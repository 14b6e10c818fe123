"""Sign-in, token keeper and pool against the WAF and the WWSF of `wic.network`, over HTTPS."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

import pytest

from wic.accounts import PoolAccess, WebAuthorization
from wic.auth import Secret
from wic.client.web.keeper import TokenKeeper, choose_source
from wic.client.web.sign_in import sign_in_by_browser, sign_in_by_device, sign_out
from wic.errors import SignInFailed, SignInNeeded
from wic.network.certificates import CertificateAuthority
from wic.network.tokens import TokenValidator, TrustedIssuer
from wic.network.waf import WafOptions, WafStore
from wic.network.wwsf import Wwsf, WwsfOptions
from wic.network.wwsf.options import PoolOptions

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

BOT_SECRET = Secret("the-bot-has-a-long-secret")


class Servers:
    """A WWSF with a pool, and its WAF on the same port."""

    def __init__(self, ca: Path, wwsf: Wwsf) -> None:
        self.ca = ca
        self.url = wwsf.url
        assert wwsf.waf is not None
        store = wwsf.waf.store
        store.clients.add(
            "bot", BOT_SECRET, grants=("client_credentials",), impi="bot@ims.example", impus=["sip:bot@ims.example"]
        )
        store.pool.add("wwsf", "pool1@ims.example", "sip:pool1@ims.example")
        wwsf.store.add_pool_pair("pool1@ims.example", "sip:pool1@ims.example")

    def settings(self, **changes: object) -> WebAuthorization:
        given: dict[str, object] = {"account": "carol", "waf": self.url, "ca": self.ca}
        return WebAuthorization(**(given | changes))

    async def check(self, token: Secret) -> str:
        """Validate a token as an eP-CSCF would; return its private identity."""
        validator = TokenValidator([TrustedIssuer(issuer=self.url, audience="sip:ims.example")], ca=self.ca)
        try:
            return (await validator.validate(token, now=time.time())).impi
        finally:
            await validator.close()


@pytest.fixture
async def servers(tmp_path: Path) -> AsyncIterator[Servers]:
    context = CertificateAuthority(tmp_path).server_context("127.0.0.1")
    waf = WafOptions(database=tmp_path / "waf.sqlite", ssl_context=context, poll_interval=1.0)
    with WafStore(waf.database, password_cost=16) as store:
        store.users.add("carol", Secret("a long sentence"), "carol@ims.example", ["sip:carol@ims.example"])
    options = WwsfOptions(
        database=tmp_path / "wwsf.sqlite",
        ssl_context=context,
        wss="wss://127.0.0.1:8443/",
        client_id="wwsf",
        client_secret=Secret("the-wwsf-has-a-long-secret"),
        ca=tmp_path / "ca.pem",
        pool=PoolOptions(anonymous=True, leases_each=4),
    )
    async with await Wwsf.open(options, waf=waf) as wwsf:
        yield Servers(tmp_path / "ca.pem", wwsf)


async def test_a_user_signs_in_refreshes_and_signs_out(servers, store, browser_user) -> None:
    carol, settings = browser_user(servers.ca, "a long sentence"), servers.settings()
    token = await sign_in_by_browser(settings, store, show=carol.open)
    assert "You can close this window" in await carol.tasks[0]
    assert (token.impi, token.impus) == ("carol@ims.example", ("sip:carol@ims.example",))
    assert token.issuer == servers.url
    assert await servers.check(token.value) == "carol@ims.example"

    source = choose_source(settings, store)
    assert await source.obtain(None) == token
    second = await source.obtain(token)
    third = await source.obtain(second)
    assert len({token.value, second.value, third.value}) == 3
    assert len({token.refresh, second.refresh, third.refresh}) == 3
    assert third.impi == "carol@ims.example"

    assert await sign_out(settings, store)
    with pytest.raises(SignInNeeded):
        await source.obtain(third)


async def test_a_refresh_token_that_was_used_before_ends_the_sign_in(
    servers, store, browser_user, tmp_path: Path
) -> None:
    settings = servers.settings()
    token = await sign_in_by_browser(settings, store, show=browser_user(servers.ca, "a long sentence").open)
    source = choose_source(settings, store)
    await source.obtain(token)
    for path in (tmp_path / "state" / "tokens").glob("*.json"):
        text = path.read_text()
        fresh = (await source.obtain(None)).refresh
        path.write_text(text.replace(fresh.reveal(), token.refresh.reveal()))
    with pytest.raises(SignInNeeded, match="The sign-in has ended"):
        await source.obtain(await source.obtain(None))


async def test_a_user_denies_the_request(servers, store, browser_user) -> None:
    with pytest.raises(SignInFailed, match="did not sign the user in") as failed:
        await sign_in_by_browser(
            servers.settings(), store, show=browser_user(servers.ca, "a long sentence", decision="deny").open
        )
    assert failed.value.error == "access_denied"


@pytest.mark.parametrize(("decision", "granted"), [("approve", True), ("deny", False)])
async def test_another_device(servers, store, decision: str, granted: bool, browser_user) -> None:
    carol, codes = browser_user(servers.ca, "a long sentence", decision=decision), []

    def show(code) -> None:
        codes.append(code)
        carol.open(code.url_with_code)

    signing_in = sign_in_by_device(servers.settings(wwsf=servers.url), store, show=show)
    if granted:
        token = await signing_in
        assert token.impi == "carol@ims.example"
        assert token.server == "wss://127.0.0.1:8443/"
        assert await servers.check(token.value) == "carol@ims.example"
    else:
        with pytest.raises(SignInFailed, match="access_denied"):
            await signing_in
    assert parse_qs(urlsplit(codes[0].url_with_code).query) == {"user_code": [codes[0].code]}


async def test_a_bot(servers, store) -> None:
    settings = servers.settings(client_id="bot", client_secret=BOT_SECRET)
    keeper = TokenKeeper(settings)
    token = await keeper.token()
    assert token.impus == ("sip:bot@ims.example",)
    assert await servers.check(token.value) == "bot@ims.example"
    assert (await keeper.renew()).value != token.value
    await keeper.close()
    wrong = servers.settings(client_id="bot", client_secret=Secret("x"))
    with pytest.raises(SignInFailed, match="check client_id and client_secret"):
        await TokenKeeper(wrong).token()


async def test_the_pool(servers) -> None:
    settings = servers.settings(waf="", wwsf=servers.url, pool=PoolAccess.ANONYMOUS)
    first, second = TokenKeeper(settings), TokenKeeper(settings)
    token = await first.token()
    assert (token.impi, token.impus) == ("pool1@ims.example", ("sip:pool1@ims.example",))
    assert token.server == "wss://127.0.0.1:8443/"
    assert await servers.check(token.value) == "pool1@ims.example"
    assert (await first.renew()).impi == "pool1@ims.example"
    with pytest.raises(SignInFailed, match="pool_exhausted") as empty:
        await second.token()
    assert empty.value.temporary
    await first.close()
    assert (await second.token()).impi == "pool1@ims.example"
    await second.close()


async def test_the_pool_for_signed_in_users(servers, store, browser_user) -> None:
    settings = servers.settings(waf="", wwsf=servers.url, pool=PoolAccess.SIGNED_IN)
    source = choose_source(settings, store)
    with pytest.raises(SignInNeeded, match="wic login carol"):
        await source.obtain(None)
    await sign_in_by_browser(settings, store, show=browser_user(servers.ca, "a long sentence").open)
    lent = await source.obtain(None)
    assert lent.impi == "pool1@ims.example"
    await source.give_back(lent)


async def test_no_secret_is_logged(servers, store, browser_user, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    settings = servers.settings()
    first = await sign_in_by_browser(settings, store, show=browser_user(servers.ca, "a long sentence").open)
    second = await choose_source(settings, store).obtain(first)
    pool = choose_source(servers.settings(waf="", wwsf=servers.url, pool=PoolAccess.ANONYMOUS), store)
    lent = await pool.obtain(None)
    await pool.give_back(lent)
    await sign_out(settings, store)
    for secret in (first.value, first.refresh, second.value, second.refresh, lent.value):
        assert secret is not None
        assert secret.reveal() not in caplog.text
        assert secret.reveal() not in repr((first, second, lent))
