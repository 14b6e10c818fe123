"""Directory of an embedded network: its files, its lock, and the ports of its last run."""

from __future__ import annotations

import json
import tempfile
from contextlib import ExitStack
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from wic.aio import FileLock
from wic.errors import ConfigurationError
from wic.files import replace_file

ACCOUNTS_FILE = "accounts.toml"
DATABASE_FILE = "hss.sqlite"
PORTS_FILE = "ports.json"
_LOCK_FILE = "network.lock"


class NetworkDirectory:
    """Directory that a running network holds for itself.

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
            self._lock()

    def _lock(self) -> None:
        try:
            self.path.mkdir(parents=True, exist_ok=True, mode=0o700)  # the secrets of subscribers are in it
            # The system releases the lock of a process that was killed.
            lock = self._cleanup.enter_context(FileLock(self.path / _LOCK_FILE))
            is_free = lock.try_acquire()
        except OSError as error:
            self.close()
            raise ConfigurationError(f"cannot use the directory {self.path}: {error.strerror}") from error
        if not is_free:
            self.close()
            raise ConfigurationError(f"a network already runs in {self.path}: stop it first, or take another directory")

    def close(self) -> None:
        """Release the directory."""
        self._cleanup.close()


@dataclass(frozen=True, slots=True)
class Ports:
    """Ports of the listeners; 0 takes a free one."""

    wss: int = 0
    epcscf: int = 0
    scscf: int = 0
    msrp: int = 0
    waf: int = 0
    wwsf: int = 0

    @classmethod
    def from_base(cls, base: int) -> Ports:
        """Return consecutive ports.

        Raises:
            ConfigurationError: there are not enough ports from there on.
        """
        names = fields(cls)
        last = 65536 - len(names)
        if not 1 <= base <= last:
            raise ConfigurationError(
                f"port base {base} does not leave room for {len(names)} ports; choose 1024 to {last}"
            )
        return cls(*(base + number for number in range(len(names))))

    @classmethod
    def remembered(cls, directory: Path) -> Ports:
        """Return the ports that a network in this directory had the last time, or free ones.

        Accounts and the WICs of before find a network that restarts on the same ports.
        """
        try:
            values = json.loads((directory / PORTS_FILE).read_text("utf-8"))
            ports = [values.get(field.name, 0) for field in fields(cls)]
        except (OSError, ValueError, AttributeError):
            return cls()  # the first start, or a damaged file: only the old ports are lost
        # Of another version, or edited by hand: as if there were none.
        if not all(isinstance(port, int) and 0 <= port < 65536 for port in ports):
            return cls()
        return cls(*ports)

    def remember(self, directory: Path) -> None:
        """Store the ports for the next start.

        Raises:
            ConfigurationError: the directory cannot be written.
        """
        try:
            replace_file(directory / PORTS_FILE, json.dumps(asdict(self)).encode())
        except OSError as error:
            raise ConfigurationError(f"cannot write into the directory {directory}: {error.strerror}") from error
