"""Files replaced in one step, and files that the user names.

A path of the user may lead to a pipe or a device as well. No caller waits for the other end of a pipe, for it may be the
event loop: one without a writer is empty, and one whose reader is away or too slow cannot be written.
"""

from __future__ import annotations

import errno
import fcntl
import os
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from io import BufferedReader, FileIO
    from pathlib import Path

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
    # In the same directory, hence on the same file system: rename(2) is one step only there. There is one name for all
    # drafts of a user, so that the next one takes the place of what a process that was killed has left. What another user
    # has left, as after sudo, may be closed to this one, or stay open to the other.
    draft = path.with_name(f".{path.name}.{os.geteuid()}.draft")
    with os.fdopen(_lock(draft), "wb") as file:
        try:
            file.truncate()
            os.fchmod(file.fileno(), mode)  # before there are contents to read
            file.write(data)
            file.flush()
            os.fsync(file.fileno())  # a rename that outlives a power failure must not name an empty file
            draft.replace(path)
        except BaseException:
            with suppress(OSError):  # the first error counts
                draft.unlink()
            raise


def _lock(draft: Path) -> int:
    """Open a draft once no other writer has it."""
    while True:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            with suppress(OSError):  # some network file systems have no locks
                fcntl.flock(descriptor, fcntl.LOCK_EX)
            with suppress(FileNotFoundError):
                if os.path.samestat(os.stat(draft), os.fstat(descriptor)):
                    return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)  # the writer before has put it in place


def open_to_read(path: Path) -> BufferedReader:
    """Open a file that the user names.

    Raises:
        OSError: it cannot be opened, or is a directory.
    """
    # By an opener: what `os.open` returns by itself stays open where it is a directory.
    file = open(path, "rb", opener=_open_at_once)  # noqa: SIM115 - the caller closes it
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
    return open(path, "wb" if replace else "xb", buffering=0, opener=_open_at_once)


def _open_at_once(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK, 0o600)


def write_all(file: FileIO, data: bytes) -> None:
    """Write all of the data.

    Raises:
        OSError: a part of it, or nothing, could be written.
    """
    if file.write(data) != len(data):
        if not file.seekable():
            raise OSError(errno.EAGAIN, "its reader is too slow")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))  # the last block of a disk took a part
