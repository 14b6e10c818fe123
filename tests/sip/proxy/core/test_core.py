"""RFC 3261 §16 with real messages: phones, proxies between them, and a network without surprises."""

import pytest

from wic.errors import ConfigurationError
from wic.sip.endpoint import Endpoint
from wic.sip.events import FlowClosed, ResponseReceived
from wic.sip.flow import Flow
from wic.sip.headers.address import NameAddr
from wic.sip.message import Request
from wic.sip.proxy.core import ContextState, ProxyCore, ProxyOptions, Target
from wic.sip.random_source import CountingSource
from wic.sip.uri import Uri


def to(phone, q: float = 1.0) -> Target:
    return Target(uri=Uri.parse(phone.uri), q=q)


def requests(net, name, method):
    return [m for _, who, m in net.sent if who == name and isinstance(m, Request) and m.method == method]


@pytest.fixture
def two_proxies(net, make_phone, make_proxy, make_request):
    """Place a call over two proxies that stay in the way."""
    a, b = make_phone("a"), make_phone("b", (180, 200))
    q = make_proxy("q", to(b), record_route=True)
    p = make_proxy("p", Target(uri=Uri.parse(f"sip:bob@{q.host.address[0]}")), record_route=True)
    a.send(make_request("INVITE"), p.host)
    net.run()
    return net, a, b, p, q


class TestTwoProxies:
    def test_a_call_is_set_up(self, two_proxies) -> None:
        net, a, b, _, _ = two_proxies
        assert a.statuses == [180, 200]
        assert [line for line in net.lines() if "ACK" in line] == ["a ACK", "p ACK", "q ACK"]
        assert len(b.acks) == 1
        assert net.lines()[:3] == ["a INVITE", "p INVITE", "q INVITE"]

    def test_the_request_shows_its_way(self, two_proxies) -> None:
        _, a, b, p, q = two_proxies
        request = b.requests[0].request
        hosts = [phone.host.address[0] for phone in (q, p, a)]
        assert [via.host for via in request.vias] == hosts
        assert [route.uri.host for route in request.record_routes] == hosts[:2]
        assert request.max_forwards == 68
        assert request.uri_text == b.uri
        assert [len(response.vias) for response in a.responses] == [1, 1]

    def test_both_ends_hang_up_over_both_proxies(self, two_proxies) -> None:
        net, a, b, p, q = two_proxies
        before = len(net.lines())
        b.send(b.dialogs[-1].create_request("INFO"))
        net.run()
        a.send(a.dialogs[-1].create_request("BYE"))
        net.run()
        assert net.lines(before)[:3] == ["b INFO", "q INFO", "p INFO"]
        assert [line for line in net.lines(before) if "BYE" in line][:3] == ["a BYE", "p BYE", "q BYE"]
        assert a.statuses[-1] == 200
        assert all(context.in_dialog for proxy in (p, q) for context in proxy.contexts[1:])
        assert b.requests[-1].request.routes == ()

    def test_a_repeated_2xx_and_its_ack_pass(self, two_proxies) -> None:
        net, a, b, _, _ = two_proxies
        response = next(m for _, who, m in net.sent if who == "b" and m.status == 200)
        before = len(net.lines())
        q = next(host for host in net.hosts.values() if host.name == "q")
        q.endpoint.receive(response.to_bytes(), q.flow_to(b.host), now=net.now)
        net.run()
        assert net.lines(before) == ["q 200 INVITE", "p 200 INVITE", "a ACK", "p ACK", "q ACK"]
        assert a.statuses == [180, 200]
        assert len(b.acks) == 1

    def test_invented_forks_are_no_burden(self, two_proxies) -> None:
        """A proxy keeps each 2xx for as long as it may be repeated."""
        net, a, b, _, _ = two_proxies
        response = next(m for _, who, m in net.sent if who == "b" and m.status == 200)
        q = next(host for host in net.hosts.values() if host.name == "q")
        for number in range(100):
            other = response.copy()
            other.headers.set("To", f"<sip:bob@example.com>;tag=t{number}")
            q.endpoint.receive(other.to_bytes(), q.flow_to(b.host), now=net.now)
        net.run()
        assert a.statuses == [180] + [200] * 64

    def test_nothing_is_left_behind(self, two_proxies) -> None:
        net, a, _, p, q = two_proxies
        a.send(a.dialogs[-1].create_request("BYE"))
        net.run(100)
        for host in net.hosts.values():
            assert host.endpoint.counters.transactions == 0
            assert host.endpoint.next_timeout() is None
        assert p.contexts[0].state is q.contexts[0].state is ContextState.ANSWERED

    def test_the_taken_routes_are_the_logics_to_read(self, two_proxies) -> None:
        _, a, _, p, q = two_proxies
        assert p.contexts[0].taken_routes == ()
        assert [str(route) for route in p.acks[0].taken_routes] == [f"<{p.uri}>"]
        assert p.acks[0].flow == p.host.flow_to(a.host)
        assert [str(route) for route in q.acks[0].taken_routes] == [f"<{q.uri}>"]


