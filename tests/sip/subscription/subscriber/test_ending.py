"""How a subscription ends: by the notifier, by its owner, and what follows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from wic.sip.dialog import Dialog
from wic.sip.message import Response
from wic.sip.subscription.events import NotifyReceived, SubscriptionEnded
from wic.sip.subscription.requests import SubscriptionOptions
from wic.sip.subscription.tables import SubscriberState as State

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import World


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


def test_unsubscribing(world: World) -> None:
    """RFC 6665 §4.1.2.3."""
    world.active()
    request = world.leave()
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
    world.leave()
    world.answer(200, ("Expires", 0))
    world.run(32)
    assert world.ended() == SubscriptionEnded(None, None, None)


@pytest.mark.parametrize(("status", "headers"), [(500, ()), (423, (("Min-Expires", 7200),))])
def test_unsubscribing_is_not_tried_twice(world: World, status: int, headers: tuple[tuple[str, object], ...]) -> None:
    world.active()
    world.leave()
    world.answer(status, *headers)
    assert world.ended().retry_after is None
    assert world.subscription.state is State.TERMINATED
    world.run(3600)
    assert not world.requests


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


def test_an_end_that_the_notifier_knows(world: World) -> None:
    world.active()
    world.subscription.leave(now=0)
    assert not world.requests
    assert world.subscription.state is State.LEAVING
    assert world.notify("terminated;reason=deactivated") == 200
    assert world.events[-1] == SubscriptionEnded("deactivated", None, None)
    world.run(3600)
    assert not world.requests


def test_an_end_without_a_notify(world: World) -> None:
    world.active()
    world.subscription.leave(now=0)
    world.run(32)
    assert world.ended() == SubscriptionEnded(None, None, None)


def test_an_end_before_there_is_a_dialog_to_end(world: World) -> None:
    world.subscribe()
    world.subscription.leave(now=0)
    assert world.subscription.state is State.TERMINATED


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
