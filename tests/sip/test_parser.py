from __future__ import annotations

import contextlib

import pytest

from wic.errors import RemoteProtocolError
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


def test_utf8_is_read_and_anything_else_refused() -> None:
    assert parse("OPTIONS sip:x SIP/2.0\r\nSubject: Ωmega\r\n\r\n".encode()).headers.get("Subject") == "Ωmega"
    error = refused(START + FIELDS + b"Subject: \xff\r\n\r\n")
    assert error.status_hint == 400
    assert error.partial is not None
    assert refused(START + FIELDS.replace(b"tag=1", b"tag=\xff") + b"\r\n").partial is None


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
        b"Subject: a\0b",
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
        b"SIP/2.0 200",
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


def test_a_quoted_nul_is_text() -> None:
    assert parse(START + b'To: "\\\0" <sip:b@x>\r\n\r\n').to.display == "\0"


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
