from __future__ import annotations

import pytest

from wic.errors import LocalProtocolError
from wic.sip.errors import MalformedHeader, MalformedUri
from wic.sip.headers import AuthValue, NameAddr, Via
from wic.sip.headers.fields import Headers
from wic.sip.message import Message, Request, Response
from wic.sip.parser import parse
from wic.sip.uri import Uri

REGISTER = (
    b"REGISTER sip:ims.example SIP/2.0\r\n"
    b"Via: SIP/2.0/WSS df7jal23ls0d.invalid;branch=z9hG4bK56sdasks;rport, SIP/2.0/UDP p;branch=z9hG4bK2\r\n"
    b"Max-Forwards: 70\r\n"
    b'f: "Alice" <sip:alice@ims.example>;tag=asdyka899\r\n'
    b"To: <sip:alice@ims.example>\r\n"
    b"Call-ID: asidkj3ss@x\r\n"
    b"CSeq: 1 REGISTER\r\n"
    b'm: <sip:alice@df7jal23ls0d.invalid;transport=ws>;reg-id=1;+sip.instance="<urn:uuid:f81>"\r\n'
    b"Expires: 600000\r\n"
    b"k: Path, gruu\r\n"
    b"Supported: outbound\r\n"
    b"Require: sec-agree\r\n"
    b"Proxy-Require: sec-agree\r\n"
    b"Unsupported:\r\n"
    b"Allow: INVITE,ACK\r\n"
    b"Route: <sip:a;lr>, <sip:b;lr>\r\n"
    b"Record-Route: <sip:c;lr>\r\n"
    b"Path: <sip:d;lr>\r\n"
    b"Service-Route: <sip:e;lr>\r\n"
    b"P-Associated-URI: <sip:f>, <tel:+1>\r\n"
    b"Min-Expires: 60\r\n"
    b"Event: reg;id=1\r\n"
    b'Authorization: Digest username="alice", realm="x", nonce="", uri="sip:ims.example", response=""\r\n'
    b"Authorization: Bearer abc\r\n"
    b"Content-Type: application/sdp\r\n"
    b"Content-Length: 3\r\n\r\nv=0"
)


def register() -> Request:
    message = parse(REGISTER)
    assert isinstance(message, Request)
    return message


def test_typed_properties() -> None:
    message = register()
    assert (message.method, str(message.uri), message.uri_text) == ("REGISTER", "sip:ims.example", "sip:ims.example")
    assert message.via == message.vias[0]
    assert [via.transport for via in message.vias] == ["WSS", "UDP"]
    assert (message.from_.display, message.from_.tag, message.to.tag) == ("Alice", "asdyka899", None)
    assert (message.call_id, message.cseq.number, message.max_forwards) == ("asidkj3ss@x", 1, 70)
    assert message.contacts[0].params.get("+sip.instance") == "<urn:uuid:f81>"
    assert message.contact_is_wildcard is False
    assert [str(route.uri) for route in message.routes] == ["sip:a;lr", "sip:b;lr"]
    assert [str(route) for route in message.record_routes + message.paths + message.service_routes] == [
        "<sip:c;lr>",
        "<sip:d;lr>",
        "<sip:e;lr>",
    ]
    assert [address.uri.scheme for address in message.associated_uris] == ["sip", "tel"]
    assert (message.expires, message.min_expires) == (600000, 60)
    assert (message.supported, message.require, message.proxy_require) == (
        ("path", "gruu", "outbound"),
        ("sec-agree",),
        ("sec-agree",),
    )
    assert (message.unsupported, message.allow) == ((), ("INVITE", "ACK"))
    assert message.event is not None
    assert (message.event.package, message.event.id) == ("reg", "1")
    assert message.content_type is not None
    assert (message.content_type.essence, message.content_length, message.body) == ("application/sdp", 3, b"v=0")
    assert [value.scheme for value in message.auth("Authorization")] == ["Digest", "Bearer"]
    assert message.raw == REGISTER


def test_absent_headers_are_none_or_empty() -> None:
    message = Request.build("OPTIONS", "sip:x")
    optional = (message.max_forwards, message.expires, message.min_expires, message.content_type, message.event)
    assert (*optional, message.content_length) == (None,) * 6
    assert message.vias == message.contacts == message.routes == message.supported == message.allow == ()
    assert message.auth("Authorization") == []
    assert message.contact_is_wildcard is False


@pytest.mark.parametrize("name", ["via", "from_", "to", "call_id", "cseq"])
def test_an_absent_mandatory_header_is_an_error(name: str) -> None:
    with pytest.raises(MalformedHeader, match="is missing"):
        getattr(Request.build("OPTIONS", "sip:x"), name)


