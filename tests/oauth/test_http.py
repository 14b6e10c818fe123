"""HTTP client for JSON documents, against good and hostile servers."""

from __future__ import annotations

import asyncio
import gzip
import time
from email.utils import formatdate
from typing import TYPE_CHECKING

import pytest
from aiohttp import web

from wic.auth import Secret
from wic.errors import ConnectFailed, RemoteProtocolError
from wic.oauth.http import MAX_BODY, JsonClient, JsonReply, bearer

if TYPE_CHECKING:
    from pathlib import Path


async def test_a_document_is_fetched(server, json_client) -> None:
    server.says("/a", {"name": "x", "control": "a\x07b", "number": 1})
    reply = await json_client.get(f"{server.url}/a")
    assert reply.ok
    assert (reply.text("name"), reply.text("control"), reply.text("number"), reply.text("none")) == ("x", "", "", "")
    (asked,) = server.asked
    assert asked.headers["Accept"] == "application/json"
    assert "Cookie" not in asked.headers


async def test_a_form_is_sent_with_credentials(server, json_client) -> None:
    server.says("/token", {})
    await json_client.post(f"{server.url}/token", {"a": "b c"}, authorization="Basic YQ==")
    await json_client.post(f"{server.url}/token", {}, authorization=bearer(Secret("abc")))
    await json_client.delete(f"{server.url}/token", authorization=bearer(None))
    first, second, third = server.asked
    assert first.form == {"a": "b c"}
    assert first.headers["Authorization"] == "Basic YQ=="
    assert second.headers["Authorization"] == "Bearer abc"
    assert third.method == "DELETE"
    assert "Authorization" not in third.headers


async def test_the_certificate_is_checked(secure_server, tmp_path: Path) -> None:
    secure_server.says("/a", {"name": "x"})
    async with JsonClient(ca=tmp_path / "ca.pem") as client:
        assert (await client.get(f"{secure_server.url}/a")).ok
        with pytest.raises(ConnectFailed, match="its certificate is for another host name"):
            await client.get(f"{secure_server.url.replace('127.0.0.1', 'localhost')}/a")
    async with JsonClient() as client:
        with pytest.raises(ConnectFailed, match="its certificate is not trusted; set 'ca' in the account"):
            await client.get(f"{secure_server.url}/a")


async def test_a_server_without_tls(json_client) -> None:
    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(65_536)
        writer.write(b"HTTP/1.0 400 Bad Request\r\n\r\n")
        await reader.read()  # until the client has had enough
        writer.close()

    listener = await asyncio.start_server(refuse, "127.0.0.1", 0)
    port = listener.sockets[0].getsockname()[1]
    async with listener:
        with pytest.raises(ConnectFailed, match="it does not speak TLS"):
            await json_client.get(f"https://127.0.0.1:{port}/")


async def test_a_port_without_a_listener(json_client, unused_tcp_port: int) -> None:
    with pytest.raises(ConnectFailed, match=rf"http://127\.0\.0\.1:{unused_tcp_port} cannot be used: nothing listens"):
        await json_client.get(f"http://127.0.0.1:{unused_tcp_port}/")


@pytest.mark.parametrize("host", ["waf.invalid", "a..b", "a" * 70, "-", "xn--a", "a b"])
async def test_an_unknown_host_name(json_client, host: str) -> None:
    with pytest.raises(ConnectFailed, match=rf"http://{host} cannot be used: "):
        await json_client.get(f"http://{host}/")


async def test_a_server_that_does_not_answer(server, async_answer) -> None:
    server.answers["/a"] = [async_answer(lambda _: asyncio.sleep(60))]
    async with JsonClient(timeout=0.2) as client:
        with pytest.raises(ConnectFailed, match="did not answer in time"):
            await client.get(f"{server.url}/a")


