"""A WIC and a notifier, two machines and no network: days of subscription with refreshes, restarts and cuts."""

from __future__ import annotations

import random
from dataclasses import dataclass

import pytest

from wic.registration import Binding, Identity, websocket_contact
from wic.registration.reg_event.events import (
    IdentitiesReported,
    RegEventActive,
    RegEventEvent,
    RegEventFailed,
    RegistrationTerminated,
)
from wic.registration.reg_event.reginfo import (
    REGINFO,
    AorState,
    ContactEvent,
    ContactInfo,
    ContactState,
    RegInfo,
    RegistrationInfo,
)
from wic.registration.reg_event.subscription import RegEventSubscription
from wic.sip.endpoint import Endpoint, EndpointOptions
from wic.sip.events import RequestReceived
from wic.sip.flow import Flow
from wic.sip.headers import NameAddr
from wic.sip.random_source import CountingSource
from wic.sip.subscription.notifier import NotifierOptions, NotifierSubscription, grant
from wic.sip.timers import TimerQueue
from wic.sip.uri import Uri

WIC, SERVER = ("10.0.0.1", 5060), ("10.0.0.2", 5060)
ALICE, WORK = "sip:alice@ims.example", "sip:work@ims.example"
IDENTITY = Identity(
    impu=Uri.parse(ALICE), domain="ims.example", instance="urn:uuid:1", contact=websocket_contact("alice", "x.invalid")
)
OPTIONS = NotifierOptions(package="reg", content_type=REGINFO, max_expires=7200)
CONTACT = NameAddr.parse("<sip:scscf@10.0.0.2>")
FLOW = Flow("UDP", WIC, SERVER)


@dataclass
class Notifier:
    """An S-CSCF as small as can be: one user, whose identities a test changes."""

    now: float = 0.0

    def __post_init__(self) -> None:
        self.aors = [ALICE, WORK]
        self.restart()

    def restart(self) -> None:
        """Forget everything but who is registered."""
        self.endpoint = Endpoint(random_source=CountingSource(f"s{self.now:.0f}-"), options=EndpointOptions())
        self.timers = TimerQueue()
        self.subscription: NotifierSubscription | None = None
        self.version = 0
        self.gone: list[str] = []

    def compose(self, *, full: bool, now: float) -> bytes:
        names = self.aors + self.gone if full else self.gone
        info = RegInfo(version=self.version, full=full, registrations=tuple(map(self.registration, names)))
        self.version += 1
        self.gone = []
        return info.to_xml()

    def registration(self, aor: str) -> RegistrationInfo:
        bound = aor in self.aors
        contact = ContactInfo(
            id=f"c{aor}",
            uri=str(IDENTITY.contact),
            state=ContactState.ACTIVE if bound else ContactState.TERMINATED,
            event=ContactEvent.REGISTERED if bound else ContactEvent.DEACTIVATED,
        )
        state = AorState.ACTIVE if bound else AorState.TERMINATED
        return RegistrationInfo(aor=aor, id=aor, state=state, contacts=(contact,))

    def keep(self) -> None:
        pass

    def over(self) -> None:
        self.subscription = None

    def remove(self, aor: str) -> None:
        self.aors.remove(aor)
        self.gone.append(aor)
        if self.subscription is not None:
            self.subscription.changed(urgent=True, now=self.now)

    def take(self) -> None:
        while (event := self.endpoint.next_event()) is not None:
            if isinstance(event, RequestReceived) and event.dialog is None:
                granted = grant(event.request, OPTIONS, tag=event.transaction.tag, contact=CONTACT)
                self.endpoint.respond(event.transaction, granted.response, now=self.now)
                self.version = 0
                self.subscription = NotifierSubscription(
                    self.endpoint,
                    granted.dialog,
                    options=OPTIONS,
                    event=granted.event,
                    contact=CONTACT,
                    expires_at=self.now + granted.expires,
                    keeper=self,
                    timers=self.timers,
                    flow_to=lambda _: Flow("UDP", SERVER, WIC),
                )
                self.subscription.notify(now=self.now)
            elif self.subscription is not None:
                self.subscription.handle(event, now=self.now)


