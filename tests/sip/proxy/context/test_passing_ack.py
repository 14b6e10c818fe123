"""ACKs on their way through a proxy (RFC 3261 §16.11)."""

import pytest


@pytest.fixture
def way(net, make_phone, make_proxy, make_request):
    b, p = make_phone("b"), make_proxy("p")
    sender = net.host("a")

    def ack(*headers, uri=b.uri, max_forwards=70):
        request = make_request("ACK", uri=uri, to_tag="b1", headers=headers)
        request.headers.set("Max-Forwards", max_forwards)
        sender.endpoint.send_ack(request, sender.flow_to(p.host), now=0.0)
        net.run()

    return net, b, p, ack


def test_it_follows_its_request_uri(way) -> None:
    net, b, p, ack = way
    ack(max_forwards=9)
    _, forwarded = (message for _, _, message in net.sent)
    assert (forwarded.uri_text, forwarded.max_forwards, len(forwarded.vias)) == (b.uri, 8, 2)
    assert p.acks[0].taken_routes == ()


def test_it_can_be_rewritten_held_and_redirected(way) -> None:
    net, b, p, ack = way
    p.ack = lambda ack, *, now: p.acks.append(ack)
    ack(uri="sip:unknown@203.0.113.1")
    assert net.lines() == ["a ACK"]
    p.acks[0].request.body = b"sdp"
    p.acks[0].forward(now=1.0, flow=p.host.flow_to(b.host))
    net.run()
    assert net.sent[-1][2].body == b"sdp"
    assert net.lines() == ["a ACK", "p ACK"]


def test_where_nothing_leads_it_is_lost(way) -> None:
    net, _, p, ack = way
    ack(uri="sip:unknown@203.0.113.1")
    ack(max_forwards=0)
    assert net.lines() == ["a ACK", "a ACK"]
    assert len(p.acks) == 1


def test_a_strict_router_next_gets_what_it_wants(way) -> None:
    net, b, p, ack = way
    ack(("Route", f"<{p.uri}>, <{b.uri}>"), uri="sip:far@203.0.113.1")
    forwarded = net.sent[-1][2]
    assert forwarded.uri_text == b.uri
    assert [str(route) for route in forwarded.routes] == ["<sip:far@203.0.113.1>"]
