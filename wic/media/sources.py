"""Audio sources: the sound that a stream sends."""

from __future__ import annotations

import asyncio
import math
from array import array
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from wic.errors import ConfigurationError
from wic.media.pcm import FRAME_MS
from wic.media.playback import ClipPlayback, EchoPlayback, LivePlayback, PcmQueue, Playback, StreamPlayback
from wic.media.wav import check_wav, read_wav

if TYPE_CHECKING:
    from collections.abc import AsyncIterable
    from os import PathLike

    from wic.media.codecs import AudioCodec
    from wic.media.pcm import PcmFrame

FULL_SCALE = 32767.0

CLIP_FRAMES = 50
"""Frames in the loop of a tone: a second, with every whole number of Hz in step at its end."""

MAX_CLIP_SECONDS = 60.0
"""Longer files are encoded as they play, not beforehand."""


class Source(Protocol):
    """Sound to play; one source may be played by many streams at once, but for `PcmSource`."""

    def play(self, codec: AudioCodec) -> Playback:
        """Begin to play it in the codec of a stream."""


class Tone:
    """A sine.

    Args:
        hz: frequency, rounded to whole hertz.
        level: peak in dB below full scale (dBFS), so 0 or negative.

    Raises:
        ConfigurationError: a frequency below 1 or above 3,800 Hz, which a telephone codec
            cannot carry, or a level above 0.
    """

    def __init__(self, hz: float, level: float = -12.0) -> None:
        if not 1 <= hz <= 3800:
            raise ConfigurationError(f"A tone of {hz:g} Hz: choose 1 to 3800 Hz.")
        if level > 0:
            raise ConfigurationError(f"A tone of {level:g} dBFS: choose a level of 0 dB or below.")
        self.hz = round(hz)
        self.level = level

    def play(self, codec: AudioCodec) -> Playback:
        """Play a loop that is encoded once per process."""
        return ClipPlayback(_tone_clip(codec, self.hz, self.level), loop=True)


class Silence:
    """Silence, in packets."""

    def play(self, codec: AudioCodec) -> Playback:
        """Play a loop that is encoded once per process."""
        return ClipPlayback(_tone_clip(codec, 0, -math.inf), loop=True)


class WavFile:
    """A WAV file of any rate, width and number of channels.

    Args:
        path: the file.
        loop: play it again and again.

    Raises:
        ConfigurationError: it cannot be opened, or has no sound in it that can be read.
    """

    def __init__(self, path: str | PathLike[str], *, loop: bool = True) -> None:
        self.path = Path(path)
        self.seconds = check_wav(path)
        self._loop = loop

    def play(self, codec: AudioCodec) -> Playback:
        """Play it; a short file in a codec without state is encoded once per process."""
        if codec.stateless and self.seconds <= MAX_CLIP_SECONDS:
            status = self.path.stat()  # a file that has changed is another clip
            return ClipPlayback(_wav_clip(codec, self.path, status.st_mtime_ns, status.st_size), loop=self._loop)
        return StreamPlayback(codec, lambda: read_wav(self.path, codec.rate), loop=self._loop)


class PcmSource:
    """Sound of a program: frames by `say`, or those of an asynchronous iterator.

    It belongs to one stream at a time; the iterator is left when that stream plays something else.
    """

    def __init__(self, frames: AsyncIterable[PcmFrame] | None = None) -> None:
        self._frames = frames
        self._queue = PcmQueue()
        self._reading: asyncio.Task[None] | None = None
        self._played = 0

    async def say(self, frame: PcmFrame) -> None:
        """Say the next piece, of any length and rate; waits while half a second is queued."""
        await self._queue.put(frame)

    def play(self, codec: AudioCodec) -> Playback:
        """Play what is said from now on."""
        if self._frames is not None and self._reading is None:
            self._reading = asyncio.create_task(self._read(self._frames))
        self._played += 1
        return LivePlayback(codec, self._queue, self._left)

    async def _read(self, frames: AsyncIterable[PcmFrame]) -> None:
        async for frame in frames:
            await self._queue.put(frame)

    def _left(self) -> None:
        # A stream that changes its codec plays the source anew before it leaves it.
        self._played -= 1
        if not self._played and self._reading is not None:
            self._reading.cancel()


class Echo:
    """Echo of the received payloads, without decoding them."""

    def play(self, codec: AudioCodec) -> Playback:
        """Begin with what comes next."""
        return EchoPlayback()


@lru_cache(maxsize=64)
def _tone_clip(codec: AudioCodec, hz: int, level: float) -> tuple[bytes, ...]:
    amplitude = FULL_SCALE * 10.0 ** (level / 20.0)
    samples = codec.rate * FRAME_MS * CLIP_FRAMES // 1000
    step = 2.0 * math.pi * hz / codec.rate
    pcm = array("h", (round(amplitude * math.sin(step * n)) for n in range(samples))).tobytes()
    # Twice, and the second one kept: a codec with state has settled by then, and the loop closes.
    return _encode(codec, pcm + pcm)[CLIP_FRAMES:]


@lru_cache(maxsize=16)
def _wav_clip(codec: AudioCodec, path: Path, _changed: int, _size: int) -> tuple[bytes, ...]:
    return _encode(codec, b"".join(read_wav(path, codec.rate)))


def _encode(codec: AudioCodec, pcm: bytes) -> tuple[bytes, ...]:
    encoder = codec.encoder()
    octets = codec.frame_octets
    frames = (pcm[start : start + octets] for start in range(0, len(pcm), octets))
    return tuple(encoder.encode(frame.ljust(octets, b"\x00")) for frame in frames)
