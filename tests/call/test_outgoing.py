from __future__ import annotations

import dataclasses

import pytest

from wic.auth import BearerClient, DigestClient, DigestCredentials, Secret
from wic.call import (
    Accepted,
    CallEndedBy,
    CallRedirected,
    CallState,
    EmergencyCallRefused,
    Ended,
    Failed,
    Progressed,
    Released,
    TokenWanted,
)
from wic.call import outgoing as outgoing_module
from wic.errors import (
    AuthenticationFailed,
    CallCancelled,
    CallFailed,
    CallRejected,
    ChallengeUnsupported,
    FlowLost,
    NegotiationFailed,
    NetworkNotTrusted,
    RequestTimeout,
    SignInFailed,
    TokenRefused,
)
from wic.sdp.errors import AnswerNotValid
from wic.sip.events import TransactionTimedOut
from wic.sip.headers.address import NameAddr
from wic.sip.ims3gpp import AlternativeService
from wic.sip.message import Request, Response
from wic.sip.random_source import CountingSource
from wic.sip.uri import Uri

CHALLENGE = ("WWW-Authenticate", 'Digest realm="ims.example", nonce="n1", qop="auth", algorithm=MD5')
PROXY_CHALLENGE = ("Proxy-Authenticate", 'Digest realm="proxy.example", nonce="n2", qop="auth", algorithm=MD5')


def only(events, kind):
    found = [event for event in events if isinstance(event, kind)]
    assert len(found) == 1, events
    return found[0]


def with_password(wire):
    realms = frozenset({"ims.example", "proxy.example", *(f"r{number}" for number in range(9))})
    credentials = DigestCredentials(username="alice@ims.example", secret=Secret("sesame"), realms=realms)
    return dataclasses.replace(
        wire.alice.profile, authenticator=DigestClient(credentials, random_source=CountingSource("cnonce"))
    )


# RFC 3261 §13.2


def test_invite_says_who_calls_and_what_is_offered(scripted):
    route = NameAddr.parse("<sip:orig@pcscf.example;lr>")
    profile = dataclasses.replace(scripted.alice.profile, routes=(route,), display="Alice A.")
    scripted.dial(profile)
    invite = scripted.alice.last("INVITE")
    assert isinstance(invite, Request)
    assert invite.uri_text == "sip:bob@ims.example"
    assert invite.routes == (route,)
    assert str(invite.from_).startswith('"Alice A." <sip:alice@ims.example>;tag=')
    assert invite.headers.get("P-Preferred-Identity") == '"Alice A." <sip:alice@ims.example>'
    assert str(invite.contacts[0]) == "<sip:alice@alice.invalid;transport=ws>"
    assert invite.headers.get("User-Agent") == "wic/alice"
    assert "UPDATE" in invite.allow
    assert not invite.supported
    assert b"a=3ge2ae:requested" in invite.body
    assert b"a=sctp-port:5000" in invite.body
    assert "Supported" not in invite.headers
    assert "Require" not in invite.headers


def test_a_call_that_rings_is_answered_and_ended_here(wire):
    outgoing = wire.dial()
    assert wire.bob.call.offer is not None
    wire.bob.call.ring(now=0.0)
    wire.run()
    assert outgoing.state is CallState.PROCEEDING
    assert wire.alice.told == [Progressed(180, "Ringing", None)]
    wire.bob.call.answer(wire.answer(wire.bob.call.offer), now=0.0)
    wire.run()
    assert outgoing.state is CallState.CONFIRMED
    accepted = only(wire.alice.told, Accepted)
    assert accepted.agreement is outgoing.agreement
    assert accepted.agreement.answer is accepted.agreement.remote
    assert wire.alice.sent_methods() == ["INVITE", "ACK"]
    outgoing.hangup(now=1.0)
    assert outgoing.state is CallState.ENDING
    wire.run()
    assert outgoing.state is CallState.ENDED
    assert wire.alice.told == [Ended(CallEndedBy.LOCAL, "this side hung up"), Released()]
    assert wire.bob.told[-2:] == [Ended(CallEndedBy.REMOTE, "the other side hung up"), Released()]
    outgoing.hangup(now=2.0)
    wire.run()
    assert wire.alice.sent_methods() == ["INVITE", "ACK", "BYE"]


