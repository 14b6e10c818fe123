"""Transports of the user, which may fail in any way; in virtual time."""

from __future__ import annotations

import asyncio
from functools import partial

import pytest

from wic.client.events import ConnectionRestored
from wic.errors import ConnectFailed, FlowLost

pytestmark = pytest.mark.virtual_time


FAULTS = [ValueError("no such proxy"), KeyError(), TimeoutError(), asyncio.CancelledError(), None]


@pytest.mark.parametrize("fault", FAULTS, ids=repr)
async def test_a_dial_that_fails_in_its_own_way_is_tried_again(memory_home, caplog, fault):
    faulty = False

    async def dial(url, handler):
        if not faulty:
            return await memory_home.dial(url, handler)
        if fault is not None:
            raise fault
        return None

    client = memory_home.client(dial=dial)
    told = memory_home.watched(client)
    async with client:
        faulty = True
        memory_home.far[-1].abort("begin")
        await asyncio.sleep(300.0)
        assert f"dialling ws://a/ failed: {'AttributeError' if fault is None else repr(fault)}" in caplog.text
        faulty = False
        await memory_home.until(lambda: ConnectionRestored in told.kinds)
        assert client.is_connected


async def test_a_dial_that_fails_in_its_own_way_is_what_open_raises(memory_home):
    tried = []

    async def dial(url, handler):
        tried.append(url)
        raise ValueError("no such proxy")

    with pytest.raises(ConnectFailed, match="dialling ws://b/ failed: ValueError\\('no such proxy'\\)"):
        async with memory_home.client("alice", "ws://a/", "ws://b/", dial=dial):
            pytest.fail("not reached")
    assert tried == ["ws://a/", "ws://b/"]


@pytest.mark.parametrize("drawn", [ValueError("no entropy"), float("nan"), -1.0, 1e300, None, "0.5"], ids=repr)
async def test_a_random_source_that_fails_stops_no_reconnection(memory_home, drawn):
    """The keep-alive of the network is agreed all the same."""
    faulty = False

    def chance():
        if not faulty:
            return 0.5
        if isinstance(drawn, Exception):
            raise drawn
        return drawn

    memory_home.home.register_extra = [("Flow-Timer", 120)]
    client = memory_home.client(chance=chance)
    told = memory_home.watched(client)
    async with client:
        faulty = True
        memory_home.down.add("ws://a/")
        memory_home.far[-1].abort("begin")
        await asyncio.sleep(60.0)
        memory_home.down.clear()
        await memory_home.until(lambda: ConnectionRestored in told.kinds, 120.0)
        assert client.is_connected
        assert client.binding.flow_timer == 120


class FaultyConnection:
    """Connection of a foreign transport, with methods that raise from some call on."""

    def __init__(self, connection, calls_before):
        self._connection = connection
        self._calls_before = calls_before

    def __getattr__(self, name):
        return partial(self._call, name) if name in self._calls_before else getattr(self._connection, name)

    def _call(self, name, *arguments):
        self._calls_before[name] -= 1
        if self._calls_before[name] < 0:
            raise ValueError(name)
        return getattr(self._connection, name)(*arguments)

    async def close(self, reason):
        await self.__getattr__("close")(reason)


def first_with_faults(memory_home, **calls_before):
    """Return a way to dial whose first connection has faults."""

    async def dial(url, handler):
        connection = await memory_home.dial(url, handler)
        if len(memory_home.dialled) == 1:
            connection = FaultyConnection(connection, calls_before)
            handler.opened(connection)
        return connection

    return dial


@pytest.mark.parametrize(
    ("faults", "left"),
    [
        ({"keep_alive": 0}, 1),
        ({"keep_alive": 0, "close": 0}, 1),
        ({"keep_alive": 0, "close": 0, "abort": 0}, 2),  # what cannot be closed stays
        ({"send": 0}, 1),
        ({"send": 0, "abort": 0}, 2),
        ({"send": 1}, 1),
    ],
    ids=repr,
)
async def test_a_connection_that_fails_in_its_own_way_is_replaced(memory_home, faults, left):
    dial = first_with_faults(memory_home, **faults)
    async with memory_home.client("alice", "ws://a/", "ws://b/", dial=dial):
        assert [url for _, url in memory_home.dialled] == ["ws://a/", "ws://b/"]
        await asyncio.sleep(1.0)
        assert len(memory_home.home.driver.connections) == left


