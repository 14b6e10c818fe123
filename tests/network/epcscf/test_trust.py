"""Header fields that cross the trust boundary between WIC and core, and those that do not."""

from __future__ import annotations

import pytest

from wic.network.epcscf.trust import (
    clean_from_wic,
    clean_response_from_wic,
    digest_credentials,
    identities_in,
    withhold_keys,
    write_credentials,
)
from wic.network.trust_boundary import clean_to_outside
from wic.sip.message import Request, Response

ACCESS = "P-Access-Network-Info"


def test_keys_of_a_challenge_stay_with_the_epcscf():
    challenge = 'Digest realm="x", nonce="n", algorithm=AKAv1-MD5, ik="0123", ck="4567"'
    response = Response.build(401, headers=[("WWW-Authenticate", challenge)])
    withhold_keys(response)
    assert response.headers.get_all("WWW-Authenticate") == ['Digest realm="x", nonce="n", algorithm=AKAv1-MD5']
    plain = 'Digest realm="x", nonce="n"'
    untouched = Response.build(401, headers=[("WWW-Authenticate", plain)])
    withhold_keys(untouched)
    assert untouched.headers.get_all("WWW-Authenticate") == [plain]


@pytest.mark.parametrize(
    "unreadable",
    [
        "???",
        'Digest realm="y" ik="4711", ck="4711"',
        'Digest realm="y", ik="4711, ck=4711',
        '???, ck="4711"',
        'Basic abc, ik="4711"',
        "Digest ik=4711 ck=4711",
        "",
    ],
)
@pytest.mark.parametrize("order", [1, -1])
@pytest.mark.parametrize("joined", [True, False])
def test_a_challenge_that_cannot_be_read_goes_alone(unreadable, order, joined):
    """There may be keys in it."""
    challenge = 'Digest realm="x", nonce="n", IK="4711", ck="4711"'
    lines = [challenge, unreadable][::order]
    lines = [", ".join(lines)] if joined else lines
    response = Response.build(401, headers=[("WWW-Authenticate", each) for each in lines])
    withhold_keys(response)
    assert "4711" not in response.to_bytes().decode()
    if not joined:  # within one line it is not always to be seen where one ends
        assert 'Digest realm="x", nonce="n"' in response.headers.get_all("WWW-Authenticate")


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


def test_a_token_goes_no_further_and_takes_nothing_along():
    home, odd = 'Digest username="a", realm="b"', 'Digest realm="x" token="abc"'
    lines = ["Bearer abc", home, odd, 'bearer access_token="abc"']
    message = Request.build("REGISTER", "sip:x", [("Authorization", line) for line in lines])
    clean_from_wic(message)
    assert message.headers.get_all("Authorization") == [home]


NETWORK_ONLY = ["P-Charging-Vector", "P-Charging-Function-Addresses", "P-Visited-Network-ID", "P-User-Database"]
NETWORK_ONLY += ["P-Served-User", "P-Profile-Key", "Relayed-Charge", "Restoration-Info", "Cellular-Network-Info"]
ASSERTED = ["P-Asserted-Identity", "P-Asserted-Service", "P-Associated-URI", "P-Called-Party-ID", "Feature-Caps"]
PREFERRED = ["P-Preferred-Identity"]
ROUTING = ["Path", "Service-Route", "Security-Client", "Security-Verify", "Security-Server"]


@pytest.mark.parametrize("message", ["request", "response"])
@pytest.mark.parametrize(
    ("clean", "removed", "kept"),
    [
        (clean_from_wic, [*NETWORK_ONLY, *ASSERTED, *PREFERRED, *ROUTING], ["P-Preferred-Service"]),
        (clean_to_outside, [*NETWORK_ONLY, *PREFERRED, "P-Preferred-Service", ACCESS], [*ASSERTED, "Path"]),
    ],
)
def test_what_crosses_the_boundary_is_the_same_for_requests_and_responses(message, clean, removed, kept):
    """TS 24.229 §4.4: the trust domain ends at an interface, whichever way the transaction goes."""
    headers = [(name, "<sip:x>") for name in (*removed, *kept)]
    made = Request.build("INVITE", "sip:x", headers) if message == "request" else Response.build(200, headers=headers)
    clean(made)
    assert {name for name in (*removed, *kept) if name in made.headers} == set(kept)


