from __future__ import annotations

import asyncio

import pytest

from wic.sip.flow import Flow
from wic.transport.base import EndedBy, KeepAlive
from wic.transport.memory import MemoryNetwork, Path

pytestmark = pytest.mark.virtual_time

LEFT, RIGHT = ("10.0.0.1", 5060), ("10.0.0.2", 5060)


async def drain(handler, seconds: float = 100.0) -> list[bytes]:
    await asyncio.sleep(seconds)
    return [handler.messages.get_nowait() for _ in range(handler.messages.qsize())]


async def datagrams(recorder, path: Path, *, seed: int = 1, number: int = 200) -> list[bytes]:
    handler = recorder()
    network = MemoryNetwork(seed=seed, path=path)
    near = network.bind(LEFT, recorder())
    network.bind(RIGHT, handler)
    for index in range(number):
        near.send(b"%d" % index, Flow("UDP", LEFT, RIGHT))
    return await drain(handler)


async def test_a_connection_carries_messages_both_ways_in_order(recorder):
    client, server = recorder(), recorder()
    network = MemoryNetwork(path=Path(delay=0.5, jitter=1.0, loss=1.0, duplication=1.0))
    near, far = network.connect(client, server)
    assert (client.connections.get_nowait(), server.connections.get_nowait()) == (near, far)
    assert near.flow.local == far.flow.remote
    started = asyncio.get_running_loop().time()
    for index in range(50):
        near.send(b"%d" % index)
        far.send(b"-%d" % index)
    assert [await server.messages.get() for _ in range(50)] == [b"%d" % index for index in range(50)]
    assert [await client.messages.get() for _ in range(50)] == [b"-%d" % index for index in range(50)]
    assert 0.5 < asyncio.get_running_loop().time() - started < 2.0


async def test_an_end_comes_after_what_was_said(recorder):
    client, server = recorder(), recorder()
    near, far = MemoryNetwork(path=Path(delay=1.0)).connect(client, server)
    near.send(b"last words")
    await near.close("enough")
    far.send(b"too late")
    near.send(b"unsaid")
    assert await drain(server) == [b"last words"]
    assert (await client.ends.get()).by is EndedBy.LOCAL
    end = await server.ends.get()
    assert (end.by, end.reason) == (EndedBy.PEER, "enough")
    assert await drain(client) == []
    near.abort()
    assert client.ends.empty()


async def test_a_cut_is_silent_until_an_end_notices(recorder):
    client, server = recorder(), recorder()
    network = MemoryNetwork()
    near, far = network.connect(client, server)
    network.cut(near.flow.local)
    near.send(b"lost")
    far.abort("unheard")
    assert await drain(server) == []
    assert client.ends.empty()
    near.drop()
    assert (await client.ends.get()).by is EndedBy.NETWORK
    network.mend(near.flow.local)
    near.drop("said already")
    assert client.ends.empty()
    again, _ = network.connect(client, server)
    again.send(b"back")
    assert await drain(server) == [b"back"]


async def test_datagrams_are_lost_doubled_and_reordered_by_chance(recorder):
    perfect = [b"%d" % index for index in range(200)]
    assert await datagrams(recorder, Path()) == perfect
    assert await datagrams(recorder, Path(loss=1.0)) == []
    assert 60 < len(await datagrams(recorder, Path(loss=0.5))) < 140
    assert len(await datagrams(recorder, Path(duplication=1.0))) == 400
    shuffled = await datagrams(recorder, Path(jitter=0.1))
    assert shuffled != perfect
    assert sorted(shuffled) == sorted(perfect)


async def test_the_same_seed_brings_the_same_chance(recorder):
    path = Path(jitter=0.1, loss=0.3, duplication=0.3)
    assert await datagrams(recorder, path, seed=7) == await datagrams(recorder, path, seed=7)
    assert await datagrams(recorder, path, seed=7) != await datagrams(recorder, path, seed=8)


async def test_a_datagram_knows_where_it_came_from(recorder):
    handler = recorder()
    network = MemoryNetwork()
    near, far = network.bind(LEFT, recorder()), network.bind(RIGHT, handler)
    near.send(b"x", Flow("UDP", ("0.0.0.0", 0), RIGHT))
    assert await drain(handler) == [b"x"]
    assert handler.flows == [Flow("UDP", RIGHT, LEFT)]
    await far.close()
    near.send(b"x", Flow("UDP", LEFT, RIGHT))
    network.cut(RIGHT)
    near.send(b"x", Flow("UDP", LEFT, RIGHT))
    assert await drain(handler) == []


async def test_keep_alives_find_a_cut(recorder):
    client, server = recorder(), recorder()
    network = MemoryNetwork(path=Path(delay=0.1))
    near, far = network.connect(client, server)
    near.keep_alive(KeepAlive(every=20.0, answer_within=10.0))
    assert await drain(server, 1000.0) == []
    assert client.ends.empty()
    network.cut(near.flow.local)
    await asyncio.sleep(30.5)
    assert (await client.ends.get()).by is EndedBy.NETWORK
    assert server.ends.empty()
    near.keep_alive(KeepAlive())
    assert not near.is_open
    assert far.is_open


async def test_keep_alives_can_be_ended_and_meet_an_end(recorder):
    client, server = recorder(), recorder()
    network = MemoryNetwork()
    near, far = network.connect(client, server)
    near.keep_alive(KeepAlive(every=20.0))
    near.keep_alive(None)
    network.cut(near.flow.local)
    await asyncio.sleep(1000.0)
    assert client.ends.empty()
    near.keep_alive(KeepAlive(every=20.0))
    network.mend(near.flow.local)
    far.drop("gone without a word")
    await asyncio.sleep(30.5)
    assert (await client.ends.get()).reason == "no answer to a keep-alive"
