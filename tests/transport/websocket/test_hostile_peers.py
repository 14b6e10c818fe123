"""A WebSocket server against hostile peers, over raw sockets."""

from __future__ import annotations

import asyncio
import contextlib
import struct

import pytest

from wic.transport.base import EndedBy
from wic.transport.websocket import WebSocketOptions, WebSocketServerOptions, connect_websocket, serve_websocket

HANDSHAKE = (
    b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: sip\r\n\r\n"
)
TEXT, BINARY, CONTINUATION, CLOSE, PING = 1, 2, 0, 8, 9


def frame(opcode: int, data: bytes = b"", *, fin: bool = True, length: int | None = None) -> bytes:
    """A masked frame; `length` claims another length than that of `data`."""
    claimed = len(data) if length is None else length
    head = bytes([opcode | (0x80 if fin else 0)])
    if claimed < 126:
        head += bytes([0x80 | claimed])
    elif claimed < 65536:
        head += b"\xfe" + struct.pack("!H", claimed)
    else:
        head += b"\xff" + struct.pack("!Q", claimed)
    return head + b"\0\0\0\0" + data


def close_code(answer: bytes) -> int:
    """The code of the close frame at the end of what the server said."""
    assert b"\x88" in answer
    return struct.unpack("!H", answer[answer.rindex(b"\x88") + 2 :][:2])[0]


@contextlib.asynccontextmanager
async def serving(handler, *, ssl_context=None, **options):
    listener = await serve_websocket(
        "127.0.0.1", 0, handler=handler, ssl_context=ssl_context, options=WebSocketServerOptions(**options)
    )
    try:
        yield listener
    finally:
        await listener.close()
        assert listener.counters.open == 0


async def say(listener, data: bytes) -> bytes:
    """Send bytes as they are, and return everything the server says until it hangs up."""
    reader, writer = await asyncio.open_connection(*listener.address)
    writer.write(data)
    try:
        return await reader.read()
    except ConnectionResetError:
        return b""
    finally:
        writer.close()


@pytest.mark.parametrize(
    ("frames", "code", "words"),
    [
        (frame(TEXT, length=10_000_000), 1009, "a message of more than 1000 bytes"),
        (frame(BINARY, length=2**63 - 1), 1009, "a message of more than 1000 bytes"),
        (frame(TEXT, b"x" * 600, fin=False) + frame(CONTINUATION, b"x" * 600), 1009, "more than 1000 bytes"),
        (frame(TEXT, fin=False) + frame(CONTINUATION, fin=False) * 50, 1008, "more than 16 fragments"),
        (frame(TEXT, b"\xff\xfe"), 1007, "not UTF-8"),
        (frame(CONTINUATION, b"x"), 1002, "broken WebSocket frames"),
        (frame(TEXT, b"x", fin=False) + frame(TEXT, b"x"), 1002, "broken WebSocket frames"),
        (frame(3, b"x"), 1002, "broken WebSocket frames"),
        (b"\xc1\x80\0\0\0\0", 1002, "broken WebSocket frames"),
        (b"\x81\x01x", 1002, "broken WebSocket frames"),
        (frame(PING, b"x" * 126), 1002, "broken WebSocket frames"),
        (frame(CLOSE, b"x"), 1002, "broken WebSocket frames"),
    ],
)
async def test_broken_rules_close_the_connection_with_a_reason(recorder, frames, code, words):
    served = recorder()
    async with serving(served, max_message=1000, max_fragments=16) as listener:
        behind = frame(PING) if code == 1008 else frame(TEXT, b"never read")
        answer = await say(listener, HANDSHAKE + frames + behind)
        assert close_code(answer) == code
        end = await served.ends.get()
        assert (end.by, end.code) == (EndedBy.LOCAL, code)
        assert words in end.reason
        assert served.messages.empty()
        assert served.told_twice == []


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", b""),
        (b"REGISTER sip:x SIP/2.0\r\n\r\n", b""),
        (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"426"),
        (HANDSHAKE.replace(b"GET", b"POST"), b"405"),
        (HANDSHAKE.replace(b"Version: 13", b"Version: 7"), b"400"),
        (HANDSHAKE.replace(b"dGhlIHNhbXBsZSBub25jZQ==", b"short"), b"400"),
        (HANDSHAKE.replace(b"sip", b"chat"), b"400"),
        (b"GET /" + b"x" * 9000 + b" HTTP/1.1\r\n\r\n", b"414"),
        (b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 200 + b"\r\n", b"431"),
        (b"GET / HTTP/1.1\r\nX: " + b"y" * 9000 + b"\r\n\r\n", b"431"),
    ],
)
async def test_no_handshake_no_flow(recorder, request_, status):
    served = recorder()
    async with serving(served) as listener:
        answer = await say(listener, request_)
        assert answer.split(b" ")[1:2] == ([status] if status else [])
        await listener.close()
        assert listener.counters.failed == 1
        assert served.connections.empty()
        assert served.ends.empty()


