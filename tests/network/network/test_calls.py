"""Calls through the network, signalling written and read as text; no media ever flow here."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from tests.support.raw_calls import (
    ANSWER,
    BOB,
    FINGERPRINT,
    HEAD,
    OFFER,
    SECRETS,
    Call,
    legs,
    m_lines,
    sdp,
)
from tests.support.subscribers import add_with_password
from tests.support.waiting import until
from wic.auth.secret import Secret
from wic.errors import MediaFailed
from wic.media.transport import TransportState
from wic.network.agw.gateway import Agw, AgwOptions

if TYPE_CHECKING:
    from wic.network.epcscf.leg import Leg


def lose_media(leg: Leg) -> None:
    """Let a leg's media fail at the eIMS-AGW."""
    transport = next(iter(leg.negotiator.context.lines.values())).transport
    assert transport.on_state is not None
    transport.on_state(TransportState.FAILED, MediaFailed("nothing heard"))


async def test_offer_and_answer_on_each_side(call, mw, ims):
    """TS 24.371 §7.4.2, §7.4.3, §8.4.2, §8.4.3, on the very bytes."""
    offered, answered = sdp(call.invited), sdp(call.ok)
    # towards the called WIC: DTLS-SRTP with 3ge2ae:applied, data channels with sctp-port, no bundling
    assert [line.split()[0::2][:2] for line in m_lines(call.invited)] == [
        ["m=audio", "UDP/TLS/RTP/SAVPF"],
        ["m=application", "UDP/DTLS/SCTP"],
    ]
    assert "a=3ge2ae:applied" in offered
    assert "a=sctp-port:" in offered
    assert FINGERPRINT not in offered
    assert "BUNDLE" not in offered
    assert "a=x-unknown:kept" in offered
    # towards the calling WIC: each of its m-lines at its place, the bundle-only one with port 0
    kinds = [line.split()[:2] for line in m_lines(call.ok)]
    assert [kind for kind, _ in kinds] == ["m=audio", "m=video", "m=application"]
    assert [port == "0" for _, port in kinds] == [False, True, False]
    assert "a=setup:active" in answered
    assert FINGERPRINT not in answered
    assert ims.epcscf.calls == 2
    assert ims.agw.contexts == 2


async def test_nothing_of_webrtc_is_seen_on_mw(ue, mw):
    alice, bob = await ue("alice"), await ue("bob")
    mw.clear()
    alice.send(alice.request("INVITE", BOB, f"Contact: {alice.contact}", body=OFFER))
    invited = await bob.expect("INVITE")
    bob.send(bob.respond(invited, "200 OK", body=ANSWER))
    await alice.expect("SIP/2.0 200")
    described = [message for message in mw if b"\r\n\r\nv=0" in message]
    assert len(described) == 4
    for message in described:
        assert [line.split()[0::2][:2] for line in m_lines(message)] == [
            ["m=audio", "RTP/AVP"],
            ["m=message", "TCP/MSRP"],
        ]
        assert not [word for word in SECRETS if word in sdp(message)]
        assert "a=path:msrp://127.0.0.1:" in sdp(message)


async def test_an_offer_in_a_nested_multipart_does_not_cross_unread(ue, mw):
    """A multipart/related within a multipart/mixed: what stands beside the offer stays, the offer is rewritten."""
    alice, bob = await ue("alice"), await ue("bob")
    mw.clear()
    related = f"--inner\r\nContent-Type: application/sdp\r\n\r\n{OFFER}\r\n--inner--"
    body = (
        "--outer\r\nContent-Type: application/pidf+xml\r\n\r\n<presence/>\r\n"
        f"--outer\r\nContent-Type: multipart/related;boundary=inner\r\n\r\n{related}\r\n--outer--\r\n"
    )
    mixed = {"body": body, "content_type": "multipart/mixed;boundary=outer"}
    alice.send(alice.request("INVITE", BOB, f"Contact: {alice.contact}", **mixed))
    invited = await bob.expect("INVITE")
    on_mw = [message for message in mw if message.startswith(b"INVITE")]
    assert len(on_mw) == 2  # as it left the caller's eP-CSCF, and as it came back for the called one
    for message in on_mw:
        assert b"m=audio" in message
        assert b"<presence/>" in message
        assert not [word for word in SECRETS if word.encode() in message.partition(b"\r\n\r\n")[2]]
    assert "a=3ge2ae:applied" in sdp(invited)
    assert FINGERPRINT not in sdp(invited)
    bob.send(bob.respond(invited, "200 OK", body=ANSWER))
    assert "a=setup:active" in sdp(await alice.expect("SIP/2.0 200"))


