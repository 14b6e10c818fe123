"""A WIC and an element of the core, made of strings: they share no SIP code with the network that they test."""

from __future__ import annotations

import asyncio
import hashlib
import re
from contextlib import AsyncExitStack
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from wic.auth.secret import Secret
from wic.network import ImsNetwork, NetworkOptions
from wic.network.scscf.options import RegistrarOptions
from wic.transport.tls import client_context
from wic.transport.websocket import WebSocketOptions, connect_websocket

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from wic.sip.flow import Flow
    from wic.transport.base import Connection, FlowEnd
    from wic.transport.driver import Direction

PASSWORD = "correct horse"
_numbers = count(1)


class RawUe:
    """One connection to the eP-CSCF and what came in over it."""

    def __init__(self, user: str, *, domain: str = "ims.example") -> None:
        self.user = user
        self.domain = domain
        self.host = f"{user}-host.invalid"
        self.contact = f"<sip:{user}@{self.host};transport=ws>"
        self.registration = f"reg-{user}-{next(_numbers)}"
        self.ended = asyncio.Event()
        self._messages: asyncio.Queue[bytes] = asyncio.Queue()
        self._connection: Connection | None = None
        self.cseq = 0

    async def connect(self, url: str, ca: Path | None) -> None:
        context = None if ca is None else client_context(ca=ca)
        self._connection = await connect_websocket(
            url, handler=self, options=WebSocketOptions(ssl_context=context, proxy=False)
        )

    @staticmethod
    def header(message: bytes, name: str) -> str:
        """Return the first value of a header, "" if there is none."""
        return next(iter(RawUe.headers(message, name)), "")

    @staticmethod
    def headers(message: bytes, name: str) -> list[str]:
        """Return all values of a header, one a line."""
        return re.findall(rf"^{name}: *(.*?)\r$", message.decode(), re.MULTILINE | re.IGNORECASE)

    @staticmethod
    def challenge(message: bytes) -> str:
        """Return the first challenge that asks for Digest credentials."""
        return next(each for each in RawUe.headers(message, "WWW-Authenticate") if each.startswith("Digest"))

    @staticmethod
    def parameter(value: str, name: str) -> str:
        """Return a parameter of a challenge, without its quotes."""
        found = re.search(rf'\b{name}="?([^",]*)"?', value)
        return found[1] if found else ""

    @property
    def address(self) -> tuple[str, int]:
        """The local end of the connection."""
        assert self._connection is not None
        return self._connection.flow.local

    def opened(self, connection: Connection) -> None:
        pass

    def received(self, flow: Flow, data: bytes) -> None:
        self._messages.put_nowait(data)

    def closed(self, flow: Flow, end: FlowEnd) -> None:
        self.ended.set()

    async def close(self) -> None:
        if self._connection is not None:
            await self._connection.close()

    def cut(self) -> None:
        """Lose the connection without a word."""
        assert self._connection is not None
        self._connection.abort()

    def send(self, text: str | bytes) -> None:
        assert self._connection is not None
        self._connection.send(text if isinstance(text, bytes) else text.encode())

    async def expect(self, start: str) -> bytes:
        """Check that the next message begins so, and return it; a 100 is passed over."""
        async with asyncio.timeout(10):
            message = await self.next_message()
            while message.startswith(b"SIP/2.0 100"):
                message = await self.next_message()
        assert message.startswith(start.encode()), message.decode()
        return message

    async def next_message(self) -> bytes:
        return await self._messages.get()

    def nothing_came(self) -> bool:
        return self._messages.empty()

    def request(
        self,
        method: str,
        uri: str,
        *lines: str,
        to: str = "",
        from_: str = "",
        call_id: str = "call-1",
        cseq: int | None = None,
        branch: str = "",
        body: str = "",
        content_type: str = "application/sdp",
    ) -> str:
        """Write a request; every one has a CSeq of its own."""
        self.cseq += 1
        number = self.cseq if cseq is None else cseq
        own = f"<sip:{self.user}@{self.domain}>"
        text = [
            f"{method} {uri} SIP/2.0",
            f"Via: SIP/2.0/WSS {self.host};branch={branch or f'z9hG4bK-{self.user}-{method}-{number}'};rport",
            "Max-Forwards: 70",
            f"From: {from_ or f'{own};tag=from-{self.user}'}",
            f"To: {to or f'<{uri}>'}",
            f"Call-ID: {call_id}",
            f"CSeq: {number} {method}",
            *lines,
            *([f"Content-Type: {content_type}"] if body else []),
            f"Content-Length: {len(body)}",
            "",
            body,
        ]
        return "\r\n".join(text)

    def register(self, *lines: str, expires: int = 3600, to: str = "", contact: str = "", **more: object) -> str:
        own = to or f"<sip:{self.user}@{self.domain}>"
        wanted = contact or f'{self.contact};reg-id=1;+sip.instance="<urn:uuid:{self.user}>"'
        return self.request(
            "REGISTER",
            f"sip:{self.domain}",
            f"Contact: {wanted}",
            f"Expires: {expires}",
            "Supported: path, outbound",
            *lines,
            to=own,
            call_id=self.registration,
            **more,  # type: ignore[arg-type]
        )

    def credentials(self, challenge: str, password: str = PASSWORD, *, nc: str = "00000001") -> str:
        """Answer a challenge (RFC 7616 §3.4)."""
        name = self.parameter(challenge, "algorithm")
        function = {"MD5": "md5", "SHA-256": "sha256", "SHA-512-256": "sha512_256"}[name]

        def h(text: str) -> str:
            return hashlib.new(function, text.encode(), usedforsecurity=False).hexdigest()

        impi, uri, nonce = f"{self.user}@{self.domain}", f"sip:{self.domain}", self.parameter(challenge, "nonce")
        ha1 = h(f"{impi}:{self.domain}:{password}")
        response = h(f"{ha1}:{nonce}:{nc}:cn:auth:{h(f'REGISTER:{uri}')}")
        return (
            f'Authorization: Digest username="{impi}", realm="{self.domain}", nonce="{nonce}", uri="{uri}", '
            f'response="{response}", algorithm={name}, qop=auth, nc={nc}, cnonce="cn"'
        )

    async def registered(self, *, algorithm: str = "SHA-256", **more: object) -> bytes:
        """Register, and return the 200."""
        self.send(self.register(**more))  # type: ignore[arg-type]
        challenged = await self.expect("SIP/2.0 401")
        offered = self.headers(challenged, "WWW-Authenticate")
        challenge = next(each for each in offered if self.parameter(each, "algorithm") == algorithm)
        self.send(self.register(self.credentials(challenge), **more))  # type: ignore[arg-type]
        return await self.expect("SIP/2.0 200")

    def respond(self, request: bytes, status: str, *lines: str, tag: str = "", body: str = "") -> str:
        """Write the response to a request."""
        to = self.header(request, "To")
        text = [f"SIP/2.0 {status}"]
        text += [f"Via: {value}" for value in self.headers(request, "Via")]
        text += [f"Record-Route: {value}" for value in self.headers(request, "Record-Route")]
        text += [
            f"From: {self.header(request, 'From')}",
            f"To: {to}" if "tag=" in to else f"To: {to};tag={tag or self.user}",
        ]
        text += [f"Call-ID: {self.header(request, 'Call-ID')}", f"CSeq: {self.header(request, 'CSeq')}"]
        text += [f"Contact: {self.contact}", *lines]
        text += ["Content-Type: application/sdp"] if body else []
        return "\r\n".join([*text, f"Content-Length: {len(body)}", "", body])


