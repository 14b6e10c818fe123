"""A client that loses its way to the network, in virtual time."""

from __future__ import annotations

import asyncio
import logging
import re
from collections import Counter
from itertools import pairwise

import pytest

from wic.client.events import ConnectionLost, ConnectionRestored, Refreshed, Registered, RegistrationLost
from wic.errors import ConnectFailed, FlowLost, RegistrationFailed, SignInNeeded
from wic.registration import BackoffOptions

pytestmark = pytest.mark.virtual_time


def registers(memory_home):
    return [request for request in memory_home.home.requests if request.method == "REGISTER"]


async def test_a_silent_cut_is_noticed_and_mended(memory_home):
    client = memory_home.client()
    told = memory_home.watched(client)
    async with client:
        before = registers(memory_home)[-1]
        memory_home.network.cut(("a", 443))
        assert await memory_home.until(lambda: not client.is_connected) <= 40.1
        assert isinstance(told[-1].error, FlowLost)
        assert "no answer to a keep-alive" in str(told[-1].error)
        with pytest.raises(FlowLost, match="not restored yet"):
            await client.call("sip:bob@ims.example")
        with pytest.raises(FlowLost, match="not connected"):
            _ = client.flow
        assert client.binding is not None
        memory_home.network.mend(("a", 443))
        assert await memory_home.until(lambda: client.is_connected) <= 10.5
        after = registers(memory_home)[-1]
        assert after.call_id == before.call_id
        assert after.contacts[0].params.get("+sip.instance") == before.contacts[0].params.get("+sip.instance")
        assert after.contacts[0].params.get("reg-id") == "1"
        assert len(memory_home.home.contacts["alice"]) == 1
    assert told.kinds[:4] == [Registered, ConnectionLost, Refreshed, ConnectionRestored]
    assert memory_home.home.contacts["alice"] == {}


async def test_an_interval_of_the_network_is_kept(memory_home):
    memory_home.home.register_extra = [("Flow-Timer", 20)]
    async with memory_home.client() as client:
        started = asyncio.get_running_loop().time()
        memory_home.network.cut(("a", 443))
        await memory_home.until(lambda: not client.is_connected)
        assert asyncio.get_running_loop().time() - started <= 20.1


async def test_the_servers_are_tried_in_their_order(memory_home, caplog):
    memory_home.down = {"ws://a/", "ws://b/"}
    async with memory_home.client("alice", "ws://a/", "ws://b/", "ws://c/"):
        assert [url for _, url in memory_home.dialled] == ["ws://a/", "ws://b/", "ws://c/"]
        assert memory_home.dialled[-1][0] == 0.0
    assert re.search(r"trying ws://b/ in [\d.]+ s: .* refuses connections", caplog.text)


async def test_no_server_at_all(memory_home):
    memory_home.down = {"ws://a/", "ws://b/"}
    with pytest.raises(ConnectFailed, match="ws://b/ refuses"):
        await memory_home.client("alice", "ws://a/", "ws://b/").__aenter__()
    assert len(memory_home.dialled) == 2


@pytest.mark.parametrize("status", [305, 503])
async def test_a_server_that_refers_elsewhere_at_first(memory_home, status):
    """TS 24.229 §5.1.1.2.1."""
    memory_home.home.register_status = status
    memory_home.on_dial = lambda far: setattr(
        memory_home.home, "register_status", [status, 200][len(memory_home.far) > 1]
    )
    async with memory_home.client("alice", "ws://a/", "ws://b/") as client:
        assert client.flow.remote[0] == "b"
        assert len(memory_home.home.driver.connections) == 1


async def test_opening_a_client_waits_for_no_retry_after(memory_home):
    memory_home.home.register_status, memory_home.home.register_headers = 503, [("Retry-After", "60")]
    loop = asyncio.get_running_loop()
    with pytest.raises(RegistrationFailed, match="503"):
        await memory_home.client("alice", "ws://a/", "ws://b/").__aenter__()
    assert len(memory_home.dialled) == 1
    assert loop.time() < 1.0
    await memory_home.until(lambda: not memory_home.home.driver.connections, 1.0)


