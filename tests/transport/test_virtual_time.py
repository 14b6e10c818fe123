from __future__ import annotations

import asyncio
import threading

import pytest

from wic.transport.virtual_time import VirtualTimeLoop


@pytest.mark.virtual_time
async def test_hours_pass_in_no_time():
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualTimeLoop)
    began = loop.time()
    await asyncio.sleep(36_000)
    assert loop.time() - began == 36_000


@pytest.mark.virtual_time
async def test_timers_keep_their_order():
    fired = []
    loop = asyncio.get_running_loop()
    for delay in (30, 10, 20):
        loop.call_later(delay, fired.append, delay)
    await asyncio.sleep(40)
    assert fired == [10, 20, 30]


@pytest.mark.virtual_time
async def test_another_thread_is_waited_for():
    loop = asyncio.get_running_loop()
    released = threading.Event()
    alarm = loop.call_later(100, released.set)
    loop.call_soon(loop.call_soon, released.set)
    assert await asyncio.to_thread(released.wait)
    assert loop.time() == 0
    alarm.cancel()


async def test_other_tests_have_the_systems_clock():
    assert not isinstance(asyncio.get_running_loop(), VirtualTimeLoop)
