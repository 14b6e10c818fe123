"""PCM audio: frames of sources and sinks, and changes of their sampling rate."""

from __future__ import annotations

from dataclasses import dataclass, field

from av import AudioFrame, AudioResampler

FRAME_MS = 20
"""Milliseconds of audio in one packet that wic sends."""


@dataclass(frozen=True, slots=True)
class PcmFrame:
    """A piece of sound: signed 16-bit little-endian samples, one channel."""

    data: bytes = field(repr=False)
    rate: int
    """Samples per second."""

    @property
    def seconds(self) -> float:
        """Its length in seconds.

        >>> PcmFrame(bytes(320), 8000).seconds
        0.02
        """
        return len(self.data) / (2 * self.rate)


class Resampler:
    """Converter of the sampling rate of one stream, without a seam between its frames."""

    def __init__(self, source_rate: int, target_rate: int) -> None:
        self._same = source_rate == target_rate
        self._source_rate = source_rate
        self._resampler = AudioResampler(format="s16", layout="mono", rate=target_rate)

    def convert(self, data: bytes) -> bytes:
        """Convert samples; a few of them stay inside until the next call."""
        if self._same or len(data) < 2:
            return data
        return b"".join(map(samples_of, self._resampler.resample(frame_of(data, self._source_rate))))

    def flush(self) -> bytes:
        """Give out what stayed inside, at the end of the stream."""
        return b"" if self._same else b"".join(map(samples_of, self._resampler.resample(None)))


def frame_of(data: bytes, rate: int) -> AudioFrame:
    """Wrap samples for PyAV."""
    frame = AudioFrame(format="s16", layout="mono", samples=len(data) // 2)
    frame.planes[0].update(data[: len(data) & ~1].ljust(frame.planes[0].buffer_size, b"\x00"))
    frame.sample_rate = rate
    return frame


def samples_of(frame: AudioFrame) -> bytes:
    """Take the samples of a mono frame out of PyAV's padded buffer."""
    return bytes(frame.planes[0])[: 2 * frame.samples]
