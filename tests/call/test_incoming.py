from __future__ import annotations

import pytest

from wic.call import CallEndedBy, CallState, Confirmed, Ended, Failed, IncomingCall, Modified, Released
from wic.errors import CallCancelled, CallFailed, LocalProtocolError, NegotiationFailed
from wic.sdp.errors import AnswerNotValid
from wic.sip.dialog import Dialog
from wic.sip.events import CancelReceived
from wic.sip.message import Request


def ended(side):
    """The end of the call, without the other events."""
    return next(event for event in side.told if isinstance(event, Ended | Failed))


def acknowledge_from_script(wire, body=b""):
    """Let a scripted Alice acknowledge Bob's 200."""
    dialog = Dialog.from_response(wire.invited.request, wire.invited.response)
    headers = [("Content-Type", "application/sdp")] if body else []
    wire.alice.endpoint.send_ack(dialog.ack(wire.invited.response, headers, body), wire.alice.flow, now=wire.now)
    wire.run()
    return dialog


def test_an_offered_call_names_its_caller(wire):
    wire.dial()
    incoming = wire.bob.call
    assert incoming.state is CallState.OFFERED
    assert incoming.request.method == "INVITE"
    assert str(incoming.caller.uri) == "sip:alice@ims.example"
    assert incoming.offer == wire.alice.call._offer
    assert incoming.next_timeout() is None


TRUE, PHONE = "sip:true@ims.example", "tel:+1"


@pytest.mark.parametrize(
    ("asserted", "identities"),
    [
        # RFC 3325 §9.1: one or two; what cannot be read asserts nothing.
        ((f"<{TRUE}>, <{PHONE}>",), [TRUE, PHONE]),
        ((f"<{TRUE}>", f"<{PHONE}>"), [TRUE, PHONE]),
        ((f"<{PHONE}>",), [PHONE]),
        ((f"<{TRUE}>, <{PHONE}>, <sip:third@ims.example>",), [TRUE, PHONE]),
        (("<<", f"<{TRUE}>"), [TRUE]),
        (("<<",), []),
        ((), []),
    ],
)
def test_the_asserted_identities_go_first(wire, asserted, identities):
    wire.invite(headers=tuple(("P-Asserted-Identity", value) for value in asserted))
    assert [str(each.uri) for each in wire.bob.call.asserted] == identities
    assert str(wire.bob.call.caller.uri) == (identities or ["sip:alice@ims.example"])[0]
    assert str(wire.bob.call.registered) == "sip:bob@ims.example"


def test_ringing_is_repeated_every_minute(wire):
    wire.dial()
    wire.bob.call.ring(now=0.0)
    wire.bob.call.handle_timeout(now=30.0)
    assert wire.bob.call.next_timeout() == 60.0
    wire.run()
    wire.advance(150)
    assert wire.bob.sent_methods().count(180) == 3
    assert wire.bob.last(180).contacts
    incoming = wire.bob.call
    incoming.answer(wire.answer(incoming.offer), now=wire.now)
    assert incoming.next_timeout() is None
    incoming.ring(now=wire.now)
    assert incoming.state is CallState.ACCEPTED


def test_the_answer_is_confirmed_by_the_ack(wire):
    wire.dial()
    incoming = wire.bob.call
    incoming.answer(wire.answer(incoming.offer), now=0.0)
    assert incoming.state is CallState.ACCEPTED
    wire.run()
    assert incoming.state is CallState.CONFIRMED
    assert wire.bob.told == [Confirmed(incoming.agreement)]
    assert incoming.agreement.answer is incoming.agreement.local
    ok = wire.bob.last(200)
    assert ok.headers.get("Server") == "wic/bob"
    assert "INFO" in ok.allow
    with pytest.raises(LocalProtocolError, match="confirmed"):
        incoming.answer(wire.answer(incoming.offer), now=0.0)


def test_an_answer_that_does_not_fit_is_not_sent(wire):
    wire.dial()
    incoming = wire.bob.call
    answer = wire.answer(incoming.offer)
    with pytest.raises(AnswerNotValid):
        incoming.answer(answer.with_media(answer.media[0]), now=0.0)
    assert incoming.state is CallState.OFFERED


def test_a_lost_200_is_repeated_until_its_ack(wire):
    wire.dial()
    wire.drop = {200}
    incoming = wire.bob.call
    incoming.answer(wire.answer(incoming.offer), now=0.0)
    wire.run()
    wire.advance(1.0)
    wire.drop = set()
    wire.advance(5.0)
    assert incoming.state is CallState.CONFIRMED
    assert wire.alice.call.state is CallState.CONFIRMED
    assert wire.alice.sent_methods().count("ACK") == 1


