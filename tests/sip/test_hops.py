import pytest

from wic.sip.errors import MalformedHeader
from wic.sip.flow import Flow
from wic.sip.hops import reply_flow, stamp_source
from wic.sip.message import Request

UDP = Flow("UDP", ("10.0.0.1", 5060), ("192.0.2.4", 4444))


def request(via: str) -> Request:
    return Request.build("OPTIONS", "sip:b@h", [("Via", via), ("Via", "SIP/2.0/UDP other;branch=z9hG4bK9")])


@pytest.mark.parametrize(
    ("via", "stamped", "remote"),
    [
        # RFC 3261 §18.2.1: the same address needs no stamp
        ("SIP/2.0/UDP 192.0.2.4:5070;branch=z9hG4bK1", ";branch=z9hG4bK1", ("192.0.2.4", 5070)),
        ("SIP/2.0/UDP 192.0.2.4;branch=z9hG4bK1", ";branch=z9hG4bK1", ("192.0.2.4", 5060)),
        ("SIP/2.0/UDP host.example:5070;branch=1", ";branch=1;received=192.0.2.4", ("192.0.2.4", 5070)),
        ("SIP/2.0/UDP 192.0.2.9;branch=1", ";branch=1;received=192.0.2.4", ("192.0.2.4", 5060)),
        # RFC 3581 §4: asked for, both are written even if they are the same
        ("SIP/2.0/UDP 192.0.2.4:5070;rport", ";rport=4444;received=192.0.2.4", ("192.0.2.4", 4444)),
        # what a peer claims about itself does not hold
        ("SIP/2.0/UDP 192.0.2.4;received=198.51.100.1", ";received=192.0.2.4", ("192.0.2.4", 5060)),
        ("SIP/2.0/UDP h;rport=1;received=198.51.100.1", ";rport=4444;received=192.0.2.4", ("192.0.2.4", 4444)),
        ("SIP/2.0/UDP 192.0.2.4:5070;maddr=198.51.100.1", ";maddr=198.51.100.1", ("192.0.2.4", 5070)),
    ],
)
def test_the_source_is_stamped_and_answered(via, stamped, remote) -> None:
    message = request(via)
    stamp_source(message, UDP)
    assert str(message.via.params) == stamped
    assert len(message.vias) == 2
    assert reply_flow(message, UDP) == Flow("UDP", UDP.local, remote)


def test_ipv6_stands_without_brackets() -> None:
    flow = Flow("UDP", ("2001:db8::1", 5060), ("2001:db8::9", 5060))
    message = request("SIP/2.0/UDP [2001:db8::a];branch=1")
    stamp_source(message, flow)
    assert message.via.received == "2001:db8::9"  # RFC 5118 §4.5
    assert reply_flow(message, flow) is flow


def test_streams_are_answered_on_the_same_connection() -> None:
    flow = Flow("WSS", ("10.0.0.1", 443), ("192.0.2.4", 4444), "7")
    message = request("SIP/2.0/WSS df7jal23ls0d.invalid;branch=z9hG4bK1;rport")
    stamp_source(message, flow)
    assert (message.via.received, message.via.rport) == ("192.0.2.4", 4444)
    assert reply_flow(message, flow) is flow


def test_without_a_readable_via_there_is_no_way_back() -> None:
    with pytest.raises(MalformedHeader):
        stamp_source(request("nonsense"), UDP)
    with pytest.raises(MalformedHeader):
        reply_flow(request("nonsense"), UDP)
