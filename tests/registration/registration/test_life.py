from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from wic.errors import AuthenticationFailed, ChallengeUnsupported, LocalProtocolError, RegistrationFailed
from wic.registration import (
    BindingLost,
    Deregistered,
    Refreshed,
    Registered,
    RegisterFailed,
    RegistrationOptions,
    RegistrationState,
    parse_impu,
)
from wic.registration.recovery import Remedy
from wic.sip.flow import Flow
from wic.sip.message import Request

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import World

State = RegistrationState
ALICE = parse_impu("sip:alice@ims.example")


def test_a_register_of_a_wic(world: World) -> None:
    """TS 24.229 §5.1.1.2.1, §5.1.1.2.3; RFC 7118 §5; RFC 5626 §4.2."""
    world.registration.register(now=0)
    request = world.take()
    assert (request.method, request.uri_text) == ("REGISTER", "sip:ims.example")
    assert str(request.from_.uri) == str(request.to.uri) == "sip:alice@ims.example"
    assert request.to.tag is None
    assert (request.via.transport, request.via.host) == ("WSS", "x7k2.invalid")
    assert request.expires == 600000
    assert request.supported == ("path", "gruu", "outbound")
    assert request.headers.get("Contact") == str(world.registration.identity.contact_header(1))
    assert request.auth("Authorization")[0].params.get("nonce") == ""
    assert "User-Agent" not in request.headers
    assert request.via.params.get("keep") == ""  # RFC 6223 §4.3: without a value
    assert not {"Security-Client", "Require", "Proxy-Require"} & {name for name, _ in request.headers.items()}
    assert world.registration.state is State.REGISTERING


def test_registration_with_a_challenge(world: World) -> None:
    world.registration.register(now=0)
    assert world.check() == []
    (event,) = world.check()
    assert isinstance(event, Registered)
    assert world.registration.binding is event.binding
    assert world.registration.state is State.REGISTERED
    first, second = world.sent
    assert first.call_id == second.call_id
    assert (first.cseq.number, second.cseq.number) == (1, 2)
    assert first.from_.tag == second.from_.tag


def test_a_refresh_uses_the_nonce_again(world: World) -> None:
    """TS 24.229 §5.1.1.4.1: it carries what the last challenge was answered with."""
    world.registration.register(now=0)
    world.check()
    world.check()
    world.registration.refresh(now=5)
    assert len(world.check()) == 1
    first, second, third = [request.auth("Authorization")[0].params for request in world.sent]
    assert first.get("nonce") == ""
    assert second.get("nonce") == third.get("nonce")
    assert (second.get("nc"), third.get("nc")) == ("00000001", "00000002")


@pytest.mark.parametrize("headers", [[], [("WWW-Authenticate", "nonsense")], [("WWW-Authenticate", "Digest")]])
def test_a_401_that_cannot_be_used(headers: list[tuple[str, object]], world: World) -> None:
    world.registration.register(now=0)
    (event,) = world.answer(401, *headers)
    assert isinstance(event, RegisterFailed)
    assert isinstance(event.error, ChallengeUnsupported)


def test_a_wrong_password_ends_after_one_honest_retry(world: World) -> None:
    world.home.password = "other"
    world.registration.register(now=0)
    world.check()
    (event,) = world.check()
    assert isinstance(event, RegisterFailed)
    assert isinstance(event.error, AuthenticationFailed)
    assert str(event.error) == "the network does not accept the password of alice@ims.example for ims.example"
    assert len(world.sent) == 2
    assert world.registration.next_timeout() is None


def test_challenges_that_cannot_be_answered(world: World) -> None:
    world.registration.register(now=0)
    (event,) = world.answer(401, ("WWW-Authenticate", 'Digest realm="r", nonce="n", algorithm=AKAv1-MD5'))
    assert isinstance(event, RegisterFailed)
    assert isinstance(event.error, ChallengeUnsupported)


def test_a_registrar_that_keeps_asking_is_given_up(world: World) -> None:
    world.registration.register(now=0)
    events = [world.answer(401, ("WWW-Authenticate", f'Digest realm="{realm}", nonce="n"')) for realm in range(8)]
    assert [len(each) for each in events] == [0] * 7 + [1]
    (event,) = events[-1]
    assert isinstance(event, RegisterFailed)
    assert "keeps asking" in str(event.error)


