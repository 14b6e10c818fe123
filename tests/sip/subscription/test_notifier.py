"""The notifier against a subscriber whose every message a test chooses, and against the real one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from wic.sip.dialog import Dialog
from wic.sip.errors import MalformedHeader
from wic.sip.events import RequestReceived, ResponseReceived, TransactionTimedOut, TransportFailed
from wic.sip.headers import NameAddr
from wic.sip.message import Request, Response
from wic.sip.subscription.events import NotifyReceived, SubscriptionEnded, SubscriptionEvent
from wic.sip.subscription.notifier import NotifierOptions, NotifierSubscription, SubscribeRefused, grant
from wic.sip.subscription.requests import SubscriptionOptions, SubscriptionParty
from wic.sip.subscription.subscriber import Subscription
from wic.sip.subscription.tables import NotifierState, SubscriberState
from wic.sip.timers import TimerQueue
from wic.sip.uri import Uri

if TYPE_CHECKING:
    from conftest import Host, Net

    from wic.sip.events import Event
    from wic.sip.flow import Flow

State = NotifierState
OPTIONS = NotifierOptions(package="reg", content_type="a/b")
CONTACT = NameAddr.parse("<sip:notifier@10.0.0.2>")


def subscribe(*headers: tuple[str, object], contact: bool = True) -> Request:
    lines: list[tuple[str, object]] = [
        ("Via", "SIP/2.0/UDP 10.0.0.1;branch=z9hG4bK1"),
        ("Max-Forwards", 70),
        ("From", "<sip:a@b>;tag=ue"),
        ("To", "<sip:a@b>"),
        ("Call-ID", "c"),
        ("CSeq", "1 SUBSCRIBE"),
        *([("Contact", "<sip:ue@10.0.0.1>")] if contact else []),
        *headers,
    ]
    return Request.build("SUBSCRIBE", "sip:a@b", lines)


@dataclass
class World:
    """A notifier at one host; at the other, a test."""

    net: Net
    server: Host
    ue: Host

    def __post_init__(self) -> None:
        self.timers = TimerQueue()
        self.subscription: NotifierSubscription | None = None
        self.kept: list[tuple[int, float]] = []
        self.composed: list[bool] = []
        self.is_over = False
        self.notifies: list[RequestReceived] = []
        self.answers: list[Response] = []
        self.answering: int | None = 200
        self.retry_headers: list[tuple[str, object]] = []
        self.reachable = True
        self.server.on_event = self.at_server
        self.ue.on_event = self.at_ue

    # the keeper

    def compose(self, *, full: bool, now: float) -> bytes:
        self.composed.append(full)
        return b"full" if full else b"partial"

    def keep(self) -> None:
        assert self.subscription is not None
        self.kept.append((self.subscription.dialog.local_cseq, self.subscription.expires_at))

    def over(self) -> None:
        self.is_over = True

    # the wire

    def flow_to(self, uri: Uri) -> Flow | None:
        return self.server.flow_to(self.ue) if self.reachable else None

    def at_server(self, event: Event) -> None:
        if isinstance(event, RequestReceived) and event.dialog is None:
            granted = grant(event.request, OPTIONS, tag=event.transaction.tag, contact=CONTACT)
            self.server.endpoint.respond(event.transaction, granted.response, now=self.net.now)
            self.subscription = NotifierSubscription(
                self.server.endpoint,
                granted.dialog,
                options=OPTIONS,
                event=granted.event,
                contact=CONTACT,
                expires_at=self.net.now + granted.expires,
                keeper=self,
                timers=self.timers,
                flow_to=self.flow_to,
            )
            if granted.expires:
                self.subscription.notify(now=self.net.now)
            else:
                self.subscription.end("timeout", now=self.net.now)
        elif isinstance(event, RequestReceived | ResponseReceived | TransactionTimedOut | TransportFailed):
            assert self.subscription is not None
            self.subscription.handle(event, now=self.net.now)

    def at_ue(self, event: Event) -> None:
        if isinstance(event, RequestReceived):
            self.notifies.append(event)
            if self.answering is not None:
                self.reply(self.answering)
        elif isinstance(event, ResponseReceived):
            self.answers.append(event.response)

    def reply(self, status: int) -> None:
        own = [("Contact", "<sip:moved@10.0.0.1>")] if status < 300 else self.retry_headers
        self.ue.endpoint.reply(self.notifies[-1].transaction, status, now=self.net.now, headers=own)

    def subscribe(self, *headers: tuple[str, object], expires: int | None = 3600) -> NotifierSubscription:
        request = subscribe(*(headers or [("Event", "reg;id=7")]))
        request.headers.remove("Via")
        if expires is not None:
            request.headers.add("Expires", expires)
        self.ue.endpoint.await_dialog("c", "ue", self)
        self.ue.endpoint.send_request(request, self.ue.flow_to(self.server), now=self.net.now)
        self.net.run()
        assert self.subscription is not None
        return self.subscription

    def within(self, method: str = "SUBSCRIBE", *headers: tuple[str, object]) -> Response:
        """Send a request within the dialog, and return its answer."""
        first = self.answers[0]
        request = subscribe()
        request.headers.set("To", first.to)
        dialog = Dialog.from_response(request, first)
        dialog.local_cseq = 1 + len(self.answers)
        sent = dialog.create_request(method, [("Contact", "<sip:ue@10.0.0.1>"), *headers])
        self.ue.endpoint.send_request(sent, self.ue.flow_to(self.server), now=self.net.now)
        self.net.run()
        return self.answers[-1]

    @property
    def last(self) -> Request:
        return self.notifies[-1].request

    def run(self, seconds: float) -> None:
        until = self.net.now + seconds
        while (due := self.timers.next_timeout()) is not None and due <= until:
            self.net.run(max(due, self.net.now))
            self.timers.handle_timeout(self.net.now)
            self.net.run()
        self.net.run(until)


@pytest.fixture
def world(net: Net) -> World:
    return World(net, net.host("server"), net.host("ue"))


def test_a_subscription_begins_with_the_full_state(world: World) -> None:
    subscription = world.subscribe()
    (answer,) = world.answers
    assert (answer.status, answer.expires, answer.headers.get("Contact")) == (200, 3600, str(CONTACT))
    request = world.last
    assert (request.body, str(request.event)) == (b"full", "reg;id=7")
    assert str(request.subscription_state) == "active;expires=3600"
    assert (request.headers.get("Content-Type"), request.headers.get("Contact")) == ("a/b", str(CONTACT))
    assert (request.from_.tag, request.to.tag) == (answer.to.tag, "ue")
    assert subscription.state is State.ACTIVE
    assert str(subscription.dialog.remote_target) == "sip:moved@10.0.0.1"
    assert world.kept == [(1, 3600)]


@pytest.mark.parametrize(
    ("headers", "granted"),
    [((), 3600), ((("Expires", 60),), 60), ((("Expires", 700_000),), 600_000), ((("Expires", 0),), 0)],
)
def test_what_is_granted(headers: tuple[tuple[str, object], ...], granted: int) -> None:
    found = grant(subscribe(("Event", "reg"), *headers), OPTIONS, tag="t", contact=CONTACT)
    assert found.expires == granted
    assert found.response.expires == granted
    assert (found.dialog.id.local_tag, found.dialog.id.remote_tag, found.event) == ("t", "ue", "reg")


@pytest.mark.parametrize(
    ("headers", "status", "said"),
    [
        ((), 489, ("Allow-Events", "reg")),
        ((("Event", "dialog"),), 489, ("Allow-Events", "reg")),
        ((("Event", "reg"), ("Expires", 59)), 423, ("Min-Expires", 60)),
        ((("Event", "reg"), ("Accept", "x/y, text/*")), 406, ("Accept", "a/b")),
    ],
)
def test_what_is_refused(headers: tuple[tuple[str, object], ...], status: int, said: tuple[str, object]) -> None:
    with pytest.raises(SubscribeRefused) as refused:
        grant(subscribe(*headers), OPTIONS, tag="t", contact=CONTACT)
    assert (refused.value.status_hint, refused.value.headers) == (status, (said,))


@pytest.mark.parametrize("accept", ["a/b", "x/y, a/*;q=0.5", "*/*", "a/b,", "x"])
def test_bodies_that_are_accepted(accept: str) -> None:
    assert grant(subscribe(("Event", "reg"), ("Accept", accept)), OPTIONS, tag="t", contact=CONTACT).expires == 3600


@pytest.mark.parametrize("headers", [(("Event", "?"),), (("Event", "reg"), ("Expires", "x"))])
def test_what_cannot_be_read(headers: tuple[tuple[str, object], ...]) -> None:
    with pytest.raises(MalformedHeader):
        grant(subscribe(*headers), OPTIONS, tag="t", contact=CONTACT)


def test_a_subscriber_without_contact() -> None:
    with pytest.raises(MalformedHeader):
        grant(subscribe(("Event", "reg"), contact=False), OPTIONS, tag="t", contact=CONTACT)


def test_changes_are_told_every_five_seconds_at_most(world: World) -> None:
    """RFC 3680 §4."""
    subscription = world.subscribe()
    world.run(1)
    subscription.changed(now=1)
    subscription.changed(now=1)
    world.net.run()
    assert len(world.notifies) == 1
    world.run(4)
    assert world.last.body == b"partial"
    assert len(world.notifies) == 2
    world.run(60)
    subscription.changed(now=world.net.now)
    world.net.run()
    assert len(world.notifies) == 3


def test_what_is_urgent_does_not_wait(world: World) -> None:
    subscription = world.subscribe()
    subscription.changed(now=0)
    subscription.changed(urgent=True, now=0)
    world.net.run()
    assert len(world.notifies) == 2
    world.run(10)
    assert len(world.notifies) == 2


def test_one_notify_at_a_time(world: World) -> None:
    world.answering = None
    subscription = world.subscribe()
    subscription.changed(urgent=True, now=0)
    subscription.notify(now=0)
    subscription.changed(urgent=True, now=0)
    world.net.run()
    assert len(world.notifies) == 1
    world.answering = 200
    world.reply(183)
    world.net.run()
    assert len(world.notifies) == 1
    world.reply(200)
    world.net.run()
    assert world.composed == [True, True]


def test_refresh(world: World) -> None:
    subscription = world.subscribe()
    world.run(100)
    answer = world.within("SUBSCRIBE", ("Event", "reg;id=7"), ("Expires", 600))
    assert (answer.status, answer.expires) == (200, 600)
    assert subscription.expires_at == 700
    assert world.last.body == b"full"
    assert world.kept[1:] == [(1, 700), (2, 700)]
    world.run(599)
    assert subscription.state is State.ACTIVE


def test_unsubscribing(world: World) -> None:
    subscription = world.subscribe()
    assert world.within("SUBSCRIBE", ("Event", "reg;id=7"), ("Expires", 0)).expires == 0
    assert str(world.last.subscription_state) == "terminated;reason=timeout"
    assert world.last.body == b"full"
    assert subscription.state is State.TERMINATED
    assert world.is_over
    assert world.timers.next_timeout() is None
    assert world.within("SUBSCRIBE", ("Event", "reg;id=7")).status == 481
    subscription.changed(now=0)
    subscription.end("giveup", now=0)
    assert len(world.notifies) == 2


def test_fetching(world: World) -> None:
    """RFC 6665 §4.4.3."""
    world.subscribe(expires=0)
    assert [str(each.request.subscription_state) for each in world.notifies] == ["terminated;reason=timeout"]
    assert world.is_over


def test_expiry(world: World) -> None:
    world.subscribe()
    world.run(3599)
    assert not world.is_over
    world.run(1)
    assert str(world.last.subscription_state) == "terminated;reason=timeout"
    assert world.is_over


def test_the_end_of_what_was_watched(world: World) -> None:
    subscription = world.subscribe()
    world.answering = None
    subscription.end("probation", retry_after=30, now=0)
    assert subscription.state is State.ENDING
    world.net.run()
    assert str(world.last.subscription_state) == "terminated;reason=probation;retry-after=30"
    assert world.within("SUBSCRIBE", ("Event", "reg;id=7")).status == 481
    world.reply(200)
    world.net.run()
    assert world.is_over


def test_the_end_waits_for_the_notify_before(world: World) -> None:
    world.answering = None
    subscription = world.subscribe()
    subscription.end("noresource", now=0)
    world.net.run()
    assert len(world.notifies) == 1
    world.answering = 200
    world.reply(200)
    world.net.run()
    assert str(world.last.subscription_state) == "terminated;reason=noresource"
    assert world.is_over


@pytest.mark.parametrize("status", [404, 408, 430, 481, 489, 604])
def test_a_subscriber_that_has_forgotten(world: World, status: int) -> None:
    world.answering = status
    world.subscribe()
    assert world.is_over


@pytest.mark.parametrize("status", [500, 503])
def test_a_failure_that_may_pass(world: World, status: int) -> None:
    """What was missed is told in full with the next change."""
    world.answering = status
    subscription = world.subscribe()
    assert not world.is_over
    world.answering = 200
    subscription.changed(urgent=True, now=0)
    world.net.run()
    subscription.changed(urgent=True, now=0)
    world.net.run()
    assert world.composed == [True, True, False]


def test_retry_after_is_obeyed(world: World) -> None:
    """RFC 6665 §4.2.2."""
    world.answering = 500
    world.retry_headers = [("Retry-After", 30)]
    world.subscribe()
    world.answering = 200
    world.run(29)
    assert world.composed == [True]
    world.run(1)
    assert world.composed == [True, True]


def test_a_change_that_waited_for_a_notify_which_failed(world: World) -> None:
    world.answering = None
    subscription = world.subscribe()
    subscription.changed(urgent=True, now=0)
    world.net.run()
    world.answering = 200
    world.reply(500)
    world.net.run()
    assert world.composed == [True, True]


def test_a_last_notify_that_fails(world: World) -> None:
    subscription = world.subscribe()
    world.answering = 500
    subscription.end("noresource", now=0)
    world.net.run()
    assert world.is_over


def test_a_subscriber_that_is_gone(world: World) -> None:
    world.net.filter = lambda data: not data.startswith(b"NOTIFY")
    subscription = world.subscribe()
    world.run(32)
    assert world.is_over
    assert subscription.state is State.TERMINATED


def test_a_connection_that_is_lost(net: Net) -> None:
    world = World(net, net.host("server", transport="TCP"), net.host("ue", transport="TCP"))
    world.answering = None
    subscription = world.subscribe()
    net._collect()
    world.server.endpoint.flow_closed(world.server.flow_to(world.ue), "cut", now=0)
    net.run()
    assert subscription.state is State.ACTIVE
    subscription.end("giveup", now=0)
    net.run()
    world.server.endpoint.flow_closed(world.server.flow_to(world.ue), "cut", now=0)
    net.run()
    assert world.is_over


def test_a_next_hop_that_cannot_be_reached(world: World) -> None:
    world.reachable = False
    world.subscribe()
    assert world.is_over


def test_the_end_of_an_interval_that_is_not_awaited(world: World) -> None:
    subscription = world.subscribe()
    subscription.changed(now=0)
    world.answering = 481
    subscription.notify(now=0)
    world.net.run()
    assert world.is_over
    assert world.timers.next_timeout() is None


@pytest.mark.parametrize(
    ("method", "headers", "status", "said"),
    [
        ("NOTIFY", (), 405, ("Allow", "SUBSCRIBE")),
        ("SUBSCRIBE", (("Event", "dialog"),), 489, ("Allow-Events", "reg")),
        ("SUBSCRIBE", (("Event", "reg;id=8"),), 481, None),
        ("SUBSCRIBE", (("Event", "reg;id=7"), ("Expires", 1)), 423, ("Min-Expires", "60")),
        ("SUBSCRIBE", (("Event", "reg;id=7"), ("Accept", "x/y")), 406, ("Accept", "a/b")),
        ("SUBSCRIBE", (("Event", "reg;id=7"), ("Expires", "x")), 400, None),
    ],
)
def test_requests_that_are_refused(
    world: World, method: str, headers: tuple[tuple[str, object], ...], status: int, said: tuple[str, str] | None
) -> None:
    subscription = world.subscribe()
    answer = world.within(method, *headers)
    assert answer.status == status
    assert said is None or answer.headers.get(said[0]) == said[1]
    assert (subscription.state, subscription.expires_at) == (State.ACTIVE, 3600)


def test_late_events_change_nothing(world: World) -> None:
    subscription = world.subscribe()
    answered = ResponseReceived(
        world.server.endpoint.send_request(
            subscription.dialog.create_request("NOTIFY"), world.server.flow_to(world.ue), now=0
        ),
        Response.build(481),
        world.server.flow_to(world.ue),
    )
    subscription.handle(answered, now=0)
    subscription.handle(TransactionTimedOut(answered.transaction), now=0)
    subscription.handle(TransportFailed(answered.transaction, "?"), now=0)
    assert subscription.state is State.ACTIVE


@pytest.mark.parametrize("seed", range(8))
def test_both_sides_over_a_bad_network(make_net: type[Net], seed: int) -> None:
    """Two machines, loss and duplication: both come to the same end."""
    net = make_net(seed=seed, loss=0.3, duplication=0.2, delay=(0.0, 0.2))
    world = World(net, net.host("server"), net.host("ue"))
    told: list[SubscriptionEvent] = []
    timers = TimerQueue()
    subscription = Subscription(
        world.ue.endpoint,
        options=SubscriptionOptions(package="reg", accept=("a/b",), expires=300),
        timers=timers,
        listener=told.append,
    )
    world.ue.on_event = lambda event: subscription.handle(event, now=net.now) and None
    uri = Uri.parse("sip:alice@example.com")
    contact, flow = NameAddr.parse("<sip:alice@10.0.0.2>"), world.ue.flow_to(world.server)
    subscription.subscribe(SubscriptionParty(resource=uri, identity=uri, contact=contact, flow=flow), now=0)

    def run(until: float) -> None:
        while True:
            due = [each for queue in (timers, world.timers) if (each := queue.next_timeout()) is not None]
            if not due or min(due) > until:
                break
            net.run(max(min(due), net.now))
            timers.handle_timeout(net.now)
            world.timers.handle_timeout(net.now)
            net.run(net.now)
        net.run(until)

    run(1000)
    assert subscription.state is SubscriberState.ACTIVE
    assert any(isinstance(event, NotifyReceived) for event in told)
    assert not any(isinstance(event, SubscriptionEnded) for event in told)
    subscription.unsubscribe(now=net.now)
    run(1100)
    assert subscription.state is SubscriberState.TERMINATED
    assert world.is_over
