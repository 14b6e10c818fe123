"""NOTIFYs, good and bad, early and late."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from wic.sip.errors import MalformedBody
from wic.sip.subscription.subscriber import Subscription
from wic.sip.subscription.tables import SubscriberState as State

if TYPE_CHECKING:
    from conftest import World


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"event": "dialog"}, 489),
        ({"state": ""}, 400),
        ({"state": "active;expires=x"}, 400),
        ({"state": "terminated;retry-after=x"}, 400),
        ({"state": "?"}, 400),
        ({"method": "SUBSCRIBE"}, 405),
        ({"method": "INFO"}, 405),
    ],
)
def test_requests_that_are_refused(world: World, change: dict[str, str], status: int) -> None:
    world.active()
    arguments = {"state": "active;expires=10"} | change
    assert world.notify(**arguments) == status  # type: ignore[arg-type]
    assert not world.events
    assert world.subscription.state is State.ACTIVE
    answer = world.answers[-1]
    assert answer.headers.get("Allow-Events") == ("reg" if status == 489 else None)
    assert answer.headers.get("Allow") == ("NOTIFY" if status == 405 else None)


def test_a_notify_without_event(world: World) -> None:
    world.active()
    assert world.dialog is not None
    request = world.dialog.create_request("NOTIFY", [("Subscription-State", "active")])
    world.server.endpoint.send_request(request, world.server.flow_to(world.ue), now=0)
    world.net.run()
    assert world.answers[-1].status == 489


@pytest.mark.parametrize(("status", "accept"), [(400, None), (413, None), (415, "a/b"), (None, None)])
def test_a_body_that_is_refused(world: World, status: int | None, accept: str | None) -> None:
    world.active()
    world.refusal = MalformedBody("no", status_hint=status)
    assert world.notify() == (status or 400)
    assert world.answers[-1].headers.get("Accept") == accept
    assert not world.events


def test_a_first_notify_without_contact(world: World) -> None:
    world.subscribe()
    assert world.notify(contact=False) == 400
    assert world.subscription.state is State.NOTIFY_WAIT


def test_a_notify_out_of_order(world: World) -> None:
    world.active()
    assert world.dialog is not None
    world.dialog.local_cseq = 0
    world.notify()
    world.dialog.local_cseq = -1
    assert world.notify() == 500


def test_an_order_is_kept_while_the_dialog_is_being_made(world: World) -> None:
    world.subscribe()
    world.send_notify("active;expires=100")
    assert world.dialog is not None
    world.dialog.local_cseq = -1
    world.send_notify("active;expires=100")
    world.deliver()
    world.net.run()
    assert [answer.status for answer in world.answers] == [200, 500]


def test_a_notify_without_a_subscription(world: World) -> None:
    world.subscribe()
    world.subscription.drop()
    assert world.notify() == 481


def test_a_notify_that_comes_as_the_subscription_ends(world: World) -> None:
    world.active()
    world.send_notify("active;expires=10")
    world.deliver()
    world.subscription.drop()
    world.net.run()
    assert world.answers[-1].status == 481


def test_a_notify_for_the_subscription_before(world: World) -> None:
    world.subscribe()
    world.send_notify("active;expires=10")
    world.deliver()
    world.subscription.drop()
    world.subscription.subscribe(world.subscriber, now=0)
    world.net.run()
    assert world.answers[-1].status == 481


def test_a_subscription_that_checks_nothing(world: World) -> None:
    world.subscription = Subscription(
        world.ue.endpoint, options=world.options, timers=world.timers, listener=world.events.append
    )
    world.active()
    assert world.notify() == 200
