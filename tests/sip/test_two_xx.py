"""The 2xx of INVITE and its ACK (RFC 3261 §13.2.2.4, §13.3.1.4)."""

import pytest

from wic.sip.dialog import Dialog, DialogState
from wic.sip.events import AckReceived, AckTimedOut, RequestReceived, ResponseReceived
from wic.sip.message import Response


class Call:
    """Two user agents with an INVITE that the callee has accepted."""

    def __init__(self, net, make_request, transport="UDP", register=True) -> None:
        self.net = net
        self.a, self.b = net.host("a", transport=transport), net.host("b", transport=transport)
        self.invite = self.a.endpoint.send_request(make_request("INVITE"), self.a.flow_to(self.b), now=0.0)
        net.run()
        self.transaction = self.b.take(RequestReceived)[0].transaction
        self.response = Response.answer(
            self.transaction.request, 200, to_tag=self.transaction.tag, headers=[("Contact", "<sip:bob@10.0.0.2>")]
        )
        self.dialog = Dialog.from_request(self.transaction.request, self.response)
        if register:
            self.b.endpoint.add_dialog(self.dialog)

    def accept(self) -> None:
        self.b.endpoint.respond(self.transaction, self.response, now=self.net.now)

    def acknowledge(self) -> None:
        response = self.a.take(ResponseReceived)[-1].response
        dialog = Dialog.from_response(self.invite.request, response)
        self.a.endpoint.send_ack(dialog.ack(response), self.a.flow_to(self.b), now=self.net.now)


@pytest.fixture
def call(net, make_request) -> Call:
    return Call(net, make_request)


def answers(net) -> list[float]:
    return [when for when, name, message in net.sent if name == "b" and isinstance(message, Response)]


def test_an_accepted_call_is_confirmed_and_acknowledged(call) -> None:
    call.accept()
    call.net.run()
    call.acknowledge()
    call.net.run(100)
    assert call.net.lines() == ["a INVITE", "b 200 INVITE", "a ACK"]
    assert call.b.take(AckReceived)[0].transaction is call.transaction
    assert call.b.endpoint.next_timeout() is None
    assert call.a.endpoint.next_timeout() is None


@pytest.mark.parametrize("transport", ["UDP", "WSS"])
def test_a_2xx_is_repeated_until_64_t1_on_any_transport(net, make_request, transport) -> None:
    call = Call(net, make_request, transport)
    call.accept()
    net.run(100)
    assert answers(net) == [0, 0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5]
    assert call.b.take(AckTimedOut) == [AckTimedOut(call.transaction, call.dialog)]
    assert call.dialog.state is DialogState.CONFIRMED
    assert len(call.a.take(ResponseReceived)) == 1


def test_the_ack_ends_the_repetition_and_is_reported_once(call) -> None:
    call.accept()
    call.net.run(1)
    call.acknowledge()
    call.net.run(40)
    assert len(answers(call.net)) == 2
    (event,) = call.b.take(AckReceived)
    assert (event.transaction, event.dialog) == (call.transaction, call.dialog)
    assert call.b.take(AckTimedOut) == []


def test_a_lost_ack_is_sent_again_when_the_2xx_comes_again(call) -> None:
    lost = iter([False])
    call.net.filter = lambda data: next(lost, True) if data.startswith(b"ACK") else True
    call.accept()
    call.net.run()
    call.acknowledge()
    call.net.run(10)
    assert call.net.lines()[1:] == ["b 200 INVITE", "a ACK", "b 200 INVITE", "a ACK"]
    assert call.net.sent[2][2].to_bytes() == call.net.sent[4][2].to_bytes()
    assert len(call.b.take(AckReceived)) == 1
    assert call.a.endpoint.counters.absorbed == 1


def test_a_2xx_before_the_ack_is_reported_once(call) -> None:
    call.accept()
    call.net.run(5)
    assert len(answers(call.net)) == 4
    assert [event.response.status for event in call.a.take(ResponseReceived)] == [200]


def test_a_repeated_ack_is_absorbed(call) -> None:
    call.accept()
    call.net.run()
    call.acknowledge()
    call.net.run()
    ack = call.net.sent[-1][2]
    call.b.endpoint.receive(ack.to_bytes(), call.b.flow_to(call.a), now=call.net.now)
    assert len(call.b.take(AckReceived)) == 1
    assert call.b.endpoint.counters.absorbed == 1


def test_an_ack_without_a_known_dialog_is_reported_too(net, make_request) -> None:
    call = Call(net, make_request, register=False)
    call.accept()
    net.run()
    call.acknowledge()
    net.run()
    assert call.b.take(AckReceived)[0].dialog is None


def test_an_ack_that_is_not_awaited_is_dropped(call) -> None:
    call.accept()
    call.net.run()
    call.acknowledge()
    ack = call.a.endpoint.to_send()[0].data.replace(b"1 ACK", b"2 ACK")
    call.b.endpoint.receive(ack, call.b.flow_to(call.a), now=0.0)
    assert call.b.endpoint.counters.dropped == 1


def test_the_same_2xx_given_twice_starts_one_repetition(call) -> None:
    call.accept()
    call.accept()
    call.net.run(0.4)
    assert len(answers(call.net)) == 2
    call.net.run(0.6)
    assert len(answers(call.net)) == 3


def test_an_ack_sent_before_any_2xx_is_remembered(net, make_request) -> None:
    call = Call(net, make_request)
    dialog = Dialog.from_response(call.invite.request, call.response)
    call.a.endpoint.send_ack(dialog.ack(call.response), call.a.flow_to(call.b), now=0.0)
    net.run()
    call.accept()
    net.run()
    assert net.lines()[-1] == "a ACK"
    assert call.a.take(ResponseReceived) == []


def test_each_fork_gets_its_own_ack(net, make_request) -> None:
    call = Call(net, make_request)
    call.accept()
    net.run()
    other = call.response.copy()
    other.headers.set("To", "<sip:bob@example.com>;tag=other")
    call.a.endpoint.receive(other.to_bytes(), call.a.flow_to(call.b), now=0.0)
    net.run()
    tags = [event.response.to.tag for event in call.a.take(ResponseReceived)]
    assert tags == [call.transaction.tag, "other"]


def test_a_callee_that_invents_forks_gets_no_further_than_some(net, make_request) -> None:
    """Each 2xx is kept for 64*T1, so that their number is bounded; those that are known still get their ACK again."""
    call = Call(net, make_request)
    flow = call.a.flow_to(call.b)

    def success(tag: str) -> bytes:
        response = call.response.copy()
        response.headers.set("To", f"<sip:bob@example.com>;tag={tag}")
        return response.to_bytes()

    for number in range(200):
        call.a.endpoint.receive(success(f"t{number}"), flow, now=0.0)
    net.run()
    responses = [event.response for event in call.a.take(ResponseReceived)]
    assert [each.to.tag for each in responses] == [f"t{number}" for number in range(64)]
    call.a.endpoint.send_ack(Dialog.from_response(call.invite.request, responses[0]).ack(responses[0]), flow, now=0.0)
    net.run()
    before = len(net.lines())
    call.a.endpoint.receive(success("t0"), flow, now=0.0)
    net.run()
    assert net.lines(before) == ["a ACK"]


def test_a_2xx_of_no_call_is_not_kept(net, make_request) -> None:
    call = Call(net, make_request)
    stray = call.response.to_bytes().replace(b"branch=z9hG4bK", b"branch=z9hG4bKx")
    for _ in range(2):
        call.a.endpoint.receive(stray, call.a.flow_to(call.b), now=0.0)
    net.run()
    assert call.a.endpoint.counters.dropped == 2
