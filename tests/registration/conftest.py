"""A registration over an endpoint, and a registrar whose answers a test chooses."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from wic.auth import DigestClient, DigestCredentials, DigestVerifier, Outcome, Secret, make_ha1
from wic.registration import Identity, Registration, RegistrationEvent, parse_impu, websocket_contact
from wic.sip.endpoint import Endpoint, EndpointOptions
from wic.sip.flow import Flow
from wic.sip.message import Request, Response
from wic.sip.parser import parse
from wic.sip.tokens import CountingTokens

if TYPE_CHECKING:
    from collections.abc import Callable

    from wic.auth import Authenticator
    from wic.sip.events import Event

FLOW = Flow("WSS", ("127.0.0.1", 40000), ("127.0.0.1", 8443), "1")


@dataclass
class World:
    """Both ends, and the wire between them as a list."""

    endpoint: Endpoint
    registration: Registration
    verifier: DigestVerifier
    password: str = "pw"
    now: float = 0.0
    sent: list[Request] = field(default_factory=list)
    foreign: list[Event] = field(default_factory=list)

    def take(self) -> Request:
        """The one REGISTER that is on its way."""
        (transmit,) = self.endpoint.to_send()
        request = parse(transmit.data)
        assert isinstance(request, Request)
        self.sent.append(request)
        return request

    def answer(
        self, status: int, *headers: tuple[str, object], reason: str | None = None, body: bytes = b""
    ) -> list[RegistrationEvent]:
        """Answer it, and tell what the registration made of that."""
        return self.reply(Response.answer(self.take(), status, reason, to_tag="r", headers=headers, body=body))

    def accept(self, expires: int | None = 7200, *headers: tuple[str, object]) -> list[RegistrationEvent]:
        """Answer with a 200 that lists the contact that was sent."""
        request = self.take()
        contact = f"{request.contacts[0]}" + ("" if expires is None else f";expires={expires}")
        return self.reply(Response.answer(request, 200, to_tag="r", headers=[("Contact", contact), *headers]))

    def reply(self, response: Response) -> list[RegistrationEvent]:
        """Let a response arrive, and tell what the registration made of it."""
        self.endpoint.receive(response.to_bytes(), self.registration.flow, now=self.now)
        return self.drain()

    def cut(self) -> list[RegistrationEvent]:
        """Lose the connection."""
        self.endpoint.flow_closed(self.registration.flow, "reset by peer", now=self.now)
        return self.drain()

    def reconnect(self) -> None:
        """Register over another connection."""
        old = self.registration.flow
        flow = Flow(old.transport, old.local, old.remote, str(int(old.id) + 1))
        self.registration.register(now=self.now, flow=flow)

    def check(self) -> list[RegistrationEvent]:
        """Do what a registrar does: check the credentials, challenge or accept."""
        request = self.take()
        verdict = self.verifier.verify(request, self._lookup, now=self.now)
        if verdict.outcome is Outcome.OK:
            response = Response.answer(
                request, 200, to_tag="r", headers=[("Contact", f"{request.contacts[0]};expires=7200")]
            )
            if verdict.authentication_info:
                response.headers.add("Authentication-Info", verdict.authentication_info)
        else:
            challenges = self.verifier.make_challenges(now=self.now, stale=verdict.stale)
            response = Response.answer(
                request, 401, to_tag="r", headers=[("WWW-Authenticate", each) for each in challenges]
            )
        return self.reply(response)

    def _lookup(self, username: str, algorithm: object) -> Secret | None:
        return make_ha1(algorithm, username, "ims.example", Secret(self.password))  # type: ignore[arg-type]

    def drain(self) -> list[RegistrationEvent]:
        """Hand over the endpoint's events and take the registration's."""
        while (event := self.endpoint.next_event()) is not None:
            if not self.registration.handle(event, now=self.now):
                self.foreign.append(event)
        events = []
        while (told := self.registration.next_event()) is not None:
            events.append(told)
        return events

    def wait(self) -> None:
        """Let time pass until the registration has something to do."""
        deadline = self.registration.next_timeout()
        assert deadline is not None
        self.now = deadline
        self.registration.handle_timeout(now=self.now)


@pytest.fixture
def identity() -> Identity:
    return Identity(
        impu=parse_impu("sip:alice@ims.example"),
        domain="ims.example",
        instance="urn:uuid:0c67446e-f1a1-11d9-94d3-000a95a0e128",
        contact=websocket_contact("alice", "x7k2.invalid"),
    )


@pytest.fixture
def make_world(identity: Identity) -> Callable[..., World]:
    def make(credentials: Authenticator | None = None, **options: object) -> World:
        tokens = CountingTokens()
        endpoint = Endpoint(tokens=tokens, options=EndpointOptions(via={"WSS": ("x7k2.invalid", None)}))
        credentials = credentials or DigestClient(
            DigestCredentials(username="alice@ims.example", secret=Secret("pw")), tokens=tokens
        )
        registration = Registration(endpoint, identity=identity, flow=FLOW, credentials=credentials, **options)  # type: ignore[arg-type]
        return World(endpoint, registration, DigestVerifier("ims.example", key=b"k" * 16, tokens=tokens))

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
