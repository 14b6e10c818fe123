"""Numbers and services that the S-CSCF asserts for a user (TS 24.229 §5.4.3.2, §5.4.3.3; RFC 3325, RFC 6050)."""

from __future__ import annotations

import re

import pytest

from tests.support.subscribers import add_with_password
from wic.auth.secret import Secret
from wic.network.hss import Hss, PublicIdentity, make_profile
from wic.network.scscf.assertions import Assertions
from wic.sip.message import Request

MMTEL = "urn:urn-7:3gpp-service.ims.icsi.mmtel"
SIP, NUMBER = "sip:kate@ims.example", "tel:+4930111"


def asserted(message: str, name: str = "P-Asserted-Identity") -> list[str]:
    return re.findall(rf"^{name}: (.*)\r$", message, re.MULTILINE)


@pytest.fixture
def hss(tmp_path):
    with Hss(tmp_path / "hss.db", realm="ims.example") as made:
        yield made


@pytest.mark.parametrize(
    ("identities", "given", "expected"),
    [
        ([SIP, NUMBER], [SIP], [SIP, NUMBER]),
        ([SIP], [SIP], [SIP]),
        ([SIP, NUMBER], [NUMBER], [NUMBER]),
        ([SIP, NUMBER], [SIP, "tel:+9"], [SIP, "tel:+9"]),
        ([SIP, NUMBER], [], []),
        ([SIP, NUMBER], ["sip:other@ims.example"], ["sip:other@ims.example"]),
        ([SIP, NUMBER, "tel:+4930222"], [SIP], [SIP, NUMBER]),
        (
            [SIP, NUMBER, "sip:+4930222@ims.example", "tel:+4930222"],
            ["sip:+4930222@ims.example;user=phone"],
            ["sip:+4930222@ims.example;user=phone", "tel:+4930222"],
        ),
        ([SIP, PublicIdentity(NUMBER, barred=True)], [SIP], [SIP]),
        ([SIP, PublicIdentity(NUMBER, registration_set=1)], [SIP], [SIP]),
        ([PublicIdentity(SIP, barred=True), NUMBER], [SIP], [SIP]),
    ],
)
def test_the_number_beside_an_asserted_sip_uri(hss, identities, given, expected):
    profile = make_profile("kate@ims.example", identities)
    add_with_password(hss, profile.impi, profile.identities, Secret("x"))
    request = Request.build("INVITE", "sip:x", [("P-Asserted-Identity", f"<{each}>") for each in given])
    Assertions(hss, ()).add_number(request)
    assert request.headers.get_all("P-Asserted-Identity") == [f"<{each}>" for each in expected]


def test_the_number_has_its_name(hss):
    named = PublicIdentity(NUMBER, display_name="Kate")
    add_with_password(hss, "kate@ims.example", (PublicIdentity(SIP), named), Secret("x"))
    request = Request.build("INVITE", "sip:x", [("P-Asserted-Identity", f"<{SIP}>")])
    Assertions(hss, ()).add_number(request)
    assert request.headers.get_all("P-Asserted-Identity")[1] == f'"Kate" <{NUMBER}>'


@pytest.mark.parametrize(
    ("preferred", "expected"),
    [
        ([], None),
        ([MMTEL], MMTEL),
        ([MMTEL.upper()], MMTEL.upper()),
        ([f"{MMTEL}.part"], f"{MMTEL}.part"),
        ([f"{MMTEL}x"], None),
        (["urn:urn-7:3gpp-service.ims.icsi"], None),
        ([f"urn:urn-7:3gpp-service.other, {MMTEL}"], MMTEL),
        (["urn:urn-7:3gpp-service.other"] * 8 + [MMTEL], None),
        (['"unclosed'], None),
        ([f",{MMTEL}", '"unclosed'], MMTEL),
    ],
)
def test_a_preferred_service_that_the_user_has_is_asserted(hss, preferred, expected):
    request = Request.build("INVITE", "sip:x", [("P-Preferred-Service", each) for each in preferred])
    Assertions(hss, (MMTEL,)).assert_service(request)
    assert request.headers.get("P-Asserted-Service") == expected
    assert "P-Preferred-Service" not in request.headers


async def test_a_call_shows_both_numbers_and_the_service(running):
    for user, number in (("kate", "tel:+491"), ("leo", "tel:+492")):
        identities = (PublicIdentity(f"sip:{user}@ims.example"), PublicIdentity(number))
        add_with_password(running.hss, f"{user}@ims.example", identities, Secret("x"))
        running.bind(user)
    kate = "P-Asserted-Identity: <sip:kate@ims.example>"
    running.send("OPTIONS", "sip:leo@ims.example", running.orig, kate, f"P-Preferred-Service: {MMTEL}")
    got = await running.peer.expect("OPTIONS sip:leo@k.invalid ")
    assert asserted(got) == ["<sip:kate@ims.example>", "<tel:+491>"]
    assert asserted(got, "P-Asserted-Service") == [MMTEL]
    assert not asserted(got, "P-Preferred-Service")
    running.peer.answer(got, "200 OK", "P-Asserted-Identity: <sip:leo@ims.example>")
    answer = await running.peer.expect("SIP/2.0 200")
    assert asserted(answer) == ["<sip:leo@ims.example>", "<tel:+492>"]


async def test_an_identity_in_a_response_that_cannot_be_read_passes(running):
    running.bind("alice")
    running.bind("bob")
    running.send("OPTIONS", "sip:bob@ims.example", running.orig, "P-Asserted-Identity: <sip:alice@ims.example>")
    got = await running.peer.expect("OPTIONS sip:bob@k.invalid ")
    running.peer.answer(got, "200 OK", "P-Asserted-Identity: <<<")
    await running.peer.expect("SIP/2.0 200")


async def test_a_stranger_asserts_no_service(running, outsider):
    running.bind("bob")
    lines = (f"P-Asserted-Service: {MMTEL}", f"P-Preferred-Service: {MMTEL}")
    running.send("OPTIONS", "sip:bob@ims.example", *lines, peer=outsider)
    got = await running.peer.expect("OPTIONS sip:bob@k.invalid ")
    assert not asserted(got, "P-Asserted-Service")