def test_100_and_a_provisional_without_tag_make_no_dialog(scripted):
    outgoing = scripted.dial()
    scripted.reply(100, tag=None)
    assert outgoing.state is CallState.CALLING
    response = Response.answer(scripted.received("INVITE").request, 182)
    outgoing._provisional(response)
    assert outgoing.state is CallState.PROCEEDING
    assert scripted.alice.told == [Progressed(182, "Queued", None)]


def test_a_183_without_contact_still_makes_progress(scripted):
    scripted.dial()
    scripted.reply(183, headers=())
    scripted.reply(183, tag="b2", headers=(("Record-Route", "<tel:+1>"),))
    assert [event.status for event in scripted.alice.told] == [183, 183]
    assert len(scripted.alice.call._branches) == 1


def test_the_first_description_of_a_dialog_is_the_answer(scripted):
    outgoing = scripted.dial()
    answer = scripted.answer(outgoing._offer)
    scripted.reply(183, sdp=answer)
    scripted.reply(183, sdp=answer.with_origin(answer.origin.next()))
    assert scripted.alice.told == [Progressed(183, "Session Progress", answer)] * 2
    scripted.reply(200)
    assert only(scripted.alice.told, Accepted).agreement.remote == answer


def test_an_unreadable_early_answer_is_passed_over(scripted):
    outgoing = scripted.dial()
    scripted.reply(183, sdp=b"nonsense")
    assert scripted.alice.told == [Progressed(183, "Session Progress", None)]
    scripted.reply(200, sdp=scripted.answer(outgoing._offer))
    assert outgoing.state is CallState.CONFIRMED


def test_no_more_early_dialogs_than_the_limit(scripted, monkeypatch):
    monkeypatch.setattr(outgoing_module, "_MAX_BRANCHES", 1)
    outgoing = scripted.dial()
    answer = scripted.answer(outgoing._offer)
    scripted.reply(180)
    scripted.reply(180, tag="b2")
    assert len(outgoing._branches) == 1
    scripted.reply(200, tag="b2", sdp=answer)
    assert outgoing.state is CallState.CONFIRMED


# forking, RFC 3261 §13.2.2.4


def test_the_first_2xx_wins_and_later_ones_are_hung_up(scripted):
    outgoing = scripted.dial()
    answer = scripted.answer(outgoing._offer)
    scripted.reply(180, tag="b1")
    scripted.reply(180, tag="b2")
    scripted.reply(200, tag="b2", sdp=answer)
    assert outgoing.state is CallState.CONFIRMED
    # another branch answers: through the transport, for a scripted Bob has but one transaction
    second = Response.answer(
        scripted.received("INVITE").request,
        200,
        to_tag="b1",
        headers=[("Contact", "<sip:bob@other.invalid>"), ("Content-Type", "application/sdp")],
        body=answer.to_bytes(),
    )
    scripted.alice.endpoint.receive(second.to_bytes(), scripted.alice.flow, now=0.0)
    scripted.run()
    assert scripted.alice.sent_methods() == ["INVITE", "ACK", "ACK", "BYE"]
    bye = scripted.alice.last("BYE")
    assert bye.uri_text == "sip:bob@other.invalid"
    assert bye.to.tag == "b1"
    assert outgoing.state is CallState.CONFIRMED
    assert [type(event) for event in scripted.alice.told] == [Progressed, Progressed, Accepted]


def test_a_late_provisional_changes_nothing(scripted):
    outgoing = scripted.dial()
    scripted.reply(200, sdp=scripted.answer(outgoing._offer))
    late = Response.answer(scripted.received("INVITE").request, 180, to_tag="b9")
    outgoing._provisional(late)
    assert only(scripted.alice.told, Accepted)


# answers that cannot be used


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"", "no session description"),
        (b"nonsense", "cannot be used"),
        (b"v=0\r\no=- 1 1 IN IP4 192.0.2.2\r\ns=-\r\nt=0 0\r\n", "accepts none"),
        (b"v=0\r\no=- 1 1 IN IP4 192.0.2.2\r\ns=-\r\nt=0 0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 0\r\n", "m-lines"),
    ],
)
def test_a_bad_answer_is_acknowledged_and_hung_up(scripted, body, why):
    outgoing = scripted.dial()
    scripted.reply(200, sdp=body)
    assert scripted.alice.sent_methods() == ["INVITE", "ACK", "BYE"]
    told = scripted.alice.told
    error = only(told, Failed).error
    assert isinstance(error, NegotiationFailed)
    assert why in str(error)
    assert error.response.status == 200
    assert error.__cause__ is not None
    assert outgoing.state is CallState.ENDED
    assert told[-1] == Released()


