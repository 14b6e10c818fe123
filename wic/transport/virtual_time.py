"""Event loop whose clock jumps to the next timer: 32 s of Timer B pass in microseconds."""

from __future__ import annotations

import asyncio
import selectors
from typing import TYPE_CHECKING, TypeVar, TypeVarTuple, Unpack

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Executor
    from selectors import SelectorKey

_T = TypeVar("_T")
_Ts = TypeVarTuple("_Ts")


class _ImpatientSelector(selectors.DefaultSelector):
    """Selector that looks at the sockets, and skips the time it was asked to wait."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.threads = 0

    def select(self, timeout: float | None = None) -> list[tuple[SelectorKey, int]]:
        if timeout is None or self.threads:
            # Only a socket or a thread can be ready next.
            return super().select(None if timeout else timeout)
        ready = super().select(0)
        if not ready:
            self.now += timeout
        return ready


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """Event loop for tests on the in-memory network. With real sockets, time would outrun the kernel.

    The clock begins at 0 and stands still while anything runs, a thread of the loop's executor too, so
    a test takes the same course each time.
    """

    def __init__(self) -> None:
        self._impatient = _ImpatientSelector()
        super().__init__(self._impatient)

    def time(self) -> float:
        """Return the seconds that passed in this loop's world."""
        return self._impatient.now

    def run_in_executor(
        self, executor: Executor | None, func: Callable[[Unpack[_Ts]], _T], *args: *_Ts
    ) -> asyncio.Future[_T]:
        """Run `func` in a thread; the clock stands still until it is done."""
        future = super().run_in_executor(executor, func, *args)
        self._impatient.threads += 1
        future.add_done_callback(self._thread_done)
        return future

    async def shutdown_default_executor(self, timeout: float | None = None) -> None:
        """Wait for every thread, however long it takes by another clock than this loop's."""
        await super().shutdown_default_executor()

    def _thread_done(self, _: asyncio.Future[_T]) -> None:
        self._impatient.threads -= 1
