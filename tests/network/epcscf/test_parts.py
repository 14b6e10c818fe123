"""Parts of the eP-CSCF that need no network around them."""

from __future__ import annotations

import pytest

from wic.network.epcscf.registering import granted_contacts
from wic.network.epcscf.trust import (
    clean_request_from_wic,
    clean_response_from_wic,
    clean_to_wic,
    digest_credentials,
    withhold_keys,
    write_credentials,
)
from wic.sip.message import Request, Response


def test_keys_of_a_challenge_stay_with_the_epcscf():
    challenge = 'Digest realm="x", nonce="n", algorithm=AKAv1-MD5, ik="0123", ck="4567"'
    response = Response.build(401, headers=[("WWW-Authenticate", challenge)])
    withhold_keys(response)
    assert response.headers.get_all("WWW-Authenticate") == ['Digest realm="x", nonce="n", algorithm=AKAv1-MD5']
    plain = 'Digest realm="x", nonce="n"'
    untouched = Response.build(401, headers=[("WWW-Authenticate", plain)])
    withhold_keys(untouched)
    assert untouched.headers.get_all("WWW-Authenticate") == [plain]


def test_keys_do_not_go_on_beside_a_challenge_that_cannot_be_read():
    challenge = 'Digest realm="x", nonce="n", ik="0123", ck="4567"'
    response = Response.build(401, headers=[("WWW-Authenticate", challenge), ("WWW-Authenticate", "???")])
    withhold_keys(response)
    assert "WWW-Authenticate" not in response.headers


def credentials_sent(lines: list[str], protection: str | None) -> list[str]:
    request = Request.build("REGISTER", "sip:x", [("Authorization", line) for line in lines])
    write_credentials(request, digest_credentials(request, "ims.example"), protection)
    return request.headers.get_all("Authorization")


def test_one_set_of_credentials_goes_on_and_says_how_it_is_protected():
    lie = 'Digest username="a", realm="ims.example", integrity-protected="yes", auth-done=1, authorization-entity="x"'
    assert credentials_sent([lie, "Bearer abc"], "tls-pending") == [
        'Digest username="a", realm="ims.example", integrity-protected="tls-pending"'
    ]
    assert credentials_sent([lie], None) == ['Digest username="a", realm="ims.example"']
    assert credentials_sent(["Bearer abc"], "tls-pending") == []


def test_credentials_for_the_home_domain_are_chosen():
    other, home = 'Digest username="bob", realm="other"', 'Digest username="alice", realm="ims.example"'
    assert credentials_sent([other, home], None) == [home]
    assert credentials_sent([other], None) == [other]


def test_credentials_that_cannot_be_read_go_no_further():
    request = Request.build("INVITE", "sip:x", [("Authorization", "Digest ="), ("Proxy-Authorization", "Bearer abc")])
    clean_request_from_wic(request)
    assert "Authorization" not in request.headers
    assert "Proxy-Authorization" not in request.headers


ACCESS = "P-Access-Network-Info"


def test_access_information_of_the_network_is_not_for_a_wic_to_write():
    own, claimed = "IEEE-802.11", "3GPP-E-UTRAN-FDD; Network-Provided"
    request = Request.build("INVITE", "sip:x", [(ACCESS, f"{own}, {claimed}"), (ACCESS, claimed)])
    clean_request_from_wic(request)
    assert request.headers.get_all(ACCESS) == [own]
    clean_to_wic(request)
    assert ACCESS not in request.headers
    response = Response.build(200, headers=[(ACCESS, ",,")])
    clean_response_from_wic(response, None, "")
    assert ACCESS not in response.headers


def test_a_private_identity_does_not_leave_the_network():
    request = Request.build("INVITE", "sip:x", [("Privacy", "header; id"), ("P-Asserted-Identity", "<sip:a@b>")])
    clean_to_wic(request)
    assert "P-Asserted-Identity" not in request.headers
    assert "Privacy" in request.headers


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
def test_what_a_200_has_granted(asked, granted, expected):
    request = Request.build("REGISTER", "sip:x", [("Contact", value) for value in asked])
    response = Response.build(200, headers=[("Expires", 300), *(("Contact", value) for value in granted)])
    found = granted_contacts(request, response)
    assert [(str(contact), expires) for contact, expires in found] == expected