@pytest.mark.parametrize("behind", [frame(CLOSE), frame(3, b"x"), frame(TEXT, length=10_000_000)])
async def test_an_end_right_behind_the_handshake(recorder, behind):
    served = recorder()
    async with serving(served) as listener:
        await say(listener, HANDSHAKE + behind)
    assert served.told_twice == []
    assert served.messages.empty()


async def test_a_handshake_in_pieces(recorder):
    served = recorder()
    async with serving(served) as listener:
        _, writer = await asyncio.open_connection(*listener.address)
        for octet in HANDSHAKE + frame(TEXT, b"piecemeal"):
            writer.write(bytes([octet]))
            await writer.drain()
        assert await served.messages.get() == b"piecemeal"
        writer.close()


async def test_messages_right_behind_the_handshake_are_taken(recorder):
    served = recorder()
    async with serving(served) as listener:
        answer = await say(listener, HANDSHAKE + frame(TEXT, b"early") + frame(CLOSE, b"\x03\xe8"))
        assert await served.messages.get() == b"early"
        assert close_code(answer) == 1000


async def test_a_slow_handshake_is_given_up(recorder):
    async with serving(recorder(), open_timeout=0.05) as listener:
        assert await say(listener, b"GET / HTTP/1.1\r\n") == b""
        assert listener.counters.failed == 1


async def test_a_slow_tls_handshake_is_given_up(recorder, server_tls):
    async with serving(recorder(), ssl_context=server_tls, open_timeout=0.05) as listener:
        assert await say(listener, b"\x16\x03\x01\x02\x00") == b""
        assert listener.counters.failed == 1


async def test_garbage_instead_of_tls_is_hung_up_on(recorder, server_tls):
    async with serving(recorder(), ssl_context=server_tls) as listener:
        await say(listener, HANDSHAKE)
        await say(listener, b"\0" * 100)
        await listener.close()
        assert listener.counters.failed == 2


async def test_a_peer_that_does_not_read_is_given_up(recorder):
    served = recorder()
    async with serving(served, send_limit=100_000, keep_alive=None) as listener:
        _, writer = await asyncio.open_connection(*listener.address, limit=1024)
        writer.write(HANDSHAKE)
        connection = await served.connections.get()
        while served.ends.empty():
            connection.send(b"x" * 50_000)
        end = await served.ends.get()
        assert end.by is EndedBy.LOCAL
        assert "reads too slowly" in end.reason
        writer.close()


async def test_a_flood_of_pings_cannot_fill_the_memory(recorder):
    served = recorder()
    async with serving(served, send_limit=100_000) as listener:
        _, writer = await asyncio.open_connection(*listener.address, limit=1024)
        writer.write(HANDSHAKE)
        await served.connections.get()
        flood = frame(PING, b"x" * 125) * 1000

        async def pour():
            with contextlib.suppress(ConnectionError):
                while True:
                    writer.write(flood)
                    await writer.drain()

        pouring = asyncio.create_task(pour())
        end = await served.ends.get()
        assert "reads too slowly" in end.reason
        await pouring
        writer.close()


async def test_a_peer_that_answers_no_close_is_cut_off(recorder):
    served = recorder()
    async with serving(served, close_timeout=0.05) as listener:
        reader, writer = await asyncio.open_connection(*listener.address)
        writer.write(HANDSHAKE)
        connection = await served.connections.get()
        await connection.close("enough")
        assert (await served.ends.get()).reason == "enough"
        assert close_code(await reader.read()) == 1000
        writer.close()


async def test_too_many_connections_are_hung_up_on(recorder):
    served = recorder()
    async with serving(served, max_connections=1) as listener:
        url = f"ws://127.0.0.1:{listener.address[1]}/"
        near = await connect_websocket(url, handler=recorder(), options=WebSocketOptions(proxy=False))
        assert await say(listener, HANDSHAKE) == b""
        assert (listener.counters.accepted, listener.counters.refused) == (2, 1)
        await near.close()
        await served.ends.get()
        again = await connect_websocket(url, handler=recorder(), options=WebSocketOptions(proxy=False))
        await again.close()


async def test_a_half_open_peer_does_not_keep_the_server_from_closing(recorder):
    served = recorder()
    async with serving(served, close_timeout=0.05) as listener:
        _, writer = await asyncio.open_connection(*listener.address)
        writer.write(HANDSHAKE + frame(TEXT, b"half a mess", fin=False))
        await served.connections.get()
        writer.write_eof()
        assert (await served.ends.get()).by is EndedBy.PEER
        writer.close()


async def test_closing_from_within_a_message_that_a_close_follows(recorder):
    class Closer(recorder):
        def received(self, flow, data):
            super().received(flow, data)
            connection = self.connections.get_nowait()
            connection.send(b"in vain")
            self.closing = asyncio.create_task(connection.close("me too"))
            self.closing.add_done_callback(lambda task: self.ends.put_nowait(None))

    served = Closer()
    async with serving(served) as listener:
        answer = await say(listener, HANDSHAKE + frame(TEXT, b"bye") + frame(CLOSE, b"\x03\xe9"))
        assert close_code(answer) == 1001
        assert (await served.ends.get()).code == 1001
        assert await served.ends.get() is None
