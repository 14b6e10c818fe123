"""The bridge between data channels and MSRP, between two stand-ins."""

from __future__ import annotations

import asyncio
from collections import deque

import pytest

from wic.datachannel.channel_tag import HEADER, ChannelEvent, ChannelTag
from wic.datachannel.msrp_session import Content
from wic.errors import MediaFailed
from wic.network.agw import channel_bridge
from wic.network.agw.channel_bridge import ChannelBridge


class StandInLink:
    """An MSRP session that only notes."""

    def __init__(self) -> None:
        self.on_content = None
        self.sent: list[Content] = []
        self.paused = False

    def send(self, content: Content) -> None:
        self.sent.append(content)

    def pause(self) -> None:
        self.paused = True

    def resume(self) -> None:
        self.paused = False

    def tags(self) -> list[str | None]:
        return [content.get(HEADER) for content in self.sent]


class StandInChannel:
    ordered = True

    def __init__(self, label: str, protocol: str = "") -> None:
        self.label, self.protocol = label, protocol
        self.on_message = self.on_closed = None
        self.sent: list[str | bytes] = []
        self.is_closed = False
        self.broken = False

    async def send(self, message: str | bytes) -> None:
        if self.broken:
            raise MediaFailed("closed")
        self.sent.append(message)

    def close(self) -> None:
        self.is_closed = True
        if self.on_closed is not None:
            self.on_closed()


class StandInChannels:
    def __init__(self) -> None:
        self.incoming: deque[StandInChannel] = deque()
        self.on_channel = None
        self.opened: list[StandInChannel] = []

    def open(self, label: str, protocol: str = "", *, ordered: bool = True) -> StandInChannel:
        self.opened.append(StandInChannel(label, protocol))
        return self.opened[-1]


class BridgedSides:
    """A bridge between a stand-in for the MSRP session and one for the WIC's channels."""

    def __init__(self, *, offerer: bool = True) -> None:
        self.link, self.channels = StandInLink(), StandInChannels()
        self.bridge = ChannelBridge(self.link, offerer=offerer)

    def come(self, tag: ChannelTag | None, body: bytes = b"", kind: str | None = "text/plain") -> None:
        headers = () if tag is None else ((HEADER, str(tag)),)
        self.link.on_content(Content(content_type=kind, body=body, headers=headers))

    async def turn(self) -> None:
        for _ in range(5):
            await asyncio.sleep(0)


@pytest.fixture
async def sides():
    made = BridgedSides()
    made.channels.incoming.append(StandInChannel("early"))
    task = asyncio.create_task(made.bridge.run(made.channels))
    await made.turn()
    yield made
    task.cancel()


async def test_channels_of_the_wic_are_announced_and_numbered(sides):
    sides.channels.on_channel(StandInChannel("late", "proto"))
    assert sides.link.tags() == ["0;event=open;label=early;protocol=", "2;event=open;label=late;protocol=proto"]
    assert [content.content_type for content in sides.link.sent] == [None, None]


async def test_the_answerer_numbers_oddly():
    made = BridgedSides(offerer=False)
    made.channels.incoming.append(StandInChannel("x"))
    task = asyncio.create_task(made.bridge.run(made.channels))
    await made.turn()
    assert made.link.tags() == ["1;event=open;label=x;protocol="]
    task.cancel()


async def test_messages_and_ends_go_to_the_far_side(sides):
    channel = StandInChannel("x")
    sides.channels.on_channel(channel)
    channel.on_message("text")
    channel.on_message(b"\x00")
    channel.close()
    channel.close()
    assert sides.link.tags()[2:] == ["2;event=data", "2;event=data", "2;event=close"]
    assert [content.content_type for content in sides.link.sent[2:4]] == ["text/plain", "application/octet-stream"]


async def test_channels_of_the_far_side_are_opened_once_and_closed(sides):
    tag = ChannelTag(1, ChannelEvent.OPEN, "far", "p")
    for _ in range(2):
        sides.come(tag, kind=None)
    sides.come(ChannelTag(1), "ü".encode())
    sides.come(ChannelTag(1), b"\x00", "application/octet-stream")
    sides.come(ChannelTag(7), b"for no channel")
    await sides.turn()
    (channel,) = sides.channels.opened
    assert (channel.label, channel.protocol, channel.sent) == ("far", "p", ["ü", b"\x00"])
    sides.come(ChannelTag(1, ChannelEvent.CLOSE), kind=None)
    sides.come(ChannelTag(1, ChannelEvent.CLOSE), kind=None)
    await sides.turn()
    assert channel.is_closed
    assert "1;event=close" not in sides.link.tags()


async def test_a_message_without_a_tag_goes_to_the_first_channel(sides):
    sides.come(None, b"hi")
    sides.come(None, kind=None)
    await sides.turn()
    assert sides.channels.opened == []
    assert sides.bridge._by_number[0].sent == ["hi"]


async def test_channels_are_bounded(sides, monkeypatch):
    monkeypatch.setattr(channel_bridge, "MAX_CHANNELS", 1)
    channel = StandInChannel("too many")
    sides.channels.on_channel(channel)
    assert channel.is_closed
    sides.come(ChannelTag(1, ChannelEvent.OPEN, "far"), kind=None)
    await sides.turn()
    assert sides.channels.opened == []


async def test_a_full_bridge_holds_the_core_back(sides, monkeypatch):
    monkeypatch.setattr(channel_bridge, "HIGH_WATER", 100)
    sides.come(ChannelTag(0), b"x" * 200)
    assert sides.link.paused
    await sides.turn()
    assert not sides.link.paused


async def test_a_channel_that_broke_loses_its_message_only(sides):
    first = sides.bridge._by_number[0]
    first.broken = True
    sides.come(ChannelTag(0), b"lost")
    sides.come(ChannelTag(1, ChannelEvent.OPEN, "far"), kind=None)
    await sides.turn()
    assert len(sides.channels.opened) == 1
    sides.bridge.close()
    assert first.is_closed
    assert sides.channels.opened[0].is_closed
    assert sides.link.tags() == ["0;event=open;label=early;protocol="]
