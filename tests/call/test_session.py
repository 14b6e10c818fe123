from __future__ import annotations

import dataclasses
from dataclasses import replace

import pytest

from wic.auth import DigestClient, DigestCredentials, Secret
from wic.call import CallEndedBy, CallState, Ended, Failed, Released
from wic.call.state import CallInput
from wic.errors import CallFailed, FlowLost
from wic.sip.events import FlowClosed, MessageDropped, TransactionTimedOut, TransportFailed
from wic.sip.message import Response
from wic.sip.random_source import CountingSource


def test_both_sides_hang_up_at_once(wire):
    outgoing, incoming = wire.connect()
    outgoing.hangup(now=0.0)
    incoming.hangup(now=0.0)
    assert outgoing.state is incoming.state is CallState.ENDING
    wire.run()
    assert outgoing.state is incoming.state is CallState.ENDED
    for side in (wire.alice, wire.bob):
        assert side.told == [Ended(CallEndedBy.LOCAL, "this side hung up"), Released()]
        assert side.sent_methods().count("BYE") == 1


@pytest.mark.parametrize(
    ("reasons", "words"),
    [
        ([], ""),
        (["Q.850;cause=16"], "normal clearing"),
        (['q.850 ;cause=16;text="NORMAL_CLEARING"'], "normal clearing"),
        (["Q.850;cause=31, SIP;cause=200"], "normal, unspecified"),
        (["SIP;cause=200", "Q.850;cause=16"], "normal clearing"),
        (['SIP;cause=200;text="Call completed elsewhere"'], "Call completed elsewhere"),
        (["Q.850;cause=119"], "Q.850 cause 119"),
        (['Q.850;cause=119;text="of the maker"'], "of the maker"),
        (["Q.850"], ""),
        (["SIP;cause=200"], ""),
        (['preemption;cause=1;text="UA preempted"'], "UA preempted"),
        (["???", "X.int;reasoncode=0x00000000"], ""),
    ],
)
def test_an_ordinary_reason_is_told_in_words(wire, reasons, words):
    _, incoming = wire.connect()
    wire.ask("BYE", headers=tuple(("Reason", reason) for reason in reasons))
    told = f"the other side hung up ({words})" if words else "the other side hung up"
    assert wire.bob.told == [Ended(CallEndedBy.REMOTE, told), Released()]
    assert incoming.state is CallState.ENDED


@pytest.mark.parametrize(
    ("reasons", "words"),
    [
        (["Q.850;cause=16", 'SIP;cause=503;text="the media are gone"'], "the media are gone"),
        (["sip ;cause=408"], "Request Timeout (SIP cause 408)"),
        (["???, SIP;cause=580"], "Precondition Failure (SIP cause 580)"),
    ],
)
def test_a_reason_of_failure_is_an_error(wire, reasons, words):
    # RFC 3326 §2: causes of the protocol SIP are status codes
    wire.connect()
    wire.ask("BYE", headers=tuple(("Reason", reason) for reason in reasons))
    ended, _ = wire.bob.told
    assert (ended.by, ended.reason) == (CallEndedBy.REMOTE, words)
    assert str(ended.error) == f"the other side had to end the call: {words}"


def test_a_fault_here_ends_the_call_by_bye(wire):
    outgoing, _ = wire.connect()
    error = CallFailed("the media are gone")
    outgoing.fail(error, now=0.0)
    wire.run()
    assert wire.alice.told == [Ended(CallEndedBy.NETWORK, "the media are gone", error), Released()]
    assert wire.alice.last("BYE")
    outgoing.fail(error, now=0.0)
    assert wire.alice.told == []


def test_a_fault_of_the_answering_side_ends_the_call_by_bye(wire):
    _, incoming = wire.connect()
    incoming.fail(CallFailed("the media are gone"), now=0.0)
    wire.run()
    assert wire.bob.last("BYE")
    assert incoming.state is CallState.ENDED


def test_a_bye_without_an_answer_ends_by_time(wire):
    outgoing, _ = wire.connect()
    wire.drop = {"BYE"}
    outgoing.hangup(now=0.0)
    wire.run()
    assert outgoing.state is CallState.ENDING
    wire.advance(40)
    assert outgoing.state is CallState.ENDED


