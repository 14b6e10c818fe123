"""Listener of WAF and WWSF."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import gzip
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from aiohttp import web

from wic.errors import ConfigurationError, StorageFailed
from wic.network.waf import Waf, WafOptions
from wic.network.web import forms, server
from wic.network.web.server import WebServer
from wic.transport.tls import client_context

if TYPE_CHECKING:
    import ssl
    from pathlib import Path

    from wic.network.certificates import CertificateAuthority


async def test_a_server_that_never_started_frees_its_port(server_tls) -> None:
    opened = WebServer("127.0.0.1", 0, server_tls)
    await opened.close()
    again = WebServer("127.0.0.1", opened.port, server_tls)
    assert again.port == opened.port
    await again.close()


async def test_addresses_of_ipv6_are_written_in_brackets(server_tls) -> None:
    opened = WebServer("::1", 0, server_tls)
    assert opened.url == f"https://[::1]:{opened.port}"
    await opened.close()


async def test_closing_does_not_wait_for_close_notify(waf: Waf, authority: CertificateAuthority) -> None:
    context = client_context(ca=authority.certificate_path)
    reader, writer = await asyncio.open_connection("127.0.0.1", waf.port, ssl=context)
    writer.write(b"GET /jwks HTTP/1.1\r\nHost: x\r\n\r\n")
    assert b"200" in await reader.readline()
    writer.transport.pause_reading()  # so that it never sees the end
    await waf.close()
    # By type: `isinstance` asks what a weak proxy stands for, and that may be gone.
    transports = [each for each in gc.get_objects() if issubclass(type(each), asyncio.Transport)]
    ours = [each for each in transports if _port(each) == waf.port]
    assert all(each.is_closing() for each in ours)
    writer.transport.abort()


@pytest.mark.parametrize("turns", [1, 2, 3, 4])
async def test_closing_that_is_cancelled_ends_idle_connections(
    waf: Waf, authority: CertificateAuthority, turns: int
) -> None:
    context = client_context(ca=authority.certificate_path)
    reader, writer = await asyncio.open_connection("127.0.0.1", waf.port, ssl=context)
    writer.write(b"GET /jwks HTTP/1.1\r\nHost: x\r\n\r\n")
    assert b"200" in await reader.readline()
    closing = asyncio.create_task(waf.close())
    for _ in range(turns):
        await asyncio.sleep(0)
    closing.cancel()
    await asyncio.wait([closing])
    with contextlib.suppress(ConnectionError):
        await asyncio.wait_for(reader.read(), 10.0)  # to its end
    writer.transport.abort()


@pytest.mark.parametrize("cancelled", [False, True])
async def test_a_connection_in_its_tls_handshake_comes_too_late_for_a_server_that_closes(
    waf: Waf, authority: CertificateAuthority, cancelled: bool
) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", waf.port)
    await asyncio.sleep(0.01)
    closing = asyncio.create_task(waf.close())
    if cancelled:
        await asyncio.sleep(0)
        closing.cancel()
    await asyncio.wait([closing])
    with contextlib.suppress(ConnectionError):
        await writer.start_tls(client_context(ca=authority.certificate_path), server_hostname="127.0.0.1")
        writer.write(b"GET /jwks HTTP/1.1\r\nHost: x\r\n\r\n")
        assert await asyncio.wait_for(reader.read(), 10.0) == b""  # no answer of a closed database
    writer.transport.abort()


def _port(transport: asyncio.Transport) -> int | None:
    address = transport.get_extra_info("sockname")
    return address[1] if isinstance(address, tuple) else None


async def test_a_body_that_does_not_come(
    waf: Waf, authority: CertificateAuthority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forms, "BODY_TIMEOUT", 0.01)
    context = client_context(ca=authority.certificate_path)
    reader, writer = await asyncio.open_connection("127.0.0.1", waf.port, ssl=context)
    head = "POST /token HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 9\r\n\r\ng"
    writer.write(head.encode())
    assert b"400" in await reader.readline()
    writer.close()


HEAD = b"POST /token HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\n"


@pytest.mark.parametrize(
    "request_",
    [
        b"GET /callback?code=secret&" + b"x=1&" * 3000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET http://[::1/callback?code=secret HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /?code=secret HTTP/9.9\r\nHost: x\r\n\r\n",
        HEAD + b"Content-Length: abc\r\n\r\n",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
    ],
)
async def test_a_broken_request_leaves_nothing_in_the_log(
    waf: Waf, authority: CertificateAuthority, caplog: pytest.LogCaptureFixture, request_: bytes
) -> None:
    """Anyone could fill it with tracebacks, and they would show what stands in queries."""
    context = client_context(ca=authority.certificate_path)
    reader, writer = await asyncio.open_connection("127.0.0.1", waf.port, ssl=context)
    writer.write(request_)
    assert b" 400 " in await reader.readline()
    writer.close()
    assert caplog.records == []


async def test_a_peer_that_leaves_within_its_request_leaves_nothing_in_the_log(
    waf: Waf, authority: CertificateAuthority, caplog: pytest.LogCaptureFixture
) -> None:
    context = client_context(ca=authority.certificate_path)
    reader, writer = await asyncio.open_connection("127.0.0.1", waf.port, ssl=context)
    writer.write(HEAD + b"Expect: 100-continue\r\nContent-Length: 9\r\n\r\ng")
    assert b" 100 " in await reader.readline()  # the rest of the request is waited for
    writer.transport.abort()
    await waf.close()
    assert caplog.records == []


async def test_an_own_fault_is_in_the_log(
    server_tls: ssl.SSLContext, authority: CertificateAuthority, caplog: pytest.LogCaptureFixture
) -> None:
    async def fail(request: web.Request) -> web.Response:
        raise LookupError("no such thing")

    opened = WebServer("127.0.0.1", 0, server_tls)
    opened.add([web.get("/", fail)])
    await opened.start()
    context = client_context(ca=authority.certificate_path)
    reader, writer = await asyncio.open_connection("127.0.0.1", opened.port, ssl=context)
    writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    assert b" 500 " in await reader.readline()
    writer.close()
    await opened.close()
    assert "no such thing" in caplog.text


async def test_idle_connections_are_closed(
    tmp_path: Path, server_tls: ssl.SSLContext, authority: CertificateAuthority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "KEEP_ALIVE", 0.01)
    options = WafOptions(database=tmp_path / "waf.sqlite", ssl_context=server_tls)
    async with await Waf.open(options, password_cost=16) as waf:
        context = client_context(ca=authority.certificate_path)
        reader, writer = await asyncio.open_connection("127.0.0.1", waf.port, ssl=context)
        assert await reader.read() == b""
        writer.close()


async def test_connections_are_limited(
    waf: Waf, authority: CertificateAuthority, open_browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "CONNECTIONS", 1)
    context = client_context(ca=authority.certificate_path)
    first, writer = await asyncio.open_connection("127.0.0.1", waf.port, ssl=context)
    second, refused = await asyncio.open_connection("127.0.0.1", waf.port, ssl=context)
    assert await second.read() == b""
    writer.close()
    refused.close()
    assert await first.read() == b""
    assert (await open_browser(waf.url).get("/jwks")).status == 200


async def test_compressed_bodies_are_not_unpacked(browser) -> None:
    """A few bytes that become millions would be in memory before they are counted."""
    form = gzip.compress(b"grant_type=client_credentials&client_id=wic")
    headers = {"Content-Type": forms.FORM, "Content-Encoding": "gzip"}
    answer = await browser.request("POST", "/token", data=form, headers=headers)
    assert (answer.status, answer.json["error"]) == (400, "invalid_request")


async def test_requests_that_are_not_http(waf: Waf, authority: CertificateAuthority) -> None:
    context = client_context(ca=authority.certificate_path)
    reader, writer = await asyncio.open_connection("127.0.0.1", waf.port, ssl=context)
    writer.write(b"REGISTER sip:ims.example SIP/2.0\r\n\r\n")
    assert b" 400 " in await reader.readline()
    writer.close()


@pytest.mark.parametrize(
    "path", ["/../../etc/passwd", "/style.css/../../x", "/%2e%2e/%2e%2e/etc/passwd", "/pages/login.html"]
)
async def test_files_beside_the_pages_are_not_served(browser, path: str) -> None:
    answer = await browser.get(path)
    assert answer.status == 404
    assert "root:" not in answer.text


async def test_a_failed_open_leaves_nothing_open(waf: Waf, tmp_path: Path, server_tls: ssl.SSLContext) -> None:
    options = WafOptions(database=tmp_path / "other.sqlite", ssl_context=server_tls, port=waf.port)
    with pytest.raises(ConfigurationError, match="is taken; choose another one"):
        await Waf.open(options, password_cost=16)
    assert not options.database.exists()
    with pytest.raises(ConfigurationError, match="cannot open"):
        await Waf.open(replace(options, database=tmp_path, port=0), password_cost=16)


async def test_a_locked_database_is_swept_later(
    tmp_path: Path, server_tls: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    outcomes, swept = iter([StorageFailed("database is locked"), None]), asyncio.Event()

    def sweep() -> int:
        if (error := next(outcomes, None)) is not None:
            raise error
        swept.set()
        return 0

    monkeypatch.setattr(server, "SWEEP_INTERVAL", 0.0)
    opened = WebServer("127.0.0.1", 0, server_tls)
    opened.add([], sweep=sweep)
    await opened.start()
    await swept.wait()
    await opened.close()
    assert "expired rows are not removed now: database is locked" in caplog.text
