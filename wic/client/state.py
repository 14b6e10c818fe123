"""Files that a client keeps between its runs: for its user alone, whole or not at all."""

from __future__ import annotations

import asyncio
import fcntl
import os
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from wic.errors import ConfigurationError
from wic.files import replace_file

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

__all__ = ["locked", "open_lock", "state_directory", "take_lock", "write_private"]

_POLL = 0.05


def state_directory() -> Path:
    """Tell where state is kept: `wic` in `$XDG_STATE_HOME`, else in `~/.local/state`."""
    home = os.environ.get("XDG_STATE_HOME")
    return (Path(home) if home else Path.home() / ".local" / "state") / "wic"


def write_private(path: Path, data: bytes) -> None:
    """Write a file that only its owner can read; nobody ever sees half of it, not after a crash either.

    Raises:
        ConfigurationError: it cannot be written.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        replace_file(path, data)
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be written: {error.strerror}.") from error


@asynccontextmanager
async def locked(path: Path, *, timeout: float = 30.0) -> AsyncIterator[None]:
    """Hold the lock that goes with a file, against other tasks and other processes.

    Args:
        path: the file; the lock is beside it and stays there.
        timeout: seconds to wait for whoever holds it.

    Raises:
        ConfigurationError: the lock cannot be made, or somebody holds it for too long.
    """
    lock = path.with_name(f"{path.name}.lock")
    descriptor = open_lock(lock)
    try:
        try:
            async with asyncio.timeout(timeout):
                while not take_lock(descriptor, lock, wait=False):  # noqa: ASYNC110 - a lock of the system has no event
                    await asyncio.sleep(_POLL)
        except TimeoutError:
            raise ConfigurationError(f"Another process has held {path} for more than {timeout:g} s.") from None
        yield
    finally:
        os.close(descriptor)


def open_lock(path: Path) -> int:
    """Open a file for a lock, which ends when the descriptor is closed.

    Raises:
        ConfigurationError: it cannot be made.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise ConfigurationError(
            f"{path} cannot be written: {error.strerror}; set $XDG_STATE_HOME to a directory that can."
        ) from error


def take_lock(descriptor: int, path: Path, *, wait: bool) -> bool:
    """Take the lock of a file that is open; False if somebody else holds it.

    Args:
        descriptor: the file.
        path: its name, for messages.
        wait: whether to stand still until it is free.

    Raises:
        ConfigurationError: the file system has no locks.
    """
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    except OSError as error:
        raise ConfigurationError(
            f"{path} cannot be locked: {error.strerror}; set $XDG_STATE_HOME to a directory that can."
        ) from error
    return True
