import pytest

from wic.sip.events import AckReceived, CancelReceived, RequestReceived, TransportFailed
from wic.sip.flow import Flow
from wic.sip.message import Request, Response
from wic.sip.parser import parse
from wic.sip.timers import RFC3261
from wic.sip.transaction.layer import TransactionLayer, server_key
from wic.sip.transaction.tables import TransactionInput

FLOW = Flow("UDP", ("10.0.0.1", 5060), ("10.0.0.2", 5060))
OTHER = Flow("UDP", ("10.0.0.1", 5060), ("10.0.0.3", 5060))
WEB = Flow("WSS", ("10.0.0.1", 443), ("10.0.0.2", 40000), "1")
OTHER_WEB = Flow("WSS", ("10.0.0.1", 443), ("10.0.0.2", 40001), "2")


@pytest.fixture
def layer() -> TransactionLayer:
    return TransactionLayer(timers=RFC3261)


def request(
    method="INVITE", *, via="10.0.0.2;branch=z9hG4bK1", uri="sip:b@h", to="<sip:b@h>", tag="1", cseq=1
) -> Request:
    return Request.build(
        method,
        uri,
        [
            ("Via", f"SIP/2.0/UDP {via}"),
            ("From", f"<sip:a@h>;tag={tag}"),
            ("To", to),
            ("Call-ID", "c"),
            ("CSeq", f"{cseq} {method}"),
        ],
    )


def send(layer: TransactionLayer, message: Request, flow: Flow = FLOW, **more):
    via = message.via
    return layer.start_client(message, flow, branch=via.branch, sent_by=via.sent_by, **more)


def serve(layer: TransactionLayer, message: Request, flow: Flow = FLOW):
    return layer.start_server(message, flow, reply_flow=flow, tag="us", now=0.0)


def heard(layer: TransactionLayer):
    """Take the events so far, as a user does who deals with each at once."""
    return list(iter(layer.next_event, None))


class TestResponses:
    def test_they_match_by_branch_and_method(self, layer) -> None:
        invite = send(layer, request(), FLOW, now=0.0)
        options = send(layer, request("OPTIONS"), FLOW, now=0.0)
        assert layer.find_client(Response.answer(invite.request, 200), FLOW) is invite
        assert layer.find_client(Response.answer(options.request, 200), FLOW) is options
        assert layer.find_client(Response.answer(request("BYE"), 200), FLOW) is None

    @pytest.mark.parametrize("via", ["10.0.0.9;branch=z9hG4bK1", "10.0.0.2:5070;branch=z9hG4bK1", "10.0.0.2"])
    def test_another_via_is_not_ours(self, layer, via) -> None:
        send(layer, request(), FLOW, now=0.0)
        assert layer.find_client(Response.answer(request(via=via), 200), FLOW) is None

    @pytest.mark.parametrize(("sent", "came"), [(WEB, OTHER_WEB), (WEB, FLOW), (FLOW, WEB)])
    def test_no_peer_answers_for_another_web_socket(self, layer, sent, came) -> None:
        invite = send(layer, request(), sent, now=0.0)
        assert layer.find_client(Response.answer(invite.request, 200), came) is None
        assert layer.find_client(Response.answer(invite.request, 200), sent) is invite

    def test_a_datagram_may_come_from_another_address(self, layer) -> None:
        invite = send(layer, request(), FLOW, now=0.0)
        assert layer.find_client(Response.answer(invite.request, 200), OTHER) is invite


