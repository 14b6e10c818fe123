"""Files replaced in one step, and files that the user names.

A path of the user may lead to a pipe or a device as well. No caller waits for the other end of a pipe, for it may be the
event loop: one without a writer is empty, and one whose reader is away or too slow cannot be written.
"""

from __future__ import annotations

import errno
import os
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from io import BufferedReader, FileIO

__all__ = ["open_to_read", "open_to_write", "read_file", "replace_file", "write_all"]


def replace_file(path: Path, data: bytes, *, mode: int = 0o600) -> None:
    """Replace a file in one step: a reader, and a crash, finds the old contents or the new ones.

    Args:
        path: the file.
        data: its new contents.
        mode: its permissions; by default only its owner may read it.

    Raises:
        OSError: it cannot be written.
    """
    # In the same directory, hence on the same file system: rename(2) is one step only there.
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # mode 0600
    draft = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(descriptor, mode)  # before there are contents to read
            file.write(data)
            file.flush()
            os.fsync(descriptor)  # a rename that outlives a power failure must not name an empty file
        draft.replace(path)
    except BaseException:
        with suppress(OSError):  # the first error counts
            draft.unlink()
        raise


def open_to_read(path: Path) -> BufferedReader:
    """Open a file that the user names.

    Raises:
        OSError: it cannot be opened, or is a directory.
    """
    file = open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb")  # noqa: SIM115 - the caller closes it
    os.set_blocking(file.fileno(), True)  # a program that writes to a pipe may take its time
    return file


def read_file(path: Path, *, most: int = 1 << 28) -> bytes:
    """Read a file that the user names.

    Raises:
        OSError: it cannot be read, or has more than `most` octets, as a device without an end has.
    """
    with open_to_read(path) as file:
        data = file.read(most + 1)
    if len(data) > most:
        raise OSError(errno.EFBIG, f"it has more than {most} octets")
    return data


def open_to_write(path: Path, *, replace: bool) -> FileIO:
    """Make a file that the user names, readable by its owner only, or empty it if it may be replaced.

    Raises:
        OSError: it cannot be opened, exists and may not be replaced, or is a pipe without a reader.
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_NONBLOCK | os.O_CLOEXEC | (os.O_TRUNC if replace else os.O_EXCL)
    return open(os.open(path, flags, 0o600), "wb", buffering=0)


def write_all(file: FileIO, data: bytes) -> None:
    """Write all of the data.

    Raises:
        OSError: a part of it, or nothing, could be written.
    """
    if file.write(data) != len(data):
        if not file.seekable():
            raise OSError(errno.EAGAIN, "its reader is too slow")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))  # the last block of a disk took a part
