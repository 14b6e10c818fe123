"""rtpengine: converts DTLS-SRTP with ICE to plain RTP and back, controlled by Kamailio."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING

from .process import Peer, free_port, require

if TYPE_CHECKING:
    from pathlib import Path


class RtpEngine(Peer):
    """The user-space rtpengine on loopback; `ng` is its control socket."""

    name = "rtpengine"

    def __init__(self, directory: Path) -> None:
        super().__init__(directory / "rtpengine")
        self.program = require("rtpengine")
        self.ng_port = free_port()
        self.recordings = self.directory / "recordings"
        self.recordings.mkdir()

    @property
    def ng(self) -> str:
        """The NG control socket, as host:port."""
        return f"127.0.0.1:{self.ng_port}"

    def command(self) -> list[str]:
        """Run in the foreground without the kernel module."""
        return [
            self.program,
            "--interface=127.0.0.1",
            f"--listen-ng={self.ng}",
            "--table=-1",
            "--foreground",
            "--log-stderr",
            "--log-level=6",
            f"--recording-dir={self.recordings}",
            "--recording-method=pcap",
            "--port-min=31000",
            "--port-max=32000",
            "--num-threads=2",
        ]

    async def ready(self) -> bool:
        """Ping it, as Kamailio does: cookie, blank, bencoded dictionary."""
        return b"4:pong" in await asyncio.to_thread(self._ask, b"wic d7:command4:pinge")

    def _ask(self, message: bytes) -> bytes:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
            asking.settimeout(0.3)
            asking.connect(("127.0.0.1", self.ng_port))
            try:
                asking.send(message)
                return asking.recv(4096)
            except OSError:
                return b""