class MwPeer(asyncio.DatagramProtocol):
    """An element beside the one that is tested."""

    def __init__(self) -> None:
        self._messages: asyncio.Queue[str] = asyncio.Queue()
        self._senders: dict[str, tuple[str, int]] = {}

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]
        self._transport = transport
        self.address: tuple[str, int] = transport.get_extra_info("sockname")
        self.port = self.address[1]

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self._senders[data.decode()] = addr
        self._messages.put_nowait(data.decode())

    async def expect(self, start: str) -> str:
        """Check that the next message but for a 100 begins so, and return it."""
        async with asyncio.timeout(10):
            message = await self._messages.get()
            while message.startswith("SIP/2.0 100"):
                message = await self._messages.get()
        assert message.startswith(start), message
        return message

    def nothing_came(self) -> bool:
        return self._messages.empty()

    def sender(self, message: str) -> tuple[str, int]:
        """Return where a message came from."""
        return self._senders[message]

    def send(self, text: str, to: tuple[str, int]) -> None:
        self._transport.sendto(text.encode(), to)

    def answer(self, request: str, status: str, *lines: str, tag: str = "core") -> None:
        kept = re.findall(r"^(?:Via|From|Call-ID|CSeq|Record-Route): .*$", request.replace("\r", ""), re.MULTILINE)
        to = re.findall(r"^To: .*$", request.replace("\r", ""), re.MULTILINE)[0]
        to = to if ";tag=" in to else f"{to};tag={tag}"
        text = "\r\n".join([f"SIP/2.0 {status}", *kept, to, *lines, "Content-Length: 0", "", ""])
        self.send(text, self.sender(request))

    def grant(self, request: str, *lines: str, expires: int = 600) -> None:
        """Answer a REGISTER with 200."""
        contact = re.findall(r"^Contact: (.*)\r$", request, re.MULTILINE)[0]
        contact = re.sub(r";expires=\d+", "", contact)
        contacts = [f"Contact: {contact};expires={expires}"] if expires else []
        self.answer(request, "200 OK", *contacts, "Service-Route: <sip:orig@127.0.0.1:9;lr>", *lines)