def test_the_binding_is_refreshed_in_time(registered: World) -> None:
    registered.wait()
    assert registered.now == 6600
    assert registered.registration.state is State.REFRESHING
    (event,) = registered.accept(1000, ("Service-Route", "<sip:scscf.example;lr>"))
    assert isinstance(event, Refreshed)
    assert len(event.binding.service_route) == 1
    assert registered.registration.next_timeout() == 7100
    assert [request.cseq.number for request in registered.sent] == [1, 2]


def test_a_refresh_may_be_asked_for(registered: World) -> None:
    registered.registration.refresh(now=5)
    (event,) = registered.accept()
    assert isinstance(event, Refreshed)
    assert not event.anew


def test_timeouts_come_when_due(registered: World) -> None:
    registered.registration.handle_timeout(now=6599)
    assert registered.endpoint.to_send() == []


def test_one_register_at_a_time(world: World) -> None:
    """TS 24.229 §5.1.1.2.1."""
    with pytest.raises(LocalProtocolError, match="no binding"):
        world.registration.refresh(now=0)
    world.registration.register(now=0)
    for command in (world.registration.register, world.registration.refresh):
        with pytest.raises(LocalProtocolError, match="on its way"):
            command(now=0)
    world.registration.handle_timeout(now=10**9)
    assert len(world.endpoint.to_send()) == 1


def test_provisional_responses_change_nothing(world: World) -> None:
    world.registration.register(now=0)
    assert world.answer(100) == []
    assert world.registration.state is State.REGISTERING


def test_423_raises_the_time_asked_for(make_world: Callable[..., World]) -> None:
    world = make_world(options=RegistrationOptions(expires=60, user_agent="wic/1"))
    world.registration.register(now=0)
    assert world.answer(423, ("Min-Expires", 3600)) == []
    (event,) = world.accept(None, ("Expires", 3600))
    assert isinstance(event, Registered)
    assert [request.expires for request in world.sent] == [60, 3600]
    assert world.sent[0].headers.get("User-Agent") == "wic/1"


@pytest.mark.parametrize("headers", [[], [("Min-Expires", 60)], [("Min-Expires", 2**31)], [("Min-Expires", "x")]])
def test_a_423_without_sense_is_a_failure(headers: list[tuple[str, object]], make_world: Callable[..., World]) -> None:
    world = make_world(options=RegistrationOptions(expires=60))
    world.registration.register(now=0)
    (event,) = world.answer(423, *headers)
    assert isinstance(event, RegisterFailed)


def test_423_without_end_is_given_up(make_world: Callable[..., World]) -> None:
    world = make_world(options=RegistrationOptions(expires=60))
    world.registration.register(now=0)
    events = [world.answer(423, ("Min-Expires", 100 * number)) for number in range(1, 9)]
    assert [len(each) for each in events] == [0] * 7 + [1]


def test_a_refusal_is_told_in_a_sentence(world: World) -> None:
    world.registration.register(now=0)
    (event,) = world.answer(403)
    assert isinstance(event, RegisterFailed)
    assert isinstance(event.error, RegistrationFailed)
    assert str(event.error) == (
        "ims.example refused to register sip:alice@ims.example: 403 Forbidden;"
        " check that the network knows alice@ims.example together with the public identity"
    )
    assert event.error.response is not None
    assert event.error.response.status == 403
    assert event.retry_after is None


def test_a_refusal_after_a_challenge_hints_at_the_credentials(world: World) -> None:
    world.registration.register(now=0)
    assert world.check() == []
    (event,) = world.answer(403, reason="Authentication Failed")
    assert isinstance(event, RegisterFailed)
    assert str(event.error).endswith(": 403 Authentication Failed; check the private identity and the password")


@pytest.mark.parametrize("reason", ["\x1b[2J", ""])
def test_the_usual_phrase_stands_for_one_that_would_play_with_a_terminal_and_for_none(
    world: World, reason: str
) -> None:
    world.registration.register(now=0)
    (event,) = world.answer(404, reason=reason)
    assert isinstance(event, RegisterFailed)
    assert str(event.error).endswith(": 404 Not Found")