class TestForking:
    def test_the_first_2xx_cancels_the_others(self, net, make_phone, make_proxy, make_request) -> None:
        a, b, c, d = make_phone("a"), make_phone("b", (180,)), make_phone("c", (180, 200)), make_phone("d", (486,))
        p = make_proxy("p", to(b), to(c), to(d))
        a.send(make_request("INVITE"), p.host)
        net.run()
        assert a.statuses == [180, 180, 200]
        assert len(b.cancels) == 1
        assert [branch.final.status for branch in p.contexts[0].branches] == [487, 200, 486]
        # each answered INVITE of a failed branch was acknowledged by the proxy alone
        assert len(requests(net, "p", "ACK")) == 2
        assert len(requests(net, "a", "ACK")) == 1

    def test_a_busy_one_waits_for_the_others(self, net, make_phone, make_proxy, make_request) -> None:
        a, b, c = make_phone("a"), make_phone("b", (486,)), make_phone("c", (180,))
        p = make_proxy("p", to(b), to(c))
        a.send(make_request("INVITE"), p.host)
        net.run()
        assert a.statuses == [180]
        c.answer(404)
        net.run()
        assert a.statuses == [180, 486]
        assert p.contexts[0].state is ContextState.ANSWERED

    def test_6xx_cancels_the_others_and_wins(self, net, make_phone, make_proxy, make_request) -> None:
        a, b, c, d = make_phone("a"), make_phone("b", (180,)), make_phone("c", (404,)), make_phone("d", (180,))
        p = make_proxy("p", to(b), to(c), to(d))
        a.send(make_request("INVITE"), p.host)
        net.run()
        b.heeds_cancel = False
        d.answer(603)
        net.run()
        assert len(b.cancels) == 1
        assert a.statuses == [180, 180]
        b.answer(487)
        net.run()
        assert a.statuses == [180, 180, 603]

    def test_a_2xx_that_crosses_a_6xx_wins(self, net, make_phone, make_proxy, make_request) -> None:
        a, b, c = make_phone("a"), make_phone("b", (180,)), make_phone("c", (603,))
        b.heeds_cancel = False
        p = make_proxy("p", to(b), to(c))
        a.send(make_request("INVITE"), p.host)
        net.run()
        b.answer(200)
        net.run()
        assert a.statuses == [180, 200]

    def test_both_of_two_2xx_go_back(self, net, make_phone, make_proxy, make_request) -> None:
        a, b, c = make_phone("a"), make_phone("b", (180,)), make_phone("c", (200,))
        b.heeds_cancel = False
        p = make_proxy("p", to(b), to(c))
        a.send(make_request("INVITE"), p.host)
        net.run()
        b.answer(200)
        net.run()
        assert a.statuses == [180, 200, 200]
        assert len({dialog.id for dialog in a.dialogs}) == 2
        assert len(b.acks) == len(c.acks) == 1

    def test_another_request_forks_too(self, net, make_phone, make_proxy, make_request) -> None:
        a, b, c = make_phone("a"), make_phone("b", (200,)), make_phone("c", (200,))
        p = make_proxy("p", to(b), to(c))
        a.send(make_request("OPTIONS"), p.host)
        net.run()
        assert a.statuses == [200]
        assert "p CANCEL" not in net.lines()

    def test_lower_q_is_tried_when_the_higher_has_failed(self, net, make_phone, make_proxy, make_request) -> None:
        a, b, c, d = make_phone("a"), make_phone("b", (180,)), make_phone("c", (404,)), make_phone("d", (200,))
        p = make_proxy("p", to(d, 0.5), to(b), to(c))
        a.send(make_request("INVITE"), p.host)
        net.run()
        assert d.requests == []
        b.answer(486)
        net.run()
        assert a.statuses == [180, 200]
        assert len(d.requests) == 1

    def test_lower_q_is_not_tried_after_success_or_6xx(self, net, make_phone, make_proxy, make_request) -> None:
        a, b, c = make_phone("a"), make_phone("b", (200,)), make_phone("c", (200,))
        p = make_proxy("p", to(b, 0.9), to(c, 0.1))
        a.send(make_request("INVITE"), p.host)
        net.run()
        b.answers = (600,)
        a.send(make_request("INVITE"), p.host)
        net.run()
        assert a.statuses == [200, 600]
        assert c.requests == []

    def test_challenges_are_merged(self, net, make_phone, make_proxy, make_request) -> None:
        a, b, c = make_phone("a"), make_phone("b", (401,)), make_phone("c", (407,))
        b.headers = (("WWW-Authenticate", 'Digest realm="b"'),)
        c.headers = (("Proxy-Authenticate", 'Digest realm="c"'),)
        p = make_proxy("p", to(b), to(c))
        a.send(make_request("INVITE"), p.host)
        net.run()
        (response,) = a.responses
        assert response.status == 401
        assert response.headers.get_all("WWW-Authenticate") == ['Digest realm="b"']
        assert response.headers.get_all("Proxy-Authenticate") == ['Digest realm="c"']


