from __future__ import annotations

import pytest

from wic.sip.errors import MalformedHeader
from wic.sip.headers import MediaType


def test_parts() -> None:
    value = MediaType.parse('Multipart / Mixed ; Boundary="a;b"')
    assert (value.type, value.subtype, value.essence) == ("multipart", "mixed", "multipart/mixed")
    assert value.params.get("boundary") == "a;b"
    assert MediaType.parse(str(value)) == value
    assert str(MediaType("application", "sdp")) == "application/sdp"


@pytest.mark.parametrize(
    ("accept", "accepted"),
    [
        ("application/sdp", True),
        ("application/*;q=0.5", True),
        ("*/*", True),
        ("text/*", False),
        ("application/x", False),
    ],
)
def test_ranges(accept: str, accepted: bool) -> None:
    assert MediaType.parse(accept).accepts("Application/SDP") is accepted


@pytest.mark.parametrize("text", ["", "text", "text/", "/plain", "text/plain;", "text/plain/x"])
def test_malformed(text: str) -> None:
    with pytest.raises(MalformedHeader):
        MediaType.parse(text)
