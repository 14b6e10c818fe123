"""Web servers that say what a test wants: a WAF or a WWSF of which only one answer matters."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import TYPE_CHECKING

import aiohttp
import pytest
from aiohttp import web

from wic.client.web import WebAuthorization
from wic.client.web.http import WebClient
from wic.client.web.store import TokenStore
from wic.network.certificates import CertificateAuthority
from wic.transport.tls import client_context

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as it came."""

    method: str
    path: str
    form: dict[str, str]
    headers: Mapping[str, str]


@dataclass(slots=True)
class WebServer:
    """Answers what it was told to, and remembers what it was asked."""

    url: str = ""
    asked: list[Asked] = field(default_factory=list)
    answers: dict[str, list[web.Response | Callable[[web.Request], web.StreamResponse]]] = field(default_factory=dict)

    def says(
        self,
        path: str,
        document: object = None,
        *,
        status: int = 200,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Answer `path` so; said again, the answers come in turn and the last one stays."""
        data = json.dumps(document).encode() if body is None else body
        self.answers.setdefault(path, []).append(lambda _: web.Response(status=status, body=data, headers=headers))

    def becomes_a_waf(self, **changes: object) -> None:
        """Have the metadata of an authorization server."""
        document = {
            "issuer": self.url,
            "authorization_endpoint": f"{self.url}/authorize",
            "token_endpoint": f"{self.url}/token",
            "device_authorization_endpoint": f"{self.url}/device_authorization",
            "revocation_endpoint": f"{self.url}/revoke",
            "response_types_supported": ["code"],
            "code_challenge_methods_supported": ["S256"],
            "authorization_response_iss_parameter_supported": True,
        }
        self.answers.pop("/.well-known/oauth-authorization-server", None)
        self.says("/.well-known/oauth-authorization-server", document | changes)

    def becomes_a_wwsf(self, **changes: object) -> None:
        """Have the configuration of a WWSF."""
        document = {
            "wss": "wss://pcscf.ims.example/",
            "issuer": self.url,
            "client_id": "wic",
            "pool": f"{self.url}/pool/lease",
            "anonymous": True,
        }
        self.answers.pop("/.well-known/wic-configuration", None)
        self.says("/.well-known/wic-configuration", document | changes)

    def gives(self, token: str, **changes: object) -> None:
        """Give this token next."""
        document = {"access_token": token, "token_type": "Bearer", "expires_in": 3600, "refresh_token": f"{token}-next"}
        identities = {"impi": "carol@ims.example", "impu": ["sip:carol@ims.example", "tel:+15551234"]}
        self.says("/token", document | identities | changes)

    def forms(self, path: str) -> list[dict[str, str]]:
        """The forms that were sent there."""
        return [asked.form for asked in self.asked if asked.path == path]

    async def handle(self, request: web.Request) -> web.StreamResponse:
        form = {name: str(value) for name, value in (await request.post()).items()}
        self.asked.append(Asked(request.method, request.path, form, request.headers.copy()))
        answers = self.answers.get(request.path)
        if not answers:
            return web.Response(status=404)
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        return await answer(request) if isinstance(answer, Slow) else answer(request)


class Slow:
    """An answer that takes its time, or is no answer."""

    def __init__(self, work: Callable[[web.Request], object]) -> None:
        self._work = work

    async def __call__(self, request: web.Request):
        return await self._work(request)


@asynccontextmanager
async def running(server: WebServer, ssl_context=None) -> AsyncIterator[WebServer]:
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", server.handle)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=ssl_context)
    await site.start()
    server.url = f"{'https' if ssl_context else 'http'}://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield server
    finally:
        await runner.cleanup()


class Form(HTMLParser):
    """The fields of the form of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.fields: dict[str, str] = {}
        self.action = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if tag == "form":
            self.action = values.get("action") or ""
        elif tag == "input" and values.get("name"):
            self.fields[str(values["name"])] = values.get("value") or ""


class Person:
    """Somebody at a browser, who fills in what pages ask for, and decides; carol unless told otherwise."""

    def __init__(self, ca: Path, password: str, *, name: str = "carol", decision: str = "approve") -> None:
        self._name = name
        self._context = client_context(ca=ca)
        self._password = password
        self._decision = decision
        self.tasks: list[asyncio.Task[str]] = []

    def open(self, url: str) -> None:
        self.tasks.append(asyncio.create_task(self.visit(url)))

    async def visit(self, url: str) -> str:
        jar = aiohttp.CookieJar(unsafe=True)
        connector = aiohttp.TCPConnector(ssl=self._context)
        async with aiohttp.ClientSession(cookie_jar=jar, connector=connector) as session:
            answer = await session.get(url)
            for _ in range(5):
                page, form = await answer.text(), None
                form = Form(page)
                if not form.action:
                    return page
                fields = form.fields | {"decision": self._decision}
                if "password" in fields:
                    fields |= {"username": self._name, "password": self._password}
                answer = await session.post(
                    answer.url.join(answer.url.with_path(form.action).with_query({})), data=fields
                )
            raise AssertionError(page)


@pytest.fixture
def person() -> type[Person]:
    """Carol, who knows her password at the WAF."""
    return Person


@pytest.fixture
async def server() -> AsyncIterator[WebServer]:
    """A server without TLS."""
    async with running(WebServer()) as it:
        yield it


@pytest.fixture
async def other_server() -> AsyncIterator[WebServer]:
    """A second one."""
    async with running(WebServer()) as it:
        yield it


@pytest.fixture
async def secure_server(tmp_path: Path) -> AsyncIterator[WebServer]:
    """A server with TLS, whose CA is in `ca.pem` of the test's directory."""
    authority = CertificateAuthority(tmp_path)
    async with running(WebServer(), authority.server_context("127.0.0.1")) as it:
        yield it


@pytest.fixture
async def web_client() -> AsyncIterator[WebClient]:
    async with WebClient(timeout=5.0) as it:
        yield it


@pytest.fixture
def slow() -> type[Slow]:
    return Slow


@pytest.fixture
def store(tmp_path: Path) -> TokenStore:
    return TokenStore(tmp_path / "state" / "tokens")


@pytest.fixture
def settings(server: WebServer) -> Callable[..., WebAuthorization]:
    """Make the settings of an account at `server`."""

    def make(**changes: object) -> WebAuthorization:
        given: dict[str, object] = {"account": "carol", "waf": server.url, "insecure": True}
        return WebAuthorization(**(given | changes))

    return make