def test_a_lost_connection_ends_an_established_call(wire):
    outgoing, _ = wire.connect()
    wire.alice.endpoint.flow_closed(wire.alice.flow, "reset", now=0.0)
    wire.run()
    told = wire.alice.told
    assert told[0].by is CallEndedBy.NETWORK
    assert isinstance(told[0].error.__cause__, FlowLost)
    assert told[1:] == [Released()]
    assert outgoing.state is CallState.ENDED


def test_an_established_call_goes_over_to_another_flow(wire):
    outgoing, incoming = wire.connect()
    assert outgoing.survives
    assert str(outgoing.identity) == "sip:alice@ims.example"
    other = replace(outgoing.flow, id="another")
    outgoing.move(other, now=wire.now)
    assert outgoing.flow == other
    outgoing.hangup(now=0.0)
    assert [transmit.flow for transmit in wire.alice.endpoint.to_send()] == [other]
    assert outgoing.survives, "until its BYE is answered"
    assert incoming.survives


@pytest.mark.parametrize("sent", [False, True])
def test_a_bye_waits_for_another_flow(wire, sent):
    outgoing, _ = wire.connect()
    wire.drop = {"BYE"}
    if sent:
        outgoing.hangup(now=0.0)
        wire.run()
    outgoing.suspend()
    wire.alice.endpoint.flow_closed(wire.alice.flow, "reset", now=0.0)
    while (event := wire.alice.endpoint.next_event()) is not None:
        if not isinstance(event, FlowClosed):
            outgoing.handle(event, now=0.0)
    if not sent:
        outgoing.hangup(now=0.0)
    assert wire.alice.told == [Ended(CallEndedBy.LOCAL, "this side hung up")]
    assert list(wire.alice.endpoint.to_send()) == []
    other = replace(outgoing.flow, id="another")
    outgoing.move(other, now=1.0)
    assert [transmit.flow for transmit in wire.alice.endpoint.to_send()] == [other]
    outgoing.move(other, now=1.0)
    assert list(wire.alice.endpoint.to_send()) == [], "it is sent once"


def test_a_fault_ends_a_call_before_its_answer(wire):
    outgoing = wire.dial()
    incoming = wire.bob.call
    incoming.ring(now=0.0)
    wire.run()
    error = CallFailed("the registration ended")
    outgoing.fail(error, now=0.0)
    wire.run()
    assert Failed(error) in wire.alice.told
    assert wire.alice.last("CANCEL")
    assert incoming.state is CallState.ENDED
    outgoing.fail(error, now=0.0)
    assert wire.alice.told == []


def test_a_fault_refuses_a_call_that_was_not_answered_yet(wire):
    wire.dial()
    error = CallFailed("the registration ended")
    wire.bob.call.fail(error, now=0.0)
    wire.run()
    assert wire.bob.told == [Failed(error), Released()]
    assert wire.bob.last(480).headers.get("Warning")


def test_a_connection_lost_during_the_bye_ends_it(wire):
    outgoing, _ = wire.connect()
    wire.drop = {"BYE"}
    outgoing.hangup(now=0.0)
    wire.run()
    wire.alice.endpoint.flow_closed(wire.alice.flow, "reset", now=0.0)
    wire.run()
    assert outgoing.state is CallState.ENDED
    assert wire.alice.told == [Ended(CallEndedBy.LOCAL, "this side hung up"), Released()]


def test_a_lost_bye_of_another_branch_changes_nothing(scripted):
    """A transaction other than INVITE and BYE of the call itself may fail without harm."""
    outgoing = scripted.dial()
    scripted.reply(200, sdp=scripted.answer(scripted.offer()))
    scripted.drop = {"BYE"}
    second = Response.answer(scripted.received("INVITE").request, 200, to_tag="b2", headers=[("Contact", "<sip:b@b>")])
    scripted.alice.endpoint.receive(second.to_bytes(), scripted.alice.flow, now=0.0)
    scripted.run()
    assert scripted.alice.sent_methods().count("BYE") == 1
    scripted.advance(31)
    assert outgoing.state is CallState.CONFIRMED
    scripted.advance(2)
    (timed_out,) = (event for event in scripted.alice.events if isinstance(event, TransactionTimedOut))
    assert timed_out.transaction.request.method == "BYE"
    assert outgoing.state is CallState.CONFIRMED
    outgoing.handle(TransportFailed(timed_out.transaction, "gone"), now=scripted.now)
    assert outgoing.state is CallState.CONFIRMED


