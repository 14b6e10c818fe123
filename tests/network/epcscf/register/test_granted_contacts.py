"""Contacts that a 200 to REGISTER has granted."""

from __future__ import annotations

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