class World:
    """Both, one clock, and a wire that loses what a test says."""

    def __init__(self, seed: int = 0, loss: float = 0.0) -> None:
        self.chance = random.Random(seed)
        self.loss = loss
        self.notifier = Notifier()
        self.endpoint = Endpoint(random_source=CountingSource("w"), options=EndpointOptions())
        self.reg_event = RegEventSubscription(self.endpoint, contact=IDENTITY.contact_header(1))
        self.told: list[RegEventEvent] = []
        self.subscribes = 0

    @property
    def binding(self) -> Binding:
        return Binding(contact=IDENTITY.contact_header(1), expires=9**9, expires_at=9**9, impu=IDENTITY.impu)

    def subscribe(self) -> None:
        self.reg_event.subscribe(binding=self.binding, flow=FLOW, now=self.notifier.now)
        self.settle()

    def settle(self) -> None:
        now, busy = self.notifier.now, True
        while busy:
            busy = False
            for transmit in self.endpoint.to_send():
                busy = True
                self.subscribes += transmit.data.startswith(b"SUBSCRIBE")
                if self.chance.random() >= self.loss:
                    self.notifier.endpoint.receive(transmit.data, Flow("UDP", SERVER, WIC), now=now)
            for transmit in self.notifier.endpoint.to_send():
                busy = True
                if self.chance.random() >= self.loss:
                    self.endpoint.receive(transmit.data, FLOW, now=now)
            self.notifier.take()
            while (event := self.endpoint.next_event()) is not None:
                busy = True
                self.reg_event.handle(event, now=now)
            while (told := self.reg_event.next_event()) is not None:
                self.told.append(told)

    def run(self, seconds: float) -> None:
        until = self.notifier.now + seconds
        while True:
            notifier = self.notifier
            sources = (self.endpoint, notifier.endpoint, notifier.timers, self.reg_event)
            due = [each for source in sources if (each := source.next_timeout()) is not None]
            if not due or min(due) > until:
                break
            notifier.now = max(notifier.now, min(due))
            self.endpoint.handle_timeout(now=notifier.now)
            notifier.endpoint.handle_timeout(now=notifier.now)
            notifier.timers.handle_timeout(notifier.now)
            self.reg_event.handle_timeout(now=notifier.now)
            self.settle()
        self.notifier.now = until
        self.settle()


def test_a_quiet_day() -> None:
    world = World()
    world.subscribe()
    assert [type(event) for event in world.told] == [RegEventActive, IdentitiesReported]
    world.told.clear()
    world.run(86400)
    assert world.told == []
    assert world.subscribes == 1 + 86400 // 6600  # 600 s before each end


@pytest.mark.parametrize("seed", range(5))
def test_a_day_with_losses(seed: int) -> None:
    world = World(seed, loss=0.3)
    world.subscribe()
    world.run(86400)
    world.loss = 0.0
    world.notifier.remove(WORK)
    world.run(10)
    assert [each.uri for each in _identities(world)] == [Uri.parse(ALICE)]


def test_a_notifier_that_restarts_and_has_forgotten() -> None:
    world = World()
    world.subscribe()
    world.told.clear()
    world.run(100)
    world.notifier.restart()
    world.notifier.aors.remove(WORK)
    world.run(7200)
    failed, active, ended, changed = world.told
    assert isinstance(failed, RegEventFailed)  # 481 to the refresh
    assert isinstance(active, RegEventActive)
    assert isinstance(ended, RegistrationTerminated)
    assert (ended.aors, ended.last) == ((Uri.parse(WORK),), False)
    assert isinstance(changed, IdentitiesReported)


def test_a_notifier_that_is_away_for_hours() -> None:
    world = World()
    world.subscribe()
    world.loss = 1.0
    world.run(6 * 3600)
    assert isinstance(world.told[-1], RegEventFailed)
    world.loss = 0.0
    world.run(1900)
    assert isinstance(world.told[-1], RegEventActive)


def test_the_last_identity_goes() -> None:
    world = World()
    world.subscribe()
    world.notifier.remove(WORK)
    world.settle()
    world.notifier.remove(ALICE)
    world.settle()
    ended = [event for event in world.told if isinstance(event, RegistrationTerminated)]
    assert [event.last for event in ended] == [False, True]


def _identities(world: World) -> tuple:  # type: ignore[type-arg]
    return next(event.identities for event in reversed(world.told) if isinstance(event, IdentitiesReported))
