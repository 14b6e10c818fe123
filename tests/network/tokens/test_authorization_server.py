"""Requests to an authorization server: its metadata, and a server that gives no usable answer."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web

from wic.network.tokens import WafUnreachable
from wic.network.tokens.authorization_server import AuthorizationServerClient
from wic.oauth.http import JsonClient
from wic.oauth.metadata import OAuthEndpoint

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from wic.network.certificates import CertificateAuthority

NOW = 1_800_000_000.0


@pytest.fixture
async def server(issuer: Any, authority: CertificateAuthority) -> AsyncIterator[AuthorizationServerClient]:
    async with JsonClient(ca=authority.certificate_path) as http:
        yield AuthorizationServerClient(issuer.url, http)


async def test_metadata_are_fetched_once_an_hour(issuer: Any, server: AuthorizationServerClient) -> None:
    for now in (NOW, NOW + 3599, NOW + 3600, NOW + 3601):
        assert await server.url_of(OAuthEndpoint.JWKS, now=now) == f"{issuer.url}/jwks"
    assert issuer.requests == ["metadata"] * 2


async def test_metadata_are_old_when_the_clock_was_set_back(issuer: Any, server: AuthorizationServerClient) -> None:
    for now in (NOW, NOW - 1):
        await server.url_of(OAuthEndpoint.JWKS, now=now)
    assert issuer.requests == ["metadata"] * 2


async def test_the_issuer_is_written_as_in_its_tokens(issuer: Any, server: AuthorizationServerClient) -> None:
    issuer.metadata["issuer"] = f"{issuer.url}/"
    with pytest.raises(WafUnreachable, match="calls itself"):
        await server.url_of(OAuthEndpoint.JWKS, now=NOW)


async def test_answers_that_cannot_be_used(issuer: Any, server: AuthorizationServerClient) -> None:
    with pytest.raises(WafUnreachable, match="no usable 'revocation_endpoint'"):
        await server.url_of(OAuthEndpoint.REVOCATION, now=NOW)
    with pytest.raises(WafUnreachable, match="answers 404"):
        await server.get(f"{issuer.url}/nothing")
    issuer.raw = web.Response(body=b"yes")
    with pytest.raises(WafUnreachable, match="not a JSON"):
        await server.post(f"{issuer.url}/introspect", {}, authorization="Basic YTpi")
    issuer.raw = web.Response(body=b"yes")
    await server.post(f"{issuer.url}/introspect", {"token": "x"}, authorization="Basic YTpi", ignore_content=True)
    assert issuer.asked == ("Basic YTpi", {"token": "x"})


async def test_a_server_that_does_not_answer(authority: CertificateAuthority) -> None:
    handlers: list[asyncio.Task[None] | None] = []

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        handlers.append(asyncio.current_task())
        await reader.read()
        writer.close()
        await writer.wait_closed()

    listener = await asyncio.start_server(silent, "127.0.0.1", 0)
    url = f"https://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
    async with JsonClient(ca=authority.certificate_path, timeout=0.05) as http:
        server = AuthorizationServerClient(url, http)
        with pytest.raises(WafUnreachable):
            await server.url_of(OAuthEndpoint.JWKS, now=NOW)
        with pytest.raises(WafUnreachable):
            await server.post(url, {}, authorization="Basic YTpi", ignore_content=True)
    listener.close()
    await asyncio.gather(*filter(None, handlers))
