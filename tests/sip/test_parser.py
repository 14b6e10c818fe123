from __future__ import annotations

import contextlib

import pytest

from wic.errors import LocalProtocolError, RemoteProtocolError
from wic.sip.errors import MalformedHeader
from wic.sip.limits import Limits
from wic.sip.message import Request, Response
from wic.sip.parser import MessageRefused, parse

START = b"OPTIONS sip:bob@example.com SIP/2.0\r\n"
FIELDS = (
    b"Via: SIP/2.0/UDP a;branch=z9hG4bK1\r\nFrom: <sip:a@x>;tag=1\r\nTo: <sip:b@x>\r\nCall-ID: c\r\nCSeq: 1 OPTIONS\r\n"
)


def refused(data: bytes, limits: Limits | None = None, *, datagram: bool = True) -> MessageRefused:
    with pytest.raises(MessageRefused) as caught:
        parse(data, limits=limits or Limits(), datagram=datagram)
    return caught.value


def test_request_and_response() -> None:
    request, response = parse(START + FIELDS + b"\r\nbody"), parse(b"SIP/2.0 180 Ringing\r\n" + FIELDS + b"\r\n")
    assert isinstance(request, Request)
    assert isinstance(response, Response)
    assert (request.method, request.uri_text, request.version, request.body) == (
        "OPTIONS",
        "sip:bob@example.com",
        "SIP/2.0",
        b"body",
    )
    assert (response.status, response.reason, response.body) == (180, "Ringing", b"")


def test_line_breaks_before_the_start_line_are_read_over() -> None:
    message = parse(b"\r\n\r\n" + START + b"\r\n")
    assert message.raw == START + b"\r\n"


def test_the_version_is_read_in_any_case() -> None:
    message = parse(b"OPTIONS sip:x sip/2.0\r\n\r\n")
    assert isinstance(message, Request)
    assert message.version == "SIP/2.0"
    assert message.to_bytes().startswith(b"OPTIONS sip:x SIP/2.0\r\n")


def test_octets_after_the_body_of_a_datagram_are_ignored() -> None:
    message = parse(START + b"Content-Length: 2\r\n\r\nabcdef")
    assert message.body == b"ab"
    assert message.raw == START + b"Content-Length: 2\r\n\r\nab"


def test_a_frame_of_a_stream_has_exactly_its_body() -> None:
    head = START + FIELDS + b"l: 2\r\n\r\n"
    assert parse(head + b"ab", datagram=False).body == b"ab"
    for data in (head + b"abc", head + b"a", START + FIELDS + b"\r\n"):
        error = refused(data, datagram=False)
        assert error.status_hint == 400
        assert error.partial is not None


def test_folding_is_undone_and_kept() -> None:
    raw = START + b"Subject: one\r\n\ttwo \r\n  three\r\n \r\nX:\r\n y\r\nZ:\r\n \r\nl: 0\r\n\r\n"
    message = parse(raw)
    assert [message.headers.get(name) for name in ("Subject", "X", "Z")] == ["one two three", "y", ""]
    assert message.to_bytes() == raw


def test_utf8_is_read() -> None:
    assert parse("OPTIONS sip:x SIP/2.0\r\nSubject: Ωmega\r\n\r\n".encode()).headers.get("Subject") == "Ωmega"


ODD = [b"Caf\xe9", b'"\0"', b'"\\\0"', b"\xc3", b"\xed\xa0\x80", "\u00e9\u4e2d ".encode() + b"\xff"]
"""Values that are no text as a whole: Latin-1, NUL, half a character, a surrogate (RFC 3629 §3), one octet beside UTF-8."""


@pytest.mark.parametrize("odd", ODD)
@pytest.mark.parametrize("form", [b"Subject: %b", b"s:  %b ", b"X-New:\r\n\t%b\r\n  more"])
def test_octets_that_are_no_text_go_on_as_they_came_and_are_read_as_text(odd: bytes, form: bytes) -> None:
    raw = START + FIELDS + form % odd + b"\r\nl: 0\r\n\r\n"
    message = parse(raw)
    packed = parse(raw)
    packed.pack()
    copied = Response.build(200)
    copied.headers.copy_from(message.headers, "Subject", "X-New")
    assert message.to_bytes() == packed.to_bytes() == raw
    assert form % odd in copied.to_bytes()
    for headers in (message.headers, packed.headers, copied.headers):
        (value,) = headers.get_all("s") or headers.get_all("X-New")
        assert "\ufffd" in value
        assert "\0" not in value
        assert value.encode()
        assert Request.build("OPTIONS", "sip:x", [("Subject", value)]).to_bytes()


