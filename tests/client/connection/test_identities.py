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

pytestmark = pytest.mark.virtual_time


def texts(uris):
    return [str(uri) for uri in uris]


async def test_further_identities_are_registered_one_by_one(memory_home):
    client = memory_home.client("alice", impus=("sip:work@ims.example", "sip:club@ims.example"))
    told = memory_home.watched(client)
    async with client:
        await memory_home.until(lambda: len(client.bindings) == 3, 5.0)
        assert told.kinds.count(Registered) == 3
        assert texts(client.identities.usable) == [f"sip:{user}@ims.example" for user in ("alice", "work", "club")]
        assert str(client.identities.default) == "sip:alice@ims.example"
        memory_home.far[-1].abort("begin")
        await memory_home.until(lambda: told.kinds.count(Refreshed) == 3, 15.0)
    assert all(contacts == {} for contacts in memory_home.home.contacts.values())
    assert texts(event.impu for event in told if isinstance(event, Deregistered)) == [
        "sip:club@ims.example",
        "sip:work@ims.example",
        "sip:alice@ims.example",
    ]


async def test_implicit_identities_are_not_registered_again(memory_home):
    memory_home.home.associated = ["sip:work@ims.example", "sip:alice@ims.example", "tel:+49301234"]
    client = memory_home.client("alice", impus=("sip:work@ims.example",))
    async with client:
        assert len(client.bindings) == 1
        assert texts(client.identities.usable) == memory_home.home.associated
        assert client.identities.barred == ()
        assert str((await memory_home.invite(client)).from_.uri) == "sip:alice@ims.example"
        assert str((await memory_home.invite(client, "tel:+49301234")).from_.uri) == "tel:+49301234"
        with pytest.raises(
            ConfigurationError, match=r"sip:eve@ims\.example is not an identity of this account; use one"
        ):
            await client.call("sip:bob@ims.example", identity="sip:eve@ims.example")


async def test_a_barred_identity_makes_no_calls(memory_home):
    memory_home.home.associated = ["sip:work@ims.example"]
    memory_home.home.bars = {"alice"}
    async with memory_home.client() as client:
        assert texts(client.identities.barred) == ["sip:alice@ims.example"]
        assert str((await memory_home.invite(client)).from_.uri) == "sip:work@ims.example"


async def test_identities_that_change(memory_home):
    memory_home.home.granted = 1000
    client = memory_home.client()
    told = memory_home.watched(client)
    async with client:
        memory_home.home.associated = ["sip:alice@ims.example", "sip:new@ims.example"]
        await memory_home.until(lambda: IdentitiesChanged in told.kinds, 600.0)
        assert texts(client.identities.usable) == memory_home.home.associated


async def test_one_identity_can_be_deregistered(memory_home):
    client = memory_home.client("alice", impus=("sip:work@ims.example",))
    async with client:
        await memory_home.until(lambda: len(client.bindings) == 2, 5.0)
        with pytest.raises(ConfigurationError, match=r"sip:eve@ims\.example is not registered by itself"):
            await client.deregister("sip:eve@ims.example")
        await client.deregister("sip:work@ims.example")
        assert texts(each.impu for each in client.bindings) == ["sip:alice@ims.example"]
        assert client.flow.remote[0] == "a"
        await client.deregister("sip:alice@ims.example")
        assert client.bindings == ()
        await memory_home.until(lambda: not memory_home.home.driver.connections, 1.0)
        with pytest.raises(FlowLost):
            await client.call("sip:bob@ims.example")
        assert [call async for call in client.incoming()] == []


async def test_an_identity_is_deregistered_twice_at_a_time(memory_home, caplog):
    async with memory_home.client("alice", impus=("sip:work@ims.example",)) as client:
        await memory_home.until(lambda: len(client.bindings) == 2, 5.0)
        await asyncio.gather(*(client.deregister("sip:work@ims.example") for _ in range(2)))
        assert texts(each.impu for each in client.bindings) == ["sip:alice@ims.example"]
    assert caplog.records == []


async def test_an_identity_that_the_user_gave_up_stays_away(memory_home):
    """TS 24.229 §5.1.1.6: neither a refresh nor another connection brings it back."""
    memory_home.home.granted = 1000
    client = memory_home.client("alice", impus=("sip:work@ims.example",))
    told = memory_home.watched(client)
    async with client:
        await memory_home.until(lambda: len(client.bindings) == 2, 5.0)
        await client.deregister("sip:work@ims.example")
        told.clear()
        await memory_home.until(lambda: Refreshed in told.kinds, 600.0)
        memory_home.far[-1].abort("begin")
        await memory_home.until(lambda: ConnectionRestored in told.kinds, 15.0)
        await asyncio.sleep(60.0)
        assert texts(each.impu for each in client.bindings) == ["sip:alice@ims.example"]


