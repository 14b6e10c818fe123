from __future__ import annotations

import pytest

from wic.sip.errors import MalformedHeader
from wic.sip.headers import Event


def test_round_trip() -> None:
    event = Event.parse("presence.winfo ;id=7")
    assert (event.package, event.id) == ("presence.winfo", "7")
    assert Event.parse(str(event)) == event
    assert str(Event("reg")) == "reg"
    assert Event("reg").id is None


@pytest.mark.parametrize("text", ["", "reg;", "a b"])
def test_malformed(text: str) -> None:
    with pytest.raises(MalformedHeader):
        Event.parse(text)
