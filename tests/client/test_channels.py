from __future__ import annotations

import asyncio
from collections import deque

import pytest

from wic.client.channels import CallChannels, ChannelOpening
from wic.errors import MediaFailed


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


async def test_channels_that_came_before_the_iteration():
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
