"""WAV files in and out: any rate, width and number of channels in, 16-bit mono out."""

from __future__ import annotations

import errno
import os
import stat
import struct
from pathlib import Path
from typing import TYPE_CHECKING

import av
from av.error import FFmpegError

from wic.errors import ConfigurationError
from wic.files import open_to_write, write_all
from wic.media.pcm import samples_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from io import FileIO
    from os import PathLike

    from av.container import InputContainer

    from wic.media.pcm import PcmFrame

HEADER_OCTETS = 44

MAX_RECORDED_OCTETS = 2**32 - 4096
"""Largest size that the 32-bit fields of a RIFF header can hold."""


_UNKNOWN_SIZE = 0x7FFF_0000
"""Sizes of a data chunk from here on, and 0, are those of programs that write to a pipe and cannot come back."""


def check_wav(path: str | PathLike[str]) -> float:
    """Return the seconds of sound of a file.

    Raises:
        ConfigurationError: it cannot be opened, is cut off, or has no sound in it that can be read.
    """
    try:
        with _open(path) as container:
            seconds = float(container.duration or 0) / av.time_base
            found = bool(container.streams.audio)
    except FFmpegError as error:
        raise ConfigurationError(f"Cannot play {path}: {_reason(error)}.") from error
    if not found or seconds <= 0:
        raise ConfigurationError(f"Cannot play {path}: there is no sound in it.")
    announced, there = _data_octets(Path(path))
    if there < announced < _UNKNOWN_SIZE:
        raise ConfigurationError(
            f"Cannot play {path}: it is cut off; its header announces {announced} octets of sound, and {there} are there."
        )
    return seconds


def _open(path: str | PathLike[str]) -> InputContainer:
    """Open a file; FFmpeg would wait for the writer of a pipe."""
    if os.path.exists(path) and not os.path.isfile(path):
        raise ConfigurationError(f"Cannot play {path}: it is not a file.")
    return av.open(str(path), format="wav")


def _data_octets(path: Path) -> tuple[int, int]:
    """Return how many octets of sound the header announces, and how many follow it; zeros if the file has no chunk of sound."""
    with path.open("rb") as file:
        length = file.seek(0, os.SEEK_END)
        file.seek(12)  # "RIFF", a size that nothing depends on, "WAVE"
        while len(head := file.read(8)) == 8:
            kind, size = struct.unpack("<4sI", head)
            if kind == b"data":
                return size, length - file.tell()
            file.seek(size + size % 2, os.SEEK_CUR)  # chunks begin at even places
    return 0, 0


def read_wav(path: str | PathLike[str], rate: int) -> Iterator[bytes]:
    """Read a file piece by piece as 16-bit mono samples at `rate`.

    Raises:
        ConfigurationError: it cannot be opened or read.
    """
    resampler = av.AudioResampler(format="s16", layout="mono", rate=rate)
    try:
        with _open(path) as container:
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
    """A sink that writes the sound into a WAV file: 16 bit, mono, at the codec's rate, readable by its owner only.

    The file is made, or emptied, with the first frame: one that is to be replaced stays as it is until there is
    something to replace it with.

    Args:
        path: the file.
        overwrite: replace a file that exists; otherwise it is refused.

    Raises:
        ConfigurationError: the file exists and is not to be replaced, or cannot be written.
    """

    wants_pcm = True

    def __init__(self, path: str | PathLike[str], *, overwrite: bool = True) -> None:
        self.path = Path(path)
        self.frames = 0
        """Frames written."""
        self.failure: OSError | None = None
        """Cause of an early end, such as a full disk."""
        self._file: FileIO | None = None
        self._closed = False
        self._octets = 0
        # A device or a pipe holds nothing that could be lost.
        self._replaces = overwrite or (os.path.exists(self.path) and not os.path.isfile(self.path))
        if not self._replaces and os.path.lexists(self.path):
            raise ConfigurationError(f"Cannot record to {path}: {os.strerror(errno.EEXIST)}.")
        if (reason := _obstacle(self.path)) is not None:
            raise ConfigurationError(f"Cannot record to {path}: {os.strerror(reason)}.")

    def write(self, frame: PcmFrame) -> None:
        """Append a frame; the first one decides the file's rate."""
        if self._closed or self.failure is not None or self._octets + len(frame.data) > MAX_RECORDED_OCTETS:
            return
        try:
            if self._file is None:
                # Exclusive unless it may be replaced: the file may have come into being since the call began.
                self._file = open_to_write(self.path, replace=self._replaces)
                write_all(self._file, _header(frame.rate))
            write_all(self._file, frame.data)
        except OSError as error:
            # A full disk ends the recording, and must not end the call.
            self.failure = error
            return
        self._octets += len(frame.data)
        self.frames += 1

    def close(self) -> None:
        """Complete the header and close the file."""
        self._closed = True
        if self._file is None or self._file.closed:
            return
        try:
            if self.frames and self._file.seekable():  # a pipe keeps the header with which it began
                for place, size in ((4, HEADER_OCTETS - 8 + self._octets), (HEADER_OCTETS - 4, self._octets)):
                    self._file.seek(place)
                    self._file.write(struct.pack("<I", size))
        except OSError as error:
            self.failure = self.failure or error
        self._file.close()


def _obstacle(path: Path) -> int | None:
    """Return the error number that writing a file would meet, as far as that can be told without touching it."""
    try:
        if stat.S_ISDIR(path.stat().st_mode):
            return errno.EISDIR
        return None if os.access(path, os.W_OK) else errno.EACCES
    except FileNotFoundError:
        if not path.parent.is_dir():
            return errno.ENOENT
        return None if os.access(path.parent, os.W_OK | os.X_OK) else errno.EACCES
    except OSError as error:  # of the way to it, or of its name
        return error.errno


def _header(rate: int) -> bytes:
    """Return the header; its two sizes are filled in at the end."""
    chunk = struct.pack("<IHHIIHH", 16, 1, 1, rate, 2 * rate, 2, 16)
    return b"RIFF" + bytes(4) + b"WAVEfmt " + chunk + b"data" + bytes(4)
