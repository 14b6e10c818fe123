"""The subscriber against a notifier whose every answer a test chooses."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from wic.errors import AuthenticationFailed, LocalProtocolError
from wic.sip.dialog import Dialog
from wic.sip.errors import MalformedBody, SubscriptionFailed
from wic.sip.events import MessageDropped, RequestReceived, ResponseReceived
from wic.sip.headers import NameAddr
from wic.sip.message import Request, Response
from wic.sip.subscription import Subscription
from wic.sip.subscription_events import NotifyReceived, SubscriptionEnded, SubscriptionEvent
from wic.sip.subscription_options import Subscriber, SubscriptionOptions
from wic.sip.subscription_tables import SubscriberState
from wic.sip.timer_queue import TimerQueue
from wic.sip.uri import Uri

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Host, Net

    from wic.sip.client_transaction import ClientTransaction
    from wic.sip.events import Event

State = SubscriberState
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
    def subscriber(self) -> Subscriber:
        flow = self.ue.flow_to(self.server)
        contact = NameAddr.parse("<sip:alice@10.0.0.1>")
        return Subscriber(resource=ALICE, identity=ALICE, contact=contact, flow=flow, routes=(ROUTE,))

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

    @property
    def ended(self) -> SubscriptionEnded:
        (event,) = self.events
        assert isinstance(event, SubscriptionEnded)
        self.events.clear()
        return event


@pytest.fixture
def make(net: Net) -> Callable[..., World]:
    def build(**more: object) -> World:
        return World(net, net.host("ue"), net.host("server"), **more)  # type: ignore[arg-type]

    return build


@pytest.fixture
def world(make: Callable[..., World]) -> World:
    return make()


def test_a_subscription_is_made(world: World) -> None:
    request = world.subscribe()
    assert (request.method, str(request.uri)) == ("SUBSCRIBE", "sip:alice@example.com")
    assert (str(request.from_.uri), str(request.to)) == ("sip:alice@example.com", "<sip:alice@example.com>")
    assert request.headers.get("Route") == str(ROUTE)
    assert (str(request.event), request.expires, request.headers.get("Accept")) == ("reg", 3600, "a/b")
    assert world.subscription.state is State.NOTIFY_WAIT
    world.answer(200, ("Expires", 3000))
    assert world.subscription.state is State.NOTIFY_WAIT  # RFC 6665 §4.1.2.4: only a NOTIFY makes it
    assert world.notify("active;expires=3000") == 200
    (event,) = world.events
    assert isinstance(event, NotifyReceived)
    assert (event.request.body, event.state.state) == (b"body", "active")
    assert world.subscription.state is State.ACTIVE
    assert world.subscription.expires_at == 3000


def test_a_notify_may_come_before_the_answer(world: World) -> None:
    world.subscribe()
    assert world.notify("pending;expires=100") == 200
    assert world.subscription.state is State.PENDING
    assert world.notify("active;expires=100") == 200
    world.answer(200, ("Expires", 100))
    assert world.subscription.state is State.ACTIVE
    world.run(50)
    assert world.take().to.tag == "server"


def test_two_notifies_that_come_together_before_the_answer(world: World) -> None:
    world.subscribe()
    world.send_notify("pending;expires=100")
    world.send_notify("active;expires=100")
    for transmit in world.server.endpoint.to_send():
        world.ue.endpoint.receive(transmit.data, world.ue.flow_to(world.server), now=0)
    world.net.run()
    assert [answer.status for answer in world.answers] == [200, 200]
    assert world.subscription.state is State.ACTIVE


def test_a_fork_of_the_first_gets_481(world: World) -> None:
    world.subscribe()
    world.send_notify("active;expires=100")
    world.dialog = None
    world.send_notify("active;expires=100", tag="other")
    for transmit in world.server.endpoint.to_send():
        world.ue.endpoint.receive(transmit.data, world.ue.flow_to(world.server), now=0)
    world.net.run()
    assert [answer.status for answer in world.answers] == [200, 481]
    world.dialog = None
    assert world.notify(tag="third") == 481


def test_the_answer_of_a_fork_changes_nothing(world: World) -> None:
    world.subscribe()
    world.notify("active;expires=100")
    world.answer(200, ("Expires", 100), tag="other")
    assert world.subscription.state is State.ACTIVE


def test_a_second_subscribe_is_refused(world: World) -> None:
    world.active()
    with pytest.raises(LocalProtocolError):
        world.subscription.subscribe(world.subscriber, now=0)


@pytest.mark.parametrize(("expires", "due"), [(3600, 3000), (1200, 600), (120, 60), (1, 0.5)])
def test_refresh(world: World, expires: int, due: float) -> None:
    """TS 24.229 §5.1.1.3: 600 s before the end, or after half of a short time."""
    world.active(expires)
    world.run(due - 0.5)
    assert not world.requests
    world.run(0.5)
    request = world.take()
    assert (request.to.tag, request.cseq.number, request.expires) == ("server", 2, 3600)
    world.answer(200, ("Expires", 600))
    assert world.subscription.expires_at == due + 600


def test_a_notifier_may_shorten_but_not_lengthen(world: World) -> None:
    world.active(3600)
    world.notify("active;expires=100")
    assert world.subscription.expires_at == 100
    world.notify("active;expires=7200")
    assert world.subscription.expires_at == 100
    world.notify("active")
    assert world.subscription.expires_at == 100


def test_an_answer_without_expires_grants_what_was_asked(world: World) -> None:
    world.subscribe()
    world.answer(200)
    assert world.subscription.expires_at == 3600


def test_timer_n(world: World) -> None:
    """RFC 6665 §4.1.2.4: without a NOTIFY for 64*T1 there is no subscription."""
    world.subscribe()
    world.answer(200, ("Expires", 3600))
    world.run(32)
    ended = world.ended
    assert isinstance(ended.error, SubscriptionFailed)
    assert ended.retry_after == 30
    assert world.subscription.state is State.WAITING
    first = world.last.request
    world.run(30)
    assert world.take().call_id != first.call_id


def test_nobody_answers(world: World) -> None:
    world.subscribe()
    world.net.filter = lambda data: False
    world.run(40)
    assert "nobody answered" in str(world.ended.error) or world.ended


@pytest.mark.parametrize(
    ("state", "retry"),
    [
        ("terminated;reason=deactivated", 0),
        ("terminated;reason=timeout", 0),
        ("terminated;reason=probation;retry-after=17", 17),
        ("terminated;reason=probation", 30),
        ("terminated;reason=giveup;retry-after=40", 40),
        ("terminated;reason=unheard-of", 30),
        ("terminated", 30),
        ("terminated;reason=rejected", None),
        ("terminated;reason=noresource;retry-after=5", None),
        ("terminated;reason=invariant", None),
    ],
)
def test_the_notifier_ends_it(world: World, state: str, retry: float | None) -> None:
    """RFC 6665 §4.1.3."""
    world.active()
    assert world.notify(state) == 200
    told, ended = world.events
    assert isinstance(told, NotifyReceived)
    assert isinstance(ended, SubscriptionEnded)
    assert (ended.retry_after, ended.error) == (retry, None)
    assert world.subscription.state is (State.TERMINATED if retry is None else State.WAITING)
    old = world.last.request
    world.run(retry or 0)
    if retry is None:
        assert not world.requests
    else:
        request = world.take()
        assert request.call_id != old.call_id
        assert request.to.tag is None
    assert world.dialog is not None
    world.dialog = Dialog.from_request(old, Response.answer(old, 200, to_tag="server"))
    request = world.dialog.create_request("NOTIFY", [("Event", "reg"), ("Subscription-State", "active")])
    world.server.endpoint.send_request(request, world.server.flow_to(world.ue), now=world.net.now)
    world.net.run()
    assert world.answers[-1].status == 481


def test_a_notifier_that_never_holds_still_is_asked_ever_less(world: World) -> None:
    world.active()
    waits = []
    for _ in range(8):
        world.notify("terminated;reason=deactivated")
        event = world.events[-1]
        assert isinstance(event, SubscriptionEnded)
        assert event.retry_after is not None
        waits.append(event.retry_after)
        world.run(event.retry_after)
        world.take()
        world.answer(200, ("Expires", 3600))
        world.notify()
    assert waits == [0, 30, 60, 120, 240, 480, 960, 1800]
    world.run(60)
    world.notify("terminated;reason=deactivated")
    assert world.events[-1].retry_after == 0  # type: ignore[union-attr]


def test_423_is_obeyed(world: World) -> None:
    first = world.subscribe()
    world.answer(423, ("Min-Expires", 7200))
    again = world.take()
    assert (again.expires, again.call_id, again.cseq.number) == (7200, first.call_id, 2)


@pytest.mark.parametrize("least", [None, "60", "x", "99999999999"])
def test_a_423_that_makes_no_sense(world: World, least: str | None) -> None:
    world.subscribe()
    world.answer(423, *([("Min-Expires", least)] if least else []))
    assert world.ended.retry_after is None


def test_423_forever(world: World) -> None:
    world.subscribe()
    for number in range(4):
        world.answer(423, ("Min-Expires", 7200 + number))
        world.take()
    world.answer(423, ("Min-Expires", 9000))
    assert world.ended.retry_after is None


def test_503_with_retry_after(world: World) -> None:
    """TS 34.229-1 §10.1: no attempt before, and then another Call-ID."""
    first = world.subscribe()
    world.answer(503, ("Retry-After", 100))
    assert world.ended.retry_after == 100
    world.run(99)
    world.subscription.move(world.subscriber, now=world.net.now)
    world.net.run()
    assert not world.requests
    world.run(1)
    assert world.take().call_id != first.call_id


def test_a_user_does_not_get_round_retry_after(world: World) -> None:
    world.subscribe()
    world.answer(503, ("Retry-After", 100))
    world.subscription.drop()
    assert world.subscription.state is State.TERMINATED
    world.subscription.subscribe(world.subscriber, now=50)
    assert world.subscription.state is State.WAITING
    world.net.run()
    assert not world.requests
    world.run(100)
    world.take()


@pytest.mark.parametrize(
    ("status", "headers", "retry"),
    [
        (403, (), None),
        (404, (), None),
        (489, (), None),
        (480, (), 30),
        (500, (), 30),
        (503, (("Retry-After", "soon"),), 30),
        (486, (("Retry-After", "12"),), 12),
    ],
)
def test_refusals(world: World, status: int, headers: tuple[tuple[str, object], ...], retry: float | None) -> None:
    world.subscribe()
    world.answer(status, *headers)
    ended = world.ended
    assert isinstance(ended.error, SubscriptionFailed)
    assert ended.error.response is not None
    assert ended.error.response.status == status
    assert ended.error.request is not None
    assert ended.retry_after == retry


def test_481_to_a_refresh_leads_to_another_subscription(world: World) -> None:
    world.active()
    world.subscription.refresh(now=0)
    world.take()
    world.answer(481)
    assert world.ended.retry_after == 0
    world.run(0)
    assert world.take().to.tag is None


def test_489_to_a_refresh_is_the_end(world: World) -> None:
    world.active()
    world.subscription.refresh(now=0)
    world.take()
    world.answer(489)
    assert world.ended.retry_after is None


def test_a_refresh_that_fails_for_now_is_repeated(world: World) -> None:
    """RFC 6665 §4.1.2.2: the subscription goes on until it expires."""
    world.active()
    world.subscription.refresh(now=0)
    world.take()
    world.answer(503, ("Retry-After", 10))
    assert not world.events
    assert world.subscription.state is State.ACTIVE
    world.run(10)
    world.take()
    world.answer(500)
    world.run(30)
    world.take()
    world.answer(603)
    world.run(3600 - 41)
    assert not world.requests
    assert not world.events
    world.run(1)
    assert "expired" in str(world.ended.error)
    world.run(0)
    assert world.take().to.tag is None


def test_challenges(make: Callable[..., World]) -> None:
    world = make(credentials=Password())
    first = world.subscribe()
    assert first.headers.get("Authorization") == "Word0"
    world.answer(401)
    again = world.take()
    assert (again.headers.get("Authorization"), again.cseq.number, again.call_id) == ("Word1", 2, first.call_id)
    world.answer(200, ("Expires", 3600))
    world.notify()
    world.subscription.refresh(now=0)
    world.take()
    world.answer(407)
    assert world.take().cseq.number == 4


def test_challenges_without_end(make: Callable[..., World]) -> None:
    world = make(credentials=Password())
    world.subscribe()
    for _ in range(4):
        world.answer(401)
        world.take()
    world.answer(401)
    assert isinstance(world.ended.error, SubscriptionFailed)


def test_challenges_that_nobody_can_answer(make: Callable[..., World]) -> None:
    world = make()
    world.subscribe()
    world.answer(401)
    assert world.ended.retry_after is None
    password = Password()
    password.refuse = AuthenticationFailed("no")
    other = World(world.net, world.net.host("ue2"), world.net.host("server2"), credentials=password)
    other.subscribe()
    other.answer(401)
    assert other.ended.error is password.refuse


def test_an_answer_that_is_not_trusted(make: Callable[..., World]) -> None:
    password = Password()
    password.distrust = AuthenticationFailed("no")
    world = make(credentials=password)
    world.subscribe()
    world.answer(200)
    assert world.ended.error is password.distrust


def test_an_answer_that_makes_no_dialog(world: World) -> None:
    world.subscribe()
    response = Response.answer(world.last.request, 200, to_tag="server")
    world.server.endpoint.respond(world.last.transaction, response, now=0)
    world.net.run()
    assert "cannot be used" in str(world.ended.error)


def test_unsubscribing(world: World) -> None:
    """RFC 6665 §4.1.2.3."""
    world.active()
    world.subscription.unsubscribe(now=0)
    request = world.take()
    assert (request.expires, request.to.tag) == (0, "server")
    world.answer(200, ("Expires", 0))
    assert world.subscription.state is State.LEAVING
    assert world.notify("active;expires=10") == 200  # it crossed the SUBSCRIBE
    assert world.subscription.state is State.LEAVING
    assert world.notify("terminated;reason=timeout") == 200
    ended = world.events[-1]
    assert ended == SubscriptionEnded("timeout", None, None)
    assert world.subscription.state is State.TERMINATED
    world.subscription.unsubscribe(now=0)
    assert world.timers.next_timeout() is None


def test_unsubscribing_without_a_last_notify(world: World) -> None:
    world.active()
    world.subscription.unsubscribe(now=0)
    world.take()
    world.answer(200, ("Expires", 0))
    world.run(32)
    assert world.ended == SubscriptionEnded(None, None, None)


def test_unsubscribing_from_somebody_who_has_forgotten(world: World) -> None:
    world.active()
    world.subscription.unsubscribe(now=0)
    world.take()
    world.answer(500)
    assert world.ended.retry_after is None


def test_unsubscribing_with_too_short_a_time(world: World) -> None:
    world.active()
    world.subscription.unsubscribe(now=0)
    world.take()
    world.answer(423, ("Min-Expires", 7200))
    assert world.ended.retry_after is None


@pytest.mark.parametrize("notify_first", [True, False])
def test_unsubscribing_before_there_is_anything(world: World, notify_first: bool) -> None:
    world.subscribe()
    world.subscription.unsubscribe(now=0)
    if notify_first:
        assert world.notify() == 200
    else:
        world.answer(200, ("Expires", 3600))
    request = world.take()
    assert (request.expires, request.to.tag) == (0, "server")


def test_unsubscribing_while_waiting(world: World) -> None:
    world.subscribe()
    world.answer(503, ("Retry-After", 100))
    world.subscription.unsubscribe(now=0)
    assert world.subscription.state is State.TERMINATED
    world.run(200)
    assert not world.requests


def test_fetching(make: Callable[..., World]) -> None:
    """RFC 6665 §4.4.3."""
    world = make(options=SubscriptionOptions(package="reg", expires=0, headers=(("Subject", "once"),)))
    request = world.subscribe()
    assert (request.expires, request.headers.get("Subject")) == (0, "once")
    assert "Accept" not in request.headers
    world.answer(200, ("Expires", 0))
    assert world.notify("terminated;reason=timeout") == 200
    assert world.events[-1] == SubscriptionEnded("timeout", None, None)


def test_fetching_from_a_notifier_that_calls_it_active(make: Callable[..., World]) -> None:
    world = make(options=SubscriptionOptions(package="reg", expires=0))
    world.subscribe()
    world.answer(200)
    assert world.notify("active;expires=0") == 200
    assert world.events[-1] == SubscriptionEnded(None, None, None)


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"event": "dialog"}, 489),
        ({"state": ""}, 400),
        ({"state": "active;expires=x"}, 400),
        ({"state": "terminated;retry-after=x"}, 400),
        ({"state": "?"}, 400),
        ({"method": "SUBSCRIBE"}, 405),
        ({"method": "INFO"}, 405),
    ],
)
def test_requests_that_are_refused(world: World, change: dict[str, str], status: int) -> None:
    world.active()
    arguments = {"state": "active;expires=10"} | change
    assert world.notify(**arguments) == status  # type: ignore[arg-type]
    assert not world.events
    assert world.subscription.state is State.ACTIVE
    answer = world.answers[-1]
    assert answer.headers.get("Allow-Events") == ("reg" if status == 489 else None)
    assert answer.headers.get("Allow") == ("NOTIFY" if status == 405 else None)


def test_a_notify_without_event(world: World) -> None:
    world.active()
    assert world.dialog is not None
    request = world.dialog.create_request("NOTIFY", [("Subscription-State", "active")])
    world.server.endpoint.send_request(request, world.server.flow_to(world.ue), now=0)
    world.net.run()
    assert world.answers[-1].status == 489


@pytest.mark.parametrize(("status", "accept"), [(400, None), (413, None), (415, "a/b"), (None, None)])
def test_a_body_that_is_refused(world: World, status: int | None, accept: str | None) -> None:
    world.active()
    world.refusal = MalformedBody("no", status_hint=status)
    assert world.notify() == (status or 400)
    assert world.answers[-1].headers.get("Accept") == accept
    assert not world.events


def test_a_first_notify_without_contact(world: World) -> None:
    world.subscribe()
    assert world.notify(contact=False) == 400
    assert world.subscription.state is State.NOTIFY_WAIT


def test_a_notify_out_of_order(world: World) -> None:
    world.active()
    assert world.dialog is not None
    world.dialog.local_cseq = 0
    world.notify()
    world.dialog.local_cseq = -1
    assert world.notify() == 500


def test_an_order_is_kept_while_the_dialog_is_being_made(world: World) -> None:
    world.subscribe()
    world.send_notify("active;expires=100")
    assert world.dialog is not None
    world.dialog.local_cseq = -1
    world.send_notify("active;expires=100")
    for transmit in world.server.endpoint.to_send():
        world.ue.endpoint.receive(transmit.data, world.ue.flow_to(world.server), now=0)
    world.net.run()
    assert [answer.status for answer in world.answers] == [200, 500]


def test_a_notify_for_nobody(world: World) -> None:
    world.subscribe()
    world.subscription.drop()
    assert world.notify() == 481


def test_a_notify_that_comes_as_the_subscription_ends(world: World) -> None:
    world.active()
    world.send_notify("active;expires=10")
    (transmit,) = world.server.endpoint.to_send()
    world.ue.endpoint.receive(transmit.data, world.ue.flow_to(world.server), now=0)
    world.subscription.drop()
    world.net.run()
    assert world.answers[-1].status == 481


def test_a_notify_for_the_subscription_before(world: World) -> None:
    world.subscribe()
    world.send_notify("active;expires=10")
    (transmit,) = world.server.endpoint.to_send()
    world.ue.endpoint.receive(transmit.data, world.ue.flow_to(world.server), now=0)
    world.subscription.drop()
    world.subscription.subscribe(world.subscriber, now=0)
    world.net.run()
    assert world.answers[-1].status == 481


def test_a_subscription_that_checks_nothing(net: Net, make: Callable[..., World]) -> None:
    world = make()
    world.subscription = Subscription(
        world.ue.endpoint, options=world.options, timers=world.timers, listener=world.events.append
    )
    world.active()
    assert world.notify() == 200


def test_a_connection_that_is_lost(world: World) -> None:
    world.active()
    world.subscription.refresh(now=0)
    flow = world.ue.flow_to(world.server)
    world.ue.endpoint.flow_closed(flow, "cut", now=0)
    world.net.run()
    assert not world.events
    world.requests.clear()
    world.subscription.move(world.subscriber, now=0)
    assert world.take().to.tag == "server"


def test_a_connection_that_is_lost_at_once(world: World) -> None:
    world.subscription.subscribe(world.subscriber, now=0)
    world.ue.endpoint.flow_closed(world.ue.flow_to(world.server), "cut", now=0)
    world.net.run()
    ended = world.ended
    assert "the connection was lost: cut" in str(ended.error)
    assert ended.retry_after == 30
    world.requests.clear()
    world.subscription.move(world.subscriber, now=0)
    assert world.take().to.tag is None


def test_refreshing_nothing(world: World) -> None:
    world.subscription.refresh(now=0)
    world.subscription.unsubscribe(now=0)
    world.subscription.drop()
    assert world.subscription.state is State.INIT
    world.active()
    world.subscription.refresh(now=0)
    world.subscription.refresh(now=0)
    world.take()


def test_what_belongs_to_others_is_left_to_them(world: World) -> None:
    world.active()
    world.ue.endpoint.receive(b"?", world.ue.flow_to(world.server), now=0)
    world.ue.endpoint.send_request(
        Request.build("OPTIONS", "sip:x@10.0.0.2", [("From", "<sip:a@b>;tag=1"), ("To", "<sip:x@y>"), ("Call-ID", "o"), ("CSeq", "1 OPTIONS")]),
        world.ue.flow_to(world.server),
        now=0,
    )  # fmt: skip
    world.take()
    world.answer(486)
    request = Request.build(
        "MESSAGE",
        "sip:alice@10.0.0.1",
        [("From", "<sip:a@b>;tag=1"), ("To", "<sip:x@y>"), ("Call-ID", "m"), ("CSeq", "1 MESSAGE")],
    )
    world.server.endpoint.send_request(request, world.server.flow_to(world.ue), now=0)
    world.net.run()
    assert {type(event) for event in world.foreign} == {MessageDropped, ResponseReceived, RequestReceived}


def test_provisional_and_late_answers_change_nothing(world: World) -> None:
    world.subscribe()
    first = world.last
    world.answer(183)
    assert world.subscription.state is State.NOTIFY_WAIT
    world.subscription.drop()
    world.subscription.subscribe(world.subscriber, now=0)
    world.take()
    world.last = first
    world.answer(489)
    assert not world.events
    assert world.subscription.state is State.NOTIFY_WAIT