async def test_a_lost_server_is_tried_first_and_then_the_others(memory_home):
    async with memory_home.client("alice", "ws://a/", "ws://b/") as client:
        await asyncio.sleep(300.0)
        memory_home.down = {"ws://a/"}
        memory_home.dialled.clear()
        memory_home.far[-1].abort("maintenance")
        await memory_home.until(lambda: not client.is_connected)
        await memory_home.until(lambda: client.is_connected, 15.0)
        assert [url for _, url in memory_home.dialled] == ["ws://a/", "ws://b/"]
        assert client.flow.remote[0] == "b"


@pytest.mark.parametrize("status", [305, 503])
async def test_a_server_that_refers_elsewhere(memory_home, status):
    memory_home.home.granted = 1000
    async with memory_home.client("alice", "ws://a/", "ws://b/") as client:
        told = memory_home.watched(client)
        memory_home.home.register_status = status
        memory_home.on_dial = lambda far: setattr(memory_home.home, "register_status", 200)
        await memory_home.until(lambda: client.flow.remote[0] == "b", 600.0)
        await memory_home.until(lambda: ConnectionRestored in told.kinds)
        assert RegistrationLost not in told.kinds
        assert next(event for event in told if isinstance(event, ConnectionLost)).server == "ws://a/"
        assert told[-1].server == "ws://b/"
        assert len(memory_home.home.driver.connections) == 1


async def test_a_server_that_does_not_answer_a_refresh(memory_home):
    memory_home.home.granted = 1000
    async with memory_home.client("alice", "ws://a/", "ws://b/") as client:
        memory_home.home.deaf_to = {"REGISTER"}
        memory_home.on_dial = lambda far: memory_home.home.deaf_to.clear()
        await memory_home.until(lambda: client.is_connected and client.flow.remote[0] == "b", 900.0)
        assert len(client.bindings) == 1
        assert len(memory_home.home.driver.connections) == 1, "the silent one is closed"


async def test_retry_after_is_obeyed_over_the_connection_there_is(memory_home, caplog):
    memory_home.home.granted = 1000
    async with memory_home.client("alice", "ws://a/", "ws://b/") as client:
        memory_home.home.register_status, memory_home.home.register_headers = 503, [("Retry-After", "60")]
        await memory_home.until(lambda: "trying again in 60 s" in caplog.text, 600.0)
        memory_home.home.register_status = 200
        count = len(registers(memory_home))
        await memory_home.until(lambda: len(registers(memory_home)) > count, 61.0)
        assert client.flow.remote[0] == "a"
        assert len(memory_home.dialled) == 1


async def test_a_wait_that_the_network_wants_outlives_a_cut(memory_home, caplog):
    memory_home.home.granted = 1000
    async with memory_home.client() as client:
        memory_home.home.register_status, memory_home.home.register_headers = 503, [("Retry-After", "300")]
        await memory_home.until(lambda: "trying again in 300 s" in caplog.text, 600.0)
        refused = len(registers(memory_home))
        await asyncio.sleep(1.0)
        memory_home.far[-1].abort("as well")
        memory_home.home.register_status = 200
        assert await memory_home.until(lambda: len(registers(memory_home)) > refused) > 290.0
        await memory_home.until(lambda: client.is_connected)


async def test_a_new_connection_is_kept_while_the_registration_has_to_wait(memory_home):
    """The loss is told once, also if that connection is lost in turn; calls are restored when there is a registration."""
    client = memory_home.client()
    told = memory_home.watched(client)
    async with client:
        memory_home.home.register_status, memory_home.home.register_headers = 503, [("Retry-After", "60")]
        memory_home.far[-1].abort("begin")
        await memory_home.until(lambda: len(registers(memory_home)) == 3, 11.0)
        await asyncio.sleep(5.0)
        assert len(memory_home.home.driver.connections) == 1
        assert not client.is_connected
        memory_home.far[-1].abort("once more")
        await memory_home.until(lambda: len(memory_home.far) == 3, 100.0)
        await memory_home.until(lambda: len(registers(memory_home)) == 4, 1.0)
        memory_home.home.register_status = 200
        assert await memory_home.until(lambda: client.is_connected, 61.0) > 50.0
        assert len(memory_home.far) == 3
    assert told.kinds[:4] == [Registered, ConnectionLost, Refreshed, ConnectionRestored]


