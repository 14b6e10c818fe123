from __future__ import annotations

import asyncio
import contextlib
import ssl
from datetime import UTC, datetime

import pytest
import trustme
from websockets.asyncio.client import connect as foreign_connect
from websockets.asyncio.server import ServerConnection
from websockets.asyncio.server import serve as foreign_serve
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.frames import Opcode

from wic.errors import ConfigurationError, ConnectFailed, HandshakeRejected
from wic.transport import tls
from wic.transport.base import EndedBy, KeepAlive
from wic.transport.websocket import (
    WebSocketOptions,
    WebSocketServerOptions,
    connect_websocket,
    serve_websocket,
)

REGISTER = b"REGISTER sip:ims.example SIP/2.0\r\n\r\n"
PLAIN = WebSocketOptions(proxy=False)


@contextlib.asynccontextmanager
async def serving(handler, *, ssl_context=None, **options):
    listener = await serve_websocket(
        "127.0.0.1", 0, handler=handler, ssl_context=ssl_context, options=WebSocketServerOptions(**options)
    )
    scheme = "ws" if ssl_context is None else "wss"
    try:
        yield f"{scheme}://127.0.0.1:{listener.address[1]}/", listener
    finally:
        await listener.close()


@pytest.mark.parametrize("secure", [False, True])
async def test_messages_pass_both_ways(recorder, server_tls, client_tls, secure):
    served, client = recorder(), recorder()
    async with serving(served, ssl_context=server_tls if secure else None) as (url, _):
        near = await connect_websocket(url, handler=client, options=WebSocketOptions(ssl_context=client_tls))
        far = await served.connections.get()
        near.send(REGISTER)
        assert await served.messages.get() == REGISTER
        far.send(b"SIP/2.0 200 OK\r\n\r\n")
        assert await client.messages.get() == b"SIP/2.0 200 OK\r\n\r\n"
        assert near.flow.transport == far.flow.transport == ("WSS" if secure else "WS")
        assert near.flow.local == far.flow.remote
        assert near.flow.secure is secure
        assert served.flows == [far.flow]
        await near.close()


async def test_messages_that_are_not_utf_8_go_as_binary(recorder):
    served = recorder()
    async with serving(served) as (url, _):
        near = await connect_websocket(url, handler=recorder(), options=PLAIN)
        for body in (b"\xff\xfe", "grüße".encode(), b"x" * 100_000):
            near.send(body)
            assert await served.messages.get() == body
        await near.close()


async def test_the_frame_kind_tells_text_from_bytes(recorder):
    served = recorder()
    async with serving(served) as (url, _), foreign_connect(url, subprotocols=["sip"], proxy=None) as peer:
        far = await served.connections.get()
        far.send("ü".encode())
        far.send(b"\xff")
        assert await peer.recv() == "ü"
        assert await peer.recv() == b"\xff"


async def test_text_binary_and_fragments_are_understood(recorder):
    served = recorder()
    async with serving(served) as (url, _), foreign_connect(url, subprotocols=["sip"], proxy=None) as peer:
        await peer.send("text")
        await peer.send(b"binary")
        await peer.send(["in ", "three ", "parts"])
        await peer.send([b"\xf0", b"\xff"])
        assert [await served.messages.get() for _ in range(4)] == [b"text", b"binary", b"in three parts", b"\xf0\xff"]


async def test_a_double_crlf_is_answered_and_no_message(recorder):
    served = recorder()
    async with serving(served) as (url, _), foreign_connect(url, subprotocols=["sip"], proxy=None) as peer:
        await peer.send("\r\n\r\n")
        assert await peer.recv() == "\r\n"
        await peer.send("\r\n")
        await peer.send("")
        await peer.send("message")
        assert await served.messages.get() == b"message"


async def test_pings_of_the_peer_are_answered(recorder):
    async with serving(recorder()) as (url, _), foreign_connect(url, subprotocols=["sip"], proxy=None) as peer:
        assert await (await peer.ping()) >= 0


