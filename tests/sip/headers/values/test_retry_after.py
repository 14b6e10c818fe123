from __future__ import annotations

import pytest

from wic.sip.errors import MalformedHeader
from wic.sip.headers import RetryAfter


def test_comment_and_parameters() -> None:
    value = RetryAfter.parse("18000 (I'm in a meeting) ;duration=3600")
    assert (value.seconds, value.params.get("duration")) == (18000, "3600")
    assert str(value) == "18000 ;duration=3600"
    assert str(RetryAfter(5)) == "5"


@pytest.mark.parametrize("digits", ["4294967296", "9" * 400])
def test_no_more_than_there_is(digits: str) -> None:
    assert RetryAfter.parse(digits).seconds == 2**32 - 1


@pytest.mark.parametrize("text", ["", "soon", "-1", "5 5", "5 (", "5;"])
def test_malformed(text: str) -> None:
    with pytest.raises(MalformedHeader):
        RetryAfter.parse(text)
