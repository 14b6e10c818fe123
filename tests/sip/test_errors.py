from __future__ import annotations

from wic.errors import RemoteProtocolError
from wic.sip.errors import FrameRefused, MalformedBody, MalformedHeader, MalformedUri, MessageRefused


def test_who_broke_the_rule_and_what_to_answer() -> None:
    for kind in (MalformedHeader, MalformedUri, MalformedBody, MessageRefused):
        error = kind("why")
        assert isinstance(error, RemoteProtocolError)
        assert error.status_hint == 400
    assert FrameRefused("why").status_hint is None
    assert FrameRefused("why").frames == []


def test_reading_a_header_needs_one_except_clause() -> None:
    assert issubclass(MalformedUri, MalformedHeader)