@pytest.mark.parametrize("crlf", [False, True])
async def test_a_quiet_peer_that_answers_stays(recorder, crlf):
    asked: asyncio.Queue[None] = asyncio.Queue()

    class Noticing(ServerConnection):
        def process_event(self, event):
            if getattr(event, "opcode", None) is Opcode.PING or getattr(event, "data", None) == b"\r\n\r\n":
                asked.put_nowait(None)
            super().process_event(event)

    async def answer(connection):
        async for _ in connection:
            await connection.send("\r\n")

    keep_alive = KeepAlive(every=0.01, answer_within=0.5, crlf=crlf)
    async with foreign_serve(answer, "127.0.0.1", 0, subprotocols=["sip"], create_connection=Noticing) as server:
        port = server.sockets[0].getsockname()[1]
        client = recorder()
        connection = await connect_websocket(
            f"ws://127.0.0.1:{port}/", handler=client, options=WebSocketOptions(proxy=False, keep_alive=keep_alive)
        )
        for _ in range(2):
            await asked.get()
        assert client.ends.empty()
        assert client.messages.empty()
        await connection.close()


async def test_a_keep_alive_that_is_agreed_later(recorder):
    asked: asyncio.Queue[bytes] = asyncio.Queue()

    class Noticing(ServerConnection):
        def process_event(self, event):
            if data := getattr(event, "data", None):
                asked.put_nowait(bytes(data))
            super().process_event(event)

    async def say_nothing(connection):
        await connection.wait_closed()

    async with foreign_serve(say_nothing, "127.0.0.1", 0, subprotocols=["sip"], create_connection=Noticing) as server:
        port = server.sockets[0].getsockname()[1]
        client = recorder()
        connection = await connect_websocket(f"ws://127.0.0.1:{port}/", handler=client, options=PLAIN)
        connection.keep_alive(KeepAlive(every=0.01, answer_within=0.02, crlf=True))
        end = await client.ends.get()
        assert end.by is EndedBy.NETWORK
        assert asked.get_nowait() == b"\r\n\r\n"
        connection.keep_alive(None)
        await connection.close()


async def test_a_peer_that_answers_nothing_is_lost(recorder):
    served = recorder()
    async with serving(served, keep_alive=KeepAlive(every=0.01, answer_within=0.02)) as (url, _):
        port = int(url.rstrip("/").rsplit(":", 1)[1])
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(
            b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: sip\r\n\r\n"
        )
        end = await served.ends.get()
        assert end.by is EndedBy.NETWORK
        assert "keep-alive" in str(end)
        assert await reader.read() != b""
        writer.close()


async def test_the_reason_of_a_peer_is_one_line_without_secrets(recorder):
    served, client = recorder(), recorder()
    async with serving(served) as (url, _):
        near = await connect_websocket(url, handler=client, options=PLAIN)
        await near.close("bye\nERROR wic: forged\x1b[2J sips:a:secret@x")
        end = await served.ends.get()
        assert end.reason == r"bye\nERROR wic: forged\x1b[2J sips:a:***@x"


async def test_both_ends_say_who_closed_and_why(recorder):
    served, client = recorder(), recorder()
    async with serving(served) as (url, listener):
        near = await connect_websocket(url, handler=client, options=PLAIN)
        await near.close("ü" * 100)
        end = await client.ends.get()
        assert (end.by, end.reason) == (EndedBy.LOCAL, "ü" * 100)
        end = await served.ends.get()
        assert (end.by, end.reason, end.code) == (EndedBy.PEER, "ü" * 61, 1000)
        await near.close()
        near.send(REGISTER)

        near = await connect_websocket(url, handler=client, options=PLAIN)
        await listener.close("maintenance")
        end = await client.ends.get()
        assert str(end) == "the peer ended it: maintenance (1000)"


async def test_close_codes_without_a_reason_have_words(recorder):
    served = recorder()
    async with serving(served) as (url, _):
        for code, words in ((1001, "going away"), (4000, "no reason given")):
            async with foreign_connect(url, subprotocols=["sip"], proxy=None) as peer:
                await peer.close(code)
            end = await served.ends.get()
            assert (end.code, end.reason) == (code, words)


async def test_a_vanished_socket_is_told_as_such(recorder):
    served = recorder()
    async with serving(served) as (url, _):
        near = await connect_websocket(url, handler=recorder(), options=PLAIN)
        near.abort("pulled the plug")
        end = await served.ends.get()
        assert end.by is EndedBy.PEER
        assert end.reason in ("the connection was closed", "the connection was reset")


