"""An answered call between two WICs made of strings."""

from __future__ import annotations

import pytest

from tests.support.raw_calls import ANSWER, BOB, OFFER, Call


@pytest.fixture
async def call(ue):
    """A call that was answered and acknowledged."""
    alice, bob = await ue("alice"), await ue("bob")
    number = 100
    alice.send(alice.request("INVITE", BOB, f"Contact: {alice.contact}", cseq=number, body=OFFER))
    invited = await bob.expect("INVITE")
    bob.send(bob.respond(invited, "200 OK", body=ANSWER))
    ok = await alice.expect("SIP/2.0 200")
    made = Call(alice, bob, ok, invited)
    alice.cseq = number
    alice.send(made.within("ACK", cseq=number))
    await bob.expect("ACK")
    return made
