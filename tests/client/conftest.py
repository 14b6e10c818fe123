"""A home network small enough for tests: one proxy with a registrar, on a real WebSocket."""

from __future__ import annotations

import asyncio
import gc
import os
import random
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from wic.auth import DigestAlgorithm, Secret, make_ha1
from wic.auth.digest_server import AuthOutcome, DigestVerifier
from wic.client import Account, Client, ClientOptions
from wic.client.credentials import Credentials, open_credentials
from wic.errors import ConnectFailed
from wic.media import MediaTransportOptions
from wic.network.certificates import CertificateAuthority
from wic.sip.endpoint import Endpoint, EndpointOptions, Role
from wic.sip.headers.address import NameAddr
from wic.sip.parser import parse
from wic.sip.proxy.core import PassingResponse, ProxyContext, ProxyCore, ProxyLogic, ProxyOptions, Target
from wic.transport.driver import Driver, SystemRandomSource
from wic.transport.memory import MemoryNetwork
from wic.transport.memory import Path as NetworkPath
from wic.transport.websocket import serve_websocket

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from wic.sip.flow import Flow
    from wic.sip.message import Request, Response
    from wic.sip.uri import Uri
    from wic.transport.base import Connection

ROUTE = NameAddr.parse("<sip:home.ims.example;lr>")
PASSWORD = Secret("sesame")
OPTIONS = ClientOptions(
    close_timeout=3.0,
    goodbye_grace=0.5,
    reg_event=False,
    media=MediaTransportOptions(ice_timeout=5.0, dtls_timeout=5.0),
)


class Home(ProxyLogic):
    """Registers users of ims.example with their one password, and routes calls to all their contacts."""

    def __init__(self) -> None:
        random_source = SystemRandomSource()
        self.contacts: dict[str, dict[str, tuple[NameAddr, Flow]]] = {}
        self.flows: dict[str, Flow] = {}
        self.requests: list[Request] = []
        self.granted = 3600
        self.register_status = 200
        self.register_headers: list[tuple[str, object]] = []
        self.register_extra: list[tuple[str, object]] = []
        self.associated: list[str] = []
        self.gruu = ""  # the public GRUU of an identity is this parameter more
        self.bars: set[str] = set()
        self.forbids: set[str] = set()
        self.answers: dict[str, object] = {}
        self.tamper: Callable[[Request], None] | None = None
        self.tamper_response: Callable[[Response], None] | None = None
        self.deaf_to: set[str] = set()
        self.verifier = DigestVerifier("ims.example", key=os.urandom(16), random_source=random_source)
        self.endpoint = Endpoint(random_source=random_source, options=EndpointOptions(role=Role.PROXY))
        self.core = ProxyCore(self.endpoint, self, ProxyOptions(own=frozenset({("home.ims.example", None)})))
        self.driver = Driver(self.endpoint, on_event=lambda event: self.core.handle(event, now=self.driver.now))
        self.url = ""
        self.ca: Path | None = None

    def route(self, context: ProxyContext, *, now: float) -> None:
        request = context.request
        self.requests.append(request)
        if request.method in self.deaf_to:
            return
        if request.method == "REGISTER" and "REGISTER" not in self.answers:
            self._register(context, now)
        elif callable(answer := self.answers.get(request.method)):
            answer(context, now)
        elif answer is not None:
            status, headers, body = answer
            context.reject(status, now=now, headers=headers, body=body)
        elif context.in_dialog:
            self._tamper(request)
            context.forward(now=now)
        else:
            bound = self.contacts.get(request.uri.user or "", {})
            if bound:
                self._tamper(request)
                context.forward([Target(uri=contact.uri, flow=flow) for contact, flow in bound.values()], now=now)
            else:
                context.reject(404, now=now)

    def _tamper(self, request: Request) -> None:
        if self.tamper is not None:
            self.tamper(request)

    def _register(self, context: ProxyContext, now: float) -> None:
        request = context.request
        verdict = self.verifier.verify(request, _lookup, now=now)
        if verdict.outcome is not AuthOutcome.OK:
            challenges = self.verifier.make_challenges(now=now, stale=verdict.stale)
            context.reject(401, now=now, headers=[("WWW-Authenticate", each) for each in challenges])
            return
        self.grant(context, now)

    def grant(self, context: ProxyContext, now: float) -> None:
        request = context.request
        if request.to.uri.user in self.forbids:
            context.reject(403, now=now)
            return
        if self.register_status != 200:
            context.reject(self.register_status, now=now, headers=self.register_headers)
            return
        contact = request.contacts[0]
        user = request.to.uri.user or ""
        bound = self.contacts.setdefault(user, {})
        instance = contact.params.get("+sip.instance") or ""
        if request.expires == 0:
            bound.pop(instance, None)
            context.reject(200, now=now)
            return
        bound[instance] = (contact, context.flow)
        self.flows[contact.uri.host] = context.flow
        granted = contact.with_params(contact.params.with_("expires", str(self.granted)))
        if self.gruu:
            gruu = f"{request.to.uri};gr={self.gruu}"
            granted = granted.with_params(granted.params.with_("pub-gruu", gruu))
        uris = list(self.associated)
        if str(request.to.uri) not in uris and user not in self.bars:
            uris.append(str(request.to.uri))
        headers = [("Contact", granted), ("Service-Route", ROUTE), *(("P-Associated-URI", f"<{uri}>") for uri in uris)]
        context.reject(200, now=now, headers=[*headers, *self.register_extra])

    def next_hop(self, uri: Uri) -> Flow | None:
        return self.flows.get(uri.host)

    def record_route(self, context: ProxyContext, target: Target) -> list[str]:
        return [str(ROUTE)]

    def response(self, passing: PassingResponse, *, now: float) -> None:
        if self.tamper_response is not None:
            self.tamper_response(passing.response)
        passing.release(now=now)

    # what tests use

    def account(self, user: str, **changes: object) -> Account:
        settings = {
            "server": self.url,
            "impu": f"sip:{user}@ims.example",
            "impi": f"{user}@ims.example",
            "password": PASSWORD,
            "name": user,
            "ca": self.ca,
            "insecure": self.ca is None,
        }
        return Account(**(settings | changes))

    def client(self, user: str, **changes: object) -> Client:
        return Client(self.account(user), replace(OPTIONS, **changes))

    @staticmethod
    async def take(client):
        """The next call that comes in."""
        return await anext(client.incoming())

    async def connect(self, alice, bob, *, audio=None, answer=None, data=True):
        """Let Alice call Bob until both are connected."""
        call = await alice.call("sip:bob@ims.example", audio=audio, data=data)
        other = await self.take(bob)
        await asyncio.gather(call.answered(timeout=10), other.answer(audio=answer))
        return call, other

    @staticmethod
    async def until(holds):
        while not holds():  # noqa: ASYNC110 - what is waited for has no event of its own
            await asyncio.sleep(0.01)


