from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wic.sip.errors import MalformedBody
from wic.sip.xml_body import parse_xml


def test_a_tree() -> None:
    root = parse_xml(
        b'<?xml version="1.0"?><r xmlns="urn:r" xmlns:x="urn:x" version="1"><a x:b="2">one<!-- no --> two</a><x:a/></r>'
    )
    assert (root.name, root.namespace, root.attributes) == ("r", "urn:r", {"version": "1"})
    assert [(each.name, each.namespace, each.text) for each in root.find_all("a")] == [
        ("a", "urn:r", "one two"),
        ("a", "urn:x", ""),
    ]
    first = root.find("a")
    assert first is not None
    assert first.attributes == {"urn:x b": "2"}
    assert root.find("nothing") is None


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "no element"),
        (b"<a>", "no element|unclosed"),
        (b"<a></b>", "mismatched"),
        (b"<p:a/>", "prefix"),
        (b"\xff\xff", "malformed"),
        (b'<?xml version="1.0" encoding="no-such"?><a/>', "malformed"),
        (b'<?xml version="1.0" encoding="utf-7"?><a/>', "malformed"),
        (b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>', "document type"),
        (b'<!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>', "document type"),
        (b"<a>&unknown;</a>", "entity"),
        (b"<a>" * 17 + b"</a>" * 17, "too many"),
        (b"<a>" + b"<b/>" * 1000 + b"</a>", "too many"),
        (b"<a>" + b" " * 65_536 + b"</a>", "octets"),
    ],
)
def test_unusable_documents_are_refused(data: bytes, reason: str) -> None:
    with pytest.raises(MalformedBody, match=reason):
        parse_xml(data)


def test_limits_are_inclusive() -> None:
    data = b"<a><b><c/></b></a>"
    assert parse_xml(data, max_size=len(data), max_elements=3, max_depth=3).name == "a"


@given(st.binary(max_size=200) | st.text(alphabet="<>&;/a='\" !-[]", max_size=60).map(str.encode))
def test_any_body_is_read_or_refused(data: bytes) -> None:
    with contextlib.suppress(MalformedBody):
        assert parse_xml(data).name
