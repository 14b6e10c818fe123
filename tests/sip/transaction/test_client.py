from dataclasses import replace

import pytest

from wic.errors import LocalProtocolError
from wic.sip.events import ResponseReceived, TransactionTimedOut
from wic.sip.flow import Flow
from wic.sip.message import Request, Response
from wic.sip.parser import parse
from wic.sip.timers import TS24229_UE
from wic.sip.transaction.tables import TransactionState


def sends(net, name, method):
    """Return when a host sent requests of one method."""
    return [
        when
        for when, who, message in net.sent
        if who == name and isinstance(message, Request) and message.method == method
    ]


@pytest.fixture
def pair(net):
    return net, net.host("a"), net.host("b")


def test_an_unanswered_invite_is_repeated_by_timer_a_until_timer_b(pair, make_request) -> None:
    net, a, b = pair
    net.filter = lambda data: False
    transaction = a.endpoint.send_request(make_request("INVITE"), a.flow_to(b), now=0.0, owner="call")
    net.run(100)
    assert sends(net, "a", "INVITE") == [0, 0.5, 1.5, 3.5, 7.5, 15.5, 31.5]  # RFC 3261 §17.1.1.2
    assert a.events == [TransactionTimedOut(transaction)]
    assert transaction.terminated
    assert a.endpoint.counters.retransmitted == 6


def test_another_request_is_repeated_by_timer_e_until_timer_f(pair, make_request) -> None:
    net, a, b = pair
    net.filter = lambda data: False
    a.endpoint.send_request(make_request("OPTIONS"), a.flow_to(b), now=0.0)
    net.run(100)
    # RFC 3261 §17.1.2.2: 500 ms, 1 s, 2 s, then every 4 s, eleven requests in 32 s
    assert sends(net, "a", "OPTIONS") == [0, 0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5]


def test_the_timers_of_a_ue_are_four_times_as_long(net, make_request) -> None:
    net.filter = lambda data: False
    a, b = net.host("a", timers=TS24229_UE), net.host("b")
    a.endpoint.send_request(make_request("OPTIONS"), a.flow_to(b), now=0.0)
    net.run(200)
    assert sends(net, "a", "OPTIONS") == [0, 2, 6, 14, 30, 46, 62, 78, 94, 110, 126]


def test_a_provisional_response_slows_a_request_to_t2(pair, make_request) -> None:
    net, a, b = pair
    b.on_event = lambda event: b.endpoint.reply(event.transaction, 100, now=net.now)
    a.endpoint.send_request(make_request("OPTIONS"), a.flow_to(b), now=0.0)
    net.run(20)
    assert sends(net, "a", "OPTIONS") == [0, 0.5, 4.5, 8.5, 12.5, 16.5]


@pytest.mark.parametrize("transport", ["TCP", "TLS", "WS", "WSS"])
def test_a_reliable_transport_repeats_nothing_but_times_out(net, make_request, transport) -> None:
    net.filter = lambda data: False
    a, b = net.host("a", transport=transport), net.host("b", transport=transport)
    for method in ("INVITE", "OPTIONS"):
        a.endpoint.send_request(make_request(method), a.flow_to(b), now=0.0)
    net.run(31.9)
    assert a.events == []
    net.run(32)
    assert len(a.take(TransactionTimedOut)) == 2
    assert net.lines() == ["a INVITE", "a OPTIONS"]


class TestAckOfAFailure:
    def test_it_follows_the_invite_hop_by_hop(self, pair, make_request) -> None:
        net, a, b = pair
        b.on_event = lambda event: b.endpoint.reply(event.transaction, 486, now=net.now)
        routes = (("Route", "<sip:p1.example.com;lr>, <sip:p2.example.com;lr>"),)
        invite = a.endpoint.send_request(make_request("INVITE", cseq=9, headers=routes), a.flow_to(b), now=0.0)
        net.run()
        (ack,) = [message for _, _, message in net.sent if isinstance(message, Request) and message.method == "ACK"]
        # RFC 3261 §17.1.1.3
        assert ack.uri_text == invite.request.uri_text
        assert [str(via) for via in ack.vias] == [str(invite.request.via)]
        assert str(ack.cseq) == "9 ACK"
        assert ack.to.tag == a.take(ResponseReceived)[0].response.to.tag is not None
        assert [str(route) for route in ack.routes] == ["<sip:p1.example.com;lr>", "<sip:p2.example.com;lr>"]
        assert (ack.from_, ack.call_id) == (invite.request.from_, invite.request.call_id)

    def test_it_is_sent_again_for_each_repetition(self, pair, make_request) -> None:
        net, a, b = pair
        b.on_event = lambda event: b.endpoint.reply(event.transaction, 486, now=net.now)
        net.filter = lambda data: not data.startswith(b"ACK")
        a.endpoint.send_request(make_request("INVITE"), a.flow_to(b), now=0.0)
        net.run(3)
        assert net.lines().count("b 486 INVITE") == 3
        assert net.lines().count("a ACK") == 3
        assert len(a.take(ResponseReceived)) == 1
        assert a.endpoint.counters.absorbed == 2