async def test_a_server_that_speaks_something_else() -> None:
    async def greet(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail.example ESMTP\r\n")
        await writer.drain()
        writer.close()

    listener = await asyncio.start_server(greet, "127.0.0.1", 0)
    port = listener.sockets[0].getsockname()[1]
    async with listener, JsonClient() as client:
        with pytest.raises(ConnectFailed, match="does not speak HTTP"):
            await client.get(f"http://127.0.0.1:{port}/")


async def test_redirects_are_not_followed(server, other_server, json_client) -> None:
    for status in (301, 302, 303, 307, 308):
        server.answers.clear()
        server.says("/token", {}, status=status, headers={"Location": f"{other_server.url}/steal"})
        with pytest.raises(RemoteProtocolError, match="wants to redirect"):
            await json_client.post(f"{server.url}/token", {"code": "secret"}, authorization="Bearer abc")
    assert other_server.asked == []


async def test_an_answer_without_end_is_cut(server, async_answer, json_client) -> None:
    async def flood(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for _ in range(100):
            await response.write(b" " * MAX_BODY)
        return response

    server.answers["/a"] = [async_answer(flood)]
    with pytest.raises(RemoteProtocolError, match=f"more than {MAX_BODY} octets"):
        await json_client.get(f"{server.url}/a")


async def test_compressed_answers_are_not_unpacked(server, json_client) -> None:
    bomb = gzip.compress(b" " * 50_000_000)
    server.says("/a", body=bomb, headers={"Content-Encoding": "gzip"})
    with pytest.raises(RemoteProtocolError, match="not a JSON object"):
        await json_client.get(f"{server.url}/a")


@pytest.mark.parametrize(
    "body",
    [b"<html>", b"[1]", b'"a"', b"\xff", b"[" * 100_000, b'{"a":' * 50_000, b'{"a": "\\ud800"}', b'{"\\udc00": 1}'],
    ids=len,
)
async def test_answers_that_are_no_json_object(server, json_client, body: bytes) -> None:
    server.says("/a", body=body)
    with pytest.raises(RemoteProtocolError, match="not a JSON object"):
        await json_client.get(f"{server.url}/a")
    server.answers.clear()
    server.says("/a", body=body, status=500)
    reply = await json_client.get(f"{server.url}/a")
    assert (reply.status, reply.document, reply.ok) == (500, {}, False)


async def test_the_answer_to_a_notification_is_its_status(server, json_client) -> None:
    """RFC 7009 §2.2: the client ignores the content."""
    server.says("/revoke", body=b"OK")
    url, form = f"{server.url}/revoke", {"token": "x"}
    assert (await json_client.post(url, form, authorization="Basic YQ==", ignore_content=True)).ok
    (asked,) = server.asked
    assert (asked.form, asked.headers["Authorization"]) == ({"token": "x"}, "Basic YQ==")
    server.answers.clear()
    server.says("/revoke", {"error": "unsupported_token_type"}, status=400)
    refused = await json_client.post(url, form, ignore_content=True)
    assert refused.text("error") == "unsupported_token_type"


async def test_a_closed_client_opens_new_connections(server, json_client) -> None:
    server.says("/a", {})
    for _ in range(2):
        assert (await json_client.get(f"{server.url}/a")).ok
        await json_client.close()


async def test_no_content_is_fine(server, json_client) -> None:
    server.says("/a", body=b"", status=204)
    assert (await json_client.delete(f"{server.url}/a")).ok


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("7", 7.0), ("0", 0.0), ("99999999", 86_400.0), ("-1", None), ("soon", None), ("9" * 5000, None), ("²", None)],
    ids=lambda value: str(value)[:10],
)
async def test_retry_after(server, json_client, text: str, seconds: float | None) -> None:
    server.says("/a", {}, status=503, headers={"Retry-After": text})
    assert (await json_client.get(f"{server.url}/a")).retry_after == seconds


async def test_a_server_that_hangs_up_during_the_handshake() -> None:
    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(65_536)
        writer.close()

    listener = await asyncio.start_server(hang_up, "127.0.0.1", 0)
    port = listener.sockets[0].getsockname()[1]
    async with listener, JsonClient() as client:
        with pytest.raises(ConnectFailed, match="it closed the connection"):
            await client.get(f"https://127.0.0.1:{port}/")


def test_no_secret_is_shown() -> None:
    assert "sesame" not in repr(JsonReply(200, {"access_token": "sesame"}))


@pytest.mark.parametrize(
    ("seconds", "told"), [(0.0, []), (8 * 86_400.0, ["8 days ahead of"]), (-7200.0, ["2 hours behind"])]
)
async def test_a_clock_that_differs_is_told_once(server, json_client, caplog, seconds, told) -> None:
    """A token of such a server may have expired on arrival."""
    server.says("/a", {}, headers={"Date": formatdate(time.time() + seconds, usegmt=True)})
    for _ in range(3):
        await json_client.get(f"{server.url}/a")
    said = [record.getMessage() for record in caplog.records if record.name == "wic.oauth.http"]
    assert [f"the clock of {server.url} is {words} this machine's" for words in told] == [
        text.partition(": tokens")[0] for text in said
    ]
