"""Several identities, and deregistration; in virtual time."""

from __future__ import annotations

import asyncio

import pytest

from wic.client.events import (
    ConnectionRestored,
    Deregistered,
    IdentitiesChanged,
    Refreshed,
    Registered,
    RegistrationLost,
)
from wic.errors import ConfigurationError, FlowLost, LocalProtocolError, RegistrationFailed
from wic.sip.uri import Uri

pytestmark = pytest.mark.virtual_time


def texts(uris):
    return [str(uri) for uri in uris]


async def test_further_identities_are_registered_one_by_one(harbour):
    client = harbour.client("alice", impus=("sip:work@ims.example", "sip:club@ims.example"))
    told = harbour.watched(client)
    async with client:
        await harbour.until(lambda: len(client.bindings) == 3, 5.0)
        assert told.kinds.count(Registered) == 3
        assert texts(client.identities.usable) == [f"sip:{user}@ims.example" for user in ("alice", "work", "club")]
        assert str(client.identities.default) == "sip:alice@ims.example"
        harbour.far[-1].abort("begin")
        await harbour.until(lambda: told.kinds.count(Refreshed) == 3, 15.0)
    assert all(contacts == {} for contacts in harbour.home.contacts.values())
    assert texts(event.impu for event in told if isinstance(event, Deregistered)) == [
        "sip:club@ims.example",
        "sip:work@ims.example",
        "sip:alice@ims.example",
    ]


async def test_what_the_network_registers_along_is_not_registered_again(harbour):
    harbour.home.associated = ["sip:work@ims.example", "sip:alice@ims.example", "tel:+49301234"]
    client = harbour.client("alice", impus=("sip:work@ims.example",))
    async with client:
        assert len(client.bindings) == 1
        assert texts(client.identities.usable) == harbour.home.associated
        assert client.identities.barred == ()
        assert str(client._calls.profile().identity) == "sip:alice@ims.example"
        assert str(client._calls.profile(Uri.parse("tel:+49301234")).identity) == "tel:+49301234"
        with pytest.raises(ConfigurationError, match=r"sip:eve@ims\.example is no identity of this account; use one"):
            await client.call("sip:bob@ims.example", identity="sip:eve@ims.example")


async def test_a_barred_identity_calls_nobody(harbour):
    harbour.home.associated = ["sip:work@ims.example"]
    harbour.home.bars = {"alice"}
    async with harbour.client() as client:
        assert texts(client.identities.barred) == ["sip:alice@ims.example"]
        assert str(client._calls.profile().identity) == "sip:work@ims.example"


async def test_identities_that_change(harbour):
    harbour.home.granted = 1000
    client = harbour.client()
    told = harbour.watched(client)
    async with client:
        harbour.home.associated = ["sip:alice@ims.example", "sip:new@ims.example"]
        await harbour.until(lambda: IdentitiesChanged in told.kinds, 600.0)
        assert texts(client.identities.usable) == harbour.home.associated


async def test_one_identity_can_be_deregistered(harbour):
    client = harbour.client("alice", impus=("sip:work@ims.example",))
    async with client:
        await harbour.until(lambda: len(client.bindings) == 2, 5.0)
        with pytest.raises(ConfigurationError, match=r"sip:eve@ims\.example is not registered by itself"):
            await client.deregister("sip:eve@ims.example")
        await client.deregister("sip:work@ims.example")
        assert texts(each.impu for each in client.bindings) == ["sip:alice@ims.example"]
        assert client.flow.remote[0] == "ws://a/"
        await client.deregister("sip:alice@ims.example")
        assert client.bindings == ()
        await harbour.until(lambda: not harbour.home.driver.connections, 1.0)
        with pytest.raises(FlowLost):
            await client.call("sip:bob@ims.example")
        assert [call async for call in client.incoming()] == []


async def test_an_identity_that_the_user_gave_up_stays_away(harbour):
    """TS 24.229 §5.1.1.6: neither a refresh nor another connection brings it back."""
    harbour.home.granted = 1000
    client = harbour.client("alice", impus=("sip:work@ims.example",))
    told = harbour.watched(client)
    async with client:
        await harbour.until(lambda: len(client.bindings) == 2, 5.0)
        await client.deregister("sip:work@ims.example")
        told.clear()
        await harbour.until(lambda: Refreshed in told.kinds, 600.0)
        harbour.far[-1].abort("begin")
        await harbour.until(lambda: ConnectionRestored in told.kinds, 15.0)
        await asyncio.sleep(60.0)
        assert texts(each.impu for each in client.bindings) == ["sip:alice@ims.example"]


