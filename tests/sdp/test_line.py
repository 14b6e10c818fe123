from __future__ import annotations

import pytest

from wic.errors import LocalProtocolError
from wic.sdp.line import Line, Section, attribute

SECTION = Section(
    (Line("c", "IN IP4 192.0.2.1"), attribute("mid", "0"), attribute("sendonly"), Line("a", "sctp-port 5000"))
)


@pytest.mark.parametrize("value", ["a\r\nm=audio 1 RTP/AVP 0", "a\nb", "a\0b"])
def test_a_value_cannot_break_out_of_its_line(value: str) -> None:
    with pytest.raises(LocalProtocolError):
        attribute("mid", value)


def test_attributes_are_found_by_name() -> None:
    section = SECTION.with_lines(Line("a", "MID: 1 "), attribute("midway", "9"))
    assert section.attributes("mid") == ["0", "1"]
    assert (section.attribute("sendonly"), section.attribute("recvonly")) == ("", None)
    assert section.has("sendonly")
    assert not section.has("recvonly")
    assert [line.name for line in section.lines[:3]] == ["", "mid", "sendonly"]


def test_the_missing_colon_of_rfc_8865_is_read() -> None:
    assert SECTION.attribute("sctp-port") == "5000"


def test_lines_of_a_kind() -> None:
    assert SECTION.first("c") == "IN IP4 192.0.2.1"
    assert SECTION.first("b") is None
    assert SECTION.without_kinds("ac").lines == ()


def test_copies_with_changes() -> None:
    changed = SECTION.with_attribute("mid", "7").without_attributes("sendonly", "sctp-port")
    assert [str(line) for line in changed.lines] == ["c=IN IP4 192.0.2.1", "a=mid:7"]
    assert SECTION.with_first("c", "IN IP6 ::1").first("c") == "IN IP6 ::1"
    with pytest.raises(LocalProtocolError, match="no b= line"):
        SECTION.with_first("b", "AS:1")