def _lookup(username: str, algorithm: DigestAlgorithm) -> Secret:
    return make_ha1(algorithm, username, "ims.example", PASSWORD)


@asynccontextmanager
async def running(home: Home, *, ssl_context=None, host: str = "127.0.0.1") -> AsyncIterator[Home]:
    listener = await serve_websocket(host, 0, handler=home.driver, ssl_context=ssl_context)
    home.url = f"{'wss' if ssl_context else 'ws'}://{host}:{listener.address[1]}/"
    try:
        yield home
    finally:
        await listener.close()
        await home.driver.close()


@pytest.fixture
async def home() -> AsyncIterator[Home]:
    """The network, without TLS."""
    async with running(Home()) as running_home:
        yield running_home


@pytest.fixture
async def secure_home(tmp_path: Path) -> AsyncIterator[Home]:
    """The network, with TLS and a CA of its own."""
    authority = CertificateAuthority(tmp_path)
    home = Home()
    home.ca = tmp_path / "ca.pem"
    async with running(home, ssl_context=authority.server_context("127.0.0.1")) as running_home:
        yield running_home


@pytest.fixture
def nothing_left() -> Callable[[], tuple[int, int]]:
    """Count what a client could leave behind: tasks, and open file descriptors."""

    def count() -> tuple[int, int]:
        gc.collect()
        return len(asyncio.all_tasks()), len(os.listdir("/proc/self/fd"))

    return count


class Told(list):
    """Events that a client has told, in order."""

    @property
    def kinds(self) -> list[type]:
        return [type(event) for event in self]


class MemoryHome:
    """The home network behind several servers, on a network in memory; for tests in virtual time."""

    def __init__(self) -> None:
        self.home = Home()
        self.network = MemoryNetwork(path=NetworkPath(delay=0.01))
        self.down: set[str] = set()
        self.dialled: list[tuple[float, str]] = []
        self.far: list[Connection] = []
        self.on_dial: Callable[[Connection], None] = lambda far: None
        self.chance = random.Random(7).random
        self.credentials: list[Credentials] = []

    async def open_credentials(self, account, **needed):
        """Open credentials as a client does, and keep them for tests that let them end."""
        self.credentials.append(await open_credentials(account, **needed))
        return self.credentials[-1]

    async def dial(self, url, handler):
        self.dialled.append((asyncio.get_running_loop().time(), url))
        if url in self.down:
            raise ConnectFailed(f"{url} refuses connections.")
        near, far = self.network.connect(
            handler,
            self.home.driver,
            client_address=("10.0.0.1", 49152 + len(self.far)),
            server_address=(urlsplit(url).hostname or "", 443),
        )
        self.far.append(far)
        self.on_dial(far)
        return near

    def client(self, user="alice", *servers, impus=(), settings=None, **changes):
        own = {"server": "", "servers": servers or ("ws://a/",), "insecure": True, "impus": impus}
        account = self.home.account(user, **own, **(settings or {}))
        return Client(account, replace(OPTIONS, **({"dial": self.dial, "chance": self.chance} | changes)))

    @staticmethod
    async def invite(client, identity=None) -> Request:
        """Let a client call Bob, and return the INVITE as it was sent."""
        sent: list[bytes] = []
        client.on_message(lambda now, direction, data, flow: sent.append(data))
        await client.call("sip:bob@ims.example", identity=identity)
        return parse(next(data for data in sent if data.startswith(b"INVITE ")))

    @staticmethod
    def watched(client) -> Told:
        """Listen to a client."""
        told = Told()
        client.on_event(told.append)
        return told

    async def until(self, holds, seconds: float = 7200.0):
        """Let time pass until something holds, and return how long it took."""
        loop = asyncio.get_running_loop()
        started = loop.time()
        while not holds():
            assert loop.time() < started + seconds, "it took too long"
            await asyncio.sleep(0.05)
        return loop.time() - started


@pytest.fixture
async def memory_home(monkeypatch):
    memory_home = MemoryHome()
    monkeypatch.setattr("wic.client.client.open_credentials", memory_home.open_credentials)
    yield memory_home
    await memory_home.home.driver.close()
