from __future__ import annotations

import pytest

from wic.sip.headers.values import LONGEST_RETRY_DELAY, SubscriptionState
from wic.sip.subscription.rules import pause, refresh_after, retry_after_end


@pytest.mark.parametrize(("expires", "after"), [(600_000, 599_400), (1201, 601), (1200, 600), (2, 1)])
def test_refresh(expires: int, after: float) -> None:
    assert refresh_after(expires) == after


def test_pauses_grow() -> None:
    assert [pause(failures) for failures in range(6)] == [0, 0, 30, 60, 120, 240]
    assert pause(10**6) == LONGEST_RETRY_DELAY


def test_reasons_are_read_in_any_case() -> None:
    assert retry_after_end(SubscriptionState.parse("terminated;reason=Rejected")) is None


def test_a_retry_after_of_years_is_cut_to_half_an_hour() -> None:
    assert retry_after_end(SubscriptionState.parse("terminated;reason=probation;retry-after=1800")) == 1800
    assert retry_after_end(SubscriptionState.parse("terminated;reason=giveup;retry-after=3153600000")) == 1800