def test_events_of_others_mean_nothing(wire):
    outgoing, _ = wire.connect()
    outgoing.handle(MessageDropped("noise", wire.alice.flow), now=0.0)
    assert outgoing.state is CallState.CONFIRMED
    assert outgoing.next_event() is None


REALMS = frozenset({"r", *(f"r{number}" for number in range(4))})


@pytest.mark.parametrize("password", [True, False])
def test_a_challenged_bye(scripted, password):
    profile = scripted.alice.profile
    if password:
        credentials = DigestCredentials(username="alice@ims.example", secret=Secret("sesame"), realms=REALMS)
        client = DigestClient(credentials, random_source=CountingSource("cnonce"))
        profile = dataclasses.replace(profile, authenticator=client)
    outgoing = scripted.dial(profile)
    scripted.reply(200, sdp=scripted.answer(outgoing._offer))
    dialog = _bob_dialog(scripted)
    outgoing.hangup(now=0.0)
    scripted.run()
    challenge = ("Proxy-Authenticate", 'Digest realm="r", nonce="n", qop="auth", algorithm=MD5')
    scripted.reply(100, tag=None, headers=(), method="BYE")
    scripted.reply(407, tag=None, headers=(challenge,), method="BYE")
    if password:
        assert outgoing.state is CallState.ENDING
        assert "Proxy-Authorization" in scripted.alice.last("BYE").headers
        scripted.reply(200, tag=None, headers=(), method="BYE")
    assert outgoing.state is CallState.ENDED
    assert dialog.remote_cseq == (3 if password else 2)


@pytest.mark.parametrize(("status", "header"), [(401, "WWW-Authenticate"), (407, "Proxy-Authenticate")])
def test_a_stranger_that_challenges_the_bye_gets_no_answer(scripted, status, header):
    credentials = DigestCredentials(username="alice@ims.example", secret=Secret("sesame"))
    client = DigestClient(credentials, random_source=CountingSource("cnonce"))
    outgoing = scripted.dial(dataclasses.replace(scripted.alice.profile, authenticator=client))
    scripted.reply(200, sdp=scripted.answer(outgoing._offer))
    _bob_dialog(scripted)
    outgoing.hangup(now=0.0)
    scripted.run()
    scripted.reply(status, tag=None, headers=((header, 'Digest realm="r", nonce="n", qop="auth"'),), method="BYE")
    assert outgoing.state is CallState.ENDED
    assert scripted.alice.sent_methods().count("BYE") == 1


def test_endless_challenges_of_a_bye_end_the_call(scripted):
    credentials = DigestCredentials(username="alice@ims.example", secret=Secret("sesame"), realms=REALMS)
    client = DigestClient(credentials, random_source=CountingSource("cnonce"))
    outgoing = scripted.dial(dataclasses.replace(scripted.alice.profile, authenticator=client))
    scripted.reply(200, sdp=scripted.answer(outgoing._offer))
    _bob_dialog(scripted)
    outgoing.hangup(now=0.0)
    scripted.run()
    for number in range(4):
        challenge = ("Proxy-Authenticate", f'Digest realm="r{number}", nonce="n", algorithm=MD5')
        scripted.reply(407, tag=None, headers=(challenge,), method="BYE")
    assert outgoing.state is CallState.ENDED
    assert scripted.alice.sent_methods().count("BYE") == 4


def test_only_moves_of_the_table_exist(wire):
    outgoing, _ = wire.connect()
    with pytest.raises(AssertionError, match="no RING in a call that is confirmed"):
        outgoing._move(CallInput.RING)


def _bob_dialog(wire):
    from wic.sip.dialog import Dialog

    event = wire.received("INVITE")
    dialog = Dialog.from_request(event.request, event.transaction.response)
    wire.bob.endpoint.add_dialog(dialog)
    return dialog