async def test_identities_are_asserted(call, ue):
    alice, bob = call.alice, call.bob
    assert bob.header(call.invited, "P-Asserted-Identity") == "<sip:alice@ims.example>"
    assert alice.header(call.ok, "P-Asserted-Identity") == "<sip:bob@ims.example>"
    for name in ("P-Charging-Vector", "P-Visited-Network-ID", "Route"):
        assert not bob.headers(call.invited, name)


async def test_a_false_identity_and_a_route_of_its_own_are_not_passed_on(ue, mw):
    alice, bob = await ue("alice"), await ue("bob")
    mw.clear()
    lies = ("P-Asserted-Identity: <sip:bob@ims.example>", "Route: <sip:192.0.2.1;lr>", "Feature-Caps: *;+x")
    alice.send(alice.request("INVITE", BOB, f"Contact: {alice.contact}", "Privacy: id", *lies, body=OFFER))
    invited = await bob.expect("INVITE")
    assert not bob.headers(invited, "P-Asserted-Identity")  # RFC 3325 §5: Privacy: id
    on_mw = next(message for message in mw if message.startswith(b"INVITE"))
    assert alice.headers(on_mw, "P-Asserted-Identity") == ["<sip:alice@ims.example>"]
    assert not any(b"192.0.2.1" in message or b"Feature-Caps" in message for message in mw)
    bob.send(bob.respond(invited, "603 Decline"))
    await alice.expect("SIP/2.0 603")


@pytest.mark.parametrize("ender", ["alice", "bob"])
async def test_either_side_can_hang_up(call, ims, ender):
    alice, bob = call.alice, call.bob
    if ender == "alice":
        alice.send(call.within("BYE"))
        bob.send(bob.respond(await bob.expect("BYE"), "200 OK"))
        await alice.expect("SIP/2.0 200")
    else:
        bob.send(call.within_by_bob("BYE"))
        alice.send(alice.respond(await alice.expect("BYE"), "200 OK"))
        await bob.expect("SIP/2.0 200")
    await until(lambda: ims.epcscf.calls == 0 and ims.agw.contexts == 0)


async def test_a_refused_call_leaves_nothing(ue, ims):
    alice, bob = await ue("alice"), await ue("bob")
    alice.send(alice.request("INVITE", BOB, f"Contact: {alice.contact}", body=OFFER))
    bob.send(bob.respond(await bob.expect("INVITE"), "486 Busy Here"))
    await bob.expect("ACK")
    await alice.expect("SIP/2.0 486")
    await until(lambda: ims.epcscf.calls == 0 and ims.agw.contexts == 0)


async def test_a_cancelled_call_leaves_nothing(ue, ims):
    alice, bob = await ue("alice"), await ue("bob")
    alice.send(alice.request("INVITE", BOB, f"Contact: {alice.contact}", cseq=7, branch="z9hG4bK-x", body=OFFER))
    invited = await bob.expect("INVITE")
    bob.send(bob.respond(invited, "180 Ringing"))
    await alice.expect("SIP/2.0 180")
    alice.send(alice.request("CANCEL", BOB, cseq=7, branch="z9hG4bK-x"))
    await alice.expect("SIP/2.0 200")
    cancelled = await bob.expect("CANCEL")
    bob.send(bob.respond(cancelled, "200 OK"))
    bob.send(bob.respond(invited, "487 Request Terminated"))
    await alice.expect("SIP/2.0 487")
    await until(lambda: ims.epcscf.calls == 0 and ims.agw.contexts == 0)


async def test_unknown_and_absent_users(ue):
    alice = await ue("alice")
    alice.send(alice.request("INVITE", "sip:unknown@ims.example", f"Contact: {alice.contact}", body=OFFER))
    await alice.expect("SIP/2.0 404")
    alice.send(alice.request("INVITE", BOB, f"Contact: {alice.contact}", call_id="c2", body=OFFER))
    await alice.expect("SIP/2.0 480")
    alice.send(
        alice.request("INVITE", "sip:x@elsewhere.example", f"Contact: {alice.contact}", call_id="c3", body=OFFER)
    )
    await alice.expect("SIP/2.0 404")