async def test_path_origin_and_headers(recorder):
    served = recorder()
    seen = []

    def look(connection, request):
        seen.append((request.path, request.headers["Origin"], request.headers["Cookie"]))

    async with foreign_serve(
        lambda connection: connection.wait_closed(), "127.0.0.1", 0, subprotocols=["sip"], process_request=look
    ) as server:
        port = server.sockets[0].getsockname()[1]
        options = WebSocketOptions(proxy=False, origin="https://wwsf.example", headers=(("Cookie", "id=1"),))
        connection = await connect_websocket(f"ws://127.0.0.1:{port}/ims?x=1", handler=served, options=options)
        await connection.close()
    assert seen == [("/ims?x=1", "https://wwsf.example", "id=1")]


@pytest.mark.parametrize(
    ("options", "path", "origin", "status"),
    [
        ({"path": "/ims"}, "ims?token=1", None, 101),
        ({"path": "/ims"}, "other", None, 404),
        ({"origins": ("https://good.example",)}, "", "https://good.example", 101),
        ({"origins": ("https://good.example",)}, "", "https://evil.example", 403),
        ({"origins": ("https://good.example",)}, "", None, 403),
        ({"origins": ("https://good.example", None)}, "", None, 101),
    ],
)
async def test_a_server_may_choose(recorder, options, path, origin, status):
    served = recorder()
    async with serving(served, **options) as (url, listener):
        if status == 101:
            async with foreign_connect(url + path, origin=origin, subprotocols=["sip"], proxy=None):
                await served.connections.get()
        else:
            with pytest.raises(InvalidStatus) as caught:
                await foreign_connect(url + path, origin=origin, subprotocols=["sip"], proxy=None)
            assert caught.value.response.status_code == status
            await listener.close()
            assert listener.counters.failed == 1


async def test_a_client_without_the_subprotocol_is_refused(recorder):
    async with serving(recorder()) as (url, _):
        for subprotocols in (None, ["chat"]):
            with pytest.raises(InvalidStatus) as caught:
                await foreign_connect(url, subprotocols=subprotocols, proxy=None)
            assert caught.value.response.status_code == 400


@pytest.mark.parametrize("subprotocols", [None, ["chat"]])
async def test_a_server_without_the_subprotocol_is_refused(recorder, subprotocols):
    closed = asyncio.Event()

    async def note(connection):
        with contextlib.suppress(ConnectionClosed):
            await connection.recv()
        closed.set()

    async with foreign_serve(
        note, "127.0.0.1", 0, subprotocols=subprotocols, select_subprotocol=lambda *_: subprotocols and "chat"
    ) as server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(HandshakeRejected, match="no subprotocol 'sip'"):
            await connect_websocket(f"ws://127.0.0.1:{port}/", handler=recorder(), options=PLAIN)
        await closed.wait()


async def test_compression_is_neither_offered_nor_taken(recorder):
    async with (
        serving(recorder()) as (url, _),
        foreign_connect(url, subprotocols=["sip"], proxy=None, compression="deflate") as peer,
    ):
        assert peer.response.headers.get("Sec-WebSocket-Extensions") is None
        assert peer.protocol.extensions == []


async def answer_with(data: bytes):
    async def answer(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(data)
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    return server, f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/"


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", "HTTP 200"),
        (b"HTTP/1.1 502 Bad Gateway\r\n\r\nuntil the end", "HTTP 502"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "is not a WebSocket server"),
        (b"x" * 20_000, "is not a WebSocket server"),
        (b"HTTP/1.1 101 Switching Protocols\r\n\r\n", "is not a WebSocket server"),
    ],
)
async def test_a_server_of_another_protocol_is_named(recorder, answer, words):
    server, url = await answer_with(answer)
    async with server:
        with pytest.raises(HandshakeRejected, match=words):
            await connect_websocket(url, handler=recorder(), options=PLAIN)


async def test_a_server_that_hangs_up_is_named(recorder):
    server, url = await answer_with(b"")
    async with server:
        with pytest.raises(ConnectFailed, match="closed the connection during the handshake"):
            await connect_websocket(url, handler=recorder(), options=PLAIN)


