"""A client that loses its way to the network, in virtual time."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from itertools import pairwise

import pytest

from wic.client.events import ConnectionLost, ConnectionRestored, Refreshed, Registered, RegistrationLost
from wic.errors import ConnectFailed, FlowLost, RegistrationFailed
from wic.registration import BackoffOptions

pytestmark = pytest.mark.virtual_time


def registers(harbour):
    return [request for request in harbour.home.requests if request.method == "REGISTER"]


async def test_a_silent_cut_is_noticed_and_mended(harbour):
    client = harbour.client()
    told = harbour.watched(client)
    async with client:
        before = registers(harbour)[-1]
        harbour.network.cut(("ws://a/", 443))
        assert await harbour.until(lambda: not client.is_connected) <= 40.1
        assert isinstance(told[-1].error, FlowLost)
        assert "no answer to a keep-alive" in str(told[-1].error)
        with pytest.raises(FlowLost, match="not restored yet"):
            await client.call("sip:bob@ims.example")
        with pytest.raises(FlowLost, match="not connected"):
            _ = client.flow
        assert client.binding is not None
        harbour.network.mend(("ws://a/", 443))
        assert await harbour.until(lambda: client.is_connected) <= 10.5
        after = registers(harbour)[-1]
        assert after.call_id == before.call_id
        assert after.contacts[0].params.get("+sip.instance") == before.contacts[0].params.get("+sip.instance")
        assert after.contacts[0].params.get("reg-id") == "1"
        assert len(harbour.home.contacts["alice"]) == 1
    assert told.kinds[:4] == [Registered, ConnectionLost, Refreshed, ConnectionRestored]
    assert harbour.home.contacts["alice"] == {}


async def test_an_interval_of_the_network_is_kept(harbour):
    harbour.home.register_extra = [("Flow-Timer", 20)]
    async with harbour.client() as client:
        started = asyncio.get_running_loop().time()
        harbour.network.cut(("ws://a/", 443))
        await harbour.until(lambda: not client.is_connected)
        assert asyncio.get_running_loop().time() - started <= 20.1


async def test_the_servers_are_tried_in_their_order(harbour, caplog):
    harbour.down = {"ws://a/", "ws://b/"}
    async with harbour.client("alice", "ws://a/", "ws://b/", "ws://c/"):
        assert [url for _, url in harbour.dialled] == ["ws://a/", "ws://b/", "ws://c/"]
        assert harbour.dialled[-1][0] == 0.0
    assert "refuses connections" in caplog.text


async def test_no_server_at_all(harbour):
    harbour.down = {"ws://a/", "ws://b/"}
    with pytest.raises(ConnectFailed, match="ws://b/ refuses"):
        await harbour.client("alice", "ws://a/", "ws://b/").__aenter__()
    assert len(harbour.dialled) == 2


async def test_a_lost_server_is_tried_first_and_then_the_others(harbour):
    async with harbour.client("alice", "ws://a/", "ws://b/") as client:
        await asyncio.sleep(300.0)
        harbour.down = {"ws://a/"}
        harbour.dialled.clear()
        harbour.far[-1].abort("maintenance")
        await harbour.until(lambda: not client.is_connected)
        await harbour.until(lambda: client.is_connected, 15.0)
        assert [url for _, url in harbour.dialled] == ["ws://a/", "ws://b/"]
        assert client.flow.remote[0] == "ws://b/"


@pytest.mark.parametrize("status", [305, 503])
async def test_a_server_that_refers_elsewhere(harbour, status):
    harbour.home.granted = 1000
    async with harbour.client("alice", "ws://a/", "ws://b/") as client:
        told = harbour.watched(client)
        harbour.home.register_status = status
        harbour.on_dial = lambda far: setattr(harbour.home, "register_status", 200)
        await harbour.until(lambda: client.flow.remote[0] == "ws://b/", 600.0)
        await harbour.until(lambda: ConnectionRestored in told.kinds)
        assert RegistrationLost not in told.kinds
        assert next(event for event in told if isinstance(event, ConnectionLost)).server == "ws://a/"
        assert told[-1].server == "ws://b/"
        assert len(harbour.home.driver.connections) == 1


async def test_a_server_that_does_not_answer_a_refresh(harbour):
    harbour.home.granted = 1000
    async with harbour.client("alice", "ws://a/", "ws://b/") as client:
        harbour.home.deaf_to = {"REGISTER"}
        harbour.on_dial = lambda far: harbour.home.deaf_to.clear()
        await harbour.until(lambda: client.is_connected and client.flow.remote[0] == "ws://b/", 900.0)


async def test_retry_after_is_obeyed_over_the_connection_there_is(harbour, caplog):
    harbour.home.granted = 1000
    async with harbour.client("alice", "ws://a/", "ws://b/") as client:
        harbour.home.register_status, harbour.home.register_headers = 503, [("Retry-After", "60")]
        await harbour.until(lambda: "trying again in 60 s" in caplog.text, 600.0)
        harbour.home.register_status = 200
        count = len(registers(harbour))
        await harbour.until(lambda: len(registers(harbour)) > count, 61.0)
        assert client.flow.remote[0] == "ws://a/"
        assert len(harbour.dialled) == 1


async def test_a_wait_that_the_network_wants_outlives_a_cut(harbour, caplog):
    harbour.home.granted = 1000
    async with harbour.client() as client:
        harbour.home.register_status, harbour.home.register_headers = 503, [("Retry-After", "300")]
        await harbour.until(lambda: "trying again in 300 s" in caplog.text, 600.0)
        refused = len(registers(harbour))
        await asyncio.sleep(1.0)
        harbour.far[-1].abort("as well")
        harbour.home.register_status = 200
        assert await harbour.until(lambda: len(registers(harbour)) > refused) > 290.0
        await harbour.until(lambda: client.is_connected)


async def test_a_network_that_is_gone_for_long_is_asked_less_and_less(harbour):
    harbour.home.granted = 100_000
    async with harbour.client("alice", "ws://a/", "ws://b/") as client:
        await asyncio.sleep(300.0)
        harbour.down = {"ws://a/", "ws://b/"}
        harbour.dialled.clear()
        harbour.far[-1].abort("gone")
        await asyncio.sleep(6 * 3600.0)
        rounds = [at for at, url in harbour.dialled if url == "ws://a/"]
        gaps = [later - earlier for earlier, later in pairwise(rounds)]
        assert 12 < len(rounds) < 40
        assert max(gaps) <= 1800.0
        assert all(gap >= 900.0 for gap in gaps[-5:])
        harbour.down = set()
        await harbour.until(lambda: client.is_connected)
        assert client.binding is not None


async def test_a_registration_that_expires_meanwhile_is_made_anew(harbour):
    harbour.home.granted = 400
    client = harbour.client()
    told = harbour.watched(client)
    async with client:
        harbour.down = {"ws://a/"}
        harbour.far[-1].abort("gone")
        await asyncio.sleep(500.0)
        assert client.binding is None
        lost = next(event for event in told if isinstance(event, RegistrationLost))
        assert not lost.final
        harbour.down = set()
        await harbour.until(lambda: client.binding is not None)
        assert told.kinds[-2:] == [Registered, ConnectionRestored]


async def test_a_server_that_accepts_and_closes(harbour):
    async with harbour.client() as client:
        await asyncio.sleep(300.0)
        harbour.dialled.clear()
        harbour.on_dial = lambda far: asyncio.get_running_loop().call_later(0.005, far.abort, "not you")
        harbour.far[-1].abort("begin")
        await asyncio.sleep(3600.0)
        assert 3 < len(harbour.dialled) < 15
        harbour.on_dial = lambda far: None
        await harbour.until(lambda: client.is_connected)


async def test_a_connection_that_ends_with_the_answer_is_no_connection(harbour):
    def grant_and_close(context, now):
        harbour.home.grant(context, now)
        if len(harbour.far) == 2:
            asyncio.get_running_loop().call_soon(harbour.far[-1].abort, "just now")

    async with harbour.client() as client:
        harbour.home.answers["REGISTER"] = grant_and_close
        harbour.far[-1].abort("begin")
        await harbour.until(lambda: len(harbour.far) == 3)
        await harbour.until(lambda: client.is_connected)


async def test_connections_that_do_not_last_are_not_made_without_end(harbour):
    async with harbour.client():
        harbour.dialled.clear()
        harbour.on_dial = lambda far: asyncio.get_running_loop().call_later(5.0, far.abort, "enough")
        harbour.far[-1].abort("begin")
        await asyncio.sleep(3600.0)
        assert 3 < len(harbour.dialled) < 15


async def test_a_server_that_is_never_available(harbour):
    harbour.home.granted = 1000
    async with harbour.client() as client:
        harbour.home.register_status = 503
        count = len(registers(harbour))
        await asyncio.sleep(24 * 3600.0)
        assert 48 < len(registers(harbour)) - count < 160
        assert client.binding is None
        harbour.home.register_status = 200
        await harbour.until(lambda: client.binding is not None)


async def test_garbage_after_the_reconnection(harbour):
    def babble(far):
        for data in (b"\x00" * 100, b"SIP/2.0 200 OK\r\n\r\n", b"REGISTER sip:x SIP/2.0\r\n\r\n", b"\r\n\r\n", b""):
            far.send(data)

    async with harbour.client() as client:
        harbour.on_dial = babble
        harbour.far[-1].abort("begin")
        await harbour.until(lambda: not client.is_connected)
        await harbour.until(lambda: client.is_connected, 15.0)
        assert client._connection.driver.counters.failures == 0


async def test_a_server_that_never_answers_after_the_reconnection(harbour, caplog):
    async with harbour.client(register_timeout=30.0) as client:
        await asyncio.sleep(300.0)
        harbour.home.deaf_to = {"REGISTER"}
        harbour.far[-1].abort("begin")
        await asyncio.sleep(120.0)
        assert "did not answer the registration within 30 s" in caplog.text
        assert len(harbour.home.driver.connections) <= 1
        harbour.home.deaf_to = set()
        await harbour.until(lambda: client.is_connected)


async def test_a_registration_that_is_refused_after_the_reconnection_is_over(harbour):
    client = harbour.client()
    told = harbour.watched(client)
    async with client:
        harbour.home.register_status = 403
        harbour.far[-1].abort("begin")
        with pytest.raises(RegistrationFailed, match="403"):
            await anext(client.incoming())
        assert told[-1].final
        with pytest.raises(RegistrationFailed, match="403"):
            await client.call("sip:bob@ims.example")
        dialled = len(harbour.dialled)
        await asyncio.sleep(3600.0)
        assert len(harbour.dialled) == dialled


async def test_a_connection_lost_after_the_end_is_only_told(harbour):
    harbour.home.granted = 1000
    client = harbour.client(impus=("sip:work@ims.example",))
    told = harbour.watched(client)
    async with client:
        harbour.home.forbids = {"alice"}
        await harbour.until(lambda: RegistrationLost in told.kinds)
        await asyncio.sleep(100.0)
        assert harbour.home.driver.connections, "there is another identity, whose registration goes on"
        harbour.far[-1].abort("done with you")
        await harbour.until(lambda: isinstance(told[-1], ConnectionLost))
        assert told[-1].next_try is None
        await asyncio.sleep(100.0)
        assert len(harbour.dialled) == 1


async def test_the_connection_is_closed_when_nothing_is_registered_any_more(harbour):
    """TS 24.371 §6A.2."""
    harbour.home.granted = 1000
    client = harbour.client(impus=("sip:work@ims.example",))
    told = harbour.watched(client)
    async with client:
        await asyncio.sleep(10.0)
        harbour.home.register_status = 403
        await harbour.until(lambda: not client.bindings)
        await harbour.until(lambda: not harbour.home.driver.connections, 1.0)
        assert told.kinds.count(RegistrationLost) == 2
        assert ConnectionLost not in told.kinds
        assert len(harbour.dialled) == 1


async def test_a_listener_that_raises_harms_nobody(harbour):
    client = harbour.client()
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: caught.append(context["exception"]))
    caught = []

    def listener(event):
        raise ValueError(event)

    client.on_event(listener)
    told = harbour.watched(client)
    async with client:
        harbour.far[-1].abort("begin")
        await harbour.until(lambda: ConnectionRestored in told.kinds, 15.0)
    assert len(caught) == len(told)


@pytest.mark.parametrize("after", [0.0, 1.0, 12.0])
async def test_leaving_while_the_connection_is_lost(harbour, after):
    async with harbour.client(backoff=BackoffOptions(first_time=0.5)):
        harbour.home.deaf_to = {"REGISTER"}
        harbour.far[-1].abort("begin")
        await asyncio.sleep(after)
    assert [task for task in asyncio.all_tasks() if task is not asyncio.current_task()] == []


async def test_a_hundred_clients_that_lose_their_server_come_back_apart(harbour, caplog):
    caplog.set_level(logging.ERROR)
    clients = [harbour.client(f"u{number}") for number in range(100)]
    await asyncio.gather(*(client.__aenter__() for client in clients))
    await asyncio.sleep(300.0)
    harbour.dialled.clear()
    began = asyncio.get_running_loop().time()
    for far in tuple(harbour.far):
        far.abort("the server fails")
    await harbour.until(lambda: all(client.is_connected for client in clients) and len(harbour.dialled) == 100, 15.0)
    seconds = Counter(int(at - began) for at, _ in harbour.dialled)
    assert max(seconds.values()) < 25
    assert len(seconds) >= 9
    await asyncio.gather(*(client.__aexit__(None, None, None) for client in clients))
