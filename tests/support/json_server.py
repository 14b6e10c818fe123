"""Web server that answers what a test says: a WAF or a WWSF of which only one answer matters."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest
from aiohttp import web

from wic.network.certificates import CertificateAuthority
from wic.oauth.http import JsonClient

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class ReceivedRequest:
    """Request as it came."""

    method: str
    path: str
    form: dict[str, str]
    headers: Mapping[str, str]


@dataclass(slots=True)
class JsonServer:
    """Web server with the answers of a test, which keeps the requests that come."""

    url: str = ""
    asked: list[ReceivedRequest] = field(default_factory=list)
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
        """Add an answer for `path`; several are sent in turn, and the last one stays."""
        data = json.dumps(document).encode() if body is None else body
        self.answers.setdefault(path, []).append(lambda _: web.Response(status=status, body=data, headers=headers))

    def becomes_a_waf(self, **changes: object) -> None:
        """Serve the metadata of an authorization server."""
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
        """Serve the configuration of a WWSF."""
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
        """Add a token response with this token."""
        document = {"access_token": token, "token_type": "Bearer", "expires_in": 3600, "refresh_token": f"{token}-next"}
        identities = {"impi": "carol@ims.example", "impu": ["sip:carol@ims.example", "tel:+15551234"]}
        self.says("/token", document | identities | changes)

    def forms(self, path: str) -> list[dict[str, str]]:
        """Return the forms that were sent to a path."""
        return [asked.form for asked in self.asked if asked.path == path]

    async def handle(self, request: web.Request) -> web.StreamResponse:
        form = {name: str(value) for name, value in (await request.post()).items()}
        self.asked.append(ReceivedRequest(request.method, request.path, form, request.headers.copy()))
        answers = self.answers.get(request.path)
        if not answers:
            return web.Response(status=404)
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        return await answer(request) if isinstance(answer, AsyncAnswer) else answer(request)


class AsyncAnswer:
    """Answer that is made by a coroutine, at its own pace."""

    def __init__(self, work: Callable[[web.Request], object]) -> None:
        self._work = work

    async def __call__(self, request: web.Request):
        return await self._work(request)


@asynccontextmanager
async def running(server: JsonServer, ssl_context=None) -> AsyncIterator[JsonServer]:
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


@pytest.fixture
async def server() -> AsyncIterator[JsonServer]:
    """A server without TLS."""
    async with running(JsonServer()) as it:
        yield it


@pytest.fixture
async def other_server() -> AsyncIterator[JsonServer]:
    """A second server without TLS."""
    async with running(JsonServer()) as it:
        yield it


@pytest.fixture
async def secure_server(tmp_path: Path) -> AsyncIterator[JsonServer]:
    """A server with TLS, whose CA is in `ca.pem` of the test's directory."""
    authority = CertificateAuthority(tmp_path)
    async with running(JsonServer(), authority.server_context("127.0.0.1")) as it:
        yield it


@pytest.fixture
async def json_client() -> AsyncIterator[JsonClient]:
    async with JsonClient(timeout=5.0) as it:
        yield it


@pytest.fixture
def async_answer() -> type[AsyncAnswer]:
    return AsyncAnswer