class TestCancel:
    def test_it_goes_down_and_487_comes_up(self, net, make_phone, make_proxy, make_request) -> None:
        a, b, c = make_phone("a"), make_phone("b", (180,)), make_phone("c", (180,))
        p = make_proxy("p", to(b), to(c))
        invite = a.send(make_request("INVITE"), p.host)
        net.run()
        a.endpoint.cancel(invite, now=0.0, reason='SIP;cause=200;text="Call completed elsewhere"')
        net.run()
        assert a.statuses == [180, 180, 487]
        for phone in (b, c):
            (event,) = phone.cancels
            assert event.request.headers.get("Reason") == 'SIP;cause=200;text="Call completed elsewhere"'
        assert p.given_up == p.contexts
        net.run(100)
        assert p.endpoint.counters.transactions == 0

    def test_a_2xx_that_crosses_it_wins(self, net, make_phone, make_proxy, make_request) -> None:
        a, b = make_phone("a"), make_phone("b", (180,))
        p = make_proxy("p", to(b))
        invite = a.send(make_request("INVITE"), p.host)
        net.run()
        b.answer(200)
        a.endpoint.cancel(invite, now=0.0)
        net.run()
        assert a.statuses == [180, 200]
        assert b.cancels == []
        assert len(b.acks) == 1

    def test_before_the_logic_has_decided_it_ends_the_call(self, net, make_phone, make_proxy, make_request) -> None:
        a, b = make_phone("a"), make_phone("b", (200,))
        p = make_proxy("p", to(b))
        p.decides = False
        invite = a.send(make_request("INVITE"), p.host)
        net.run(0.3)
        a.endpoint.cancel(invite, now=net.now)
        net.run()
        assert a.statuses == [100, 487]
        (context,) = p.given_up
        context.forward(p.targets, now=net.now)
        context.reject(404, now=net.now)
        net.run()
        assert b.requests == []
        assert a.statuses == [100, 487]

    def test_it_stops_the_search(self, net, make_phone, make_proxy, make_request) -> None:
        a, b, c = make_phone("a"), make_phone("b", (180,)), make_phone("c", (200,))
        p = make_proxy("p", to(b), to(c, 0.5))
        invite = a.send(make_request("INVITE"), p.host)
        net.run()
        a.endpoint.cancel(invite, now=0.0)
        net.run()
        assert a.statuses == [180, 487]
        assert c.requests == []


