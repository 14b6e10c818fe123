import dataclasses

import pytest

from wic.errors import LocalProtocolError
from wic.sip.dialog import Dialog
from wic.sip.endpoint import Endpoint, EndpointOptions, Role
from wic.sip.events import (
    AckTimedOut,
    FlowClosed,
    RequestReceived,
    ResponseReceived,
    TransportFailed,
)
from wic.sip.flow import Flow
from wic.sip.message import Response
from wic.sip.params import Params
from wic.sip.parser import parse
from wic.sip.random_source import CountingSource
from wic.sip.transaction.tables import TransactionState

UDP = Flow("UDP", ("10.0.0.1", 5060), ("10.0.0.2", 5060))
WSS = Flow("WSS", ("10.0.0.1", 40000), ("10.0.0.2", 443), "1")


def endpoint(**options) -> Endpoint:
    return Endpoint(random_source=CountingSource(), options=EndpointOptions(**options))


def sent(endpoint):
    return [parse(transmit.data) for transmit in endpoint.to_send()]


class TestSending:
    def test_a_request_gets_via_and_max_forwards(self, make_request) -> None:
        ours = endpoint(via={"WSS": "x7.invalid"}, via_params=Params((("rport", None), ("alias", None))))
        request = make_request()
        request.headers.remove("Max-Forwards")
        transaction = ours.send_request(request, WSS, now=0.0, owner=self)
        (message,) = sent(ours)
        assert str(message.via) == f"SIP/2.0/WSS x7.invalid;branch={transaction.id};rport;alias"
        assert transaction.id.startswith("z9hG4bK")
        assert message.max_forwards == 70
        assert "Via" not in request.headers
        assert transaction.owner is self
        assert transaction.flow is WSS
        assert transaction.state is TransactionState.TRYING

    def test_the_local_address_is_the_sent_by_of_other_transports(self, make_request) -> None:
        ours = endpoint(via={"WSS": "x7.invalid"})
        ours.send_request(make_request(), UDP, now=0.0, branch="z9hG4bKmine")
        assert str(sent(ours)[0].via) == "SIP/2.0/UDP 10.0.0.1:5060;branch=z9hG4bKmine;rport"

    def test_one_request_may_say_more_in_its_via(self, make_request) -> None:
        ours = endpoint(via={"WSS": "x7.invalid"})
        ours.send_request(make_request(), WSS, now=0.0, branch="z9hG4bK1", via_params=Params((("keep", None),)))
        ours.send_request(make_request(), WSS, now=0.0, branch="z9hG4bK2")
        assert [str(message.via) for message in sent(ours)] == [
            "SIP/2.0/WSS x7.invalid;branch=z9hG4bK1;rport;keep",
            "SIP/2.0/WSS x7.invalid;branch=z9hG4bK2;rport",
        ]

    def test_our_via_goes_on_top_of_others(self, make_request) -> None:
        ours = endpoint()
        ours.send_request(make_request(headers=(("Via", "SIP/2.0/UDP other;branch=z9hG4bK9"),)), UDP, now=0.0)
        assert [via.host for via in sent(ours)[0].vias] == ["10.0.0.1", "other"]

    def test_retrying_the_same_request_begins_another_transaction(self, make_request) -> None:
        ours = endpoint()
        request = make_request()
        first, second = (ours.send_request(request, UDP, now=0.0) for _ in range(2))
        assert first.id != second.id
        assert all(len(message.vias) == 1 for message in sent(ours))

    @pytest.mark.parametrize("method", ["ACK", "CANCEL"])
    def test_ack_and_cancel_begin_no_transaction(self, make_request, method) -> None:
        with pytest.raises(LocalProtocolError, match="send_ack and cancel"):
            endpoint().send_request(make_request(method), UDP, now=0.0)

    def test_what_cannot_be_written_leaves_nothing_behind(self, make_request) -> None:
        ours = endpoint()
        with pytest.raises(LocalProtocolError):
            ours.send_request(make_request(headers=(("Subject", "a\r\nVia: b"),)), UDP, now=0.0)
        assert (ours.counters.transactions, ours.to_send(), ours.next_timeout()) == (0, [], None)

    def test_only_an_invite_can_be_cancelled(self, make_request) -> None:
        ours = endpoint()
        transaction = ours.send_request(make_request(), UDP, now=0.0)
        with pytest.raises(LocalProtocolError, match="OPTIONS"):
            ours.cancel(transaction, now=0.0)