async def test_an_unregistered_wic_may_not_call(ue):
    alice = await ue("alice", register=False)
    alice.send(alice.request("INVITE", BOB, f"Contact: {alice.contact}", body=OFFER))
    await alice.expect("SIP/2.0 403")
    alice.send(alice.request("BYE", BOB, to=f"<{BOB}>;tag=x"))
    await alice.expect("SIP/2.0 403")


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (f"{HEAD}t=0 0\r\nm=image 9 udptl t38\r\nc=IN IP4 127.0.0.1\r\n", 488),
        (f"{HEAD}t=0 0\r\n", 488),
        ("v=0\r\nthis is no sdp\r\n", 400),
        (OFFER.replace(f"a=fingerprint:{FINGERPRINT}\r\n", ""), 488),
        (OFFER.replace("a=setup:actpass", "a=setup:holdconn"), 488),
    ],
)
async def test_offers_that_cannot_be_carried(ue, ims, body, status):
    alice = await ue("alice")
    await ue("bob")
    alice.send(alice.request("INVITE", BOB, f"Contact: {alice.contact}", body=body))
    await alice.expect(f"SIP/2.0 {status}")
    await until(lambda: ims.epcscf.calls == 0 and ims.agw.contexts == 0)


async def test_a_call_rings_at_every_contact(ue, ims):
    alice, bob = await ue("alice"), await ue("bob")
    desk = await ue("bob", register=False)
    desk.host, desk.contact = "desk.invalid", "<sip:bob@desk.invalid;transport=ws>"
    await desk.registered(contact=desk.contact)
    alice.send(alice.request("INVITE", BOB, f"Contact: {alice.contact}", body=OFFER))
    at_bob, at_desk = await bob.expect("INVITE"), await desk.expect("INVITE")
    bob.send(bob.respond(at_bob, "183 Session Progress", tag="one", body=ANSWER))
    early = await alice.expect("SIP/2.0 183")
    desk.send(desk.respond(at_desk, "200 OK", tag="two", body=ANSWER))
    ok = await alice.expect("SIP/2.0 200")
    assert m_lines(early) == m_lines(ok)
    cancelled = await bob.expect("CANCEL")
    assert b'\r\nReason: SIP;cause=200;text="Call completed elsewhere"\r\n' in cancelled  # RFC 3326 §3.1
    bob.send(bob.respond(cancelled, "200 OK"))
    bob.send(bob.respond(at_bob, "487 Request Terminated", tag="one"))
    await bob.expect("ACK")
    await until(lambda: ims.epcscf.calls == 2 and ims.agw.contexts == 2)


async def test_the_called_one_may_make_the_offer(ue, mw, ims):
    """An INVITE without offer: the 200 offers, the ACK answers (RFC 3261 §13.2.1)."""
    alice, bob = await ue("alice"), await ue("bob")
    mw.clear()
    alice.send(alice.request("INVITE", BOB, f"Contact: {alice.contact}", cseq=3))
    invited = await bob.expect("INVITE")
    assert sdp(invited) == ""
    bob.send(bob.respond(invited, "200 OK", body=OFFER))
    ok = await alice.expect("SIP/2.0 200")
    assert "a=3ge2ae:applied" in sdp(ok)
    assert [line.split()[0] for line in m_lines(ok)] == ["m=audio", "m=application"]
    call = Call(alice, bob, ok, invited)
    alice.send(call.within("ACK", body=ANSWER, cseq=3))
    ack = await bob.expect("ACK")
    assert [line.split()[:2] for line in m_lines(ack)][1] == ["m=video", "0"]
    assert "a=setup:active" in sdp(ack)
    assert not any(FINGERPRINT.encode() in message for message in mw)
    assert ims.agw.contexts == 2


