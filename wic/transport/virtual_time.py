"""An event loop whose clock jumps to the next timer: 32 s of Timer B pass in microseconds."""

from __future__ import annotations

import asyncio
import selectors
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from selectors import SelectorKey


class _ImpatientSelector(selectors.DefaultSelector):
    """Looks at the sockets, and skips the time it was asked to wait."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[SelectorKey, int]]:
        if timeout is None:
            # Without a timer, only a socket or another thread can be the next to say something.
            return super().select(None)
        ready = super().select(0)
        if not ready:
            self.now += timeout
        return ready


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """For tests on the in-memory network. With real sockets, time would outrun the kernel.

    The clock begins at 0 and stands still while anything runs, so a test takes the same course each time.
    """

    def __init__(self) -> None:
        self._impatient = _ImpatientSelector()
        super().__init__(self._impatient)

    def time(self) -> float:
        """Return the seconds that passed in this loop's world."""
        return self._impatient.now
