"""Sources of tokens without a browser: configured, stored, or for the secret of a client."""

from __future__ import annotations

import asyncio
import time

import pytest

from wic.accounts import PoolAccess
from wic.auth import Secret
from wic.client.web.keeper import choose_source
from wic.client.web.pool import PoolLease
from wic.client.web.sources import ClientCredentials, ConfiguredToken, StoredToken
from wic.client.web.store import StoreKey
from wic.errors import ConnectFailed, SignInFailed, SignInNeeded
from wic.oauth.tokens import AccessToken


@pytest.fixture
def keep(server, store):
    """Put a token into the store, as `wic login` would."""

    def put(value: str = "one", *, lasts: float | None = 3600.0, refresh: str | None = "again") -> AccessToken:
        token = AccessToken(
            value=Secret(value),
            issuer=server.url,
            expires_at=None if lasts is None else time.time() + lasts,
            refresh=None if refresh is None else Secret(refresh),
        )
        store.save(StoreKey(server.url, "", "carol"), token)
        return token

    return put


def test_the_settings_choose_the_source(settings, store) -> None:
    bot = {"client_id": "bot", "client_secret": Secret("x")}
    wwsf = {"wwsf": "https://wwsf.example"}
    assert isinstance(choose_source(settings(), store), StoredToken)
    assert isinstance(choose_source(settings(token=Secret("x"), **bot), store), ConfiguredToken)
    assert isinstance(choose_source(settings(**bot), store), ClientCredentials)
    assert isinstance(choose_source(settings(pool=PoolAccess.ANONYMOUS, **wwsf), store), PoolLease)
    assert isinstance(choose_source(settings(pool=PoolAccess.SIGNED_IN, **wwsf), store), PoolLease)


async def test_a_configured_token_has_no_successor(settings) -> None:
    source = ConfiguredToken(settings(token=Secret("abc")), Secret("abc"))
    token = await source.obtain(None)
    assert token.value == Secret("abc")
    with pytest.raises(
        SignInNeeded, match="The access token given for carol is not valid, or has expired; give another one"
    ):
        await source.obtain(token)
    await source.give_back(token)


async def test_client_credentials(server, settings) -> None:
    server.becomes_a_waf()
    server.becomes_a_wwsf()
    server.gives("one")
    server.gives("two", expires_in=60)
    source = ClientCredentials(settings(wwsf=server.url, client_id="bot", client_secret=Secret("x")))
    first = await source.obtain(None)
    assert first.server == "wss://pcscf.ims.example/"
    assert first.impi == "carol@ims.example"
    assert (await source.obtain(first)).value == Secret("two")
    await source.give_back(first)


async def test_client_credentials_with_a_wrong_secret(server, settings) -> None:
    server.becomes_a_waf()
    server.says("/token", {"error": "invalid_client"}, status=401)
    with pytest.raises(SignInFailed, match="check client_id and client_secret"):
        await ClientCredentials(settings(client_id="bot", client_secret=Secret("sesame"))).obtain(None)


async def test_a_stored_token_that_lasts_is_used_as_it_is(server, settings, store, keep) -> None:
    for lasts in (3600.0, None):
        kept = keep(lasts=lasts)
        assert await StoredToken(settings(), store).obtain(None) == kept
    assert server.asked == []


async def test_a_stored_token_that_expires_soon_is_refreshed(server, settings, store, keep) -> None:
    server.becomes_a_waf()
    server.gives("two")
    keep(lasts=5.0)
    source = StoredToken(settings(), store)
    fresh = await source.obtain(None)
    assert fresh.value == Secret("two")
    assert fresh.refresh == Secret("two-next")  # rotated
    assert store.load(StoreKey(server.url, "", "carol")) == fresh
    await source.give_back(fresh)
    assert store.load(StoreKey(server.url, "", "carol")) == fresh


async def test_a_stored_token_that_was_refused_is_refreshed(server, settings, store, keep) -> None:
    server.becomes_a_waf()
    server.gives("two")
    kept = keep()
    assert (await StoredToken(settings(), store).obtain(kept)).value == Secret("two")
    assert server.forms("/token")[0]["refresh_token"] == "again"


async def test_a_token_that_another_process_refreshed_is_used(server, settings, store, keep) -> None:
    old = keep("one")
    new = keep("two")
    assert await StoredToken(settings(), store).obtain(old) == new
    assert server.asked == []


async def test_no_refresh_token_is_used_twice(server, settings, store, keep) -> None:
    server.becomes_a_waf()
    server.gives("two")
    server.gives("three")
    keep(lasts=1.0)
    both = await asyncio.gather(*(StoredToken(settings(), store).obtain(None) for _ in range(2)))
    assert [each.value for each in both] == [Secret("two")] * 2
    assert len(server.forms("/token")) == 1


async def test_an_account_that_is_not_signed_in(server, settings, store) -> None:
    with pytest.raises(SignInNeeded, match=r"Not signed in for carol: run `wic login carol`\.") as needed:
        await StoredToken(settings(), store).obtain(None)
    assert needed.value.error == "login_required"
    assert server.asked == []


async def test_an_expired_token_without_a_refresh_token(settings, store, keep) -> None:
    keep(lasts=-1.0, refresh=None)
    with pytest.raises(SignInNeeded, match="The sign-in has ended for carol"):
        await StoredToken(settings(), store).obtain(None)


async def test_a_sign_in_that_was_revoked_is_forgotten(server, settings, store, keep) -> None:
    server.becomes_a_waf()
    server.says("/token", {"error": "invalid_grant"}, status=400)
    keep(lasts=1.0)
    for sentence in ("The sign-in has ended for carol", "Not signed in"):
        with pytest.raises(SignInNeeded, match=sentence):
            await StoredToken(settings(), store).obtain(None)
    assert len(server.forms("/token")) == 1


async def test_a_failing_server_ends_no_sign_in(server, settings, store, keep) -> None:
    server.becomes_a_waf()
    server.says("/token", {}, status=503)
    kept = keep(lasts=1.0)
    with pytest.raises(SignInFailed) as failed:
        await StoredToken(settings(), store).obtain(None)
    assert failed.value.temporary
    assert store.load(StoreKey(server.url, "", "carol")) == kept


async def test_a_server_that_is_away(settings, store, keep, unused_tcp_port: int) -> None:
    away = f"http://127.0.0.1:{unused_tcp_port}"
    store.save(StoreKey(away, "", "carol"), keep(lasts=5.0))
    with pytest.raises(ConnectFailed):
        await StoredToken(settings(waf="", wwsf=away), store).obtain(None)


async def test_a_stored_token_needs_no_server(server, settings, store, keep) -> None:
    kept = keep()
    assert await StoredToken(settings(waf="", wwsf=server.url), store).obtain(None) == kept
    assert server.asked == []


async def test_a_refresh_token_is_sent_to_its_issuer_only(server, other_server, settings, store, keep) -> None:
    server.becomes_a_wwsf(issuer=other_server.url)
    other_server.becomes_a_waf()
    keep(lasts=5.0)
    with pytest.raises(SignInNeeded, match=r"issues the tokens now for carol: run `wic login carol`\."):
        await StoredToken(settings(waf="", wwsf=server.url), store).obtain(None)
    assert other_server.asked == []