async def test_an_offer_in_a_provisional_response_is_answered_by_the_prack(ue, mw, ims):
    """RFC 3262 §5: the INVITE had none, and its 200 has none either."""
    alice, bob = await ue("alice"), await ue("bob")
    mw.clear()
    alice.send(alice.request("INVITE", BOB, f"Contact: {alice.contact}", "Supported: 100rel", cseq=3))
    invited = await bob.expect("INVITE")
    bob.send(bob.respond(invited, "183 Session Progress", "Require: 100rel", "RSeq: 1", body=OFFER))
    early = await alice.expect("SIP/2.0 183")
    assert "a=3ge2ae:applied" in sdp(early)
    call = Call(alice, bob, early, invited)
    alice.send(call.within("PRACK", "RAck: 1 3 INVITE", body=ANSWER, cseq=4))
    prack = await bob.expect("PRACK")
    assert [line.split()[:2] for line in m_lines(prack)][1] == ["m=video", "0"]
    assert "a=setup:active" in sdp(prack)
    bob.send(bob.respond(prack, "200 OK"))
    await alice.expect("SIP/2.0 200")
    bob.send(bob.respond(invited, "200 OK"))
    await alice.expect("SIP/2.0 200")
    assert not any(FINGERPRINT.encode() in message for message in mw)
    assert ims.agw.contexts == 2


async def test_a_later_offer_keeps_its_ports(call, mw, ims):
    before = m_lines(call.invited)
    call.alice.send(
        call.within("INVITE", f"Contact: {call.alice.contact}", body=OFFER.replace("a=mid:0", "a=mid:0\r\na=sendonly"))
    )
    again = await call.bob.expect("INVITE")
    assert m_lines(again) == before
    assert "a=sendonly" in sdp(again)
    call.bob.send(call.bob.respond(again, "200 OK", body=ANSWER))
    ok = await call.alice.expect("SIP/2.0 200")
    assert m_lines(ok) == m_lines(call.ok)
    assert ims.agw.contexts == 2


async def test_a_later_offer_may_be_refused(call, ims):
    call.alice.send(call.within("UPDATE", f"Contact: {call.alice.contact}", body=OFFER))
    update = await call.bob.expect("UPDATE")
    call.bob.send(call.bob.respond(update, "488 Not Acceptable Here"))
    await call.alice.expect("SIP/2.0 488")
    assert ims.epcscf.calls == 2


async def test_later_offers_that_get_no_answer_are_forgotten(call, ims):
    """A 2xx without a description is the end of its offer, which frees what it has reserved."""
    offer = OFFER.replace("m=video 0", "m=audio 9").replace("rtpmap:96 VP8/90000", "rtpmap:96 opus/48000/2")
    for _ in range(12):
        call.alice.send(call.within("UPDATE", f"Contact: {call.alice.contact}", body=offer))
        update = await call.bob.expect("UPDATE")
        call.bob.send(call.bob.respond(update, "200 OK"))
        await call.alice.expect("SIP/2.0 200")
    assert all(len(leg.exchanges) <= 2 for leg in legs(ims))


async def test_only_some_offers_of_a_call_may_wait_for_answers(call, ims):
    for _ in range(8):
        call.alice.send(call.within("UPDATE", f"Contact: {call.alice.contact}", body=OFFER))
        await call.bob.expect("UPDATE")
    call.alice.send(call.within("UPDATE", f"Contact: {call.alice.contact}", body=OFFER))
    refused = await call.alice.expect("SIP/2.0 500 Too Many Offers")
    assert call.alice.header(refused, "Retry-After") == "5"
    assert all(leg.waiting_offers == 8 for leg in legs(ims))
    call.alice.send(call.within("BYE"))
    await call.bob.expect("BYE")


async def test_offers_that_come_together_reserve_a_line_once(call, monkeypatch):
    make, go, made = Agw.make_rtp, asyncio.Event(), []

    async def slow(agw):
        made.append(agw)
        await go.wait()
        return await make(agw)

    monkeypatch.setattr(Agw, "make_rtp", slow)
    offer = OFFER.replace("m=video 0", "m=audio 9").replace("rtpmap:96 VP8/90000", "rtpmap:96 opus/48000/2")
    for _ in range(2):
        call.alice.send(
            call.within("UPDATE", f"Contact: {call.alice.contact}", body=offer.replace("a=bundle-only\r\n", ""))
        )
    call.alice.send(call.within("OPTIONS"))
    await call.bob.expect("OPTIONS")
    assert len(made) == 1
    go.set()
    for _ in range(2):
        await call.bob.expect("UPDATE")
    assert len(made) == 2  # one for each leg