@pytest.mark.parametrize("odd", ODD)
def test_a_display_name_is_text_for_people(odd: bytes) -> None:
    name = b'"' + odd.replace(b'"', b"") + b'"'
    message = parse(START + FIELDS.replace(b"<sip:a@x>", name + b" <sip:a@x>") + b"\r\n")
    assert "\ufffd" in message.from_.display
    assert message.from_.tag == "1"
    assert name in Response.answer(message, 200).to_bytes()


@pytest.mark.parametrize("odd", [b"\xe9", b"\xff", b"\0"])
@pytest.mark.parametrize(
    ("old", "new", "read"),
    [
        (b"tag=1", b"tag=%b", Request.from_),
        (b"Call-ID: c", b"Call-ID: c%b", Request.call_id),
        (b"CSeq: 1 ", b"CSeq: 1%b ", Request.cseq),
        (b"branch=z9hG4bK1", b"branch=z9hG4bK%b", Request.via),
        (b"UDP a", b"UDP a%b", Request.via),
        (b"<sip:b@x>", b"<sip:b%b@x>", Request.to),
        (b"<sip:b@x>", b"<foo:b%b>", Request.to),
        (b"To:", b'WWW-Authenticate: Digest realm="%b"\r\nTo:', None),
        (b"To:", b'WWW-Authenticate: Digest realm="a"%b\r\nTo:', None),
    ],
)
def test_an_identifier_with_such_an_octet_is_malformed(old: bytes, new: bytes, read, odd: bytes) -> None:
    """Two that differ in it only could not be told apart; an answer has the field as it came."""
    message = parse(START + FIELDS.replace(old, new % odd) + b"\r\n")
    assert isinstance(message, Request)
    with pytest.raises(MalformedHeader):
        _ = message.auth("WWW-Authenticate") if read is None else message.headers.read(read)
    assert read is None or new % odd in Response.answer(message, 400).to_bytes()


def test_the_other_values_of_a_line_keep_their_octets() -> None:
    raw = START + b'v: SIP/2.0/UDP a;branch=1 , SIP/2.0/UDP b;x="\xe9,\\\0",\r\n SIP/2.0/UDP c;x="\xff"\r\n\r\n'
    message = parse(raw)
    message.headers.remove_first("Via")
    assert b'\r\nVia: SIP/2.0/UDP b;x="\xe9,\\\0", SIP/2.0/UDP c;x="\xff"\r\n' in message.to_bytes()
    assert [via.params.get("x") for via in message.vias] == ["\ufffd,\ufffd", "\ufffd"]


@pytest.mark.parametrize("end", [b"\r", b"\n", b"\r\nX: y", b"\n\n"])
def test_no_such_octet_makes_a_line(end: bytes) -> None:
    """The octets of a lone surrogate are 0x80 to 0xFF: none of them ends a line."""
    message = parse(START + FIELDS + b"Subject: \xff\r\n\r\n")
    for text in (end.decode(), "\udc0d\udc0a", "\udcff", "\ud800", "\0"):
        message.headers.set("Subject", text)
        with pytest.raises(LocalProtocolError, match="Subject"):
            message.to_bytes()
        with pytest.raises(LocalProtocolError, match="reason phrase"):
            Response.build(200, text).to_bytes()


@pytest.mark.parametrize("phrase", [b"Occup\xe9", b"O\0K", b"\xff"])
@pytest.mark.parametrize("rest", [b"\r\n", b"no header\r\n\r\n"])
def test_a_reason_phrase_is_text_for_people(phrase: bytes, rest: bytes) -> None:
    data = b"SIP/2.0 486 " + phrase + b"\r\n" + FIELDS + rest
    response = parse(data) if rest == b"\r\n" else refused(data).response
    assert isinstance(response, Response)
    assert response.status == 486
    assert "\ufffd" in response.reason
    assert response.to_bytes()


