from __future__ import annotations

import pytest

from wic.sip.errors import MalformedHeader
from wic.sip.headers import EventType


def test_round_trip() -> None:
    event = EventType.parse("presence.winfo ;id=7")
    assert (event.package, event.id) == ("presence.winfo", "7")
    assert EventType.parse(str(event)) == event
    assert str(EventType("reg")) == "reg"
    assert EventType("reg").id is None


@pytest.mark.parametrize("text", ["", "reg;", "a b"])
def test_malformed(text: str) -> None:
    with pytest.raises(MalformedHeader):
        EventType.parse(text)
