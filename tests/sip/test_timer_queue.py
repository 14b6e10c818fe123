from hypothesis import given
from hypothesis import strategies as st

from wic.sip.timer_queue import TimerQueue


def test_timers_fire_in_the_order_of_their_deadlines() -> None:
    queue, fired = TimerQueue(), []
    for name, at in (("late", 3.0), ("early", 1.0), ("middle", 2.0), ("also early", 1.0)):
        queue.schedule(at, lambda now, name=name: fired.append((name, now)))
    assert queue.next_timeout() == 1.0
    queue.handle_timeout(2.5)
    assert fired == [("early", 2.5), ("also early", 2.5), ("middle", 2.5)]
    assert queue.next_timeout() == 3.0


def test_a_cancelled_timer_does_not_fire() -> None:
    queue, fired = TimerQueue(), []
    timer = queue.schedule(1.0, fired.append)
    other = queue.schedule(2.0, fired.append)
    timer.cancel()
    timer.cancel()
    assert (len(queue), timer.pending, other.pending) == (1, False, True)
    assert queue.next_timeout() == 2.0
    queue.handle_timeout(5.0)
    assert fired == [5.0]
    assert not other.pending


def test_cancelling_what_has_fired_is_harmless() -> None:
    queue, fired = TimerQueue(), []
    timer = queue.schedule(1.0, fired.append)
    queue.handle_timeout(1.0)
    timer.cancel()
    timer.fire(2.0)
    assert fired == [1.0]
    assert len(queue) == 0


def test_what_a_timer_schedules_fires_when_due() -> None:
    queue, fired = TimerQueue(), []
    queue.schedule(1.0, lambda now: queue.schedule(now + 1, fired.append))
    queue.handle_timeout(1.5)
    assert (fired, queue.next_timeout()) == ([], 2.5)


def test_a_hundred_thousand_cancelled_timers_leave_nothing_behind() -> None:
    queue = TimerQueue()
    for n in range(100_000):
        queue.schedule(n + 32.0, lambda now: None).cancel()
    assert len(queue) == 0
    assert len(queue._heap) <= 64


@given(st.lists(st.tuples(st.floats(0, 100), st.booleans()), max_size=200))
def test_exactly_the_uncancelled_fire(entries: list[tuple[float, bool]]) -> None:
    queue, fired = TimerQueue(), []
    timers = [
        (queue.schedule(at, lambda now, n=n: fired.append(n)), cancelled) for n, (at, cancelled) in enumerate(entries)
    ]
    for timer, cancelled in timers:
        if cancelled:
            timer.cancel()
    assert len(queue) == sum(not cancelled for _, cancelled in entries)
    queue.handle_timeout(100)
    expected = [n for n, (_, cancelled) in enumerate(entries) if not cancelled]
    assert fired == sorted(expected, key=lambda n: (entries[n][0], n))
    assert queue.next_timeout() is None
