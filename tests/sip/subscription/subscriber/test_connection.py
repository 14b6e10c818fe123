"""A connection that is lost, and what comes at the wrong time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wic.sip.events import MessageDropped, RequestReceived, ResponseReceived
from wic.sip.message import Request
from wic.sip.subscription.tables import SubscriberState as State

if TYPE_CHECKING:
    from conftest import World


def outside(method: str) -> Request:
    """Write a request that belongs to no dialog."""
    headers = [("From", "<sip:a@b>;tag=1"), ("To", "<sip:x@y>"), ("Call-ID", method), ("CSeq", f"1 {method}")]
    return Request.build(method, "sip:alice@10.0.0.1", headers)


def test_a_connection_that_is_lost(world: World) -> None:
    world.active()
    world.subscription.refresh(now=0)
    flow = world.ue.flow_to(world.server)
    world.ue.endpoint.flow_closed(flow, "cut", now=0)
    world.net.run()
    assert not world.events
    world.requests.clear()
    world.subscription.move(world.subscriber, now=0)
    assert world.take().to.tag == "server"


def test_a_connection_that_is_lost_at_once(world: World) -> None:
    world.subscription.subscribe(world.subscriber, now=0)
    world.ue.endpoint.flow_closed(world.ue.flow_to(world.server), "cut", now=0)
    world.net.run()
    ended = world.ended()
    assert "the connection was lost: cut" in str(ended.error)
    assert ended.retry_after == 30
    world.requests.clear()
    world.subscription.move(world.subscriber, now=0)
    assert world.take().to.tag is None


def test_refreshing_nothing(world: World) -> None:
    world.subscription.refresh(now=0)
    world.subscription.unsubscribe(now=0)
    world.subscription.drop()
    assert world.subscription.state is State.INIT
    world.active()
    world.subscription.refresh(now=0)
    world.refresh()


def test_provisional_and_late_answers_change_nothing(world: World) -> None:
    world.subscribe()
    first = world.last
    world.answer(183)
    assert world.subscription.state is State.NOTIFY_WAIT
    world.subscription.drop()
    world.subscription.subscribe(world.subscriber, now=0)
    world.take()
    world.last = first
    world.answer(489)
    assert not world.events
    assert world.subscription.state is State.NOTIFY_WAIT


def test_what_belongs_to_others_is_left_to_them(world: World) -> None:
    world.active()
    world.ue.endpoint.receive(b"?", world.ue.flow_to(world.server), now=0)
    world.ue.endpoint.send_request(outside("OPTIONS"), world.ue.flow_to(world.server), now=0)
    world.take()
    world.answer(486)
    world.server.endpoint.send_request(outside("MESSAGE"), world.server.flow_to(world.ue), now=0)
    world.net.run()
    assert {type(event) for event in world.foreign} == {MessageDropped, ResponseReceived, RequestReceived}
