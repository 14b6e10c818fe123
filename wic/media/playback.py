"""Playbacks: sources in the form that a stream asks for its next payload every 20 ms."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Protocol

from wic.media.pcm import Resampler

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from wic.media.codecs import AudioCodec
    from wic.media.pcm import PcmFrame

MAX_QUEUED_SECONDS = 0.5
"""Sound kept ahead of its time by `PcmQueue.put` before it waits."""

MAX_ECHOED = 10
"""Payloads kept to be echoed: 200 ms."""


class Playback(Protocol):
    """One source as one stream plays it."""

    @property
    def heard(self) -> Callable[[bytes], None] | None:
        """Handler of the payloads that the stream receives, or None."""

    def next_payload(self) -> bytes | None:
        """Give the payload for this tick; None = send nothing."""

    def close(self) -> None:
        """The stream plays something else, or has ended."""


class ClipPlayback:
    """Payloads that were encoded before, played once or in a loop."""

    heard = None

    def __init__(self, payloads: tuple[bytes, ...], *, loop: bool) -> None:
        self.payloads = payloads
        """The same tuple for all streams that play it."""
        self._loop = loop
        self._next = 0

    def next_payload(self) -> bytes | None:
        """Give the next one."""
        if self._next == len(self.payloads):
            if not self._loop:
                return None
            self._next = 0
        payload = self.payloads[self._next]
        self._next += 1
        return payload

    def close(self) -> None:
        """Hold nothing that would have to be freed."""


class StreamPlayback:
    """Pieces of PCM at the codec's rate, encoded while they are played."""

    heard = None

    def __init__(self, codec: AudioCodec, pieces: Callable[[], Iterator[bytes]], *, loop: bool) -> None:
        self._encoder = codec.encoder()
        self._frame_octets = codec.frame_octets
        self._open = pieces
        self._pieces = pieces()
        self._loop = loop
        self._samples = bytearray()

    def next_payload(self) -> bytes | None:
        """Encode the next frame; the last one is filled up with silence."""
        restarted = False
        while len(self._samples) < self._frame_octets:
            piece = next(self._pieces, None)
            if piece is not None:
                self._samples += piece
            elif self._loop and not restarted:  # once a tick: a file without sound would be opened for ever
                self._pieces = self._open()
                restarted = True
            else:
                break
        if not self._samples:
            return None
        frame = bytes(self._samples[: self._frame_octets])
        del self._samples[: self._frame_octets]
        return self._encoder.encode(frame.ljust(self._frame_octets, b"\x00"))

    def close(self) -> None:
        """Close the file behind it."""
        self._pieces = iter(())
        self._loop = False


class PcmQueue:
    """Queue of frames from a program to a stream, at most half a second ahead."""

    def __init__(self) -> None:
        self._frames: deque[PcmFrame] = deque()
        self._seconds = 0.0
        self._taken = asyncio.Event()

    async def put(self, frame: PcmFrame) -> None:
        """Add a frame; waits while half a second is queued."""
        while self._seconds >= MAX_QUEUED_SECONDS:
            self._taken.clear()
            await self._taken.wait()
        self._frames.append(frame)
        self._seconds += frame.seconds

    def get(self) -> PcmFrame | None:
        """Take the oldest frame, if there is one."""
        if not self._frames:
            return None
        frame = self._frames.popleft()
        # Set to zero with the last frame, or the rounding of many sums would add up.
        self._seconds = self._seconds - frame.seconds if self._frames else 0.0
        self._taken.set()
        return frame


class LivePlayback:
    """Frames of a program, encoded while they are played; silence in between."""

    heard = None

    def __init__(self, codec: AudioCodec, queue: PcmQueue, on_closed: Callable[[], None] | None = None) -> None:
        self._codec = codec
        self._encoder = codec.encoder()
        self._queue = queue
        self._samples = bytearray()
        self._resampler: Resampler | None = None
        self._rate = 0
        self._on_closed = on_closed

    def next_payload(self) -> bytes | None:
        """Encode 20 ms of it, filled up with silence where nothing was said in time."""
        wanted = self._codec.frame_octets
        while len(self._samples) < wanted:
            frame = self._queue.get()
            if frame is None:
                break
            self._samples += self._convert(frame)
        samples = bytes(self._samples[:wanted])
        del self._samples[:wanted]
        return self._encoder.encode(samples.ljust(wanted, b"\x00"))

    def close(self) -> None:
        """Tell the source that it is not played any more."""
        if self._on_closed is not None:
            self._on_closed()

    def _convert(self, frame: PcmFrame) -> bytes:
        if self._resampler is None or self._rate != frame.rate:  # a program may change its rate as it goes
            self._rate = frame.rate
            self._resampler = Resampler(frame.rate, self._codec.rate)
        return self._resampler.convert(frame.data)


class EchoPlayback:
    """Received payloads, sent back one a tick, so that two echoes at both ends cannot multiply packets."""

    def __init__(self) -> None:
        self._payloads: deque[bytes] = deque(maxlen=MAX_ECHOED)
        self.heard: Callable[[bytes], None] | None = self._payloads.append
        self._playing = False

    def next_payload(self) -> bytes | None:
        """Give the oldest one; begins when two are there, so that a late one makes no hole."""
        if not self._playing and len(self._payloads) < 2:
            return None
        self._playing = bool(self._payloads)
        return self._payloads.popleft() if self._payloads else None

    def close(self) -> None:
        """Forget what was not sent."""
        self._payloads.clear()