class TestRequests:
    @pytest.mark.parametrize("via", ["a.invalid;branch=z9hG4bK1", "a.invalid"])
    def test_those_of_two_web_sockets_are_never_the_same(self, layer, via) -> None:
        one, other = serve(layer, request(via=via), WEB), serve(layer, request(via=via), OTHER_WEB)
        assert layer.find_server(request(via=via), WEB) is one
        assert layer.find_server(request("CANCEL", via=via), OTHER_WEB, method="INVITE") is other
        assert layer.find_server(request(via=via), FLOW) is None
        for transaction in (one, other):
            transaction.abandon()
        assert len(layer) == 0

    def test_they_match_by_branch_sent_by_and_method(self, layer) -> None:
        invite = serve(layer, request(via="Host.Example;branch=z9hG4bK1"))
        assert layer.find_server(request(via="host.example;branch=z9hG4bK1"), FLOW) is invite
        assert (
            layer.find_server(request("ACK", via="host.example;branch=z9hG4bK1", to="<sip:b@h>;tag=x"), FLOW) is invite
        )
        assert layer.find_server(request("CANCEL", via="host.example;branch=z9hG4bK1"), FLOW) is None
        assert layer.find_server(request("CANCEL", via="host.example;branch=z9hG4bK1"), FLOW, method="INVITE") is invite
        assert layer.find_server(request(via="host.example:5060;branch=z9hG4bK1"), FLOW) is None
        assert layer.find_server(request(via="host.example;branch=z9hG4bK2"), FLOW) is None

    @pytest.mark.parametrize("via", ["10.0.0.2", "10.0.0.2;branch=1"])
    def test_without_the_cookie_they_match_by_rfc_2543(self, layer, via) -> None:
        # RFC 3261 §17.2.3
        invite = serve(layer, request(via=via))
        invite.respond(Response.answer(invite.request, 486, to_tag="us"), now=0.0)
        assert layer.find_server(request(via=via), FLOW) is invite
        assert layer.find_server(request(via=via, uri="sip:c@h"), FLOW) is None
        assert layer.find_server(request(via=via, tag="2"), FLOW) is None
        assert layer.find_server(request(via=via, cseq=2), FLOW) is None
        assert layer.find_server(request(via="10.0.0.3"), FLOW) is None
        assert layer.find_server(request("ACK", via=via, to="<sip:b@h>;tag=us"), FLOW) is invite
        assert layer.find_server(request("ACK", via=via, to="<sip:b@h>;tag=other"), FLOW) is None
        assert layer.find_server(request("CANCEL", via=via), FLOW, method="INVITE") is invite

    def test_without_the_cookie_the_to_tag_tells_other_requests_apart(self, layer) -> None:
        bye = serve(layer, request("BYE", via="10.0.0.2", to="<sip:b@h>;tag=1"))
        assert layer.find_server(request("BYE", via="10.0.0.2", to="<sip:b@h>;tag=1"), FLOW) is bye
        assert layer.find_server(request("BYE", via="10.0.0.2", to="<sip:b@h>;tag=2"), FLOW) is None


class TestMergedRequests:
    def test_the_same_request_by_another_way_is_merged(self, layer) -> None:
        first = serve(layer, request())
        second = request(via="10.0.0.3;branch=z9hG4bK2")
        assert layer.is_merged(second)
        assert not layer.is_merged(request(cseq=2))
        assert not layer.is_merged(request(to="<sip:b@h>;tag=x"))
        first.abandon()
        assert not layer.is_merged(second)

    def test_the_end_of_a_later_one_does_not_hide_the_first(self, layer) -> None:
        serve(layer, request())
        second = request(via="10.0.0.3;branch=z9hG4bK2")
        serve(layer, second).abandon()
        assert layer.is_merged(second)


class TestFlows:
    def test_a_lost_flow_fails_what_is_on_it_and_nothing_else(self, layer) -> None:
        lost = [send(layer, request(), FLOW, now=0.0), serve(layer, request("BYE"))]
        kept = send(layer, request(via="h;branch=z9hG4bK2"), OTHER, now=0.0)
        heard(layer)
        layer.flow_closed(FLOW, "reset by peer", now=1.0)
        assert heard(layer) == [TransportFailed(transaction, "reset by peer") for transaction in lost]
        assert not kept.terminated
        assert len(layer) == 1
        layer.flow_closed(FLOW, "again", now=1.0)

    def test_an_answered_transaction_fails_in_silence(self, layer) -> None:
        transaction = serve(layer, request("BYE"))
        transaction.respond(Response.answer(transaction.request, 200), now=0.0)
        heard(layer)
        layer.flow_closed(FLOW, "reset by peer", now=1.0)
        assert transaction.terminated
        assert not heard(layer)


def test_many_transactions_leave_nothing_behind(layer) -> None:
    now = 0.0
    for n in range(2_000):
        now += 0.01
        client = send(layer, request("OPTIONS", via=f"h;branch=z9hG4bK{n}"), FLOW, now=now)
        client.receive(Response.answer(client.request, 200), FLOW, now=now)
        server = serve(layer, request("OPTIONS", via=f"g;branch=z9hG4bK{n}", cseq=n))
        server.respond(Response.answer(server.request, 200), now=now)
        heard(layer)
        layer.to_send()
    layer.queue.handle_timeout(now + 64)
    assert (len(layer), len(layer.queue)) == (0, 0)
    assert (layer._merged, layer._by_flow) == ({}, {})


