from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wic.errors import WicError
from wic.sdp.attributes import MediaDirection
from wic.sdp.description import MediaLine, Origin, SdpLimits, SessionDescription
from wic.sdp.errors import SdpRefused
from wic.sdp.transport import read_transport

if TYPE_CHECKING:
    from collections.abc import Callable

HEAD = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\n"
TEXT = st.text(st.characters(exclude_characters="\r\n\0", exclude_categories=["Cs"]), max_size=30)
KINDS = st.sampled_from("abcdefghijklnpqrstuvwxyz")
MEDIA = st.builds(
    MediaLine,
    st.sampled_from(["audio", "video", "application", "message", "x-new"]),
    st.integers(0, 65535),
    st.sampled_from(["RTP/AVP", "UDP/TLS/RTP/SAVPF", "TCP/MSRP"]),
    st.lists(st.integers(0, 127).map(str), min_size=1, max_size=5).map(tuple),
    st.integers(1, 9),
)


@given(st.lists(st.tuples(KINDS, TEXT), max_size=10), st.lists(MEDIA, max_size=4), st.booleans())
def test_a_parsed_description_is_written_as_it_came(
    lines: list[tuple[str, str]], media: list[MediaLine], crlf: bool
) -> None:
    section = "".join(f"{kind}={value}\r\n" for kind, value in lines)
    text = HEAD + section + "".join(f"m={line}\r\n{section}" for line in media)
    wire = text if crlf else text.replace("\r\n", "\n")
    description = SessionDescription.parse(wire)
    assert str(description) == text
    assert [each.media_line for each in description.media] == media
    assert SessionDescription.parse(description.to_bytes()) == description


def test_a_recorded_offer_comes_out_octet_for_octet(vector: Callable[[str], bytes]) -> None:
    wire = vector("chromium_offer.sdp")
    description = SessionDescription.parse(wire)
    assert description.to_bytes() == wire
    assert description.attributes("group") == ["BUNDLE 0 1 2"]
    assert [(media.media, media.mid, media.bundle_only) for media in description.media] == [
        ("audio", "0", False),
        ("video", "1", True),
        ("application", "2", False),
    ]


def test_octets_that_are_no_utf_8_survive_and_are_read_as_text() -> None:
    wire = HEAD.encode() + b"i=caf\xe9\r\na=label:\xe9\r\na=\xff\r\n"
    description = SessionDescription.parse(wire)
    assert description.to_bytes() == wire
    assert description.attribute("label") == "\ufffd"
    assert description.has("\ufffd")


def test_blank_lines_are_passed_over() -> None:
    assert str(SessionDescription.parse(HEAD + "\r\n \r\na=x\r\n\r\n")) == HEAD + "a=x\r\n"


@pytest.mark.parametrize("end", ["\0", "\0\0", "\r\n\0", "\n\0"])
def test_nuls_at_the_end_are_those_of_a_c_string(end: str) -> None:
    assert str(SessionDescription.parse(HEAD + "a=x\r\n" + end)) == HEAD + "a=x\r\n"
    assert str(SessionDescription.parse(HEAD + "a=x" + end)) == HEAD + "a=x\r\n"


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("", 400),
        ("v=1\r\no=- 1 1 IN IP4 x\r\n", 400),
        ("v=0\r\n", 400),
        ("v=0\r\no=- 1 IN IP4 x\r\n", 400),
        ("v=0\r\no=- a 1 IN IP4 x\r\n", 400),
        (HEAD + "hello\r\n", 400),
        (HEAD + "1=x\r\n", 400),
        (HEAD + "é=x\r\n", 400),
        (HEAD + "a=x\ry\r\n", 400),
        (HEAD + "a=x\0\r\n", 400),
        (HEAD + "m=audio 1 RTP/AVP\r\n", 400),
        (HEAD + "m=audio 99999 RTP/AVP 0\r\n", 400),
        (HEAD + "m=audio 1/0 RTP/AVP 0\r\n", 400),
        (HEAD + "m=audio 1 RTP/AVP 0\r\n" * 4, 488),
        (HEAD + "a=x\r\n" * 20, 488),
        (HEAD + "a=" + "x" * 600, 488),
    ],
)
def test_a_malformed_description_is_refused_with_a_status(text: str, hint: int) -> None:
    with pytest.raises(SdpRefused) as refused:
        SessionDescription.parse(text, limits=SdpLimits(size=512, lines=20, media=3))
    assert refused.value.status_hint == hint


@given(st.binary(max_size=300))
def test_any_octets_are_read_or_refused(octets: bytes) -> None:
    """Any text ends in a value or in a documented error."""
    for data in (octets, HEAD.encode() + b"m=audio 9 RTP/AVP 0\r\n" + octets):
        try:
            description = SessionDescription.parse(data)
            assert SessionDescription.parse(description.to_bytes()) == description
            for index in range(len(description.media)):
                read_transport(description, index)
        except WicError:
            continue


def test_origin() -> None:
    origin = Origin.parse("alice 10 3 IN IP6 2001:db8::1")
    assert str(origin.next()) == "alice 10 4 IN IP6 2001:db8::1"
    with pytest.raises(SdpRefused):
        Origin.parse("")


def test_media_line_with_a_number_of_ports() -> None:
    line = MediaLine.parse("video 49170/2 RTP/AVP 31")
    assert (line.port, line.ports, str(line)) == (49170, 2, "video 49170/2 RTP/AVP 31")


def test_values_are_inherited_from_the_session() -> None:
    description = SessionDescription.parse(
        HEAD + "c=IN IP4 192.0.2.7/127\r\na=ice-ufrag:sess\r\na=sendonly\r\n"
        "m=audio 1 RTP/AVP 0\r\nm=audio 1 RTP/AVP 0\r\nc=IN IP6 IP6 2001:db8::1\r\na=ice-ufrag:medi\r\na=inactive\r\n"
    )
    assert [description.inherited(index, "ice-ufrag") for index in (0, 1)] == ["sess", "medi"]
    assert [description.address(index) for index in (0, 1)] == ["192.0.2.7", "2001:db8::1"]
    assert [description.direction(index) for index in (0, 1)] == [MediaDirection.SENDONLY, MediaDirection.INACTIVE]


def test_a_description_without_direction_or_address() -> None:
    description = SessionDescription.parse(HEAD + "m=audio 1 RTP/AVP 0\r\n")
    assert description.direction(0) is MediaDirection.SENDRECV
    with pytest.raises(SdpRefused, match="no c= line"):
        description.address(0)


def test_copies_with_changes() -> None:
    description = SessionDescription.parse(HEAD + "m=audio 1 RTP/AVP 0\r\na=x\r\n")
    media = description.media[0].with_media_line(MediaLine("audio", 0, "RTP/AVP", ("0",)))
    changed = description.with_origin(description.origin.next()).with_media(media)
    assert str(changed) == "v=0\r\no=- 1 2 IN IP4 192.0.2.1\r\ns=-\r\nm=audio 0 RTP/AVP 0\r\na=x\r\n"