async def test_connect_failures_are_one_sentence_each(recorder):
    async def attempt(url, **options):
        with pytest.raises(ConnectFailed) as caught:
            await connect_websocket(url, handler=recorder(), options=WebSocketOptions(proxy=False, **options))
        message = str(caught.value)
        assert message.endswith(".")
        assert message.count(". ") == 0
        return message

    over: asyncio.Queue[None] = asyncio.Queue()

    async def silent(reader, writer):
        await reader.read()
        writer.close()
        over.put_nowait(None)

    assert "refuses connections" in await attempt("ws://127.0.0.1:1/")
    assert "not known" in await attempt("ws://no-such-host.invalid/")
    assert "not known" in await attempt(f"ws://{'x' * 64}.example/")
    async with await asyncio.start_server(silent, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        assert "did not answer within" in await attempt(f"ws://127.0.0.1:{port}/", open_timeout=0.05)
        assert "did not answer within" in await attempt(f"wss://127.0.0.1:{port}/", open_timeout=0.05)
        await over.get()
        await over.get()


async def test_certificates_are_checked(recorder, authority, client_tls, server_tls):
    async def attempt(certificate, **options):
        async with serving(recorder(), ssl_context=tls.server_context(certificate=certificate)) as (url, _):
            with pytest.raises(ConnectFailed) as caught:
                await connect_websocket(url, handler=recorder(), options=WebSocketOptions(**options))
            return str(caught.value)

    expired = authority / "expired.pem"
    ca = trustme.CA()
    ca.cert_pem.write_to_path(authority / "ca2.pem")
    ca.issue_cert("127.0.0.1", not_after=datetime(2020, 1, 1, tzinfo=UTC)).private_key_and_cert_chain_pem.write_to_path(
        expired
    )
    assert "expired" in await attempt(expired, ssl_context=tls.client_context(ca=authority / "ca2.pem"))
    assert "not trusted" in await attempt(authority / "server.pem")
    assert "another" in await attempt(authority / "other.pem", ssl_context=client_tls)
    assert "another host name" in await attempt(
        authority / "server.pem", ssl_context=client_tls, server_hostname="other.example"
    )

    async with serving(recorder()) as (url, _):
        with pytest.raises(ConnectFailed, match="closed the connection during the TLS handshake"):
            await connect_websocket(
                url.replace("ws://", "wss://"), handler=recorder(), options=WebSocketOptions(ssl_context=client_tls)
            )
    async with serving(recorder(), ssl_context=server_tls) as (url, _):
        with pytest.raises(ConnectFailed, match="closed the connection"):
            await connect_websocket(url.replace("wss://", "ws://"), handler=recorder(), options=PLAIN)


async def test_the_name_of_the_server_can_be_overridden(recorder, authority, client_tls):
    context = tls.server_context(certificate=authority / "other.pem")
    options = WebSocketOptions(ssl_context=client_tls, server_hostname="other.example")
    async with serving(recorder(), ssl_context=context) as (url, listener):
        connection = await connect_websocket(url, handler=recorder(), options=options)
        await connection.close()
        assert (listener.counters.accepted, listener.counters.failed) == (1, 0)
        with pytest.raises(ConnectFailed, match="for another"):
            await connect_websocket(url, handler=recorder(), options=WebSocketOptions(ssl_context=client_tls))


async def test_a_server_may_ask_for_a_certificate(recorder, authority, client_tls):
    context = tls.server_context(certificate=authority / "server.pem")
    context.load_verify_locations(authority / "ca.pem")
    context.verify_mode = ssl.CERT_REQUIRED
    async with serving(recorder(), ssl_context=context) as (url, listener):
        with pytest.raises(ConnectFailed, match="certificate required"):
            await connect_websocket(url, handler=recorder(), options=WebSocketOptions(ssl_context=client_tls))
        await listener.close()
        assert listener.counters.failed == 1


@pytest.mark.parametrize("url", ["http://host/", "ws://", "ws://host:99999/", "ws://host/#part", "host"])
async def test_a_wrong_address_is_the_users_mistake(recorder, url):
    with pytest.raises(ConfigurationError, match="not a WebSocket address"):
        await connect_websocket(url, handler=recorder())


async def test_a_taken_port_is_the_users_mistake(recorder):
    async with serving(recorder()) as (_, listener):
        with pytest.raises(ConfigurationError, match="is taken"):
            await serve_websocket("127.0.0.1", listener.address[1], handler=recorder())


async def test_giving_up_a_connect_leaves_nothing(recorder, client_tls):
    hung_up = asyncio.Event()
    began = asyncio.Event()

    async def silent(reader, writer):
        began.set()
        await reader.read(-1)
        writer.close()
        hung_up.set()

    async with await asyncio.start_server(silent, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        attempt = asyncio.create_task(connect_websocket(f"ws://127.0.0.1:{port}/", handler=recorder(), options=PLAIN))
        await began.wait()
        attempt.cancel()
        with pytest.raises(asyncio.CancelledError):
            await attempt
        await hung_up.wait()