@pytest.mark.parametrize(
    ("header", "value", "name"),
    [
        ("Via", "SIP/2.0", "via"),
        ("Via", "SIP/2.0/UDP a,,b", "vias"),
        ("From", "<sip:", "from_"),
        ("Call-ID", "a b", "call_id"),
        ("Call-ID", "", "call_id"),
        ("CSeq", "x", "cseq"),
        ("Contact", "<sip:a@b>, *", "contacts"),
        ("Max-Forwards", "256", "max_forwards"),
        ("Max-Forwards", "\u0663", "max_forwards"),
        ("Expires", "soon", "expires"),
        ("Content-Type", "sdp", "content_type"),
        ("Content-Length", "-1", "content_length"),
        ("Require", "a b", "require"),
        ("Supported", "a,,b", "supported"),
        ("Event", "a b", "event"),
    ],
)
def test_a_malformed_header_is_named(header: str, value: str, name: str) -> None:
    message = Request.build("OPTIONS", "sip:x", [(header, value)])
    with pytest.raises(MalformedHeader, match=f"^{header}"):
        getattr(message, name)


def test_malformed_credentials_are_named_but_not_shown() -> None:
    message = Request.build("OPTIONS", "sip:x", [("Authorization", 'Digest response="secret')])
    with pytest.raises(MalformedHeader) as caught:
        message.auth("Authorization")
    assert "secret" not in str(caught.value)


def test_wildcard_contact() -> None:
    message = Request.build("REGISTER", "sip:x", [("Contact", "*")])
    assert message.contact_is_wildcard
    assert message.contacts == ()


def test_a_malformed_request_uri_is_told_when_it_is_read() -> None:
    message = Request.build("OPTIONS", "sip:a@[")
    assert message.uri_text == "sip:a@["
    with pytest.raises(MalformedUri):
        _ = message.uri


def test_the_request_uri_can_be_rewritten() -> None:
    message = register()
    message.uri = Uri.parse("sip:scscf.ims.example")
    assert message.uri_text == "sip:scscf.ims.example"
    assert message.to_bytes().startswith(b"REGISTER sip:scscf.ims.example SIP/2.0\r\n")


def test_untouched_goes_out_as_it_came() -> None:
    assert register().to_bytes() == REGISTER
    response = b"SIP/2.0 200 \r\nX:  y \r\nl:0\r\n\r\n"
    assert parse(response).to_bytes() == response


def test_content_length_is_always_right() -> None:
    message = register()
    message.body = b"longer body"
    assert b"\r\nContent-Length: 11\r\n\r\nlonger body" in message.to_bytes()
    padded = b"OPTIONS sip:x SIP/2.0\r\nl: 0001\r\n\r\nx"
    assert parse(padded).to_bytes() == padded
    empty = Request.build("OPTIONS", "sip:x", [("Content-Length", "")])
    assert empty.to_bytes() == b"OPTIONS sip:x SIP/2.0\r\nContent-Length: 0\r\n\r\n"
    twice = Request.build("OPTIONS", "sip:x", [("Content-Length", 9), ("l", 8)], b"x")
    assert twice.to_bytes() == b"OPTIONS sip:x SIP/2.0\r\nContent-Length: 1\r\n\r\nx"


def test_copies_are_independent() -> None:
    for message in (register(), Response.build(200)):
        copy = message.copy()
        copy.headers.add("Subject", "x")
        copy.body = b""
        assert "Subject" not in message.headers
        assert copy.raw is message.raw
        assert type(copy) is type(message)


def test_answer_copies_what_rfc_3261_8_2_6_asks_for() -> None:
    request = register()
    request.headers.add("Timestamp", "54")
    response = Response.answer(request, 200, to_tag="7", headers=[("Expires", 60)], body=b"x")
    assert (response.status, response.reason, response.is_final) == (200, "OK", True)
    assert response.to.tag == "7"
    assert response.body == b"x"
    assert [line for _, line in response.headers.lines()] == [
        "Via: SIP/2.0/WSS df7jal23ls0d.invalid;branch=z9hG4bK56sdasks;rport, SIP/2.0/UDP p;branch=z9hG4bK2",
        'f: "Alice" <sip:alice@ims.example>;tag=asdyka899',
        "To: <sip:alice@ims.example>;tag=7",
        "Call-ID: asidkj3ss@x",
        "CSeq: 1 REGISTER",
        "Expires: 60",
    ]


def test_trying_has_no_tag_but_the_timestamp() -> None:
    request = register()
    request.headers.add("Timestamp", "54")
    response = Response.answer(request, 100, to_tag="7")
    assert response.to.tag is None
    assert response.headers.get("Timestamp") == "54"
    assert response.is_final is False


