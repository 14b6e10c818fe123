import pytest

from wic.sip.timers import RFC3261, TS24229_UE, Timer


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


def test_which_timers_retransmit() -> None:
    assert {timer for timer in Timer if RFC3261.retransmits(timer)} == {Timer.A, Timer.E, Timer.G}
