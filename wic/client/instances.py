"""Instances of an account in use on this machine: each client is a device of its own.

A network tells the devices of a user apart by their instance, and a device that registers again replaces what it had
(RFC 5626 §4.1, §6). So two clients with one instance would take the registration away from each other, again and again. The
first client of an account has its instance, which stays the same at every start; each further one at the same time has
the first of a row of others that is free.

What is in use is told by locks of the operating system, one byte of one file for each instance: they end with the process,
however that ends. Such locks exclude other processes only, so those of this process are kept here as well.
"""

from __future__ import annotations

import fcntl
import hashlib
import logging
import os
import threading
import uuid
from typing import TYPE_CHECKING, Final

from wic.client.state import state_directory

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["IN_USE", "Instances"]

_log = logging.getLogger(__name__)
_MOST: Final = 256  # of one account: beyond it, each has one of chance, for a search would take long


class Instances:
    """Instances that clients of this process use."""

    def __init__(self, path: Path | None = None) -> None:
        self._path = path  # by default `instances.lock` in the state directory
        self._used: set[str] = set()
        self._guard = threading.Lock()  # each thread may have an event loop, and clients, of its own
        self._file: int | None = None  # never closed: that would end every lock of this process (fcntl(2))

    def take(self, instance: str) -> str:
        """Return an instance that no other client uses: this one, the first of its row that is free, or a new one."""
        with self._guard:
            if self._file is None:
                self._open()
            for number in range(_MOST):
                # RFC 9562 §5.5: the row is the same at every start.
                candidate = uuid.uuid5(uuid.UUID(instance), str(number)).urn if number else instance
                if candidate not in self._used and self._lock(candidate, fcntl.LOCK_EX | fcntl.LOCK_NB):
                    break
            else:
                candidate = uuid.uuid4().urn
            self._used.add(candidate)
            return candidate

    def give_back(self, instance: str) -> None:
        """Let another client use an instance."""
        with self._guard:
            self._used.discard(instance)
            self._lock(instance, fcntl.LOCK_UN)

    def _open(self) -> None:
        try:
            path = self._path or state_directory() / "instances.lock"
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except (OSError, RuntimeError) as error:  # RuntimeError: the user has no home directory
            _log.debug("instances of other processes are unknown: %s", error)

    def _lock(self, instance: str, operation: int) -> bool:
        """Lock the byte of an instance, or unlock it; return False if another process has it."""
        if self._file is None:
            return True
        try:
            fcntl.lockf(self._file, operation, 1, int.from_bytes(hashlib.sha256(instance.encode()).digest()[:7]))
        except (BlockingIOError, PermissionError):  # fcntl(2): EAGAIN or EACCES
            return False
        except OSError as error:  # some network file systems have no locks
            _log.debug("instances of other processes are unknown: %s", error)
        return True


IN_USE: Final = Instances()
"""Those of this process."""
