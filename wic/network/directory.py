"""Directory of an embedded network, in use by one network at a time."""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from pathlib import Path

from wic.aio import FileLock
from wic.errors import ConfigurationError

_LOCK_FILE = "network.lock"


class NetworkDirectory:
    """A directory that a running network holds.

    Args:
        path: made if it is missing; None takes a temporary directory that is removed by `close`.

    Raises:
        ConfigurationError: it cannot be used, or another network runs in it.
    """

    def __init__(self, path: Path | None) -> None:
        self._cleanup = ExitStack()
        if path is None:
            self.path = Path(self._cleanup.enter_context(tempfile.TemporaryDirectory(prefix="wic-network-")))
            return
        self.path = path
        try:
            path.mkdir(parents=True, exist_ok=True, mode=0o700)
            lock = self._cleanup.enter_context(FileLock(path / _LOCK_FILE))
            taken = lock.try_acquire()
        except OSError as error:
            self.close()
            raise ConfigurationError(f"cannot use the directory {path}: {error.strerror}") from error
        if not taken:
            self.close()
            raise ConfigurationError(f"a network already runs in {path}: stop it first, or take another directory")

    def close(self) -> None:
        """Release the directory for another network."""
        self._cleanup.close()
