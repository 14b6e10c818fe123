"""A server made of strings that a client connects to in memory, and a reader of messages by regular expressions.

Nothing here is built or read with wic's SIP classes.
"""

from __future__ import annotations

import asyncio
import random
import re
from dataclasses import replace
from typing import TYPE_CHECKING

from wic.auth import Secret
from wic.client import Account, Client, ClientOptions
from wic.transport.memory import MemoryNetwork
from wic.transport.memory import Path as NetworkPath

if TYPE_CHECKING:
    from collections.abc import Callable

    from wic.transport.base import Connection, FlowHandler

PASSWORD = "correct horse"
DOMAIN = "ims.example"


class Text:
    """A message, as far as a few regular expressions can read it."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __str__(self) -> str:
        return self.text

    @property
    def status(self) -> int:
        """Of a response; 0 for a request."""
        return int(self.text[8:11]) if self.text.startswith("SIP/2.0 ") else 0

    @property
    def method(self) -> str:
        return self.one("CSeq").split()[-1]

    def all(self, name: str) -> list[str]:
        return re.findall(rf"^{name}: *(.*?)\r$", self.text, re.MULTILINE | re.IGNORECASE)

    def one(self, name: str) -> str:
        return next(iter(self.all(name)), "")

    def parameter(self, name: str, parameter: str) -> str:
        """A parameter of the first value of a header, without its quotes."""
        found = re.search(rf'\b{re.escape(parameter)}="?([^",;]*)"?', self.one(name))
        return found[1] if found else ""

    def answer(self, status: str, *lines: str, body: str = "", tag: str = "far") -> str:
        """Write a response to this request."""
        to = self.one("To")
        head = [f"SIP/2.0 {status}", *(f"Via: {value}" for value in self.all("Via"))]
        head += [f"From: {self.one('From')}", to if "tag=" in to else f"To: {to};tag={tag}"]
        head[-1] = head[-1] if head[-1].startswith("To: ") else f"To: {head[-1]}"
        head += [f"Call-ID: {self.one('Call-ID')}", f"CSeq: {self.one('CSeq')}", *lines]
        return "\r\n".join([*head, f"Content-Length: {len(body.encode())}", "", body])


class Impostor:
    """A server that a client connects to, in virtual time, and that answers as a test tells it."""

    def __init__(self) -> None:
        self.requests: list[Text] = []
        self.responses: list[Text] = []
        self.times: list[float] = []
        self.connections: list[Connection] = []
        self.answer: Callable[[Text], list[str]] = lambda request: [self.grant(request)]
        self._network = MemoryNetwork(path=NetworkPath(delay=0.01))

    async def dial(self, url: str, handler: FlowHandler) -> Connection:
        number = len(self.connections)
        near, _ = self._network.connect(handler, self, client_address=("10.0.0.1", 49152 + number))
        return near

    # the far end of the connections (a `FlowHandler`)

    def opened(self, connection: Connection) -> None:
        self.connections.append(connection)

    def closed(self, flow: object, end: object) -> None:
        pass

    def received(self, flow: object, data: bytes) -> None:
        text = Text(data.decode())
        if text.status:
            self.responses.append(text)
        elif text.text.strip():
            self.requests.append(text)
            self.times.append(asyncio.get_running_loop().time())
            if text.method != "ACK" and len(self.requests) < 5000:
                for each in self.answer(text):
                    self.send(each)

    def send(self, text: str | bytes) -> None:
        self.connections[-1].send(text if isinstance(text, bytes) else text.encode())

    # what tests use

    def registers(self) -> list[Text]:
        return [each for each in self.requests if each.method == "REGISTER"]

    def subscribes(self) -> list[Text]:
        return [each for each in self.requests if each.method == "SUBSCRIBE"]

    def grant(self, request: Text, *lines: str, expires: int = 3600, contact: str = "") -> str:
        """200 to a REGISTER as a registrar gives it, 489 to SUBSCRIBE, and 200 to the rest."""
        if request.method != "REGISTER":
            return request.answer("489 Bad Event" if request.method == "SUBSCRIBE" else "200 OK")
        if request.one("Expires") == "0":
            return request.answer("200 OK")
        own = contact or re.sub(r";expires=\d+", "", request.one("Contact"))
        return request.answer("200 OK", f"Contact: {own};expires={expires}", *lines)

    def client(self, user: str = "alice", *, options: dict[str, object] | None = None, **changes: object) -> Client:
        settings: dict[str, object] = {
            "name": user,
            "server": "ws://impostor/",
            "impu": f"sip:{user}@{DOMAIN}",
            "impi": f"{user}@{DOMAIN}",
            "password": Secret(PASSWORD),
            "insecure": True,
        }
        chosen = ClientOptions(close_timeout=1.0, reg_event=False, dial=self.dial, chance=random.Random(7).random)
        return Client(Account(**(settings | changes)), replace(chosen, **(options or {})))  # type: ignore[arg-type]
