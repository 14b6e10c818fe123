"""Many timers, one deadline: a heap whose cancelled entries go when they surface, or when they are the most."""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_SWEEP_FROM = 64


class ScheduledTimer:
    """One entry of a `TimerQueue`; `cancel()` lets go of what it would have called."""

    __slots__ = ("_action", "_queue", "at")

    def __init__(self, queue: TimerQueue, at: float, action: Callable[[float], None]) -> None:
        self.at = at
        """When it fires, in the clock of `now`."""
        self._queue = queue
        self._action: Callable[[float], None] | None = action

    @property
    def pending(self) -> bool:
        """Tell whether it will still fire."""
        return self._action is not None

    def cancel(self) -> None:
        """Never fire. Harmless when it has fired."""
        if self._action is not None:
            self._action = None
            self._queue.note_cancelled()

    def fire(self, now: float) -> None:
        """Call the action, once."""
        action, self._action = self._action, None
        if action is not None:
            action(now)


class TimerQueue:
    """Timers in the order of their deadlines. Scheduling, cancelling and firing cost O(log n), amortised."""

    __slots__ = ("_cancelled", "_count", "_heap")

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, ScheduledTimer]] = []
        self._count = 0
        self._cancelled = 0

    def __len__(self) -> int:
        return len(self._heap) - self._cancelled

    def schedule(self, at: float, action: Callable[[float], None]) -> ScheduledTimer:
        """Have `action(now)` called by the first `handle_timeout` at or after `at`."""
        timer = ScheduledTimer(self, at, action)
        self._count += 1
        heapq.heappush(self._heap, (at, self._count, timer))
        return timer

    def next_timeout(self) -> float | None:
        """Return when the next timer is due, or None."""
        heap = self._heap
        while heap and not heap[0][2].pending:
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
        if self._cancelled == len(self._heap):  # as that of a client is after each answer
            self._heap.clear()
            self._cancelled = 0
        elif len(self._heap) > _SWEEP_FROM and self._cancelled * 2 > len(self._heap):
            self._heap = [entry for entry in self._heap if entry[2].pending]
            heapq.heapify(self._heap)
            self._cancelled = 0