def test_a_lost_ack_is_repeated(wire):
    wire.dial()
    wire.drop = {"ACK"}
    wire.bob.call.answer(wire.answer(wire.bob.call.offer), now=0.0)
    wire.run()
    wire.drop = set()
    wire.advance(2.0)
    assert wire.bob.call.state is CallState.CONFIRMED


# refusals


def test_busy(wire):
    wire.dial()
    wire.bob.call.reject(486, why='busy "here"\x07', now=0.0)
    wire.bob.call.reject(603, now=0.0)
    wire.run()
    response = wire.bob.last(486)
    assert response.headers.get("Warning") == "399 ims.example \"busy 'here' \""
    error = ended(wire.bob).error
    assert isinstance(error, CallFailed)
    assert error.response.status == 486
    assert wire.bob.sent_methods() == [486]
    assert ended(wire.alice).error.response.status == 486


def test_hanging_up_a_ringing_call_declines_it(wire):
    wire.dial()
    wire.bob.call.ring(now=0.0)
    wire.bob.call.hangup(now=0.0)
    wire.run()
    assert wire.bob.sent_methods() == [180, 603]
    assert "Warning" not in wire.bob.last(603).headers
    assert wire.bob.call.next_timeout() is None
    wire.bob.call.hangup(now=0.0)


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b"nonsense", (("Content-Type", "application/sdp"),), 400),
        (b"hello", (("Content-Type", "text/plain"),), 415),
        (b"hello", (("Content-Type", None),), 400),
        (b"x" * 70000, (("Content-Type", "application/sdp"),), 488),
        (b"", (("Contact", None),), 400),
    ],
)
def test_an_invite_that_cannot_be_used_is_refused(wire, body, headers, status):
    wire.invite(body, headers)
    assert wire.bob.call is None
    assert wire.bob.sent_methods() == [status]
    response = wire.bob.last(status)
    assert response.headers.get("Accept") == ("application/sdp" if status == 415 else None)
    assert "Warning" in response.headers


def test_an_offer_within_a_multipart_is_found(wire):
    sdp = wire.offer().to_bytes()
    body = (
        b"--b\r\nContent-Type: text/plain\r\n\r\nhi\r\n--b\r\nContent-Type: application/sdp\r\n\r\n"
        + sdp
        + b"\r\n--b--\r\n"
    )
    wire.invite(body, (("Content-Type", "multipart/mixed;boundary=b"),))
    assert wire.bob.call.offer.media[0].media == "audio"


# the caller gives up


@pytest.mark.parametrize("rings", [True, False])
def test_cancel_is_answered_487(wire, rings):
    wire.dial()
    if rings:
        wire.bob.call.ring(now=0.0)
    else:
        wire.bob.endpoint.reply(wire.bob.call._transaction, 183, now=0.0)
    wire.run()
    wire.alice.call.hangup(now=0.0)
    wire.run()
    assert 487 in wire.bob.sent_methods()
    assert isinstance(ended(wire.bob).error, CallCancelled)
    assert wire.bob.call.state is CallState.ENDED
    assert wire.alice.call.state is CallState.ENDED


def test_a_bye_before_the_answer_is_answered_and_ends_the_invite(wire):
    wire.dial()
    wire.bob.call.ring(now=0.0)
    wire.run()
    early = Dialog.from_response(wire.alice.last("INVITE"), wire.bob.last(180))
    wire.ask("BYE", dialog=early)
    assert wire.bob.sent_methods() == [180, 200, 487]
    assert isinstance(ended(wire.bob).error, CallCancelled)


@pytest.mark.parametrize(
    ("reasons", "told"),
    [
        ([], "the call was given up before it was answered"),
        (['SIP;cause=200;text="Call completed elsewhere"'], "the call was answered elsewhere"),
        (["Q.850;cause=16, sip;cause=200"], "the call was answered elsewhere"),
        (["Q.850;cause=102"], "the call was given up before it was answered (recovery on timer expiry)"),
        (["???", 'SIP;cause=487;text="ORIGINATOR_CANCEL"'], "the call was given up before it was answered (ORIGINATOR_CANCEL)"),
    ],
)  # fmt: skip
def test_a_cancel_tells_why(wire, reasons, told):
    # RFC 3326 §3.1: by Reason a phone knows a missed call from one that was answered on another device
    wire.dial()
    cancel = Request.build("CANCEL", "sip:bob@ims.example", [("Reason", reason) for reason in reasons])
    wire.bob.call.handle(CancelReceived(wire.bob.call._transaction, cancel), now=0.0)
    error = ended(wire.bob).error
    assert isinstance(error, CallCancelled)
    assert str(error) == told


