"""Session descriptions that belong to no offer: they end at the eP-CSCF (TS 24.371 §7.4.2)."""

from __future__ import annotations

import pytest

from tests.support.raw_calls import ANSWER, BOB, FINGERPRINT, OFFER, Call, sdp

MULTIPART = (
    "multipart/mixed;boundary=b",
    f"--b\r\nContent-Type: text/plain\r\n\r\nx\r\n--b\r\nContent-Type: application/sdp\r\n\r\n{OFFER}\r\n--b--\r\n",
)
UNREADABLE = ("multipart/mixed", MULTIPART[1])
RACK = {"INVITE": (), "PRACK": ("RAck: 1 1 INVITE",), "UPDATE": ()}
BODIES = [("application/sdp", OFFER), MULTIPART, UNREADABLE]


def with_body(message: str, content_type: str, body: str) -> str:
    head = message.partition("Content-Length:")[0]
    return f"{head}Content-Type: {content_type}\r\nContent-Length: {len(body)}\r\n\r\n{body}"


@pytest.mark.parametrize(("content_type", "body"), BODIES)
@pytest.mark.parametrize("status", ["200 OK", "486 Busy Here"])
async def test_what_a_wic_can_do_is_not_what_the_gateway_can_do(ue, mw, content_type, body, status):
    """RFC 3261 §11.2: a 200 to OPTIONS may describe media; §21.4.26: so may a refusal."""
    alice, bob = await ue("alice"), await ue("bob")
    mw.clear()
    alice.send(with_body(alice.request("OPTIONS", BOB), content_type, body))
    asked = await bob.expect("OPTIONS")
    assert sdp(asked) == ""
    bob.send(with_body(bob.respond(asked, status, "Accept: application/sdp"), content_type, body))
    answer = await alice.expect(f"SIP/2.0 {status}")
    assert sdp(answer) == ""
    assert alice.headers(answer, "Accept") == ["application/sdp"]
    assert not alice.headers(answer, "Content-Type")
    assert not any(FINGERPRINT.encode() in message for message in mw)


@pytest.mark.parametrize(("content_type", "body"), BODIES)
@pytest.mark.parametrize("method", ["INVITE", "UPDATE", "PRACK"])
async def test_a_refusal_describes_no_media(call, mw, method, content_type, body):
    mw.clear()
    contact = f"Contact: {call.alice.contact}"
    call.alice.send(call.within(method, contact, *RACK[method], body=OFFER if method == "INVITE" else ""))
    offered = await call.bob.expect(method)
    mw.clear()
    call.bob.send(with_body(call.bob.respond(offered, "488 Not Acceptable Here"), content_type, body))
    refused = await call.alice.expect("SIP/2.0 488")
    assert sdp(refused) == ""
    assert not any(FINGERPRINT.encode() in message for message in mw)


async def test_a_text_that_happens_to_be_a_description_passes(ue):
    alice, bob = await ue("alice"), await ue("bob")
    alice.send(alice.request("MESSAGE", BOB, body=OFFER))
    assert sdp(await bob.expect("MESSAGE")) == OFFER


async def test_an_answer_that_no_offer_waits_for_is_taken_out_of_the_ack(ue, mw):
    alice, bob = await ue("alice"), await ue("bob")
    mw.clear()
    alice.send(alice.request("INVITE", BOB, f"Contact: {alice.contact}", cseq=3, body=OFFER))
    invited = await bob.expect("INVITE")
    bob.send(bob.respond(invited, "200 OK", body=ANSWER))
    ok = await alice.expect("SIP/2.0 200")
    alice.send(Call(alice, bob, ok, invited).within("ACK", cseq=3, body=ANSWER))
    assert sdp(await bob.expect("ACK")) == ""
    assert not any(FINGERPRINT.encode() in message for message in mw)


async def test_a_repeated_ack_has_the_answer_of_the_first(ue, mw):
    alice, bob = await ue("alice"), await ue("bob")
    mw.clear()
    alice.send(alice.request("INVITE", BOB, f"Contact: {alice.contact}", cseq=3))
    invited = await bob.expect("INVITE")
    bob.send(bob.respond(invited, "200 OK", body=OFFER))
    ok = await alice.expect("SIP/2.0 200")
    alice.send(Call(alice, bob, ok, invited).within("ACK", cseq=3, body=ANSWER))
    first = await bob.expect("ACK")
    alice.send(Call(alice, bob, ok, invited).within("ACK", cseq=3, body=ANSWER))
    assert sdp(await bob.expect("ACK")) == sdp(first) != ""
    assert not any(FINGERPRINT.encode() in message for message in mw)


async def test_an_ack_of_the_other_side_has_its_own_answer(ue):
    """Both sides may count alike (RFC 3261 §12.2.1.1)."""
    alice, bob = await ue("alice"), await ue("bob")
    alice.send(alice.request("INVITE", BOB, f"Contact: {alice.contact}", cseq=3))
    invited = await bob.expect("INVITE")
    bob.send(bob.respond(invited, "200 OK", body=OFFER))
    ok = await alice.expect("SIP/2.0 200")
    call = Call(alice, bob, ok, invited)
    alice.send(call.within("ACK", cseq=3, body=ANSWER))
    first = await bob.expect("ACK")
    bob.cseq = 2
    bob.send(call.within_by_bob("INVITE", f"Contact: {bob.contact}"))
    again = await alice.expect("INVITE")
    alice.send(alice.respond(again, "200 OK", body=OFFER))
    await bob.expect("SIP/2.0 200")
    bob.cseq = 2
    no_video = "m=video 0 UDP/TLS/RTP/SAVPF 96\r\nc=IN IP4 0.0.0.0\r\n"
    bob.send(call.within_by_bob("ACK", body=ANSWER.replace("m=application", f"{no_video}m=application")))
    ack = await alice.expect("ACK")
    assert "a=fingerprint" in sdp(ack)
    assert sdp(ack) != sdp(first)