def test_an_answer_of_another_type_is_hung_up(scripted):
    scripted.dial()
    event = scripted.received("INVITE")
    headers = [("Contact", "<sip:bob@bob.invalid>"), ("Content-Type", "text/plain")]
    scripted.bob.endpoint.reply(event.transaction, 200, headers=headers, body=b"hello", now=0.0)
    scripted.run()
    assert "text/plain" in str(only(scripted.alice.told, Failed).error)


def test_a_2xx_that_leads_nowhere_fails_the_call(scripted):
    outgoing = scripted.dial()
    scripted.reply(180)
    scripted.reply(200, tag="b2", headers=())
    error = only(scripted.alice.told[1:], Failed).error
    assert isinstance(error, NegotiationFailed)
    assert "is missing" in str(error)
    assert scripted.alice.sent_methods() == ["INVITE", "ACK", "BYE"]
    assert outgoing.state is CallState.ENDED


UNUSABLE = [
    ({"Contact": "<sip:"}, "sip:bob@ims.example"),
    ({"Contact": "<sip:bob@b.invalid>", "Record-Route": "<tel:1>, <sip:p.example;lr>"}, "sip:bob@b.invalid"),
    ({"Contact": '<sip:bob@b.invalid;x="a">, <sip:bob@c.invalid>'}, "sip:bob@c.invalid"),
    ({"Contact": "<sip:bob@b.invalid>", "Record-Route": "<sip:p.example;lr>, <>"}, "sip:bob@b.invalid"),
]


@pytest.mark.parametrize(("headers", "target"), UNUSABLE)
def test_a_2xx_that_cannot_be_used_is_acknowledged_and_ended(scripted, headers, target):
    outgoing = scripted.dial()
    scripted.reply(200, headers=tuple(headers.items()))
    assert isinstance(only(scripted.alice.told, Failed).error, NegotiationFailed)
    ack, bye = scripted.alice.last("ACK"), scripted.alice.last("BYE")
    assert (ack.uri_text, bye.uri_text) == (target, target)
    assert [str(hop.uri) for hop in bye.routes] == (["sip:p.example;lr"] if "Record-Route" in headers else [])
    assert outgoing.state is CallState.ENDED
    assert scripted.alice.endpoint.dialogs == 0


@pytest.mark.parametrize(("headers", "target"), UNUSABLE)
def test_of_an_early_dialog_such_a_2xx_is_ended_along_what_is_known(scripted, headers, target):
    scripted.dial()
    scripted.reply(180, headers=(("Contact", "<sip:early@b.invalid>"), ("Record-Route", "<sip:e.example;lr>")))
    scripted.reply(200, headers=tuple(headers.items()))
    bye = scripted.alice.last("BYE")
    early = headers == {"Contact": "<sip:"}
    assert bye.uri_text == ("sip:early@b.invalid" if early else target)
    assert [str(hop.uri) for hop in bye.routes] == [
        "sip:p.example;lr" if "Record-Route" in headers else "sip:e.example;lr"
    ]
    assert scripted.alice.endpoint.dialogs == 0


@pytest.mark.parametrize(("headers", "target"), UNUSABLE)
def test_a_provisional_response_that_cannot_be_used_is_progress(scripted, headers, target):
    outgoing = scripted.dial()
    scripted.reply(180, headers=tuple(headers.items()))
    assert only(scripted.alice.told, Progressed).status == 180
    scripted.reply(200, tag="b2", sdp=scripted.answer(outgoing._offer))
    assert outgoing.state is CallState.CONFIRMED


def test_a_second_2xx_that_leads_nowhere_is_acknowledged_and_ended(scripted):
    outgoing = scripted.dial()
    scripted.reply(200, sdp=scripted.answer(outgoing._offer))
    second = Response.answer(scripted.received("INVITE").request, 200, to_tag="b2")
    scripted.alice.endpoint.receive(second.to_bytes(), scripted.alice.flow, now=0.0)
    scripted.run()
    assert outgoing.state is CallState.CONFIRMED
    assert scripted.alice.sent_methods() == ["INVITE", "ACK", "ACK", "BYE"]
    assert scripted.alice.last("BYE").to.tag == "b2"


