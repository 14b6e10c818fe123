"""A network whose eP-CSCF waits for WICs that have lost their connection, and an eP-CSCF alone before a core of text."""

from __future__ import annotations

import asyncio
import re
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import pytest

from wic.auth.secret import Secret
from wic.network import ImsNetwork, NetworkOptions
from wic.network.agw.gateway import Agw
from wic.network.certificates import CertificateAuthority
from wic.network.epcscf.options import EPcscfOptions
from wic.network.epcscf.server import EPcscf
from wic.network.scscf.options import RegistrarOptions
from wic.network.tokens import Authorization, TokenInvalid
from wic.transport.tokens import RandomTokens

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

PASSWORD = "correct horse"


@pytest.fixture
async def ims(tmp_path: Path) -> AsyncIterator[ImsNetwork]:
    options = NetworkOptions(directory=tmp_path / "ims", registrar=RegistrarOptions(min_expires=10), grace=30)
    async with ImsNetwork(options) as network:
        for user in ("alice", "bob"):
            network.add_subscriber(user, password=Secret(PASSWORD))
        yield network


@pytest.fixture
def time_passes() -> Callable[[EPcscf, float], None]:
    """Let an eP-CSCF's waits believe that so many seconds have passed."""

    def pass_(epcscf: EPcscf, seconds: float) -> None:
        driver = epcscf.node.driver
        epcscf._survival.handle_timeout(now=driver.now + seconds)
        driver.pump()

    return pass_


class TextCore(asyncio.DatagramProtocol):
    """What stands behind the eP-CSCF, made of strings."""

    def __init__(self) -> None:
        self._requests: asyncio.Queue[tuple[str, tuple[str, int]]] = asyncio.Queue()
        self._addresses: dict[str, tuple[str, int]] = {}

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self._requests.put_nowait((data.decode(), addr))

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:
        self._transport = transport

    @property
    def port(self) -> int:
        return int(self._transport.get_extra_info("sockname")[1])

    async def receive(self, start: str) -> str:
        async with asyncio.timeout(10):
            message, address = await self._requests.get()
        assert message.startswith(start), message
        self._addresses[message] = address
        return message

    def nothing_came(self) -> bool:
        return self._requests.empty()

    def answer(self, request: str, status: str, *lines: str, tag: str = "core") -> None:
        kept = re.findall(r"^(?:Via|From|Call-ID|CSeq|Record-Route): .*$", request.replace("\r", ""), re.MULTILINE)
        to = re.findall(r"^To: .*$", request.replace("\r", ""), re.MULTILINE)[0]
        to = to if ";tag=" in to else f"{to};tag={tag}"
        text = "\r\n".join([f"SIP/2.0 {status}", *kept, to, *lines, "Content-Length: 0", "", ""])
        self._transport.sendto(text.encode(), self._addresses[request])

    def send(self, text: str, where: str) -> None:
        """Send a request to where another came from."""
        self._transport.sendto(text.encode(), self._addresses[where])

    def grant(self, request: str, *lines: str, expires: int = 600) -> None:
        """Answer a REGISTER with 200."""
        contact = re.findall(r"^Contact: (.*)\r$", request, re.MULTILINE)[0]
        contact = re.sub(r";expires=\d+", "", contact)
        contacts = [f"Contact: {contact};expires={expires}"] if expires else []
        self.answer(request, "200 OK", *contacts, "Service-Route: <sip:orig@127.0.0.1:9;lr>", *lines)


class Tokens:
    """Stands in for the WAFs: knows what the test says about tokens."""

    def __init__(self) -> None:
        self.now = 1_000_000.0
        self.known: dict[str, Authorization | Exception] = {}
        self.asked: list[str] = []
        self.hold: asyncio.Event | None = None

    def give(self, token: str, user: str = "alice", *, life: float = 500.0, third_party: bool = False) -> str:
        self.known[token] = Authorization(
            impi=f"{user}@ims.example",
            impus=(f"sip:{user}@ims.example", f"sip:{user}.two@ims.example"),
            issuer="https://waf.example",
            wwsf=None,
            scope=frozenset({"ims"}),
            expires_at=self.now + life,
            jti=token,
            subject=user,
            client_id="wic",
            third_party=third_party,
        )
        return token

    async def validate(self, token: Secret, *, now: float) -> Authorization:
        self.asked.append(token.reveal())
        if self.hold is not None:
            await self.hold.wait()
        found = self.known[token.reveal()]
        if isinstance(found, Authorization):
            return found
        raise found

    def refuse(self, token: str, error: Exception) -> str:
        self.known[token] = error
        return token


class Edge:
    """An eP-CSCF between WICs and a core, all but the first made of strings."""

    def __init__(self, epcscf: EPcscf, core: TextCore, tokens: Tokens, make: Callable[[str], Awaitable[object]]):
        self.epcscf = epcscf
        self.core = core
        self.tokens = tokens
        self.wic = make
        self.fault = TokenInvalid


@pytest.fixture
async def make_edge(tmp_path: Path, make_raw: Callable[..., Awaitable[object]]) -> AsyncIterator[Callable[..., object]]:
    async with AsyncExitStack() as stack:

        async def make(*, tokens: bool = True, secure: bool = True, **options: object) -> Edge:
            _, core = await asyncio.get_running_loop().create_datagram_endpoint(TextCore, ("127.0.0.1", 0))
            stack.callback(core._transport.close)
            authority = CertificateAuthority(tmp_path)
            settings = EPcscfOptions(
                core=f"sip:127.0.0.1:{core.port}",
                ssl_context=authority.server_context("127.0.0.1") if secure else None,
                authz_server="https://waf.example",
                **{"reg_event": False, **options},  # type: ignore[arg-type]
            )
            agw, known = Agw(RandomTokens()), Tokens()
            stack.push_async_callback(agw.close)
            await agw.start()
            validator = known if tokens else None
            epcscf = EPcscf(agw, settings, validator=validator, wall_clock=lambda: known.now)
            stack.push_async_callback(epcscf.close)
            await epcscf.start()
            ready = {"wss": epcscf.url, "ca": str(authority.certificate_path) if secure else ""}
            return Edge(epcscf, core, known, lambda user: make_raw(user, ready))

        yield make


@pytest.fixture
async def edge(make_edge: Callable[..., Awaitable[Edge]]) -> Edge:
    return await make_edge()
