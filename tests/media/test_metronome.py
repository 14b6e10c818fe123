from __future__ import annotations

import asyncio

import pytest

from wic.media.metronome import MAX_CATCH_UP, Metronome


@pytest.mark.virtual_time
async def test_beats_every_20_ms_without_drift() -> None:
    metronome = Metronome.running()
    loop = asyncio.get_running_loop()
    beats: list[tuple[int, float]] = []

    def beat(tick: int) -> None:
        beats.append((tick, loop.time()))

    metronome.add(beat)
    await asyncio.sleep(20.001)
    metronome.remove(beat)
    assert [tick for tick, _ in beats] == list(range(1001))
    assert all(at == pytest.approx(0.02 * tick, abs=1e-6) for tick, at in beats)
    assert len(metronome) == 0


@pytest.mark.virtual_time
async def test_a_stream_added_between_two_beats_does_not_wait_for_the_next() -> None:
    metronome = Metronome.running()
    loop = asyncio.get_running_loop()
    start = loop.time()
    late: list[tuple[int, int]] = []

    def beat(tick: int) -> None:
        late.append((tick, round(1000 * (loop.time() - start))))

    for listener in (str, repr):
        metronome.add(listener)  # the second one comes before any beat, and waits for the first
    await asyncio.sleep(0.031)
    metronome.add(beat)
    await asyncio.sleep(0.03)
    for listener in (beat, str, repr):
        metronome.remove(listener)
    assert late == [(1, 31), (2, 40), (3, 60)]


@pytest.mark.virtual_time
async def test_without_listeners_no_timer_runs() -> None:
    metronome = Metronome.running()
    ticks: list[int] = []
    metronome.add(ticks.append)
    metronome.remove(ticks.append)
    metronome.remove(ticks.append)
    await asyncio.sleep(1)
    assert ticks == []
    metronome.add(ticks.append)
    await asyncio.sleep(0.05)
    metronome.remove(ticks.append)
    assert ticks == [0, 1, 2]


@pytest.mark.virtual_time
async def test_one_metronome_for_a_loop_and_a_listener_may_leave_in_a_beat() -> None:
    metronome = Metronome.running()
    assert Metronome.running() is metronome
    ticks: list[int] = []

    def once(tick: int) -> None:
        ticks.append(tick)
        metronome.remove(once)

    metronome.add(once)
    await asyncio.sleep(0.1)
    assert ticks == [0]


async def test_a_short_pause_is_made_up_for_and_a_long_one_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    metronome = Metronome()
    now = 0.0
    loop = asyncio.get_running_loop()
    ticks: list[int] = []
    metronome.add(ticks.append)
    start = metronome._start
    monkeypatch.setattr(loop, "time", lambda: start + now)
    metronome._due()
    now = 0.061
    metronome._due()
    assert ticks == [0, 1, 2, 3]
    now = 2.001
    metronome._due()
    assert ticks[4:] == list(range(101 - MAX_CATCH_UP, 101))
    assert metronome.left_out == 97 - MAX_CATCH_UP
    metronome.remove(ticks.append)


def test_a_loop_that_is_closed_is_forgotten() -> None:
    async def use() -> Metronome:
        metronome = Metronome.running()
        metronome.add(lambda _tick: None)
        await asyncio.sleep(0)
        return metronome

    first = asyncio.run(use())
    second = asyncio.run(use())
    known = list(Metronome._of_loop.values())
    assert second in known
    assert first not in known
