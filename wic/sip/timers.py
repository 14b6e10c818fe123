"""Durations of the SIP timers (RFC 3261 table 4, RFC 6026), and the queue in which timers wait for their deadlines.

`Timers` says how long each timer runs, as a value that is handed in: a UE and a core element differ only in it.
`TimerQueue` holds any number of timers behind one deadline, so that a shell arms one timer of the event loop for
all of them. Cancelled timers stay in its heap until they surface or until they are the majority, which makes
cancelling cheap; most SIP timers are cancelled long before they are due.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar, Final

from wic.option_checks import NumericOptions
from wic.sip.state_table import MachineEnum

if TYPE_CHECKING:
    from collections.abc import Callable


class Timer(MachineEnum):
    """Timer of a transaction, named as in RFC 3261."""

    A = "Timer A"
    """INVITE request retransmission, on unreliable transports."""
    B = "Timer B"
    """INVITE transaction timeout."""
    C = "Timer C"
    """Wait of a proxy for a final response after a provisional one (RFC 3261 §16.6 step 11)."""
    D = "Timer D"
    """Wait for retransmissions of a final response to INVITE."""
    E = "Timer E"
    """Non-INVITE request retransmission, on unreliable transports."""
    F = "Timer F"
    """Non-INVITE transaction timeout."""
    G = "Timer G"
    """INVITE response retransmission, on unreliable transports."""
    H = "Timer H"
    """Wait for the ACK of a non-2xx response."""
    I = "Timer I"
    """Wait for retransmissions of an ACK."""
    J = "Timer J"
    """Wait for retransmissions of a non-INVITE request."""
    K = "Timer K"
    """Wait for retransmissions of a response to a non-INVITE request."""
    L = "Timer L"
    """Wait for retransmissions of an accepted INVITE (RFC 6026 §8.7)."""
    M = "Timer M"
    """Wait for retransmitted or further 2xx of an accepted INVITE (RFC 6026 §8.4)."""
    TRYING = "100 due"
    """Wait of a server transaction for an answer of its user, before it sends 100 (RFC 3261 §17.2.1)."""
    CANCELLED = "CANCEL unheeded"
    """Wait for the final response of a cancelled INVITE (RFC 3261 §9.1)."""


RETRANSMISSION: Final = frozenset({Timer.A, Timer.E, Timer.G})
"""Timers that pace retransmissions, which reliable transports do without."""
_ABSORPTION: Final = frozenset({Timer.D, Timer.I, Timer.J, Timer.K})


@dataclass(frozen=True, kw_only=True)
class Timers(NumericOptions):
    """T1, T2 and T4 in seconds, and everything that follows from them.

    >>> RFC3261.duration(Timer.B, reliable=False)
    32.0
    >>> [RFC3261.interval(Timer.E, attempt=n) for n in range(5)]
    [0.5, 1.0, 2.0, 4.0, 4.0]
    """

    may_be_zero: ClassVar = ("trying",)
    t1: float = 0.5
    """The round trip time estimate."""
    t2: float = 4.0
    """The longest interval between retransmissions of non-INVITE requests and INVITE responses."""
    t4: float = 5.0
    """The longest time a message stays in the network."""
    timer_c: float = 181.0
    """Has to be more than three minutes (RFC 3261 §16.6 step 11)."""
    trying: float = 0.2
    """Delay after which an INVITE server transaction sends 100 by itself (RFC 3261 §17.2.1)."""

    @cached_property
    def timeout(self) -> float:
        """64*T1: Timers B, D, F, H, J, L and M."""
        return 64 * self.t1

    def duration(self, timer: Timer, *, reliable: bool) -> float:
        """Return how long a timer runs that runs once; 0 where a reliable transport needs no such wait."""
        if timer in _ABSORPTION and reliable:  # §17.1.1.2, §17.1.2.2, §17.2.1, §17.2.2
            return 0.0
        match timer:
            case Timer.C:
                return self.timer_c  # §16.8
            case Timer.TRYING:
                return self.trying  # §17.2.1
            case Timer.I | Timer.K:
                return self.t4  # §17.1.2.2, §17.2.1
            case _:
                return self.timeout

    def interval(self, timer: Timer, *, attempt: int) -> float:
        """Return the wait before retransmission number `attempt` (from 0), for Timers A, E and G.

        It doubles each time; Timers E and G stop growing at T2 (RFC 3261 §17.1.2.2, §17.2.1).
        """
        grown = self.t1 * 2.0 ** min(attempt, 16)
        return grown if timer is Timer.A else min(grown, self.t2)


RFC3261 = Timers()
"""The values of RFC 3261, for the core network."""

TS24229_UE = Timers(t1=2.0, t2=16.0, t4=17.0)
"""The values of TS 24.229 table 7.7.1 for a UE and for its P-CSCF towards it."""


_SWEEP_FROM: Final = 64
"""Entries of a heap below which cancelled ones are left to surface."""


@dataclass(slots=True, eq=False, repr=False)
class ScheduledTimer:
    """Entry of a `TimerQueue`; `cancel()` releases the action with all that it refers to."""

    queue: TimerQueue
    at: float
    """Time at which it fires, in the clock of `now`."""
    action: Callable[[float], None] | None
    """Called with the time; None once it has fired or was cancelled."""

    @property
    def pending(self) -> bool:
        """Tell whether it will still fire."""
        return self.action is not None

    def cancel(self) -> None:
        """Never fire. Harmless when it has fired."""
        if self.action is not None:
            self.action = None
            self.queue.note_cancelled()

    def fire(self, now: float) -> None:
        """Call the action, once."""
        action, self.action = self.action, None
        if action is not None:
            action(now)


@dataclass(slots=True, eq=False, repr=False)
class TimerQueue:
    """Timers in the order of their deadlines. Scheduling, cancelling and firing cost O(log n), amortised."""

    _heap: list[tuple[float, int, ScheduledTimer]] = field(default_factory=list)
    _count: int = 0
    _cancelled: int = 0

    def __len__(self) -> int:
        return len(self._heap) - self._cancelled

    @property
    def entries(self) -> int:
        """Entries in memory, cancelled ones included."""
        return len(self._heap)

    def schedule(self, at: float, action: Callable[[float], None]) -> ScheduledTimer:
        """Have `action(now)` called by the first `handle_timeout` at or after `at`."""
        timer = ScheduledTimer(self, at, action)
        self._count += 1  # breaks ties, so that timers of one deadline fire in the order of their scheduling
        heapq.heappush(self._heap, (at, self._count, timer))
        return timer

    def next_timeout(self) -> float | None:
        """Return when the next timer is due, or None."""
        heap = self._heap
        while heap and heap[0][2].action is None:
            heapq.heappop(heap)
            self._cancelled -= 1
        return heap[0][0] if heap else None

    def handle_timeout(self, now: float) -> None:
        """Fire everything that is due, earliest first."""
        while self.fire_next(now):
            continue

    def fire_next(self, now: float) -> bool:
        """Fire the first timer that is due; return whether there was one."""
        due = self.next_timeout()
        if due is None or due > now:
            return False
        heapq.heappop(self._heap)[2].fire(now)
        return True

    def note_cancelled(self) -> None:
        """Count an entry that will not fire; sweep the heap when most of it is such entries."""
        self._cancelled += 1
        if self._cancelled == len(self._heap):  # as in a client after each answer
            self._heap.clear()
            self._cancelled = 0
        elif len(self._heap) > _SWEEP_FROM and self._cancelled * 2 > len(self._heap):
            self._heap = [entry for entry in self._heap if entry[2].action is not None]
            heapq.heapify(self._heap)
            self._cancelled = 0
