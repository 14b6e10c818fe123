import pytest

from wic.sip.errors import MalformedHeader
from wic.sip.flow import Flow
from wic.sip.headers.address import NameAddr
from wic.sip.message import Request
from wic.sip.routing import is_loose, port_of, reply_flow, route, stamp_source
from wic.sip.uri import Uri

TARGET = Uri.parse("sip:bob@10.0.0.2")


def hops(*texts: str) -> tuple[NameAddr, ...]:
    return tuple(NameAddr.parse(text) for text in texts)


def test_without_routes_the_target_is_all() -> None:
    assert route(TARGET, ()) == (TARGET, ())


def test_loose_routers_leave_the_request_uri_alone() -> None:
    route_set = hops("<sip:p1;lr>", "<sip:p2>")
    assert is_loose(route_set[0].uri)
    assert route(TARGET, route_set) == (TARGET, route_set)


def test_a_strict_router_takes_the_request_uri() -> None:
    uri, routes = route(TARGET, hops("<sip:p1;transport=udp;method=BYE?Subject=x>", "<sip:p2;lr>"))
    assert str(uri) == "sip:p1;transport=udp"
    assert [str(hop) for hop in routes] == ["<sip:p2;lr>", "<sip:bob@10.0.0.2>"]


@pytest.mark.parametrize(
    ("uri", "port"),
    [
        ("sip:h", 5060),
        ("sips:h", 5061),
        ("sip:h:7000", 7000),
        ("sip:h;transport=ws", 80),
        ("sips:h;transport=ws", 443),
        ("sip:h;transport=tcp", 5060),
        ("tel:+1", 5060),
    ],
)
def test_ports(uri, port) -> None:
    assert port_of(Uri.parse(uri)) == port


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
