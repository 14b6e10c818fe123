import pytest
from hypothesis import given
from hypothesis import strategies as st

from wic.sip.timers import RETRANSMISSION, RFC3261, TS24229_UE, Timer, TimerQueue


@pytest.mark.parametrize("timer", [Timer.B, Timer.D, Timer.F, Timer.H, Timer.J, Timer.L, Timer.M, Timer.CANCELLED])
def test_the_long_timers_are_64_times_t1(timer: Timer) -> None:
    assert RFC3261.duration(timer, reliable=False) == 32
    assert TS24229_UE.duration(timer, reliable=False) == 128


@pytest.mark.parametrize("timer", [Timer.I, Timer.K])
def test_the_short_waits_are_t4(timer: Timer) -> None:
    assert RFC3261.duration(timer, reliable=False) == 5
    assert TS24229_UE.duration(timer, reliable=False) == 17


@pytest.mark.parametrize("timer", [Timer.D, Timer.I, Timer.J, Timer.K])
def test_a_reliable_transport_needs_no_absorption(timer: Timer) -> None:
    assert RFC3261.duration(timer, reliable=True) == 0


@pytest.mark.parametrize("timer", [Timer.B, Timer.F, Timer.H, Timer.L, Timer.M])
def test_a_reliable_transport_keeps_the_other_timers(timer: Timer) -> None:
    assert RFC3261.duration(timer, reliable=True) == 32


def test_timer_c_is_more_than_three_minutes() -> None:
    assert RFC3261.duration(Timer.C, reliable=True) > 180


def test_100_is_due_after_200_ms() -> None:
    assert RFC3261.duration(Timer.TRYING, reliable=False) == 0.2


def test_timer_a_doubles_without_end_and_e_and_g_stop_at_t2() -> None:
    # RFC 3261 §17.1.1.2, §17.1.2.2, §17.2.1
    assert [RFC3261.interval(Timer.A, attempt=n) for n in range(6)] == [0.5, 1, 2, 4, 8, 16]
    assert [RFC3261.interval(Timer.E, attempt=n) for n in range(6)] == [0.5, 1, 2, 4, 4, 4]
    assert [TS24229_UE.interval(Timer.G, attempt=n) for n in range(6)] == [2, 4, 8, 16, 16, 16]


def test_an_interval_stays_finite() -> None:
    assert RFC3261.interval(Timer.G, attempt=10**6) == 4
    assert RFC3261.interval(Timer.A, attempt=10**6) < 10**6


def test_timers_a_e_and_g_pace_retransmissions() -> None:
    assert {Timer.A, Timer.E, Timer.G} == RETRANSMISSION


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
    assert queue.entries <= 64


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