async def test_a_connection_that_is_lost_before_it_is_used_is_closed(memory_home):
    """With an error of this library, as that of a transport built upon it."""

    class Lost(FaultyConnection):
        @property
        def flow(self):
            raise FlowLost("it has ended")

    async def dial(url, handler):
        connection = await memory_home.dial(url, handler)
        return Lost(connection, {}) if url == "ws://a/" else connection

    async with memory_home.client("alice", "ws://a/", "ws://b/", dial=dial):
        await asyncio.sleep(1.0)
        assert len(memory_home.home.driver.connections) == 1


class TooEarly:
    """Connection that a foreign transport gives away before it is open."""

    def __init__(self, connection):
        self.close = connection.close

    @property
    def flow(self):
        raise AssertionError("it has no address yet")

    def keep_alive(self, how):
        """Do without."""


async def test_a_connection_that_is_given_away_too_early_is_replaced(memory_home):
    early = False

    async def dial(url, handler):
        nonlocal early
        connection = await memory_home.dial(url, handler)
        early = not early and len(memory_home.dialled) > 1
        return TooEarly(connection) if early else connection

    client = memory_home.client(dial=dial)
    told = memory_home.watched(client)
    async with client:
        memory_home.far[-1].abort("begin")
        await memory_home.until(lambda: ConnectionRestored in told.kinds, 300.0)
        assert len(memory_home.dialled) == 3
        assert len(memory_home.home.driver.connections) == 1


async def test_a_connection_that_cannot_send_any_more_is_replaced(memory_home):
    client = memory_home.client(dial=first_with_faults(memory_home, send=2))
    told = memory_home.watched(client)
    async with client:
        client.refresh()
        await memory_home.until(lambda: ConnectionRestored in told.kinds, 15.0)
        assert len(memory_home.home.driver.connections) == 1


async def test_a_connection_that_takes_no_other_interval_goes_on(memory_home, caplog):
    memory_home.home.register_extra = [("Flow-Timer", 20)]
    client = memory_home.client(
        "alice", impus=("sip:work@ims.example",), dial=first_with_faults(memory_home, keep_alive=1)
    )
    async with client:
        await memory_home.until(lambda: len(client.bindings) == 2, 5.0)
        assert len(memory_home.dialled) == 1
        assert "the keep-alive that the network asks for cannot be set" in caplog.text


@pytest.mark.parametrize("awaited", [True, False])
async def test_a_connection_that_cannot_be_closed_holds_up_no_end(memory_home, caplog, monkeypatch, awaited):
    if not awaited:
        monkeypatch.delattr(FaultyConnection, "close")  # so that the call itself raises
    async with memory_home.client(dial=first_with_faults(memory_home, close=0, abort=0)):
        pass
    assert memory_home.home.contacts["alice"] == {}
    assert "closing a connection failed" in caplog.text


@pytest.mark.parametrize("aborts", [True, False])
async def test_a_connection_whose_close_never_returns_holds_up_no_end(memory_home, aborts):
    class Endless(FaultyConnection):
        async def close(self, reason):
            await asyncio.Event().wait()

    async def dial(url, handler):
        connection = Endless(await memory_home.dial(url, handler), {} if aborts else {"abort": 0})
        handler.opened(connection)
        return connection

    async with asyncio.timeout(30.0):
        async with memory_home.client(dial=dial) as client:
            pass
    assert client.is_over
    assert memory_home.home.contacts["alice"] == {}


async def test_a_client_on_a_connection_that_cannot_be_closed_takes_no_calls_once_deregistered(memory_home):
    client = memory_home.client(dial=first_with_faults(memory_home, close=0))
    async with client:
        memory_home.home.deaf_to.add("REGISTER")
        await client.deregister()
        async with asyncio.timeout(1.0):
            assert [call async for call in client.incoming()] == []
