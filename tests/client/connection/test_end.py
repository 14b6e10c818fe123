"""A client whose registration is over: nothing brings it back, and nothing is left of it; in virtual time."""

from __future__ import annotations

import asyncio

import pytest

from wic.client.events import (
    ConnectionLost,
    Deregistered,
    Refreshed,
    Registered,
    RegistrationLost,
)
from wic.errors import ConfigurationError, RegistrationFailed, SignInNeeded
from wic.registration import BackoffOptions, parse_impu
from wic.sip.flow import REPLACED
from wic.sip.trace import Direction

pytestmark = pytest.mark.virtual_time

ENDED = SignInNeeded("The sign-in has ended for alice: run `wic login alice`.")


def losses(told):
    return [(str(event.impu), event.final) for event in told if isinstance(event, RegistrationLost)]


def departures(told):
    return [event for event in told if isinstance(event, Deregistered)]


async def cut(memory_home, client):
    memory_home.far[-1].abort("begin")
    await memory_home.until(lambda: not client.is_connected, 5.0)


# while another connection is looked for


@pytest.mark.parametrize("after", [0.0, 0.5, 3.0])
async def test_a_deregistration_while_the_connection_is_lost_is_the_end(memory_home, after):
    client = memory_home.client(backoff=BackoffOptions(first_time=10.0))
    told = memory_home.watched(client)
    async with client:
        await cut(memory_home, client)
        await asyncio.sleep(after)
        dialled = len(memory_home.dialled)
        assert not client.is_connected
        told.clear()
        await client.deregister()
        assert client.bindings == ()
        await asyncio.sleep(600.0)
        assert told.kinds == [Deregistered]
        assert "connection was lost" in str(told[0].error)
        assert len(memory_home.dialled) == dialled


@pytest.mark.parametrize("impus", [(), ("sip:work@ims.example",)])
async def test_a_deregistration_while_another_registration_is_on_its_way(memory_home, impus):
    client = memory_home.client("alice", impus=impus)
    told = memory_home.watched(client)
    async with client:
        await memory_home.until(lambda: len(client.bindings) == 1 + len(impus), 5.0)
        reached = asyncio.Event()
        memory_home.on_dial = lambda far: reached.set()
        await cut(memory_home, client)
        await reached.wait()
        await asyncio.sleep(0.005)
        await client.deregister()
        await asyncio.sleep(600.0)
        assert told.kinds[-1] is Deregistered
        assert told[-1].error is None
        assert told.kinds.count(Registered) == 1 + len(impus)
        assert len(memory_home.dialled) == 2
    assert memory_home.home.contacts["alice"] == {}


async def test_one_identity_is_given_up_while_the_connection_is_lost(memory_home):
    client = memory_home.client("alice", impus=("sip:work@ims.example",))
    told = memory_home.watched(client)
    async with client:
        await memory_home.until(lambda: len(client.bindings) == 2, 5.0)
        await cut(memory_home, client)
        await client.deregister("sip:work@ims.example")
        await asyncio.sleep(0)
        assert "connection was lost" in str(departures(told)[-1].error)
        await memory_home.until(lambda: client.is_connected, 15.0)
        await asyncio.sleep(60.0)
        assert [str(each.impu) for each in client.bindings] == ["sip:alice@ims.example"]


async def test_credentials_that_end_while_the_connection_is_lost(memory_home):
    client = memory_home.client()
    told = memory_home.watched(client)
    async with client:
        await cut(memory_home, client)
        told.clear()
        memory_home.credentials[-1].on_failed(ENDED)
        await asyncio.sleep(60.0)
        assert told.kinds == [RegistrationLost]
        assert losses(told) == [("sip:alice@ims.example", True)]
        assert client.is_over
        assert not memory_home.home.driver.connections


async def test_an_identity_that_comes_back_can_be_lost_again(memory_home):
    """What is told once is the end, until it is registered again."""
    client = memory_home.client("alice", impus=("sip:work@ims.example",))
    told = memory_home.watched(client)
    async with client:
        await memory_home.until(lambda: len(client.bindings) == 2, 5.0)
        for _ in range(2):
            memory_home.home.forbids = {"work"}
            client.refresh()
            await memory_home.until(lambda: len(client.bindings) == 1, 5.0)
            memory_home.home.forbids = set()
            await client.register("sip:work@ims.example")
        assert losses(told) == [("sip:work@ims.example", True)] * 2


async def test_credentials_that_end_while_the_client_is_opened(memory_home):
    client = memory_home.client()
    told = memory_home.watched(client)
    memory_home.on_dial = lambda far: memory_home.credentials[-1].on_failed(ENDED)
    with pytest.raises(SignInNeeded):
        await client.__aenter__()
    assert RegistrationLost not in told.kinds
    assert memory_home.home.contacts["alice"] == {}


