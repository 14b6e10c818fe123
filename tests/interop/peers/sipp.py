"""SIPp: a scripted phone on the core's side, with plain RTP."""

from __future__ import annotations

import wave
from array import array
from dataclasses import dataclass
from pathlib import Path

from . import g711, tone
from .kamailio import DOMAIN
from .process import Peer, free_port, require

SCENARIOS = Path(__file__).parent.parent / "configs" / "sipp"


@dataclass(frozen=True, kw_only=True)
class SippOptions:
    """Options of a SIPp."""

    scenario: str
    """A file of configs/sipp, without its suffix."""
    server: str
    """The core, as host:port."""
    user: str
    """User that is called, or that this phone is."""
    password: str = ""
    contact_port: int = 0
    """Port in the Contact of REGISTER."""
    frequency: float = 600.0
    seconds: float = 30.0
    """Time limit of the run."""


class Sipp(Peer):
    """One run of one scenario, one call."""

    name = "sipp"

    def __init__(self, directory: Path, options: SippOptions) -> None:
        super().__init__(directory / f"sipp-{options.scenario}-{options.user}")
        self.options = options
        self.program = require("sipp")
        self.port = free_port()
        self.media_port = free_port()

    def prepare(self) -> None:
        """Write the tone it plays, as bare µ-law."""
        recorded = tone.write(self.directory / "tone.wav", self.options.frequency, seconds=2)
        with wave.open(str(recorded), "rb") as file:
            samples = array("h", file.readframes(file.getnframes()))
        (self.directory / "tone.ul").write_bytes(g711.encode(samples))

    def command(self) -> list[str]:
        """One call, at most, with a log of every message."""
        options = self.options
        return [
            self.program, options.server,
            "-sf", str(SCENARIOS / f"{options.scenario}.xml"),
            "-i", "127.0.0.1", "-p", str(self.port), "-mp", str(self.media_port),
            "-s", options.user, "-au", options.user, "-ap", options.password,
            "-key", "domain", DOMAIN, "-key", "contact_port", str(options.contact_port),
            "-m", "1", "-nostdin", "-timeout", f"{options.seconds:g}s", "-timeout_error",
            "-trace_msg", "-message_file", str(self.directory / "messages.log"), "-trace_err",
        ]  # fmt: skip

    async def finish(self) -> None:
        """Wait for its end, which must be a success."""
        status = await self.wait(seconds=self.options.seconds)
        errors = "\n".join(path.read_text() for path in self.directory.glob("*_errors.log"))
        assert status == 0, f"sipp {self.options.scenario} ended with {status}\n{errors}\n{self.tail()}"
