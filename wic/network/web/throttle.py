"""Against guessing: failures are counted, and each one after the first few costs twice the time of the one before."""

from __future__ import annotations

from collections import OrderedDict, deque
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ThrottleOptions:
    """How much guessing is allowed."""

    free: int = 5
    """Failures that cost nothing."""
    base: float = 1.0
    """Seconds to wait after the next one; then it doubles."""
    longest: float = 900.0
    """Longest wait in seconds."""
    forget: float = 3600.0
    """Seconds without a failure after which all is forgotten."""
    entries: int = 10_000
    """Names that are counted at a time; then the one that failed longest ago is forgotten."""


@dataclass(slots=True)
class _Record:
    failures: int = 0
    blocked_until: float = 0.0
    last: float = 0.0


class Throttle:
    """Counts failures by name: of a user, of an address.

    An attempt counts as a failure until `succeeded` takes it back, so that many attempts at the same
    moment are no way around it.

    Args:
        options: how much is allowed.
    """

    def __init__(self, options: ThrottleOptions | None = None) -> None:
        self._options = options or ThrottleOptions()
        self._records: OrderedDict[str, _Record] = OrderedDict()

    def wait(self, name: str, *, now: float) -> float:
        """Return how many seconds a name has to wait; 0 is not at all."""
        record = self._record(name, now)
        return 0.0 if record is None else max(0.0, record.blocked_until - now)

    def attempt(self, name: str, *, now: float) -> None:
        """Count an attempt, which `wait` has allowed."""
        options = self._options
        record = self._record(name, now) or _Record()
        record.failures += 1
        record.last = now
        over = record.failures - options.free
        if over > 0:
            record.blocked_until = now + min(options.longest, options.base * 2 ** min(over - 1, 32))
        self._records[name] = record
        self._records.move_to_end(name)
        if len(self._records) > options.entries:
            self._records.popitem(last=False)

    def succeeded(self, name: str, *, forgive: bool = False) -> None:
        """Take the last attempt back.

        Args:
            name: whose attempt.
            forgive: whether the failures before it are forgotten too.
        """
        record = self._records.get(name)
        if record is None:
            return
        record.failures -= 1
        record.blocked_until = 0.0
        if forgive or record.failures <= 0:
            del self._records[name]

    def _record(self, name: str, now: float) -> _Record | None:
        record = self._records.get(name)
        if record is None:
            return None
        if now < record.last:  # the clock was set back; nobody is to wait until it is where it was
            record.blocked_until -= record.last - now
            record.last = now
        if now - record.last > self._options.forget and now >= record.blocked_until:
            del self._records[name]
            return None
        return record


class RateLimit:
    """Allows so many events in any window of time, by name.

    Args:
        count: events in a window.
        period: length of the window in seconds.
        entries: names that are counted at a time; then the one seen longest ago is forgotten.
    """

    def __init__(self, count: int, period: float, *, entries: int = 10_000) -> None:
        self._count = count
        self._period = period
        self._entries = entries
        self._seen: OrderedDict[str, deque[float]] = OrderedDict()

    def take(self, name: str, *, now: float) -> float:
        """Count an event and return 0, or return how many seconds there is still to wait."""
        moments = self._seen.setdefault(name, deque())
        self._seen.move_to_end(name)
        while moments and not 0 <= now - moments[0] < self._period:
            moments.popleft()
        if len(moments) >= self._count:
            return moments[0] + self._period - now
        moments.append(now)
        if len(self._seen) > self._entries:
            self._seen.popitem(last=False)
        return 0.0
