"""A registration with a USIM, and an S-CSCF with an HSS: two machines, no network, virtual time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from wic.auth import AkaClient, AuthOutcome, Milenage, SequenceArray, SequenceCounter, SoftUsim, UsimState
from wic.errors import NetworkNotTrusted, SequenceOutOfRange, UsimFailed
from wic.registration import Backoff, BindingSuspended, Refreshed, Registered, RegisterFailed
from wic.sip.message import Response
from wic.sip.random_source import CountingSource

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import UsimHome, World

    from wic.registration import RegistrationEvent

    MakeWorld = Callable[..., tuple[World, UsimHome]]

K, OP = b"k" * 16, b"o" * 16
STRANGER = Milenage(b"x" * 16, op=OP)


@pytest.fixture
def make_usim_world(make_world: Callable[..., World], usim_home: type[UsimHome]) -> MakeWorld:
    """Make a WIC that registers, and its home network; options say what the latter is wrong about."""

    def make(sequence: SequenceArray | None = None, **options: object) -> tuple[World, UsimHome]:
        usim = SoftUsim(Milenage(K, op=OP), state=UsimState(sequence or SequenceArray()))
        home = usim_home(**options)  # type: ignore[arg-type]
        credentials = AkaClient("alice@ims.example", usim, random_source=CountingSource("c"))
        world = make_world(credentials, home, backoff=Backoff(lambda: 0.5))
        world.registration.register(now=0)
        return world, home

    return make


def refresh(world: World) -> list[RegistrationEvent]:
    """Let time pass until a refresh is due."""
    world.wait()
    return world.settle()


def sent(world: World, name: str) -> list[str | None]:
    return [request.auth("Authorization")[0].params.get(name) for request in world.sent]


def test_the_messages(make_usim_world: MakeWorld) -> None:
    """TS 24.371 §6.2.1.3, TS 24.229 §5.1.1.2.2 and §5.1.1.5.1."""
    world, _ = make_usim_world()
    assert [type(event) for event in world.settle()] == [Registered]
    first, second = world.sent
    assert first.headers.get("Authorization") == (
        'Digest username="alice@ims.example", realm="ims.example", nonce="", uri="sip:ims.example", response="",'
        " algorithm=AKAv2-SHA-256"
    )
    assert second.call_id == first.call_id
    assert second.cseq.number == first.cseq.number + 1
    assert sent(world, "uri")[1] == "sip:ims.example"
    assert sent(world, "algorithm")[1] == "AKAv2-SHA-256"
    assert sent(world, "nc")[1] == "00000001"
    for request in world.sent:
        for name in ("Security-Client", "Security-Verify", "Require", "Proxy-Require"):
            assert name not in request.headers


def test_refreshes_use_the_vector_again_until_a_new_one_is_wanted(
    make_usim_world: MakeWorld,
) -> None:
    world, home = make_usim_world()
    world.settle()
    refresh(world)
    home.forget()
    assert [type(event) for event in refresh(world)] == [Refreshed]
    assert sent(world, "nc") == [None, "00000001", "00000002", "00000003", "00000001"]
    assert len({request.call_id for request in world.sent}) == 1
    assert [request.cseq.number for request in world.sent] == [1, 2, 3, 4, 5]


def test_a_wrong_mac_a_wrong_sequence_number_and_a_right_challenge(
    make_usim_world: MakeWorld,
) -> None:
    """Two invalid challenges are survived in one series: same Call-ID, rising CSeq (TS 24.229 §5.1.1.5.3)."""
    ahead = SequenceArray().accepted(2**20 + 2)  # IND 2, which the second challenge has
    world, home = make_usim_world(ahead, functions=STRANGER)
    assert world.check() == []
    home.functions = Milenage(K, op=OP)
    (event,) = world.settle()
    assert isinstance(event, Registered)
    assert home.outcomes == [AuthOutcome.MISSING, AuthOutcome.MAC_FAILURE, AuthOutcome.OUT_OF_SYNC, AuthOutcome.OK]
    assert sent(world, "response")[:2] == ["", ""]
    assert [auts is not None for auts in sent(world, "auts")] == [False, False, True, False]
    assert len({request.call_id for request in world.sent}) == 1
    assert [request.cseq.number for request in world.sent] == [1, 2, 3, 4]


def test_the_third_invalid_challenge_ends_it(make_usim_world: MakeWorld) -> None:
    world, _ = make_usim_world(functions=Milenage(K, opc=OP))
    (failed,) = world.settle()
    assert isinstance(failed, RegisterFailed)
    assert isinstance(failed.error, NetworkNotTrusted)
    assert "the value given as OP is the OPc" in str(failed.error)
    assert failed.retry_after is None
    assert sent(world, "response") == ["", "", ""]
    assert sent(world, "auts") == [None, None, None]


def test_a_usim_that_is_away_for_a_while_is_asked_again(
    make_usim_world: MakeWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object) -> None:
        raise UsimFailed("the USIM did not answer")

    world, home = make_usim_world()
    world.settle()
    home.forget()
    with monkeypatch.context() as patched:
        patched.setattr(SoftUsim, "authenticate", away)
        (suspended,) = refresh(world)
    assert isinstance(suspended, BindingSuspended)
    assert isinstance(suspended.error, UsimFailed)
    assert suspended.retry_after is not None
    assert [type(event) for event in refresh(world)] == [Refreshed]


def test_a_network_out_of_sequence_is_resynchronised(make_usim_world: MakeWorld) -> None:
    world, home = make_usim_world(counter=SequenceCounter(2**45))
    assert [type(event) for event in world.settle()] == [Registered]
    assert home.outcomes == [AuthOutcome.MISSING, AuthOutcome.OUT_OF_SYNC, AuthOutcome.OK]


def test_a_network_that_does_not_resynchronise_is_given_up(
    make_usim_world: MakeWorld,
) -> None:
    world, _ = make_usim_world(counter=SequenceCounter(2**45), resynchronises=False)
    (failed,) = world.settle()
    assert isinstance(failed, RegisterFailed)
    assert isinstance(failed.error, SequenceOutOfRange)


def test_a_403_after_a_refusal_by_the_usim_says_why(make_usim_world: MakeWorld) -> None:
    """Networks seldom challenge a USIM again that has found a wrong MAC."""
    world, _ = make_usim_world(functions=Milenage(OP, op=K))
    assert world.check() == []
    (failed,) = world.reply(Response.answer(world.take(), 403, to_tag="r"))
    assert isinstance(failed, RegisterFailed)
    assert "the values of K and OP are exchanged" in str(failed.error)


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(st.sampled_from(["refresh", "restart", "set back", "far ahead"]), max_size=20))
def test_the_registration_survives_any_restart_of_the_network(make_usim_world: MakeWorld, story: list[str]) -> None:
    world, home = make_usim_world()
    assert isinstance(world.settle()[-1], Registered)
    for chapter in story:
        if chapter != "refresh":
            home.forget()
        if chapter == "set back":
            home.counter = SequenceCounter()
        if chapter == "far ahead":
            home.counter = SequenceCounter(home.counter.sqn + 2**40)
        assert isinstance(refresh(world)[-1], Refreshed), chapter
    assert AuthOutcome.WRONG not in home.outcomes
