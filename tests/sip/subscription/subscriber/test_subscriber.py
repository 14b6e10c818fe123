"""How a subscription is made, refreshed, refused and challenged."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from wic.errors import AuthenticationFailed, LocalProtocolError
from wic.sip.message import Response
from wic.sip.subscription.events import NotifyReceived, SubscriptionFailed
from wic.sip.subscription.tables import SubscriberState as State

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Password, World


def test_a_subscription_is_made(world: World) -> None:
    request = world.subscribe()
    assert (request.method, str(request.uri)) == ("SUBSCRIBE", "sip:alice@example.com")
    assert (str(request.from_.uri), str(request.to)) == ("sip:alice@example.com", "<sip:alice@example.com>")
    assert request.headers.get("Route") == "<sip:orig@10.0.0.9;lr>"
    assert (str(request.event), request.expires, request.headers.get("Accept")) == ("reg", 3600, "a/b")
    assert world.subscription.state is State.NOTIFY_WAIT
    world.answer(200, ("Expires", 3000))
    assert world.subscription.state is State.NOTIFY_WAIT  # RFC 6665 §4.1.2.4: only a NOTIFY makes it
    assert world.notify("active;expires=3000") == 200
    (event,) = world.events
    assert isinstance(event, NotifyReceived)
    assert (event.request.body, event.state.state) == (b"body", "active")
    assert world.subscription.state is State.ACTIVE
    assert world.subscription.expires_at == 3000


def test_a_notify_may_come_before_the_answer(world: World) -> None:
    world.subscribe()
    assert world.notify("pending;expires=100") == 200
    assert world.subscription.state is State.PENDING
    assert world.notify("active;expires=100") == 200
    world.answer(200, ("Expires", 100))
    assert world.subscription.state is State.ACTIVE
    world.run(50)
    assert world.take().to.tag == "server"


def test_two_notifies_that_come_together_before_the_answer(world: World) -> None:
    world.subscribe()
    world.send_notify("pending;expires=100")
    world.send_notify("active;expires=100")
    world.deliver()
    world.net.run()
    assert [answer.status for answer in world.answers] == [200, 200]
    assert world.subscription.state is State.ACTIVE


def test_a_fork_of_the_first_gets_481(world: World) -> None:
    world.subscribe()
    world.send_notify("active;expires=100")
    world.dialog = None
    world.send_notify("active;expires=100", tag="other")
    world.deliver()
    world.net.run()
    assert [answer.status for answer in world.answers] == [200, 481]
    world.dialog = None
    assert world.notify(tag="third") == 481


def test_the_answer_of_a_fork_changes_nothing(world: World) -> None:
    world.subscribe()
    world.notify("active;expires=100")
    world.answer(200, ("Expires", 100), tag="other")
    assert world.subscription.state is State.ACTIVE


def test_a_second_subscribe_is_refused(world: World) -> None:
    world.active()
    with pytest.raises(LocalProtocolError):
        world.subscription.subscribe(world.subscriber, now=0)


@pytest.mark.parametrize(("expires", "due"), [(3600, 3000), (1200, 600), (120, 60), (1, 0.5)])
def test_refresh(world: World, expires: int, due: float) -> None:
    """TS 24.229 §5.1.1.3: 600 s before the end, or after half of a short time."""
    world.active(expires)
    world.run(due - 0.5)
    assert not world.requests
    world.run(0.5)
    request = world.take()
    assert (request.to.tag, request.cseq.number, request.expires) == ("server", 2, 3600)
    world.answer(200, ("Expires", 600))
    assert world.subscription.expires_at == due + 600


def test_a_notifier_may_shorten_but_not_lengthen(world: World) -> None:
    world.active(3600)
    world.notify("active;expires=100")
    assert world.subscription.expires_at == 100
    world.notify("active;expires=7200")
    assert world.subscription.expires_at == 100
    world.notify("active")
    assert world.subscription.expires_at == 100


def test_an_answer_without_expires_grants_what_was_asked(world: World) -> None:
    world.subscribe()
    world.answer(200)
    assert world.subscription.expires_at == 3600


def test_timer_n(world: World) -> None:
    """RFC 6665 §4.1.2.4: without a NOTIFY for 64*T1 there is no subscription."""
    world.subscribe()
    world.answer(200, ("Expires", 3600))
    world.run(32)
    ended = world.ended()
    assert isinstance(ended.error, SubscriptionFailed)
    assert ended.retry_after == 30
    assert world.subscription.state is State.WAITING
    first = world.last.request
    world.run(30)
    assert world.take().call_id != first.call_id


def test_a_subscribe_without_answer(world: World) -> None:
    world.net.filter = lambda data: False
    world.subscription.subscribe(world.subscriber, now=0)
    world.run(40)
    ended = world.ended()
    assert str(ended.error) == "the SUBSCRIBE was not answered"
    assert ended.retry_after == 30


def test_423_is_obeyed(world: World) -> None:
    first = world.subscribe()
    world.answer(423, ("Min-Expires", 7200))
    again = world.take()
    assert (again.expires, again.call_id, again.cseq.number) == (7200, first.call_id, 2)


@pytest.mark.parametrize("least", [None, "60", "x", "99999999999"])
def test_a_423_that_makes_no_sense(world: World, least: str | None) -> None:
    world.subscribe()
    world.answer(423, *([("Min-Expires", least)] if least else []))
    assert world.ended().retry_after is None


def test_423_forever(world: World) -> None:
    world.subscribe()
    for number in range(4):
        world.answer(423, ("Min-Expires", 7200 + number))
        world.take()
    world.answer(423, ("Min-Expires", 9000))
    assert world.ended().retry_after is None


def test_503_with_retry_after(world: World) -> None:
    """TS 34.229-1 §10.1: no attempt before, and then another Call-ID."""
    first = world.subscribe()
    world.answer(503, ("Retry-After", 100))
    assert world.ended().retry_after == 100
    world.run(99)
    world.subscription.move(world.subscriber, now=world.net.now)
    world.net.run()
    assert not world.requests
    world.run(1)
    assert world.take().call_id != first.call_id


def test_a_user_does_not_get_round_retry_after(world: World) -> None:
    world.subscribe()
    world.answer(503, ("Retry-After", 100))
    world.subscription.drop()
    assert world.subscription.state is State.TERMINATED
    world.subscription.subscribe(world.subscriber, now=50)
    assert world.subscription.state is State.WAITING
    world.net.run()
    assert not world.requests
    world.run(100)
    world.take()


@pytest.mark.parametrize(
    ("status", "headers", "retry"),
    [
        (403, (), None),
        (404, (), None),
        (489, (), None),
        (480, (), 30),
        (500, (), 30),
        (503, (("Retry-After", "soon"),), 30),
        (486, (("Retry-After", "12"),), 12),
    ],
)
def test_refusals(world: World, status: int, headers: tuple[tuple[str, object], ...], retry: float | None) -> None:
    world.subscribe()
    world.answer(status, *headers)
    ended = world.ended()
    assert isinstance(ended.error, SubscriptionFailed)
    assert ended.error.response is not None
    assert ended.error.response.status == status
    assert ended.error.request is not None
    assert ended.retry_after == retry


def test_481_to_a_refresh_leads_to_another_subscription(world: World) -> None:
    world.active()
    world.refresh()
    world.answer(481)
    assert world.ended().retry_after == 0
    world.run(0)
    assert world.take().to.tag is None


def test_489_to_a_refresh_is_the_end(world: World) -> None:
    world.active()
    world.refresh()
    world.answer(489)
    assert world.ended().retry_after is None


def test_a_refresh_that_fails_for_now_is_repeated(world: World) -> None:
    """RFC 6665 §4.1.2.2: the subscription goes on until it expires."""
    world.active()
    world.refresh()
    world.answer(503, ("Retry-After", 10))
    assert not world.events
    assert world.subscription.state is State.ACTIVE
    world.run(10)
    world.take()
    world.answer(500)
    world.run(30)
    world.take()
    world.answer(603)
    world.run(3600 - 41)
    assert not world.requests
    assert not world.events
    world.run(1)
    assert "expired" in str(world.ended().error)
    world.run(0)
    assert world.take().to.tag is None


def test_challenges(make: Callable[..., World], password: Password) -> None:
    world = make(credentials=password)
    first = world.subscribe()
    assert first.headers.get("Authorization") == "Word0"
    world.answer(401)
    again = world.take()
    assert (again.headers.get("Authorization"), again.cseq.number, again.call_id) == ("Word1", 2, first.call_id)
    world.answer(200, ("Expires", 3600))
    world.notify()
    world.refresh()
    world.answer(407)
    assert world.take().cseq.number == 4


def test_challenges_without_end(make: Callable[..., World], password: Password) -> None:
    world = make(credentials=password)
    world.subscribe()
    for _ in range(4):
        world.answer(401)
        world.take()
    world.answer(401)
    assert isinstance(world.ended().error, SubscriptionFailed)


def test_a_challenge_without_credentials(world: World) -> None:
    world.subscribe()
    world.answer(401)
    assert world.ended().retry_after is None


def test_a_challenge_that_the_credentials_do_not_answer(make: Callable[..., World], password: Password) -> None:
    password.refuse = AuthenticationFailed("no")
    world = make(credentials=password)
    world.subscribe()
    world.answer(401)
    assert world.ended().error is password.refuse


def test_an_answer_that_is_not_trusted(make: Callable[..., World], password: Password) -> None:
    password.distrust = AuthenticationFailed("no")
    world = make(credentials=password)
    world.subscribe()
    world.answer(200)
    assert world.ended().error is password.distrust


@pytest.mark.parametrize("contact", [(), (("Contact", "<sip:"),)])
def test_an_answer_that_makes_no_dialog(world: World, contact: tuple[tuple[str, str], ...]) -> None:
    """RFC 6665 §4.4.1: the NOTIFY makes it, with or without a 2xx; Timer N bounds the wait."""
    world.subscribe()
    response = Response.answer(world.last.request, 200, to_tag="server", headers=contact)
    world.server.endpoint.respond(world.last.transaction, response, now=0)
    world.net.run()
    assert world.ue.endpoint.dialogs == 0
    assert world.subscription.state is State.NOTIFY_WAIT
    world.run(33)
    assert "no NOTIFY" in str(world.ended().error)


def test_a_notify_makes_the_dialog_that_the_answer_did_not(world: World) -> None:
    world.subscribe()
    response = Response.answer(world.last.request, 200, to_tag="server", headers=[("Contact", "<sip:")])
    world.server.endpoint.respond(world.last.transaction, response, now=0)
    assert world.notify() == 200
    assert world.subscription.state is State.ACTIVE


@pytest.mark.parametrize(
    ("expires", "state", "end"), [("2", "active", 21), ("40", "active", 40), ("40", "active;expires=90", 110)]
)
def test_the_time_of_an_answer_that_makes_no_dialog(world: World, expires: str, state: str, end: float) -> None:
    """It ends no subscription that has no dialog yet, and a NOTIFY that names no time does not prolong it."""
    world.subscribe()
    headers = [("Contact", "<sip:"), ("Expires", expires)]
    world.server.endpoint.respond(
        world.last.transaction, Response.answer(world.last.request, 200, to_tag="server", headers=headers), now=0
    )
    asked = world.last
    world.run(20)
    assert world.last is asked
    assert world.notify(state) == 200
    assert world.subscription.expires_at == end


@pytest.mark.parametrize("expires", ["x", "1;x=1", ""])
def test_an_answer_whose_time_cannot_be_read_grants_what_was_asked_for(world: World, expires: str) -> None:
    world.subscribe()
    world.answer(200, ("Expires", expires))
    assert world.subscription.expires_at == 3600
