"""Rules that both sides of a subscription share: refreshes, ends, new attempts (RFC 6665 §4.1, §4.2; RFC 5057 §5.1)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from wic.sip.headers.values import LONGEST_RETRY_DELAY

if TYPE_CHECKING:
    from wic.sip.headers.values import SubscriptionState

ENDS_USAGE: Final = frozenset({404, 405, 410, 416, 480, 481, 482, 483, 484, 485, 489, 501, 604})
"""Answers that end a subscription on either side (RFC 6665 §4.1.2.2, §4.2.2)."""
MAY_PASS: Final = frozenset({408, 480, 500, 503, 504})
"""Answers to a SUBSCRIBE that time may change."""
PAUSE: Final = 30.0
"""Seconds before a new attempt for which the notifier named no time."""

_EARLY: Final = 600
_LONG: Final = 1200
_AT_ONCE: Final = frozenset({"deactivated", "timeout"})
_NEVER: Final = frozenset({"rejected", "noresource", "invariant"})


def refresh_after(expires: float) -> float:
    """Return the seconds from a grant to the next SUBSCRIBE (TS 24.229 §5.1.1.3)."""
    return expires - _EARLY if expires > _LONG else expires / 2


def retry_after_end(state: SubscriptionState) -> float | None:
    """Return the seconds after which to subscribe anew; None for never (RFC 6665 §4.1.3).

    Raises:
        MalformedHeader: `retry-after` is no number.
    """
    if state.reason in _NEVER:
        return None
    if state.reason in _AT_ONCE:
        return 0.0
    # probation, giveup, and unknown reasons: as told, or after a while (RFC 6665 §4.1.3).
    return PAUSE if state.retry_after is None else min(float(state.retry_after), LONGEST_RETRY_DELAY)


def pause(failures: int) -> float:
    """Return the least wait after so many failures in a row: none after the first, then twice as long each time."""
    return 0.0 if failures <= 1 else float(min(PAUSE * 2 ** min(failures - 2, 16), LONGEST_RETRY_DELAY))
