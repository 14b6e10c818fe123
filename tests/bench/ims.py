"""An IMS network in a process of its own, so that a bench can separate the clients' CPU time from the network's.

usage: python ims.py [SUBSCRIBER …]; prints its accounts file, and ends with its standard input.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from measuring import cpu_seconds_of

from wic.network import ImsNetwork, NetworkOptions

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True)
class Network:
    """A network that runs."""

    accounts: Path
    pid: int

    def cpu_seconds(self) -> float:
        """Return its CPU time so far."""
        return cpu_seconds_of(self.pid)


@contextmanager
def network(*subscribers: str) -> Iterator[Network]:
    """Run one with these subscribers."""
    command = [sys.executable, __file__, *subscribers]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        yield Network(Path(process.stdout.readline().strip()), process.pid)
        process.stdin.close()


async def main() -> None:
    async with ImsNetwork(NetworkOptions(subscribers=tuple(sys.argv[1:]))) as ims:
        print(ims.accounts_path, flush=True)
        await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main())
