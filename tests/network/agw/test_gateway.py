"""The eIMS-AGW between real transports on loopback: a WIC's on one side, a core's sockets on the other."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pytest

from tests.support.rtp import pack_rtp
from tests.support.waiting import until
from wic.datachannel.msrp import MsrpUri
from wic.errors import MediaFailed
from wic.media.certificate import Certificate
from wic.media.plain import PlainRtp
from wic.media.transport import MediaTransport, MediaTransportOptions
from wic.media.udp import PortRange
from wic.network.agw.gateway import Agw, AgwContext, AgwOptions
from wic.network.agw.lines import DataLine, RtpLine
from wic.sdp.attributes import Setup
from wic.sdp.gateway import MsrpPlace
from wic.sdp.transport import TransportDescription
from wic.sip.random_source import CountingSource

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

OPTIONS = AgwOptions(first_port=31000, last_port=31099, silence=0.2)
LOOPBACK = MediaTransportOptions(addresses=("127.0.0.1",))


class LongTokens(CountingSource):
    def hex(self, octets: int) -> str:
        return f"{super().hex(octets)}-token"


@dataclass
class Gateway:
    """A gateway, and the losses that its contexts have reported."""

    agw: Agw
    lost: list[str]

    def context(self) -> AgwContext:
        return self.agw.context(self.lost.append)


@pytest.fixture
async def gateway() -> AsyncIterator[Gateway]:
    agw = await Agw.open(LongTokens(), OPTIONS)
    yield Gateway(agw, [])
    await agw.close()
    assert agw.contexts == 0


def towards(line: RtpLine) -> TransportDescription:
    """Return what the gateway's SDP tells the core."""
    return TransportDescription(address=line.place.address, port=line.place.port, rtcp_mux=False)


async def join(context: AgwContext, index: int) -> MediaTransport:
    """Connect a WIC's transport to a line of the gateway."""
    wic = MediaTransport(Certificate.generate(), LOOPBACK)
    offer = replace(await wic.gather(), sctp_port=5000, max_message_size=262_144)
    access = context.lines[index].access
    context.connect_access(index, offer, controlling=False, role="active")
    await wic.connect(access, controlling=True, dtls_role="passive")
    return wic


async def test_rtp_is_relayed_both_ways_without_change(gateway: Gateway) -> None:
    context = gateway.context()
    await context.add_rtp(0)
    line = context.lines[0]
    assert isinstance(line, RtpLine)
    assert line.place.port % 2 == 0
    core = PlainRtp("127.0.0.1", ports=PortRange(31200, 31299))
    at_core: list[bytes] = []
    at_wic: list[bytes] = []
    core.on_rtp = core.on_rtcp = at_core.append
    core.connect(towards(line))
    line.connect_core(core.description, awaited=True)
    wic = await join(context, 0)
    wic.on_rtp = wic.on_rtcp = at_wic.append
    up, down = pack_rtp(111, 1, 2, 3, b"up"), pack_rtp(111, 4, 5, 6, b"down")
    report = bytes.fromhex("80c90001000000ff")
    while len(at_core) < 2 or len(at_wic) < 2:
        wic.send_rtp(up)
        wic.send_rtcp(report)
        core.send_rtp(down)
        core.send_rtcp(report)
        await asyncio.sleep(0.01)
    assert {*at_core} == {up, report}
    assert {*at_wic} == {down, report}
    await wic.close()
    await core.close()


async def test_silence_of_the_core_is_noticed_once_it_was_heard(gateway: Gateway) -> None:
    context = gateway.context()
    await context.add_rtp(0)
    line = context.lines[0]
    assert isinstance(line, RtpLine)
    core = PlainRtp("127.0.0.1", ports=PortRange(31200, 31299))
    core.connect(towards(line))
    line.connect_core(core.description, awaited=True)
    core.send_rtp(pack_rtp(0, 1, 1, 1, b"x"))
    await until(lambda: bool(gateway.lost))
    assert gateway.lost == ["nothing came from the core for 0.2 s"]
    await core.close()


async def test_silence_on_hold_is_no_loss(gateway: Gateway) -> None:
    context = gateway.context()
    await context.add_rtp(0)
    line = context.lines[0]
    assert isinstance(line, RtpLine)
    core = PlainRtp("127.0.0.1", ports=PortRange(31200, 31299))
    core.connect(towards(line))
    line.connect_core(core.description, awaited=True)
    core.send_rtp(pack_rtp(0, 1, 1, 1, b"x"))
    await until(lambda: line.heard_from_core == 1)
    context.watch(0.0, 5.0)
    line.connect_core(core.description, awaited=False)
    context.watch(100.0, 5.0)
    line.connect_core(core.description, awaited=True)
    context.watch(101.0, 5.0)
    assert gateway.lost == []
    context.watch(107.0, 5.0)
    assert gateway.lost == ["nothing came from the core for 5 s"]
    await core.close()


