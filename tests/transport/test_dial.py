from __future__ import annotations

import asyncio
import base64
import contextlib
import socket

import pytest

from wic.errors import ConfigurationError, ConnectFailed
from wic.transport.dial import environment_proxy, open_socket, open_tunnel
from wic.transport.websocket import WebSocketOptions, connect_websocket, serve_websocket

ENVIRONMENT = ("ws_proxy", "wss_proxy", "http_proxy", "https_proxy", "all_proxy", "no_proxy")


@pytest.fixture
def environment(monkeypatch):
    for name in ENVIRONMENT:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    return monkeypatch.setenv


@contextlib.asynccontextmanager
async def proxy(answer: bytes | None = None):
    """An HTTP proxy that knows CONNECT; with `answer` it says just that and hangs up."""
    requests: list[bytes] = []
    pumps = []

    async def pump(reader, writer):
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65536):
                writer.write(data)
        writer.close()

    async def serve(reader, writer):
        requests.append(await reader.readuntil(b"\r\n\r\n"))
        if answer is not None:
            writer.write(answer)
            writer.close()
            return
        host, _, port = requests[-1].split()[1].decode().rpartition(":")
        far_reader, far_writer = await asyncio.open_connection(host.strip("[]"), int(port))
        writer.write(b"HTTP/1.1 200 Connection established\r\nVia: test\r\n\r\n")
        pumps.append(asyncio.gather(pump(reader, far_writer), pump(far_reader, writer)))

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}", requests
        await asyncio.gather(*pumps)


async def test_every_address_of_a_host_is_tried(monkeypatch):
    async def silent(reader, writer):
        writer.close()

    async with await asyncio.start_server(silent, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        loop = asyncio.get_running_loop()

        async def two_addresses(host, port, **_):
            return [
                (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 1)),
                (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port)),
            ]

        monkeypatch.setattr(loop, "getaddrinfo", two_addresses)
        sock = await open_socket("two.example", port)
        assert sock.getpeername() == ("127.0.0.1", port)
        sock.close()


async def test_a_host_without_an_address(monkeypatch):
    async def none(host, port, **_):
        return []

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", none)
    with pytest.raises(ConnectFailed, match="has no address"):
        await open_socket("none.example", 5060)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OSError(101, "Network is unreachable"), "cannot be reached from here"),
        (OSError(24, "Too many open files"), "failed: Too many open files"),
        (asyncio.CancelledError(), None),
    ],
)
async def test_failures_leave_no_socket(monkeypatch, error, words):
    async def fail(sock, address):
        raise error

    monkeypatch.setattr(asyncio.get_running_loop(), "sock_connect", fail)
    with pytest.raises((ConnectFailed, asyncio.CancelledError), match=words):
        await open_socket("::1", 5060)


@pytest.mark.parametrize(
    ("variables", "secure", "found"),
    [
        ({}, True, None),
        ({"https_proxy": "http://p:1"}, True, "http://p:1"),
        ({"https_proxy": "http://p:1"}, False, None),
        ({"http_proxy": "http://p:2"}, False, "http://p:2"),
        ({"HTTPS_PROXY": "http://p:5"}, True, "http://p:5"),
        ({"https_proxy": "", "HTTPS_PROXY": "http://p:5"}, True, None),
        ({"https_proxy": "http://p:1", "wss_proxy": "http://p:3"}, True, "http://p:3"),
        ({"http_proxy": "http://p:2", "ws_proxy": "http://p:4"}, False, "http://p:4"),
        ({"https_proxy": "http://p:1", "no_proxy": "other.example,ims.example"}, True, None),
        ({"https_proxy": "http://p:1", "no_proxy": "ims.example:443"}, True, None),
        ({"https_proxy": "http://p:1", "no_proxy": "ims.example:444"}, True, "http://p:1"),
        ({"https_proxy": "http://p:1", "no_proxy": "*"}, True, None),
    ],
)
def test_the_environment_names_a_proxy(environment, variables, secure, found):
    for name, value in variables.items():
        environment(name, value)
    assert environment_proxy("ims.example", 443, secure=secure) == found


@pytest.mark.parametrize("named", ["environment", "option"])
@pytest.mark.parametrize("secure", [False, True])
async def test_a_websocket_through_a_proxy(environment, recorder, server_tls, client_tls, secure, named):
    served = recorder()
    listener = await serve_websocket("127.0.0.1", 0, handler=served, ssl_context=server_tls if secure else None)
    scheme = "wss" if secure else "ws"
    async with proxy() as (address, requests):
        if named == "environment":
            environment(f"{scheme}_proxy", f"http://{address}")
        connection = await connect_websocket(
            f"{scheme}://127.0.0.1:{listener.address[1]}/",
            handler=recorder(),
            options=WebSocketOptions(
                ssl_context=client_tls, proxy=True if named == "environment" else f"http://us%20er:pass@{address}"
            ),
        )
        connection.send(b"through")
        assert await served.messages.get() == b"through"
        await connection.close()
    assert requests[0].startswith(b"CONNECT 127.0.0.1:%d HTTP/1.1\r\n" % listener.address[1])
    credentials = b"Proxy-Authorization: Basic " + base64.b64encode(b"us er:pass")
    assert (credentials in requests[0]) is (named == "option")
    await listener.close()


async def test_an_ipv6_target_is_bracketed():
    async with proxy(b"HTTP/1.1 200 OK\r\n\r\n") as (address, requests):
        (await open_tunnel(f"http://{address}", "2001:db8::1", 443)).close()
    assert requests[0].startswith(b"CONNECT [2001:db8::1]:443 HTTP/1.1\r\nHost: [2001:db8::1]:443\r\n")


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", "HTTP 407"),
        (b"HTTP/1.1\r\n\r\n", "not answer as an HTTP proxy"),
        (b"SSH-2.0-x\r\n\r\n", "not answer as an HTTP proxy"),
        (b"HTTP/1.1 200 OK\r\n\r\nhello", "not answer as an HTTP proxy"),
        (b"x" * 20_000, "not answer as an HTTP proxy"),
        (b"", "not answer as an HTTP proxy"),
    ],
)
async def test_a_proxy_that_refuses_is_named_without_its_password(answer, words):
    async with proxy(answer) as (address, _):
        with pytest.raises(ConnectFailed, match=words) as caught:
            await open_tunnel(f"http://user:secret@{address}", "ims.example", 443)
    assert address in str(caught.value)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("url", ["socks5h://p:1080", "https://p", "p:3128", "http://"])
async def test_other_proxies_are_the_users_mistake(url):
    with pytest.raises(ConfigurationError, match="name one as http://host:port"):
        await open_tunnel(url, "ims.example", 443)
