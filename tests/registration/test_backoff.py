from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wic.errors import ConfigurationError
from wic.registration import Backoff, BackoffOptions, ConnectionBackoff

ALWAYS_MOST = 1.0


def test_the_example_of_the_rfc() -> None:
    """RFC 5626 §4.5: base time 30 s and three failures make 240 s."""
    backoff = Backoff(lambda: ALWAYS_MOST)
    assert [backoff.fail() for _ in range(8)] == [10, 120, 240, 480, 960, 1800, 1800, 1800]
    assert backoff.failures == 8


def test_a_success_ends_the_series() -> None:
    backoff = Backoff(lambda: ALWAYS_MOST)
    backoff.fail()
    backoff.fail()
    backoff.succeed()
    assert (backoff.failures, backoff.fail()) == (0, 10)


def test_retry_after_is_obeyed_within_reason() -> None:
    backoff = Backoff(lambda: ALWAYS_MOST)
    assert [backoff.fail(retry_after=wait) for wait in (7.0, 0.0, 10.0**9)] == [7, 2, 1800]
    assert backoff.failures == 3


def test_a_million_failures_cost_no_more_than_one() -> None:
    backoff = Backoff(lambda: ALWAYS_MOST, BackoffOptions(base_time=1e-9))
    assert max([backoff.fail() for _ in range(2000)][1:]) == 1e-9 * 2**32


@given(st.floats(0, 1), st.integers(1, 20))
def test_waits_stay_within_their_bounds(chance: float, failures: int) -> None:
    """RFC 5626 §4.5: 50 to 100 per cent; TS 24.229 §5.1.1.2.1: five minutes at most after the first failure."""
    backoff = Backoff(lambda: chance)
    waits = [backoff.fail() for _ in range(failures)]
    assert 0 <= waits[0] <= 300
    for number, wait in enumerate(waits[1:], 2):
        most = min(1800, 30 * 2**number)
        assert most / 2 <= wait <= most


def test_attempts_to_connect_begin_soon_and_double() -> None:
    most, least = ConnectionBackoff(lambda: ALWAYS_MOST), ConnectionBackoff(lambda: 0.0)
    assert [most.fail() for _ in range(12)] == [2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 1800, 1800]
    assert [least.fail() for _ in range(5)] == [0, 2, 4, 8, 16]
    most.succeed()
    assert (most.failures, most.fail()) == (0, 2)


@given(st.floats(0, 1), st.integers(1, 40), st.booleans())
def test_waits_for_a_connection_stay_within_their_bounds(chance: float, failures: int, soon: bool) -> None:
    backoff = ConnectionBackoff(lambda: chance)
    waits = [backoff.fail(soon=soon) for _ in range(failures)]
    assert 0 <= waits[0] <= 2
    for number, wait in enumerate(waits[1:], 1):
        most = 4 if soon else min(1800, 2 * 2**number)
        assert most / 2 <= wait <= most


@pytest.mark.parametrize("options", [{"first_time": 301}, {"first_time": 0}, {"base_time": -1}, {"max_time": 0}])
def test_times_that_cannot_be_are_configuration_errors(options: dict[str, float]) -> None:
    with pytest.raises(ConfigurationError):
        BackoffOptions(**options)