def test_a_cancel_that_comes_too_late_changes_nothing(wire):
    _, incoming = wire.connect()
    response = wire.ask("INVITE")
    assert response.status == 200
    incoming._handle_own(object(), 0.0)
    assert incoming.state is CallState.CONFIRMED


def test_a_lost_connection_ends_a_ringing_call(wire):
    wire.dial()
    wire.bob.endpoint.flow_closed(wire.bob.flow, "gone", now=0.0)
    wire.run()
    assert "gone" in str(ended(wire.bob).error)
    assert wire.bob.call.state is CallState.ENDED


# hanging up between 200 and ACK, RFC 3261 §15


@pytest.mark.parametrize("fault", [True, False])
def test_the_bye_waits_for_the_ack(wire, fault):
    wire.dial()
    wire.drop = {"ACK"}
    incoming = wire.bob.call
    incoming.answer(wire.answer(incoming.offer), now=0.0)
    wire.run()
    if fault:
        incoming.fail(CallFailed("the media are gone"), now=0.0)
    else:
        incoming.hangup(now=0.0)
    wire.run()
    assert "BYE" not in wire.bob.sent_methods()
    wire.drop = set()
    wire.advance(2.0)
    assert "BYE" in wire.bob.sent_methods()
    assert incoming.state is CallState.ENDED
    told = wire.bob.told
    ends = [event for event in told if isinstance(event, Ended)]
    assert [end.by for end in ends] == [CallEndedBy.NETWORK if fault else CallEndedBy.LOCAL]
    assert told[-1] == Released()


def test_an_ack_that_never_comes_ends_the_call(wire):
    wire.dial()
    wire.drop = {"ACK"}
    wire.bob.call.answer(wire.answer(wire.bob.call.offer), now=0.0)
    wire.run()
    wire.advance(40)
    event = ended(wire.bob)
    assert event.by is CallEndedBy.NETWORK
    assert event.error.response.status == 200
    assert "acknowledged" in event.reason
    assert wire.bob.call.state is CallState.ENDED
    assert wire.alice.call.state is CallState.ENDED


def test_a_refusal_that_is_never_acknowledged_is_over_all_the_same(wire):
    wire.dial()
    wire.drop = {486, "ACK"}
    wire.bob.call.reject(486, now=0.0)
    wire.run()
    wire.advance(40)
    assert wire.bob.call.state is CallState.ENDED


# the caller asks for an offer, RFC 3261 §13.3.1


def test_an_invite_without_offer_gets_one_and_its_ack_the_answer(wire):
    wire.invite()
    incoming = wire.bob.call
    assert isinstance(incoming, IncomingCall)
    assert incoming.offer is None
    offer = wire.offer("bob")
    incoming.answer(offer, now=0.0)
    wire.run()
    assert wire.invited.response.body == offer.to_bytes()
    assert incoming.agreement is None
    acknowledge_from_script(wire, wire.answer(offer, "alice").to_bytes())
    assert incoming.state is CallState.CONFIRMED
    assert incoming.agreement.offered_here
    assert wire.bob.told == [Confirmed(incoming.agreement)]


@pytest.mark.parametrize("answer", [b"", b"nonsense", b"v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nt=0 0\r\n"])
def test_a_bad_answer_in_the_ack_ends_the_call(wire, answer):
    wire.invite()
    wire.bob.call.answer(wire.offer("bob"), now=0.0)
    wire.run()
    acknowledge_from_script(wire, answer)
    event = ended(wire.bob)
    assert isinstance(event.error, NegotiationFailed)
    assert event.error.__cause__ is not None
    assert wire.bob.last("BYE")


def test_a_change_before_the_ack_is_refused_or_made(wire):
    """RFC 3311 §5.2: while the first offer waits for its answer, another one is refused."""
    wire.invite()
    wire.bob.call.answer(wire.offer("bob"), now=0.0)
    wire.run()
    dialog = Dialog.from_response(wire.invited.request, wire.invited.response)
    headers = [("Content-Type", "application/sdp")]
    update = dialog.create_request("UPDATE", headers, wire.offer().to_bytes())
    transaction = wire.alice.endpoint.send_request(update, wire.alice.flow, now=0.0)
    wire.run()
    assert transaction.response.status == 500
    assert "Retry-After" in transaction.response.headers
    assert not [event for event in wire.bob.told if isinstance(event, Modified)]


def test_requests_of_an_ended_call_get_481(wire):
    _, incoming = wire.connect()
    event = next(event for event in wire.bob.events if getattr(event, "request", None) is incoming.request)
    incoming.handle(event, now=0.0)
    assert incoming.state is CallState.CONFIRMED
    assert isinstance(event.request, Request)
