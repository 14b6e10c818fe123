"""Clocks that differ, and clocks that are set."""

from __future__ import annotations

from email.utils import formatdate

import pytest

from wic.oauth.clocks import ClockWatch, difference_of

NOW = 1_800_000_000.0
DAY = 86_400.0


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, None),
        (300, None),
        (-300, None),
        (301, "5 minutes ahead of"),
        (-301, "5 minutes behind"),
        (3600, "1 hour ahead of"),
        (-7300, "2 hours behind"),
        (DAY, "1 day ahead of"),
        (8 * DAY, "8 days ahead of"),
        (-3650 * DAY, "3650 days behind"),
    ],
)
def test_the_difference_is_told(seconds: float, words: str | None) -> None:
    assert difference_of(formatdate(NOW + seconds, usegmt=True), now=NOW) == words


@pytest.mark.parametrize("date", [None, "", "now", "Sun, 99 Nov 1994 08:49:37 GMT", "Sun, 06 Nov 99999 08:49:37 GMT"])
def test_a_date_that_cannot_be_read_tells_nothing(date: str | None) -> None:
    assert difference_of(date, now=NOW) is None


def test_a_clock_that_is_set_is_seen_once() -> None:
    watch = ClockWatch(wall=NOW, monotonic=5.0)
    assert watch.look(wall=NOW + 60, monotonic=65.0) is None
    assert watch.look(wall=NOW + 120 + 8 * DAY, monotonic=125.0) == "forward by 8 days"
    assert watch.look(wall=NOW + 180 + 8 * DAY, monotonic=185.0) is None
    assert watch.look(wall=NOW + 240, monotonic=245.0) == "back by 8 days"
