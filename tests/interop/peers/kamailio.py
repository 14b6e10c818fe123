"""Kamailio: a registrar and proxy over WebSocket, or the IMS core behind an eP-CSCF."""

from __future__ import annotations

import asyncio
import json
import shutil
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .process import Peer, PeerFailed, accepts, free_port, require

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .rtpengine import RtpEngine

CONFIG = Path(__file__).parent.parent / "configs" / "kamailio.cfg"
DOMAIN = "ims.example"
TABLES = Path("/usr/share/kamailio/dbtext/kamailio")
"""Empty tables of db_text, as Kamailio's package brings them."""


@dataclass(frozen=True, kw_only=True)
class KamailioOptions:
    """Options of a Kamailio."""

    algorithm: str = "MD5"
    subscribers: Mapping[str, str] = field(default_factory=dict)
    """User part to password, beside alice and bob of the file."""
    rtpengine: RtpEngine | None = None
    reg_event: bool = False
    """Whether its presence server offers the reg event package (RFC 3680)."""
    watch_seconds: int = 600
    """Longest subscription to it, in seconds."""
    nonce_seconds: int = 300
    """Seconds for which a Digest nonce is valid; later a challenge has stale=true."""
    rewrite: bool = False
    """Whether it puts the address of the connection into a Contact, in place of the name that the client has given."""


class Kamailio(Peer):
    """Kamailio with tests/interop/configs/kamailio.cfg on free ports of loopback."""

    name = "kamailio"

    def __init__(self, directory: Path, options: KamailioOptions | None = None) -> None:
        super().__init__(directory / "kamailio")
        self.options = options or KamailioOptions()
        self.program = require("kamailio")
        self.port = free_port()
        """Port for WebSocket, TCP and UDP."""

    @property
    def _tables(self) -> Path:
        return self.directory / "tables"

    @property
    def ws_url(self) -> str:
        """URL for WebSocket users."""
        return f"ws://127.0.0.1:{self.port}/"

    @property
    def address(self) -> str:
        """The UDP and TCP listeners, as host:port."""
        return f"127.0.0.1:{self.port}"

    def prepare(self) -> None:
        """Copy the configuration, and write the subscribers beside it."""
        shutil.copy(CONFIG, self.directory / CONFIG.name)
        lines = [f'$sht(users=>{name}) = "{password}";\n' for name, password in self.options.subscribers.items()]
        if self.options.reg_event:
            self._tables.mkdir(exist_ok=True)
            for name in ("version", "presentity", "active_watchers", "watchers", "pua"):
                shutil.copy(TABLES / name, self._tables)
        (self.directory / "subscribers.cfg").write_text("".join(lines))

    def command(self) -> list[str]:
        """Run in the foreground, with the listeners and the algorithm set."""
        defines = {
            "LISTEN_TCP": f"tcp:{self.address}",
            "LISTEN_UDP": f"udp:{self.address}",
            "DOMAIN": f'"{DOMAIN}"',
            "ALGORITHM": f'"{self.options.algorithm}"',
            "NONCE": str(self.options.nonce_seconds),
            "WATCH": str(self.options.watch_seconds),
        }
        if self.options.rtpengine is not None:
            defines |= {"RTPENGINE": f'"udp:{self.options.rtpengine.ng}"', "RECORD": "1"}
        if self.options.rewrite:
            defines["REWRITE"] = "1"
        if self.options.reg_event:
            defines |= {"REG_EVENT": f'"text://{self._tables}"', "SERVER": f'"sip:{self.address}"'}
        settings = [part for name, value in defines.items() for part in ("-A", f"{name}={value}")]
        return [
            self.program,
            "-f",
            CONFIG.name,
            "-DD",
            "-E",
            "-m",
            "64",
            "-M",
            "8",
            "-Y",
            str(self.directory),
            *settings,
        ]

    async def ready(self) -> bool:
        """Tell whether it accepts TCP, the last of its listeners."""
        return await accepts(self.port)

    async def restart(self) -> None:
        """End it and start it again on the same port, with nothing registered."""
        await self.stop()
        await self.__aenter__()

    async def operate(self, method: str, *parameters: str) -> Any:
        """Run a command of its operator, such as `ul.rm location alice`.

        Raises:
            PeerFailed: it refused.
        """
        order = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": parameters})
        answer = json.loads(await asyncio.to_thread(_post, f"http://{self.address}/rpc", order.encode()))
        if "error" in answer:
            raise PeerFailed(f"kamailio: {method}: {answer['error']}")
        return answer["result"]

    async def contacts(self, user: str) -> list[dict[str, Any]]:
        """Return the contacts of a user as Kamailio lists them."""
        try:
            found = await self.operate("ul.lookup", "location", user)
        except PeerFailed:
            return []
        return [each["Contact"] for each in found["Contacts"]]


def _post(url: str, body: bytes) -> bytes:
    try:
        with urllib.request.urlopen(urllib.request.Request(url, body), timeout=5) as answer:
            content: bytes = answer.read()
    except urllib.error.HTTPError as refusal:
        content = refusal.read()
    return content
