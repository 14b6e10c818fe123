"""The session description of a message is found and replaced wherever it stands."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wic.sdp.body import expect_sdp, read_sdp, remove_body, remove_sdp, write_sdp
from wic.sdp.description import SessionDescription
from wic.sdp.errors import SdpRefused
from wic.sip.message import Request

SDP = b"v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n"
OTHER = SessionDescription.parse(SDP.replace(b"s=-", b"s=other"))
MIXED = (
    b"preamble\r\n--b\r\nContent-Type: application/pidf+xml\r\n\r\n<presence/>\r\n"
    b"--b\r\nContent-Type: Application/SDP\r\nContent-Disposition: session\r\n\r\n%s\r\n--b--\r\nepilogue"
)
NESTED = (
    b"--outer\r\nContent-Type: text/plain\r\n\r\nx\r\n"
    b'--outer \t\r\nX-Long: one\r\n two\r\nContent-Type: multipart/mixed;boundary="b"\r\n\r\n'
    + MIXED
    + b"\r\n--outer--"
)
TWO = (
    b"--b\r\nContent-Type: application/sdp\r\n\r\n%s\r\n--b\r\nContent-Type: application/sdp\r\n\r\n%s\r\n"
    b"--b\r\nContent-Type: application/sdp\r\n\r\n\r\n--b--\r\n"
)
ONLY_TEXT = b"--b\r\nContent-Type: text/plain\r\n\r\nx\r\n--b--\r\n"


def message(content_type: str | None, body: bytes) -> Request:
    headers = [] if content_type is None else [("Content-Type", content_type), ("Content-Disposition", "session")]
    return Request.build("INVITE", "sip:bob@ims.example", headers, body)


def deep(levels: int, innermost: bytes) -> tuple[str, bytes]:
    """Wrap a description into that many multiparts."""
    content_type, body = "application/sdp", innermost
    for level in range(levels):
        body = b"--b%d\r\nContent-Type: %s\r\n\r\n%s\r\n--b%d--" % (level, content_type.encode(), body, level)
        content_type = f"multipart/mixed;boundary=b{level}"
    return content_type, body


@pytest.mark.parametrize(
    ("content_type", "template"),
    [
        ("application/sdp", b"%s"),
        ("Application / SDP;charset=utf-8", b"%s"),
        ("multipart/mixed;boundary=b", MIXED),
        ("multipart/related;boundary=outer", NESTED),
    ],
)
def test_a_description_is_read_and_replaced_and_all_else_stays(content_type: str, template: bytes) -> None:
    request = message(content_type, template % SDP)
    assert read_sdp(request) == expect_sdp(request) == SessionDescription.parse(SDP)
    write_sdp(request, OTHER)
    assert request.body == template % OTHER.to_bytes()
    assert request.headers.get_all("Content-Type") == [content_type]
    assert read_sdp(request) == OTHER


def test_of_several_descriptions_the_first_is_read_and_all_are_replaced() -> None:
    second = SDP.replace(b"s=-", b"s=second")
    request = message("multipart/alternative;boundary=b", TWO % (SDP, second))
    assert read_sdp(request) == SessionDescription.parse(SDP)
    write_sdp(request, OTHER)
    assert request.body == TWO % (OTHER.to_bytes(), OTHER.to_bytes())


def test_a_boundary_that_occurs_in_the_new_description_ends_no_part() -> None:
    request = message("multipart/mixed;boundary=b", MIXED % SDP)
    awkward = SessionDescription.parse(SDP.replace(b"s=-", b"s=--b--"))
    write_sdp(request, awkward)
    assert read_sdp(request) == awkward


def test_a_message_without_body_gets_one() -> None:
    request = Request.build("INVITE", "sip:bob@ims.example")
    assert read_sdp(request) is None
    assert expect_sdp(request) is None
    write_sdp(request, OTHER)
    assert request.headers.get_all("Content-Type") == ["application/sdp"]
    assert read_sdp(request) == OTHER


@pytest.mark.parametrize(
    ("content_type", "body", "named"),
    [
        ("text/plain", b"x", "text/plain"),
        ("multipart/mixed;boundary=b", ONLY_TEXT, "multipart/mixed"),
    ],
)
def test_other_bodies_have_no_description_and_a_user_agent_refuses_them(
    content_type: str, body: bytes, named: str
) -> None:
    request = message(content_type, body)
    assert read_sdp(request) is None
    with pytest.raises(SdpRefused, match=f"the body is {named}, not application/sdp") as caught:
        expect_sdp(request)
    assert caught.value.status_hint == 415
    write_sdp(request, OTHER)
    assert request.body == body


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        (None, b"x"),
        ("application/sdp", b"x"),
        ("multipart/mixed", b"x"),
        ("multipart/mixed;boundary=b", b"x"),
        ("multipart/mixed;boundary=b", b"--b\r\nContent-Type: nonsense\r\n\r\nx\r\n--b--"),
        ("multipart/mixed;boundary=b", b"--b\r\nContent-Type: multipart/mixed;boundary=c\r\n\r\nx\r\n--b--"),
        ("x", b"x"),
        deep(5, SDP),
    ],
)
def test_bodies_that_cannot_be_read_are_refused(content_type: str | None, body: bytes) -> None:
    for read in (read_sdp, expect_sdp):
        with pytest.raises(SdpRefused) as caught:
            read(message(content_type, body))
        assert caught.value.status_hint == 400


def test_a_body_is_removed_with_its_headers() -> None:
    request = message("application/sdp", SDP)
    remove_body(request)
    assert request.body == b""
    assert "Content-Type" not in request.headers
    assert "Content-Disposition" not in request.headers


@given(st.integers(0, 4))
def test_a_description_is_found_at_any_permitted_depth(levels: int) -> None:
    request = message(*deep(levels, SDP))
    write_sdp(request, OTHER)
    assert read_sdp(request) == OTHER
    assert request.body == deep(levels, OTHER.to_bytes())[1]


@given(st.binary(max_size=60), st.binary(max_size=60))
def test_any_octets_are_read_or_refused(head: bytes, tail: bytes) -> None:
    for body in (head + tail, b"--b\r\n" + head + b"\r\n--b" + tail, head + MIXED % SDP + tail):
        request = message("multipart/mixed;boundary=b", body)
        try:
            description = read_sdp(request)
        except SdpRefused:
            continue
        if description is not None:
            write_sdp(request, OTHER)
            assert read_sdp(request) == OTHER


@pytest.mark.parametrize(
    ("content_type", "body", "left"),
    [
        ("application/sdp", SDP, b""),
        ("application/sdp", b"garbage", b""),
        ("multipart/mixed;boundary=b", MIXED % SDP, b""),
        ("multipart/mixed", MIXED % SDP, b""),
        (None, SDP, b""),
        ("multipart/mixed;boundary=b", ONLY_TEXT, ONLY_TEXT),
        ("text/plain", SDP, SDP),
        (None, b"", b""),
    ],
)
def test_a_body_that_may_hold_a_description_is_taken_out(content_type: str | None, body: bytes, left: bytes) -> None:
    request = message(content_type, body)
    remove_sdp(request)
    assert request.body == left
    assert ("Content-Type" in request.headers) is bool(left)