# refusals


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (404, "the called user is not known"),
        (486, "busy"),
        (488, "none of the offered media"),
        (603, "declined"),
        (599, "rejected"),
    ],
)
def test_a_refusal_is_an_error_with_its_response(scripted, status, words):
    outgoing = scripted.dial()
    scripted.reply(180)
    scripted.reply(status)
    told = scripted.alice.told
    error = only(told, Failed).error
    assert isinstance(error, CallRejected)
    assert error.response.status == status
    assert words in str(error)
    assert str(status) in str(error)
    assert told[-1] == Released()
    assert outgoing.state is CallState.ENDED
    assert scripted.alice.sent_methods() == ["INVITE", "ACK"]


@pytest.mark.parametrize(
    ("headers", "uris"),
    [((("Contact", "<sip:c@example.com>, <tel:+1>"),), ["sip:c@example.com", "tel:+1"]), ((), [])],
)
def test_a_redirection_is_not_followed(scripted, headers, uris):
    scripted.dial()
    scripted.reply(302, headers=headers)
    error = only(scripted.alice.told, Failed).error
    assert isinstance(error, CallRedirected)
    assert [str(contact.uri) for contact in error.contacts] == uris
    assert (uris[0] if uris else "nowhere") in str(error)


@pytest.mark.parametrize(
    ("status", "asserted", "service", "kind"),
    [
        (380, "<sip:token@edge.example;lr>", "emergency", EmergencyCallRefused),
        (380, "<sip:token@mallory.example;lr>", "emergency", CallRedirected),
        (380, "<sip:", "emergency", CallRedirected),
        (380, "<sip:token@edge.example;lr>", "restoration", CallRedirected),
        (380, "<sip:token@edge.example;lr>", "", CallRedirected),
        (302, "<sip:token@edge.example;lr>", "emergency", CallRedirected),
    ],
)
def test_an_emergency_call_is_known_by_an_answer_of_the_network_only(scripted, status, asserted, service, kind):
    """TS 24.371 §7.2.4, TS 24.229 §5.2.10.4: a called one could say so as well."""
    network = (Uri.parse("sip:token@edge.example;lr"),)
    scripted.dial(dataclasses.replace(scripted.alice.profile, network=network))
    body = AlternativeService(service).to_xml() if service else b"<"
    headers = (("P-Asserted-Identity", asserted), ("Content-Type", "application/3gpp-ims+xml"))
    asked = scripted.received("INVITE")
    answer = Response.answer(asked.request, status, to_tag="b1", headers=headers, body=body)
    scripted.bob.endpoint.respond(asked.transaction, answer, now=scripted.now)
    scripted.run()
    assert type(only(scripted.alice.told, Failed).error) is kind


def test_no_answer_in_time_has_the_request_on_its_cause(scripted):
    scripted.drop = {"INVITE"}
    outgoing = scripted.dial()
    scripted.advance(40)
    error = only(scripted.alice.told, Failed).error
    assert isinstance(error.__cause__, RequestTimeout)
    assert error.__cause__.request.method == "INVITE"
    assert error.__cause__.flow == scripted.alice.flow
    assert outgoing.state is CallState.ENDED


def test_a_lost_connection_fails_the_call(scripted):
    outgoing = scripted.dial()
    scripted.alice.endpoint.flow_closed(scripted.alice.flow, "reset by peer", now=0.0)
    scripted.run()
    error = only(scripted.alice.told, Failed).error
    assert "reset by peer" in str(error)
    assert isinstance(error.__cause__, FlowLost)
    assert outgoing.state is CallState.ENDED


# CANCEL, RFC 3261 §9.1


def test_cancel_waits_for_a_provisional_response(scripted):
    outgoing = scripted.dial()
    outgoing.hangup(now=0.0)
    assert isinstance(only(scripted.alice.told, Failed).error, CallCancelled)
    scripted.run()
    assert scripted.alice.sent_methods() == ["INVITE"]
    scripted.reply(180)
    assert scripted.alice.told == []
    assert scripted.alice.sent_methods() == ["INVITE", "CANCEL"]
    scripted.reply(487)
    assert scripted.alice.told == [Released()]
    assert outgoing.state is CallState.ENDED
    outgoing.hangup(now=0.0)


def test_a_cancel_that_crosses_the_answer_becomes_a_bye(scripted):
    outgoing = scripted.dial()
    scripted.reply(180)
    outgoing.hangup(now=0.0)
    scripted.drop = {"CANCEL"}
    scripted.reply(200, sdp=scripted.answer(outgoing._offer))
    assert scripted.alice.sent_methods() == ["INVITE", "CANCEL", "ACK", "BYE"]
    assert outgoing.state is CallState.ENDED
    told = scripted.alice.told
    assert isinstance(only(told, Failed).error, CallCancelled)
    assert told[-1] == Released()