class TestCancel:
    def test_it_waits_for_a_provisional_response(self, pair, make_request) -> None:
        net, a, b = pair
        invite = a.endpoint.send_request(make_request("INVITE"), a.flow_to(b), now=0.0)
        a.endpoint.cancel(invite, now=0.0, reason="SIP;cause=200")
        a.endpoint.cancel(invite, now=0.0)
        net.run(0.1)
        assert net.lines() == ["a INVITE"]
        net.run(0.3)  # 100 after 200 ms
        assert net.lines()[1:] == ["b 100 INVITE", "a CANCEL", "b 200 CANCEL"]
        cancel = net.sent[2][2]
        assert cancel.headers.get("Reason") == "SIP;cause=200"
        assert cancel.via == invite.request.via
        assert (cancel.cseq.number, cancel.to.tag) == (invite.request.cseq.number, None)
        assert invite.cancelled

    def test_it_goes_at_once_after_a_provisional_response(self, pair, make_request) -> None:
        net, a, b = pair
        invite = a.endpoint.send_request(make_request("INVITE"), a.flow_to(b), now=0.0)
        net.run(1)
        a.endpoint.cancel(invite, now=net.now)
        net.run()
        assert net.lines()[-2:] == ["a CANCEL", "b 200 CANCEL"]
        assert [event.response.status for event in a.take(ResponseReceived)] == [100]

    def test_an_unheeded_one_ends_the_invite_after_64_t1(self, pair, make_request) -> None:
        net, a, b = pair
        invite = a.endpoint.send_request(make_request("INVITE"), a.flow_to(b), now=0.0)
        net.run(1)
        a.endpoint.cancel(invite, now=net.now)
        net.run(32.9)
        assert a.take(TransactionTimedOut) == []
        net.run(33)
        assert a.take(TransactionTimedOut) == [TransactionTimedOut(invite)]

    def test_a_reason_that_cannot_be_written_cancels_nothing(self, pair, make_request) -> None:
        _, a, b = pair
        invite = a.endpoint.send_request(make_request("INVITE"), a.flow_to(b), now=0.0)
        with pytest.raises(LocalProtocolError):
            a.endpoint.cancel(invite, now=0.0, reason="SIP\r\nVia: x")
        assert not invite.cancelled

    def test_it_comes_too_late_after_the_final_response(self, pair, make_request) -> None:
        net, a, b = pair
        b.on_event = lambda event: b.endpoint.reply(event.transaction, 486, now=net.now)
        invite = a.endpoint.send_request(make_request("INVITE"), a.flow_to(b), now=0.0)
        net.run()
        a.endpoint.cancel(invite, now=0.0)
        net.run()
        assert "a CANCEL" not in net.lines()
        assert not invite.cancelled
        assert [event.response.status for event in a.take(ResponseReceived)] == [486]


class TestAnInviteThatWentOverTcp:
    """The shell has sent it over TCP instead of UDP, since it is long (RFC 3261 §18.1.1)."""

    @pytest.fixture
    def answer(self, pair):
        """Feed a response to an INVITE by a TCP connection, and return what is sent then."""

        def feed(invite, status, remote=None):
            _, a, b = pair
            flow = Flow("TCP", (a.address[0], 40000), remote or b.address, "1")
            a.endpoint.receive(Response.answer(invite.request, status, to_tag="b").to_bytes(), flow, now=0.0)
            return a.endpoint.to_send()

        return feed

    @pytest.mark.parametrize("early", [False, True])
    def test_the_cancel_goes_over_tcp(self, pair, make_request, answer, early) -> None:
        _, a, b = pair
        invite = a.endpoint.send_request(make_request("INVITE"), a.flow_to(b), now=0.0)
        a.endpoint.to_send()
        if early:  # it waits for a provisional response
            a.endpoint.cancel(invite, now=0.0)
            (cancel,) = answer(invite, 180)
        else:
            answer(invite, 180)
            a.endpoint.cancel(invite, now=0.0)
            (cancel,) = a.endpoint.to_send()
        assert cancel.flow == Flow("TCP", (a.address[0], 0), b.address)
        sent = parse(cancel.data)
        assert sent.via == replace(invite.request.via, transport="TCP")

    def test_the_ack_goes_over_tcp(self, pair, make_request, answer) -> None:
        _, a, b = pair
        invite = a.endpoint.send_request(make_request("INVITE"), a.flow_to(b), now=0.0)
        a.endpoint.to_send()
        (ack,) = answer(invite, 486)
        assert ack.flow == Flow("TCP", (a.address[0], 0), b.address)
        assert parse(ack.data).via.transport == "TCP"

    def test_a_response_from_elsewhere_changes_nothing(self, pair, make_request, answer) -> None:
        _, a, b = pair
        invite = a.endpoint.send_request(make_request("INVITE"), a.flow_to(b), now=0.0)
        a.endpoint.to_send()
        (ack,) = answer(invite, 486, remote=("192.0.2.99", 5060))
        assert ack.flow == a.flow_to(b)
        assert parse(ack.data).via == invite.request.via


def test_a_response_that_tells_nothing_new_is_not_remembered(pair, make_request) -> None:
    net, a, b = pair
    statuses = [486]
    b.on_event = lambda event: b.endpoint.reply(event.transaction, statuses.pop(), now=net.now) if statuses else None
    invite = a.endpoint.send_request(make_request("INVITE"), a.flow_to(b), now=0.0)
    net.run()
    late = invite.response.copy()
    late.status = 180
    a.endpoint.receive(late.to_bytes(), a.flow_to(b), now=0.0)
    assert invite.response.status == 486
    assert invite.state is TransactionState.COMPLETED


def test_its_states_can_be_followed_in_the_log(pair, make_request, caplog) -> None:
    net, a, b = pair
    net.filter = lambda data: False
    with caplog.at_level("DEBUG", logger="wic.sip.transaction.base"):
        a.endpoint.send_request(make_request("OPTIONS"), a.flow_to(b), now=0.0)
        net.run(100)
    assert [record.getMessage().partition(": ")[2] for record in caplog.records] == ["Trying -> Terminated"]
