"""wic as the peer of real programs: accounts for their registrars, and `wic` commands."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wic.auth.secret import Secret
from wic.client import Account

from .kamailio import DOMAIN, Kamailio
from .process import Peer, PeerFailed

COMMAND_SECONDS = 40.0
PROGRAM = str(Path(sys.executable).with_name("wic"))


def account(kamailio: Kamailio, user: str = "alice", *, password: str = "", expires: int = 300) -> Account:
    """Make the account of one of Kamailio's subscribers."""
    return Account(
        server=kamailio.ws_url,
        impu=f"sip:{user}@{DOMAIN}",
        impi=f"{user}@{DOMAIN}",
        password=Secret(password or f"{user}-secret"),
        insecure=True,
        expires=expires,
    )


def write_accounts(kamailio: Kamailio, directory: Path, *, password: str) -> Path:
    """Write an accounts file with alice of Kamailio."""
    path = directory / "accounts.toml"
    path.write_text(
        f'[accounts.alice]\nserver = "{kamailio.ws_url}"\nimpu = "sip:alice@{DOMAIN}"\n'
        f'impi = "alice@{DOMAIN}"\nauth = "digest"\npassword = "{password}"\ninsecure = true\n'
    )
    path.chmod(0o600)
    return path


def outward_address() -> str:
    """Return an address of this machine beside loopback, for phones that use no loopback in ICE."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # nothing is sent: the kernel only chooses a route
        except OSError as error:
            raise PeerFailed("this machine has no address beside loopback, and phones here need one") from error
        return str(probe.getsockname()[0])


@dataclass(frozen=True, slots=True)
class Finished:
    """Exit code and output of a command."""

    status: int
    out: str
    err: str


async def run(*arguments: str) -> Finished:
    """Run `wic …` to its end."""
    process = await asyncio.create_subprocess_exec(
        PROGRAM,
        *arguments,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "COLUMNS": "200", "NO_COLOR": "1"},
    )
    try:
        out, err = await asyncio.wait_for(process.communicate(), COMMAND_SECONDS)
    except BaseException:
        process.kill()
        await process.wait()
        raise
    return Finished(process.returncode or 0, out.decode(), err.decode())


class Command(Peer):
    """A `wic …` command that runs until its test ends it, such as `wic answer`."""

    def __init__(self, directory: Path, *arguments: str, ready: str) -> None:
        self.name = f"wic-{arguments[0]}"
        super().__init__(directory / self.name)
        self._arguments = arguments
        self._ready = ready

    def command(self) -> list[str]:
        """Run the program that is installed beside this Python."""
        return [PROGRAM, *self._arguments]

    async def ready(self) -> bool:
        """Tell whether it has printed that it is ready."""
        return self._ready in self.output()

    def documents(self) -> list[dict[str, Any]]:
        """Return the JSON lines of its output."""
        return [json.loads(line) for line in self.output().splitlines() if line.startswith("{")]
