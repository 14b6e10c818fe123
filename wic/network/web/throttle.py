"""Limits for guessing and for requests, by user name and by address."""

from __future__ import annotations

import ipaddress
from collections import OrderedDict, deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from wic.option_checks import NumericOptions

if TYPE_CHECKING:
    from aiohttp import web

HOME_PREFIX = 64
"""Prefix length of a customer's IPv6 network: addresses within it count as one."""


def address_of(request: web.Request) -> str:
    """Return the address under which the requests of a sender are counted."""
    return counted_address(request.remote or "")


def counted_address(text: str) -> str:
    """Return an address, or the network that it is counted with.

    >>> counted_address("192.0.2.7")
    '192.0.2.7'
    >>> counted_address("2001:db8::7")
    '2001:db8::/64'
    """
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return text
    if address.version == 4:
        return str(address)
    if address.ipv4_mapped is not None:  # a dual-stack listener shows IPv4 peers so
        return str(address.ipv4_mapped)
    return str(ipaddress.ip_network((address, HOME_PREFIX), strict=False))


@dataclass(frozen=True, slots=True, kw_only=True)
class ThrottleOptions(NumericOptions):
    """Options of a `FailureThrottle`."""

    may_be_zero: ClassVar = ("free", "base", "longest")
    free: int = 5
    """Failures without a wait."""
    base: float = 1.0
    """Seconds to wait after the next failure; each further one doubles them. 0 for no waits."""
    longest: float = 900.0
    """Longest wait in seconds."""
    forget: float = 3600.0
    """Seconds without a failure after which a name starts anew."""
    entries: int = 10_000
    """Names that are counted at a time; then the one that failed longest ago is dropped."""


@dataclass(slots=True)
class _Record:
    failures: int = 0
    blocked_until: float = 0.0
    last: float = 0.0


class FailureThrottle:
    """Counter of failures by name, such as that of a user or an address; each failure after the first few doubles the wait.

    An attempt counts as a failure until `succeeded` takes it back, so that many attempts at the same moment are not a
    way around the limit.

    Args:
        options: the limit.
    """

    def __init__(self, options: ThrottleOptions | None = None) -> None:
        self._options = options or ThrottleOptions()
        self._records: OrderedDict[str, _Record] = OrderedDict()

    def wait(self, name: str, *, now: float) -> float:
        """Return how many seconds a name has to wait; 0 if it may try at once."""
        record = self._record(name, now)
        return 0.0 if record is None else max(0.0, record.blocked_until - now)

    def attempt(self, name: str, *, now: float) -> None:
        """Count an attempt, for which `wait` returned 0."""
        options = self._options
        record = self._record(name, now) or _Record()
        record.failures += 1
        record.last = now
        over = record.failures - options.free
        # The exponent is bounded, so that any number of failures can be counted.
        if over > 0:
            record.blocked_until = now + min(options.longest, options.base * 2 ** min(over - 1, 32))
        self._records[name] = record
        self._records.move_to_end(name)
        if len(self._records) > options.entries:
            self._records.popitem(last=False)

    def succeeded(self, name: str, *, forgive: bool = False) -> None:
        """Take the last attempt of a name back; with `forgive` the failures before it are forgotten too."""
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
        if now < record.last:  # the clock was set back; the wait is not prolonged by that
            record.blocked_until -= record.last - now
            record.last = now
        if now - record.last > self._options.forget and now >= record.blocked_until:
            del self._records[name]
            return None
        return record


class RateLimit:
    """Limit of events by name in any window of time.

    Args:
        count: events in a window.
        period: length of the window in seconds.
        entries: names that are counted at a time; then the one seen longest ago is dropped.
    """

    def __init__(self, count: int, period: float, *, entries: int = 10_000) -> None:
        self._count = count
        self._period = period
        self._entries = entries
        self._seen: OrderedDict[str, deque[float]] = OrderedDict()

    def take(self, name: str, *, now: float) -> float:
        """Count an event and return 0, or return how many seconds there are to wait."""
        moments = self._seen.setdefault(name, deque())
        self._seen.move_to_end(name)
        while moments and not 0 <= now - moments[0] < self._period:  # a clock set back forgets them
            moments.popleft()
        if len(moments) >= self._count:
            return moments[0] + self._period - now
        moments.append(now)
        if len(self._seen) > self._entries:
            self._seen.popitem(last=False)
        return 0.0
