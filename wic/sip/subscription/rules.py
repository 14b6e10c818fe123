"""What both sides of a subscription read out of answers and reasons (RFC 6665 §4.1, §4.2; RFC 5057 §5.1)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from wic.sip.errors import MalformedHeader
from wic.sip.headers.retry_after import RetryAfter

if TYPE_CHECKING:
    from wic.sip.headers.subscription_state import SubscriptionState
    from wic.sip.message import Response

ENDS_USAGE: Final = frozenset({404, 405, 410, 416, 480, 481, 482, 483, 484, 485, 489, 501, 604})
"""Answers that end a subscription on either side (RFC 6665 §4.1.2.2, §4.2.2)."""
MAY_PASS: Final = frozenset({408, 480, 500, 503, 504})
"""Answers to a SUBSCRIBE that time may change."""
PAUSE: Final = 30.0
"""Seconds before an attempt that nobody said when to make."""
LONGEST_PAUSE: Final = 1800.0
"""Seconds, whatever was asked for: the longest wait of a registration as well (RFC 5626 §4.5)."""

_EARLY: Final = 600
_LONG: Final = 1200
_AT_ONCE: Final = frozenset({"deactivated", "timeout"})
_NEVER: Final = frozenset({"rejected", "noresource", "invariant"})


def refresh_after(expires: float) -> float:
    """Return the seconds from a grant to the next SUBSCRIBE (TS 24.229 §5.1.1.3)."""
    return expires - _EARLY if expires > _LONG else expires / 2


def retry_after(response: Response) -> float | None:
    """Return the seconds that a failure asks to wait for, up to a limit; one that cannot be read asks for nothing."""
    text = response.headers.get("Retry-After")
    try:
        return None if text is None else min(float(RetryAfter.parse(text).seconds), LONGEST_PAUSE)
    except MalformedHeader:
        return None


def retry_after_end(state: SubscriptionState) -> float | None:
    """Return the seconds after which to subscribe anew; None for never (RFC 6665 §4.1.3).

    Raises:
        MalformedHeader: `retry-after` is no number.
    """
    if state.reason in _NEVER:
        return None
    if state.reason in _AT_ONCE:
        return 0.0
    # probation, giveup, and what nobody knows: as told, or after a while.
    return PAUSE if state.retry_after is None else min(float(state.retry_after), LONGEST_PAUSE)


def pause(failures: int) -> float:
    """Return the least wait after so many failures in a row: none after the first, then twice as long each time."""
    return 0.0 if failures <= 1 else float(min(PAUSE * 2 ** min(failures - 2, 16), LONGEST_PAUSE))