async def test_another_identity_leads_when_the_main_one_is_gone(harbour):
    """The connection is mended for it too."""
    client = harbour.client("alice", impus=("sip:work@ims.example",))
    told = harbour.watched(client)
    async with client:
        await harbour.until(lambda: len(client.bindings) == 2, 5.0)
        await client.deregister("sip:alice@ims.example")
        harbour.dialled.clear()
        harbour.far[-1].abort("begin")
        await harbour.until(lambda: ConnectionRestored in told.kinds, 15.0)
        await asyncio.sleep(600.0)
        assert len(harbour.dialled) == 1
        assert texts(each.impu for each in client.bindings) == ["sip:work@ims.example"]
        harbour.home.register_status = 403
        harbour.far[-1].abort("begin")
        with pytest.raises(RegistrationFailed, match="403"):
            await anext(client.incoming())


async def test_identities_that_are_named_twice(harbour, caplog):
    again = ("sip:work@ims.example", "sip:work@IMS.example", "sip:alice@ims.example")
    async with harbour.client("alice", impus=again) as client:
        await harbour.until(lambda: len(client.bindings) == 2, 5.0)
        assert texts(each.impu for each in client.bindings) == ["sip:alice@ims.example", "sip:work@ims.example"]
    assert caplog.records == []


async def test_all_identities_can_be_deregistered(harbour):
    client = harbour.client("alice", impus=("sip:work@ims.example",))
    async with client:
        await harbour.until(lambda: len(client.bindings) == 2, 5.0)
        await client.deregister()
        assert client.bindings == ()
        await harbour.until(lambda: not harbour.home.driver.connections, 1.0)
        await asyncio.sleep(3600.0)
        assert len(harbour.dialled) == 1


async def test_a_further_identity_that_is_refused(harbour):
    harbour.home.forbids = {"work"}
    client = harbour.client("alice", impus=("sip:work@ims.example",))
    told = harbour.watched(client)
    async with client:
        await harbour.until(lambda: RegistrationLost in told.kinds, 5.0)
        assert told[-1].final
        assert str(told[-1].impu) == "sip:work@ims.example"
        assert client.ended_by is None
        assert len(client.bindings) == 1


async def test_an_s_cscf_that_lost_the_registration_is_told_it_again(harbour):
    """TS 24.229 §5.1.2A.1.6: the answer to any request may say so."""
    async with harbour.client() as client:
        body = (
            b'<ims-3gpp version="1"><alternative-service><type>restoration</type><reason/>'
            b"<action>initial-registration</action></alternative-service></ims-3gpp>"
        )
        route = str(client.binding.service_route[0].uri)
        harbour.home.answers["INVITE"] = (
            504,
            [("P-Asserted-Identity", f"<{route}>"), ("Content-Type", "application/3gpp-ims+xml")],
            body,
        )
        before = [request for request in harbour.home.requests if request.method == "REGISTER"]
        await client.call("sip:bob@ims.example")

        def registered_anew():
            last = [each for each in harbour.home.requests if each.method == "REGISTER"][-1]
            return last.call_id != before[-1].call_id

        await harbour.until(registered_anew, 5.0)


# identities that are added


async def test_an_identity_is_added_and_given_up_and_added_again(harbour):
    client = harbour.client()
    told = harbour.watched(client)
    async with client:
        for _ in range(2):
            await client.register("sip:work@ims.example")
            assert texts(client.identities.usable) == ["sip:alice@ims.example", "sip:work@ims.example"]
            await client.register("sip:work@ims.example")
            await client.deregister("sip:work@ims.example")
        await client.register("sip:work@ims.example")
        harbour.far[-1].abort("begin")
        await harbour.until(lambda: told.kinds.count(Refreshed) == 2, 15.0)
        await client.deregister("sip:alice@ims.example")
        await client.register("sip:alice@ims.example")
        assert len(client.bindings) == 2
        harbour.far[-1].abort("begin")
        await harbour.until(lambda: told.kinds.count(Refreshed) == 4, 150.0)
        await harbour.until(lambda: client.is_connected)
    assert told.kinds.count(Registered) == 5
    assert all(contacts == {} for contacts in harbour.home.contacts.values())


async def test_what_is_registered_along_is_not_added(harbour):
    harbour.home.associated = ["sip:alice@ims.example", "sip:work@ims.example"]
    async with harbour.client() as client:
        await client.register("sip:work@ims.example")
        assert len(client.bindings) == 1


