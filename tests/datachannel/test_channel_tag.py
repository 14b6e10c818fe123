from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wic.datachannel.channel_tag import ChannelEvent, ChannelTag

TEXT = st.text(st.characters(codec="utf-8"), max_size=20)


@given(st.integers(0, 65534), TEXT, TEXT, st.booleans())
def test_any_label_survives(number: int, label: str, protocol: str, ordered: bool) -> None:
    tag = ChannelTag(number, ChannelEvent.OPEN, label, protocol, ordered)
    assert ChannelTag.parse(str(tag)) == tag
    assert "\r" not in str(tag)
    assert "\n" not in str(tag)


@pytest.mark.parametrize("event", [ChannelEvent.DATA, ChannelEvent.CLOSE])
def test_later_messages_carry_the_number_only(event: ChannelEvent) -> None:
    assert str(ChannelTag(3, event, "chat")) == f"3;event={event.value}"
    assert ChannelTag.parse(f"3;event={event.value}") == ChannelTag(3, event)


@pytest.mark.parametrize("text", ["", "x", "-1", "123456", "²", "1;event=jump"])
def test_other_values_are_no_tag(text: str) -> None:
    assert ChannelTag.parse(text) is None


def test_event_defaults_to_data() -> None:
    assert ChannelTag.parse("7") == ChannelTag(7)
