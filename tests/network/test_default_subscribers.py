"""Every account that an embedded network writes works, and a call outlives the connection it was made over."""

from __future__ import annotations

import asyncio

import pytest

from wic.accounts import AuthScheme
from wic.client import Account, Client, ClientOptions
from wic.media import Silence
from wic.network import ImsNetwork, NetworkOptions, NewSubscriber
from wic.network.directory import DATABASE_FILE

SCHEMES = {
    "alice": 'integrity-protected="tls-connected"',
    "bob": 'integrity-protected="tls-pending"',
    "carol": 'integrity-protected="auth-done"',
    "guest": 'integrity-protected="auth-done"',
}


@pytest.fixture(autouse=True)
def state(tmp_path, monkeypatch):
    """Keep what clients remember, such as the SQN of a USIM, with the test."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


@pytest.mark.parametrize(("name", "said"), SCHEMES.items())
async def test_an_account_of_each_kind_registers(name, said):
    async with ImsNetwork() as ims:
        seen: list[str] = []
        ims.on_message(lambda entity, now, direction, data, flow: seen.append(data.decode()))
        async with Client(Account.load(name, path=ims.accounts_path)):
            assert ims.epcscf.registrations == 1
        assert ims.epcscf.registrations == 0
        on_mw = [text for text in seen if text.startswith("REGISTER") and "integrity-protected" in text]
        assert all(said in text for text in on_mw[:1])
        assert on_mw


async def test_a_call_goes_on_over_a_new_connection():
    async with ImsNetwork(NetworkOptions(web=False)) as ims:
        accounts = [Account.load(name, path=ims.accounts_path) for name in ("alice", "bob")]
        soon = ClientOptions(chance=lambda: 0.01)  # of the ten seconds over which clients spread
        async with Client(accounts[0], soon) as alice, Client(accounts[1], soon) as bob:
            call = await alice.call("sip:bob@ims.example", audio=Silence(), data=False)
            other = await anext(bob.incoming())
            await asyncio.gather(other.answer(audio=Silence()), call.answered(timeout=10))
            wics = [each for each in ims.epcscf.node.driver.connections if each.flow.transport == "WSS"]
            wics[0].abort("cut")
            async with asyncio.timeout(15):
                while wics[0] in ims.epcscf.node.driver.connections or ims.epcscf.registrations < 2:  # noqa: ASYNC110
                    await asyncio.sleep(0.02)
            assert ims.epcscf.calls == 2
            await call.hangup()
            await other.ended()


async def test_a_web_user_of_a_lost_database_stays_one(tmp_path):
    """The WAF has a database of its own, so that the secrets in the accounts file are as good as before."""
    options = NetworkOptions(directory=tmp_path, subscribers=("dora",), usims=(), web_users=(), guests=0)
    async with ImsNetwork(options) as ims:
        ims.add_subscribers([NewSubscriber(name="dora", auth=AuthScheme.BEARER)])
        before = ims.accounts.get("dora")
    (tmp_path / DATABASE_FILE).unlink()
    async with ImsNetwork(options) as ims:
        assert ims.accounts.get("dora") == before
        async with Client(Account.load("dora", path=ims.accounts_path)):
            assert ims.epcscf.registrations == 1


@pytest.mark.parametrize("auth", AuthScheme)
@pytest.mark.parametrize("lost", ["nothing", "accounts.toml", DATABASE_FILE])
async def test_a_guest_that_was_added_again_is_not_lent_to_others(tmp_path, auth, lost):
    options = NetworkOptions(directory=tmp_path, subscribers=(), usims=(), web_users=(), guests=3)
    async with ImsNetwork(options) as ims:
        ims.add_subscribers([NewSubscriber(name="guest-2", auth=auth)])
    (tmp_path / lost).unlink(missing_ok=True)
    async with ImsNetwork(options) as ims:
        assert [pair.impi for pair in ims.web.wwsf.store.pairs()] == ["guest-1@ims.example", "guest-3@ims.example"]
        assert ims.accounts.get("guest")
