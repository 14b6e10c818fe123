"""WAV files in and out: any rate, width and number of channels in, 16-bit mono out."""

from __future__ import annotations

import struct
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

HEADER_OCTETS = 44

MAX_RECORDED_OCTETS = 2**32 - 4096
"""Largest size that the 32-bit fields of a RIFF header can hold."""


def check_wav(path: str | PathLike[str]) -> float:
    """Return the seconds of sound of a file.

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
    """A sink that writes the sound into a WAV file: 16 bit, mono, at the codec's rate.

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
        """Cause of an early end, such as a full disk."""
        try:
            self._file = self.path.open("wb", buffering=0)
        except OSError as error:
            raise ConfigurationError(f"Cannot record to {path}: {error.strerror}.") from error
        self._octets = 0

    def write(self, frame: PcmFrame) -> None:
        """Append a frame; the first one decides the file's rate."""
        if self._file.closed or self.failure is not None or self._octets + len(frame.data) > MAX_RECORDED_OCTETS:
            return
        try:
            if not self.frames:  # a recording without sound stays an empty file
                self._file.write(_header(frame.rate))
            self._file.write(frame.data)
        except OSError as error:
            # A full disk ends the recording, and must not end the call.
            self.failure = error
            return
        self._octets += len(frame.data)
        self.frames += 1

    def close(self) -> None:
        """Complete the header and close the file."""
        if self._file.closed:
            return
        try:
            if self.frames:
                for place, size in ((4, HEADER_OCTETS - 8 + self._octets), (HEADER_OCTETS - 4, self._octets)):
                    self._file.seek(place)
                    self._file.write(struct.pack("<I", size))
        except OSError as error:
            self.failure = self.failure or error
        self._file.close()


def _header(rate: int) -> bytes:
    """Return the header; its two sizes are filled in at the end."""
    chunk = struct.pack("<IHHIIHH", 16, 1, 1, rate, 2 * rate, 2, 16)
    return b"RIFF" + bytes(4) + b"WAVEfmt " + chunk + b"data" + bytes(4)