async def test_a_line_that_ends_while_it_connects_does_not_end_its_call(call, ims):
    """RFC 3264 §8.2: port 0 in a later offer, before ICE and DTLS of the line have come to an end."""
    offer, answer = (each.replace("m=application 40002", "m=application 0") for each in (OFFER, ANSWER))
    call.alice.send(call.within("UPDATE", f"Contact: {call.alice.contact}", body=offer))
    call.bob.send(call.bob.respond(await call.bob.expect("UPDATE"), "200 OK", body=answer))
    await call.alice.expect("SIP/2.0 200")
    for _ in range(2):
        call.alice.send(call.within("OPTIONS"))
        call.bob.send(call.bob.respond(await call.bob.expect("OPTIONS"), "200 OK"))
        await call.alice.expect("SIP/2.0 200")
    assert [len(leg.negotiator.context.lines) for leg in legs(ims)] == [1, 1]


async def test_ice_cannot_be_restarted_yet(call):
    call.alice.send(call.within("INVITE", f"Contact: {call.alice.contact}", body=OFFER.replace("abcd", "other")))
    await call.alice.expect("SIP/2.0 488")


async def test_a_lost_connection_ends_the_call_for_the_other(call, ims):
    call.alice.cut()
    bye = await call.bob.expect("BYE")
    assert "connection" in call.bob.header(bye, "Reason")
    call.bob.send(call.bob.respond(bye, "200 OK"))
    await until(lambda: ims.epcscf.calls == 0 and ims.agw.contexts == 0)


async def test_lost_media_end_the_call_for_both(call, ims):
    """The WICs here never answer a connectivity check, so ICE fails in the end; here the gateway is told so at once."""
    leg = next(legs(ims))
    lose_media(leg)
    for side in (call.bob, call.alice):
        bye = await side.expect("BYE")
        assert "nothing heard" in side.header(bye, "Reason")
        side.send(side.respond(bye, "200 OK"))
    await until(lambda: ims.epcscf.calls == 0 and ims.agw.contexts == 0)


async def test_media_lost_before_the_answer_refuse_the_call(ue, ims):
    alice, bob = await ue("alice"), await ue("bob")
    alice.send(alice.request("INVITE", BOB, f"Contact: {alice.contact}", body=OFFER))
    invited = await bob.expect("INVITE")
    bob.send(bob.respond(invited, "180 Ringing"))
    await alice.expect("SIP/2.0 180")
    leg = next(legs(ims))
    lose_media(leg)
    await alice.expect("SIP/2.0 500")
    bob.send(bob.respond(await bob.expect("CANCEL"), "200 OK"))
    bob.send(bob.respond(invited, "487 Request Terminated"))
    await until(lambda: ims.epcscf.calls == 0 and ims.agw.contexts == 0)


async def test_a_request_within_an_ended_call_gets_481(call, ims):
    call.alice.send(call.within("BYE"))
    call.bob.send(call.bob.respond(await call.bob.expect("BYE"), "200 OK"))
    await call.alice.expect("SIP/2.0 200")
    call.alice.send(call.within("INVITE", f"Contact: {call.alice.contact}", body=OFFER))
    await call.alice.expect("SIP/2.0 481")


async def test_a_dialog_of_another_wic_cannot_be_entered(call, ue):
    mallory = await ue("bob", register=False)
    mallory.send(call.within("BYE"))
    await mallory.expect("SIP/2.0 403")


async def test_a_message_without_media_passes(ue):
    alice, bob = await ue("alice"), await ue("bob")
    alice.send(alice.request("MESSAGE", BOB, "Content-Type: text/plain"))
    got = await bob.expect("MESSAGE")
    assert not bob.headers(got, "Record-Route")
    bob.send(bob.respond(got, "200 OK"))
    await alice.expect("SIP/2.0 200")


async def test_telephone_numbers_find_their_user(ue, ims):
    add_with_password(ims.hss, "bob@ims.example", [BOB, "tel:+4930123"], Secret("correct horse"))
    alice, bob = await ue("alice"), await ue("bob")
    for number, target in enumerate(("tel:+49-30-123", "sip:+4930123@ims.example;user=phone")):
        alice.send(alice.request("OPTIONS", target, call_id=f"o{number}"))
        bob.send(bob.respond(await bob.expect("OPTIONS"), "200 OK"))
        await alice.expect("SIP/2.0 200")


async def test_a_telephone_number_that_is_none(ue):
    alice = await ue("alice")
    alice.send(alice.request("OPTIONS", "tel:bob"))
    await alice.expect("SIP/2.0 400")


