"""Offers of calls whose answers come in reliable provisional responses, and none in the 2xx (RFC 3262 §5)."""

from __future__ import annotations

from tests.support.raw_calls import ANSWER, AUDIO, BOB, DATA, HEAD, OFFER, SECURITY, Call, legs, m_lines

REQUESTED = "a=3ge2ae:requested\r\n"


async def test_a_later_offer_may_be_answered_before_its_2xx(call, ims):
    """RFC 3262 §5: the 183 has the answer, and the 200 none; the media stay when the next offer comes."""
    security = f"{SECURITY}a=setup:actpass\r\n"
    offer = f"{HEAD}t=0 0\r\n" + "".join(
        f"{line}{security}a=mid:{mid}\r\n{applied}"
        for mid, (line, applied) in enumerate([(AUDIO, REQUESTED), (AUDIO, REQUESTED), (DATA, "")])
    )
    call.alice.send(call.within("INVITE", f"Contact: {call.alice.contact}", body=offer, cseq=50))
    invited = await call.bob.expect("INVITE")
    answer = f"{ANSWER}{AUDIO}{SECURITY}a=setup:active\r\n"
    call.bob.send(call.bob.respond(invited, "183 Session Progress", "Require: 100rel", "RSeq: 1", body=answer))
    await call.alice.expect("SIP/2.0 183")
    call.alice.send(call.within("PRACK", "RAck: 1 50 INVITE", cseq=51))
    call.bob.send(call.bob.respond(await call.bob.expect("PRACK"), "200 OK"))
    await call.alice.expect("SIP/2.0 200")
    call.bob.send(call.bob.respond(invited, "200 OK"))
    await call.alice.expect("SIP/2.0 200")
    call.alice.send(call.within("UPDATE", f"Contact: {call.alice.contact}", body=offer, cseq=52))
    assert m_lines(await call.bob.expect("UPDATE")) == m_lines(invited)
    assert len(m_lines(invited)) == 3
    assert all(leg.waiting_offers == 1 for leg in legs(ims))


async def test_an_offer_answered_before_its_2xx_does_not_undo_a_later_one(call, ims):
    """RFC 3311 §5.1: an UPDATE may come between the 183 with the answer and the 2xx."""
    security = f"{SECURITY}a=setup:actpass\r\n"
    lines = "".join(f"{line}{security}a=mid:{mid}\r\n" for mid, line in enumerate((AUDIO, AUDIO, DATA)))
    call.alice.send(call.within("INVITE", f"Contact: {call.alice.contact}", body=OFFER, cseq=50))
    invited = await call.bob.expect("INVITE")
    call.bob.send(call.bob.respond(invited, "183 Session Progress", "Require: 100rel", "RSeq: 1", body=ANSWER))
    await call.alice.expect("SIP/2.0 183")
    call.alice.send(call.within("UPDATE", f"Contact: {call.alice.contact}", body=f"{HEAD}t=0 0\r\n{lines}", cseq=52))
    answer = f"{ANSWER}{AUDIO}{SECURITY}a=setup:active\r\n"
    call.bob.send(call.bob.respond(await call.bob.expect("UPDATE"), "200 OK", body=answer))
    await call.alice.expect("SIP/2.0 200")
    call.bob.send(call.bob.respond(invited, "200 OK"))
    await call.alice.expect("SIP/2.0 200")
    call.alice.send(call.within("OPTIONS", cseq=53))
    await call.bob.expect("OPTIONS")
    assert [len(leg.negotiator.context.lines) for leg in legs(ims)] == [3, 3]


async def test_a_call_answered_before_its_2xx_keeps_the_places_of_its_lines(ue, ims):
    """RFC 3264 §8: the caller's second line, which the core does not see, stays in later offers to it."""
    alice, bob = await ue("alice"), await ue("bob")
    alice.send(alice.request("INVITE", BOB, f"Contact: {alice.contact}", cseq=100, body=OFFER))
    invited = await bob.expect("INVITE")
    bob.send(bob.respond(invited, "183 Session Progress", "Require: 100rel", "RSeq: 1", body=ANSWER))
    made = Call(alice, bob, await alice.expect("SIP/2.0 183"), invited)
    bob.send(bob.respond(invited, "200 OK"))
    await alice.expect("SIP/2.0 200")
    alice.send(made.within("ACK", cseq=100))
    await bob.expect("ACK")
    offer = ANSWER.replace("a=setup:active", "a=setup:actpass")
    bob.send(made.within_by_bob("UPDATE", f"Contact: {bob.contact}", body=offer))
    lines = m_lines(await alice.expect("UPDATE"))
    assert [line.split()[0] for line in lines] == ["m=audio", "m=video", "m=application"]