def test_retry_after_is_obeyed(world: World) -> None:
    world.registration.register(now=0)
    (event,) = world.answer(503, ("Retry-After", "30 (busy);duration=60"))
    assert isinstance(event, RegisterFailed)
    assert event.retry_after == 30.0
    assert (world.registration.state, world.registration.next_timeout()) == (State.WAITING, 30.0)
    world.wait()
    (event,) = world.accept()
    assert isinstance(event, Registered)


@pytest.mark.parametrize(("text", "wait"), [("99999999", 1800.0), ("soon", None)])
def test_retry_after_within_reason(text: str, wait: float | None, world: World) -> None:
    world.registration.register(now=0)
    (event,) = world.answer(503, ("Retry-After", text))
    assert isinstance(event, RegisterFailed)
    assert event.retry_after == wait


def test_registering_ends_a_wait(world: World) -> None:
    world.registration.register(now=0)
    world.answer(503, ("Retry-After", 30))
    world.registration.register(now=1)
    assert len(world.accept()) == 1


def test_no_answer(world: World) -> None:
    world.registration.register(now=0)
    world.take()
    world.now = world.endpoint.next_timeout() or 0.0
    world.endpoint.handle_timeout(now=world.now)
    (event,) = world.drain()
    assert isinstance(event, RegisterFailed)
    assert str(event.error) == "ims.example did not answer the REGISTER"
    assert event.recovery.remedy is Remedy.NEXT_SERVER


def test_the_flow_is_lost_on_the_way(world: World) -> None:
    world.registration.register(now=0)
    world.take()
    world.endpoint.flow_closed(world.registration.flow, "reset by peer", now=1)
    (event,) = world.drain()
    assert isinstance(event, RegisterFailed)
    assert str(event.error) == "the connection was lost: reset by peer"
    assert event.retry_after is None


def test_events_of_others_are_left_alone(registered: World) -> None:
    flow = registered.registration.flow
    registered.endpoint.flow_closed(Flow("WSS", flow.local, flow.remote, "9"), "", now=1)
    request = Request.build(
        "OPTIONS", "sip:a", [("From", "<sip:a>;tag=1"), ("To", "<sip:a>"), ("Call-ID", "x"), ("CSeq", "1 OPTIONS")]
    )
    registered.endpoint.send_request(request, flow, now=1)
    registered.answer(200)
    assert registered.drain() == []
    assert len(registered.foreign) == 2


@pytest.mark.parametrize("status", [408, 500, 504])
def test_a_refresh_that_fails_for_now_becomes_a_first_registration(status: int, registered: World) -> None:
    """TS 24.229 §5.1.1.4.1."""
    registered.wait()
    assert registered.answer(status) == []
    assert registered.registration.state is State.REGISTERING
    (event,) = registered.accept()
    assert isinstance(event, Refreshed)
    assert event.anew
    _, second, third = registered.sent
    assert second.call_id != third.call_id
    assert third.cseq.number == 1


def test_a_refresh_that_is_refused_loses_the_binding(registered: World) -> None:
    registered.wait()
    (event,) = registered.answer(404)
    assert isinstance(event, BindingLost)
    assert registered.registration.next_timeout() is None


@pytest.mark.parametrize(
    "contact", ["<sip:bob@else.example>;expires=60", "<sip:alice@x7k2.invalid;transport=ws>;expires=0"]
)
def test_an_answer_that_cannot_be_meant_is_a_failure(contact: str, world: World) -> None:
    world.registration.register(now=0)
    (event,) = world.answer(200, ("Contact", contact))
    assert isinstance(event, RegisterFailed)


def test_deregistration(registered: World) -> None:
    """TS 24.229 §5.1.1.6: the registered contact, expires 0, the next CSeq."""
    registered.registration.deregister(now=5)
    registered.registration.deregister(now=5)
    request = registered.sent[0]
    assert registered.answer(200) == [Deregistered(ALICE)]
    last = registered.sent[-1]
    assert (last.expires, last.headers.get("Contact")) == (0, request.headers.get("Contact"))
    assert (last.call_id, last.cseq.number) == (request.call_id, 2)
    assert registered.registration.state is State.UNREGISTERED
    assert registered.registration.binding is None
    assert registered.registration.next_timeout() is None


