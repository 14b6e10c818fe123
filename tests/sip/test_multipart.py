from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wic.sip.errors import MalformedBody
from wic.sip.headers import MediaType
from wic.sip.limits import Limits
from wic.sip.multipart import Part, find_part, leaves, replace_parts

MIXED = MediaType.parse('multipart/mixed;boundary="b 1"')
BODY = (
    b"preamble\r\n--b 1 \t\r\nContent-Type: Application/SDP\r\nContent-Disposition: Session ;handling=required\r\n\r\nv=0\r\n"
    b"\r\n--b 1\r\n\r\nplain --b 1 text\r\n--b 1x\r\n"
    b"\r\n--b 1\r\nX-Long: one\r\n two\r\n\r\n\r\n--b 1--\r\nepilogue"
)


def test_parts_with_their_headers() -> None:
    one, two, three = leaves(MIXED, BODY)
    assert (one.content_type.essence, one.body) == ("application/sdp", b"v=0\r\n")
    assert one.get("content-disposition") == "Session ;handling=required"
    assert (two.content_type.essence, two.body) == ("text/plain", b"plain --b 1 text\r\n--b 1x\r\n")
    assert (three.get("x-long"), three.get("absent"), three.body) == ("one two", None, b"")


def test_find_by_type() -> None:
    assert find_part(MIXED, BODY, "application/sdp") == b"v=0\r\n"
    assert find_part(MIXED, BODY, "image/png") is None
    assert find_part(MediaType("application", "sdp"), b"v=0", "application/sdp") == b"v=0"


def test_replacing_parts_keeps_every_other_octet() -> None:
    replaced = replace_parts(MIXED, BODY, "application/sdp", b"v=1\r\ns=x\r\n")
    assert replaced == BODY.replace(b"v=0\r\n", b"v=1\r\ns=x\r\n")
    assert replace_parts(MIXED, BODY, "image/png", b"x") == BODY
    assert replace_parts(MediaType("application", "sdp"), b"v=0", "application/sdp", b"v=1") == b"v=1"


def test_replacing_an_empty_part_changes_nothing() -> None:
    body = b"--b 1\r\nContent-Type: application/sdp\r\n--b 1--"
    assert replace_parts(MIXED, body, "application/sdp", b"v=1") == body


def test_a_part_of_headers_only() -> None:
    (part,) = leaves(MIXED, b"--b 1\r\nX: y\r\n\r\n--b 1--")
    assert (part.headers, part.body) == ((("X", "y"),), b"")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"--b 1--",
        b"--b 1\r\n\r\nx",
        b"--b 1\r\n\r\nx\r\n--b 2--",
        b"x--b 1\r\n\r\nx\r\n--b 1--",
        b"--b 1\r\nno colon\r\n\r\nx\r\n--b 1--",
    ],
)
def test_malformed_bodies(body: bytes) -> None:
    with pytest.raises(MalformedBody):
        leaves(MIXED, body)


@pytest.mark.parametrize("text", ["multipart/mixed", f"multipart/mixed;boundary={'b' * 71}"])
def test_types_without_a_boundary(text: str) -> None:
    with pytest.raises(MalformedBody):
        leaves(MediaType.parse(text), b"--b\r\n\r\nx\r\n--b--")


def multipart(parts: list[Part], *, boundary: str = "b") -> tuple[MediaType, bytes]:
    """Write parts into a body."""
    heads = ["".join(f"{name}: {value}\r\n" for name, value in part.headers).encode() for part in parts]
    written = [
        b"--%b\r\n%b\r\n%b\r\n" % (boundary.encode(), *each)
        for each in zip(heads, (p.body for p in parts), strict=True)
    ]
    return MediaType.parse(f"multipart/mixed;boundary={boundary}"), b"".join([*written, b"--%b--" % boundary.encode()])


def nested(depth: int) -> tuple[MediaType, bytes]:
    content_type, body = multipart([Part.of("text/plain", b"deep")], boundary="b0")
    for level in range(1, depth):
        content_type, body = multipart([Part.of(str(content_type), body)], boundary=f"b{level}")
    return content_type, body


def test_nesting_is_bounded() -> None:
    assert [part.body for part in leaves(*nested(4))] == [b"deep"]
    with pytest.raises(MalformedBody, match="deeper than 4"):
        leaves(*nested(5))


def test_a_part_of_unknown_type() -> None:
    content_type, body = multipart([Part.of("nonsense", b"")])
    with pytest.raises(MalformedBody, match="unknown type"):
        leaves(content_type, body)


def test_the_number_of_parts_is_bounded() -> None:
    content_type, body = multipart([Part.of("text/plain", b"")] * 5)
    assert len(leaves(content_type, body, limits=Limits(parts=5))) == 5
    with pytest.raises(MalformedBody, match="more than 4"):
        leaves(content_type, body, limits=Limits(parts=4))


@given(st.lists(st.binary(max_size=30), min_size=1, max_size=5))
def test_any_octets_are_parts(bodies: list[bytes]) -> None:
    parts = [Part.of("text/plain", each) for each in bodies]
    assert leaves(*multipart(parts, boundary="a-long-boundary-not-in-thirty-octets")) == parts
