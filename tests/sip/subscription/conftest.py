"""A subscriber, and in the place of its notifier a test that chooses every answer."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING

import pytest

from wic.sip.dialog import Dialog
from wic.sip.events import RequestReceived, ResponseReceived
from wic.sip.headers import NameAddr
from wic.sip.message import Request, Response
from wic.sip.subscription.events import SubscriptionEnded, SubscriptionEvent
from wic.sip.subscription.requests import SubscriptionOptions, SubscriptionParty
from wic.sip.subscription.subscriber import Subscription
from wic.sip.timers import TimerQueue
from wic.sip.uri import Uri

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Host, Net

    from wic.errors import AuthenticationFailed
    from wic.sip.errors import MalformedBody
    from wic.sip.events import Event
    from wic.sip.transaction.client import ClientTransaction

ALICE = Uri.parse("sip:alice@example.com")
ROUTE = NameAddr.parse("<sip:orig@10.0.0.9;lr>")


class Password:
    """Credentials that are a word."""

    def __init__(self) -> None:
        self.refuse: AuthenticationFailed | None = None
        self.distrust: AuthenticationFailed | None = None
        self.challenges = 0

    def authorize(self, request: Request) -> None:
        request.headers.add("Authorization", f"Word{self.challenges}")

    def challenged(self, request: Request, response: Response) -> None:
        self.challenges += 1
        if self.refuse is not None:
            raise self.refuse

    def accepted(self, request: Request, response: Response) -> None:
        if self.distrust is not None:
            raise self.distrust


@dataclass
class World:
    """A subscription at one host, and at the other a test in the place of its notifier."""

    net: Net
    ue: Host
    server: Host
    options: SubscriptionOptions = field(default_factory=lambda: SubscriptionOptions(package="reg", accept=("a/b",)))
    credentials: Password | None = None
    refusal: MalformedBody | None = None

    def __post_init__(self) -> None:
        self.timers = TimerQueue()
        self.events: list[SubscriptionEvent] = []
        self.requests: list[RequestReceived] = []
        self.answers: list[Response] = []
        self.foreign: list[Event] = []
        self.dialog: Dialog | None = None
        self.subscription = Subscription(
            self.ue.endpoint,
            options=self.options,
            timers=self.timers,
            listener=self.events.append,
            credentials=self.credentials,
            check=self.check,
        )
        self.ue.on_event = self.at_ue
        self.server.on_event = self.at_server

    def check(self, request: Request) -> None:
        if self.refusal is not None:
            raise self.refusal

    def at_ue(self, event: Event) -> None:
        if not self.subscription.handle(event, now=self.net.now):
            self.foreign.append(event)

    def at_server(self, event: Event) -> None:
        if isinstance(event, RequestReceived):
            self.requests.append(event)
        elif isinstance(event, ResponseReceived):
            self.answers.append(event.response)

    @property
    def subscriber(self) -> SubscriptionParty:
        flow = self.ue.flow_to(self.server)
        contact = NameAddr.parse("<sip:alice@10.0.0.1>")
        return SubscriptionParty(resource=ALICE, identity=ALICE, contact=contact, flow=flow, routes=(ROUTE,))

    def subscribe(self) -> Request:
        self.subscription.subscribe(self.subscriber, now=self.net.now)
        return self.take()

    def take(self) -> Request:
        """The newest SUBSCRIBE; there is exactly one that was not taken."""
        self.net.run()
        (event,) = self.requests
        self.requests.clear()
        self.last = event
        return event.request

    def refresh(self) -> Request:
        self.subscription.refresh(now=self.net.now)
        return self.take()

    def leave(self) -> Request:
        self.subscription.unsubscribe(now=self.net.now)
        return self.take()

    def answer(self, status: int, *headers: tuple[str, object], tag: str = "server") -> None:
        """Answer the newest SUBSCRIBE."""
        request = self.last.request
        if status < 300:
            self.know_dialog(tag)
        own = [("Contact", "<sip:server@10.0.0.2>")] if status < 300 else []
        response = Response.answer(request, status, to_tag=tag, headers=[*own, *headers])
        self.server.endpoint.respond(self.last.transaction, response, now=self.net.now)
        self.net.run()

    def notify(self, state: str = "active;expires=3600", *headers: tuple[str, object], **more: object) -> int:
        """Send a NOTIFY and return the status of its answer."""
        self.send_notify(state, *headers, **more)  # type: ignore[arg-type]
        self.net.run()
        return self.answers[-1].status

    def send_notify(
        self,
        state: str,
        *headers: tuple[str, object],
        tag: str = "server",
        method: str = "NOTIFY",
        event: str = "reg",
        contact: bool = True,
    ) -> ClientTransaction:
        self.know_dialog(tag)
        assert self.dialog is not None
        own = [("Contact", "<sip:server@10.0.0.2>")] if contact else []
        lines = [*own, ("Event", event), *([("Subscription-State", state)] if state else []), *headers]
        request = self.dialog.create_request(method, lines, b"body")
        return self.server.endpoint.send_request(request, self.server.flow_to(self.ue), now=self.net.now)

    def deliver(self) -> None:
        """Let the UE get all that the server has sent before it can say or notice anything."""
        for transmit in self.server.endpoint.to_send():
            self.ue.endpoint.receive(transmit.data, self.ue.flow_to(self.server), now=self.net.now)

    def know_dialog(self, tag: str) -> None:
        if self.dialog is None or self.dialog.id.call_id != self.last.request.call_id:
            preview = Response.answer(self.last.request, 200, to_tag=tag)
            self.dialog = Dialog.from_request(self.last.request, preview)
            self.server.endpoint.add_dialog(self.dialog)

    def active(self, expires: int = 3600) -> None:
        """Make a subscription that stands."""
        self.subscribe()
        self.answer(200, ("Expires", expires))
        assert self.notify(f"active;expires={expires}") == 200
        self.events.clear()

    def run(self, seconds: float) -> None:
        """Let time pass."""
        until = self.net.now + seconds
        while (due := self.timers.next_timeout()) is not None and due <= until:
            self.net.run(max(due, self.net.now))
            self.timers.handle_timeout(self.net.now)
            self.net.run()
        self.net.run(until)

    def ended(self) -> SubscriptionEnded:
        """Take the only event there is: the end."""
        (event,) = self.events
        assert isinstance(event, SubscriptionEnded)
        self.events.clear()
        return event


@pytest.fixture
def make(net: Net) -> Callable[..., World]:
    """Make worlds; each has hosts of its own."""
    numbers = count(1)

    def build(**more: object) -> World:
        number = next(numbers)
        return World(net, net.host(f"ue{number}"), net.host(f"server{number}"), **more)  # type: ignore[arg-type]

    return build


@pytest.fixture
def world(make: Callable[..., World]) -> World:
    return make()


@pytest.fixture
def password() -> Password:
    return Password()
