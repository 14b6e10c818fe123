"""Registrations that the network ends or shortens (TS 24.229 §5.1.1.5A, §5.1.1.7)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from wic.registration import Backoff, BindingLost, Deregistered, Refreshed, Registered, RegistrationState, parse_impu
from wic.sip.message import Response

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import World

State = RegistrationState
ALICE = parse_impu("sip:alice@ims.example")


def test_deactivated_registers_anew_with_a_new_call_id(registered: World) -> None:
    registered.registration.lose("deactivated", now=5, again_after=0)
    (event,) = registered.drain()
    assert isinstance(event, BindingLost)
    assert event.retry_after == 0
    assert str(event.error) == "the network ended the registration of sip:alice@ims.example: deactivated"
    registered.wait()
    assert registered.now == 5
    (event,) = registered.accept()
    assert isinstance(event, Registered)
    first, second = registered.sent
    assert first.call_id != second.call_id


def test_a_registration_begun_anew_begins_without_a_proof(world: World) -> None:
    """TS 24.229 §5.1.1.2.3: nonce and response are empty in an initial registration."""
    world.registration.register(now=0)
    world.check()
    world.check()
    world.registration.lose("deactivated", now=world.now, again_after=0)
    world.wait()
    world.take()
    empty = 'nonce="", uri="sip:ims.example", response=""'
    assert [empty in (each.headers.get("Authorization") or "") for each in world.sent] == [True, False, True]


def test_rejected_is_the_end(registered: World) -> None:
    registered.registration.lose("rejected", now=5)
    (event,) = registered.drain()
    assert isinstance(event, BindingLost)
    assert event.retry_after is None
    assert registered.registration.state is State.UNREGISTERED
    assert registered.registration.next_timeout() is None


@pytest.mark.parametrize(("retry_after", "wait"), [(60.0, 60.0), (10.0**9, 1800.0)])
def test_probation_waits(retry_after: float, wait: float, registered: World) -> None:
    registered.registration.lose("probation", now=5, again_after=retry_after)
    (event,) = registered.drain()
    assert isinstance(event, BindingLost)
    assert event.retry_after == wait
    assert registered.registration.retry_at == 5 + wait


def test_a_registration_that_is_ended_while_a_register_is_on_its_way(registered: World) -> None:
    registered.wait()
    registered.registration.lose("deactivated", now=registered.now, again_after=0)
    (event,) = registered.drain()
    assert isinstance(event, BindingLost)
    assert event.retry_after == 0
    (event,) = registered.accept()
    assert isinstance(event, Registered)
    assert len(registered.sent) == 2


def test_a_registration_that_is_ended_for_good_while_a_register_is_on_its_way(registered: World) -> None:
    """The binding of that REGISTER is not kept: the user must not come back by itself (TS 24.229 §5.1.1.7)."""
    registered.wait()
    registered.registration.lose("rejected", now=registered.now)
    (event,) = registered.drain()
    assert isinstance(event, BindingLost)
    assert event.retry_after is None
    registered.accept()
    assert registered.take().expires == 0
    registered.reply(Response.answer(registered.sent[-1], 200, to_tag="r"))
    assert registered.registration.ended
    assert registered.registration.next_timeout() is None


def test_a_refusal_after_the_network_has_ended_the_registration(registered: World) -> None:
    registered.wait()
    registered.registration.lose("rejected", now=registered.now)
    registered.drain()
    registered.answer(403)
    assert registered.registration.ended


def test_a_registration_that_is_ended_while_it_is_removed(registered: World) -> None:
    registered.registration.deregister(now=5)
    registered.registration.lose("unregistered", now=5)
    assert registered.drain() == []
    assert registered.answer(200) == [Deregistered(ALICE)]


def test_a_registration_without_a_binding_cannot_be_lost(world: World) -> None:
    world.registration.lose("deactivated", now=0, again_after=0)
    assert world.drain() == []


def test_a_shortened_registration_is_renewed_at_half(registered: World) -> None:
    registered.registration.reauthenticate(600, now=100)
    binding = registered.registration.binding
    assert binding is not None
    assert (binding.expires, binding.expires_at) == (600, 700)
    assert registered.registration.next_timeout() == 400
    registered.wait()
    (event,) = registered.accept()
    assert isinstance(event, Refreshed)


def test_a_refresh_that_is_due_sooner_stays_so(registered: World) -> None:
    registered.registration.reauthenticate(600, now=6500)
    assert registered.registration.next_timeout() == 6600


@pytest.mark.parametrize("expires", [7200.0, 10.0**9])
def test_a_registration_is_not_lengthened(expires: float, registered: World) -> None:
    registered.registration.reauthenticate(expires, now=0)
    assert registered.registration.next_timeout() == 6600


def test_a_suspended_registration_is_shortened_without_a_register(registered: World) -> None:
    registered.cut()
    registered.registration.reauthenticate(600, now=100)
    assert registered.registration.next_timeout() == 700


def test_a_registration_without_a_binding_cannot_be_shortened(world: World) -> None:
    world.registration.reauthenticate(600, now=0)
    assert world.registration.next_timeout() is None


def test_registrations_that_are_ended_one_after_the_other_become_rare(make_world: Callable[..., World]) -> None:
    """A network that deactivates every binding at once must not make a flood of REGISTERs; one that lasted forgives."""
    world = make_world(backoff=Backoff(lambda: 0.5))
    world.registration.register(now=0)
    world.accept()
    waits = []
    for lasted in (1.0, 1.0, 1.0, 1.0, 121.0, 1.0):
        world.now += lasted
        world.registration.lose("deactivated", now=world.now, again_after=0)
        waits.append(world.registration.retry_at - world.now)
        world.wait()
        world.accept()
    assert waits == [0, 90, 180, 360, 0, 90]
