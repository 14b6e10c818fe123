from __future__ import annotations

from dataclasses import replace

import pytest

from wic.call import ALLOWED, SUPPORTED, CallState, Modified
from wic.sdp.description import SessionDescription
from wic.sdp.line import attribute


def changed(wire, *, direction="sendonly", drop_ufrag=False):
    """A later offer of Alice's: the audio with another direction."""
    local = wire.alice.call.agreement.local
    audio = local.media[0].without_attributes("sendrecv").with_attribute(direction)
    if drop_ufrag:
        audio = audio.without_attributes("ice-ufrag").with_attribute("ice-ufrag", "other")
    return local.with_media(audio, local.media[1]).with_origin(local.origin.next())


@pytest.mark.parametrize("method", ["INVITE", "UPDATE"])
def test_a_later_offer_is_answered(wire, method):
    _, incoming = wire.connect()
    before = incoming.agreement
    offer = changed(wire)
    response = wire.ask(method, offer.to_bytes())
    assert response.status == 200
    answer = SessionDescription.parse(response.body)
    assert answer.direction(0) == "recvonly"
    assert answer.origin.version == before.local.origin.version + 1
    assert answer.media[1] == before.local.media[1]
    assert wire.bob.told == [Modified(incoming.agreement)]
    assert incoming.agreement.remote == offer
    assert response.contacts
    if method == "INVITE":
        wire.acknowledge(response)
    assert incoming.state is CallState.CONFIRMED


@pytest.mark.parametrize("method", ["INVITE", "UPDATE"])
def test_an_offer_for_another_transport_is_refused_and_the_call_goes_on(wire, method):
    _, incoming = wire.connect()
    response = wire.ask(method, changed(wire, drop_ufrag=True).to_bytes())
    assert response.status == 488
    assert "new transport" in response.headers.get("Warning")
    assert incoming.state is CallState.CONFIRMED
    assert wire.bob.told == []
    assert wire.ask("UPDATE", changed(wire).to_bytes()).status == 200


@pytest.mark.parametrize(
    ("kind", "body", "status", "accept"),
    [
        ("application/sdp", b"nonsense", 400, None),
        ("text/plain", b"hello", 415, "application/sdp"),
        ("application/sdp", b"v=0\r\no=- 1 1 IN IP4 192.0.2.2\r\ns=-\r\nt=0 0\r\n", 488, None),
    ],
)
def test_a_later_offer_that_cannot_be_read_is_refused(wire, kind, body, status, accept):
    _, incoming = wire.connect()
    response = wire.ask("INVITE", body, kind=kind)
    assert response.status == status
    assert response.headers.get("Accept") == accept
    assert incoming.state is CallState.CONFIRMED


def test_an_update_without_offer_only_refreshes(wire):
    _, incoming = wire.connect()
    response = wire.ask("UPDATE")
    assert (response.status, response.body) == (200, b"")
    assert incoming.state is CallState.CONFIRMED


def test_a_reinvite_without_offer_gets_one(wire):
    _, incoming = wire.connect()
    before = incoming.agreement
    response = wire.ask("INVITE")
    offer = SessionDescription.parse(response.body)
    assert offer.media[0].attribute("setup") == "actpass"
    assert offer.media[0].attribute("ice-ufrag") == before.local.media[0].attribute("ice-ufrag")
    # RFC 3261 §14.2: while that offer waits for its answer, others are refused.
    assert wire.ask("UPDATE", changed(wire).to_bytes()).status == 491
    local = wire.alice.call.agreement.local
    answer = local.with_media(*(_with_setup(section, "passive") for section in local.media))
    wire.acknowledge(response, answer.to_bytes())
    assert incoming.agreement.offered_here
    assert incoming.agreement.local == offer
    assert wire.bob.told == [Modified(incoming.agreement)]
    assert wire.ask("UPDATE", changed(wire).to_bytes()).status == 200


@pytest.mark.parametrize("answer", [b"", b"nonsense", b"v=0\r\no=- 1 1 IN IP4 192.0.2.2\r\ns=-\r\nt=0 0\r\n"])
def test_a_bad_answer_to_a_later_offer_changes_nothing(wire, answer):
    _, incoming = wire.connect()
    before = incoming.agreement
    wire.acknowledge(wire.ask("INVITE"), answer)
    assert incoming.agreement is before
    assert incoming.state is CallState.CONFIRMED
    assert wire.ask("UPDATE", changed(wire).to_bytes()).status == 200


def test_options_says_what_is_possible(wire):
    wire.connect()
    response = wire.ask("OPTIONS")
    assert response.status == 200
    assert response.allow == ALLOWED
    assert response.supported == SUPPORTED
    assert [response.headers.get(f"Accept{part}") for part in ("", "-Encoding", "-Language")] == [
        "application/sdp",
        "identity",
        "en",
    ]


def test_a_notify_belongs_to_no_subscription(wire):
    """RFC 6665 §4.1.3."""
    wire.connect()
    assert wire.ask("NOTIFY").status == 481


@pytest.mark.parametrize(
    ("headers", "body", "status"),
    [((), b"", 200), ((), b"Signal=1", 415), ((("Info-Package", "dtmf"),), b"1", 469)],
)
def test_info(wire, headers, body, status):
    wire.connect()
    response = wire.ask("INFO", body, headers, kind="application/dtmf-relay")
    assert response.status == status
    assert ("Recv-Info" in response.headers) == (status == 469)


def test_other_methods_are_not_allowed(wire):
    _, incoming = wire.connect()
    response = wire.ask("PRACK")
    assert response.status == 405
    assert "BYE" in response.allow
    assert incoming.state is CallState.CONFIRMED


def test_requests_that_cross_the_bye_get_481(wire):
    _, incoming = wire.connect()
    incoming.hangup(now=0.0)
    dialog = wire.alice.call.dialog
    transaction = wire.alice.endpoint.send_request(dialog.create_request("INFO"), wire.alice.flow, now=0.0)
    wire.drop = {"BYE"}
    wire.run()
    assert transaction.response.status == 481


def test_an_ack_after_the_end_means_nothing(wire):
    _, incoming = wire.connect()
    response = wire.ask("INVITE")
    wire.drop = {"BYE"}
    incoming.hangup(now=0.0)
    wire.acknowledge(response)
    assert incoming.state is CallState.ENDING


def test_a_product_need_not_be_named(wire):
    wire.bob.profile = replace(wire.bob.profile, user_agent="")
    _, incoming = wire.connect()
    assert "Server" not in wire.bob.last(200).headers
    incoming.hangup(now=0.0)
    wire.run()
    assert "User-Agent" not in wire.bob.last("BYE").headers


def _with_setup(section, setup):
    return replace(
        section, lines=tuple(attribute("setup", setup) if line.name == "setup" else line for line in section.lines)
    )
