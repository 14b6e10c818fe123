from __future__ import annotations

import asyncio
import contextlib
import gc
import socket
import ssl
import struct

import pytest

from wic.errors import ConnectFailed
from wic.transport.base import EndedBy
from wic.transport.dial import open_socket
from wic.transport.link import ENDING, LINK, LinkInput, LinkState
from wic.transport.stream import StreamLink, StreamOptions, connect_tcp, serve_tcp
from wic.transport.tls import TlsPipe
from wic.transport.websocket import connect_websocket, serve_websocket

OPTIONS = b"OPTIONS sip:x SIP/2.0\r\nContent-Length: 0\r\n\r\n"


@contextlib.asynccontextmanager
async def serving(handler, ssl_context=None):
    listener = await serve_tcp("127.0.0.1", 0, handler=handler, ssl_context=ssl_context)
    try:
        yield listener
    finally:
        await listener.close()


async def test_a_link_goes_through_its_states(recorder):
    client, served = recorder(), recorder()
    async with serving(served) as listener:
        near = await connect_tcp(*listener.address, handler=client)
        assert near.state is LinkState.OPEN
        closing = asyncio.create_task(near.close())
        again = asyncio.create_task(near.close())
        await asyncio.sleep(0)
        assert near.state is LinkState.CLOSING
        await closing
        await again
        assert near.state is LinkState.CLOSED
        await near.close()
        near.abort()
        assert client.ends.qsize() == 1


async def test_giving_up_a_connection_just_made_leaves_no_failure_behind(recorder, client_tls):
    faults, attempts = [], []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: faults.append(context["message"]))

    class Unwanted(StreamLink):
        def connection_made(self, transport):
            super().connection_made(transport)
            attempts[0].cancel()

    async with serving(recorder()) as listener:
        pipe = TlsPipe(client_tls, server_hostname="localhost")
        link = Unwanted(handler=recorder(), options=StreamOptions(), pipe=pipe)
        attempts.append(asyncio.create_task(link.connect(open_socket(*listener.address), "the server")))
        with pytest.raises(asyncio.CancelledError):
            await attempts[0]
        await link.close()
        attempts.clear()
        gc.collect()
    assert faults == []


@pytest.mark.parametrize("web", [False, True])
async def test_small_messages_are_not_delayed(recorder, web):
    """Nagle's algorithm is off at both ends."""
    serve = serve_websocket if web else serve_tcp
    served = recorder()
    listener = await serve("127.0.0.1", 0, handler=served)
    if web:
        near = await connect_websocket(f"ws://127.0.0.1:{listener.address[1]}/", handler=recorder())
    else:
        near = await connect_tcp(*listener.address, handler=recorder())
    for end in (near, await served.connections.get()):
        assert end._transport.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
    await listener.close()
    await near.close()


def test_an_end_is_final_and_the_first_cause_counts():
    for (state, given), following in LINK.rows.items():
        assert given is not LinkInput.ENDED or following in ENDING
        assert state is not LinkState.CLOSING or following is LinkState.CLOSED
    assert all(state is not LinkState.CLOSED for state, _ in LINK.rows)
    assert (LinkState.CLOSING, LinkInput.OPENED) not in LINK.rows


async def test_a_handshake_that_is_done_after_the_end_opens_nothing(recorder):
    class Greeted(StreamLink):
        def _greet(self):
            """Leave the link in its handshake."""

    handler = recorder()
    link = Greeted(handler=handler, options=StreamOptions(close_timeout=0.05), pipe=None)
    async with serving(recorder()) as listener:
        await asyncio.get_running_loop().create_connection(lambda: link, *listener.address)
        link._end(EndedBy.LOCAL, "not wanted")
        link._opened()
        assert link.state is LinkState.CLOSING
        assert handler.connections.empty()
        await link.close()


async def test_closing_a_listener_ends_handshakes_too(recorder, server_tls, client_tls):
    listener = await serve_tcp("127.0.0.1", 0, handler=recorder(), ssl_context=server_tls)
    reader, writer = await asyncio.open_connection(*listener.address)
    # An answer to the first bytes shows that the connection was accepted.
    pipe = TlsPipe(client_tls, server_hostname="127.0.0.1")
    pipe.start()
    writer.write(pipe.outgoing.read())
    await reader.read(1)
    await listener.close()
    assert (listener.counters.failed, listener.counters.open) == (1, 0)
    with contextlib.suppress(ConnectionError):
        await reader.read()
    writer.close()


async def test_a_reset_is_told_as_one(recorder):
    served = recorder()
    async with serving(served) as listener:
        _, writer = await asyncio.open_connection(*listener.address)
        await served.connections.get()
        raw = writer.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()
        end = await served.ends.get()
        assert (end.by, end.reason) == (EndedBy.PEER, "the connection was reset")


@pytest.mark.parametrize(
    ("error", "words"), [(OSError(110, "Connection timed out"), "timed out"), (OSError(), "OSError")]
)
async def test_a_failing_network_is_told_as_such(recorder, error, words):
    client, served = recorder(), recorder()
    async with serving(served) as listener:
        near = await connect_tcp(*listener.address, handler=client)
        near._transport._fatal_error(error)
        end = await client.ends.get()
        assert end.by is EndedBy.NETWORK
        assert words in end.reason


async def test_tampered_tls_ends_the_flow(recorder, server_tls, client_tls):
    served = recorder()
    async with serving(served, server_tls) as listener:
        reader, writer = await asyncio.open_connection(*listener.address)
        pipe = TlsPipe(client_tls, server_hostname="127.0.0.1")
        pipe.start()
        while not pipe.established:
            writer.write(pipe.outgoing.read())
            pipe.receive(await reader.read(65536))
        pipe.send(OPTIONS)
        writer.write(pipe.outgoing.read())
        assert await served.messages.get() == OPTIONS
        writer.write(b"\x17\x03\x03\x00\x10" + b"tampered" * 2)
        end = await served.ends.get()
        assert end.by is EndedBy.NETWORK
        assert "TLS failed" in end.reason
        assert await reader.read() != b""
        writer.close()


async def test_tls_that_cannot_begin_is_a_failure(recorder):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    async with serving(recorder()) as listener:
        with pytest.raises(ConnectFailed, match="TLS failed: no protocols available"):
            await connect_tcp(*listener.address, handler=recorder(), ssl_context=context)


async def test_a_link_without_a_socket_can_be_given_up(recorder):
    link = StreamLink(handler=recorder(), options=StreamOptions(), pipe=None)
    link.abort("never mind")
    assert not link.was_open
    link.connection_lost(None)
    assert link.state is LinkState.CLOSED


async def test_a_burst_after_a_reset_logs_nothing(recorder, caplog):
    """The end of a connection is told in the loop's next turn; what is sent until then goes nowhere, silently."""
    served = recorder()
    async with serving(served) as listener:
        raw = socket.create_connection(listener.address)
        link = await served.connections.get()
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        raw.close()  # RST
        for _ in range(100):
            link.send(OPTIONS)
        await served.ends.get()
    assert [record for record in caplog.records if record.name == "asyncio"] == []
