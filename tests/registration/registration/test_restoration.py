"""TS 24.229 §5.1.2A.1.6: who may say that the registration is lost."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from wic.registration import Refreshed, RegistrationState
from wic.sip.message import Response

if TYPE_CHECKING:
    from conftest import World

BODY = (
    b'<ims-3gpp version="1"><alternative-service><type>restoration</type><reason/>'
    b"<action>initial-registration</action></alternative-service></ims-3gpp>"
)


def answer(status: int = 504, asserted: str = "<sip:scscf.example;lr>", body: bytes = BODY) -> Response:
    headers = [("Content-Type", "application/3gpp-ims+xml"), ("P-Asserted-Identity", asserted)]
    return Response.build(status, headers=headers, body=body)


@pytest.fixture
def routed(world: World) -> World:
    world.registration.register(now=0)
    world.accept(7200, ("Service-Route", "<sip:scscf.example;lr>"), ("Path", "<sip:token@pcscf.example;lr>"))
    return world


@pytest.mark.parametrize("asserted", ["<sip:scscf.example;lr>", "<tel:+358401>, <sip:token@PCSCF.example;lr>"])
def test_an_answer_to_a_call_begins_an_initial_registration(asserted: str, routed: World) -> None:
    assert routed.registration.restore(answer(asserted=asserted), now=5.0)
    assert routed.registration.next_timeout() == 5
    routed.wait()
    assert routed.registration.state is RegistrationState.REGISTERING
    (event,) = routed.accept()
    assert isinstance(event, Refreshed)
    first, second = routed.sent
    assert first.call_id != second.call_id


@pytest.mark.parametrize(
    "response",
    [
        answer(status=503),
        answer(asserted="<sip:mallory.example;lr>"),
        answer(asserted="nonsense <"),
        answer(body=b""),
        answer(body=b"<ims-3gpp/>"),
        answer(body=b"<!DOCTYPE a><ims-3gpp/>"),
        answer(body=BODY.replace(b"initial-registration", b"emergency-registration")),
        answer(body=BODY.replace(b"restoration", b"emergency", 1)),
        Response.build(504, headers=[("Content-Type", "application/3gpp-ims+xml")], body=BODY),
        Response.build(504, body=BODY, headers=[("P-Asserted-Identity", "<sip:scscf.example;lr>")]),
    ],
)
def test_answers_that_are_not_believed(response: Response, routed: World) -> None:
    assert not routed.registration.restore(response, now=5.0)
    assert routed.registration.next_timeout() == 6600


def test_a_register_on_its_way_is_enough(routed: World) -> None:
    routed.registration.refresh(now=4.0)
    assert routed.registration.restore(answer(), now=5.0)
    routed.take()
    routed.registration.handle_timeout(now=5.0)
    assert routed.endpoint.to_send() == []


def test_without_a_binding_no_answer_is_believed(world: World) -> None:
    assert not world.registration.restore(answer(), now=0.0)


def test_a_flow_that_is_lost_before_the_register_changes_nothing(routed: World) -> None:
    """The REGISTER over the next flow is the initial one."""
    assert routed.registration.restore(answer(), now=5.0)
    routed.cut()
    routed.reconnect()
    assert routed.registration.state is RegistrationState.REGISTERING
    (event,) = routed.accept()
    assert isinstance(event, Refreshed)
    assert event.anew
    first, second = routed.sent
    assert first.call_id != second.call_id