def test_a_cancel_without_effect_ends_by_time(scripted):
    outgoing = scripted.dial()
    scripted.reply(180)
    outgoing.hangup(now=0.0)
    scripted.advance(40)
    assert outgoing.state is CallState.ENDED
    assert isinstance(only(scripted.alice.told, Failed).error, CallCancelled)


def test_a_bye_in_an_early_dialog_ends_the_call(scripted):
    outgoing = scripted.dial()
    scripted.reply(180)
    request = Request.build(
        "BYE",
        "sip:alice@alice.invalid;transport=ws",
        [
            ("From", NameAddr.parse("<sip:bob@ims.example>").with_tag("b1")),
            ("To", scripted.alice.last("INVITE").from_),
            ("Call-ID", outgoing.call_id),
            ("CSeq", "1 BYE"),
        ],
    )
    scripted.bob.endpoint.send_request(request, scripted.bob.flow, now=0.0)
    scripted.run()
    assert scripted.alice.sent_methods() == ["INVITE", 200, "CANCEL"]
    assert "before it answered" in str(only(scripted.alice.told, Failed).error)
    assert outgoing.state is CallState.CANCELLING


def test_other_requests_in_an_early_dialog_are_answered(scripted):
    outgoing = scripted.dial()
    scripted.reply(180)
    for number, (method, body, status) in enumerate(
        [("UPDATE", scripted.offer("bob").to_bytes(), 500), ("UPDATE", b"", 200), ("OPTIONS", b"", 200)], start=1
    ):
        headers = [
            ("From", NameAddr.parse("<sip:bob@ims.example>").with_tag("b1")),
            ("To", scripted.alice.last("INVITE").from_),
            ("Call-ID", outgoing.call_id),
            ("CSeq", f"{number} {method}"),
            *([("Content-Type", "application/sdp")] if body else []),
        ]
        request = Request.build(method, "sip:alice@alice.invalid", headers, body)
        scripted.bob.endpoint.send_request(request, scripted.bob.flow, now=0.0)
        scripted.run()
        assert scripted.alice.sent[-1].status == status
    assert outgoing.state is CallState.PROCEEDING


# RFC 3261 §22.2


def test_challenges_of_two_networks_are_answered(scripted):
    outgoing = scripted.dial(with_password(scripted))
    scripted.reply(407, headers=(PROXY_CHALLENGE,))
    scripted.reply(401, headers=(CHALLENGE,))
    scripted.reply(200, sdp=scripted.answer(outgoing._offer))
    assert outgoing.state is CallState.CONFIRMED
    invites = [
        message for message in scripted.alice.sent if isinstance(message, Request) and message.method == "INVITE"
    ]
    assert [invite.cseq.number for invite in invites] == [1, 2, 3]
    assert len({(invite.call_id, invite.from_.tag) for invite in invites}) == 1
    assert "Authorization" in invites[2].headers
    assert "Proxy-Authorization" in invites[2].headers
    assert scripted.alice.last("ACK").cseq.number == 3


@pytest.mark.parametrize("challenge", [CHALLENGE, PROXY_CHALLENGE])
def test_a_stranger_that_asks_for_the_password_gets_no_answer(scripted, challenge):
    credentials = DigestCredentials(username="alice@ims.example", secret=Secret("sesame"))
    client = DigestClient(credentials, random_source=CountingSource("cnonce"))
    scripted.dial(dataclasses.replace(scripted.alice.profile, authenticator=client))
    scripted.reply(401 if challenge is CHALLENGE else 407, headers=(challenge,))
    error = only(scripted.alice.told, Failed).error
    assert isinstance(error.__cause__, ChallengeUnsupported)
    assert "It gets no answer, since a password can be guessed from one" in str(error)
    assert scripted.alice.sent_methods() == ["INVITE", "ACK"]


def test_a_wrong_password_ends_after_one_honest_retry(scripted):
    scripted.dial(with_password(scripted))
    scripted.reply(401, headers=(CHALLENGE,))
    scripted.reply(401, headers=(CHALLENGE,))
    error = only(scripted.alice.told, Failed).error
    assert isinstance(error, CallRejected)
    assert isinstance(error.__cause__, AuthenticationFailed)
    assert scripted.alice.sent_methods() == ["INVITE", "ACK", "INVITE", "ACK"]


