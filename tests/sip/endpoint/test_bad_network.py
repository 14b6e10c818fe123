"""Two endpoints over a network that loses, repeats and reorders: what must hold in every run."""

from collections import Counter
from random import Random
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from wic.sip.dialog import Dialog
from wic.sip.endpoint import Endpoint, EndpointOptions
from wic.sip.events import (
    AckReceived,
    AckTimedOut,
    CancelReceived,
    MessageDropped,
    RequestReceived,
    ResponseReceived,
    TransactionTimedOut,
)
from wic.sip.flow import Flow
from wic.sip.message import Request, Response
from wic.sip.parser import parse
from wic.sip.random_source import CountingSource

if TYPE_CHECKING:
    from wic.sip.transaction.client import ClientTransaction


@pytest.mark.parametrize("seed", range(8))
def test_calls_survive_a_bad_network(make_net, make_request, seed) -> None:
    net = make_net(seed=seed, loss=0.3, duplication=0.2, delay=(0.0, 0.4))
    a, b = net.host("a"), net.host("b")
    asked, acknowledged, answered, timed_out = Counter(), Counter(), Counter(), Counter()

    def callee(event) -> None:
        if isinstance(event, RequestReceived):
            asked[event.request.call_id, event.request.method] += 1
            headers = [("Contact", "<sip:b@10.0.0.2>")]
            status = 200 if event.request.method != "INVITE" or int(event.request.call_id[4:]) % 2 else 486
            response = Response.answer(event.request, status, to_tag=event.transaction.tag, headers=headers)
            b.endpoint.respond(event.transaction, response, now=net.now)
        elif isinstance(event, AckReceived):
            acknowledged[event.request.call_id] += 1

    def caller(event) -> None:
        if isinstance(event, ResponseReceived) and event.response.status >= 200:
            transaction = event.transaction
            answered[transaction.request.call_id, transaction.request.method] += 1
            if transaction.is_invite and event.response.status == 200:
                dialog = Dialog.from_response(transaction.request, event.response)
                a.endpoint.send_ack(dialog.ack(event.response), a.flow_to(b), now=net.now)
        elif isinstance(event, TransactionTimedOut):
            timed_out[event.transaction.request.call_id, event.transaction.request.method] += 1

    a.on_event, b.on_event = caller, callee
    calls = 40
    for n in range(calls):
        a.endpoint.send_request(make_request("INVITE" if n % 4 < 2 else "OPTIONS"), a.flow_to(b), now=net.now)
        net.run(net.now + 0.3)
    net.run(net.now + 200)

    assert set(asked.values()) == {1}  # no repetition reaches the user
    assert len(answered) + len(timed_out) == calls
    assert not answered.keys() & timed_out.keys()
    assert set(answered.values()) == {1}
    # with three messages in ten lost, eleven attempts get through
    assert len(timed_out) <= 1
    assert set(acknowledged.values()) == {1}
    for host in (a, b):
        assert host.endpoint.counters.transactions == 0
        assert host.endpoint.next_timeout() is None


UDP = Flow("UDP", ("10.0.0.1", 5060), ("10.0.0.2", 5060))
BACK = Flow("UDP", UDP.remote, UDP.local)
LATE = AckReceived | AckTimedOut | CancelReceived | MessageDropped