async def test_another_identity_leads_when_the_main_one_is_gone(memory_home):
    """The connection is mended for it too."""
    client = memory_home.client("alice", impus=("sip:work@ims.example",))
    told = memory_home.watched(client)
    async with client:
        await memory_home.until(lambda: len(client.bindings) == 2, 5.0)
        await client.deregister("sip:alice@ims.example")
        memory_home.dialled.clear()
        memory_home.far[-1].abort("begin")
        await memory_home.until(lambda: ConnectionRestored in told.kinds, 15.0)
        await asyncio.sleep(600.0)
        assert len(memory_home.dialled) == 1
        assert texts(each.impu for each in client.bindings) == ["sip:work@ims.example"]
        memory_home.home.register_status = 403
        memory_home.far[-1].abort("begin")
        with pytest.raises(RegistrationFailed, match="403"):
            await anext(client.incoming())


async def test_identities_that_are_named_twice(memory_home, caplog):
    again = ("sip:work@ims.example", "sip:work@IMS.example", "sip:alice@ims.example")
    async with memory_home.client("alice", impus=again) as client:
        await memory_home.until(lambda: len(client.bindings) == 2, 5.0)
        assert texts(each.impu for each in client.bindings) == ["sip:alice@ims.example", "sip:work@ims.example"]
    assert caplog.records == []


async def test_all_identities_can_be_deregistered(memory_home):
    client = memory_home.client("alice", impus=("sip:work@ims.example",))
    async with client:
        await memory_home.until(lambda: len(client.bindings) == 2, 5.0)
        await client.deregister()
        assert client.bindings == ()
        await memory_home.until(lambda: not memory_home.home.driver.connections, 1.0)
        await asyncio.sleep(3600.0)
        assert len(memory_home.dialled) == 1


async def test_a_further_identity_that_is_refused(memory_home):
    memory_home.home.forbids = {"work"}
    client = memory_home.client("alice", impus=("sip:work@ims.example",))
    told = memory_home.watched(client)
    async with client:
        await memory_home.until(lambda: RegistrationLost in told.kinds, 5.0)
        assert told[-1].final
        assert str(told[-1].impu) == "sip:work@ims.example"
        assert client.ended_by is None
        assert len(client.bindings) == 1


async def test_an_s_cscf_that_lost_the_registration_is_told_it_again(memory_home):
    """TS 24.229 §5.1.2A.1.6: the answer to any request may say so."""
    async with memory_home.client() as client:
        body = (
            b'<ims-3gpp version="1"><alternative-service><type>restoration</type><reason/>'
            b"<action>initial-registration</action></alternative-service></ims-3gpp>"
        )
        route = str(client.binding.service_route[0].uri)
        memory_home.home.answers["INVITE"] = (
            504,
            [("P-Asserted-Identity", f"<{route}>"), ("Content-Type", "application/3gpp-ims+xml")],
            body,
        )
        before = [request for request in memory_home.home.requests if request.method == "REGISTER"]
        await client.call("sip:bob@ims.example")

        def registered_anew():
            last = [each for each in memory_home.home.requests if each.method == "REGISTER"][-1]
            return last.call_id != before[-1].call_id

        await memory_home.until(registered_anew, 5.0)
        assert len(memory_home.dialled) == 1
        assert client.is_connected


# identities that are added


async def test_an_identity_is_added_and_given_up_and_added_again(memory_home):
    client = memory_home.client()
    told = memory_home.watched(client)
    async with client:
        for _ in range(2):
            await client.register("sip:work@ims.example")
            assert texts(client.identities.usable) == ["sip:alice@ims.example", "sip:work@ims.example"]
            await client.register("sip:work@ims.example")
            await client.deregister("sip:work@ims.example")
        await client.register("sip:work@ims.example")
        memory_home.far[-1].abort("begin")
        await memory_home.until(lambda: told.kinds.count(Refreshed) == 2, 15.0)
        await client.deregister("sip:alice@ims.example")
        await client.register("sip:alice@ims.example")
        assert len(client.bindings) == 2
        memory_home.far[-1].abort("begin")
        await memory_home.until(lambda: told.kinds.count(Refreshed) == 4, 150.0)
        await memory_home.until(lambda: client.is_connected)
    assert told.kinds.count(Registered) == 5
    assert all(contacts == {} for contacts in memory_home.home.contacts.values())


async def test_an_implicit_identity_is_not_added(memory_home):
    memory_home.home.associated = ["sip:alice@ims.example", "sip:work@ims.example"]
    async with memory_home.client() as client:
        await client.register("sip:work@ims.example")
        assert len(client.bindings) == 1


async def test_an_identity_that_cannot_be_added(memory_home, caplog):
    memory_home.home.forbids = {"work"}
    client = memory_home.client()
    told = memory_home.watched(client)
    async with client:
        with pytest.raises(ConfigurationError, match="tel:"):
            await client.register("tel:+49301234")
        for _ in range(2):
            with pytest.raises(RegistrationFailed, match="403"):
                await client.register("sip:work@ims.example")
        memory_home.home.forbids = set()
        memory_home.far[-1].abort("begin")
        await memory_home.until(lambda: ConnectionRestored in told.kinds, 15.0)
        await asyncio.sleep(60.0)
        assert RegistrationLost not in told.kinds
        assert texts(each.impu for each in client.bindings) == ["sip:alice@ims.example"]
        await client.register("sip:work@ims.example")
    with pytest.raises(FlowLost, match="closed"):
        await client.register("sip:work@ims.example")
    assert caplog.records == []