def test_a_tag_that_is_there_stays() -> None:
    request = register()
    request.headers.set("To", "<sip:alice@ims.example>;tag=first")
    assert Response.answer(request, 486, "Busy", to_tag="7").to.tag == "first"
    assert Response.answer(request, 486, "Busy").reason == "Busy"


def test_an_unreadable_to_is_copied_all_the_same() -> None:
    request = register()
    request.headers.set("To", '"open <sip:x>')
    assert Response.answer(request, 400).headers.get("To") == '"open <sip:x>'
    with pytest.raises(MalformedHeader):
        Response.answer(request, 400, to_tag="7")


@pytest.mark.parametrize(
    ("method", "status", "copied"),
    [
        ("INVITE", 180, True),
        ("INVITE", 200, True),
        ("SUBSCRIBE", 202, True),
        ("REFER", 202, True),
        ("NOTIFY", 200, True),
        ("INVITE", 100, False),
        ("INVITE", 486, False),
        ("OPTIONS", 200, False),
    ],
)
def test_record_route_makes_the_route_set(method: str, status: int, copied: bool) -> None:
    request = register()
    request.method = method
    assert ("Record-Route" in Response.answer(request, status).headers) is copied


@pytest.mark.parametrize(
    ("method", "uri"),
    [
        ("", "sip:x"),
        ("A B", "sip:x"),
        ("A\r\n", "sip:x"),
        ("A", ""),
        ("A", "sip:a b"),
        ("A", "sip:x\r\nEvil:1"),
        ("A", "sip:\0"),
    ],
)
def test_a_start_line_cannot_break_the_framing(method: str, uri: str) -> None:
    with pytest.raises(LocalProtocolError):
        Request.build(method, uri).to_bytes()


@pytest.mark.parametrize(("status", "reason"), [(99, "x"), (700, "x"), (200, "a\r\nb"), (200, "\0")])
def test_nor_can_a_status_line(status: int, reason: str) -> None:
    with pytest.raises(LocalProtocolError):
        Response.build(status, reason).to_bytes()


def test_text_that_is_no_unicode() -> None:
    with pytest.raises(LocalProtocolError):
        Request.build("OPTIONS", "sip:x", [("Subject", "\ud800")]).to_bytes()


def test_values_can_be_given_as_they_are() -> None:
    via = Via("SIP/2.0", "WSS", "x.invalid")
    request = Request.build("OPTIONS", Uri.parse("sip:x"), [("Via", via), ("To", NameAddr("Bö", Uri.parse("sip:b@x")))])
    assert request.to_bytes().splitlines()[1:3] == [b"Via: SIP/2.0/WSS x.invalid", 'To: "Bö" <sip:b@x>'.encode()]
    assert request.raw is None


def test_repr_has_no_header_values() -> None:
    assert repr(register()) == "<Request REGISTER sip:ims.example>"
    assert repr(Response.build(404)) == "<Response 404 Not Found>"


def test_a_bare_message_has_no_start_line() -> None:
    with pytest.raises(NotImplementedError):
        Message(Headers()).to_bytes()


def test_a_packed_request_is_the_same() -> None:
    request = register()
    uri, text = request.uri, request.to_bytes()
    request.pack()
    assert request.raw is None
    assert request.uri == uri
    assert request.uri is not uri
    assert request.to_bytes() == text


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        (None, None),
        ("5", 5),
        ("5 (busy);duration=60", 5),
        ("1800", 1800),
        ("3153600000", 1800),
        ("0", 1),
        ("-1", None),
    ],
)
def test_the_delay_that_a_retry_after_asks_for_is_bounded(text: str | None, seconds: float | None) -> None:
    response = Response.build(503, headers=[("Retry-After", text)] if text else [])
    assert response.retry_delay() == seconds


def test_the_longest_delay_can_be_set() -> None:
    assert Response.build(503, headers=[("Retry-After", "90")]).retry_delay(longest=60.0) == 60


def test_without_credentials_their_header_is_gone() -> None:
    message = Request.build("REGISTER", "sip:h", [("Authorization", "Digest username=a")])
    message.set_auth("Authorization", [])
    assert "Authorization" not in message.headers


def test_credentials_are_replaced_and_removed() -> None:
    request = Request.build("OPTIONS", "sip:bob@example.com", [("Authorization", "Bearer old")])
    request.set_auth("Authorization", [AuthValue.parse("Bearer new")])
    assert request.headers.get_all("Authorization") == ["Bearer new"]
    request.set_auth("Authorization", [])
    assert request.auth("Authorization") == []
    assert "Authorization" not in request.headers
