"""A registration over an endpoint, and a registrar whose answers a test chooses, or a home network gives."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

import pytest

from wic.auth import (
    AkaUser,
    AkaVerifier,
    AuthOutcome,
    DigestClient,
    DigestCredentials,
    DigestVerifier,
    Milenage,
    Secret,
    SequenceCounter,
    find_aka_algorithm,
    make_ha1,
    make_vector,
    verify_auts,
)
from wic.auth.aka import DEFAULT_AMF
from wic.registration import (
    AgentEvent,
    Backoff,
    Identity,
    Registration,
    RegistrationAgent,
    RegistrationEvent,
    parse_impu,
    websocket_contact,
)
from wic.sip.endpoint import Endpoint, EndpointOptions
from wic.sip.flow import Flow
from wic.sip.message import Request, Response
from wic.sip.parser import parse
from wic.sip.random_source import CountingSource

if TYPE_CHECKING:
    from collections.abc import Callable

    from wic.auth import Authenticator, Verdict
    from wic.sip.events import Event

FLOW = Flow("WSS", ("127.0.0.1", 40000), ("127.0.0.1", 8443), "1")
IMPI = "alice@ims.example"
USIM = Milenage(b"k" * 16, op=b"o" * 16)
Told = TypeVar("Told")
Headers = list[tuple[str, object]]


class Home(Protocol):
    """Check of credentials by a home network."""

    def judge(self, request: Request, *, now: float) -> tuple[int, Headers]:
        """Return 200 and the network's own proof, or a challenge or refusal."""

    def forget(self) -> None:
        """Forget all challenges, as after a restart."""


class PasswordHome:
    """Knows a password."""

    def __init__(self) -> None:
        self.password = "pw"
        self._random_source = CountingSource("h")
        self._restarts = 0
        self.forget()

    def forget(self) -> None:
        self._restarts += 1
        self._verifier = DigestVerifier(
            "ims.example", key=self._restarts.to_bytes(16), random_source=self._random_source
        )

    def judge(self, request: Request, *, now: float) -> tuple[int, Headers]:
        verdict = self._verifier.verify(request, self._lookup, now=now)
        if verdict.outcome is AuthOutcome.OK:
            return 200, [("Authentication-Info", verdict.authentication_info)]
        challenges = self._verifier.make_challenges(now=now, stale=verdict.stale)
        return 401, [("WWW-Authenticate", each) for each in challenges]

    def _lookup(self, username: str, algorithm: object) -> Secret | None:
        return make_ha1(algorithm, username, "ims.example", Secret(self.password))  # type: ignore[arg-type]


@dataclass
class UsimHome:
    """Knows the keys of a USIM, or believes to, and counts sequence numbers."""

    functions: Milenage = USIM
    counter: SequenceCounter = field(default_factory=SequenceCounter)
    resynchronises: bool = True
    outcomes: list[AuthOutcome] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._verifier = AkaVerifier("ims.example")
        self._user = AkaUser(IMPI)

    def forget(self) -> None:
        self._user.forget()

    def judge(self, request: Request, *, now: float) -> tuple[int, Headers]:
        verdict = self._verifier.verify(request, self._user, now=now)
        self.outcomes.append(verdict.outcome)
        if verdict.outcome is AuthOutcome.OK:
            return 200, [("Authentication-Info", verdict.authentication_info)]
        if verdict.outcome is AuthOutcome.WRONG:
            return 403, []
        if verdict.outcome is AuthOutcome.OUT_OF_SYNC and self.resynchronises:
            self._resynchronise(verdict)
        return 401, [("WWW-Authenticate", self._challenge(now, stale=verdict.stale))]

    def _challenge(self, now: float, *, stale: bool) -> object:
        algorithm = find_aka_algorithm("AKAv2-SHA-256")
        assert algorithm is not None
        self.counter = self.counter.next()
        vector = make_vector(self.functions, self.counter.sqn, DEFAULT_AMF, len(self.outcomes).to_bytes(16))
        return self._verifier.challenge(self._user, vector, algorithm, now=now, stale=stale)

    def _resynchronise(self, verdict: Verdict) -> None:
        assert verdict.auts is not None
        assert verdict.rand is not None
        self.counter = self.counter.resynchronised(verify_auts(self.functions, verdict.rand, verdict.auts))


@dataclass
class Ends(Generic[Told]):
    """A user of an endpoint that registers, a registrar that a test speaks for, and the wire between them as a list."""

    endpoint: Endpoint
    usage: Registration | RegistrationAgent
    flow: Flow = FLOW
    now: float = 0.0
    sent: list[Request] = field(default_factory=list)
    foreign: list[Event] = field(default_factory=list)

    def take(self) -> Request:
        """The one REGISTER that is on its way."""
        (transmit,) = self.endpoint.to_send()
        request = parse(transmit.data)
        assert isinstance(request, Request)
        assert transmit.flow == self.flow
        self.sent.append(request)
        return request

    def answer(
        self, status: int, *headers: tuple[str, object], reason: str | None = None, body: bytes = b""
    ) -> list[Told]:
        """Answer it, and tell what came of that."""
        return self.reply(Response.answer(self.take(), status, reason, to_tag="r", headers=headers, body=body))

    def accept(self, expires: int | None = 7200, *headers: tuple[str, object]) -> list[Told]:
        """Answer with a 200 that lists the contact that was sent."""
        return self.grant(self.take(), expires, *headers)

    def grant(self, request: Request, expires: int | None = 7200, *headers: tuple[str, object]) -> list[Told]:
        """Answer a REGISTER that was taken before with such a 200."""
        return self.reply(granted(request, expires, *headers))

    def reply(self, response: Response) -> list[Told]:
        """Let a response arrive, and tell what came of it."""
        self.endpoint.receive(response.to_bytes(), self.flow, now=self.now)
        return self.drain()

    def cut(self) -> list[Told]:
        """Lose the connection."""
        self.endpoint.flow_closed(self.flow, "reset by peer", now=self.now)
        return self.drain()

    def drain(self) -> list[Told]:
        """Hand over the endpoint's events and take what is told."""
        while (event := self.endpoint.next_event()) is not None:
            if not self.usage.handle(event, now=self.now):
                self.foreign.append(event)
        return self.told()

    def told(self) -> list[Told]:
        """Return, once, what was told."""
        raise NotImplementedError

    def wait(self) -> None:
        """Let time pass until there is something to do."""
        deadline = self.usage.next_timeout()
        assert deadline is not None
        self.now = deadline
        self.usage.handle_timeout(now=self.now)