async def test_a_connection_that_ends_with_a_retry_after_is_no_connection(memory_home):
    def refuse_and_close(context, now):
        context.reject(503, now=now, headers=[("Retry-After", "60")])
        memory_home.home.driver.pump()
        memory_home.far[-1].abort("at once")

    async with memory_home.client() as client:
        memory_home.home.answers["REGISTER"] = refuse_and_close
        memory_home.far[-1].abort("begin")
        await memory_home.until(lambda: len(memory_home.far) == 2, 11.0)
        await asyncio.sleep(0.1)
        del memory_home.home.answers["REGISTER"]
        await memory_home.until(lambda: client.is_connected, 200.0)
        assert len(memory_home.far) == 3


@pytest.mark.parametrize("servers", [("ws://a/",), ("ws://a/", "ws://b/")])
async def test_a_server_that_is_unavailable_after_the_reconnection(memory_home, servers):
    """TS 24.229 §5.1.1.2.1: without Retry-After another eP-CSCF is asked, or the only one after a while."""
    async with memory_home.client("alice", *servers) as client:
        await asyncio.sleep(300.0)
        memory_home.home.register_status = 503
        memory_home.dialled.clear()
        memory_home.far[-1].abort("begin")
        await memory_home.until(lambda: len(memory_home.dialled) == 2, 200.0)
        (first, one), (second, other) = memory_home.dialled
        assert (one, other) == (servers[0], servers[-1])
        assert (second - first < 1.0) == (len(servers) > 1)
        memory_home.home.register_status = 200
        await memory_home.until(lambda: client.is_connected)


async def test_a_network_that_is_gone_for_long_is_asked_less_and_less(memory_home):
    memory_home.home.granted = 100_000
    async with memory_home.client("alice", "ws://a/", "ws://b/") as client:
        await asyncio.sleep(300.0)
        memory_home.down = {"ws://a/", "ws://b/"}
        memory_home.dialled.clear()
        memory_home.far[-1].abort("gone")
        await asyncio.sleep(6 * 3600.0)
        rounds = [at for at, url in memory_home.dialled if url == "ws://a/"]
        gaps = [later - earlier for earlier, later in pairwise(rounds)]
        assert 12 < len(rounds) < 40
        assert max(gaps) <= 1800.0
        assert all(gap >= 900.0 for gap in gaps[-5:])
        memory_home.down = set()
        await memory_home.until(lambda: client.is_connected)
        assert client.binding is not None


async def test_a_registration_that_expires_meanwhile_is_made_anew(memory_home):
    memory_home.home.granted = 400
    client = memory_home.client()
    told = memory_home.watched(client)
    async with client:
        memory_home.down = {"ws://a/"}
        memory_home.far[-1].abort("gone")
        await asyncio.sleep(500.0)
        assert client.binding is None
        lost = next(event for event in told if isinstance(event, RegistrationLost))
        assert not lost.final
        memory_home.down = set()
        await memory_home.until(lambda: client.binding is not None)
        assert told.kinds[-2:] == [Registered, ConnectionRestored]


async def test_a_server_that_accepts_and_closes(memory_home):
    async with memory_home.client() as client:
        await asyncio.sleep(300.0)
        memory_home.dialled.clear()
        memory_home.on_dial = lambda far: asyncio.get_running_loop().call_later(0.005, far.abort, "not you")
        memory_home.far[-1].abort("begin")
        await asyncio.sleep(3600.0)
        assert 3 < len(memory_home.dialled) < 15
        memory_home.on_dial = lambda far: None
        await memory_home.until(lambda: client.is_connected)