@pytest.mark.parametrize("start", [b"SIP/2.0 486", b"SIP/2.0 486 ", b"sip/2.0 486"])
@pytest.mark.parametrize("rest", [b"\r\n", b"no header\r\n\r\n"])
def test_a_reason_phrase_may_be_left_out(start: bytes, rest: bytes) -> None:
    data = start + b"\r\n" + FIELDS + rest
    response = parse(data) if rest == b"\r\n" else refused(data).response
    assert isinstance(response, Response)
    assert (response.status, response.reason) == (486, "")
    assert response.to_bytes().startswith(b"SIP/2.0 486 \r\nVia: ")  # RFC 3261 §7.2


@pytest.mark.parametrize(
    "field",
    [
        b"no colon",
        b": no name",
        b"bad name: x",
        "näme: x".encode(),
        b"Subject: a\rb",
        b"Subject: a\nb",
        b"Subject: a\n b",
        b"Content-Length: x",
        b"Content-Length: -1",
        b"Content-Length: +1",
        b"Content-Length: 1, 1",
        b"Content-Length: 99999999999999999",
        b"Content-Length: 1",
        b"Content-Length: 0\r\nl: 0",
        b"Content-Length:",
    ],
)
def test_a_broken_line_is_refused_with_all_that_an_answer_needs(field: bytes) -> None:
    error = refused(START + FIELDS + field + b"\r\n\r\n")
    assert error.status_hint == 400
    assert error.partial is not None
    answer = parse(Response.answer(error.partial, 400, to_tag="7").to_bytes())
    assert (answer.call_id, answer.to.tag, answer.cseq.method) == ("c", "7", "OPTIONS")


@pytest.mark.parametrize(
    "start",
    [
        b"OPTIONS  sip:x SIP/2.0",
        b"OPTIONS sip:x  SIP/2.0",
        b"OPTIONS sip:x SIP/2.0 ",
        b"OPTIONS sip:x y SIP/2.0",
        b"OPTIONS SIP/2.0",
        b"OPT@ONS sip:x SIP/2.0",
        b"OPTIONS sip:\x1b SIP/2.0",
        b"OPTIONS sip:\0 SIP/2.0",
        b"OPTIONS sip:\xe9@h SIP/2.0",
        "OPTIONS urn:a\u200bb SIP/2.0".encode(),
        b"OPT\xc9ONS sip:x SIP/2.0",
    ],
)
def test_a_broken_request_line_is_answered(start: bytes) -> None:
    error = refused(start + b"\r\n" + FIELDS + b"\r\n")
    assert error.status_hint == 400
    assert error.partial is not None


@pytest.mark.parametrize(
    "start",
    [
        b"",
        b"hello",
        b"GET / HTTP/1.1",
        b"SIP/2.0 99 x",
        b"SIP/2.0 700 x",
        b"SIP/2.0 2000 x",
        b"SIP/2.0 200\t",
        b"SIP/2.0 200OK",
        b"SIP/2.0",
        b"SIP/3.0 200 OK",
        b"SIP/2.0  200 OK",
        b"SIP/2.0 200 OK\r\n folded",
        b"OPTIONS sip:x SIP/2",
        "OPTIONS sip:x \u017fIP/2.0".encode(),
    ],
)
def test_other_start_lines_are_dropped(start: bytes) -> None:
    error = refused(start + b"\r\n" + FIELDS + b"\r\n")
    assert error.status_hint is None
    assert error.partial is None


def test_a_broken_response_is_dropped() -> None:
    assert refused(b"SIP/2.0 200 OK\r\n" + FIELDS + b"broken\r\n\r\n").status_hint is None


def test_a_broken_request_that_cannot_be_answered() -> None:
    error = refused(START + b"From: <sip:a@x>\r\nbroken\r\n\r\n")
    assert (error.status_hint, error.partial) == (400, None)


@pytest.mark.parametrize("data", [b"", b"\r\n", b"OPTIONS", START, START + FIELDS])
def test_a_head_has_an_end(data: bytes) -> None:
    assert refused(data).status_hint == (400 if data.startswith(START) else None)


