"""JSON over HTTPS: what a server may do, and what it may not make us do."""

from __future__ import annotations

import asyncio
import gzip
from typing import TYPE_CHECKING

import pytest
from aiohttp import web

from wic.auth import Secret
from wic.client.web.http import MAX_BODY, ClientPassword, Reply, WebClient, origin
from wic.errors import ConnectFailed, RemoteProtocolError

if TYPE_CHECKING:
    from pathlib import Path


async def test_a_document_is_fetched(server, web_client) -> None:
    server.says("/a", {"name": "x", "control": "a\x07b", "number": 1})
    reply = await web_client.get(f"{server.url}/a")
    assert reply.ok
    assert (reply.text("name"), reply.text("control"), reply.text("number"), reply.text("none")) == ("x", "", "", "")
    (asked,) = server.asked
    assert asked.headers["Accept"] == "application/json"
    assert "Cookie" not in asked.headers


async def test_a_form_is_sent_with_credentials(server, web_client) -> None:
    server.says("/token", {})
    await web_client.post(f"{server.url}/token", {"a": "b c"}, password=ClientPassword("b:ot", Secret("p%ss")))
    await web_client.post(f"{server.url}/token", {}, bearer=Secret("abc"))
    await web_client.delete(f"{server.url}/token", bearer=Secret("abc"))
    first, second, third = server.asked
    assert first.form == {"a": "b c"}
    assert first.headers["Authorization"] == "Basic YiUzQW90OnAlMjVzcw=="  # RFC 6749 §2.3.1: encoded twice
    assert second.headers["Authorization"] == third.headers["Authorization"] == "Bearer abc"
    assert third.method == "DELETE"


async def test_the_certificate_is_checked(secure_server, tmp_path: Path) -> None:
    secure_server.says("/a", {"name": "x"})
    async with WebClient(ca=tmp_path / "ca.pem") as client:
        assert (await client.get(f"{secure_server.url}/a")).ok
        with pytest.raises(ConnectFailed, match="its certificate is for another host name"):
            await client.get(f"{secure_server.url.replace('127.0.0.1', 'localhost')}/a")
    async with WebClient() as client:
        with pytest.raises(ConnectFailed, match="comes from an authority that is not trusted"):
            await client.get(f"{secure_server.url}/a")


async def test_what_does_not_speak_tls_is_said(web_client) -> None:
    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(65_536)
        writer.write(b"HTTP/1.0 400 Bad Request\r\n\r\n")
        await reader.read()  # until the client has had enough
        writer.close()

    listener = await asyncio.start_server(refuse, "127.0.0.1", 0)
    port = listener.sockets[0].getsockname()[1]
    async with listener:
        with pytest.raises(ConnectFailed, match="it does not speak TLS"):
            await web_client.get(f"https://127.0.0.1:{port}/")


async def test_a_server_that_is_not_there(web_client, unused_tcp_port: int) -> None:
    with pytest.raises(ConnectFailed, match=rf"http://127\.0\.0\.1:{unused_tcp_port} cannot be used: nothing listens"):
        await web_client.get(f"http://127.0.0.1:{unused_tcp_port}/")


@pytest.mark.parametrize("host", ["waf.invalid", "a..b", "a" * 70, "-", "xn--a", "a b"])
async def test_a_name_that_nobody_has(web_client, host: str) -> None:
    with pytest.raises(ConnectFailed, match=rf"http://{host} cannot be used: "):
        await web_client.get(f"http://{host}/")


async def test_a_server_that_says_nothing(server, slow) -> None:
    server.answers["/a"] = [slow(lambda _: asyncio.sleep(60))]
    async with WebClient(timeout=0.2) as client:
        with pytest.raises(ConnectFailed, match="did not answer in time"):
            await client.get(f"{server.url}/a")


async def test_a_server_that_speaks_something_else() -> None:
    async def greet(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail.example ESMTP\r\n")
        await writer.drain()
        writer.close()

    listener = await asyncio.start_server(greet, "127.0.0.1", 0)
    port = listener.sockets[0].getsockname()[1]
    async with listener, WebClient() as client:
        with pytest.raises(ConnectFailed, match="does not speak HTTP"):
            await client.get(f"http://127.0.0.1:{port}/")


async def test_nothing_is_followed(server, other_server, web_client) -> None:
    for status in (301, 302, 303, 307, 308):
        server.answers.clear()
        server.says("/token", {}, status=status, headers={"Location": f"{other_server.url}/steal"})
        with pytest.raises(RemoteProtocolError, match="wants to redirect"):
            await web_client.post(f"{server.url}/token", {"code": "secret"}, bearer=Secret("abc"))
    assert other_server.asked == []


async def test_an_answer_has_an_end(server, slow, web_client) -> None:
    async def flood(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for _ in range(100):
            await response.write(b" " * MAX_BODY)
        return response

    server.answers["/a"] = [slow(flood)]
    with pytest.raises(RemoteProtocolError, match=f"more than {MAX_BODY} octets"):
        await web_client.get(f"{server.url}/a")


async def test_no_bomb_is_unpacked(server, web_client) -> None:
    bomb = gzip.compress(b" " * 50_000_000)
    server.says("/a", body=bomb, headers={"Content-Encoding": "gzip"})
    with pytest.raises(RemoteProtocolError, match="no JSON object"):
        await web_client.get(f"{server.url}/a")


@pytest.mark.parametrize("body", [b"<html>", b"[1]", b'"a"', b"\xff", b"[" * 100_000, b'{"a":' * 50_000], ids=len)
async def test_what_is_no_json_object(server, web_client, body: bytes) -> None:
    server.says("/a", body=body)
    with pytest.raises(RemoteProtocolError, match="no JSON object"):
        await web_client.get(f"{server.url}/a")
    server.answers.clear()
    server.says("/a", body=body, status=500)
    reply = await web_client.get(f"{server.url}/a")
    assert (reply.status, reply.document, reply.ok) == (500, {}, False)


async def test_no_content_is_fine(server, web_client) -> None:
    server.says("/a", body=b"", status=204)
    assert (await web_client.delete(f"{server.url}/a")).ok


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("7", 7.0), ("0", 0.0), ("99999999", 86_400.0), ("-1", None), ("soon", None), ("9" * 5000, None), ("²", None)],
    ids=lambda value: str(value)[:10],
)
async def test_how_long_to_wait(server, web_client, text: str, seconds: float | None) -> None:
    server.says("/a", {}, status=503, headers={"Retry-After": text})
    assert (await web_client.get(f"{server.url}/a")).retry_after == seconds


async def test_a_server_that_hangs_up_during_the_handshake() -> None:
    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(65_536)
        writer.close()

    listener = await asyncio.start_server(hang_up, "127.0.0.1", 0)
    port = listener.sockets[0].getsockname()[1]
    async with listener, WebClient() as client:
        with pytest.raises(ConnectFailed, match="it closed the connection"):
            await client.get(f"https://127.0.0.1:{port}/")


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://waf.example/a?b", "https://waf.example"),
        ("https://WAF.example:443", "https://waf.example"),
        ("https://waf.example:80", "https://waf.example:80"),
        ("http://waf.example:80/", "http://waf.example"),
        ("https://[::1]:9443/x", "https://[::1]:9443"),
    ],
)
def test_origins(url: str, expected: str) -> None:
    assert origin(url) == expected


def test_a_client_password_is_not_shown() -> None:
    assert "sesame" not in repr(ClientPassword("bot", Secret("sesame")))
    assert "sesame" not in repr(Reply(200, {"access_token": "sesame"}))