@pytest.mark.parametrize("limits", [{"agw": AgwOptions(max_contexts=1)}])
async def test_a_gateway_without_room_says_so(ue, ims):
    alice, bob = await ue("alice"), await ue("bob")
    alice.send(alice.request("INVITE", BOB, f"Contact: {alice.contact}", body=OFFER))
    await alice.expect("SIP/2.0 500")
    assert bob.nothing_came()
    await until(lambda: ims.epcscf.calls == 0)


async def test_an_answer_in_an_ack_that_cannot_be_used_ends_the_call(ue, ims):
    alice, bob = await ue("alice"), await ue("bob")
    alice.send(alice.request("INVITE", BOB, f"Contact: {alice.contact}", cseq=3))
    invited = await bob.expect("INVITE")
    bob.send(bob.respond(invited, "200 OK", body=OFFER))
    ok = await alice.expect("SIP/2.0 200")
    alice.send(Call(alice, bob, ok, invited).within("ACK", body="v=0\r\nno\r\n", cseq=3))
    assert sdp(await bob.expect("ACK")) == ""
    for side in (bob, alice):
        bye = await side.expect("BYE")
        side.send(side.respond(bye, "200 OK"))
    await until(lambda: ims.epcscf.calls == 0 and ims.agw.contexts == 0)


async def test_an_offer_in_a_response_that_cannot_be_carried_ends_the_call(ue, ims):
    alice, bob = await ue("alice"), await ue("bob")
    alice.send(alice.request("INVITE", BOB, f"Contact: {alice.contact}", cseq=3))
    invited = await bob.expect("INVITE")
    bob.send(bob.respond(invited, "200 OK", body=f"{HEAD}t=0 0\r\nm=image 9 udptl t38\r\nc=IN IP4 127.0.0.1\r\n"))
    ok = await alice.expect("SIP/2.0 200")
    assert sdp(ok) == ""
    alice.send(Call(alice, bob, ok, invited).within("ACK", cseq=3))
    await bob.expect("ACK")
    await bob.expect("BYE")


async def test_a_cancel_while_the_media_are_prepared(ue, ims):
    alice, bob = await ue("alice"), await ue("bob")
    alice.send(alice.request("INVITE", BOB, f"Contact: {alice.contact}", cseq=7, branch="z9hG4bK-x", body=OFFER))
    alice.send(alice.request("CANCEL", BOB, cseq=7, branch="z9hG4bK-x"))
    answers = {(await alice.expect("SIP/2.0 "))[:11] for _ in range(2)}
    assert answers == {b"SIP/2.0 200", b"SIP/2.0 487"}
    await until(lambda: ims.epcscf.calls == 0 and ims.agw.contexts == 0)
    assert bob.nothing_came()


async def test_lines_that_are_given_up_free_their_ports(call, ims):
    """A later offer puts the data channel's port to 0: the gateway closes that line on both sides."""
    leg = next(legs(ims))
    assert len(leg.negotiator.context.lines) == 2
    less = OFFER.replace("m=application 40002", "m=application 0")
    call.alice.send(call.within("INVITE", f"Contact: {call.alice.contact}", body=less))
    again = await call.bob.expect("INVITE")
    assert m_lines(again)[1].split()[1] == "0"
    answer = ANSWER.replace("m=application 40002", "m=application 0")
    call.bob.send(call.bob.respond(again, "200 OK", body=answer))
    await call.alice.expect("SIP/2.0 200")
    await until(lambda: all(len(each.negotiator.context.lines) == 1 for each in legs(ims)))


async def test_a_connection_lost_while_it_rings_removes_the_binding(ue, ims):
    alice, bob = await ue("alice"), await ue("bob")
    alice.send(alice.request("INVITE", BOB, f"Contact: {alice.contact}", body=OFFER))
    bob.send(bob.respond(await bob.expect("INVITE"), "180 Ringing"))
    await alice.expect("SIP/2.0 180")
    bob.cut()
    await alice.expect("SIP/2.0 480")
    await until(lambda: ims.epcscf.calls == 0 and ims.agw.contexts == 0)
    assert ims.hss.bindings("bob@ims.example", now=0) == []