@pytest.mark.parametrize(
    ("data", "limits", "status"),
    [
        (START + FIELDS + b"\r\n" + bytes(100), Limits(message_size=200), 513),
        (START + FIELDS + b"X: " + b"y" * 500 + b"\r\n\r\n", Limits(head_size=300), 513),
        (START + FIELDS + b"\r\n", Limits(header_count=4), 513),
        (START + FIELDS + b"X: " + b"y" * 500 + b"\r\n\r\n", Limits(header_size=200), 513),
        (START + FIELDS + b"\r\n", Limits(uri_length=10), 414),
    ],
)
def test_limits(data: bytes, limits: Limits, status: int) -> None:
    assert refused(data, limits).status_hint == status


def test_at_the_limits() -> None:
    data = START + FIELDS + b"\r\n"
    limits = Limits(message_size=len(data), head_size=len(data), header_count=5, header_size=40, uri_length=19)
    assert parse(data, limits=limits).call_id == "c"


# Each would take minutes with a reader that is quadratic anywhere, and the suite's timeout would end it.
N = 200_000
HOSTILE = {
    "header lines": START + b"X: y\r\n" * N + b"\r\n",
    "unknown names": START + b"".join(b"X-%d: y\r\n" % number for number in range(N)) + b"\r\n",
    "folds": START + b"Subject: x\r\n" + b" y\r\n" * N + b"\r\n",
    "spaces": START + b"Subject: " + b" " * N + b"x\r\n\r\n",
    "versions": b"OPTIONS sip:x" + b" SIP/2" * N + b"\r\n\r\n",
    "digits of a version": b"OPTIONS sip:x SIP/" + b"2" * N + b" \r\n\r\n",
    "line breaks": b"\r\n" * N,
    "no end": START + b"X: y\r\n" * N,
    "quotes": START + b"To: " + b'"' * N + b"\r\n\r\n",
    "escapes": START + b'To: "' + b"\\" * N + b"\r\n\r\n",
    "parameters": START + b"To: <sip:a@b>" + b";a" * N + b";\r\n\r\n",
    "spaced parameters": START + b"To: <sip:a@b>" + b" ; a " * N + b"?\r\n\r\n",
    "brackets": START + b"Via: " + b"<" * N + b",\r\n\r\n",
    "via values": START + b"Via: " + b"SIP/2.0/UDP a," * N + b"\r\n\r\n",
    "words": START + b"To: " + b"a " * N + b"\r\n\r\n",
    "colons": b"OPTIONS sip:" + b":" * N + b" SIP/2.0\r\n\r\n",
    "user": b"OPTIONS sip:" + b"a" * N + b" SIP/2.0\r\n\r\n",
    "uri parameters": b"OPTIONS sip:a" + b";a" * N + b"; SIP/2.0\r\n\r\n",
    "address": b"OPTIONS sip:[" + b":" * N + b"] SIP/2.0\r\n\r\n",
    "escaped quotes": START + b'WWW-Authenticate: Digest "' + b'\\"' * N + b"\r\n\r\n",
    "escaped quotes, closed": START + b'WWW-Authenticate: Digest "' + b'\\"' * N + b'"\r\n\r\n',
    "challenges": START + b"WWW-Authenticate: " + b'Digest a="b",' * N + b'"\r\n\r\n',
}


@pytest.mark.parametrize("data", HOSTILE.values(), ids=list(HOSTILE))
def test_hostile_input_takes_linear_time(data: bytes) -> None:
    limits = Limits(message_size=2**24, head_size=2**24, header_size=2**24, uri_length=2**24, header_count=2**24)
    try:
        message: object = parse(data, limits=limits)
    except MessageRefused as error:
        message = error.partial
    if isinstance(message, Request):
        for name in ("via", "vias", "to", "uri"):
            with contextlib.suppress(MalformedHeader):
                getattr(message, name)
        with contextlib.suppress(MalformedHeader):
            message.auth("WWW-Authenticate")


def test_16000_header_lines_are_refused_by_default() -> None:
    data = START + FIELDS + b"X: y\r\n" * 16_000 + b"\r\n"
    assert refused(data, Limits(head_size=2**20)).status_hint == 513
    assert refused(data).status_hint == 513


def test_a_refused_message_is_a_fault_of_the_peer_and_answered_400() -> None:
    error = MessageRefused("why")
    assert isinstance(error, RemoteProtocolError)
    assert error.status_hint == 400
