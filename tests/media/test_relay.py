from __future__ import annotations

from collections.abc import Awaitable, Callable

from tests.support.rtp import pack_rtp
from wic.media import MediaTransport, PlainRtp, PortRange, Relay

RTP = pack_rtp(0, 1, 0, 1, b"sound")
RTCP = bytes.fromhex("80c9000100000001")
Eventually = Callable[[Callable[[], object]], Awaitable[None]]
Connect = Callable[[], Awaitable[tuple[MediaTransport, MediaTransport]]]


async def test_joins_srtp_with_plain_rtp_both_ways(connect_pair: Connect, eventually: Eventually) -> None:
    wic, access = await connect_pair()
    ports = PortRange(44000, 44999)
    core, phone = PlainRtp("127.0.0.1", ports=ports), PlainRtp("127.0.0.1", ports=ports)
    core.connect(phone.description)
    phone.connect(core.description)
    relay = Relay(access, core)
    at_wic: list[bytes] = []
    at_phone: list[bytes] = []
    wic.on_rtp = wic.on_rtcp = at_wic.append
    phone.on_rtp = phone.on_rtcp = at_phone.append
    for end in (wic, phone):
        end.send_rtp(RTP)
        end.send_rtcp(RTCP)
    await eventually(lambda: len(at_wic) == len(at_phone) == 2)
    assert sorted(at_wic) == sorted(at_phone) == sorted([RTP, RTCP])
    assert relay.from_b == 2
    relay.stop()
    wic.send_rtp(RTP)
    phone.send_rtp(RTP)
    relay_again = Relay(access, core)
    phone.send_rtp(RTP)
    await eventually(lambda: relay_again.from_b)
    assert relay.from_b == 2
    relay_again.stop()
    await core.close()
    await phone.close()
