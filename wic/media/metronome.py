"""Clock of all streams of an event loop: it calls each when its next packet is due."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, ClassVar

from wic.media.pcm import FRAME_MS

if TYPE_CHECKING:
    from collections.abc import Callable

PERIOD = FRAME_MS / 1000.0

MAX_CATCH_UP = 5
"""Ticks that are made up for at once after the loop was busy; the rest is left out, like silence."""


class Metronome:
    """A beat every 20 ms without drift, in one timer for all streams of a loop.

    Ticks are numbered by the clock: after a pause that was too long to catch up with, the numbers
    go on where the clock is, so that RTP timestamps taken from them stay true.
    """

    _of_loop: ClassVar[dict[asyncio.AbstractEventLoop, Metronome]] = {}

    def __init__(self) -> None:
        self._beats: dict[Callable[[int], None], None] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._start = 0.0
        self._next = 0
        self.left_out = 0
        """Ticks that were too late to be made up for."""

    @classmethod
    def running(cls) -> Metronome:
        """Return the metronome of the running loop."""
        loop = asyncio.get_running_loop()
        found = cls._of_loop.get(loop)
        if found is None:
            for closed in [known for known in cls._of_loop if known.is_closed()]:  # programs that run many loops
                del cls._of_loop[closed]
            found = cls._of_loop[loop] = cls()
        return found

    def __len__(self) -> int:
        """Number of listeners."""
        return len(self._beats)

    def add(self, beat: Callable[[int], None]) -> None:
        """Call `beat` with the number of each tick from now on, and with that of the last one at once.

        A call then has its first packet up to 20 ms sooner, and the packet its place in the row: to the
        peer it looks a little late, which a jitter buffer takes up, as the other packets come early then.
        """
        self._beats[beat] = None
        if self._timer is None:
            loop = asyncio.get_running_loop()
            self._start = loop.time()
            self._next = 0
            self._timer = loop.call_at(self._start, self._due)
        elif self._next:
            beat(self._next - 1)

    def remove(self, beat: Callable[[int], None]) -> None:
        """Stop calling `beat`; without listeners the timer stops too."""
        self._beats.pop(beat, None)
        if not self._beats and self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _due(self) -> None:
        loop = asyncio.get_running_loop()
        now = int((loop.time() - self._start) / PERIOD + 0.001)  # asyncio may call a timer a little early
        # Streams that were due while the loop was busy send at once, so that the peer's buffer does not run empty; after a
        # longer pause it has run empty, and a burst would only make it grow.
        if now - self._next >= MAX_CATCH_UP:
            self.left_out += now + 1 - MAX_CATCH_UP - self._next
            self._next = now + 1 - MAX_CATCH_UP
        first, self._next = self._next, now + 1
        self._timer = loop.call_at(self._start + self._next * PERIOD, self._due)
        for number in range(first, now + 1):
            for beat in list(self._beats):  # a beat may remove itself, or another one
                beat(number)