async def test_a_wic_that_goes_away_is_noticed(gateway: Gateway) -> None:
    context = gateway.context()
    await context.add_rtp(0)
    wic = await join(context, 0)
    await wic.close()
    await until(lambda: bool(gateway.lost))
    assert "closed" in gateway.lost[0]


async def test_channels_cross_two_gateways(gateway: Gateway) -> None:
    calling, called = gateway.context(), gateway.context()
    await calling.add_data(1, offerer=True)
    await called.add_data(0, offerer=False)
    here, there = calling.lines[1], called.lines[0]
    assert isinstance(here, DataLine)
    assert isinstance(there, DataLine)
    there.connect_core(here.place)
    here.connect_core(there.place)
    alice, bob = await join(calling, 1), await join(called, 0)
    channels = [
        await end.start_sctp(5000, 5000, context.lines[index].access.max_message_size)
        for end, context, index in ((alice, calling, 1), (bob, called, 0))
    ]
    opened = channels[0].open("Chat ü", "proto")
    await opened.opened()
    await until(lambda: bool(channels[1].incoming))
    accepted = channels[1].incoming.popleft()
    assert (accepted.label, accepted.protocol) == ("Chat ü", "proto")
    for message in ("hello", b"\x00\x01", "", "x" * 100_000):
        await opened.send(message)
        assert await anext(accepted) == message
        await accepted.send(message)
        assert await anext(opened) == message
    opened.close()
    with pytest.raises(StopAsyncIteration):
        await anext(accepted)
    await alice.close()
    await bob.close()


async def test_another_msrp_peer_gets_one_default_channel(gateway: Gateway) -> None:
    context = gateway.context()
    await context.add_data(0, offerer=False)
    line = context.lines[0]
    assert isinstance(line, DataLine)
    own = MsrpUri("127.0.0.1", 9, "peer")
    line.connect_core(MsrpPlace(address="127.0.0.1", port=9, path=str(own)))
    wic = await join(context, 0)
    channels = await wic.start_sctp(5000, 5000, 65536)
    reader, writer = await asyncio.open_connection(line.place.address, line.place.port)
    writer.write(
        f"MSRP abcd1 SEND\r\nTo-Path: {line.place.path}\r\nFrom-Path: {own}\r\nMessage-ID: 1\r\n"
        "Byte-Range: 1-2/2\r\nContent-Type: text/plain\r\n\r\nhi\r\n-------abcd1$\r\n".encode()
    )
    assert (await reader.readline()).startswith(b"MSRP abcd1 200")
    await until(lambda: bool(channels.incoming))
    channel = channels.incoming.popleft()
    assert channel.label == "msrp"
    assert await anext(channel) == "hi"
    await channel.send("there")
    text = await reader.readuntil(b"there\r\n")
    assert b"Content-Type: text/plain" in text
    writer.close()
    with pytest.raises(StopAsyncIteration):
        await anext(channel)
    await wic.close()


async def test_strangers_on_the_msrp_port_get_nothing(gateway: Gateway) -> None:
    context = gateway.context()
    await context.add_data(0, offerer=False)
    line = context.lines[0]
    assert isinstance(line, DataLine)
    reader, writer = await asyncio.open_connection(line.place.address, line.place.port)
    writer.write(b"MSRP abcd1 SEND\r\nTo-Path: msrp://h:1/x;tcp\r\nFrom-Path: msrp://h:2/y;tcp\r\n-------abcd1$\r\n")
    assert (await reader.readline()).startswith(b"MSRP abcd1 481")
    writer.write(b"GET / HTTP/1.1\r\n\r\n")
    await reader.read()
    assert reader.at_eof()
    writer.close()


async def test_ports_are_freed_and_their_number_is_bounded(gateway: Gateway) -> None:
    """The range has 50 pairs, of which other programs of this machine may hold some."""
    contexts: list[AgwContext] = []
    try:
        while len(contexts) <= 50:
            contexts.append(gateway.context())
            await contexts[-1].add_rtp(0)
    except MediaFailed as failure:
        refused = str(failure)
    assert "taken" in refused
    for context in contexts:
        await context.close()
    context = gateway.context()
    await context.add_rtp(0)
    await context.remove(0)
    await context.close()
    with pytest.raises(MediaFailed, match="ended"):
        await context.add_rtp(0)


async def test_sessions_are_bounded() -> None:
    agw = await Agw.open(LongTokens(), AgwOptions(max_contexts=1))
    agw.context(lambda _: None)
    with pytest.raises(MediaFailed, match="1 sessions"):
        agw.context(lambda _: None)
    await agw.close()


async def test_roles_are_those_of_the_offer(gateway: Gateway) -> None:
    context = gateway.context()
    await context.add_data(0, offerer=True)
    access = context.lines[0].access
    assert (access.setup, access.sctp_port, access.max_message_size) == (Setup.ACTPASS, 5000, 262144)
