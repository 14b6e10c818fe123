"""Which ports an embedded network listens on."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING

from wic.errors import ConfigurationError
from wic.files import replace_file

if TYPE_CHECKING:
    from pathlib import Path

PORTS_FILE = "ports.json"


@dataclass(frozen=True, slots=True)
class Ports:
    """One port for each listener; 0 takes a free one."""

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
            ConfigurationError: they do not exist.
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

        A network that comes back on its old ports is found by its accounts, and by the WICs that it had.
        """
        try:
            values = json.loads((directory / PORTS_FILE).read_text("utf-8"))
            ports = [values.get(field.name, 0) for field in fields(cls)]
        except (OSError, ValueError, AttributeError):
            return cls()
        if not all(isinstance(port, int) and 0 <= port < 65536 for port in ports):
            return cls()
        return cls(*ports)

    def remember(self, directory: Path) -> None:
        """Write the ports down for the next time.

        Raises:
            ConfigurationError: the directory cannot be written.
        """
        try:
            replace_file(directory / PORTS_FILE, json.dumps(asdict(self)).encode())
        except OSError as error:
            raise ConfigurationError(f"cannot write into the directory {directory}: {error.strerror}") from error