async def test_an_identity_that_cannot_be_added(harbour, caplog):
    harbour.home.forbids = {"work"}
    client = harbour.client()
    told = harbour.watched(client)
    async with client:
        with pytest.raises(ConfigurationError, match="tel:"):
            await client.register("tel:+49301234")
        for _ in range(2):
            with pytest.raises(RegistrationFailed, match="403"):
                await client.register("sip:work@ims.example")
        harbour.home.forbids = set()
        harbour.far[-1].abort("begin")
        await harbour.until(lambda: ConnectionRestored in told.kinds, 15.0)
        await asyncio.sleep(60.0)
        assert RegistrationLost not in told.kinds
        assert texts(each.impu for each in client.bindings) == ["sip:alice@ims.example"]
        await client.register("sip:work@ims.example")
    with pytest.raises(FlowLost, match="closed"):
        await client.register("sip:work@ims.example")
    assert caplog.records == []


async def test_an_identity_of_the_account_that_was_refused_is_added_later(harbour):
    harbour.home.forbids = {"work"}
    client = harbour.client("alice", impus=("sip:work@ims.example",))
    told = harbour.watched(client)
    async with client:
        await harbour.until(lambda: RegistrationLost in told.kinds, 5.0)
        harbour.home.forbids = set()
        await client.register("sip:work@ims.example")
        assert len(client.bindings) == 2


async def test_adding_an_identity_takes_its_time(harbour):
    client = harbour.client(register_timeout=30.0)
    async with client:
        harbour.home.deaf_to = {"REGISTER"}
        one, other = (asyncio.create_task(client.register("sip:work@ims.example")) for _ in range(2))
        await asyncio.sleep(1.0)
        other.cancel()
        with pytest.raises(RegistrationFailed, match="did not answer the registration within 30 s"):
            await one
        harbour.home.deaf_to = set()
        await harbour.until(lambda: len(client.bindings) == 2, 200.0)


@pytest.mark.parametrize("status", [503, 480])
async def test_an_identity_that_may_be_added_later_is_tried_for(harbour, status):
    client = harbour.client()
    told = harbour.watched(client)
    async with client:
        harbour.home.register_status, harbour.home.register_headers = status, [("Retry-After", "30")]
        with pytest.raises(RegistrationFailed, match=str(status)):
            await client.register("sip:work@ims.example")
        harbour.home.register_status = 200
        await harbour.until(lambda: len(client.bindings) == 2, 40.0)
        assert [each.final for each in told if isinstance(each, RegistrationLost)] == [False]


async def test_an_identity_of_the_account_is_added_before_its_turn(harbour):
    impus = ("sip:work@ims.example", "sip:club@ims.example")
    async with harbour.client("alice", impus=impus) as client:
        await client.register("sip:club@ims.example")
        assert len(client.bindings) == 3


@pytest.mark.parametrize("user", ["alice", "club"])
async def test_the_connection_is_lost_while_an_identity_waits_for_its_turn(harbour, user):
    client = harbour.client("alice", impus=("sip:work@ims.example", "sip:club@ims.example"))
    async with client:
        await harbour.until(lambda: len(client.bindings) == 3, 5.0)
        await client.deregister(f"sip:{user}@ims.example")
        harbour.home.deaf_to = {"REGISTER"}
        client.refresh()
        adding = asyncio.create_task(client.register(f"sip:{user}@ims.example"))
        await asyncio.sleep(1.0)
        harbour.home.deaf_to = set()
        harbour.far[-1].abort("now of all times")
        await adding
        assert len(client.bindings) == 3


async def test_the_connection_is_lost_while_an_identity_is_added(harbour):
    async with harbour.client() as client:
        harbour.home.deaf_to = {"REGISTER"}
        adding = asyncio.create_task(client.register("sip:work@ims.example"))
        await asyncio.sleep(1.0)
        harbour.home.deaf_to = set()
        harbour.far[-1].abort("now of all times")
        await adding
        assert len(client.bindings) == 2


async def test_an_identity_is_given_up_while_it_is_added(harbour):
    async with harbour.client() as client:
        adding = asyncio.create_task(client.register("sip:work@ims.example"))
        await asyncio.sleep(0)
        await client.deregister()
        with pytest.raises(RegistrationFailed, match="deregistered meanwhile"):
            await adding
    assert all(contacts == {} for contacts in harbour.home.contacts.values())


async def test_an_identity_that_is_leaving_is_not_added(harbour):
    async with harbour.client("alice", impus=("sip:work@ims.example",)) as client:
        await harbour.until(lambda: len(client.bindings) == 2, 5.0)
        leaving = asyncio.create_task(client.deregister("sip:work@ims.example"))
        await asyncio.sleep(0)
        with pytest.raises(LocalProtocolError, match="is being deregistered"):
            await client.register("sip:work@ims.example")
        await leaving
        await client.register("sip:work@ims.example")
        assert len(client.bindings) == 2
