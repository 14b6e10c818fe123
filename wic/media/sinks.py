"""Audio sinks: receivers of the sound that a stream decodes."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Protocol, Self

if TYPE_CHECKING:
    from wic.media.pcm import PcmFrame

MAX_UNREAD_FRAMES = 250
"""Frames a `PcmSink` keeps for its reader: five seconds."""


class Sink(Protocol):
    """Receiver of a stream's sound. A stream decodes only if one of its sinks wants PCM."""

    @property
    def wants_pcm(self) -> bool:
        """Whether `write` is to be called."""

    def write(self, frame: PcmFrame) -> None:
        """Take the next 20 ms or so, in order and without holes: what was lost is concealed."""

    def close(self) -> None:
        """The stream has ended."""


class Count:
    """A sink that lets the stream count packets and never touches a codec."""

    wants_pcm = False

    def write(self, frame: PcmFrame) -> None:
        """Take nothing: the stream's report has the numbers."""

    def close(self) -> None:
        """Hold nothing that would have to be freed."""


class PcmSink:
    """A sink to iterate over: `async for frame in sink`. It ends with the stream.

    A reader that falls five seconds behind loses the oldest frames; `dropped` counts them.
    """

    wants_pcm = True

    def __init__(self, max_unread: int = MAX_UNREAD_FRAMES) -> None:
        self.dropped = 0
        """Frames that the reader has lost."""
        self._frames: deque[PcmFrame] = deque(maxlen=max_unread)
        self._changed = asyncio.Event()
        self._closed = False

    def write(self, frame: PcmFrame) -> None:
        """Keep a frame for the reader."""
        if len(self._frames) == self._frames.maxlen:  # the deque lets go of the oldest by itself
            self.dropped += 1
        self._frames.append(frame)
        self._changed.set()

    def close(self) -> None:
        """End the iteration, once what is kept has been read."""
        self._closed = True
        self._changed.set()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> PcmFrame:
        while not self._frames:
            if self._closed:
                raise StopAsyncIteration
            self._changed.clear()
            await self._changed.wait()
        return self._frames.popleft()
