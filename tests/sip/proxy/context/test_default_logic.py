"""Defaults of a proxy logic: everything but the next hop."""

from wic.sip.endpoint import Role
from wic.sip.proxy.core import ProxyCore, ProxyLogic, ProxyOptions


class Minimal(ProxyLogic):
    def __init__(self, host) -> None:
        self.host = host

    def route(self, context, *, now) -> None:
        context.forward(now=now)

    def next_hop(self, uri):
        return self.host.flow_to(self.host.net.hosts[uri.host, 5060])


def test_the_defaults_forward_everything_unchanged(net, make_phone, make_request) -> None:
    a, b = make_phone("a"), make_phone("b", (180, 200))
    host = net.host("p", role=Role.PROXY)
    core = ProxyCore(host.endpoint, Minimal(host), ProxyOptions(own=frozenset({host.address})))
    host.on_event = lambda event: core.handle(event, now=net.now)
    for method in ("REGISTER", "INVITE"):
        a.send(make_request(method, uri=b.uri), host)
        net.run()
    register, invite = (event.request for event in b.requests)
    assert (register.paths, invite.record_routes) == ((), ())
    assert a.statuses == [180, 200, 180, 200]
    b.answers = (180,)
    ringing = a.send(make_request("INVITE", uri=b.uri), host)
    net.run()
    a.endpoint.cancel(ringing, now=0.0)
    net.run()
    assert a.statuses[-1] == 487


def test_an_ack_passes(net, make_phone, make_request) -> None:
    b = make_phone("b")
    a, host = net.host("a"), net.host("p", role=Role.PROXY)
    core = ProxyCore(host.endpoint, Minimal(host), ProxyOptions(own=frozenset({host.address})))
    host.on_event = lambda event: core.handle(event, now=net.now)
    a.endpoint.send_ack(make_request("ACK", uri=b.uri, to_tag="b1"), a.flow_to(host), now=0.0)
    net.run()
    assert net.lines() == ["a ACK", "p ACK"]
