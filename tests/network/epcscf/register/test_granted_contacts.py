"""Contacts that a 200 to REGISTER has granted."""

from __future__ import annotations

import re

import pytest

from wic.network.epcscf.register import granted_contacts
from wic.sip.message import Request, Response


@pytest.mark.parametrize(
    ("asked", "granted", "expected"),
    [
        (["<sip:a@h1>"], ["<sip:a@h1>;expires=60", "<sip:a@h2>;expires=90"], [("<sip:a@h1>", 60)]),
        (["<sip:a@h1>"], ["<sip:a@h2>;expires=90"], []),
        (["<sip:a@h1>"], ["<sip:a@h1>;expires=0"], []),
        (["<sip:a@h1>"], [], []),
        (["<sip:a@h1>"], ["<sip:a@h1>"], [("<sip:a@h1>", 300)]),
        (
            ['<sip:a@h1>;+sip.instance="<i>";reg-id=1'],
            ['<sip:a@h9>;+sip.instance="<i>";reg-id=1;expires=5'],
            [('<sip:a@h9>;+sip.instance="<i>";reg-id=1', 5)],
        ),
        (['<sip:a@h1>;+sip.instance="<i>";reg-id=1'], ['<sip:a@h9>;+sip.instance="<i>";reg-id=2;expires=5'], []),
        (['<sip:a@h1>;+sip.instance="<i>"'], ['<sip:a@h9>;+sip.instance="<i>";expires=5'], []),
        (["*"], ["<sip:a@h1>;expires=60"], []),
        ([], ["<sip:a@h1>;expires=60"], []),
    ],
)
def test_granted_contacts_are_those_that_were_asked_for(asked, granted, expected):
    request = Request.build("REGISTER", "sip:x", [("Contact", value) for value in asked])
    response = Response.build(200, headers=[("Expires", 300), *(("Contact", value) for value in granted)])
    found = granted_contacts(request, response)
    assert [(str(contact), expires) for contact, expires in found] == expected


@pytest.mark.parametrize("via", ["", "garbage", "SIP/2.0/WSS <", "SIP/2.0/WSS a;branch=1;branch=2", "SIP/2.0/WSS a, ,"])
async def test_a_spoilt_via_does_not_keep_the_200_from_the_wic(edge, via):
    """RFC 3261 §16.7: of the Via values only the own one is for a proxy."""
    alice = await edge.wic("alice")
    alice.send(alice.register())
    request = await edge.core.expect("REGISTER")
    own = re.findall(r"^Via: (.*)\r$", request, re.MULTILINE)[1]
    contact = re.findall(r"^Contact: (.*)\r$", request, re.MULTILINE)[0]
    mangled = request.replace(f"Via: {own}", f"Via: {via}")
    edge.core.send(
        "\r\n".join(
            [
                "SIP/2.0 200 OK",
                *re.findall(r"^(?:Via|From|To|Call-ID|CSeq): .*(?=\r$)", mangled, re.MULTILINE),
                f"Contact: {contact};expires=600",
                "Content-Length: 0",
                "",
                "",
            ]
        ),
        edge.core.sender(request),
    )
    await alice.expect("SIP/2.0 200")
    assert edge.associations()
