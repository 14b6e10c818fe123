"""Boundary of the trust domain, and dialogs of elements outside it; spoken to over UDP in plain text."""

from __future__ import annotations

import pytest

ALICE, BOB = "sip:alice@ims.example", "sip:bob@ims.example"
ASSERTED = f"P-Asserted-Identity: <{ALICE}>"
NETWORK_ONLY = ("P-Charging-Vector: icid-value=1", "P-Access-Network-Info: IEEE-802.11;network-provided")


def names(message: str) -> set[str]:
    return {line.partition(":")[0] for line in message.split("\r\n")[1:]}


async def test_an_untrusted_element_asserts_no_identity(running, outsider):
    """TS 24.229 §4.4.2, RFC 3325 §5: what an element outside says of identities does not reach a user."""
    running.bind("bob")
    lie = "P-Asserted-Identity: <sip:police@ims.example>"
    running.send("OPTIONS", BOB, lie, *NETWORK_ONLY, peer=outsider)
    got = await running.peer.expect("OPTIONS sip:bob@k.invalid ")
    assert not {"P-Asserted-Identity", "P-Charging-Vector", "P-Access-Network-Info"} & names(got)
    running.peer.answer(got, "200 OK", ASSERTED, *NETWORK_ONLY)
    answer = await outsider.expect("SIP/2.0 200")
    assert "P-Asserted-Identity" in names(answer)
    assert not {"P-Charging-Vector", "P-Access-Network-Info"} & names(answer)


async def test_a_trusted_element_asserts_an_identity(running):
    running.bind("bob")
    running.send("OPTIONS", BOB, running.orig, ASSERTED, "Privacy: id", *NETWORK_ONLY)
    got = await running.peer.expect("OPTIONS sip:bob@k.invalid ")
    assert {"P-Asserted-Identity", "P-Charging-Vector", "P-Access-Network-Info"} <= names(got)
    running.peer.answer(got, "200 OK", f"P-Asserted-Identity: <{BOB}>", "Privacy: id", *NETWORK_ONLY)
    answer = await running.peer.expect("SIP/2.0 200")
    assert {"P-Asserted-Identity", "P-Charging-Vector", "P-Access-Network-Info"} <= names(answer)


@pytest.mark.parametrize("private", [True, False])
async def test_header_fields_of_the_network_do_not_leave_it(running, outsider, private):
    """RFC 3325 §7: a private identity does not leave the trust domain, and nothing of the network's own does."""
    host, port = outsider.address
    privacy = ["Privacy: critical;id"] if private else []
    running.send("OPTIONS", f"sip:phone@{host}:{port}", running.orig, ASSERTED, *privacy, *NETWORK_ONLY)
    got = await outsider.expect("OPTIONS sip:phone")
    assert not {"P-Charging-Vector", "P-Access-Network-Info"} & names(got)
    assert ("P-Asserted-Identity" in names(got)) is not private
    outsider.answer(got, "200 OK", f"P-Asserted-Identity: <{BOB}>", *NETWORK_ONLY)
    answer = await running.peer.expect("SIP/2.0 200")
    assert not {"P-Asserted-Identity", "P-Charging-Vector", "P-Access-Network-Info"} & names(answer)


async def test_an_ack_is_cleaned_at_the_boundary(running, outsider, dialog):
    inside = running.peer
    for sender, receiver in ((inside, outsider), (outsider, inside)):
        host, port = receiver.address
        lines = (f"Route: {dialog}, <sip:{host}:{port};lr>", *NETWORK_ONLY)
        running.send("ACK", "sip:x@elsewhere.invalid", *lines, to=f"<{BOB}>;tag=x", call_id="call", peer=sender)
        got = await receiver.expect("ACK sip:x@elsewhere.invalid ")
        assert not {"P-Charging-Vector", "P-Access-Network-Info"} & names(got)


async def test_a_dialog_is_followed_both_ways(running, outsider, dialog):
    inside = running.peer
    for sender, receiver in ((inside, outsider), (outsider, inside)):
        host, port = receiver.address
        running.send(
            "BYE", f"sip:x@{host}:{port}", f"Route: {dialog}", to=f"<{BOB}>;tag=x", call_id="call", peer=sender
        )
        receiver.answer(await receiver.expect("BYE"), "200 OK")
        await sender.expect("SIP/2.0 200")


@pytest.mark.parametrize(
    ("route", "call_id", "target"),
    [
        ("{dialog}", "call", "sip:x@127.0.0.2:5060"),
        ("{dialog}, <sip:127.0.0.2:5060;lr>", "call", BOB),
        ("{dialog}, <sip:{host}:{port};maddr=127.0.0.2;lr>", "call", BOB),
        ("{dialog}", "call", "sip:x@name.invalid"),
        ("{dialog}", "other", "sip:x@{host}:{port}"),
        ("<sip:{mw.host}:{mw.port};lr>", "call", "sip:x@{host}:{port}"),
        ("<sip:%E9@{mw.host}:{mw.port};lr>", "call", "sip:x@{host}:{port}"),
        ("<sip:00000000000000000000000000000000@{mw.host}:{mw.port};lr>", "call", "sip:x@{host}:{port}"),
    ],
)
async def test_a_dialog_leads_to_its_two_ends_only(running, outsider, dialog, route, call_id, target):
    """An element outside this network cannot use the S-CSCF as a relay."""
    host, port = running.peer.address
    given = {"dialog": dialog, "mw": running.mw, "host": host, "port": port}
    where = {"to": f"<{BOB}>;tag=x", "call_id": call_id, "peer": outsider}
    running.send("ACK", target.format(**given), f"Route: {route.format(**given)}", **where)
    running.send("INFO", target.format(**given), f"Route: {route.format(**given)}", **where)
    await outsider.expect("SIP/2.0 403")
    assert running.peer.nothing_came()


async def test_a_dialog_is_followed_after_a_restart(running, outsider, dialog):
    await running.stop()
    await running.start()
    host, port = running.peer.address
    where = {"to": f"<{BOB}>;tag=x", "call_id": "call", "peer": outsider}
    running.send("BYE", f"sip:x@{host}:{port}", f"Route: {dialog}", **where)
    await running.peer.expect("BYE")


async def test_an_invite_without_contact_makes_no_way_back(running, outsider, header):
    running.bind("bob")
    running.send("INVITE", BOB, call_id="call", peer=outsider)
    mark = header(await running.peer.expect("INVITE"), "Record-Route")[0]
    where = {"to": f"<{BOB}>;tag=x", "call_id": "call", "peer": outsider}
    running.send("INFO", "sip:x@127.0.0.2:5060", f"Route: {mark}", **where)
    await outsider.expect("SIP/2.0 403")
