"""What is easier to see without a network."""

from __future__ import annotations

import asyncio

import pytest

import wic
from wic.client.channels import CallChannels, ChannelOpening
from wic.client.progress import Progress
from wic.client.targets import parse_target
from wic.errors import CallFailed, ConfigurationError, MediaFailed


@pytest.mark.parametrize(
    ("text", "uri"),
    [
        ("sip:bob@ims.example", "sip:bob@ims.example"),
        (" bob@ims.example ", "sip:bob@ims.example"),
        ("tel:+49301234", "tel:+49301234"),
        ("sips:bob@ims.example:5061", "sips:bob@ims.example:5061"),
        ("bob@ims.example:5070", "sip:bob@ims.example:5070"),
    ],
)
def test_targets(text, uri):
    assert str(parse_target(text)) == uri


@pytest.mark.parametrize("text", ["", "bob", "http://ims.example/", "sip:", "sip:bob@ims.example\r\nVia: x"])
def test_targets_that_are_none(text):
    with pytest.raises(ConfigurationError):
        parse_target(text)


async def test_waiting_for_what_the_end_makes_impossible():
    progress = Progress()
    progress.over = True
    with pytest.raises(CallFailed, match="has ended"):
        await progress.reach(lambda: False)
    await progress.reach(lambda: True)


class FakeChannel:
    def __init__(self, opens=True):
        self.opens = opens
        self.closed = False

    async def opened(self):
        if not self.opens:
            raise MediaFailed("not opened")

    def close(self):
        self.closed = True


class FakeChannels:
    def __init__(self, channel=None, incoming=()):
        self.channel = channel
        self.incoming = list(incoming)
        self.on_channel = None

    def open(self, label, protocol):
        return self.channel


async def test_a_channel_that_does_not_open_is_closed():
    channels = CallChannels()
    opening = asyncio.create_task(channels.open("chat", ""))
    await asyncio.sleep(0)
    channel = FakeChannel(opens=False)
    channels.attach(FakeChannels(channel))
    with pytest.raises(MediaFailed):
        await opening
    assert channel.closed
    await ChannelOpening(channels, "never", "").__aexit__(None, None, None)


async def test_channels_that_came_before_anybody_listened():
    from collections import deque

    channels = CallChannels()
    early = FakeChannel()
    association = FakeChannels()
    association.incoming = deque([early])
    channels.attach(association)
    listening = channels.incoming()
    assert await anext(listening) is early
    later = asyncio.create_task(anext(listening))
    await asyncio.sleep(0)
    association.on_channel(second := FakeChannel())
    assert await later is second
    assert channels.known == (early, second)


def test_public_names():
    assert wic.Tone is wic.media.Tone
    assert set(dir(wic)) == set(wic.__all__)
    for name in wic.__all__:
        assert getattr(wic, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = wic.nonsense