class TestFailures:
    def test_a_silent_target_gives_408(self, net, make_phone, make_proxy, make_request) -> None:
        a, b = make_phone("a"), make_phone("b")
        p = make_proxy("p", to(b))
        net.filter = lambda data: b"sip:b@" not in data
        a.send(make_request("INVITE"), p.host)
        net.run(31)
        assert a.statuses == [100]
        net.run(33)
        assert a.statuses == [100, 408]

    def test_a_silent_target_of_another_request_gives_nothing(self, net, make_phone, make_proxy, make_request) -> None:
        # RFC 4320 §4.2
        a, b = make_phone("a"), make_phone("b")
        p = make_proxy("p", to(b))
        net.filter = lambda data: b"sip:b@" not in data
        a.send(make_request("OPTIONS"), p.host)
        net.run(100)
        assert a.statuses == []
        assert p.contexts[0].state is ContextState.ANSWERED
        assert p.endpoint.counters.transactions == 0

    def test_503_is_not_passed_on(self, net, make_phone, make_proxy, make_request) -> None:
        a, b = make_phone("a"), make_phone("b", (503,))
        p = make_proxy("p", to(b))
        a.send(make_request("INVITE"), p.host)
        net.run()
        assert a.statuses == [500]
        assert "Retry-After" not in a.responses[0].headers

    def test_when_to_come_again_after_a_503_is(self, net, make_phone, make_proxy, make_request) -> None:
        a, b = make_phone("a"), make_phone("b", (503,))
        b.headers = (("Retry-After", "120"), ("Server", "b"))
        p = make_proxy("p", to(b))
        a.send(make_request("REGISTER"), p.host)
        net.run()
        assert a.statuses == [500]
        assert (a.responses[0].headers.get("Retry-After"), a.responses[0].headers.get("Server")) == ("120", None)

    def test_where_no_flow_leads_the_answer_is_500(self, net, make_phone, make_proxy, make_request) -> None:
        a = make_phone("a")
        p = make_proxy("p", Target(uri=Uri.parse("sip:unknown@203.0.113.1")))
        a.send(make_request("INVITE"), p.host)
        net.run()
        assert a.statuses == [500]
        assert p.contexts[0].branches[0].transaction is None

    def test_a_dead_end_does_not_end_the_search(self, net, make_phone, make_proxy, make_request) -> None:
        a, b, c = make_phone("a"), make_phone("b", (180,)), make_phone("c", (200,))
        p = make_proxy("p", Target(uri=Uri.parse("sip:unknown@203.0.113.1")), to(b), to(c, 0.5))
        a.send(make_request("INVITE"), p.host)
        net.run()
        b.answer(480)
        net.run()
        assert a.statuses == [180, 200]

    def test_no_target_gives_480(self, net, make_phone, make_proxy, make_request) -> None:
        a, p = make_phone("a"), make_proxy("p")
        p.decides = False
        a.send(make_request("INVITE"), p.host)
        net.run()
        p.contexts[0].forward([], now=0.0)
        net.run()
        assert a.statuses == [480]
        assert a.responses[0].to.tag is not None

    def test_a_lost_branch_counts_as_503(self, net, make_phone, make_proxy, make_request) -> None:
        a, b = make_phone("a"), make_phone("b", (180,))
        p = make_proxy("p", to(b))
        a.send(make_request("INVITE"), p.host)
        net.run()
        flow = p.host.flow_to(b.host)
        p.endpoint.flow_closed(flow, "reset", now=0.0)
        net.run()
        assert a.statuses == [180, 500]
        assert p.unhandled == [FlowClosed(flow, "reset")]

    def test_a_lost_caller_cancels_the_branches(self, net, make_phone, make_proxy, make_request) -> None:
        a, b = make_phone("a"), make_phone("b", (180,))
        p = make_proxy("p", to(b))
        a.send(make_request("INVITE"), p.host)
        net.run()
        p.endpoint.flow_closed(p.host.flow_to(a.host), "reset", now=0.0)
        net.run(100)
        assert len(b.cancels) == 1
        assert p.given_up == p.contexts
        assert a.statuses == [180]
        assert p.endpoint.counters.transactions == 0

    def test_timer_c_ends_eternal_ringing(self, net, make_phone, make_proxy, make_request) -> None:
        a, b = make_phone("a"), make_phone("b", (180,))
        p = make_proxy("p", to(b))
        a.send(make_request("INVITE"), p.host)
        net.run(100)
        b.answer(180)
        net.run(280)
        assert b.cancels == []
        net.run(282)  # RFC 3261 §16.7 step 2: 181 s after the last provisional response
        assert len(b.cancels) == 1
        assert a.statuses == [180, 180, 487]

    def test_a_caller_who_never_acknowledges_a_failure_is_forgotten(
        self, net, make_phone, make_proxy, make_request
    ) -> None:
        a, b = make_phone("a"), make_phone("b", (486,))
        p = make_proxy("p", to(b))
        net.filter = lambda data: not (data.startswith(b"ACK") and b"sip:bob@" in data)
        a.send(make_request("INVITE"), p.host)
        net.run(100)
        assert p.unhandled == []
        assert p.endpoint.counters.transactions == 0