async def test_a_caller_that_vanishes_while_it_rings(ue, ims):
    alice, bob = await ue("alice"), await ue("bob")
    alice.send(alice.request("INVITE", BOB, f"Contact: {alice.contact}", body=OFFER))
    invited = await bob.expect("INVITE")
    bob.send(bob.respond(invited, "180 Ringing"))
    await alice.expect("SIP/2.0 180")
    alice.cut()
    bob.send(bob.respond(await bob.expect("CANCEL"), "200 OK"))
    bob.send(bob.respond(invited, "487 Request Terminated"))
    await until(lambda: ims.epcscf.calls == 0 and ims.agw.contexts == 0)


async def test_an_answer_without_fingerprint_ends_the_call(ue, ims):
    alice, bob = await ue("alice"), await ue("bob")
    alice.send(alice.request("INVITE", BOB, f"Contact: {alice.contact}", cseq=3, body=OFFER))
    invited = await bob.expect("INVITE")
    bob.send(bob.respond(invited, "200 OK", body=ANSWER.replace(f"a=fingerprint:{FINGERPRINT}\r\n", "")))
    ok = await alice.expect("SIP/2.0 200")
    alice.send(Call(alice, bob, ok, invited).within("ACK", cseq=3))
    await bob.expect("ACK")
    assert "fingerprint" in bob.header(await bob.expect("BYE"), "Reason")
    await until(lambda: ims.epcscf.calls == 0 and ims.agw.contexts == 0)


async def test_a_refused_new_line_frees_what_was_reserved(call, ims):
    more = OFFER.replace("m=video 0 UDP", "m=video 40004 UDP").replace("a=bundle-only\r\n", "")
    call.alice.send(call.within("INVITE", f"Contact: {call.alice.contact}", body=more))
    again = await call.bob.expect("INVITE")
    assert len(m_lines(again)) == 3
    call.bob.send(call.bob.respond(again, "488 Not Acceptable Here"))
    await call.alice.expect("SIP/2.0 488")
    await until(lambda: all(len(leg.negotiator.context.lines) == 2 for leg in legs(ims)))


async def test_requests_within_a_call_are_counted(call, ims):
    """A BYE in a WIC's name goes above the CSeq of its last request, of any method."""
    call.alice.send(call.within("INFO", cseq=900))
    call.bob.send(call.bob.respond(await call.bob.expect("INFO"), "200 OK"))
    await call.alice.expect("SIP/2.0 200")
    call.alice.cut()
    assert call.bob.header(await call.bob.expect("BYE"), "CSeq") == "901 BYE"


ODD = {
    "Contact": '<sip:gw@10.0.0.1;x-id="aGVsbG8=">',
    "Expires": "0, ;",
    "Session-Expires": '"',
    "Accept": "<>",
    "Retry-After": "soon",
    "Event": "?",
}
"""Fields that none of the messages below is used for, with values that cannot be read."""


async def test_a_refusal_goes_back_with_odd_fields_as_they_came(ue):
    """RFC 3261 §16.7: what a proxy does not need goes on byte for byte."""
    alice, bob = await ue("alice"), await ue("bob")
    for number, status in enumerate(("486 Busy Here", "480 Gone", "302 Moved", "603 Decline")):
        alice.send(alice.request("INVITE", BOB, f"Contact: {alice.contact}", call_id=f"call-{number}", body=OFFER))
        refusal = bob.respond(await bob.expect("INVITE"), status, *[f"{name}: {value}" for name, value in ODD.items()])
        bob.send(refusal.replace(f"Contact: {bob.contact}\r\n", ""))
        await bob.expect("ACK")
        answer = await alice.expect(f"SIP/2.0 {status}")
        assert {name: alice.header(answer, name) for name in ODD} == ODD


@pytest.mark.parametrize("method", ["BYE", "INFO", "OPTIONS", "MESSAGE"])
async def test_a_request_within_a_call_goes_on_with_odd_fields(call, method):
    """RFC 3261 §16.3 step 1, table 2: none of them means anything there."""
    lines = [f"{name}: {value}" for name, value in ODD.items()]
    call.alice.send(call.within(method, *lines))
    request = await call.bob.expect(method)
    assert {name: call.bob.header(request, name) for name in ODD} == ODD
    call.bob.send(call.within_by_bob(method, *lines))
    request = await call.alice.expect(method)
    assert {name: call.alice.header(request, name) for name in ODD} == ODD