class TestAnswering:
    @pytest.fixture
    def asked(self, net, make_request):
        def ask(method="OPTIONS", **options):
            a, b = net.host("a"), net.host("b", **options)
            a.endpoint.send_request(make_request(method), a.flow_to(b), now=0.0)
            net.run()
            return net, a, b, b.take(RequestReceived)[0].transaction

        return ask

    def test_a_to_tag_is_added_where_it_is_missing(self, asked) -> None:
        net, a, b, transaction = asked()
        b.endpoint.respond(transaction, Response.answer(transaction.request, 200), now=0.0)
        net.run()
        assert a.take(ResponseReceived)[0].response.to.tag == transaction.tag

    def test_a_tag_of_the_users_own_stays(self, asked) -> None:
        net, a, b, transaction = asked()
        b.endpoint.respond(transaction, Response.answer(transaction.request, 200, to_tag="mine"), now=0.0)
        net.run()
        assert a.take(ResponseReceived)[0].response.to.tag == "mine"

    def test_100_has_no_tag(self, asked) -> None:
        net, a, b, transaction = asked("INVITE")
        b.endpoint.reply(transaction, 100, now=0.0)
        net.run()
        assert a.take(ResponseReceived)[0].response.to.tag is None

    def test_a_proxy_leaves_responses_alone(self, asked) -> None:
        net, a, b, transaction = asked(role=Role.PROXY)
        b.endpoint.respond(transaction, Response.answer(transaction.request, 404), now=0.0)
        net.run()
        assert a.take(ResponseReceived)[0].response.to.tag is None

    def test_a_proxy_does_not_repeat_a_2xx(self, asked) -> None:
        net, _a, b, transaction = asked("INVITE", role=Role.PROXY)
        b.endpoint.reply(transaction, 200, now=0.0, headers=[("Contact", "<sip:b@10.0.0.2>")])
        net.run(40)
        assert net.lines() == ["a INVITE", "b 200 INVITE"]
        assert transaction.terminated

    def test_reply_takes_headers_and_a_body(self, asked) -> None:
        net, a, b, transaction = asked()
        assert b.endpoint.reply(transaction, 480, "Gone Fishing", now=0.0, headers=[("Retry-After", "5")], body=b"x")
        net.run()
        response = a.take(ResponseReceived)[0].response
        assert (response.status, response.reason, response.body) == (480, "Gone Fishing", b"x")
        assert response.headers.get("Retry-After") == "5"


class TestDialogs:
    def test_requests_in_a_dialog_carry_it_until_it_is_removed(self, net, make_request) -> None:
        a, b = net.host("a"), net.host("b")
        invite = a.endpoint.send_request(make_request("INVITE"), a.flow_to(b), now=0.0)
        net.run()
        transaction = b.take(RequestReceived)[0].transaction
        response = Response.answer(transaction.request, 180, to_tag="b1", headers=[("Contact", "<sip:b@10.0.0.2>")])
        theirs = Dialog.from_request(transaction.request, response)
        b.endpoint.add_dialog(theirs)
        b.endpoint.respond(transaction, response, now=0.0)
        net.run()
        ours = Dialog.from_response(invite.request, a.take(ResponseReceived)[0].response)
        for attempt in range(3):
            a.endpoint.send_request(ours.create_request("INFO"), a.flow_to(b), now=0.0)
            net.run()
            if attempt == 0:
                (event,) = b.take(RequestReceived)
                assert event.dialog is event.transaction.dialog is theirs
                b.endpoint.remove_dialog(theirs)
                b.endpoint.remove_dialog(theirs)
        assert net.lines()[-1] == "b 481 INFO"
        assert b.take(RequestReceived) == []

    def test_a_request_out_of_order_gets_500(self, net, make_request) -> None:
        a, b = net.host("a"), net.host("b")
        first = make_request("INVITE", cseq=5)
        a.endpoint.send_request(first, a.flow_to(b), now=0.0)
        net.run()
        transaction = b.take(RequestReceived)[0].transaction
        response = Response.answer(transaction.request, 200, to_tag="b1", headers=[("Contact", "<sip:b@10.0.0.2>")])
        b.endpoint.add_dialog(Dialog.from_request(transaction.request, response))
        late = make_request("INFO", call_id=first.call_id, cseq=4, to_tag="b1")
        a.endpoint.send_request(late, a.flow_to(b), now=0.0)
        net.run()
        assert net.lines()[-1] == "b 500 INFO"
        assert b.take(RequestReceived) == []

    def test_the_2xx_of_a_re_invite_belongs_to_its_dialog(self, net, make_request) -> None:
        a, b = net.host("a"), net.host("b")
        invite = make_request("INVITE")
        a.endpoint.send_request(invite, a.flow_to(b), now=0.0)
        net.run()
        transaction = b.take(RequestReceived)[0].transaction
        response = Response.answer(transaction.request, 200, to_tag="b1", headers=[("Contact", "<sip:b@10.0.0.2>")])
        dialog = Dialog.from_request(transaction.request, response)
        b.endpoint.add_dialog(dialog)
        again = make_request("INVITE", call_id=invite.call_id, cseq=2, to_tag="b1")
        a.endpoint.send_request(again, a.flow_to(b), now=0.0)
        net.run()
        b.endpoint.reply(b.take(RequestReceived)[0].transaction, 200, now=0.0)
        net.run(32)
        assert b.take(AckTimedOut)[0].dialog is dialog


