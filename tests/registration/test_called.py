"""Called identity of a request, and requests that are for another user."""

from __future__ import annotations

import pytest

from wic.registration.called import find_called, is_for_us
from wic.sip.message import Request
from wic.sip.uri import Uri

ALICE, WORK, PHONE = map(Uri.parse, ("sip:alice@ims.example", "sip:work@ims.example", "tel:+358401234567"))
OWN = (ALICE, WORK, PHONE)
CONTACT = Uri.parse("sip:alice@x7k2.invalid;transport=ws")
GRUUS = tuple(map(Uri.parse, ("sip:alice@ims.example;gr=urn:uuid:1", "sip:t1@ims.example;gr")))
STRANGER = "sip:mallory@ims.example"


def invite(uri: str = str(CONTACT), to: str = STRANGER, *called: str) -> Request:
    headers: list[tuple[str, object]] = [("To", f"<{to}>"), *(("P-Called-Party-ID", each) for each in called)]
    return Request.build("INVITE", Uri.parse(uri), headers)


@pytest.mark.parametrize(
    ("request_", "called"),
    [
        # TS 24.229 §5.1.2A.2: what the S-CSCF says about it decides, not To.
        (invite(str(CONTACT), str(ALICE), f"<{WORK}>"), WORK),
        (invite(str(CONTACT), STRANGER, f"<{WORK}>"), WORK),
        (invite(str(CONTACT), str(ALICE), f"<{PHONE}>"), PHONE),
        (invite(str(CONTACT), str(ALICE), f"<{GRUUS[0]};x=y>;p=q"), ALICE),
        (invite(str(CONTACT), str(ALICE), f"<{WORK}>, <{ALICE}>"), WORK),
        # Absent, of a stranger, or not to be read: To, then the Request-URI.
        (invite(str(CONTACT), str(WORK)), WORK),
        (invite(str(CONTACT), str(WORK), f"<{STRANGER}>"), WORK),
        (invite(str(CONTACT), str(WORK), "<sip:"), WORK),
        (invite(str(CONTACT), str(WORK), ",,", f"<{ALICE}>"), ALICE),
        (invite(str(CONTACT), "sip:WORK@IMS.example"), None),
        (invite(str(CONTACT), "sip:work@IMS.example:5060;user=phone"), WORK),
        (invite("tel:+358-40-1234567"), PHONE),
        (invite(str(WORK)), WORK),
        (invite(), None),
    ],
)
def test_the_called_identity(request_: Request, called: Uri | None) -> None:
    assert find_called(request_, OWN) == called


def test_the_first_of_two_spellings() -> None:
    assert find_called(invite(str(CONTACT), str(ALICE)), (ALICE, Uri.parse("sip:alice@IMS.EXAMPLE"))) is ALICE


@pytest.mark.parametrize(
    ("uri", "ours"),
    [
        (str(CONTACT), True),
        ("sip:alice@X7K2.invalid", True),
        ("sip:x7k2.invalid;transport=ws", True),
        (str(ALICE), True),
        ("sip:work@ims.example:5060;user=phone", True),
        ("tel:+358401234567", True),
        ("tel:+358401234568", False),
        (STRANGER, False),
        ("mailto:alice@ims.example", False),
        ("sip:mallory@x7k2.invalid", True),
        # RFC 5627 §3.1, §3.2
        ("sip:t2@ims.example;gr", False),
        ("sip:mallory@ims.example;gr=urn:uuid:1", False),
        # The host and what follows it are what a server made of them.
        *(
            (f"sip:{user}{at}", user != "mallory@")
            for user in ("alice@", "ali%63e@", "work@", "+358401234567@", "t1@", "", "mallory@")
            for at in (
                "203.0.113.7:40112;transport=ws",
                "[2001:db8::7]:40112;transport=ws",
                "nat.isp.example:40112;transport=wss",
                "other.invalid;transport=ws",
                "other.example;gr=urn:uuid:1",
                "ims.example;gr=urn:uuid:2",
                "ims.example;gr",
            )
        ),
    ],
)
def test_requests_for_this_side(uri: str, *, ours: bool) -> None:
    """RFC 3261 §8.2.2.1."""
    assert is_for_us(invite(uri), contact=CONTACT, gruus=GRUUS, identities=OWN) is ours


def test_a_request_uri_that_a_server_has_mangled() -> None:
    """The S-CSCF says for which identity it is."""
    request = invite("sip:alice@other.example", STRANGER, f"<{WORK}>")
    assert is_for_us(request, contact=CONTACT, gruus=GRUUS, identities=OWN)
