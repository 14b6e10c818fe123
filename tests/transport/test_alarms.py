"""Many deadlines behind one timer of the event loop."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import weakref

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wic.transport.alarms import Deadline, alarms
from wic.transport.virtual_time import VirtualTimeLoop


def in_virtual_time(main):
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(main())


@given(st.lists(st.tuples(st.floats(0, 100), st.booleans()), max_size=30))
def test_each_rings_once_at_its_time_and_those_cancelled_never(wanted):
    async def main():
        rung = []
        began = asyncio.get_running_loop().time()
        for number, (delay, cancelled) in enumerate(wanted):
            alarm = alarms().call_later(delay, lambda now, number=number: rung.append((number, now - began)))
            if cancelled:
                alarm.cancel()
        await asyncio.sleep(101)
        return rung

    rung = in_virtual_time(main)
    kept = {number: delay for number, (delay, cancelled) in enumerate(wanted) if not cancelled}
    assert sorted(number for number, _ in rung) == sorted(kept)
    assert all(at == pytest.approx(kept[number], abs=1e-6) for number, at in rung)
    assert [kept[number] for number, _ in rung] == sorted(kept.values())


@pytest.mark.virtual_time
async def test_an_action_may_set_a_later_alarm_while_an_earlier_one_is_set():
    rung = []
    alarms().call_later(1, lambda _: alarms().call_later(50, lambda now: rung.append(("late", now))))
    alarms().call_later(2, lambda now: rung.append(("soon", now)))
    await asyncio.sleep(60)
    assert [name for name, _ in rung] == ["soon", "late"]
    assert [now for _, now in rung] == pytest.approx([2, 51])


@pytest.mark.virtual_time
async def test_an_alarm_that_sets_itself_again_at_once_leaves_the_loop_its_turns():
    turns = []

    def again(_: float) -> None:
        turns.append(1)
        if not stop.is_set():
            alarms().call_later(0, again)

    stop = asyncio.Event()
    alarms().call_later(0, again)
    for _ in range(20):
        await asyncio.sleep(0)
    stop.set()
    await asyncio.sleep(1)
    assert 1 < len(turns) < 50


@pytest.mark.virtual_time
async def test_an_exception_delays_no_other_alarm():
    told, rung = [], []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context["exception"]))
    alarms().call_later(1, lambda _: 1 / 0)
    alarms().call_later(1, rung.append)
    alarms().call_later(2, rung.append)
    await asyncio.sleep(3)
    assert [type(error) for error in told] == [ZeroDivisionError]
    assert rung == pytest.approx([1, 2])


def test_a_loop_has_one_and_neither_outlives_its_use():
    async def main():
        mine = alarms()
        assert alarms() is mine
        mine.call_later(1000, print)
        return weakref.ref(mine), weakref.ref(asyncio.get_running_loop())

    kept = in_virtual_time(main)
    gc.collect()
    assert [each() for each in kept] == [None, None]


async def sleep_within(*deadlines):
    """Sleep for a minute under deadlines, the outer one first."""
    with contextlib.ExitStack() as stack:
        for seconds in deadlines:
            stack.enter_context(Deadline(seconds))
        await asyncio.sleep(60)


@pytest.mark.virtual_time
@pytest.mark.parametrize("deadlines", [(2,), (2, 3), (3, 2)])
async def test_a_deadline_ends_its_block(deadlines):
    loop = asyncio.get_running_loop()
    with Deadline(2):
        await asyncio.sleep(1)
    with pytest.raises(TimeoutError):
        await sleep_within(*deadlines)
    assert loop.time() == pytest.approx(3)
    await asyncio.sleep(10)  # none rings afterwards
    assert asyncio.current_task().cancelling() == 0


@pytest.mark.virtual_time
@pytest.mark.parametrize("after", [0.5, 1])
async def test_a_task_that_is_cancelled_stays_so_in_spite_of_a_deadline(after):
    task = asyncio.create_task(sleep_within(1))
    await asyncio.sleep(0)
    alarms().call_later(after, lambda _: task.cancel())
    with pytest.raises(asyncio.CancelledError):
        await task
