from __future__ import annotations

import asyncio
import errno
import os
from typing import NoReturn

import pytest

from tests.support.waiting import until
from wic.errors import ConfigurationError
from wic.network.agw.gateway import Agw
from wic.transport.driver import SystemRandomSource
from wic.transport.listener import SocketListener, cannot_listen
from wic.transport.websocket import serve_websocket

HANDSHAKE = (
    b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: sip\r\n\r\n"
)


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.EADDRINUSE, "Port 443 on 127.0.0.1 is taken; choose another one."),
        (errno.EADDRNOTAVAIL, "127.0.0.1 is not an address of this machine; choose one that is."),
        (None, "127.0.0.1 is not an address of this machine; choose one that is."),
        (errno.EACCES, "Listening on port 443 of 127.0.0.1 is not allowed; choose a port above 1023."),
        (errno.EMFILE, "Cannot listen on 127.0.0.1 port 443: Too many open files."),
    ],
)
def test_an_address_that_cannot_be_used_is_told_in_one_sentence(number, words):
    error = OSError(*[number] * (number is not None), "Too many open files")
    assert str(cannot_listen("127.0.0.1", 443, error)) == words


def test_a_free_port_is_not_named() -> None:
    error = OSError(errno.EMFILE, "Too many open files")
    assert str(cannot_listen("127.0.0.1", 0, error)) == "Cannot listen on 127.0.0.1: Too many open files."


@pytest.mark.parametrize("host", ["a..b", "x" * 64])
async def test_what_is_not_a_host_name_cannot_be_listened_on(host) -> None:
    with pytest.raises(ConfigurationError, match=f"^{host} is not an address of this machine; choose one that is.$"):
        await SocketListener.open(host, 0, lambda _: pytest.fail("no link"), max_connections=1, backlog=1)


@pytest.mark.parametrize("number", [errno.EMFILE, errno.EAFNOSUPPORT], ids=["no descriptor", "no such family"])
@pytest.mark.parametrize("told_by_asyncio", [False, True], ids=["server without a socket", "error without a number"])
async def test_an_address_without_a_socket_is_refused_for_its_reason(number, told_by_asyncio, monkeypatch) -> None:
    """asyncio passes over an address for which it gets no socket, and says nothing, or what is not so."""

    def no_socket(*_: object) -> NoReturn:
        raise OSError(number, os.strerror(number))

    async def no_server(*_: object, **__: object) -> NoReturn:
        raise OSError("could not bind on any address out of []")

    monkeypatch.setattr("socket.socket", no_socket)
    if told_by_asyncio:
        monkeypatch.setattr(asyncio.get_running_loop(), "create_server", no_server)
    words = f"^Cannot listen on 127.0.0.1: {os.strerror(number)}.$"
    with pytest.raises(ConfigurationError, match=words):
        await SocketListener.open("127.0.0.1", 0, lambda _: pytest.fail("no link"), max_connections=1, backlog=1)
    with pytest.raises(ConfigurationError, match=words):
        await Agw.open(SystemRandomSource())


@pytest.mark.parametrize("greeted", [False, True], ids=["in its handshake", "open"])
@pytest.mark.parametrize("turns", [1, 2, 3])
async def test_a_close_that_is_cancelled_ends_every_connection_at_once(turns, greeted, recorder) -> None:
    listener = await serve_websocket("127.0.0.1", 0, handler=recorder())
    reader, writer = await asyncio.open_connection(*listener.address)
    writer.write(HANDSHAKE if greeted else b"GET")
    if greeted:
        await reader.readuntil(b"\r\n\r\n")  # it will not answer the farewell
    else:
        await until(lambda: listener.counters.open)
    closing = asyncio.create_task(listener.close())
    for _ in range(turns):
        await asyncio.sleep(0)
    closing.cancel()
    await asyncio.wait([closing])
    await asyncio.sleep(0)
    assert listener.counters.open == 0
    writer.close()
