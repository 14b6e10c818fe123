"""Where an embedded network keeps its files: a directory for one network at a time."""

from __future__ import annotations

import fcntl
import os
import tempfile
from contextlib import ExitStack
from pathlib import Path

from wic.errors import ConfigurationError

_LOCK_FILE = "network.lock"


class NetworkDirectory:
    """A directory in use by a network that runs.

    Args:
        path: made if it is missing; None takes a temporary directory that is removed by `close`.

    Raises:
        ConfigurationError: it cannot be used, or another network runs in it.
    """

    def __init__(self, path: Path | None) -> None:
        self._cleanup = ExitStack()
        if path is None:
            self.path = Path(self._cleanup.enter_context(tempfile.TemporaryDirectory(prefix="wic-network-")))
        else:
            self.path = path
            self._take()

    def close(self) -> None:
        """Let another network have it."""
        self._cleanup.close()

    def _take(self) -> None:
        """Hold a lock of the operating system, which ends with the process however that ends."""
        try:
            self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
            lock = os.open(self.path / _LOCK_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise ConfigurationError(f"cannot use the directory {self.path}: {error.strerror}") from error
        self._cleanup.callback(os.close, lock)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self.close()
            raise ConfigurationError(
                f"a network already runs in {self.path}: stop it first, or take another directory"
            ) from None