@pytest.fixture
async def make_mw_peer() -> AsyncIterator[Callable[[], Awaitable[MwPeer]]]:
    async with AsyncExitStack() as stack:

        async def make() -> MwPeer:
            loop = asyncio.get_running_loop()
            transport, peer = await loop.create_datagram_endpoint(MwPeer, ("127.0.0.1", 0))
            stack.callback(transport.close)
            return peer

        yield make


@pytest.fixture
def grace() -> float:
    """Seconds for which the network waits for a WIC that has lost its connection."""
    return 0.0


@pytest.fixture
def limits() -> dict[str, int | float]:
    """Further options of the network, such as limits."""
    return {}


@pytest.fixture
async def ims(tmp_path: Path, grace: float, limits: dict[str, int | float]) -> AsyncIterator[ImsNetwork]:
    """A network without WAF and WWSF, whose start takes longest, unless the options want them."""
    options = NetworkOptions(
        directory=tmp_path / "ims", registrar=RegistrarOptions(min_expires=10), grace=grace, web=False
    )
    async with ImsNetwork(replace(options, **limits)) as network:
        for user in ("alice", "bob"):
            network.add_subscriber(user, password=Secret(PASSWORD))
        yield network


@pytest.fixture
async def ue(ims: ImsNetwork) -> AsyncIterator[Callable[..., Awaitable[RawUe]]]:
    async with AsyncExitStack() as stack:

        async def make(user: str, *, register: bool = True) -> RawUe:
            made = RawUe(user)
            await made.connect(ims.wss_url, ims.ca_path)
            stack.push_async_callback(made.close)
            if register:
                await made.registered()
            return made

        yield make


@pytest.fixture
async def make_raw() -> AsyncIterator[Callable[..., Awaitable[RawUe]]]:
    """Make WICs for a network that runs elsewhere, by what it says when it is ready."""
    async with AsyncExitStack() as stack:

        async def make(user: str, ready: dict[str, str]) -> RawUe:
            made = RawUe(user)
            await made.connect(ready["wss"], Path(ready["ca"]) if ready["ca"] else None)
            stack.push_async_callback(made.close)
            return made

        yield make


@pytest.fixture
def mw(ims: ImsNetwork) -> list[bytes]:
    """Every message that the eP-CSCF sends or gets on Mw."""
    seen: list[bytes] = []

    def observe(now: float, direction: Direction, data: bytes, flow: Flow) -> None:
        if flow.transport in ("UDP", "TCP"):
            seen.append(data)

    ims.epcscf.node.driver.add_observer(observe)
    return seen
