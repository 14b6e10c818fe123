"""Identities that the network asserts of a caller and of a called one (TS 24.229 §5.2.6.3, §5.2.6.4, §5.4.3)."""

from __future__ import annotations

import pytest

from tests.support.raw_calls import ALICE, BOB
from tests.support.subscribers import add_with_password
from wic.auth.secret import Secret
from wic.network.hss import PublicIdentity

FIRST, SECOND, NUMBER = "sip:fay@ims.example", "sip:fay2@ims.example", "tel:+49301234"
MMTEL = "urn:urn-7:3gpp-service.ims.icsi.mmtel"


@pytest.fixture
async def fay(ims, ue):
    """A user of two SIP URIs and a telephone number."""
    identities = tuple(map(PublicIdentity, (FIRST, SECOND, NUMBER)))
    add_with_password(ims.hss, "fay@ims.example", identities, Secret("correct horse"))
    return await ue("fay")


def both(uri: str) -> list[str]:
    return [f"<{uri}>", f"<{NUMBER}>"]


@pytest.mark.parametrize("from_", [FIRST, SECOND, BOB, "sip:anonymous@anonymous.invalid"])
@pytest.mark.parametrize(
    ("preferred", "asserted"),
    [
        ([], both(FIRST)),
        ([f"<{FIRST}>"], both(FIRST)),
        ([f"<{SECOND}>"], both(SECOND)),
        ([f"<{NUMBER}>"], [f"<{NUMBER}>"]),
        ([f"<{SECOND}>, <{NUMBER}>"], both(SECOND)),
        ([f"<{NUMBER}>", f"<{SECOND}>"], both(SECOND)),
        ([f"<{BOB}>"], both(FIRST)),
        (["<sip:stranger@elsewhere.example>"], both(FIRST)),
        (["<unclosed"], both(FIRST)),
    ],
)
async def test_from_has_no_part_in_the_asserted_identity(ue, fay, from_, preferred, asserted):
    bob = await ue("bob")
    lines = [f"P-Preferred-Identity: {each}" for each in preferred]
    fay.send(fay.request("OPTIONS", BOB, *lines, from_=f"<{from_}>;tag=f"))
    asked = await bob.expect("OPTIONS")
    assert bob.headers(asked, "P-Asserted-Identity") == asserted
    assert not bob.headers(asked, "P-Preferred-Identity")
    assert bob.header(asked, "From") == f"<{from_}>;tag=f"


@pytest.mark.parametrize(
    ("called", "asserted"), [(FIRST, both(FIRST)), (SECOND, both(SECOND)), (NUMBER, [f"<{NUMBER}>"])]
)
@pytest.mark.parametrize("claim", ["P-Preferred-Identity", "P-Asserted-Identity"])
async def test_the_called_identity_answers(ue, fay, mw, called, asserted, claim):
    """The S-CSCF says which one was called (§5.4.3.3), and the UE gets to know it."""
    alice = await ue("alice")
    mw.clear()
    alice.send(alice.request("OPTIONS", called))
    asked = await fay.expect("OPTIONS")
    assert fay.headers(asked, "P-Called-Party-ID") == [f"<{called}>"]
    for status in ("180 Ringing", "200 OK"):
        fay.send(fay.respond(asked, status, f"{claim}: <{ALICE}>"))
        answer = await alice.expect(f"SIP/2.0 {status}")
        assert alice.headers(answer, "P-Asserted-Identity") == asserted
        assert not alice.headers(answer, "P-Preferred-Identity")
    assert not any(b"P-Preferred-Identity" in message for message in mw)


@pytest.mark.parametrize("name", ["P-Preferred-Service", "P-Asserted-Service"])
async def test_a_service_is_asserted_by_the_network_only(ue, fay, mw, name):
    bob = await ue("bob")
    fay.send(fay.request("OPTIONS", BOB, f"{name}: {MMTEL}"))
    asked = await bob.expect("OPTIONS")
    assert bob.headers(asked, "P-Asserted-Service") == ([MMTEL] if name == "P-Preferred-Service" else [])
    assert not bob.headers(asked, "P-Preferred-Service")


@pytest.mark.parametrize("value", ["sendrecv", "sendonly", "recvonly", "inactive", "gated", "supported, sendrecv"])
async def test_early_media_are_authorized_by_the_network_only(ue, mw, value):
    """RFC 5009 §8: a WIC says that it supports the header field, and no more."""
    alice, bob = await ue("alice"), await ue("bob")
    contact = f"Contact: {alice.contact}"
    alice.send(alice.request("INVITE", BOB, contact, "P-Early-Media: supported"))
    invited = await bob.expect("INVITE")
    assert bob.headers(invited, "P-Early-Media") == ["supported"]
    bob.send(bob.respond(invited, "183 Session Progress", f"P-Early-Media: {value}"))
    assert not alice.headers(await alice.expect("SIP/2.0 183"), "P-Early-Media")
    alice.send(alice.request("INVITE", BOB, contact, f"P-Early-Media: {value}", call_id="second"))
    assert not bob.headers(await bob.expect("INVITE"), "P-Early-Media")
