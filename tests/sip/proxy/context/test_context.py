"""Decisions that come later, and responses in the hands of the logic."""

import pytest

from wic.sip.proxy.core import ContextState, Target
from wic.sip.uri import Uri


@pytest.fixture
def scene(net, make_phone, make_proxy, make_request):
    """Make a caller, a proxy and a callee; return a function that places a call."""
    a, b = make_phone("a"), make_phone("b", (180,))
    p = make_proxy("p", Target(uri=Uri.parse(b.uri), owner="b"))

    def call(method="INVITE"):
        transaction = a.send(make_request(method), p.host)
        net.run()
        return transaction

    return net, a, b, p, call


def test_a_decision_may_come_later(scene) -> None:
    net, a, b, p, call = scene
    p.decides = False
    call()
    net.run(5)
    assert a.statuses == [100]
    (context,) = p.contexts
    assert (context.state, context.in_dialog, context.flow) == (ContextState.DECIDING, False, p.host.flow_to(a.host))
    context.request.headers.add("P-Asserted-Identity", "<sip:alice@example.com>")
    context.forward(p.targets, now=net.now)
    net.run()
    assert context.state is ContextState.FORWARDED
    assert b.requests[0].request.headers.get("P-Asserted-Identity") == "<sip:alice@example.com>"
    assert "P-Asserted-Identity" not in context.transaction.request.headers
    assert context.branches[0].target.owner == "b"


def test_more_targets_may_follow(scene, make_phone) -> None:
    net, a, b, p, call = scene
    call()
    c = make_phone("c", (200,))
    p.contexts[0].forward([Target(uri=Uri.parse(c.uri))], now=0.0)
    net.run()
    assert c.requests == []
    b.answer(486)
    net.run()
    assert a.statuses == [180, 200]


class TestHeldResponses:
    def test_they_go_back_in_order(self, scene) -> None:
        net, a, b, p, call = scene
        p.holds = (183,)
        b.answers = (183, 200)
        call()
        assert a.statuses == []
        (held,) = p.held
        assert (held.branch.target.owner, held.context, held.settled, held.released) == (
            "b",
            p.contexts[0],
            False,
            False,
        )
        held.response.body = b"rewritten"
        held.release(now=0.0)
        net.run()
        assert a.statuses == [183, 200]
        assert a.responses[0].body == b"rewritten"

    def test_one_that_is_released_waits_for_those_before_it(self, scene) -> None:
        net, a, b, p, call = scene
        p.holds = (183, 200)
        b.answers = (183, 200)
        call()
        first, second = p.held
        second.release(now=0.0)
        net.run()
        assert (a.statuses, second.released) == ([], True)
        first.release(now=0.0)
        net.run()
        assert a.statuses == [183, 200]

    def test_a_dropped_one_makes_way(self, scene) -> None:
        net, a, b, p, call = scene
        p.holds = (183,)
        b.answers = (183, 180)
        call()
        p.held[0].drop(now=0.0)
        net.run()
        assert a.statuses == [180]
        assert p.held[0].settled

    def test_a_final_one_may_be_exchanged(self, scene) -> None:
        net, a, b, p, call = scene
        p.holds = (486,)
        b.answers = (486,)
        call()
        p.held[0].response.status, p.held[0].response.reason = 480, "Not Here"
        p.held[0].release(now=0.0)
        net.run()
        assert (a.statuses, a.responses[0].reason) == ([480], "Not Here")

    def test_a_2xx_is_held_once_however_often_it_comes(self, scene) -> None:
        net, a, b, p, call = scene
        p.holds = (200,)
        b.answers = (200,)
        call()
        net.run(4)
        assert len(p.held) == 1
        assert a.statuses == [100]
        p.held[0].response.headers.add("X-Seen", "1")
        p.held[0].release(now=net.now)
        net.run(8)
        assert a.statuses == [100, 200]
        assert a.responses[1].headers.get("X-Seen") == "1"

    def test_the_repetition_of_a_released_2xx_goes_as_it_went(self, scene) -> None:
        net, _, b, p, call = scene
        p.holds = (200,)
        b.answers = (200,)
        net.filter = lambda data: not data.startswith(b"ACK")
        call()
        p.held[0].response.headers.add("X-Seen", "1")
        p.held[0].release(now=net.now)
        net.run(1)
        passed = [m for _, who, m in net.sent if who == "p" and "X-Seen" in m.headers]
        assert len(passed) == 2
        assert len(p.held) == 1

    def test_a_cancel_does_not_overtake_a_held_2xx(self, scene) -> None:
        net, a, b, p, call = scene
        p.holds = (200,)
        b.answers = (180, 200)
        invite = call()
        a.endpoint.cancel(invite, now=0.0)
        net.run()
        assert p.given_up == p.contexts
        p.held[0].release(now=0.0)
        net.run()
        assert a.statuses == [180, 200]
        assert b.cancels == []

    def test_nothing_provisional_follows_a_chosen_final_response(self, scene, make_phone) -> None:
        net, a, b, p, call = scene
        c = make_phone("c", (180,))
        p.targets = (*p.targets, Target(uri=Uri.parse(c.uri)))
        c.heeds_cancel = False
        call()
        b.answer(200)
        net.run()
        c.answer(183)
        c.answer(486)
        net.run()
        assert a.statuses == [180, 180, 200]


class TestAnswersOfTheProxy:
    def test_it_may_refuse(self, scene) -> None:
        net, a, b, p, call = scene
        p.decides = False
        call()
        p.contexts[0].reject(403, "No", now=0.0, headers=[("X-Why", "1")], body=b"x")
        net.run()
        (response,) = a.responses
        assert (response.status, response.reason, response.headers.get("X-Why"), response.body) == (
            403,
            "No",
            "1",
            b"x",
        )
        assert b.requests == []

    def test_it_may_say_something_provisional(self, scene) -> None:
        net, a, b, p, call = scene
        p.decides = False
        call()
        p.contexts[0].reject(181, now=0.0)
        p.contexts[0].forward(p.targets, now=0.0)
        net.run()
        b.answer(200)
        net.run()
        assert a.statuses == [181, 180, 200]

    def test_a_refusal_cancels_the_branches(self, scene) -> None:
        net, a, b, p, call = scene
        call()
        p.contexts[0].reject(480, now=0.0)
        net.run()
        assert a.statuses == [180, 480]
        assert len(b.cancels) == 1
        p.contexts[0].reject(404, now=0.0)
        net.run()
        assert a.statuses == [180, 480]

    def test_a_refusal_does_not_cancel_other_requests(self, scene) -> None:
        net, a, b, p, call = scene
        b.answers = ()
        call("MESSAGE")
        p.contexts[0].reject(480, now=0.0)
        net.run()
        assert a.statuses == [480]
        assert "p CANCEL" not in net.lines()


def test_100_of_a_branch_stays_here(scene) -> None:
    net, a, b, _p, call = scene
    b.answers = (100,)
    call()
    net.run(0.1)
    assert a.statuses == []


def test_a_response_without_a_via_for_the_caller_is_dropped(scene) -> None:
    net, a, b, p, call = scene
    b.answers = ()
    call()
    request = b.requests[0].request
    request.headers.set("Via", request.via)
    b.answer(200)
    net.run()
    assert a.statuses == []
    assert p.contexts[0].branches[0].final is None
