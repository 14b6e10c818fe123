from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest

from tests.support.rtp import pack_rtp
from wic.errors import MediaFailed
from wic.media import PlainRtp, PortRange
from wic.sdp.attributes import RtcpAddress
from wic.sdp.transport import TransportDescription

RTP = pack_rtp(0, 1, 0, 1, b"sound")
RTCP = bytes.fromhex("80c9000100000001")
Eventually = Callable[[Callable[[], object]], Awaitable[None]]


@pytest.fixture
def ports() -> PortRange:
    return PortRange(43000, 43999)


async def test_rtp_and_rtcp_go_to_their_ports(plain_pair: tuple[PlainRtp, PlainRtp], eventually: Eventually) -> None:
    one, other = plain_pair
    rtp: list[bytes] = []
    rtcp: list[bytes] = []
    other.on_rtp, other.on_rtcp = rtp.append, rtcp.append
    one.send_rtp(RTP)
    one.send_rtcp(RTCP)
    await eventually(lambda: rtp and rtcp)
    assert (rtp, rtcp) == ([RTP], [RTCP])
    assert other.description.port % 2 == 0
    assert one.remote_address == ("127.0.0.1", other.description.port)


async def test_without_handlers_packets_are_dropped(
    plain_pair: tuple[PlainRtp, PlainRtp], eventually: Eventually
) -> None:
    one, other = plain_pair
    one.send_rtp(RTP)
    one.send_rtcp(RTCP)
    got: list[bytes] = []
    await asyncio.sleep(0)
    other.on_rtcp = got.append
    one.send_rtcp(RTCP)
    await eventually(lambda: got)
    assert set(got) == {RTCP}


async def test_nothing_is_sent_before_the_peer_is_known_or_on_hold(ports: PortRange) -> None:
    one = PlainRtp("127.0.0.1", ports=ports)
    one.send_rtp(RTP)
    one.send_rtcp(RTCP)
    assert one.counters.unsent == 2
    one.connect(TransportDescription(address="127.0.0.1", port=5000))
    one.connect(TransportDescription(address="0.0.0.0", port=5000))
    assert one.remote_address is None
    one.connect(TransportDescription(address="127.0.0.1", port=0))
    assert one.remote_address is None
    await one.close()


async def test_rtcp_goes_where_the_peer_said(ports: PortRange, eventually: Eventually) -> None:
    one, other = (PlainRtp("127.0.0.1", ports=ports) for _ in range(2))
    odd = other.description.port + 1
    described = replace(other.description, rtcp_mux=False, port=9, rtcp=RtcpAddress(odd))
    one.connect(described)
    other.connect(one.description)
    got: list[bytes] = []
    other.on_rtcp = got.append
    one.send_rtcp(RTCP)
    await eventually(lambda: got)
    assert got == [RTCP]
    await one.close()
    await other.close()


async def test_a_name_is_no_address(ports: PortRange) -> None:
    one = PlainRtp("127.0.0.1", ports=ports)
    with pytest.raises(MediaFailed, match="not an IP address"):
        one.connect(TransportDescription(address="media.example", port=5000))
    await one.close()


@pytest.mark.parametrize("name", ["media.example", "media..example", "\udce4.example"])
async def test_a_name_is_no_address_for_rtcp_either(ports: PortRange, name: str) -> None:
    """Such as `a=rtcp:5001 IN IP4 media.example`: the event loop would wait for its look-up with each packet."""
    one = PlainRtp("127.0.0.1", ports=ports)
    described = TransportDescription(address="127.0.0.1", port=5000, rtcp_mux=False, rtcp=RtcpAddress(5001, name))
    with pytest.raises(MediaFailed, match="not an IP address"):
        one.connect(described)
    assert one.remote_address is None
    await one.close()


async def test_strangers_are_counted_and_not_heard(ports: PortRange, eventually: Eventually) -> None:
    one, stranger = (PlainRtp("127.0.0.1", ports=ports) for _ in range(2))
    got: list[bytes] = []
    one.on_rtp = one.on_rtcp = got.append
    one.connect(TransportDescription(address="127.0.0.2", port=5000))
    stranger.connect(one.description)
    stranger.send_rtp(RTP)
    stranger.send_rtcp(RTCP)
    await eventually(lambda: one.counters.strangers == 2)
    assert got == []
    await one.close()
    await stranger.close()