# after the end


async def test_the_end_of_the_last_binding_closes_the_connection(memory_home):
    """TS 24.371 §6A.2."""
    memory_home.home.granted = 1000
    client = memory_home.client()
    told = memory_home.watched(client)
    async with client:
        told.clear()
        memory_home.credentials[-1].on_failed(ENDED)
        await asyncio.sleep(100.0)
        assert memory_home.home.driver.connections, "calls go on while there is a binding"
        memory_home.home.register_status = 403
        await memory_home.until(lambda: not client.bindings, 1000.0)
        await memory_home.until(lambda: not memory_home.home.driver.connections, 1.0)
        await asyncio.sleep(3000.0)
        assert losses(told) == [("sip:alice@ims.example", True)], "told once: by the end of the credentials"
        assert len(memory_home.dialled) == 1


async def test_a_registration_that_may_come_back_does_not_after_the_end(memory_home):
    memory_home.home.granted = 1000
    client = memory_home.client("alice", impus=("sip:work@ims.example",))
    told = memory_home.watched(client)
    async with client:
        await memory_home.until(lambda: len(client.bindings) == 2, 5.0)
        memory_home.credentials[-1].on_failed(ENDED)
        memory_home.home.register_status = 503
        await memory_home.until(lambda: not client.bindings, 1100.0)
        await asyncio.sleep(10_000.0)
        assert not memory_home.home.driver.connections
        assert all(final for _, final in losses(told))
        assert len(losses(told)) == 2
        told.clear()
    assert told == []


async def test_a_client_that_is_over_gives_up_one_identity_of_two(memory_home):
    """The call of the other one goes on."""
    client = memory_home.client("alice", impus=("sip:work@ims.example",))
    async with client, memory_home.client("bob"):
        await memory_home.until(lambda: len(client.bindings) == 2, 5.0)
        call = await client.call("sip:bob@ims.example")
        memory_home.credentials[0].on_failed(ENDED)
        await client.deregister("sip:work@ims.example")
        await asyncio.sleep(1.0)
        assert not call.is_over, call.error
        assert memory_home.home.driver.connections


async def test_a_client_that_is_over_deregisters_its_last_identity(memory_home):
    client = memory_home.client()
    async with client:
        memory_home.credentials[-1].on_failed(ENDED)
        await client.deregister()
        assert client.bindings == ()
        await memory_home.until(lambda: not memory_home.home.driver.connections, 1.0)
    assert memory_home.home.contacts["alice"] == {}


# what is told


async def test_the_last_identity_is_refused_while_the_main_one_leaves_unanswered(memory_home):
    """The caller that has added it is told, and then the end, once."""
    client = memory_home.client()
    told = memory_home.watched(client)

    def register(context, now):
        if context.request.to.uri.user == "work":
            context.reject(403, now=now)
        elif context.request.expires != 0:
            memory_home.home.grant(context, now)

    async with client:
        memory_home.home.answers["REGISTER"] = register
        client.refresh()
        adding = asyncio.create_task(client.register("sip:work@ims.example"))
        await asyncio.sleep(0)
        leaving = asyncio.create_task(client.deregister("sip:alice@ims.example"))
        with pytest.raises(RegistrationFailed, match="403"):
            await adding
        await leaving
        assert client.is_over
    assert losses(told) == [("sip:work@ims.example", True)]


async def test_a_first_registration_that_is_refused_is_no_loss(memory_home):
    memory_home.home.register_status = 403
    client = memory_home.client()
    told = memory_home.watched(client)
    with pytest.raises(RegistrationFailed, match="403"):
        await client.__aenter__()
    await asyncio.sleep(0)
    assert told == []


async def test_a_refusal_after_the_reconnection_is_told_once(memory_home, caplog):
    client = memory_home.client()
    told = memory_home.watched(client)
    async with client:
        told.clear()
        memory_home.home.register_status = 403
        memory_home.far[-1].abort("begin")
        await asyncio.sleep(60.0)
        assert told.kinds == [ConnectionLost, RegistrationLost]
        assert losses(told) == [("sip:alice@ims.example", True)]
    assert caplog.records == []


async def test_a_registration_that_comes_back_by_itself_is_told_with_its_wait(memory_home, caplog):
    memory_home.home.granted = 2
    client = memory_home.client()
    told = memory_home.watched(client)
    async with client:
        memory_home.home.register_status, memory_home.home.register_headers = 503, [("Retry-After", "60")]
        await memory_home.until(lambda: not client.bindings, 5.0)
        await memory_home.until(lambda: len(losses(told)) == 2, 70.0)
        assert losses(told) == [("sip:alice@ims.example", False)] * 2
        lost = [event for event in told if isinstance(event, RegistrationLost)]
        assert 50.0 < lost[0].next_try <= 60.0
        assert lost[1].next_try == 60.0
        assert sum("trying again" in record.message for record in caplog.records) == 1, "while it was only suspended"


