"""Identities lent by a pool (TS 24.371 §6.2.3)."""

from __future__ import annotations

import pytest

from wic.accounts import PoolAccess
from wic.auth import Secret
from wic.client.web.keeper import choose_source
from wic.client.web.pool import PoolLease
from wic.client.web.store import StoreKey
from wic.errors import ConfigurationError, RemoteProtocolError, SignInFailed, SignInNeeded
from wic.oauth.tokens import AccessToken

LEASE = {
    "access_token": "one",
    "token_type": "Bearer",
    "expires_in": 3600,
    "scope": "ims",
    "impu": "sip:pool7@ims.example",
    "impi": "pool7@ims.example",
    "lease": "lease-7",
    "wss": "wss://pcscf.ims.example/w2",
}


@pytest.fixture
def borrower(server, settings, store):
    def make(access: PoolAccess = PoolAccess.ANONYMOUS) -> PoolLease:
        server.becomes_a_wwsf()
        source = choose_source(settings(waf="", wwsf=server.url, pool=access), store)
        assert isinstance(source, PoolLease)
        return source

    return make


async def test_identities_are_lent_kept_and_given_back(server, borrower) -> None:
    server.says("/pool/lease", LEASE, status=201)
    server.says("/pool/lease/lease-7", LEASE | {"access_token": "two", "wss": ""})
    server.says("/pool/lease/lease-7", {}, status=204, body=b"")
    source = borrower()
    token = await source.obtain(None)
    assert (token.impi, token.impus) == ("pool7@ims.example", ("sip:pool7@ims.example",))
    assert token.server == "wss://pcscf.ims.example/w2"
    assert token.issuer == server.url
    renewed = await source.obtain(token)
    assert (renewed.value, renewed.server) == (Secret("two"), "wss://pcscf.ims.example/")
    await source.give_back(renewed)
    asked = [each for each in server.asked if each.path.startswith("/pool")]
    assert [(each.method, each.path) for each in asked] == [
        ("POST", "/pool/lease"),
        ("POST", "/pool/lease/lease-7"),
        ("DELETE", "/pool/lease/lease-7"),
    ]
    assert [each.headers.get("Authorization") for each in asked] == [None, "Bearer one", "Bearer two"]


async def test_a_pool_for_signed_in_users(server, borrower, store) -> None:
    server.says("/pool/lease", LEASE, status=201)
    with pytest.raises(SignInNeeded, match="run `wic login carol`"):
        await borrower(PoolAccess.SIGNED_IN).obtain(None)
    store.save(StoreKey(server.url, "", "carol"), AccessToken(value=Secret("mine"), issuer=server.url))
    await borrower(PoolAccess.SIGNED_IN).obtain(None)
    assert server.asked[-1].headers["Authorization"] == "Bearer mine"


async def test_a_pool_that_refuses_anonymous_users(server, borrower) -> None:
    server.says("/pool/lease", {"error": "login_required"}, status=401)
    with pytest.raises(SignInNeeded, match='set pool = "signed-in" for carol'):
        await borrower().obtain(None)


async def test_an_empty_pool(server, borrower) -> None:
    server.says("/pool/lease", {"error": "pool_exhausted"}, status=503, headers={"Retry-After": "30"})
    with pytest.raises(SignInFailed, match="lent no identity: pool_exhausted") as failed:
        await borrower().obtain(None)
    assert failed.value.temporary
    assert failed.value.retry_after == 30


async def test_a_server_without_a_pool(server, settings) -> None:
    server.becomes_a_wwsf(pool=None)
    with pytest.raises(ConfigurationError, match="has no pool of identities"):
        await PoolLease(settings(wwsf=server.url, pool=PoolAccess.ANONYMOUS)).obtain(None)


@pytest.mark.parametrize(
    "changes",
    [{"lease": None}, {"lease": "../token"}, {"lease": "a/b"}, {"lease": "x" * 300}, {"impi": ""}, {"impu": []}],
)
async def test_malformed_leases(server, borrower, changes: dict[str, object]) -> None:
    server.says("/pool/lease", LEASE | changes)
    with pytest.raises(RemoteProtocolError, match="lent no identities"):
        await borrower().obtain(None)


@pytest.mark.parametrize("status", [404, 410])
async def test_a_lease_that_is_lost_is_not_replaced(server, borrower, status: int) -> None:
    server.says("/pool/lease", LEASE)
    server.says("/pool/lease/lease-7", {"error": "unknown_lease"}, status=status)
    source = borrower()
    token = await source.obtain(None)
    with pytest.raises(SignInFailed, match="has taken the identities back") as lost:
        await source.obtain(token)
    assert lost.value.error == "lease_lost"
    assert not lost.value.temporary
    await source.give_back(token)


async def test_a_lease_that_cannot_be_given_back(server, borrower) -> None:
    server.says("/pool/lease", LEASE)
    server.says("/pool/lease/lease-7", {}, status=500)
    source = borrower()
    token = await source.obtain(None)
    with pytest.raises(SignInFailed, match="did not take the identities back"):
        await source.give_back(token)