def granted(request: Request, expires: int | None, *headers: tuple[str, object]) -> Response:
    """Write a 200 that lists the contact of the request."""
    contact = f"{request.contacts[0]}" + ("" if expires is None else f";expires={expires}")
    return Response.answer(request, 200, to_tag="r", headers=[("Contact", contact), *headers])


@dataclass
class World(Ends[RegistrationEvent]):
    """One registration."""

    home: Home = field(default_factory=PasswordHome)

    def told(self) -> list[RegistrationEvent]:
        return list(iter(self.registration.next_event, None))

    @property
    def registration(self) -> Registration:
        assert isinstance(self.usage, Registration)
        return self.usage

    def reconnect(self) -> None:
        """Register over another connection."""
        old = self.flow
        self.flow = Flow(old.transport, old.local, old.remote, str(int(old.id) + 1))
        self.registration.register(now=self.now, flow=self.flow)

    def check(self) -> list[RegistrationEvent]:
        """Do what a registrar does: check the credentials, challenge or accept."""
        request = self.take()
        status, headers = self.home.judge(request, now=self.now)
        if status == 200:
            return self.reply(granted(request, 7200, *headers))
        return self.reply(Response.answer(request, status, to_tag="r", headers=headers))

    def settle(self) -> list[RegistrationEvent]:
        """Let both sides talk until the registration has something to tell."""
        for _ in range(8):
            if told := self.check():
                return told
        raise AssertionError("it does not end")


@dataclass
class Household(Ends[AgentEvent]):
    """All registrations of a user, over one flow."""

    heard: list[AgentEvent] = field(default_factory=list)

    def told(self) -> list[AgentEvent]:
        told = self.heard.copy()
        self.heard.clear()
        return told

    @property
    def agent(self) -> RegistrationAgent:
        assert isinstance(self.usage, RegistrationAgent)
        return self.usage


@pytest.fixture
def identity() -> Identity:
    return Identity(
        impu=parse_impu("sip:alice@ims.example"),
        domain="ims.example",
        instance="urn:uuid:0c67446e-f1a1-11d9-94d3-000a95a0e128",
        contact=websocket_contact("alice", "x7k2.invalid"),
    )


@pytest.fixture
def make_endpoint() -> Callable[[], Endpoint]:
    """Make the endpoint of a WIC."""
    options = EndpointOptions(via={"WSS": "x7k2.invalid"})
    return lambda: Endpoint(random_source=CountingSource(), options=options)


@pytest.fixture
def make_world(identity: Identity, make_endpoint: Callable[[], Endpoint]) -> Callable[..., World]:
    def make(credentials: Authenticator | None = None, home: Home | None = None, **options: object) -> World:
        endpoint = make_endpoint()
        credentials = credentials or DigestClient(
            DigestCredentials(username=IMPI, secret=Secret("pw")), random_source=endpoint.random_source
        )
        registration = Registration(endpoint, identity=identity, flow=FLOW, credentials=credentials, **options)  # type: ignore[arg-type]
        return World(endpoint, registration, home=home or PasswordHome())

    return make


@pytest.fixture
def world(make_world: Callable[..., World]) -> World:
    return make_world()


@pytest.fixture
def registered(world: World) -> World:
    """A registration that has a binding for two hours."""
    world.registration.register(now=0)
    world.accept()
    return world


@pytest.fixture
def make_household(identity: Identity, make_endpoint: Callable[[], Endpoint]) -> Callable[..., Household]:
    def make(**options: object) -> Household:
        endpoint = make_endpoint()
        secret = DigestCredentials(username=IMPI, secret=Secret("pw"))
        heard: list[AgentEvent] = []
        agent = RegistrationAgent(
            endpoint,
            identity=identity,
            listener=heard.append,
            **{  # type: ignore[arg-type]
                "credentials": DigestClient(secret, random_source=endpoint.random_source),
                "make_backoff": lambda: Backoff(lambda: 0.5),
            }
            | options,
        )
        return Household(endpoint, agent, heard=heard)

    return make


@pytest.fixture
def household(make_household: Callable[..., Household]) -> Household:
    return make_household()


@pytest.fixture
def usim_home() -> type[UsimHome]:
    """The home network of a USIM, right or wrong about its keys and numbers."""
    return UsimHome


@pytest.fixture
def password_home() -> type[PasswordHome]:
    return PasswordHome