async def test_a_deregistration_that_is_confirmed_after_the_end_closes_the_connection(memory_home):
    """Its caller had waited for so long as it would, and the refusal of the other identity was the end."""
    home = memory_home.home
    home.associated = []
    client = memory_home.client("alice", impus=("sip:work@ims.example",), close_timeout=0.0)
    async with client:
        await memory_home.until(lambda: len(client.bindings) == 2, 5.0)
        home.forbids = {"alice"}
        client.refresh()
        await client.deregister("sip:work@ims.example")
        assert [binding.impu.user for binding in client.bindings] == ["alice", "work"]
        await asyncio.sleep(60.0)
        assert client.is_over
        assert client.bindings == ()
        assert not home.driver.connections


@pytest.mark.parametrize("impus", [(), ("sip:work@ims.example",)], ids=["one", "two"])
@pytest.mark.parametrize("on_its_way", [False, True])
async def test_a_client_that_is_replaced_while_it_has_no_binding_is_over(memory_home, impus, on_its_way):
    """Another one registers as the same device while this one waits, or asks again (RFC 5626 §6)."""
    home = memory_home.home
    home.granted = 2
    client = memory_home.client(impus=impus)
    told = memory_home.watched(client)
    async with client:
        home.register_status, home.register_headers = 503, [("Retry-After", "60")]
        await memory_home.until(lambda: not client.bindings, 5.0)
        if on_its_way:
            home.deaf_to.add("REGISTER")
            home.requests.clear()
            await memory_home.until(lambda: home.requests, 100.0)
        memory_home.dialled.clear()
        await memory_home.far[-1].close(REPLACED)
        await asyncio.sleep(100.0)
        assert client.is_over
        assert "another client has registered as the same device" in str(client.ended_by)
        assert [event.final for event in told if isinstance(event, RegistrationLost)][-1]
        assert told.kinds.count(ConnectionLost) == 1
        assert memory_home.dialled == []


async def test_a_further_identity_whose_registration_is_cut_is_not_lost(memory_home):
    client = memory_home.client("alice", impus=("sip:work@ims.example",))
    told = memory_home.watched(client)

    def cut_work(context, now):
        if context.request.to.uri.user == "work" and len(memory_home.far) == 1:
            memory_home.far[-1].abort("now of all times")
        else:
            memory_home.home.grant(context, now)

    memory_home.home.answers["REGISTER"] = cut_work
    async with client:
        await memory_home.until(lambda: len(client.bindings) == 2, 30.0)
        assert RegistrationLost not in told.kinds
        assert told.kinds.count(Registered) == 2


async def test_a_deregistration_that_is_refused(memory_home, caplog):
    client = memory_home.client()
    told = memory_home.watched(client)
    async with client:
        told.clear()
        memory_home.home.forbids = {"alice"}
    assert told.kinds == [Deregistered]
    assert "403" in str(told[0].error)
    assert caplog.records == []


async def test_a_deregistration_that_is_not_answered(memory_home, caplog):
    client = memory_home.client()
    told = memory_home.watched(client)
    async with client:
        told.clear()
        memory_home.home.deaf_to = {"REGISTER"}
    assert told.kinds == [Deregistered]
    assert str(told[0].error) == "the network did not answer within 3 s"
    assert caplog.records == []


@pytest.mark.parametrize("one_by_one", [False, True])
async def test_deregistrations_that_are_not_answered_leave_no_connection(memory_home, one_by_one):
    client = memory_home.client("alice", impus=("sip:work@ims.example",))
    told = memory_home.watched(client)
    async with client:
        await memory_home.until(lambda: len(client.bindings) == 2, 5.0)
        memory_home.home.deaf_to = {"REGISTER"}
        if one_by_one:
            await client.deregister("sip:work@ims.example")
            assert memory_home.home.driver.connections
            await client.deregister("sip:alice@ims.example")
        else:
            await client.deregister()
        await memory_home.until(lambda: not memory_home.home.driver.connections, 1.0)
        assert client.bindings == ()
        assert [str(each.error) for each in departures(told)] == ["the network did not answer within 3 s"] * 2
        assert ConnectionLost not in told.kinds


