"""Requests that go no further than the eP-CSCF, from either side."""

from __future__ import annotations

import re

import pytest

from tests.support.raw_calls import BOB, OFFER
from wic.sip.methods import DIALOG_FORMING, WITHIN_DIALOG

ALICE = "sip:alice@ims.example"
LINES = {
    "INVITE": (),
    "NOTIFY": ("Event: dialog", "Subscription-State: active"),
    "PRACK": ("RAck: 1 1 INVITE",),
    "REFER": ("Refer-To: <sip:carol@ims.example>",),
    "SUBSCRIBE": ("Event: dialog",),
    "UPDATE": (),
}
CONTACTS = {
    "none": (),
    "two": ("Contact: <sip:a@a.invalid>, <sip:b@b.invalid>",),
    "two lines": ("Contact: <sip:a@a.invalid>", "Contact: <sip:b@b.invalid>"),
    "mail": ("Contact: <mailto:alice@ims.example>",),
    "telephone": ("Contact: <tel:+49301234>",),
    "any": ("Contact: *",),
    "unreadable": ("Contact: <<<",),
}


@pytest.mark.parametrize("method", sorted(WITHIN_DIALOG))
@pytest.mark.parametrize("body", ["", OFFER])
async def test_a_request_that_needs_a_dialog_and_names_none_gets_481(ue, mw, method, body):
    alice, bob = await ue("alice"), await ue("bob")
    mw.clear()
    alice.send(alice.request(method, BOB, f"Contact: {alice.contact}", *LINES.get(method, ()), body=body))
    await alice.expect("SIP/2.0 481")
    assert not any(message.startswith(f"{method} {BOB}".encode()) for message in mw)
    assert bob.nothing_came()


@pytest.mark.parametrize("method", sorted(DIALOG_FORMING - WITHIN_DIALOG))
@pytest.mark.parametrize("fault", CONTACTS)
async def test_a_request_that_makes_a_dialog_has_one_contact(ue, mw, method, fault):
    """RFC 3261 §8.1.1.8: exactly one SIP or SIPS URI."""
    alice, bob = await ue("alice"), await ue("bob")
    mw.clear()
    alice.send(alice.request(method, BOB, *CONTACTS[fault], *LINES[method]))
    await alice.expect("SIP/2.0 400")
    assert not any(message.startswith(f"{method} {BOB}".encode()) for message in mw)
    assert bob.nothing_came()


@pytest.mark.parametrize("method", ["BYE", "INFO", "MESSAGE", "OPTIONS", "PRACK"])
@pytest.mark.parametrize("fault", sorted(CONTACTS.keys() - {"unreadable"}))
async def test_a_contact_that_means_nothing_is_not_looked_at(call, method, fault):
    """Within a dialog only a target refresh has a use for it (RFC 3261 §12.2.1.1)."""
    call.alice.send(call.within(method, *CONTACTS[fault], *LINES.get(method, ())))
    passed = await call.bob.expect(method)
    call.bob.send(call.bob.respond(passed, "200 OK"))
    await call.alice.expect("SIP/2.0 200")


@pytest.mark.parametrize("method", ["INVITE", "UPDATE", "SUBSCRIBE", "REFER", "NOTIFY"])
@pytest.mark.parametrize("fault", sorted(CONTACTS.keys() - {"none", "any"}))
@pytest.mark.parametrize("sender", ["caller", "called"])
async def test_a_target_refresh_names_one_place(call, method, fault, sender):
    ue, within = (call.alice, call.within) if sender == "caller" else (call.bob, call.within_by_bob)
    ue.send(within(method, *CONTACTS[fault], *LINES[method]))
    await ue.expect("SIP/2.0 400")


@pytest.mark.parametrize("method", sorted(DIALOG_FORMING | WITHIN_DIALOG))
async def test_what_the_core_sends_is_screened_as_well(ue, ims, mw, make_mw_peer, method):
    alice, peer = await ue("alice"), await make_mw_peer()
    path = next(p for p in (re.findall(rb"^Path: (.*)\r$", each, re.MULTILINE) for each in mw) if p)[0].decode()
    legal = ("Contact: <sip:x@127.0.0.1>",)
    contacts, status = (legal, 481) if method in WITHIN_DIALOG else (CONTACTS["mail"], 400)
    lines = [
        f"{method} {ALICE} SIP/2.0",
        f"Via: SIP/2.0/UDP 127.0.0.1:{peer.port};branch=z9hG4bK-1",
        f"Route: {path}",
        "From: <sip:x@ims.example>;tag=x",
        f"To: <{ALICE}>",
        "Call-ID: core",
        f"CSeq: 1 {method}",
        "Max-Forwards: 70",
        *LINES.get(method, ()),
        *contacts,
        "Content-Length: 0",
    ]
    own = ims.epcscf.node.mw
    peer.send("\r\n".join([*lines, "", ""]), (own.host, own.port))
    await peer.expect(f"SIP/2.0 {status}")
    assert alice.nothing_came()
