"""Attempts to connect while a call waits for the connection; in virtual time."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from itertools import pairwise

import pytest

from wic.client.events import ConnectionLost, ConnectionRestored
from wic.media import MediaTransportOptions, Silence

pytestmark = pytest.mark.virtual_time

PATIENT = MediaTransportOptions(ice_timeout=1e6, dtls_timeout=1e6, addresses=("127.0.0.1",))


@asynccontextmanager
async def in_a_call(memory_home, **options):
    """Let Alice be in a call; its media may take as long as they like."""
    alice = memory_home.client("alice", "ws://a/", media=PATIENT, **options)
    bob = memory_home.client("bob", "ws://b/", media=PATIENT)
    async with alice, bob:
        call = await alice.call("sip:bob@ims.example", audio=Silence())
        answering = asyncio.create_task((await anext(bob.incoming())).answer(audio=Silence()))
        await memory_home.until(lambda: call.report().timings["invite_to_answer_ms"], 5.0)
        yield alice, call
        answering.cancel()


def lose(memory_home, *, refusing):
    """Cut the connections of Alice."""
    if refusing:
        memory_home.down.add("ws://a/")
    memory_home.dialled.clear()
    for far in memory_home.far:
        if far.flow.local[0] == "a":
            far.abort("begin")


@pytest.mark.parametrize("away", [0.0, 5.0, 10.0, 20.0, 25.5])
async def test_a_connection_that_is_back_within_the_grace_saves_the_call(memory_home, away):
    """An attempt is never more than four seconds off, at the worst draw."""
    async with in_a_call(memory_home, chance=lambda: 1.0) as (alice, call):
        told = memory_home.watched(alice)
        lose(memory_home, refusing=away > 0.0)
        await asyncio.sleep(away)
        memory_home.down.clear()
        assert await memory_home.until(lambda: ConnectionRestored in told.kinds, 40.0) <= 4.1
        assert not call.is_over
        assert told.kinds.count(ConnectionLost) == 1


async def test_a_call_outlives_connections_that_are_lost_again_and_again(memory_home):
    """As on a weak network: the wait after each loss is as short as that after the first."""
    async with in_a_call(memory_home, chance=lambda: 1.0) as (alice, call):
        told = memory_home.watched(alice)
        for number in range(1, 8):
            lose(memory_home, refusing=False)
            await memory_home.until(lambda number=number: told.kinds.count(ConnectionRestored) == number, 4.1)
            assert not call.is_over


async def test_attempts_become_rare_after_the_call(memory_home):
    """Those that were made while the call waited do not count for it."""
    async with in_a_call(memory_home, chance=lambda: 1.0) as (_, call):
        lose(memory_home, refusing=True)
        await memory_home.until(lambda: call.is_over, 40.0)
        began = asyncio.get_running_loop().time()
        await asyncio.sleep(300.0)
        waits = [at - began for at, url in memory_home.dialled if at > began]
        gaps = [later - earlier for earlier, later in pairwise(waits)]
        assert gaps[0] >= 7.9, gaps
        assert all(later >= 1.9 * earlier for earlier, later in pairwise(gaps))


async def test_a_client_without_a_call_asks_less_often(memory_home):
    async with memory_home.client(chance=lambda: 1.0) as client:
        lose(memory_home, refusing=True)
        await asyncio.sleep(0.1)
        assert not client.is_connected
        began = asyncio.get_running_loop().time() - 0.1
        await asyncio.sleep(125.0)
        times = [round(at - began) for at, _ in memory_home.dialled]
        assert times == [2, 6, 14, 30, 62]
