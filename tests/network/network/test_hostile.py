"""Bad input of a WIC: it gets an answer or nothing, and the connection lives on."""

from __future__ import annotations

import asyncio

import pytest

BOB = "sip:bob@ims.example"

MALFORMED = [
    "garbage",
    "\r\n\r\n garbage",
    "INVITE sip:bob@ims.example SIP/2.0\r\n\r\n",
    "INVITE\r\n\r\n",
    "SIP/2.0 200 OK\r\n\r\n",
    "\x00\x01\x02",
    (
        "REGISTER sip:ims.example SIP/7.0\r\nVia: SIP/7.0/WSS x.invalid;branch=z9hG4bKv\r\nFrom: <sip:a@b>;tag=1\r\n"
        "To: <sip:a@b>\r\nCall-ID: v\r\nCSeq: 1 REGISTER\r\n\r\n"
    ),
]


async def expect_life(wic) -> None:
    """See that the connection still carries requests: an OPTIONS gets its answer."""
    wic.send(wic.request("OPTIONS", "sip:unknown@ims.example", call_id="alive"))
    async with asyncio.timeout(10):
        while b"Call-ID: alive" not in (message := await wic.next_message()):
            assert message.startswith(b"SIP/2.0 ")
    assert message.startswith(b"SIP/2.0 404")


@pytest.mark.parametrize("text", MALFORMED)
async def test_malformed_messages_do_no_harm(ue, text):
    alice = await ue("alice")
    alice.send(text)
    await expect_life(alice)


async def test_a_malformed_request_that_can_be_answered_gets_400(ue):
    alice = await ue("alice")
    alice.send(alice.request("INVITE", BOB, "Content-Length: 5x"))
    await alice.expect("SIP/2.0 400")
    alice.send(alice.register().replace("From: <sip:alice@ims.example>", "From: <sip:alice@ims.example"))
    await alice.expect("SIP/2.0 400")
    await expect_life(alice)


@pytest.mark.parametrize("method", ["INVITE", "REGISTER", "BYE", "OPTIONS", "ACK", "CANCEL", "PUBLISH", "PRACK"])
@pytest.mark.parametrize(
    "line",
    [
        "Route: <sip:127.0.0.1",
        "Route: <sip:x@127.0.0.1:1;lr>",
        "P-Preferred-Identity: <unclosed",
        "Authorization: Digest =",
        "Contact: <<<",
        "Record-Route: ???",
    ],
)
async def test_malformed_headers_do_no_harm(ue, method, line):
    alice = await ue("alice")
    alice.send(alice.request(method, BOB, line, to=f"<{BOB}>;tag=x"))
    alice.send(alice.request(method, BOB, line, call_id="other"))
    await expect_life(alice)


async def test_stray_responses_are_dropped(ue, ims):
    alice, bob = await ue("alice"), await ue("bob")
    alice.send(
        "SIP/2.0 200 OK\r\nVia: SIP/2.0/WSS bob-host.invalid;branch=z9hG4bK1\r\nFrom: <sip:a@b>;tag=1\r\n"
        "To: <sip:b@c>;tag=2\r\nCall-ID: x\r\nCSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n"
    )
    await expect_life(alice)
    assert bob.nothing_came()


async def test_a_peer_that_sends_too_much_at_once_loses_its_connection_only(ue):
    alice, bob = await ue("alice"), await ue("bob")
    alice.send(b"x" * 5_000_000)
    async with asyncio.timeout(10):
        await alice.ended.wait()
    await expect_life(bob)


async def test_calls_of_one_wic_are_bounded(ue, ims):
    alice = await ue("alice")
    await ue("bob")
    for number in range(64):
        alice.send(alice.request("INVITE", BOB, f"Contact: {alice.contact}", call_id=f"n{number}"))
    alice.send(alice.request("INVITE", BOB, f"Contact: {alice.contact}", call_id="last"))
    await alice.expect("SIP/2.0 486")
    assert ims.epcscf.calls <= 128


async def test_a_call_survives_the_garbage_of_its_own_wic(ue, ims):
    alice, bob = await ue("alice"), await ue("bob")
    alice.send(alice.request("INVITE", BOB, f"Contact: {alice.contact}"))
    invited = await bob.expect("INVITE")
    alice.send("garbage")
    bob.send(bob.respond(invited, "180 Ringing"))
    await alice.expect("SIP/2.0 180")
    assert ims.epcscf.calls == 2


@pytest.mark.parametrize("limits", [{"requests_per_second": 0.001, "requests_at_once": 7}])
async def test_a_flood_of_one_wic_is_held_back(ue, ims):
    """Beyond a burst it is told to wait, at little cost; others and calls are not concerned."""
    alice, bob = await ue("alice"), await ue("bob")
    for number in range(40):
        alice.send(alice.request("OPTIONS", "sip:unknown@ims.example", call_id=f"n{number}"))
    await expect_life(bob)
    answers = sorted([await alice.expect("SIP/2.0 ") for _ in range(40)])
    assert [answer[8:11] for answer in answers] == [b"404"] * 5 + [b"503"] * 35
    assert alice.header(answers[-1], "Retry-After") == "5"
    alice.send(alice.request("BYE", BOB, call_id="none", to=f"<{BOB}>;tag=x"))
    await alice.expect("SIP/2.0 403")