@pytest.mark.parametrize("impu", [None, "sip:alice@ims.example"])
@pytest.mark.parametrize("after", [0.001, 0.015, 1.0])
async def test_a_deregistration_that_is_cancelled_is_the_end(memory_home, impu, after):
    client = memory_home.client()
    told = memory_home.watched(client)
    async with client:
        taking = asyncio.create_task(anext(client.incoming(), None))
        memory_home.home.deaf_to = {"REGISTER"} if after == 1.0 else set()
        leaving = asyncio.create_task(client.deregister(impu))
        await asyncio.sleep(after)
        leaving.cancel()
        await asyncio.wait([leaving])
        assert client.is_over
        assert client.bindings == ()
        await memory_home.until(lambda: not memory_home.home.driver.connections, 1.0)
        assert await taking is None
    (ended,) = departures(told)
    assert str(ended.error) == "the deregistration was interrupted"


async def test_an_unanswered_deregistration_is_waited_for_once(memory_home):
    client = memory_home.client("alice", impus=("sip:work@ims.example", "sip:club@ims.example"))
    told = memory_home.watched(client)
    loop = asyncio.get_running_loop()

    def ignore_work(context, now):
        if context.request.to.uri.user != "work" or context.request.expires != 0:
            memory_home.home.grant(context, now)

    async with client:
        await memory_home.until(lambda: len(client.bindings) == 3, 5.0)
        memory_home.home.answers["REGISTER"] = ignore_work
        began = loop.time()
        await client.deregister("sip:work@ims.example")
        assert loop.time() - began < 3.1
        await memory_home.until(lambda: Deregistered in told.kinds, 150.0)
        assert str(departures(told)[-1].error) == "the network did not answer within 3 s"
        began = loop.time()
        await client.deregister("sip:club@ims.example")
        assert loop.time() - began < 1.0
        await asyncio.sleep(0)
        assert departures(told)[-1] == Deregistered(parse_impu("sip:club@ims.example"))
        with pytest.raises(ConfigurationError):
            await client.deregister("sip:work@ims.example")
        assert Refreshed not in told.kinds


# calls that come meanwhile


def call_from_bob(contact) -> bytes:
    lines = (
        f"INVITE {contact.uri} SIP/2.0",
        "Via: SIP/2.0/WSS b.invalid;branch=z9hG4bKb",
        "From: <sip:bob@ims.example>;tag=b",
        "To: <sip:alice@ims.example>",
        "Call-ID: c",
        "CSeq: 1 INVITE",
        "Max-Forwards: 70",
        "Contact: <sip:bob@b.invalid;transport=ws>",
        "Content-Length: 0",
    )
    return "\r\n".join((*lines, "", "")).encode()


def answers_to_bob(client):
    """Collect the first lines of what a client sends to Bob."""
    answers: list[str] = []

    def observe(now, direction, data, flow):
        if direction is Direction.SENT and b"sip:bob@" in data:
            answers.append(data.split(b"\r\n")[0].decode())

    client.on_message(observe)
    return answers


async def test_a_call_that_comes_after_the_end_is_refused(memory_home):
    """The binding lasts, but no one takes calls any more."""
    async with memory_home.client() as client:
        answers = answers_to_bob(client)
        memory_home.credentials[0].on_failed(ENDED)
        memory_home.far[-1].send(call_from_bob(client.binding.contact))
        await asyncio.sleep(1.0)
        assert answers[0].startswith("SIP/2.0 480 ")
        assert client.bindings


async def test_a_call_that_comes_with_the_refusal_which_ends_the_connection(memory_home, caplog):
    """One packet may bring both; the connection is closed a moment later."""
    client = memory_home.client("alice", "ws://a/", "ws://b/")
    answers = answers_to_bob(client)

    def refuse(context, now):
        context.reject(503, now=now)
        asyncio.get_running_loop().call_soon(memory_home.far[-1].send, call_from_bob(context.request.contacts[0]))
        del memory_home.home.answers["REGISTER"]

    async with client:
        memory_home.home.answers["REGISTER"] = refuse
        client.refresh()
        await memory_home.until(lambda: len(memory_home.dialled) == 2, 30.0)
        assert answers[0].startswith("SIP/2.0 480 ")
    assert "Handling failed" not in caplog.text


@pytest.mark.parametrize("twice", [False, True])
async def test_every_end_is_told_once_where_several_come_together(memory_home, twice):
    client = memory_home.client("alice", impus=("sip:work@ims.example",))
    told = memory_home.watched(client)
    async with client:
        await memory_home.until(lambda: len(client.bindings) == 2, 5.0)
        memory_home.far[-1].abort("cut")
        if twice:
            given_up = asyncio.create_task(client.deregister("sip:work@ims.example"))
            await asyncio.sleep(0.0)  # its REGISTER is on its way when the connection ends
        else:
            await memory_home.until(lambda: not client.is_connected, 1.0)
        await client.deregister()
        if twice:
            await given_up
    assert sorted(str(event.impu) for event in departures(told)) == ["sip:alice@ims.example", "sip:work@ims.example"]