def test_a_network_that_cannot_prove_itself_is_hung_up(scripted):
    outgoing = scripted.dial(with_password(scripted))
    scripted.reply(401, headers=(CHALLENGE,))
    info = ("Authentication-Info", 'rspauth="00000000000000000000000000000000", qop=auth')
    scripted.reply(200, headers=(("Contact", "<sip:bob@bob.invalid>"), info), sdp=scripted.answer(outgoing._offer))
    error = only(scripted.alice.told, Failed).error
    assert isinstance(error.__cause__, NetworkNotTrusted)
    assert scripted.alice.last("BYE")


def test_a_challenge_without_credentials_ends_the_call(scripted):
    scripted.dial()
    scripted.reply(407, headers=(PROXY_CHALLENGE,))
    error = only(scripted.alice.told, Failed).error
    assert error.response.status == 407
    assert isinstance(error.__cause__, ChallengeUnsupported)


def test_endless_challenges_come_to_an_end(scripted):
    scripted.dial(with_password(scripted))
    for number in range(9):
        if scripted.alice.call.state is CallState.ENDED:
            break
        scripted.reply(407, headers=(("Proxy-Authenticate", f'Digest realm="r{number}", nonce="n", algorithm=MD5'),))
    error = only(scripted.alice.told, Failed).error
    assert "again and again" in str(error.__cause__)


def test_a_challenge_after_the_cancel_ends_the_call(scripted):
    outgoing = scripted.dial(with_password(scripted))
    outgoing.hangup(now=0.0)
    scripted.reply(407, headers=(PROXY_CHALLENGE,))
    assert outgoing.state is CallState.ENDED
    assert scripted.alice.sent_methods() == ["INVITE", "ACK"]


def test_the_end_of_another_transaction_means_nothing(scripted):
    outgoing = scripted.dial()
    scripted.reply(200, sdp=scripted.answer(outgoing._offer))
    outgoing.handle(TransactionTimedOut(outgoing._invite), now=0.0)
    assert outgoing.state is CallState.CONFIRMED
    assert not isinstance(outgoing.agreement, AnswerNotValid)
    assert not [event for event in scripted.alice.told if isinstance(event, Failed | CallFailed)]


# an access token that the network does not accept (RFC 8898 §2.1.4)

TOKEN_REFUSED = ("WWW-Authenticate", 'Bearer realm="ims.example", error="invalid_token"')


@pytest.fixture
def bearer(scripted):
    """A caller whose token was refused."""
    client = BearerClient(token=Secret("old"))
    scripted.dial(dataclasses.replace(scripted.alice.profile, authenticator=client))
    scripted.reply(401, headers=(TOKEN_REFUSED,))
    wanted = only(scripted.alice.told, TokenWanted)
    assert isinstance(wanted.error, TokenRefused)
    assert scripted.alice.call.state is CallState.CALLING
    return client


def test_an_invite_is_repeated_with_another_token(scripted, bearer):
    bearer.use(Secret("new"))
    scripted.alice.call.repeat(now=1.0)
    scripted.run()
    first, second = (each for each in scripted.alice.sent if isinstance(each, Request) and each.method == "INVITE")
    assert (str(first.auth("Authorization")[0]), str(second.auth("Authorization")[0])) == ("Bearer old", "Bearer new")
    assert (second.call_id, second.cseq.number) == (first.call_id, first.cseq.number + 1)
    scripted.alice.call.repeat(now=1.0)
    scripted.run()
    assert scripted.alice.last("INVITE") is second, "it is repeated once"
    scripted.reply(401, headers=(TOKEN_REFUSED,))
    failure = only(scripted.alice.told, Failed)
    assert isinstance(failure.error, CallRejected)
    assert isinstance(failure.error.__cause__, TokenRefused)


def test_no_other_token_is_to_be_had(scripted, bearer):
    error = SignInFailed("the WAF says no")
    scripted.alice.call.give_up(error)
    failure = only(scripted.alice.told, Failed)
    assert isinstance(failure.error, CallRejected)
    assert failure.error.__cause__ is error
    scripted.alice.call.give_up(error)
    scripted.alice.call.repeat(now=1.0)
    assert scripted.alice.told == []


def test_a_call_is_given_up_while_it_waits_for_a_token(scripted, bearer):
    scripted.alice.call.hangup(now=0.0)
    assert isinstance(only(scripted.alice.told, Failed).error, CallCancelled)
    assert scripted.alice.call.state is CallState.ENDED
    assert "CANCEL" not in scripted.alice.sent_methods()
