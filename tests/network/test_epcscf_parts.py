"""Parts of the eP-CSCF that need no network around them."""

from __future__ import annotations

import pytest

from wic.network.epcscf.associations import Association, Associations
from wic.network.epcscf.body import read_sdp, remove_body, write_sdp
from wic.network.epcscf.registering import granted_expiry
from wic.network.epcscf.trust import clean_to_wic, keep_keys, set_integrity_protected
from wic.sdp.description import SessionDescription
from wic.sdp.errors import SdpRefused
from wic.sip.flow import Flow
from wic.sip.message import Request, Response
from wic.sip.tokens import CountingTokens

SDP = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n"
OTHER = SessionDescription.parse(SDP.replace("s=-", "s=other"))
MIXED = (
    "--b\r\nContent-Type: application/pidf+xml\r\n\r\n<presence/>\r\n"
    f"--b\r\nContent-Type: application/sdp\r\n\r\n{SDP}\r\n--b--\r\n"
).encode()
FLOW = Flow("WSS", ("127.0.0.1", 1), ("127.0.0.1", 2), "1")


def message(kind: str | None, body: bytes) -> Request:
    headers = [] if kind is None else [("Content-Type", kind), ("Content-Disposition", "session")]
    return Request.build("INVITE", "sip:bob@ims.example", headers, body)


def test_a_session_description_alone_is_exchanged():
    request = message("application/sdp", SDP.encode())
    assert read_sdp(request) is not None
    write_sdp(request, OTHER)
    assert request.body == OTHER.to_bytes()


def test_a_session_description_among_other_parts_is_exchanged():
    request = message("multipart/mixed;boundary=b", MIXED)
    assert read_sdp(request) is not None
    write_sdp(request, OTHER)
    assert b"s=other" in request.body
    assert b"<presence/>" in request.body
    assert read_sdp(request) == OTHER


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("text/plain", b"x"),
        ("application/sdp", b""),
        ("multipart/mixed;boundary=b", b"--b\r\nContent-Type: text/plain\r\n\r\nx\r\n--b--\r\n"),
    ],
)
def test_messages_without_session_description(kind, body):
    assert read_sdp(message(kind, body)) is None


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        (None, b"x"),
        ("application/sdp", b"x"),
        ("multipart/mixed", b"x"),
        ("multipart/mixed;boundary=b", b"x"),
        ("x", b"x"),
    ],
)
def test_bodies_that_cannot_be_read(kind, body):
    with pytest.raises(SdpRefused):
        read_sdp(message(kind, body))


def test_a_body_is_removed_with_its_headers():
    request = message("application/sdp", SDP.encode())
    remove_body(request)
    assert request.body == b""
    assert "Content-Type" not in request.headers
    assert "Content-Disposition" not in request.headers


def test_keys_of_a_challenge_stay_with_the_epcscf():
    challenge = 'Digest realm="x", nonce="n", algorithm=AKAv1-MD5, ik="0123", ck="4567"'
    response = Response.build(401, headers=[("WWW-Authenticate", challenge)])
    keep_keys(response)
    assert response.headers.get_all("WWW-Authenticate") == ['Digest realm="x", nonce="n", algorithm=AKAv1-MD5']
    for value in ('Digest realm="x", nonce="n"', "???"):
        untouched = Response.build(401, headers=[("WWW-Authenticate", value)])
        keep_keys(untouched)
        assert untouched.headers.get_all("WWW-Authenticate") == [value]


def test_only_digest_credentials_say_how_they_are_protected():
    request = Request.build("REGISTER", "sip:x", [("Authorization", 'Digest username="a", integrity-protected=yes')])
    request.headers.add("Authorization", "Bearer abc")
    set_integrity_protected(request, "tls-pending")
    assert request.headers.get_all("Authorization") == [
        'Digest username="a", integrity-protected=tls-pending',
        "Bearer abc",
    ]
    set_integrity_protected(request, None)
    assert request.headers.get_all("Authorization")[0] == 'Digest username="a"'


def test_a_private_identity_does_not_leave_the_network():
    request = Request.build("INVITE", "sip:x", [("Privacy", "header; id"), ("P-Asserted-Identity", "<sip:a@b>")])
    clean_to_wic(request)
    assert "P-Asserted-Identity" not in request.headers
    assert "Privacy" in request.headers


@pytest.mark.parametrize(
    ("asked", "granted", "expires"),
    [
        (["<sip:a@h1>"], ["<sip:a@h1>;expires=60", "<sip:a@h2>;expires=90"], 60),
        (["<sip:a@h1>"], ["<sip:a@h2>;expires=90"], 0),
        (["<sip:a@h1>"], [], 0),
        (["<sip:a@h1>"], ["<sip:a@h1>"], 300),
        (['<sip:a@h1>;+sip.instance="<i>";reg-id=1'], ['<sip:a@h9>;+sip.instance="<i>";reg-id=1;expires=5'], 5),
        (['<sip:a@h1>;+sip.instance="<i>";reg-id=1'], ['<sip:a@h9>;+sip.instance="<i>";reg-id=2;expires=5'], 0),
        (['<sip:a@h1>;+sip.instance="<i>"'], ['<sip:a@h9>;+sip.instance="<i>";expires=5'], 0),
        (["*"], ["<sip:a@h1>;expires=60"], 0),
        ([], ["<sip:a@h1>;expires=60"], None),
    ],
)
def test_how_long_a_registration_lasts(asked, granted, expires):
    request = Request.build("REGISTER", "sip:x", [("Contact", value) for value in asked])
    response = Response.build(200, headers=[("Expires", 300), *(("Contact", value) for value in granted)])
    assert granted_expiry(request, response) == expires


def association(impi: str, *impus: str, expires_at: float = 100.0) -> Association:
    return Association(flow=FLOW, impi=impi, impus=impus, service_route=(), expires_at=expires_at)


def test_several_users_may_share_a_connection():
    table = Associations(CountingTokens())
    table.store(association("a", "sip:a@x", "tel:+1"))
    table.store(association("b", "sip:b@x"))
    assert len(table) == 2
    assert table.find(FLOW, "a", "tel:+1", now=0) is not None
    assert table.find(FLOW, "b", "tel:+1", now=0) is None
    found = table.identity(FLOW, ["sip:z@x", "sip:b@x"], now=0)
    assert found is not None
    assert found[1] == "sip:b@x"
    default = table.identity(FLOW, [], now=0)
    assert default is not None
    assert default[1] == "sip:a@x"
    table.remove(FLOW, "a")
    table.remove(FLOW, "nobody")
    assert [each.impi for each in table.of(FLOW, now=0)] == ["b"]


def test_associations_expire():
    table = Associations(CountingTokens())
    table.store(association("a", "sip:a@x"))
    assert table.identity(FLOW, ["sip:a@x"], now=100.0) is None
    assert len(table) == 0


def test_tokens_lead_to_connections_until_they_close():
    table = Associations(CountingTokens())
    token = table.token(FLOW)
    assert table.token(FLOW) == token
    assert table.flow(token) == FLOW
    assert table.flow(None) is None
    table.close(FLOW)
    table.close(FLOW)
    assert table.flow(token) is None