async def test_a_connection_that_ends_with_the_answer_is_no_connection(memory_home):
    def grant_and_close(context, now):
        memory_home.home.grant(context, now)
        if len(memory_home.far) == 2:
            asyncio.get_running_loop().call_soon(memory_home.far[-1].abort, "just now")

    async with memory_home.client() as client:
        memory_home.home.answers["REGISTER"] = grant_and_close
        memory_home.far[-1].abort("begin")
        await memory_home.until(lambda: len(memory_home.far) == 3)
        await memory_home.until(lambda: client.is_connected)
        assert len(client.bindings) == 1
        assert len(memory_home.home.driver.connections) == 1


async def test_connections_that_do_not_last_are_not_made_without_end(memory_home):
    async with memory_home.client():
        memory_home.dialled.clear()
        memory_home.on_dial = lambda far: asyncio.get_running_loop().call_later(5.0, far.abort, "enough")
        memory_home.far[-1].abort("begin")
        await asyncio.sleep(3600.0)
        assert 3 < len(memory_home.dialled) < 15


async def test_a_server_that_is_never_available(memory_home):
    memory_home.home.granted = 1000
    async with memory_home.client() as client:
        memory_home.home.register_status = 503
        count = len(registers(memory_home))
        await asyncio.sleep(24 * 3600.0)
        assert 48 < len(registers(memory_home)) - count < 160
        assert client.binding is None
        memory_home.home.register_status = 200
        await memory_home.until(lambda: client.binding is not None)


async def test_garbage_after_the_reconnection(memory_home, caplog):
    def babble(far):
        for data in (b"\x00" * 100, b"SIP/2.0 200 OK\r\n\r\n", b"REGISTER sip:x SIP/2.0\r\n\r\n", b"\r\n\r\n", b""):
            far.send(data)

    async with memory_home.client() as client:
        memory_home.on_dial = babble
        memory_home.far[-1].abort("begin")
        await memory_home.until(lambda: not client.is_connected)
        await memory_home.until(lambda: client.is_connected, 15.0)
        assert "Handling failed" not in caplog.text


async def test_a_server_that_never_answers_after_the_reconnection(memory_home, caplog):
    async with memory_home.client(register_timeout=30.0) as client:
        await asyncio.sleep(300.0)
        memory_home.home.deaf_to = {"REGISTER"}
        memory_home.far[-1].abort("begin")
        await asyncio.sleep(120.0)
        assert "did not answer the registration within 30 s" in caplog.text
        assert len(memory_home.home.driver.connections) <= 1
        memory_home.home.deaf_to = set()
        await memory_home.until(lambda: client.is_connected)


async def test_a_registration_that_is_refused_after_the_reconnection_is_over(memory_home):
    client = memory_home.client()
    told = memory_home.watched(client)
    async with client:
        memory_home.home.register_status = 403
        memory_home.far[-1].abort("begin")
        with pytest.raises(RegistrationFailed, match="403"):
            await anext(client.incoming())
        assert told[-1].final
        with pytest.raises(RegistrationFailed, match="403"):
            await client.call("sip:bob@ims.example")
        dialled = len(memory_home.dialled)
        await asyncio.sleep(3600.0)
        assert len(memory_home.dialled) == dialled


async def test_a_connection_lost_after_the_end_is_only_told(memory_home):
    memory_home.home.granted = 1000
    client = memory_home.client(impus=("sip:work@ims.example",))
    told = memory_home.watched(client)
    async with client:
        memory_home.credentials[-1].on_failed(SignInNeeded("The sign-in has ended."))
        await memory_home.until(lambda: RegistrationLost in told.kinds)
        await asyncio.sleep(100.0)
        assert memory_home.home.driver.connections, "what is registered stays so until it expires"
        memory_home.far[-1].abort("done with you")
        await memory_home.until(lambda: isinstance(told[-1], ConnectionLost))
        assert told[-1].next_try is None
        await asyncio.sleep(100.0)
        assert len(memory_home.dialled) == 1


async def test_the_connection_is_closed_when_nothing_is_registered_any_more(memory_home):
    """TS 24.371 §6A.2."""
    memory_home.home.granted = 1000
    client = memory_home.client(impus=("sip:work@ims.example",))
    told = memory_home.watched(client)
    async with client:
        await asyncio.sleep(10.0)
        memory_home.home.register_status = 403
        await memory_home.until(lambda: not client.bindings)
        await memory_home.until(lambda: not memory_home.home.driver.connections, 1.0)
        assert told.kinds.count(RegistrationLost) == 2
        assert ConnectionLost not in told.kinds
        assert len(memory_home.dialled) == 1


