"""WAV files in and out: any rate, width and number of channels in, 16-bit mono out."""

from __future__ import annotations

import wave
from pathlib import Path
from typing import TYPE_CHECKING

import av
from av.error import FFmpegError

from wic.errors import ConfigurationError
from wic.media.pcm import samples_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from os import PathLike

    from wic.media.pcm import PcmFrame

__all__ = ["WavRecorder", "check_wav", "read_wav"]

MAX_RECORDED_OCTETS = 2**32 - 4096
"""What the 32-bit sizes of a RIFF header can tell."""


def check_wav(path: str | PathLike[str]) -> float:
    """Say how many seconds of sound the file has.

    Raises:
        ConfigurationError: it cannot be opened, or has no sound in it that can be read.
    """
    try:
        with av.open(str(path), format="wav") as container:
            seconds = float(container.duration or 0) / av.time_base
            found = bool(container.streams.audio)
    except FFmpegError as error:
        raise ConfigurationError(f"Cannot play {path}: {_reason(error)}.") from error
    if not found or seconds <= 0:
        raise ConfigurationError(f"Cannot play {path}: there is no sound in it.")
    return seconds


def read_wav(path: str | PathLike[str], rate: int) -> Iterator[bytes]:
    """Read a file piece by piece as 16-bit mono samples at `rate`.

    Raises:
        ConfigurationError: it cannot be opened or read.
    """
    resampler = av.AudioResampler(format="s16", layout="mono", rate=rate)
    try:
        with av.open(str(path), format="wav") as container:
            for decoded in container.decode(audio=0):
                yield from map(samples_of, resampler.resample(decoded))
            yield from map(samples_of, resampler.resample(None))
    except (FFmpegError, IndexError) as error:
        raise ConfigurationError(f"Cannot play {path}: {_reason(error)}.") from error


def _reason(error: FFmpegError | IndexError) -> str:
    if isinstance(error, FileNotFoundError):
        return "there is no such file"
    if isinstance(error, PermissionError):
        return "it may not be read"
    return "it is not a WAV file"


class WavRecorder:
    """A sink that writes what it hears into a WAV file: 16 bit, mono, at the codec's rate.

    Args:
        path: the file, made anew.

    Raises:
        ConfigurationError: the file cannot be written.
    """

    wants_pcm = True

    def __init__(self, path: str | PathLike[str]) -> None:
        self.path = Path(path)
        self.frames = 0
        """Frames written."""
        self.failure: OSError | None = None
        """What ended the recording early, such as a full disk."""
        try:
            self._file = self.path.open("wb")
        except OSError as error:
            raise ConfigurationError(f"Cannot record to {path}: {error.strerror}.") from error
        self._writer: wave.Wave_write | None = None
        self._octets = 0

    def write(self, frame: PcmFrame) -> None:
        """Append a frame; the first one decides the file's rate."""
        if self._file.closed or self.failure is not None or self._octets + len(frame.data) > MAX_RECORDED_OCTETS:
            return
        try:
            if self._writer is None:
                self._writer = wave.Wave_write(self._file)
                self._writer.setparams((1, 2, frame.rate, 0, "NONE", ""))
            self._writer.writeframesraw(frame.data)
        except OSError as error:
            self.failure = error
            return
        self._octets += len(frame.data)
        self.frames += 1

    def close(self) -> None:
        """Complete the header and close the file."""
        try:
            if self._writer is not None:
                self._writer.close()
            self._file.close()
        except OSError as error:
            self.failure = self.failure or error