class TransactionLayer(RuleBasedStateMachine):
    """Hypothesis plays users, wire and clock."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.client = Endpoint(random_source=CountingSource("c"), options=EndpointOptions())
        self.server = Endpoint(random_source=CountingSource("s"), options=EndpointOptions())
        self.wire: list[tuple[Endpoint, bytes, Flow]] = []
        self.open: list = []
        self.invites: list[ClientTransaction] = []
        self.cancelled: list[ClientTransaction] = []
        self.sent = self.received = 0
        self.outcomes: Counter[tuple[str, str | None]] = Counter()

    def collect(self) -> None:
        for endpoint, other, flow in ((self.client, self.server, BACK), (self.server, self.client, UDP)):
            self.wire += [(other, transmit.data, flow) for transmit in endpoint.to_send()]
            while (event := endpoint.next_event()) is not None:
                self.note(event)

    def note(self, event: object) -> None:
        if isinstance(event, RequestReceived):
            self.open.append(event.transaction)
        elif isinstance(event, ResponseReceived):
            if event.response.status >= 200:
                # An INVITE that comes after its transaction has ended begins another, as if it had forked.
                self.outcomes[event.transaction.request.call_id, event.response.to.tag] += 1
                if event.transaction.is_invite and event.response.status < 300:
                    dialog = Dialog.from_response(event.transaction.request, event.response)
                    self.client.send_ack(dialog.ack(event.response), UDP, now=self.now)
        elif isinstance(event, TransactionTimedOut):
            self.outcomes[event.transaction.request.call_id, None] += 1
        else:
            assert isinstance(event, LATE), event

    @initialize()
    def begin(self) -> None:
        self.ask("INVITE")

    @rule(method=st.sampled_from(["INVITE", "OPTIONS"]))
    def ask(self, method: str) -> None:
        self.sent += 1
        lines = [
            ("From", "<sip:a@h>;tag=1"),
            ("To", "<sip:b@h>"),
            ("Call-ID", f"c{self.sent}"),
            ("CSeq", f"1 {method}"),
            ("Contact", "<sip:a@10.0.0.1>"),
        ]
        transaction = self.client.send_request(Request.build(method, "sip:b@h", lines), UDP, now=self.now)
        if method == "INVITE":
            self.invites.append(transaction)
        self.collect()

    @precondition(lambda self: self.open)
    @rule(data=st.data(), status=st.sampled_from([100, 180, 200, 302, 486, 603]))
    def answer(self, data: st.DataObject, status: int) -> None:
        transaction = data.draw(st.sampled_from(self.open))
        self.server.reply(transaction, status, now=self.now, headers=[("Contact", "<sip:b@10.0.0.2>")])
        if transaction.answered or transaction.terminated:
            self.open.remove(transaction)
        self.collect()

    @precondition(lambda self: self.invites)
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        self.client.cancel(data.draw(st.sampled_from(self.invites)), now=self.now)
        self.collect()

    @precondition(lambda self: self.wire)
    @rule(data=st.data(), copy=st.booleans())
    def deliver(self, data: st.DataObject, copy: bool) -> None:
        index = data.draw(st.integers(0, len(self.wire) - 1))
        endpoint, message, flow = self.wire[index]
        if not copy:
            del self.wire[index]
        endpoint.receive(message, flow, now=self.now)
        self.collect()

    @precondition(lambda self: self.wire)
    @rule(data=st.data())
    def lose(self, data: st.DataObject) -> None:
        del self.wire[data.draw(st.integers(0, len(self.wire) - 1))]

    @rule(seconds=st.sampled_from([0.1, 0.5, 4.0, 33.0]))
    def wait(self, seconds: float) -> None:
        self.now += seconds
        for endpoint in (self.client, self.server):
            endpoint.handle_timeout(now=self.now)
        self.collect()

    @invariant()
    def no_request_has_two_outcomes(self) -> None:
        assert all(count == 1 for count in self.outcomes.values())

    @invariant()
    def deadlines_lie_ahead(self) -> None:
        for endpoint in (self.client, self.server):
            deadline = endpoint.next_timeout()
            assert deadline is None or deadline > self.now

    def teardown(self) -> None:
        """Nothing is left when all requests have been answered and time has passed."""
        self.wire.clear()
        for transaction in self.open:
            self.server.reply(transaction, 500, now=self.now)
        for _ in range(4):
            self.now += 33
            for endpoint in (self.client, self.server):
                endpoint.handle_timeout(now=self.now)
            self.collect()
            self.wire.clear()
        # An INVITE that rang for ever is its user's to cancel; everything else is over.
        for transaction in self.invites:
            transaction.abandon()
        assert self.client.counters.transactions == self.server.counters.transactions == 0
        for endpoint in (self.client, self.server):
            endpoint.handle_timeout(now=self.now + 66)
            assert endpoint.next_timeout() is None


TestTransactionLayer = TransactionLayer.TestCase
TestTransactionLayer.settings = settings(
    max_examples=60, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
)


@given(st.binary(max_size=300), st.sampled_from([UDP, Flow("TCP", UDP.local, UDP.remote, "1")]))
def test_no_bytes_make_it_raise(data, flow) -> None:
    endpoint = Endpoint(random_source=CountingSource())
    endpoint.receive(data, flow, now=0.0)
    answers = [each.data for each in endpoint.to_send() if each.data != b"\r\n"]  # RFC 5626 §4.4.1: a pong
    assert all(parse(answer).to_bytes() == answer for answer in answers)


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 6))
def test_no_mutilated_message_makes_it_raise(seed, cuts) -> None:
    dice = Random(seed)
    lines = [
        b"INVITE sip:b@h SIP/2.0",
        b"Via: SIP/2.0/UDP 10.0.0.1;branch=z9hG4bK1;rport",
        b"Max-Forwards: 70",
        b"Route: <sip:10.0.0.2;lr>",
        b"From: <sip:a@h>;tag=1",
        b"To: <sip:b@h>",
        b"Call-ID: c",
        b"CSeq: 1 INVITE",
        b"Contact: <sip:a@h>",
        b"Content-Length: 0",
    ]
    data = bytearray(b"\r\n".join([*lines, b"", b""]))
    for _ in range(cuts):
        at = dice.randrange(len(data))
        data[at : at + dice.randrange(3)] = dice.choice([b"", b";", b",", b'"', b"\r\n", b"\x00", b"\xff", b"<", b" "])
    endpoint = Endpoint(random_source=CountingSource())
    endpoint.receive(bytes(data), UDP, now=0.0)
    assert all(parse(each.data).to_bytes() == each.data for each in endpoint.to_send())