class TestLoops:
    def test_a_request_that_comes_back_the_same_gets_482(self, net, make_phone, make_proxy, make_request) -> None:
        a, p, q = make_phone("a"), make_proxy("p"), make_proxy("q")
        p.targets = (Target(flow=p.host.flow_to(q.host)),)
        q.targets = (Target(flow=q.host.flow_to(p.host)),)
        a.send(make_request("INVITE"), p.host)
        net.run()
        assert a.statuses == [482]
        assert net.lines().count("p INVITE") == 1

    def test_a_spiral_is_no_loop(self, net, make_phone, make_proxy, make_request) -> None:
        a, b, p = make_phone("a"), make_phone("b", (200,)), make_proxy("p")
        p.targets = (Target(uri=Uri.parse(f"{b.uri};x=1"), flow=p.host.flow_to(p.host)),)
        a.send(make_request("MESSAGE"), p.host)
        p.decides = False
        net.run()
        p.contexts[0].forward(p.targets, now=0.0)
        net.run()
        p.contexts[1].forward(now=0.0)
        net.run()
        assert a.statuses == [200]
        assert len(b.requests[0].request.vias) == 3

    def test_max_forwards_ends_the_way(self, net, make_phone, make_proxy, make_request) -> None:
        a, b, p = make_phone("a"), make_phone("b", (200,)), make_proxy("p")
        request = make_request("OPTIONS", uri=b.uri)
        request.headers.set("Max-Forwards", 1)
        a.send(request, p.host)
        net.run()
        request.headers.set("Max-Forwards", 0)
        a.send(request, p.host)
        net.run()
        assert a.statuses == [200, 483]
        assert b.requests[0].request.max_forwards == 0

    @pytest.mark.parametrize("method", ["PUBLISH", "REGISTER", "SUBSCRIBE"])
    def test_max_forwards_means_nothing_to_the_recipient(
        self, net, make_phone, make_proxy, make_request, method
    ) -> None:
        a, p = make_phone("a"), make_proxy("p")
        p.is_recipient = lambda request: request.method == method
        p.route = lambda context, *, now: context.reject(200, now=now)
        for wanted in (method, "MESSAGE"):
            request = make_request(wanted, uri=p.uri)
            request.headers.set("Max-Forwards", 0)
            a.send(request, p.host)
            net.run()
        assert a.statuses == [200, 483]

    @pytest.mark.parametrize("max_forwards", [0, 70])
    def test_options_for_the_proxy_itself(self, net, make_phone, make_proxy, make_request, max_forwards) -> None:
        """RFC 3261 §11.2: no decision of a logic comes into it."""
        a, p = make_phone("a"), make_proxy("p")
        request = make_request("OPTIONS", uri=p.uri)
        request.headers.set("Max-Forwards", max_forwards)
        a.send(request, p.host)
        net.run()
        assert a.statuses == [200]
        assert (a.responses[0].supported, a.responses[0].headers.get("Accept")) == (("path", "gruu"), "*/*")
        assert not p.contexts

    @pytest.mark.parametrize("method", ["OPTIONS", "REGISTER", "SUBSCRIBE", "PUBLISH"])
    @pytest.mark.parametrize(
        ("required", "unsupported"),
        [(("path",), None), (("gruu, PATH",), None), (("path, sec-agree", "x"), "sec-agree, x")],
    )
    def test_the_recipient_minds_require(
        self, net, make_phone, make_proxy, make_request, method, required, unsupported
    ) -> None:
        """RFC 3261 §8.2.2.3, §10.3 step 2: a proxy that only passes a request on does not."""
        a, p = make_phone("a"), make_proxy("p")
        p.is_recipient = lambda request: request.method == method
        p.route = lambda context, *, now: context.reject(200, now=now)
        for wanted in (method, "MESSAGE"):
            request = make_request(wanted, uri=p.uri)
            for value in required:
                request.headers.add("Require", value)
            a.send(request, p.host)
            net.run()
        assert a.statuses == [420 if unsupported else 200, 200]
        assert a.responses[0].headers.get("Unsupported") == unsupported

    @pytest.mark.parametrize("method", ["OPTIONS", "BYE", "INVITE", "MESSAGE", "NOTIFY", "SUBSCRIBE", "REGISTER"])
    @pytest.mark.parametrize("to_itself", [True, False])
    def test_a_request_within_an_unknown_dialog(
        self, net, make_phone, make_proxy, make_request, method, to_itself
    ) -> None:
        """RFC 3261 §12.2.2: 481 by who would be the user agent; to a REGISTER the tag means nothing."""
        a, p = make_phone("a"), make_proxy("p")
        p.is_recipient = lambda request: request.method == "SUBSCRIBE"
        p.route = lambda context, *, now: context.reject(403, now=now)
        a.send(make_request(method, uri=p.uri if to_itself else "sip:bob@10.0.0.9", to_tag="x"), p.host)
        net.run()
        is_its_own = method != "REGISTER" and (to_itself or method == "SUBSCRIBE")
        assert a.statuses == [481 if is_its_own else 403]

    def test_an_ack_that_has_come_too_far_is_dropped(self, net, make_phone, make_proxy, make_request) -> None:
        a, b, p = make_phone("a"), make_phone("b"), make_proxy("p")
        for left in (1, 0):
            ack = make_request("ACK", uri=b.uri, to_tag="b")
            ack.headers.set("Max-Forwards", left)
            a.endpoint.send_ack(ack, a.host.flow_to(p.host), now=net.now)
            net.run()
        assert len(p.acks) == 1


