"""Files that a client keeps between its runs, for its user alone; no reader sees one half written."""

from __future__ import annotations

import os
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from wic.aio import FileLock
from wic.errors import ConfigurationError
from wic.files import replace_file

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

__all__ = ["locked", "locked_now", "state_directory", "write_private"]


def state_directory() -> Path:
    """Return the directory for state: `wic` in `$XDG_STATE_HOME`, else in `~/.local/state`."""
    home = os.environ.get("XDG_STATE_HOME")
    return (Path(home) if home else Path.home() / ".local" / "state") / "wic"


def write_private(path: Path, data: bytes) -> None:
    """Replace a file that only its owner can read, in one step.

    Raises:
        ConfigurationError: it cannot be written.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)  # other users cannot list it either
        replace_file(path, data)
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be written: {error.strerror}.") from error


@asynccontextmanager
async def locked(path: Path, *, timeout: float = 30.0) -> AsyncIterator[None]:
    """Hold the lock of a file against other tasks and other processes.

    Args:
        path: the file; the lock is beside it and stays there.
        timeout: seconds to wait for the holder of the lock.

    Raises:
        ConfigurationError: the lock cannot be made, or its holder keeps it for too long.
    """
    with _open_lock(path) as lock:
        try:
            await lock.acquire_within(timeout)
        except TimeoutError:  # an OSError too, so it stands first
            raise ConfigurationError(f"Another process has held {path} for more than {timeout:g} s.") from None
        except OSError as error:  # some network file systems have no locks
            raise _unusable(path.with_name(f"{path.name}.lock"), "locked", error) from error
        yield  # outside of `try`: the errors of the block are not those of the lock


@contextmanager
def locked_now(path: Path) -> Iterator[None]:
    """Hold the lock of a file, as `locked` does, but block the thread while others hold it.

    Raises:
        ConfigurationError: the lock cannot be made.
    """
    with _open_lock(path) as lock:
        try:
            lock.acquire()
        except OSError as error:
            raise _unusable(path.with_name(f"{path.name}.lock"), "locked", error) from error
        yield


def _open_lock(path: Path) -> FileLock:
    file = path.with_name(f"{path.name}.lock")
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        return FileLock(file)
    except OSError as error:
        raise _unusable(file, "written", error) from error


def _unusable(lock: Path, what: str, error: OSError) -> ConfigurationError:
    where = "set $XDG_STATE_HOME to a directory that can"
    return ConfigurationError(f"{lock} cannot be {what}: {error.strerror}; {where}.")