def test_an_ack_has_the_key_of_its_invite() -> None:
    assert server_key(request("ACK"), FLOW) == server_key(request(), FLOW)


class TestCancelPairing:
    """RFC 3261 §9.2, between two endpoints."""

    @pytest.fixture
    def ringing(self, net, make_request):
        a, b = net.host("a"), net.host("b")
        invite = a.endpoint.send_request(make_request("INVITE"), a.flow_to(b), now=0.0)
        net.run()
        transaction = b.take(RequestReceived)[0].transaction
        b.endpoint.reply(transaction, 180, now=0.0)
        net.run()
        return net, a, b, invite, transaction

    def test_a_cancel_is_answered_and_reported_once(self, ringing) -> None:
        net, a, b, invite, transaction = ringing
        net.filter = lambda data: not data.startswith(b"SIP/2.0 200")
        a.endpoint.cancel(invite, now=0.0, reason="SIP;cause=600")
        net.run(0.7)
        assert net.lines()[2:] == ["a CANCEL", "b 200 CANCEL", "a CANCEL", "b 200 CANCEL"]
        (cancel,) = b.take(CancelReceived)
        assert cancel.transaction is transaction
        assert cancel.request.headers.get("Reason") == "SIP;cause=600"
        # RFC 3261 §9.2: the To tags of both answers should be the same
        assert net.sent[3][2].to.tag == transaction.to_tag

    def test_the_user_answers_487(self, ringing) -> None:
        net, a, b, invite, _transaction = ringing
        a.endpoint.cancel(invite, now=0.0)
        net.run()
        b.endpoint.reply(b.take(CancelReceived)[0].transaction, 487, now=0.0)
        net.run(40)
        assert net.lines()[-2:] == ["b 487 INVITE", "a ACK"]
        assert (a.endpoint.counters.transactions, b.endpoint.counters.transactions) == (0, 0)
        assert b.take(AckReceived) == []

    def test_a_cancel_after_the_final_response_is_answered_and_has_no_effect(self, ringing) -> None:
        net, a, b, invite, transaction = ringing
        a.endpoint.cancel(invite, now=0.0)
        b.endpoint.reply(transaction, 486, now=0.0)
        net.run()
        assert "b 200 CANCEL" in net.lines()
        assert b.take(CancelReceived) == []

    def test_a_cancel_without_its_invite_gets_481(self, net) -> None:
        b = net.host("b")
        b.endpoint.receive(request("CANCEL").to_bytes(), FLOW, now=0.0)
        assert b.endpoint.to_send()[0].data.startswith(b"SIP/2.0 481")
        assert b.endpoint.counters.transactions == 0


class TestRest:
    """What waits for repetitions, most of the time for nothing, keeps little."""

    def test_the_owner_goes_after_the_last_event(self, layer) -> None:
        client = send(layer, request("BYE"), FLOW, now=0.0, owner="call")
        client.receive(Response.answer(client.request, 180), FLOW, now=1.0)
        client.receive(Response.answer(client.request, 200), FLOW, now=1.0)
        owners = []
        while (event := layer.next_event()) is not None:
            owners.append(event.transaction.owner)
        assert owners == ["call", "call"]
        assert client.owner is None

    def test_who_may_hear_more_keeps_the_owner(self, layer) -> None:
        client = send(layer, request(), FLOW, now=0.0, owner="caller")
        client.receive(Response.answer(client.request, 200), FLOW, now=1.0)
        server = serve(layer, request(via="10.0.0.3;branch=z9hG4bK1"))
        server.owner = "callee"
        server.respond(Response.answer(server.request, 486), now=1.0)
        heard(layer)
        assert (client.owner, server.owner) == ("caller", "callee")
        server.acknowledge(now=2.0)
        heard(layer)
        assert server.owner is None

    def test_messages_are_packed_and_read_again(self, layer) -> None:
        server = serve(layer, parse(request("OPTIONS").to_bytes()))
        server.respond(Response.answer(server.request, 200, to_tag="us"), now=1.0)
        sent = layer.to_send()[-1].data
        assert server.request.raw is not None
        heard(layer)
        assert server.request.raw is None
        assert server.request.cseq.method == "OPTIONS"
        assert server.response.to_bytes() == sent
        server.take(TransactionInput.REQUEST, 2.0)
        assert layer.to_send()[-1].data == sent
