"""How many requests one WIC may send, so that a flood of one does not keep the others waiting."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wic.sip.flow import Flow


class Throttle:
    """Lets each connection have a rate of its own, and a burst beyond it after silence.

    Args:
        rate: requests a second, in the long run.
        burst: requests at once.
    """

    def __init__(self, rate: float, burst: int) -> None:
        self._interval = 1.0 / rate
        self._allowance = burst / rate
        self._due: dict[Flow, float] = {}

    def __len__(self) -> int:
        return len(self._due)

    def admits(self, flow: Flow, *, now: float) -> bool:
        """Count a request, unless it is one too many."""
        due = max(now, self._due.get(flow, now))  # when all that was let through would have come at the rate
        if due + self._interval > now + self._allowance:
            return False
        self._due[flow] = due + self._interval
        return True

    def forget(self, flow: Flow) -> None:
        """Forget a connection that is gone."""
        self._due.pop(flow, None)