def answer_and_close(memory_home, status):
    """Let the network refuse every REGISTER, and close the connection right after the answer."""

    def answer(context, now):
        context.reject(status, now=now)
        asyncio.get_running_loop().call_soon(memory_home.far[-1].abort, "go away")

    memory_home.home.answers["REGISTER"] = answer


@pytest.mark.parametrize("status", [403, 600])
async def test_a_refusal_before_the_end_of_the_connection_is_what_open_raises(memory_home, status):
    answer_and_close(memory_home, status)
    with pytest.raises(RegistrationFailed, match=str(status)):
        async with memory_home.client():
            pytest.fail("not reached")
    assert len(memory_home.dialled) == 1


async def test_the_end_of_the_connection_during_open_is_told_with_its_reason(memory_home):
    memory_home.on_dial = lambda far: far.abort("go away")
    with pytest.raises(FlowLost, match="was lost: the peer ended it: go away"):
        async with memory_home.client():
            pytest.fail("not reached")


async def test_a_refusal_before_the_end_of_the_next_connection_is_final(memory_home):
    client = memory_home.client()
    told = memory_home.watched(client)
    async with client:
        answer_and_close(memory_home, 403)
        memory_home.far[-1].abort("begin")
        await memory_home.until(lambda: RegistrationLost in told.kinds, 15.0)
        assert told[-1].final
        await asyncio.sleep(600.0)
        assert len(memory_home.dialled) == 2


async def test_a_wait_that_is_asked_for_before_the_end_of_the_next_connection_is_for_another_one(memory_home):
    client = memory_home.client()
    told = memory_home.watched(client)
    async with client:
        answer_and_close(memory_home, 600)
        memory_home.far[-1].abort("begin")
        await memory_home.until(lambda: len(memory_home.dialled) == 2, 15.0)
        await asyncio.sleep(1.0)
        del memory_home.home.answers["REGISTER"]
        await memory_home.until(lambda: ConnectionRestored in told.kinds)
        assert len(memory_home.dialled) == 3
        assert RegistrationLost not in told.kinds


async def test_a_listener_that_raises_disturbs_no_other(memory_home):
    client = memory_home.client()
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: caught.append(context["exception"]))
    caught = []

    def listener(event):
        raise ValueError(event)

    client.on_event(listener)
    told = memory_home.watched(client)
    async with client:
        memory_home.far[-1].abort("begin")
        await memory_home.until(lambda: ConnectionRestored in told.kinds, 15.0)
    assert len(caught) == len(told)


@pytest.mark.parametrize("after", [0.0, 1.0, 12.0])
async def test_leaving_while_the_connection_is_lost(memory_home, after):
    async with memory_home.client(backoff=BackoffOptions(first_time=0.5)):
        memory_home.home.deaf_to = {"REGISTER"}
        memory_home.far[-1].abort("begin")
        await asyncio.sleep(after)
    assert [task for task in asyncio.all_tasks() if task is not asyncio.current_task()] == []


async def test_a_hundred_clients_that_lose_their_server_come_back_apart(memory_home, caplog):
    caplog.set_level(logging.ERROR)
    clients = [memory_home.client(f"u{number}") for number in range(100)]
    await asyncio.gather(*(client.__aenter__() for client in clients))
    await asyncio.sleep(300.0)
    memory_home.dialled.clear()
    began = asyncio.get_running_loop().time()
    for far in tuple(memory_home.far):
        far.abort("the server fails")
    await memory_home.until(
        lambda: all(client.is_connected for client in clients) and len(memory_home.dialled) == 100, 15.0
    )
    tenths = Counter(int((at - began) / 0.2) for at, _ in memory_home.dialled)
    assert max(tenths.values()) < 25
    assert len(tenths) >= 9
    await asyncio.gather(*(client.__aexit__(None, None, None) for client in clients))
