"""Two user agents on a wire in memory: `Wire` carries bytes between endpoints and events to sessions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from wic.call import CallProfile, IncomingCall, OutgoingCall, receive_call
from wic.sdp.attributes import Fingerprint, Setup
from wic.sdp.codecs import OPUS, PCMU
from wic.sdp.description import Origin, SessionDescription
from wic.sdp.profile import MediaAnswer, MediaOffer, build_answer, build_offer
from wic.sdp.transport import TransportDescription
from wic.sip.endpoint import Endpoint
from wic.sip.events import AckReceived, AckTimedOut, CancelReceived, FlowClosed, MessageDropped, RequestReceived
from wic.sip.flow import Flow
from wic.sip.headers.address import NameAddr
from wic.sip.message import Request, Response
from wic.sip.parser import parse
from wic.sip.random_source import CountingSource
from wic.sip.uri import Uri

if TYPE_CHECKING:
    from wic.sip.dialog import Dialog


def transport(side: str, *, port: int = 4000, data: bool = False, setup: Setup = Setup.ACTPASS) -> TransportDescription:
    return TransportDescription(
        address="192.0.2.1" if side == "alice" else "192.0.2.2",
        port=port,
        ice_ufrag=f"{side}frag",
        ice_pwd=f"{side}passwordpasswordpassword",
        fingerprints=(Fingerprint("sha-256", "AA:BB" if side == "alice" else "CC:DD"),),
        setup=setup,
        sctp_port=5000 if data else None,
    )


class Side:
    """One user agent: an endpoint, what it sent and was told, and its calls."""

    def __init__(self, name: str, local: Flow) -> None:
        self.name = name
        self.flow = local
        self.endpoint = Endpoint(random_source=CountingSource(name))
        self.profile = CallProfile(
            identity=Uri.parse(f"sip:{name}@ims.example"),
            registered=Uri.parse(f"sip:{name}@ims.example"),
            contact=NameAddr("", Uri.parse(f"sip:{name}@{name}.invalid;transport=ws")),
            flow=local,
            user_agent=f"wic/{name}",
        )
        self.scripted = False
        self.sent: list[Request | Response] = []
        self.events: list[object] = []
        self.call: OutgoingCall | IncomingCall | None = None

    @property
    def told(self) -> list[object]:
        """Take what the call has told since the last look."""
        assert self.call is not None
        return list(iter(self.call.next_event, None))

    def last(self, what: str | int) -> Request | Response:
        """The last message sent with that method or status."""
        for message in reversed(self.sent):
            if what == (message.method if isinstance(message, Request) else message.status):
                return message
        raise AssertionError(f"{self.name} sent no {what}: {self.sent}")

    def sent_methods(self) -> list[str | int]:
        return [message.method if isinstance(message, Request) else message.status for message in self.sent]


class Wire:
    """Alice and Bob, and the clock."""

    def __init__(self) -> None:
        self.now = 0.0
        self.alice = Side("alice", Flow("WSS", ("192.0.2.1", 1), ("192.0.2.9", 443), "a"))
        self.bob = Side("bob", Flow("WSS", ("192.0.2.2", 1), ("192.0.2.9", 443), "b"))
        self.drop: set[str | int] = set()

    def run(self) -> None:
        """Carry everything there is to carry."""
        while any([self._step(self.alice, self.bob), self._step(self.bob, self.alice)]):
            pass

    def advance(self, seconds: float) -> None:
        """Let time pass, timer by timer."""
        end = self.now + seconds
        while True:
            sources = [side.endpoint for side in (self.alice, self.bob)]
            sources += [side.call for side in (self.alice, self.bob) if isinstance(side.call, IncomingCall)]
            due = [(at, source) for source in sources if (at := source.next_timeout()) is not None and at <= end]
            if not due:
                break
            self.now, source = min(due, key=lambda pair: pair[0])
            source.handle_timeout(now=self.now)
            self.run()
        self.now = end

    def _step(self, side: Side, other: Side) -> bool:
        busy = False
        for transmit in side.endpoint.to_send():
            busy = True
            message = parse(transmit.data)
            side.sent.append(message)
            what = message.method if isinstance(message, Request) else message.status
            if what not in self.drop:
                other.endpoint.receive(transmit.data, other.flow, now=self.now)
        while (event := side.endpoint.next_event()) is not None:
            busy = True
            self._dispatch(side, event)
        return busy

    def _dispatch(self, side: Side, event: object) -> None:
        side.events.append(event)
        if side.scripted:
            return
        assert not isinstance(event, MessageDropped), event
        if isinstance(event, FlowClosed):
            assert side.call is not None
            side.call.handle(event, now=self.now)
            return
        owner = getattr(getattr(event, "transaction", None), "owner", None)
        if owner is None and isinstance(event, RequestReceived | AckReceived | AckTimedOut | CancelReceived):
            owner = event.dialog.owner if getattr(event, "dialog", None) else None
        if owner is not None:
            owner.handle(event, now=self.now)
        elif isinstance(event, RequestReceived) and event.request.method == "INVITE":
            side.call = receive_call(side.endpoint, side.profile, event, now=self.now)

    # what tests begin with

    def dial(self, profile: CallProfile | None = None, offer: SessionDescription | None = None) -> OutgoingCall:
        """Alice calls Bob."""
        self.alice.call = OutgoingCall(
            self.alice.endpoint,
            profile or self.alice.profile,
            target=Uri.parse("sip:bob@ims.example"),
            offer=offer or self.offer(),
            random_source=CountingSource("call"),
            now=self.now,
        )
        self.run()
        return self.alice.call

    def offer(self, side: str = "alice") -> SessionDescription:
        return build_offer(
            Origin("-", 1, 1, "192.0.2.1"),
            [
                MediaOffer(media="audio", transport=transport(side), codecs=(OPUS, PCMU)),
                MediaOffer(media="application", transport=transport(side, port=4002, data=True)),
            ],
        )

    def answer(self, offer: SessionDescription, side: str = "bob") -> SessionDescription:
        choices = [
            MediaAnswer(transport=transport(side), codecs=(OPUS, PCMU)),
            MediaAnswer(transport=transport(side, port=4002, data=True)),
        ]
        return build_answer(offer, Origin("-", 2, 1, "192.0.2.2"), choices)

    def connect(self) -> tuple[OutgoingCall, IncomingCall]:
        """Alice calls, Bob answers; what was told so far is taken."""
        outgoing = self.dial()
        incoming = self.bob.call
        assert isinstance(incoming, IncomingCall)
        assert incoming.offer is not None
        incoming.answer(self.answer(incoming.offer), now=self.now)
        self.run()
        _ = self.alice.told, self.bob.told
        return outgoing, incoming

    def ask(
        self,
        method: str,
        body: bytes = b"",
        headers: tuple[tuple[str, object], ...] = (),
        *,
        kind: str = "application/sdp",
        dialog: Dialog | None = None,
    ) -> Response:
        """Let Alice, past her session, send a request within the call, or another dialog; return Bob's final answer."""
        dialog = dialog or self.alice.call.dialog
        assert dialog is not None
        extra = [("Contact", self.alice.profile.contact), *headers, *([("Content-Type", kind)] if body else [])]
        request = dialog.create_request(method, extra, body)
        transaction = self.alice.endpoint.send_request(request, self.alice.flow, now=self.now)
        self.run()
        assert transaction.response is not None
        return transaction.response

    def acknowledge(self, response: Response, body: bytes = b"") -> None:
        """Let Alice, past her session, acknowledge Bob's 2xx."""
        headers = [("Content-Type", "application/sdp")] if body else []
        self.alice.endpoint.send_ack(self.alice.call.dialog.ack(response, headers, body), self.alice.flow, now=self.now)
        self.run()

    def invite(self, body: bytes = b"", headers: tuple[tuple[str, object], ...] = ()) -> None:
        """Let a scripted Alice invite Bob."""
        self.alice.scripted = True
        lines = [
            ("From", "<sip:alice@ims.example>;tag=a1"),
            ("To", "<sip:bob@ims.example>"),
            ("Call-ID", "c1"),
            ("CSeq", "1 INVITE"),
            *([("Contact", "<sip:alice@alice.invalid>")] if not any(name == "Contact" for name, _ in headers) else []),
            *([("Content-Type", "application/sdp")] if body and not headers else []),
            *[(name, value) for name, value in headers if value is not None],
        ]
        request = Request.build("INVITE", "sip:bob@bob.invalid", lines, body)
        self.invited = self.alice.endpoint.send_request(request, self.alice.flow, now=self.now)
        self.run()

    # what a scripted Bob does

    def received(self, method: str) -> RequestReceived:
        """The last request of that method that a side was told of."""
        for event in reversed(self.bob.events):
            if isinstance(event, RequestReceived) and event.request.method == method:
                return event
        raise AssertionError(f"no {method} came")

    def reply(
        self,
        status: int,
        *,
        tag: str | None = "b1",
        headers: tuple[tuple[str, object], ...] = (("Contact", "<sip:bob@bob.invalid>"),),
        sdp: SessionDescription | bytes | None = None,
        method: str = "INVITE",
    ) -> Response:
        """Let a scripted Bob respond to the last request of that method."""
        event = self.received(method)
        body = sdp if isinstance(sdp, bytes) else sdp.to_bytes() if sdp else b""
        extra = [*headers, *([("Content-Type", "application/sdp")] if body else [])]
        response = Response.answer(event.request, status, to_tag=tag, headers=extra, body=body)
        assert self.bob.endpoint.respond(event.transaction, response, now=self.now)
        self.run()
        return response


@pytest.fixture
def wire() -> Wire:
    return Wire()


@pytest.fixture
def make_wire() -> type[Wire]:
    """For tests that need many wires."""
    return Wire


@pytest.fixture
def scripted(wire: Wire) -> Wire:
    """A wire whose Bob does only what the test tells him."""
    wire.bob.scripted = True
    return wire
