"""Limits for guessing and for requests."""

from __future__ import annotations

import pytest

from wic.network.web.throttle import FailureThrottle, RateLimit, ThrottleOptions, counted_address


def failed(throttle: FailureThrottle, times: int, *, now: float = 0.0, name: str = "carol") -> None:
    for _ in range(times):
        throttle.attempt(name, now=now)


def test_the_first_failures_cost_nothing_and_then_time_doubles() -> None:
    throttle = FailureThrottle(ThrottleOptions(free=2, base=1, longest=10))
    waits = []
    for _ in range(8):
        waits.append(throttle.wait("carol", now=0))
        throttle.attempt("carol", now=0)
    assert waits == [0, 0, 0, 1, 2, 4, 8, 10]
    assert throttle.wait("carol", now=9) == 1
    assert throttle.wait("carol", now=10) == 0
    assert throttle.wait("bob", now=0) == 0


def test_any_number_of_failures_can_be_counted() -> None:
    throttle = FailureThrottle(ThrottleOptions(free=0, longest=900))
    failed(throttle, 5000)
    assert throttle.wait("carol", now=0) == 900


def test_success_takes_one_back_or_all() -> None:
    throttle = FailureThrottle(ThrottleOptions(free=1))
    failed(throttle, 2)
    throttle.succeeded("carol")
    assert throttle.wait("carol", now=0) == 0
    failed(throttle, 1)
    assert throttle.wait("carol", now=0) == 1
    throttle.succeeded("carol", forgive=True)
    failed(throttle, 1)
    assert throttle.wait("carol", now=0) == 0
    throttle.succeeded("carol")
    throttle.succeeded("carol")
    throttle.succeeded("unknown")


def test_failures_are_forgotten() -> None:
    throttle = FailureThrottle(ThrottleOptions(free=1, forget=100))
    failed(throttle, 2)
    assert throttle.wait("carol", now=101) == 0
    failed(throttle, 1, now=101)
    assert throttle.wait("carol", now=101) == 0


def test_the_number_of_names_is_bounded() -> None:
    throttle = FailureThrottle(ThrottleOptions(free=0, entries=3))
    for name in ("a", "b", "c", "a", "d"):
        throttle.attempt(name, now=0)
    assert [throttle.wait(name, now=0) > 0 for name in ("a", "b", "c", "d")] == [True, False, True, True]


def test_the_rate_holds_in_any_window() -> None:
    limit = RateLimit(2, 60)
    assert [limit.take("a", now=now) for now in (0, 30, 40, 60, 61, 90)] == [0, 0, 20, 0, 29, 0]
    assert limit.take("b", now=61) == 0


def test_a_clock_that_is_set_back_prolongs_no_wait() -> None:
    throttle = FailureThrottle(ThrottleOptions(free=0, base=10))
    throttle.attempt("a", now=100_000)
    assert throttle.wait("a", now=0) == 10
    assert throttle.wait("a", now=4) == 6
    assert throttle.wait("a", now=10) == 0
    limit = RateLimit(1, 60)
    assert limit.take("a", now=1000) == 0
    assert limit.take("a", now=0) == 0


def test_the_number_of_rates_is_bounded() -> None:
    limit = RateLimit(1, 60, entries=2)
    for name in ("a", "b", "c"):
        limit.take(name, now=0)
    assert limit.take("a", now=0) == 0
    assert limit.take("c", now=0) > 0


@pytest.mark.parametrize(
    ("address", "counted"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3::7", "2001:db8:1:2::/64"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("", ""),
        ("/run/socket", "/run/socket"),
    ],
)
def test_an_ipv6_prefix_counts_as_one(address: str, counted: str) -> None:
    assert counted_address(address) == counted


def test_the_default_limit() -> None:
    assert ThrottleOptions().free == 5
