"""baresip: a phone with its own SIP, ICE and DTLS-SRTP; it plays a tone and records received audio."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from . import tone
from .process import Peer, PeerFailed, free_port, require

if TYPE_CHECKING:
    from pathlib import Path

CONFIG = """
sip_listen              127.0.0.1:{sip_port}
sip_trans_def           {transport}
rtp_ports               {rtp_port}-{rtp_end}
rtp_stats               yes
rtcp_mux                yes
net_interface           {interface}
call_local_timeout      60
call_max_calls          4
audio_source            {source}
audio_player            aubridge,loop
ausrc_srate             {rate}
auplay_srate            {rate}
ausrc_channels          1
auplay_channels         1
audio_buffer            20-160
ctrl_tcp_listen         127.0.0.1:{control_port}
module_path             /usr/lib/baresip/modules
module                  g711.so
module                  g722.so
module                  opus.so
module                  aufile.so
module                  aubridge.so
module                  ice.so
module                  dtls_srtp.so
module_tmp              account.so
module_app              menu.so
module_app              ctrl_tcp.so
"""
EVENT_SECONDS = 15.0


@dataclass(frozen=True, kw_only=True)
class BaresipOptions:
    """Options of a baresip."""

    server: str
    """The registrar and outbound proxy, as host:port."""
    user: str = "bob"
    password: str = "bob-secret"
    transport: str = "udp"
    codec: str = "PCMU/8000/1"
    secure: bool = False
    """ICE and DTLS-SRTP instead of plain RTP."""
    answers: bool = True
    """Answer by itself; otherwise ring until ordered to `accept` or `hangup`."""
    echo: bool = False
    """Connect the loudspeaker to the microphone."""
    frequency: float = 1000.0
    """Hertz of the tone in the microphone."""


class Baresip(Peer):
    """One registered baresip; `events` holds its reports."""

    name = "baresip"

    def __init__(self, directory: Path, options: BaresipOptions) -> None:
        super().__init__(directory / f"baresip-{options.user}")
        self.options = options
        self.program = require("baresip")
        self.control_port = free_port()
        self.events: list[dict[str, Any]] = []
        self._changed = asyncio.Condition()

    def prepare(self) -> None:
        """Write its configuration, its account and its tone."""
        options = self.options
        rtp_port = free_port()
        rate = int(options.codec.split("/")[1])
        config = CONFIG.format(
            sip_port=free_port(),
            transport=options.transport,
            rtp_port=rtp_port,
            rtp_end=rtp_port + 100,
            interface="127.0.0.1",
            source="aubridge,loop" if options.echo else f"aufile,{self._microphone(rate)}",
            control_port=self.control_port,
            rate=rate,
        )
        (self.directory / "config").write_text(config)
        media = ";mediaenc=dtls_srtp;medianat=ice" if options.secure else ""
        (self.directory / "accounts").write_text(
            f"<sip:{options.user}@ims.example;transport={options.transport}>"
            f";auth_user={options.user};auth_pass={options.password};regint=300;answermode={'auto' if options.answers else 'manual'}"
            f';outbound="sip:{options.server};transport={options.transport}"'
            f";audio_codecs={options.codec};ptime=20{media}\n"
        )
        (self.directory / "contacts").touch()

    def command(self) -> list[str]:
        """Run with the configuration of its directory."""
        return [self.program, "-f", str(self.directory), "-v"]

    async def ready(self) -> bool:
        """Tell whether it is registered, and listens for commands."""
        return "200 OK" in self.output() and "baresip is ready" in self.output()

    async def __aenter__(self) -> Self:
        await super().__aenter__()
        try:
            self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self.control_port)
            self._reading = asyncio.create_task(self._read())
        except BaseException:
            await self.stop()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        self._writer.close()
        await self._reading
        await super().__aexit__()

    def order(self, command: str, parameters: str = "") -> None:
        """Type a command, as `dial` with a URI."""
        text = json.dumps({"command": command, "params": parameters, "token": command})
        self._writer.write(f"{len(text)}:{text},".encode())

    async def event(self, kind: str, *, seconds: float = EVENT_SECONDS) -> dict[str, Any]:
        """Wait for an event of this type, or return an earlier one."""
        async with self._changed:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait_for(lambda: self._first(kind) is not None), seconds)
        found = self._first(kind)
        if found is None:
            raise PeerFailed(f"baresip: no {kind} within {seconds:g} s, only {self.events}\n{self.tail(80)}")
        return found

    def packets(self) -> tuple[int, int]:
        """Read from its summary of the last call how many packets it received, and how many were in error."""
        packets, errors = (
            re.findall(rf"^{what}: +\d+ +(\d+)", self.output(), re.MULTILINE) for what in ("packets", "errors")
        )
        return int(packets[-1]), int(errors[-1])

    def _microphone(self, rate: int) -> Path:
        return tone.write(self.directory / "microphone.wav", self.options.frequency, seconds=60, rate=rate)

    def _first(self, kind: str) -> dict[str, Any] | None:
        return next((event for event in self.events if event.get("type") == kind), None)

    async def _read(self) -> None:
        """Read netstrings of JSON: https://cr.yp.to/proto/netstrings.txt."""
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                length = int((await self._reader.readuntil(b":"))[:-1])
                message = json.loads(await self._reader.readexactly(length))
                await self._reader.readexactly(1)
                async with self._changed:
                    self.events.append(message)
                    self._changed.notify_all()