def test_deregistration_that_the_registrar_does_not_confirm(registered: World) -> None:
    registered.registration.deregister(now=5)
    (event,) = registered.answer(500)
    assert isinstance(event, Deregistered)
    assert str(event.error) == ("ims.example refused to deregister sip:alice@ims.example: 500 Server Internal Error")


def test_a_binding_that_is_gone_already_counts_as_removed(registered: World) -> None:
    registered.registration.deregister(now=5)
    assert registered.answer(481) == [Deregistered(ALICE)]


def test_deregistration_of_nothing(world: World) -> None:
    world.registration.deregister(now=0)
    assert world.drain() == [Deregistered(ALICE)]
    world.registration.register(now=0)
    world.answer(503, ("Retry-After", 30))
    world.registration.deregister(now=1)
    assert world.drain() == [Deregistered(ALICE)]
    assert world.registration.next_timeout() is None


def test_deregistration_waits_for_the_answer_that_is_due(world: World) -> None:
    world.registration.register(now=0)
    world.registration.deregister(now=0)
    (event,) = world.accept()
    assert isinstance(event, Registered)
    assert world.registration.state is State.REMOVING
    assert world.answer(200) == [Deregistered(ALICE)]


def test_deregistration_while_registering_fails(world: World) -> None:
    world.registration.register(now=0)
    world.registration.deregister(now=0)
    (event,) = world.answer(403)
    assert isinstance(event, Deregistered)
    assert event.error is not None


def test_deregistration_while_a_refresh_fails(registered: World) -> None:
    registered.wait()
    registered.registration.deregister(now=registered.now)
    (event,) = registered.answer(500)
    assert isinstance(event, Deregistered)
    assert registered.registration.state is State.UNREGISTERED


def test_439_registers_without_outbound(world: World) -> None:
    """RFC 5626 §11.6, and a new flow asks for it anew."""
    world.registration.register(now=0)
    assert world.answer(439) == []
    (event,) = world.accept()
    assert isinstance(event, Registered)
    first, second = world.sent
    assert ("outbound" in first.supported, "outbound" in second.supported) == (True, False)
    assert "reg-id" not in second.contacts[0].params
    assert first.call_id == second.call_id


def test_420_drops_the_extensions_that_the_registrar_does_not_know(world: World) -> None:
    world.registration.register(now=0)
    assert world.answer(420, ("Unsupported", "gruu")) == []
    assert len(world.accept()) == 1
    assert world.sent[1].supported == ("path", "outbound")


def test_contacts_of_others_only_are_a_failure_at_once(world: World) -> None:
    world.registration.register(now=0)
    (event,) = world.answer(200, ("Contact", "<sip:other@phone.example>"))
    assert isinstance(event, RegisterFailed)
    assert "does not list this contact" in str(event.error)


@pytest.mark.parametrize("contact", ["<nonsense", '<sip:a@b>;q="\ufffd'])
def test_a_contact_that_cannot_be_read_ends_no_registration(world: World, contact: str) -> None:
    """Neither in the first answer nor in that to a refresh."""
    world.registration.register(now=0)
    (event,) = world.answer(200, ("Contact", contact))
    assert isinstance(event, Registered)
    world.registration.refresh(now=1)
    (event,) = world.answer(200, ("Contact", contact))
    assert isinstance(event, Refreshed)


def test_503_without_retry_after_wants_another_server(world: World) -> None:
    world.registration.register(now=0)
    (event,) = world.answer(503)
    assert isinstance(event, RegisterFailed)
    assert (event.retry_after, event.recovery.remedy) == (None, Remedy.NEXT_SERVER)


def test_keep_alives_need_not_be_offered(make_world: Callable[..., World]) -> None:
    world = make_world(options=RegistrationOptions(keep_alive=False))
    world.registration.register(now=0)
    assert "keep" not in world.take().via.params


def test_the_states_are_logged_by_name(world: World, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("DEBUG", logger="wic.registration"):
        world.registration.register(now=0)
    assert "UNREGISTERED -> REGISTERING" in caplog.text
