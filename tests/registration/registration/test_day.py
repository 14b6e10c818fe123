"""A day in the life of a registration: two machines, no network, virtual time, and everything that goes wrong."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import Enum
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from wic.auth import AkaClient, DigestClient, DigestCredentials, Milenage, Secret, SoftUsim
from wic.registration import (
    Backoff,
    BindingLost,
    Refreshed,
    Registered,
    Registration,
    RegistrationOptions,
    RegistrationState,
)
from wic.sip.endpoint import Endpoint, EndpointOptions
from wic.sip.events import RequestReceived, ResponseReceived, TransactionTimedOut, TransportFailed
from wic.sip.flow import Flow
from wic.sip.random_source import CountingSource

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Home

    from wic.auth import Authenticator
    from wic.registration import Identity
    from wic.sip.message import Request

HOUR = 3600.0
DAY = 24 * HOUR
QUIET = 1.5 * HOUR
"""How long nothing goes wrong at the end: longer than any wait."""
CLIENT_END = Flow("WSS", ("127.0.0.1", 40000), ("127.0.0.1", 8443), "0")


class Fault(Enum):
    """What goes wrong."""

    CUT = "the connection is cut"
    RESTART = "the server restarts: connections, nonces and bindings are gone"
    FORGETFUL = "the server forgets its nonces"
    DEAF = "requests get lost, for a while"
    MUTE = "responses get lost, for a while"
    OVERLOAD = "503 with Retry-After, for a while"
    BROKEN = "500, for a while"
    SHORTENED = "the network shortens the registration"
    DEACTIVATED = "the network ends the registration and wants it anew"
    SLEEP = "the machine of the client sleeps for a while"


WITH_DURATION = frozenset({Fault.DEAF, Fault.MUTE, Fault.OVERLOAD, Fault.BROKEN})


@dataclass
class Registrar:
    """Challenges, keeps one binding, and misbehaves when told."""

    granted: int
    home: Home
    endpoint: Endpoint = field(
        default_factory=lambda: Endpoint(random_source=CountingSource("s"), options=EndpointOptions())
    )
    expires_at: float = 0.0
    requests: int = 0
    fault: Fault | None = None
    ends_at: float = 0.0

    def misbehaves(self, fault: Fault, now: float) -> bool:
        return self.fault is fault and now < self.ends_at

    def receive(self, data: bytes, flow: Flow, now: float) -> list[bytes]:
        """Take a request; return the responses that get through."""
        self.requests += 1
        if self.misbehaves(Fault.DEAF, now):
            return []
        self.endpoint.receive(data, flow, now=now)
        while (event := self.endpoint.next_event()) is not None:
            assert isinstance(event, RequestReceived)
            self._answer(event, now)
        answers = [transmit.data for transmit in self.endpoint.to_send()]
        return [] if self.misbehaves(Fault.MUTE, now) else answers

    def _answer(self, event: RequestReceived, now: float) -> None:
        def reply(status: int, *headers: tuple[str, object]) -> None:
            self.endpoint.reply(event.transaction, status, now=now, headers=headers)

        if self.misbehaves(Fault.OVERLOAD, now):
            reply(503, ("Retry-After", 120))
            return
        if self.misbehaves(Fault.BROKEN, now):
            reply(500)
            return
        status, headers = self.home.judge(event.request, now=now)
        if status == 200:
            self._bind(event.request, now)
            headers += [("Contact", f"{event.request.contacts[0]};expires={self.granted}"), ("Require", "outbound")]
        reply(status, *headers)

    def _bind(self, request: Request, now: float) -> None:
        assert request.contacts[0].params.get("reg-id") == "1"
        self.expires_at = now + self.granted


class Day:
    """Drives a client and a registrar by the next thing that is due."""

    def __init__(self, identity: Identity, credentials: Authenticator, home: Home, granted: int) -> None:
        random_source = CountingSource()
        self.now = 0.0
        self.registrar = Registrar(granted, home)
        self.endpoint = Endpoint(random_source=random_source, options=EndpointOptions(via={"WSS": "x7k2.invalid"}))
        self.backoff = Backoff(lambda: 0.5)
        self.registration = Registration(
            self.endpoint,
            identity=identity,
            flow=CLIENT_END,
            credentials=credentials,
            options=RegistrationOptions(expires=granted),
            backoff=Backoff(lambda: 0.5),
        )
        self.connected = False
        self.reconnect_at: float | None = 0.0
        self.on_its_way = 0
        self.trusts_registrar = False
        self.lost = 0

    # the client's shell

    def connect(self) -> None:
        self.connected, self.reconnect_at = True, None
        old = self.registration.flow
        self.registration.register(now=self.now, flow=replace(old, id=str(int(old.id) + 1)))

    def cut(self) -> None:
        if self.connected:
            self.connected = False
            self.endpoint.flow_closed(self.registration.flow, "cut", now=self.now)
            self.reconnect_at = self.now + self.backoff.fail()

    def pump(self) -> None:
        """Let messages and events flow until nothing moves."""
        moved = True
        while moved:
            moved = False
            for transmit in self.endpoint.to_send():
                moved = True
                self.on_its_way += 1
                assert self.on_its_way == 1, "two REGISTERs are on their way"
                assert self.connected
                for data in self.registrar.receive(transmit.data, transmit.flow, self.now):
                    self.endpoint.receive(data, self.registration.flow, now=self.now)
            while (event := self.endpoint.next_event()) is not None:
                moved = True
                if isinstance(event, ResponseReceived | TransactionTimedOut | TransportFailed):
                    self.on_its_way -= 1
                self.registration.handle(event, now=self.now)
            self.drain()

    def drain(self) -> None:
        while (told := self.registration.next_event()) is not None:
            self.lost += isinstance(told, BindingLost)
            if isinstance(told, Registered | Refreshed):
                self.backoff.succeed()
                self.trusts_registrar = True

    # time

    def next_time(self) -> float:
        times = [self.reconnect_at, self.registration.next_timeout(), self.endpoint.next_timeout()]
        return min(time for time in (*times, 2 * DAY) if time is not None)

    def sleep_until(self, time: float) -> None:
        """The clock jumps; what was due is done afterwards."""
        self.now = max(self.now, time)
        self.work()

    def work(self) -> None:
        if self.reconnect_at is not None and self.now >= self.reconnect_at:
            self.connect()
        self.endpoint.handle_timeout(now=self.now)
        self.registration.handle_timeout(now=self.now)
        self.registrar.endpoint.handle_timeout(now=self.now)
        self.pump()
        self.check()

    def pass_until(self, time: float) -> None:
        """Do everything that is due until then, at its time."""
        while self.next_time() <= time:
            self.now = max(self.now, self.next_time())
            self.work()
        self.now = time

    def check(self) -> None:
        """What holds at every moment."""
        binding = self.registration.binding
        if binding is not None:
            assert self.now < binding.expires_at, "the binding expired unnoticed"
            if self.trusts_registrar:
                assert binding.expires_at <= self.registrar.expires_at, "the registrar knows nothing of that binding"
        if self.registration.state is RegistrationState.REGISTERED:
            assert binding is not None
            assert self.connected
        assert self.on_its_way == (1 if self.registration.state.pending else 0)

    def suffer(self, fault: Fault, duration: float) -> None:
        registrar = self.registrar
        if fault in WITH_DURATION:
            registrar.fault, registrar.ends_at = fault, self.now + duration
        elif fault is Fault.CUT:
            self.cut()
        elif fault is Fault.RESTART:
            self.trusts_registrar = False
            registrar.expires_at = 0.0
            registrar.home.forget()
            self.cut()
        elif fault is Fault.FORGETFUL:
            registrar.home.forget()
        elif fault is Fault.SHORTENED:
            registrar.expires_at = min(registrar.expires_at, self.now + 120)
            self.registration.reauthenticate(120, now=self.now)
        elif fault is Fault.DEACTIVATED:
            registrar.expires_at = 0.0
            self.registration.lose("deactivated", now=self.now, again_after=0)
        elif fault is Fault.SLEEP:
            self.sleep_until(self.now + duration)
        self.pump()

    def live_through(self, faults: list[tuple[float, Fault, float]]) -> None:
        """Let go wrong what goes wrong, each after a gap and for a duration; then let the day end quietly."""
        for gap, fault, duration in faults:
            self.pass_until(self.now + gap)
            self.suffer(fault, duration)
        self.pass_until(max(self.now, self.registrar.ends_at) + QUIET)
        self.pass_until(max(DAY, self.now))
        assert self.registration.state in (RegistrationState.REGISTERED, RegistrationState.REFRESHING)
        assert self.registration.binding is not None
        assert self.lost <= len(faults), "a binding was lost without a reason"
        # Two for each registration, as many as nonces may need; a few for each fault, and those of its duration: a try
        # takes 32 s at least where there is silence, and waits grow where there is an answer.
        refreshes = self.now / self.registration.binding.refresh_after + 1
        in_vain = sum(16 + duration / 16 for _, _, duration in faults)
        assert self.registrar.requests <= 3 * refreshes + in_vain


@pytest.fixture(params=["a password", "a USIM"])
def make_day(
    request: pytest.FixtureRequest, identity: Identity, password_home: Callable[[], Home], usim_home: Callable[[], Home]
) -> Callable[[int], Day]:
    """Make days of a user with a password, and of a user with a USIM."""

    def make(granted: int) -> Day:
        random_source = CountingSource("c")
        if request.param == "a password":
            secret = DigestCredentials(username="alice@ims.example", secret=Secret("pw"))
            return Day(identity, DigestClient(secret, random_source=random_source), password_home(), granted)
        usim = SoftUsim(Milenage(b"k" * 16, op=b"o" * 16))
        return Day(identity, AkaClient("alice@ims.example", usim, random_source=random_source), usim_home(), granted)

    return make


@pytest.mark.parametrize("granted", [600, 7200])
def test_a_day_on_which_everything_goes_wrong_once(make_day: Callable[[int], Day], granted: int) -> None:
    make_day(granted).live_through([(HOUR, fault, HOUR / 4) for fault in Fault])


faults = st.lists(
    st.tuples(st.floats(0, 3 * HOUR, allow_nan=False), st.sampled_from(Fault), st.floats(1, HOUR, allow_nan=False)),
    max_size=12,
)


@given(faults=faults, granted=st.sampled_from([600, 1800, 7200, 600_000]))
@settings(max_examples=4, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_day(make_day: Callable[[int], Day], faults: list[tuple[float, Fault, float]], granted: int) -> None:
    make_day(granted).live_through(faults)


def test_an_uneventful_day_costs_one_registration_and_no_more_than_its_refreshes(
    make_day: Callable[[int], Day],
) -> None:
    day = make_day(7200)
    day.pass_until(DAY)
    # 2 at first, then one every 6600 s; the nonce is used again, and its life decides about the rest.
    assert 2 + 13 <= day.registrar.requests <= 2 + 26
    assert day.lost == 0
