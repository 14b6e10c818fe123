"""Bridge between the data channels of one WIC and one MSRP session (TS 24.371 §8.4.1)."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from typing import TYPE_CHECKING

from wic.datachannel.channel_tag import HEADER, ChannelEvent, ChannelTag
from wic.datachannel.msrp_session import Content
from wic.errors import LocalProtocolError, MediaFailed

if TYPE_CHECKING:
    from wic.media.channel import DataChannel, DataChannels
    from wic.network.agw.msrp import MsrpLink

_log = logging.getLogger(__name__)

TEXT = "text/plain"
BINARY = "application/octet-stream"
HIGH_WATER = 1024 * 1024
"""Octets waiting for the WIC above which the MSRP session stops reading."""
MAX_CHANNELS = 256
DEFAULT_LABEL = "msrp"


class ChannelBridge:
    """Carries messages both ways, those of each channel in order.

    A channel that the WIC opens is announced to the far gateway by an empty SEND with its tag; one that the far
    gateway announces is opened towards the WIC. A message without a tag belongs to the default channel: the first one
    that is open, or else one that is opened for it.

    Args:
        link: the MSRP session.
        offerer: whether this side offered it; the offerer numbers its channels evenly, the answerer oddly.
    """

    def __init__(self, link: MsrpLink, *, offerer: bool) -> None:
        self._link = link
        self._next_number = 0 if offerer else 1
        self._by_number: dict[int, DataChannel] = {}
        self._waiting: deque[Content] = deque()
        self._waiting_octets = 0
        self._wanted = asyncio.Event()
        link.on_content = self._content_received

    def _content_received(self, content: Content) -> None:
        self._waiting.append(content)
        # A message counts a little more than its octets, so that empty ones are bounded as well.
        self._waiting_octets += len(content.body) + 64
        self._wanted.set()
        if self._waiting_octets > HIGH_WATER:
            self._link.pause()

    async def run(self, channels: DataChannels) -> None:
        """Carry messages from now on, until cancelled."""
        channels.on_channel = self._opened_by_wic
        # The WIC may have opened channels before the bridge was there.
        while channels.incoming:
            self._opened_by_wic(channels.incoming.popleft())
        while True:
            await self._wanted.wait()
            while self._waiting:
                content = self._waiting.popleft()
                await self._to_wic(content, channels)
                self._waiting_octets -= len(content.body) + 64
                # Resumed only when all is delivered: TCP is not stopped and started with each message.
                if not self._waiting:
                    self._link.resume()
            self._wanted.clear()

    # Towards the core

    def _opened_by_wic(self, channel: DataChannel) -> None:
        if len(self._by_number) >= MAX_CHANNELS:
            channel.close()  # the WIC learns of it; the core never hears of this channel
            return
        number, self._next_number = self._next_number, self._next_number + 2
        tag = ChannelTag(number, ChannelEvent.OPEN, channel.label, channel.protocol, channel.ordered)
        self._link.send(Content(headers=((HEADER, str(tag)),)))
        self._join(number, channel)

    def _join(self, number: int, channel: DataChannel) -> None:
        self._by_number[number] = channel
        channel.on_message = lambda message: self._message_received(number, message)
        channel.on_closed = lambda: self._closed_by_wic(number)

    def _message_received(self, number: int, message: str | bytes) -> None:
        body, kind = (message.encode(), TEXT) if isinstance(message, str) else (message, BINARY)
        header = (HEADER, str(ChannelTag(number)))
        self._link.send(Content(content_type=kind, body=body, headers=(header,)))

    def _closed_by_wic(self, number: int) -> None:
        if self._by_number.pop(number, None) is not None:
            tag = ChannelTag(number, ChannelEvent.CLOSE)
            self._link.send(Content(headers=((HEADER, str(tag)),)))  # RFC 8831 §6.7: a reset of one side closes both

    # Towards the WIC

    async def _to_wic(self, content: Content, channels: DataChannels) -> None:
        header = content.get(HEADER)
        tag = None if header is None else ChannelTag.parse(header)
        if tag is None:
            # A peer that knows no channels; its SEND without content only opens the session (RFC 4975 §5.4).
            if content.content_type is not None:
                await self._deliver(self._default_channel(channels), content)
        elif tag.event is ChannelEvent.OPEN:
            self._open(tag, channels)
        elif tag.event is ChannelEvent.CLOSE:
            if (channel := self._by_number.pop(tag.number, None)) is not None:
                channel.close()
        elif (channel := self._by_number.get(tag.number)) is not None:
            await self._deliver(channel, content)

    def _open(self, tag: ChannelTag, channels: DataChannels) -> None:
        if tag.number in self._by_number or len(self._by_number) >= MAX_CHANNELS:
            return  # what comes with this tag goes to the channel that has it, or is dropped
        self._join(tag.number, channels.open(tag.label, tag.protocol, ordered=tag.ordered))

    def _default_channel(self, channels: DataChannels) -> DataChannel:
        if not self._by_number:
            number, self._next_number = self._next_number, self._next_number + 2
            self._join(number, channels.open(DEFAULT_LABEL))
        return next(iter(self._by_number.values()))

    async def _deliver(self, channel: DataChannel, content: Content) -> None:
        message: str | bytes = content.body
        # RFC 8831 §6.6: a data channel tells text from binary; MSRP has the media type for that.
        if (content.content_type or "").partition(";")[0].strip().lower().startswith("text/"):
            message = content.body.decode("utf-8", "replace")
        try:
            await channel.send(message)
        except (MediaFailed, LocalProtocolError) as error:
            _log.info("a message for channel %r was dropped: %s", channel.label, error)

    def close(self) -> None:
        """Close every channel: the session behind them is gone."""
        # The far side is gone with the session: closing is not announced to it.
        channels, self._by_number = list(self._by_number.values()), {}
        for channel in channels:
            channel.on_message = channel.on_closed = None
            channel.close()