def test_a_proxy_sends_an_ack_once(make_request) -> None:
    ours = endpoint(role=Role.PROXY)
    ours.send_ack(make_request("ACK", to_tag="b1"), UDP, now=0.0)
    (ack,) = sent(ours)
    assert ack.via.branch.startswith("z9hG4bK")
    assert ours.next_timeout() is None


def test_a_lost_flow_fails_its_transactions_first(net, make_request) -> None:
    a, b = net.host("a", transport="WSS"), net.host("b", transport="WSS")
    flow = a.flow_to(b)
    transaction = a.endpoint.send_request(make_request("INVITE"), flow, now=0.0)
    a.endpoint.flow_closed(flow, "peer closed", now=1.0)
    net.run()
    assert a.events == [TransportFailed(transaction, "peer closed"), FlowClosed(flow, "peer closed")]
    assert a.endpoint.next_timeout() is None


def test_the_deadline_is_that_of_the_next_timer(make_request) -> None:
    ours = endpoint()
    assert ours.next_timeout() is None
    ours.send_request(make_request(), UDP, now=10.0)
    assert ours.next_timeout() == 10.5
    ours.handle_timeout(now=10.4)
    assert len(ours.to_send()) == 1
    ours.handle_timeout(now=10.5)
    assert len(ours.to_send()) == 1
    assert ours.to_send() == []


def test_the_counters_are_a_snapshot(make_request) -> None:
    ours = endpoint()
    before = ours.counters
    ours.send_request(make_request(), UDP, now=0.0)
    assert (before.requests_sent, ours.counters.requests_sent, ours.counters.transactions) == (0, 1, 1)
    with pytest.raises(dataclasses.FrozenInstanceError):
        before.requests_sent = 5


def test_many_calls_leave_nothing_behind(net, make_request) -> None:
    a, b = net.host("a"), net.host("b")

    def answer(event) -> None:
        if isinstance(event, RequestReceived):
            response = Response.answer(
                event.request, 200, to_tag=event.transaction.tag, headers=[("Contact", "<sip:b@10.0.0.2>")]
            )
            b.endpoint.respond(event.transaction, response, now=net.now)

    def acknowledge(event) -> None:
        if isinstance(event, ResponseReceived):
            dialog = Dialog.from_response(event.transaction.request, event.response)
            a.endpoint.send_ack(dialog.ack(event.response), a.flow_to(b), now=net.now)

    b.on_event, a.on_event = answer, acknowledge
    for n in range(200):
        a.endpoint.send_request(make_request("INVITE"), a.flow_to(b), now=net.now)
        net.run(n * 0.1)
    net.run(net.now + 65)
    for host in (a, b):
        assert host.endpoint.counters.transactions == 0
        assert host.endpoint.next_timeout() is None
        assert not host.endpoint._accepted
        assert not host.endpoint._acknowledgements
