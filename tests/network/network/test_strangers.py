"""Attempts of a WIC to act in the name of another one, with what it has seen of a call."""

from __future__ import annotations

BOB = "sip:bob@ims.example"


async def ringing(ue):
    alice, bob = await ue("alice"), await ue("bob")
    alice.send(alice.request("INVITE", BOB, f"Contact: {alice.contact}"))
    invited = await bob.expect("INVITE")
    bob.send(bob.respond(invited, "180 Ringing"))
    await alice.expect("SIP/2.0 180")
    return alice, bob, invited


async def test_a_response_past_the_elements_on_the_way_is_dropped(ue):
    """The called one sees every Via, but answers only over its own transaction."""
    alice, bob, invited = await ringing(ue)
    vias = bob.headers(invited, "Via")
    forged = bob.respond(invited, "200 OK", "P-Asserted-Identity: <sip:carol@ims.example>")
    for via in vias[:2]:
        forged = forged.replace(f"Via: {via}\r\n", "", 1)
    bob.send(forged)
    bob.send(bob.respond(invited, "603 Decline"))
    await alice.expect("SIP/2.0 603")


async def test_only_the_caller_cancels(ue):
    alice, bob, invited = await ringing(ue)
    mallory = await ue("bob", register=False)
    cancel = alice.request("CANCEL", BOB, branch=f"z9hG4bK-alice-INVITE-{alice.cseq}", cseq=alice.cseq)
    mallory.send(cancel)
    await mallory.expect("SIP/2.0 481")
    bob.send(bob.respond(invited, "486 Busy Here"))
    await alice.expect("SIP/2.0 486")


async def test_two_wics_may_choose_the_same_branch_and_host(ue):
    alice, bob = await ue("alice"), await ue("bob")
    bob.host = alice.host
    for wic in (alice, bob):
        wic.send(wic.request("OPTIONS", "sip:unknown@ims.example", call_id=f"of-{wic.user}", branch="z9hG4bK-same"))
    for wic in (alice, bob):
        assert wic.header(await wic.expect("SIP/2.0 404"), "Call-ID") == f"of-{wic.user}"


async def test_a_flow_token_of_another_wic_leads_nowhere(ue):
    """Record-Route shows the called one the caller's token; it is good for requests of the caller only."""
    alice, bob, invited = await ringing(ue)
    routes = [f"Route: {value}" for value in bob.headers(invited, "Record-Route")]
    stolen = [route for route in routes if "leg=" in route][-1]
    to, own = bob.header(invited, "From"), f"{bob.header(invited, 'To')};tag=bob"
    bob.send(bob.request("BYE", f"sip:alice@{alice.host}", stolen, to=to, from_=own))
    await bob.expect("SIP/2.0 403")
    bob.send(bob.request("OPTIONS", f"sip:alice@{alice.host}", stolen, call_id="new"))
    await bob.expect("SIP/2.0 404")
    assert alice.nothing_came()
