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


class World:
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
async def world():
    made = World()
    made.channels.incoming.append(StandInChannel("early"))
    task = asyncio.create_task(made.bridge.run(made.channels))
    await made.turn()
    yield made
    task.cancel()


async def test_channels_of_the_wic_are_announced_and_numbered(world):
    world.channels.on_channel(StandInChannel("late", "proto"))
    assert world.link.tags() == ["0;event=open;label=early;protocol=", "2;event=open;label=late;protocol=proto"]
    assert [content.content_type for content in world.link.sent] == [None, None]


async def test_the_answerer_numbers_oddly():
    made = World(offerer=False)
    made.channels.incoming.append(StandInChannel("x"))
    task = asyncio.create_task(made.bridge.run(made.channels))
    await made.turn()
    assert made.link.tags() == ["1;event=open;label=x;protocol="]
    task.cancel()


async def test_messages_and_ends_go_to_the_far_side(world):
    channel = StandInChannel("x")
    world.channels.on_channel(channel)
    channel.on_message("text")
    channel.on_message(b"\x00")
    channel.close()
    channel.close()
    assert world.link.tags()[2:] == ["2;event=data", "2;event=data", "2;event=close"]
    assert [content.content_type for content in world.link.sent[2:4]] == ["text/plain", "application/octet-stream"]


async def test_channels_of_the_far_side_are_opened_once_and_closed(world):
    tag = ChannelTag(1, ChannelEvent.OPEN, "far", "p")
    for _ in range(2):
        world.come(tag, kind=None)
    world.come(ChannelTag(1), "ü".encode())
    world.come(ChannelTag(1), b"\x00", "application/octet-stream")
    world.come(ChannelTag(7), b"for no channel")
    await world.turn()
    (channel,) = world.channels.opened
    assert (channel.label, channel.protocol, channel.sent) == ("far", "p", ["ü", b"\x00"])
    world.come(ChannelTag(1, ChannelEvent.CLOSE), kind=None)
    world.come(ChannelTag(1, ChannelEvent.CLOSE), kind=None)
    await world.turn()
    assert channel.is_closed
    assert "1;event=close" not in world.link.tags()


async def test_a_message_without_a_tag_goes_to_the_first_channel(world):
    world.come(None, b"hi")
    world.come(None, kind=None)
    await world.turn()
    assert world.channels.opened == []
    assert world.bridge._by_number[0].sent == ["hi"]


async def test_channels_are_bounded(world, monkeypatch):
    monkeypatch.setattr(channel_bridge, "MAX_CHANNELS", 1)
    channel = StandInChannel("too many")
    world.channels.on_channel(channel)
    assert channel.is_closed
    world.come(ChannelTag(1, ChannelEvent.OPEN, "far"), kind=None)
    await world.turn()
    assert world.channels.opened == []


async def test_a_full_bridge_holds_the_core_back(world, monkeypatch):
    monkeypatch.setattr(channel_bridge, "HIGH_WATER", 100)
    world.come(ChannelTag(0), b"x" * 200)
    assert world.link.paused
    await world.turn()
    assert not world.link.paused


async def test_a_channel_that_broke_loses_its_message_only(world):
    first = world.bridge._by_number[0]
    first.broken = True
    world.come(ChannelTag(0), b"lost")
    world.come(ChannelTag(1, ChannelEvent.OPEN, "far"), kind=None)
    await world.turn()
    assert len(world.channels.opened) == 1
    world.bridge.close()
    assert first.is_closed
    assert world.channels.opened[0].is_closed
    assert world.link.tags() == ["0;event=open;label=early;protocol="]