def test_credentials_that_cannot_be_read_go_no_further():
    request = Request.build("INVITE", "sip:x", [("Authorization", "Digest ="), ("Proxy-Authorization", "Bearer abc")])
    clean_from_wic(request)
    assert "Authorization" not in request.headers
    assert "Proxy-Authorization" not in request.headers


def test_a_wic_cannot_write_access_information_of_the_network():
    own, claimed = "IEEE-802.11", "3GPP-E-UTRAN-FDD; Network-Provided"
    request = Request.build("INVITE", "sip:x", [(ACCESS, f"{own}, {claimed}"), (ACCESS, claimed)])
    clean_from_wic(request)
    assert request.headers.get_all(ACCESS) == [own]
    clean_to_outside(request)
    assert ACCESS not in request.headers
    response = Response.build(200, headers=[(ACCESS, ",,")])
    clean_response_from_wic(response, None, ())
    assert ACCESS not in response.headers


def test_a_wic_supports_early_media_and_does_not_authorize_it():
    request = Request.build("INVITE", "sip:x", [("P-Early-Media", "Supported")])
    clean_from_wic(request)
    assert request.headers.get_all("P-Early-Media") == ["Supported"]
    for values in (["sendrecv"], ["supported, sendonly"], ["supported", "gated"]):
        response = Response.build(183, headers=[("P-Early-Media", value) for value in values])
        clean_response_from_wic(response, None, ())
        assert "P-Early-Media" not in response.headers


def test_the_network_says_who_answers():
    response = Response.build(200, headers=[("P-Preferred-Identity", "<sip:mallory@ims.example>")])
    clean_response_from_wic(response, None, ("sip:alice@ims.example", "tel:+49301234"))
    assert response.headers.get_all("P-Asserted-Identity") == ["<sip:alice@ims.example>", "<tel:+49301234>"]
    assert "P-Preferred-Identity" not in response.headers


def test_a_private_identity_does_not_leave_the_network():
    request = Request.build("INVITE", "sip:x", [("Privacy", "header; id"), ("P-Asserted-Identity", "<sip:a@b>")])
    clean_to_outside(request)
    assert "P-Asserted-Identity" not in request.headers
    assert "Privacy" in request.headers


@pytest.mark.parametrize(
    ("values", "preferred"),
    [
        ([], []),
        (['"A" <sip:a@b;x=y>'], ["sip:a@b"]),
        (["<<<"], []),
        (["<sip:a@b;transport=ws>, <tel:+49-30-1>"], ["sip:a@b", "tel:+49301"]),
        (["<<<", "<sip:a@b>"], ["sip:a@b"]),
        (["<sip:a@b>, <<<"], ["sip:a@b"]),
        ([", <sip:a@b>", '"', "<tel:+1>"], ["sip:a@b", "tel:+1"]),
        (["<sip:a@b>", "<sip:>", "sip:c@d"], ["sip:a@b", "sip:c@d"]),
        ([f"<sip:{number}@b>" for number in range(20)], [f"sip:{number}@b" for number in range(8)]),
    ],
)
def test_identities_that_cannot_be_read_are_not_preferred(values, preferred):
    request = Request.build("INVITE", "sip:x", [("P-Preferred-Identity", value) for value in values])
    assert [str(uri) for uri in identities_in(request, "P-Preferred-Identity")] == preferred


@pytest.mark.parametrize(
    "name", ["WWW-Authenticate", "Proxy-Authenticate", "Authentication-Info", "Proxy-Authentication-Info"]
)
@pytest.mark.parametrize("status", [183, 200, 401, 407, 486])
def test_a_called_wic_authenticates_no_one(name, status):
    response = Response.build(status, headers=[(name, 'Digest realm="x", nextnonce="n"')])
    clean_response_from_wic(response, None, ())
    assert name not in response.headers
