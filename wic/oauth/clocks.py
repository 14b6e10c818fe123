"""Clocks that differ, or are set: tokens and registrations end by the time of day, and then nothing else tells why."""

from __future__ import annotations

from email.utils import parsedate_to_datetime

__all__ = ["TOLERANCE", "ClockWatch", "difference_of"]

TOLERANCE = 300.0
"""Seconds by which clocks may differ without a word: what a token lives at least."""

_UNITS = ((86_400, "day"), (3600, "hour"), (60, "minute"))


def difference_of(date: str | None, *, now: float) -> str | None:
    """Say how a server's clock differs from this machine's; None if it does not, or the server does not tell.

    Args:
        date: the Date of its answer (RFC 9110 §6.6.1).
        now: seconds of Unix time.

    >>> difference_of("Sun, 06 Nov 1994 08:49:37 GMT", now=784111777.0 - 8 * 86400)
    '8 days ahead of'
    """
    try:
        difference = parsedate_to_datetime(date or "").timestamp() - now
    except (ValueError, OverflowError, OSError):
        return None
    if abs(difference) <= TOLERANCE:
        return None
    return f"{_span(abs(difference))} {'ahead of' if difference > 0 else 'behind'}"


class ClockWatch:
    """Comparison of the time of day with a clock that cannot be set.

    Args:
        wall: seconds of Unix time.
        monotonic: seconds of the other clock, at the same moment.
    """

    def __init__(self, *, wall: float, monotonic: float) -> None:
        self._offset = wall - monotonic

    def look(self, *, wall: float, monotonic: float) -> str | None:
        """Say how the time of day has jumped since the last look; None if it has not."""
        jump = wall - monotonic - self._offset
        self._offset += jump
        if abs(jump) <= TOLERANCE:
            return None
        return f"{'forward' if jump > 0 else 'back'} by {_span(abs(jump))}"


def _span(seconds: float) -> str:
    size, unit = next((each for each in _UNITS if seconds >= each[0]), _UNITS[-1])
    number = round(seconds / size)
    return f"{number} {unit}{'' if number == 1 else 's'}"
