"""Deadlines of all connections and machines of an event loop, behind one timer of it.

asyncio compares its timers in Python, dozens of times for each one that is set while ten thousand clients have
deadlines; in the queue here the comparisons are those of C.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeAlias
from weakref import WeakKeyDictionary, ref

from wic.sip.timers import ScheduledTimer, TimerQueue

if TYPE_CHECKING:
    from collections.abc import Callable

Alarm: TypeAlias = ScheduledTimer
"""Handle of a deadline; `cancel` takes it back."""


class Alarms:
    """Queue of deadlines with their callbacks; `alarms()` gives that of the running event loop."""

    __slots__ = ("__weakref__", "_handle", "_loop", "_queue")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._queue = TimerQueue()
        self._handle: asyncio.TimerHandle | None = None

    def call_later(self, delay: float, action: Callable[[float], None]) -> Alarm:
        """Call `action` with the loop's time, in `delay` seconds."""
        at = self._loop.time() + delay
        alarm = self._queue.schedule(at, action)
        self._arm(at)
        return alarm

    def _arm(self, at: float) -> None:
        """Set the loop's timer to that time, unless it is set to an earlier one."""
        if self._handle is not None:
            if self._handle.when() <= at:
                return
            self._handle.cancel()
        self._handle = self._loop.call_at(at, self._ring, at)

    def _ring(self, at: float) -> None:
        """Call back what is due at `at`; what is added meanwhile waits for the loop's next turn, as with asyncio."""
        now = max(self._loop.time(), at)  # a loop rings early by the resolution of its clock
        self._handle = None
        try:
            for _ in range(len(self._queue)):
                if not self._queue.fire_next(now):
                    break
        finally:  # an exception is the loop's to report, and delays no other deadline
            due = self._queue.next_timeout()
            if due is not None:
                self._arm(due)


# Connections and drivers hold the alarms, and these hold the loop: this table must hold neither.
_of_loops: WeakKeyDictionary[asyncio.AbstractEventLoop, ref[Alarms]] = WeakKeyDictionary()


def alarms() -> Alarms:
    """Return the alarms of the running event loop."""
    loop = asyncio.get_running_loop()
    known = _of_loops.get(loop)
    found = None if known is None else known()
    if found is None:
        found = Alarms(loop)
        _of_loops[loop] = ref(found)
    return found


class Deadline:
    """Context manager that ends its block by `TimeoutError` in so many seconds, as `asyncio.timeout` does by a timer."""

    __slots__ = ("_alarm", "_cancelling", "_rung", "_seconds", "_task")

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def __enter__(self) -> None:
        task = asyncio.current_task()
        assert task is not None, "only a task can wait"
        self._task, self._cancelling, self._rung = task, task.cancelling(), False
        self._alarm = alarms().call_later(self._seconds, self._ring)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        self._alarm.cancel()
        # A cancellation by the user of the task goes on, also one that comes with the deadline.
        if self._rung and self._task.uncancel() <= self._cancelling and kind is asyncio.CancelledError:
            raise TimeoutError from error

    def _ring(self, _: float) -> None:
        self._rung = True
        self._task.cancel()
