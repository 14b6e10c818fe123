"""Any bytes in any pieces: a link answers or ends, and nothing is raised."""

from __future__ import annotations

import asyncio
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wic.transport.link import LinkState
from wic.transport.stream import StreamLink, StreamServerOptions
from wic.transport.tls import TlsPipe
from wic.transport.websocket import WebSocketServerOptions
from wic.transport.websocket_link import WebSocketServerLink

HANDSHAKE = (
    b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: sip\r\n\r\n"
)


class Wire(asyncio.Transport):
    """A socket that takes everything."""

    def __init__(self) -> None:
        super().__init__({"sockname": ("127.0.0.1", 443), "peername": ("127.0.0.1", 50000), "socket": self})
        self.closing = False
        self.finished = False

    def setsockopt(self, *_) -> None:
        pass

    def write(self, data) -> None:
        assert not self.finished

    def write_eof(self) -> None:
        self.finished = True

    def get_write_buffer_size(self) -> int:
        return 0

    def is_closing(self) -> bool:
        return self.closing

    def close(self) -> None:
        self.closing = True

    abort = close


class Told:
    """A handler that checks the order of what it is told."""

    def __init__(self) -> None:
        self.open = 0
        self.messages: list[bytes] = []

    def opened(self, connection) -> None:
        self.open += 1

    def received(self, flow, data) -> None:
        assert self.open == 1
        self.messages.append(data)

    def closed(self, flow, end) -> None:
        self.open -= 1
        assert self.open == 0


async def feed(make, chunks) -> Told:
    told = Told()
    link, wire = make(told), Wire()
    link.connection_made(wire)
    for chunk in chunks:
        if wire.closing:
            break
        link.data_received(chunk)
    if not wire.closing:
        link.eof_received()
    link.connection_lost(None)
    assert link.state is LinkState.CLOSED
    assert told.open == 0
    return told


def websocket(told: Told, pipe: TlsPipe | None = None) -> WebSocketServerLink:
    options = WebSocketServerOptions(max_message=500, max_fragments=5)
    return WebSocketServerLink(path=None, origins=None, handler=told, options=options, pipe=pipe, lost=lambda _: None)


def stream(told: Told) -> StreamLink:
    return StreamLink(handler=told, options=StreamServerOptions(), pipe=None)


def frame(first: int, length: int, data: bytes) -> bytes:
    return bytes([first, 0xFE]) + struct.pack("!H", length) + b"\0\0\0\0" + data


FRAMES = st.builds(frame, st.integers(0, 255), st.integers(0, 700), st.binary(max_size=700))
MESSAGES = st.builds(lambda text: frame(0x81, len(text.encode()), text.encode()), st.text(min_size=1, max_size=100))
SIP_PIECES = st.sampled_from(
    [
        b"OPTIONS sip:x SIP/2.0\r\n",
        b"Content-Length: 3\r\n",
        b"l: 0\r\n",
        b"\r\n",
        b"abc",
        b"\r\n\r\n",
        b"\r",
        b"\n",
        b":",
    ]
)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.binary(max_size=300), max_size=8))
def test_any_bytes_instead_of_a_handshake(chunks):
    assert asyncio.run(feed(websocket, chunks)).messages == []


@settings(max_examples=300, deadline=None)
@given(st.lists(FRAMES | MESSAGES | st.binary(max_size=20), max_size=8), st.integers(1, 400))
def test_any_frames_after_a_handshake(frames, size):
    data = HANDSHAKE + b"".join(frames)
    pieces = asyncio.run(feed(websocket, [data[start : start + size] for start in range(0, len(data), size)]))
    assert pieces.messages == asyncio.run(feed(websocket, [data])).messages


@settings(max_examples=200, deadline=None)
@given(st.lists(SIP_PIECES | st.binary(max_size=50), max_size=20))
def test_any_bytes_in_a_stream(chunks):
    assert asyncio.run(feed(stream, chunks)).messages == asyncio.run(feed(stream, [b"".join(chunks)])).messages


@pytest.fixture(scope="module")
def secure(server_tls):
    return lambda told: websocket(told, TlsPipe(server_tls))


@settings(max_examples=100, deadline=None)
@given(chunks=st.lists(st.binary(min_size=1, max_size=300) | st.just(b"\x16\x03\x01\x00\x05"), max_size=5))
def test_any_bytes_instead_of_tls(secure, chunks):
    assert asyncio.run(feed(secure, chunks)).messages == []


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.text(min_size=1, max_size=100).filter(lambda text: text.strip("\r\n")), max_size=5), st.integers(1, 400)
)
def test_every_message_arrives_in_any_pieces(texts, size):
    messages = [text.encode() for text in texts]
    data = HANDSHAKE + b"".join(frame(0x81, len(message), message) for message in messages)
    told = asyncio.run(feed(websocket, [data[start : start + size] for start in range(0, len(data), size)]))
    assert told.messages == messages
