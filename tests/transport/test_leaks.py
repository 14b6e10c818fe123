"""Many connections, and nothing left of them: a hundred each time, and as many as `make soak` asks for."""

from __future__ import annotations

import asyncio
import gc
import os
import weakref

import pytest

from wic.errors import TransportError
from wic.transport import link
from wic.transport.stream import connect_tcp
from wic.transport.websocket import WebSocketOptions, connect_websocket, serve_websocket

ROUNDS, AT_ONCE = int(os.environ.get("WIC_LEAK_ROUNDS", "5")), 20


def open_files() -> int:
    return len(os.listdir("/proc/self/fd"))


@pytest.fixture
def links(monkeypatch):
    """Every Link that is made, as long as it lives."""
    alive: weakref.WeakSet[link.Link] = weakref.WeakSet()
    prepare = link.Link.__init__

    def prepared(self, **options):
        prepare(self, **options)
        alive.add(self)

    monkeypatch.setattr(link.Link, "__init__", prepared)
    return alive


@pytest.mark.timeout(60)
@pytest.mark.parametrize("how", ["close", "abort"])
async def test_many_websockets_leave_nothing(recorder, server_tls, client_tls, links, how):
    served, client = recorder(), recorder()
    files, tasks = open_files(), len(asyncio.all_tasks())
    listener = await serve_websocket("127.0.0.1", 0, handler=served, ssl_context=server_tls)
    url = f"wss://127.0.0.1:{listener.address[1]}/"
    options = WebSocketOptions(ssl_context=client_tls)
    for _ in range(ROUNDS):
        opened = await asyncio.gather(
            *(connect_websocket(url, handler=client, options=options) for _ in range(AT_ONCE))
        )
        assert len(asyncio.all_tasks()) == tasks
        for connection in opened:
            connection.send(b"hello")
            await served.messages.get()
            if how == "close":
                await connection.close()
            else:
                connection.abort()
        for _ in range(AT_ONCE):
            await served.ends.get()
            await client.ends.get()
    assert listener.counters.accepted == ROUNDS * AT_ONCE
    await listener.close()
    assert listener.counters.open == 0
    opened.clear()
    del connection
    served.connections = client.connections = None
    await asyncio.sleep(0)
    gc.collect()
    assert len(links) == 0
    assert len(asyncio.all_tasks()) == tasks
    assert open_files() == files


async def test_failed_connects_leave_nothing(recorder, links, client_tls):
    handler = recorder()
    listener = await serve_websocket("127.0.0.1", 0, handler=recorder())
    files = open_files()
    url = f"wss://127.0.0.1:{listener.address[1]}/"
    for _ in range(20):
        with pytest.raises(TransportError):
            await connect_tcp("127.0.0.1", 1, handler=handler)
        with pytest.raises(TransportError):
            await connect_websocket(url, handler=handler, options=WebSocketOptions(ssl_context=client_tls))
    await listener.close()
    await asyncio.sleep(0)
    gc.collect()
    assert len(links) == 0
    assert open_files() <= files
    assert handler.ends.empty()