def test_each_copy_can_be_rewritten(net, make_phone, make_proxy, make_request) -> None:
    a, b, c = make_phone("a"), make_phone("b", (200,)), make_phone("c", (200,))
    p = make_proxy("p", to(b), to(c))
    p.rewrite_request = lambda context, request, target: request.headers.add("X-Target", target.uri)
    a.send(make_request("MESSAGE"), p.host)
    net.run()
    assert [phone.requests[0].request.headers.get("X-Target") for phone in (b, c)] == [b.uri, c.uri]
    assert "X-Target" not in p.contexts[0].request.headers


def test_the_path_of_a_binding_leads_over_another_proxy(net, make_phone, make_proxy, make_request) -> None:
    a, b, q = make_phone("a"), make_phone("b", (200,)), make_proxy("q")
    p = make_proxy("p", Target(uri=Uri.parse(b.uri), routes=(NameAddr.parse(f"<{q.uri}>"),)))
    a.send(make_request("MESSAGE"), p.host)
    net.run()
    assert net.lines()[:3] == ["a MESSAGE", "p MESSAGE", "q MESSAGE"]
    assert str(q.contexts[0].taken_routes[0]) == f"<{q.uri}>"
    assert b.requests[0].request.routes == ()


def test_what_the_shell_sends_itself_is_the_shells(net, make_phone, make_proxy, make_request) -> None:
    b, p = make_phone("b", (200,)), make_proxy("p")
    sent = p.endpoint.send_request(make_request("NOTIFY"), p.host.flow_to(b.host), now=0.0, owner="shell")
    net.run()
    (event,) = p.unhandled
    assert isinstance(event, ResponseReceived)
    assert event.transaction is sent


def test_the_endpoint_has_to_be_a_proxy(make_proxy) -> None:
    with pytest.raises(ConfigurationError):
        ProxyCore(Endpoint(random_source=CountingSource()), make_proxy("p"), ProxyOptions(own=frozenset()))


@pytest.mark.parametrize("seed", range(4))
def test_calls_over_a_proxy_survive_a_bad_network(net, make_phone, make_proxy, make_request, seed) -> None:
    net.worsen(seed, loss=0.2, duplication=0.2, delay=(0.0, 0.2))
    a, b, c = make_phone("a"), make_phone("b", (180, 200)), make_phone("c", (180, 486))
    p = make_proxy("p", to(b), to(c), record_route=True)
    calls = 20
    for _ in range(calls):
        a.send(make_request("INVITE"), p.host)
        net.run(net.now + 0.5)
    net.run(net.now + 300)
    assert sum(status >= 200 for status in a.statuses) == calls
    assert a.statuses.count(200) >= calls - 1
    assert len(b.acks) == a.statuses.count(200)
    for host in net.hosts.values():
        assert host.endpoint.counters.transactions == 0
        assert host.endpoint.next_timeout() is None


def test_a_websocket_client_is_reached_on_its_flow(net, make_phone, make_proxy, make_request) -> None:
    a = make_phone("a", transport="WSS", via={"WSS": "x7.invalid"})
    p, b = make_proxy("p", transport="WSS"), make_phone("b", (200,), transport="WSS")
    p.targets = (to(b),)
    a.send(make_request("MESSAGE"), p.host)
    net.run()
    assert a.statuses == [200]
    assert p.contexts[0].flow == Flow("WSS", p.host.address, a.host.address, "1")
    assert (b.requests[0].request.vias[1].host, b.requests[0].request.vias[1].received) == (
        "x7.invalid",
        a.host.address[0],
    )
