"""The SIP messages of a client as they were on the wire, read without the product's parser."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from wic.sip.flow import Flow
    from wic.sip.trace import Direction


@dataclass(frozen=True, slots=True)
class Seen:
    """One message."""

    sent: bool
    data: bytes

    @property
    def start(self) -> str:
        """The request line or the status line."""
        return self.data.split(b"\r\n", 1)[0].decode()

    @property
    def body(self) -> str:
        """What follows the empty line."""
        return self.data.partition(b"\r\n\r\n")[2].decode()

    def header(self, name: str) -> str:
        """The first header of that name; empty if there is none."""
        head = self.data.partition(b"\r\n\r\n")[0].decode()
        found = re.search(rf"^{name}[ \t]*:[ \t]*(.*)$", head, re.IGNORECASE | re.MULTILINE)
        return found[1].strip() if found else ""


class Wire(list[Seen]):
    """Give `record` to `Client.on_message`."""

    def __init__(self) -> None:
        super().__init__()
        self._grew = asyncio.Event()

    def record(self, now: float, direction: Direction, data: bytes, flow: Flow) -> None:
        """Keep a message."""
        self.append(Seen(direction.name == "SENT", data))
        self._grew.set()

    async def until(self, condition: Callable[[], bool], *, seconds: float) -> None:
        """Wait for the message that makes a condition true."""
        async with asyncio.timeout(seconds):
            while not condition():
                self._grew.clear()
                await self._grew.wait()

    def requests(self, method: str, *, sent: bool = True) -> list[Seen]:
        """Requests of a method, in order."""
        return [seen for seen in self if seen.sent is sent and seen.start.startswith(f"{method} ")]

    def answers(self, method: str) -> list[int]:
        """The statuses received for a method, in order."""
        return [
            int(seen.start.split()[1])
            for seen in self
            if not seen.sent and seen.start.startswith("SIP/2.0") and seen.header("CSeq").endswith(method)
        ]

    def bodies(self, kind: str, *, sent: bool) -> list[str]:
        """The bodies of a type, in order."""
        return [seen.body for seen in self if seen.sent is sent and seen.header("Content-Type").startswith(kind)]
