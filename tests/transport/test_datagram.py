from __future__ import annotations

import pytest

from wic.errors import ConfigurationError
from wic.sip.flow import Flow
from wic.transport.base import EndedBy
from wic.transport.datagram import open_udp


async def test_datagrams_pass_both_ways(recorder):
    left, right = recorder(), recorder()
    near, far = await open_udp("127.0.0.1", 0, handler=left), await open_udp("127.0.0.1", 0, handler=right)
    near.send(b"ping", Flow("UDP", near.address, far.address))
    assert await right.messages.get() == b"ping"
    assert right.flows == [Flow("UDP", far.address, near.address)]
    far.send(b"pong", right.flows[0])
    assert await left.messages.get() == b"pong"
    await near.close()
    await far.close()


async def test_blank_datagrams_are_nothing(recorder):
    left, right = recorder(), recorder()
    near, far = await open_udp("127.0.0.1", 0, handler=left), await open_udp("127.0.0.1", 0, handler=right)
    for data in (b"\r\n\r\n", b"", b"\0\0", b"message"):
        near.send(data, Flow("UDP", near.address, far.address))
    assert await right.messages.get() == b"message"
    await near.close()
    await far.close()


async def test_a_datagram_that_cannot_be_sent_ends_its_flow(recorder):
    handler = recorder()
    socket = await open_udp("127.0.0.1", 0, handler=handler)
    flow = Flow("UDP", socket.address, ("127.0.0.1", 9))
    socket.send(b"x" * 65_508, flow)
    end = handler.ends.get_nowait()
    assert (end.by, end.reason) == (EndedBy.LOCAL, "65508 bytes do not fit into a datagram")
    socket.send(b"x", Flow("UDP", socket.address, ("2001:db8::1", 9)))
    assert handler.ends.get_nowait().by is EndedBy.NETWORK
    await socket.close()
    await socket.close()
    socket.send(b"x", Flow("UDP", socket.address, ("127.0.0.2", 9)))
    assert handler.ends.get_nowait().reason == "the UDP socket is closed"


async def test_a_taken_port_is_the_users_mistake(recorder):
    socket = await open_udp("127.0.0.1", 0, handler=recorder())
    with pytest.raises(ConfigurationError, match="is taken"):
        await open_udp(*socket.address, handler=recorder())
    await socket.close()
