"""What becomes of a binding when its flow is lost, or cannot be renewed for now."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from wic.errors import RegistrationFailed
from wic.registration import (
    Backoff,
    BindingLost,
    BindingSuspended,
    Deregistered,
    Refreshed,
    Registered,
    RegisterFailed,
    RegistrationState,
    parse_impu,
)
from wic.registration.recovery import Remedy

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import World

State = RegistrationState
ALICE = parse_impu("sip:alice@ims.example")


@pytest.fixture
def patient(make_world: Callable[..., World]) -> World:
    """A registration that tries again by itself and has a binding for two hours."""
    world = make_world(backoff=Backoff(lambda: 0.5))
    world.registration.register(now=0)
    world.accept()
    return world


def test_a_binding_is_taken_over_to_a_new_flow(registered: World) -> None:
    """RFC 5626 §4.3: the same instance and reg-id replace the flow; RFC 3261 §10.2: one Call-ID."""
    registered.now = 100.0
    (event,) = registered.cut()
    assert isinstance(event, BindingSuspended)
    assert str(event.error) == "the connection was lost: reset by peer"
    assert event.binding is registered.registration.binding
    assert (event.retry_after, event.recovery.remedy) == (None, Remedy.RECONNECT)
    assert (registered.registration.state, registered.registration.retry_at) == (State.SUSPENDED, None)
    assert len(registered.foreign) == 1  # others want to know of it as well
    registered.reconnect()
    assert registered.registration.state is State.REFRESHING
    (event,) = registered.accept()
    assert isinstance(event, Refreshed)
    assert registered.registration.flow.id == "2"
    first, second = registered.sent
    assert (first.call_id, first.cseq.number) == (second.call_id, second.cseq.number - 1)
    assert first.headers.get("Contact") == second.headers.get("Contact")


def test_a_flow_that_is_lost_during_a_refresh(registered: World) -> None:
    registered.wait()
    registered.take()
    (event,) = registered.cut()
    assert isinstance(event, BindingSuspended)
    registered.reconnect()
    (event,) = registered.accept()
    assert isinstance(event, Refreshed)


def test_a_binding_that_is_not_taken_over_expires(registered: World) -> None:
    registered.cut()
    registered.wait()
    (event,) = registered.drain()
    assert isinstance(event, BindingLost)
    assert (registered.now, str(event.error)) == (7200, "the registration of sip:alice@ims.example expired")
    assert event.retry_after is None
    assert registered.registration.state is State.UNREGISTERED
    assert registered.registration.next_timeout() is None


def test_reconnecting_too_late_is_an_initial_registration(registered: World) -> None:
    registered.cut()
    registered.now = 8000.0
    registered.reconnect()
    (lost, created) = registered.accept()
    assert isinstance(lost, BindingLost)
    assert isinstance(created, Registered)
    first, second = registered.sent
    assert first.call_id != second.call_id


def test_deregistration_without_a_flow_says_so(registered: World) -> None:
    registered.cut()
    registered.registration.deregister(now=1)
    (event,) = registered.drain()
    assert isinstance(event, Deregistered)
    assert str(event.error) == "the connection was lost: reset by peer"


def test_a_lost_flow_does_not_shorten_a_wait(patient: World) -> None:
    patient.wait()
    (event,) = patient.answer(503, ("Retry-After", 300))
    assert isinstance(event, BindingSuspended)
    assert (event.retry_after, event.recovery.remedy) == (300, Remedy.RETRY)
    assert patient.registration.retry_at == patient.now + 300
    assert patient.cut() == []
    assert patient.registration.retry_at == patient.now + 300
    patient.wait()
    (event,) = patient.drain()
    assert isinstance(event, BindingSuspended)
    assert event.retry_after is None


def test_a_flow_that_is_lost_while_waiting_unregistered(make_world: Callable[..., World]) -> None:
    world = make_world()
    world.registration.register(now=0)
    world.answer(503, ("Retry-After", 30))
    assert world.cut() == []
    world.wait()
    (event,) = world.drain()
    assert isinstance(event, RegisterFailed)
    assert str(event.error) == "the connection was lost: reset by peer"
    assert (event.retry_after, world.registration.state) == (None, State.UNREGISTERED)


def test_a_refresh_that_fails_for_now_is_tried_again_while_the_binding_lasts(patient: World) -> None:
    patient.wait()
    assert patient.answer(500) == []  # an initial registration follows at once
    events = []
    for _ in range(3):
        events += patient.answer(500)
        patient.wait()
    assert [event.retry_after for event in events if isinstance(event, BindingSuspended)] == [5, 90, 180]
    (event,) = patient.accept()
    assert isinstance(event, Refreshed)


def test_a_binding_that_is_never_renewed_is_lost_in_time_and_tried_for_on(patient: World) -> None:
    patient.wait()
    events = []
    while patient.now < 9000:
        events += patient.drain()
        if patient.registration.state.pending:
            events += patient.answer(500)
        else:
            patient.wait()
    lost = [event for event in events if isinstance(event, BindingLost)]
    (event,) = lost
    assert event.retry_after is not None
    assert isinstance(events[-1], RegisterFailed)
    assert len(patient.sent) < 12


def test_without_a_backoff_others_have_to_care(registered: World) -> None:
    registered.wait()
    registered.answer(500)
    (event,) = registered.answer(500)
    assert isinstance(event, BindingSuspended)
    assert event.retry_after is None
    registered.registration.register(now=registered.now)
    (event,) = registered.accept()
    assert isinstance(event, Refreshed)


def test_deregistration_while_a_refresh_waits(patient: World) -> None:
    patient.wait()
    patient.answer(503, ("Retry-After", 300))
    patient.registration.deregister(now=patient.now)
    assert patient.answer(200) == [Deregistered(ALICE)]


def test_a_clock_that_jumps_makes_one_register(registered: World) -> None:
    """The machine slept for a week: one initial registration, at once."""
    registered.now = 7 * 86_400.0
    registered.registration.handle_timeout(now=registered.now)
    registered.registration.handle_timeout(now=registered.now)
    (event,) = registered.drain()
    assert isinstance(event, BindingLost)
    assert event.retry_after == 0.0
    (event,) = registered.accept()
    assert isinstance(event, Registered)
    first, second = registered.sent
    assert first.call_id != second.call_id


def test_a_clock_that_jumps_within_the_binding_refreshes_at_once(registered: World) -> None:
    registered.now = 7199.0
    registered.registration.handle_timeout(now=registered.now)
    (event,) = registered.accept()
    assert isinstance(event, Refreshed)
    assert len(registered.sent) == 2


def test_a_binding_that_expires_while_its_refresh_is_on_its_way(registered: World) -> None:
    registered.wait()
    assert registered.registration.next_timeout() == 7200
    registered.wait()
    (event,) = registered.drain()
    assert isinstance(event, BindingLost)
    assert event.retry_after == 0.0
    assert registered.registration.state is State.REGISTERING
    (event,) = registered.accept()
    assert isinstance(event, Registered)


def test_a_binding_that_expires_while_it_is_removed(registered: World) -> None:
    registered.registration.deregister(now=0)
    registered.wait()
    assert registered.drain() == []
    assert registered.answer(200) == [Deregistered(ALICE)]


def test_the_connection_is_lost_while_the_binding_is_removed(registered: World) -> None:
    registered.registration.deregister(now=0)
    registered.take()
    (event,) = registered.cut()
    assert isinstance(event, Deregistered)
    assert isinstance(event.error, RegistrationFailed)
