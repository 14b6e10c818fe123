"""A registration with a USIM, and an S-CSCF with an HSS: two machines, no network, virtual time."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from wic.auth import (
    AKA_ALGORITHMS,
    AkaClient,
    AkaUser,
    AkaVerifier,
    Milenage,
    Outcome,
    SequenceCounter,
    SoftUsim,
    Verdict,
    make_vector,
    verify_auts,
)
from wic.auth.aka import DEFAULT_AMF
from wic.errors import NetworkNotTrusted, SequenceOutOfRange
from wic.registration import BindingCreated, BindingRefreshed, RegisterFailed, Registration, RegistrationEvent
from wic.sip.endpoint import Endpoint, EndpointOptions
from wic.sip.flow import Flow
from wic.sip.message import Request, Response
from wic.sip.parser import parse
from wic.sip.tokens import CountingTokens

if TYPE_CHECKING:
    from wic.registration import Identity

FLOW = Flow("WSS", ("127.0.0.1", 40000), ("127.0.0.1", 8443), "1")
K, OP = b"k" * 16, b"o" * 16
RIGHT = Milenage(K, op=OP)
ALGORITHM = AKA_ALGORITHMS[1]


@dataclass
class AkaNetwork:
    """Answers REGISTERs as an S-CSCF does."""

    functions: Milenage = RIGHT
    counter: SequenceCounter = field(default_factory=SequenceCounter)
    resynchronises: bool = True
    outcomes: list[Outcome] = field(default_factory=list)
    verifier: AkaVerifier = field(default_factory=lambda: AkaVerifier("ims.example"))
    user: AkaUser = field(default_factory=lambda: AkaUser("alice@ims.example"))

    def answer(self, request: Request, now: float) -> Response:
        verdict = self.verifier.verify(request, self.user, now=now)
        self.outcomes.append(verdict.outcome)
        if verdict.outcome is Outcome.OK:
            contact = f"{request.contacts[0]};expires=7200"
            assert verdict.authentication_info is not None
            headers = [("Contact", contact), ("Authentication-Info", verdict.authentication_info)]
            return Response.answer(request, 200, to_tag="r", headers=headers)
        if verdict.outcome is Outcome.WRONG:
            return Response.answer(request, 403, to_tag="r")
        if verdict.outcome is Outcome.OUT_OF_SYNC and self.resynchronises:
            self.resynchronise(verdict)
        self.counter = self.counter.next()
        vector = make_vector(self.functions, self.counter.sqn, DEFAULT_AMF, len(self.outcomes).to_bytes(16))
        value = self.verifier.challenge(self.user, vector, ALGORITHM, now=now, stale=verdict.stale, keys=False)
        return Response.answer(request, 401, to_tag="r", headers=[("WWW-Authenticate", value)])

    def resynchronise(self, verdict: Verdict) -> None:
        assert verdict.auts is not None
        assert verdict.rand is not None
        self.counter = self.counter.resynchronised(verify_auts(self.functions, verdict.rand, verdict.auts))


class AkaWorld:
    """Both ends, and the wire between them as a list."""

    def __init__(self, identity: Identity, network: AkaNetwork) -> None:
        tokens = CountingTokens()
        self.network = network
        self.endpoint = Endpoint(tokens=tokens, options=EndpointOptions(via={"WSS": ("x7k2.invalid", None)}))
        credentials = AkaClient("alice@ims.example", SoftUsim(RIGHT), tokens=tokens)
        self.registration = Registration(self.endpoint, identity=identity, flow=FLOW, credentials=credentials)
        self.now = 0.0
        self.sent: list[Request] = []

    def take(self) -> Request:
        """The one REGISTER that is on its way."""
        (transmit,) = self.endpoint.to_send()
        request = parse(transmit.data)
        assert isinstance(request, Request)
        self.sent.append(request)
        return request

    def reply(self, response: Response) -> list[RegistrationEvent]:
        """Let a response arrive, and tell what the registration made of it."""
        self.endpoint.receive(response.to_bytes(), FLOW, now=self.now)
        while (event := self.endpoint.next_event()) is not None:
            self.registration.handle(event, now=self.now)
        told = []
        while (news := self.registration.next_event()) is not None:
            told.append(news)
        return told

    def settle(self) -> list[RegistrationEvent]:
        """Let both sides talk until the registration has something to tell."""
        for _ in range(8):
            if told := self.reply(self.network.answer(self.take(), self.now)):
                return told
        raise AssertionError("it does not end")

    def register(self) -> list[RegistrationEvent]:
        self.registration.register(now=self.now)
        return self.settle()

    def refresh(self) -> list[RegistrationEvent]:
        """Let time pass until a refresh is due."""
        deadline = self.registration.next_timeout()
        assert deadline is not None
        self.now = deadline
        self.registration.handle_timeout(now=self.now)
        return self.settle()


def test_the_messages(identity: Identity) -> None:
    """TS 24.371 §6.2.1.3, TS 24.229 §5.1.1.2.2 and §5.1.1.5.1."""
    world = AkaWorld(identity, AkaNetwork())
    assert [type(event) for event in world.register()] == [BindingCreated]
    first, second = world.sent
    assert first.headers.get("Authorization") == (
        'Digest username="alice@ims.example", realm="ims.example", nonce="", uri="sip:ims.example", response="",'
        " algorithm=AKAv2-SHA-256"
    )
    assert second.call_id == first.call_id
    assert second.cseq.number == first.cseq.number + 1
    params = second.auth("Authorization")[0].params
    assert (params.get("uri"), params.get("algorithm"), params.get("nc")) == (
        "sip:ims.example",
        "AKAv2-SHA-256",
        "00000001",
    )
    for request in world.sent:
        for name in ("Security-Client", "Security-Verify", "Require", "Proxy-Require"):
            assert name not in request.headers


def test_refreshes_use_the_vector_again_until_a_new_one_is_wanted(identity: Identity) -> None:
    world = AkaWorld(identity, AkaNetwork())
    world.register()
    world.refresh()
    world.network.user.forget()
    assert [type(event) for event in world.refresh()] == [BindingRefreshed]
    counts = [request.auth("Authorization")[0].params.get("nc") for request in world.sent]
    assert counts == [None, "00000001", "00000002", "00000003", "00000001"]
    assert len({request.call_id for request in world.sent}) == 1


def test_two_invalid_challenges_are_survived_and_the_third_ends_it(identity: Identity) -> None:
    world = AkaWorld(identity, AkaNetwork(functions=Milenage(K, opc=OP)))
    (failed,) = world.register()
    assert isinstance(failed, RegisterFailed)
    assert isinstance(failed.error, NetworkNotTrusted)
    assert "the value given as OP is the OPc" in str(failed.error)
    sent = [request.auth("Authorization")[0].params for request in world.sent]
    assert [params.get("response") for params in sent] == ["", "", ""]
    assert not any("auts" in params for params in sent)


def test_a_network_out_of_sequence_is_resynchronised_or_given_up(identity: Identity) -> None:
    world = AkaWorld(identity, AkaNetwork(counter=SequenceCounter(2**45)))
    assert [type(event) for event in world.register()] == [BindingCreated]
    assert world.network.outcomes == [Outcome.MISSING, Outcome.OUT_OF_SYNC, Outcome.OK]
    world = AkaWorld(identity, AkaNetwork(counter=SequenceCounter(2**45), resynchronises=False))
    (failed,) = world.register()
    assert isinstance(failed, RegisterFailed)
    assert isinstance(failed.error, SequenceOutOfRange)


def test_a_403_to_what_the_usim_refused_says_why(identity: Identity) -> None:
    """Networks seldom challenge a USIM again that has found a wrong MAC."""
    world = AkaWorld(identity, AkaNetwork(functions=Milenage(OP, op=K)))
    world.registration.register(now=0)
    assert world.reply(world.network.answer(world.take(), 0)) == []
    (failed,) = world.reply(Response.answer(world.take(), 403, to_tag="r"))
    assert isinstance(failed, RegisterFailed)
    assert "the values of K and OP are exchanged" in str(failed.error)


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(st.sampled_from(["refresh", "restart", "set back", "far ahead"]), max_size=20))
def test_whatever_happens_to_the_network_the_registration_lives(identity: Identity, story: list[str]) -> None:
    world = AkaWorld(identity, AkaNetwork())
    assert isinstance(world.register()[-1], BindingCreated)
    for chapter in story:
        if chapter != "refresh":
            world.network.user.forget()
        if chapter == "set back":
            world.network.counter = SequenceCounter()
        if chapter == "far ahead":
            world.network.counter = SequenceCounter(world.network.counter.sqn + 2**40)
        assert isinstance(world.refresh()[-1], BindingRefreshed), chapter
    assert Outcome.WRONG not in world.network.outcomes