async def test_an_identity_of_the_account_that_was_refused_is_added_later(memory_home):
    memory_home.home.forbids = {"work"}
    client = memory_home.client("alice", impus=("sip:work@ims.example",))
    told = memory_home.watched(client)
    async with client:
        await memory_home.until(lambda: RegistrationLost in told.kinds, 5.0)
        memory_home.home.forbids = set()
        await client.register("sip:work@ims.example")
        assert len(client.bindings) == 2


async def test_adding_an_identity_takes_its_time(memory_home):
    client = memory_home.client(register_timeout=30.0)
    async with client:
        memory_home.home.deaf_to = {"REGISTER"}
        one, other = (asyncio.create_task(client.register("sip:work@ims.example")) for _ in range(2))
        await asyncio.sleep(1.0)
        other.cancel()
        with pytest.raises(RegistrationFailed, match="did not answer the registration within 30 s"):
            await one
        memory_home.home.deaf_to = set()
        await memory_home.until(lambda: len(client.bindings) == 2, 200.0)


@pytest.mark.parametrize("status", [503, 480])
async def test_an_identity_that_may_be_added_later_is_tried_for(memory_home, status):
    client = memory_home.client()
    told = memory_home.watched(client)
    async with client:
        memory_home.home.register_status, memory_home.home.register_headers = status, [("Retry-After", "30")]
        with pytest.raises(RegistrationFailed, match=str(status)):
            await client.register("sip:work@ims.example")
        memory_home.home.register_status = 200
        await memory_home.until(lambda: len(client.bindings) == 2, 40.0)
        assert [each.final for each in told if isinstance(each, RegistrationLost)] == [False]


async def test_an_identity_of_the_account_is_added_before_its_turn(memory_home):
    impus = ("sip:work@ims.example", "sip:club@ims.example")
    async with memory_home.client("alice", impus=impus) as client:
        await client.register("sip:club@ims.example")
        assert len(client.bindings) == 3


@pytest.mark.parametrize("user", ["alice", "club"])
async def test_the_connection_is_lost_while_an_identity_waits_for_its_turn(memory_home, user):
    client = memory_home.client("alice", impus=("sip:work@ims.example", "sip:club@ims.example"))
    async with client:
        await memory_home.until(lambda: len(client.bindings) == 3, 5.0)
        await client.deregister(f"sip:{user}@ims.example")
        memory_home.home.deaf_to = {"REGISTER"}
        client.refresh()
        adding = asyncio.create_task(client.register(f"sip:{user}@ims.example"))
        await asyncio.sleep(1.0)
        memory_home.home.deaf_to = set()
        memory_home.far[-1].abort("now of all times")
        await adding
        assert len(client.bindings) == 3


async def test_the_connection_is_lost_while_an_identity_is_added(memory_home):
    async with memory_home.client() as client:
        memory_home.home.deaf_to = {"REGISTER"}
        adding = asyncio.create_task(client.register("sip:work@ims.example"))
        await asyncio.sleep(1.0)
        memory_home.home.deaf_to = set()
        memory_home.far[-1].abort("now of all times")
        await adding
        assert len(client.bindings) == 2


async def test_an_identity_is_given_up_while_it_is_added(memory_home):
    async with memory_home.client() as client:
        adding = asyncio.create_task(client.register("sip:work@ims.example"))
        await asyncio.sleep(0)
        await client.deregister()
        with pytest.raises(RegistrationFailed, match="deregistered meanwhile"):
            await adding
    assert all(contacts == {} for contacts in memory_home.home.contacts.values())


@pytest.mark.parametrize("after", [0.0, 0.015])
async def test_no_identity_is_added_while_all_leave(memory_home, after):
    """It would be registered when the others have left, and the connection closed without its deregistration."""
    async with memory_home.client() as client:
        leaving = asyncio.create_task(client.deregister())
        await asyncio.sleep(after)
        with pytest.raises(FlowLost, match="is being deregistered"):
            await client.register("sip:work@ims.example")
        await leaving
    assert all(contacts == {} for contacts in memory_home.home.contacts.values())


async def test_an_identity_that_is_leaving_is_not_added(memory_home):
    async with memory_home.client("alice", impus=("sip:work@ims.example",)) as client:
        await memory_home.until(lambda: len(client.bindings) == 2, 5.0)
        leaving = asyncio.create_task(client.deregister("sip:work@ims.example"))
        await asyncio.sleep(0)
        with pytest.raises(LocalProtocolError, match="is being deregistered"):
            await client.register("sip:work@ims.example")
        await leaving
        await client.register("sip:work@ims.example")
        assert len(client.bindings) == 2
