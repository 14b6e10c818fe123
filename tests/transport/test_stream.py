from __future__ import annotations

import asyncio
import contextlib

import pytest

from wic.errors import ConfigurationError, ConnectFailed
from wic.sip.limits import Limits
from wic.transport.base import EndedBy, KeepAlive
from wic.transport.stream import StreamOptions, StreamServerOptions, connect_tcp, serve_tcp

OPTIONS = b"OPTIONS sip:x SIP/2.0\r\nContent-Length: 4\r\n\r\nbody"


@contextlib.asynccontextmanager
async def serving(handler, *, ssl_context=None, **options):
    listener = await serve_tcp(
        "127.0.0.1", 0, handler=handler, ssl_context=ssl_context, options=StreamServerOptions(**options)
    )
    try:
        yield listener
    finally:
        await listener.close()


@pytest.mark.parametrize("secure", [False, True])
async def test_messages_pass_both_ways(recorder, server_tls, client_tls, secure):
    served, client = recorder(), recorder()
    async with serving(served, ssl_context=server_tls if secure else None) as listener:
        near = await connect_tcp(*listener.address, handler=client, ssl_context=client_tls if secure else None)
        far = await served.connections.get()
        near.send(OPTIONS + OPTIONS)
        assert [await served.messages.get() for _ in range(2)] == [OPTIONS] * 2
        far.send(OPTIONS)
        assert await client.messages.get() == OPTIONS
        assert near.flow.transport == ("TLS" if secure else "TCP")
        assert near.flow.secure is secure
        assert near.flow.remote == listener.address
        await near.close()
        assert (await served.ends.get()).by is EndedBy.PEER
        assert (await client.ends.get()).by is EndedBy.LOCAL
        near.send(OPTIONS)


async def test_a_message_in_pieces_is_put_together(recorder):
    served = recorder()
    async with serving(served) as listener:
        _, writer = await asyncio.open_connection(*listener.address)
        for octet in OPTIONS:
            writer.write(bytes([octet]))
            await writer.drain()
        assert await served.messages.get() == OPTIONS
        writer.close()


async def test_a_double_crlf_is_answered(recorder):
    served = recorder()
    async with serving(served) as listener:
        reader, writer = await asyncio.open_connection(*listener.address)
        writer.write(b"\r\n\r\n")
        assert await reader.readexactly(2) == b"\r\n"
        writer.write(b"\r\n" + OPTIONS)
        assert await served.messages.get() == OPTIONS
        writer.close()


async def test_keep_alives_find_a_dead_peer(recorder):
    asked = asyncio.Event()
    over = asyncio.Event()

    async def listen_only(reader, writer):
        await reader.readexactly(4)
        asked.set()
        await reader.read()
        writer.close()
        over.set()

    client = recorder()
    async with await asyncio.start_server(listen_only, "127.0.0.1", 0) as server:
        options = StreamOptions(keep_alive=KeepAlive(every=0.01, answer_within=0.02))
        await connect_tcp("127.0.0.1", server.sockets[0].getsockname()[1], handler=client, options=options)
        await asked.wait()
        assert (await client.ends.get()).by is EndedBy.NETWORK
        await over.wait()


@pytest.mark.parametrize(
    "data",
    [
        b"OPTIONS sip:x SIP/2.0\r\n\r\n",
        b"OPTIONS sip:x SIP/2.0\r\nContent-Length: 99999999\r\n\r\n",
        b"OPTIONS sip:x SIP/2.0\r\nContent-Length: -1\r\n\r\n",
        b"x" * 70_000,
        b"\r\x00",
    ],
)
async def test_a_stream_without_boundaries_is_closed(recorder, data):
    served = recorder()
    async with serving(served, close_timeout=0.05) as listener:
        reader, writer = await asyncio.open_connection(*listener.address)
        writer.write(OPTIONS)
        assert await served.messages.get() == OPTIONS
        writer.write(data)
        end = await served.ends.get()
        assert end.by is EndedBy.LOCAL
        assert "framing" in end.reason
        with contextlib.suppress(ConnectionError):
            assert await reader.read() == b""
        writer.close()


async def test_messages_before_a_fault_are_delivered(recorder):
    served = recorder()
    async with serving(served, close_timeout=0.05) as listener:
        _, writer = await asyncio.open_connection(*listener.address)
        writer.write(OPTIONS + b"\r\x00")
        assert await served.messages.get() == OPTIONS
        assert "framing" in (await served.ends.get()).reason
        writer.close()


async def test_limits_are_the_users(recorder):
    served = recorder()
    async with serving(served, limits=Limits(message_size=10)) as listener:
        _, writer = await asyncio.open_connection(*listener.address)
        writer.write(OPTIONS)
        assert "framing" in (await served.ends.get()).reason
        writer.close()


async def test_nothing_more_is_heard_once_it_is_over(recorder):
    class Quitter(recorder):
        def received(self, flow, data):
            super().received(flow, data)
            self.connections.get_nowait().abort("one is enough")

    served = Quitter()
    async with serving(served) as listener:
        _, writer = await asyncio.open_connection(*listener.address)
        writer.write(OPTIONS * 3)
        assert (await served.ends.get()).reason == "one is enough"
        assert served.messages.qsize() == 1
        writer.close()


async def test_an_idle_connection_is_closed_and_a_used_one_stays(recorder):
    served = recorder()
    async with serving(served, idle_timeout=0.2) as listener:
        reader, writer = await asyncio.open_connection(*listener.address)
        writer.write(OPTIONS)
        end = await served.ends.get()
        assert (end.by, end.reason) == (EndedBy.LOCAL, "idle for 0.2 s")
        assert await reader.read() == b""
        writer.close()
    assert served.messages.qsize() == 1


async def test_connect_failures_have_a_sentence(recorder, client_tls):
    with pytest.raises(ConnectFailed, match="refuses connections"):
        await connect_tcp("127.0.0.1", 1, handler=recorder())
    async with serving(recorder()) as listener:
        with pytest.raises(ConnectFailed, match="did not answer within"):
            await connect_tcp(
                *listener.address,
                handler=recorder(),
                ssl_context=client_tls,
                options=StreamOptions(open_timeout=0.05),
            )


async def test_tls_checks_the_name(recorder, server_tls, client_tls):
    async with serving(recorder(), ssl_context=server_tls) as listener:
        with pytest.raises(ConnectFailed, match="another host name"):
            await connect_tcp(
                *listener.address, handler=recorder(), ssl_context=client_tls, server_hostname="other.example"
            )


async def test_giving_up_a_connect_hangs_up(recorder, client_tls):
    began, over = asyncio.Event(), asyncio.Event()

    async def silent(reader, writer):
        began.set()
        await reader.read()
        writer.close()
        over.set()

    async with await asyncio.start_server(silent, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        attempt = asyncio.create_task(connect_tcp("127.0.0.1", port, handler=recorder(), ssl_context=client_tls))
        await began.wait()
        attempt.cancel()
        with pytest.raises(asyncio.CancelledError):
            await attempt
        await over.wait()


async def test_a_taken_port_is_the_users_mistake(recorder):
    async with serving(recorder()) as listener:
        with pytest.raises(ConfigurationError, match="is taken"):
            await serve_tcp(*listener.address, handler=recorder())
    with pytest.raises(ConfigurationError, match="not an address of this machine"):
        await serve_tcp("192.0.2.1", 0, handler=recorder())
