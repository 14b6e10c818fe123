"""Data channels of one call, from before their association is up until after the call."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING

from wic.errors import MediaFailed

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from types import TracebackType

    from wic.media import DataChannel, DataChannels

__all__ = ["CallChannels", "ChannelOpening"]


class CallChannels:
    """The channels of a call: opened once that is possible, and those that the other side opens."""

    def __init__(self) -> None:
        self._known: list[DataChannel] = []
        self._waiting: deque[DataChannel] = deque()
        self._channels: DataChannels | None = None
        self._settled = False
        self._changed = asyncio.Event()

    @property
    def known(self) -> tuple[DataChannel, ...]:
        """Every channel there ever was, for the report."""
        return tuple(self._known)

    def attach(self, channels: DataChannels) -> None:
        """Use an association that has begun."""
        self._channels = channels
        channels.on_channel = self._opened_by_peer  # from now on; these came with the handshake:
        while channels.incoming:
            self._opened_by_peer(channels.incoming.popleft())
        self._changed.set()

    def settle(self) -> None:
        """Note that no association will come any more."""
        self._settled = True
        self._changed.set()

    def close(self) -> None:
        """Note that the call is over."""
        self._channels = None
        self.settle()

    async def open(self, label: str, protocol: str) -> DataChannel:
        """Open a channel, and wait until the other side has it too.

        Raises:
            MediaFailed: the call has no data channels, or is over, or the other side does not answer.
            LocalProtocolError: a name that is too long.
        """
        while self._channels is None and not self._settled:
            await self._change()
        if self._channels is None:
            raise MediaFailed("the call has no data channels")
        channel = self._channels.open(label, protocol)
        self._known.append(channel)
        try:
            await channel.opened()
        except BaseException:  # RFC 8831 §6.7: the peer may have it by now, so its streams are reset
            channel.close()
            raise
        return channel

    async def incoming(self) -> AsyncIterator[DataChannel]:
        """Iterate over the channels that the other side opens."""
        while True:
            while self._waiting:
                yield self._waiting.popleft()
            if self._settled and self._channels is None:  # the call is over, or has none
                return
            await self._change()

    def _opened_by_peer(self, channel: DataChannel) -> None:
        self._known.append(channel)
        self._waiting.append(channel)
        self._changed.set()

    async def _change(self) -> None:
        self._changed.clear()
        await self._changed.wait()


class ChannelOpening:
    """A channel for the length of an `async with`."""

    def __init__(self, channels: CallChannels, label: str, protocol: str) -> None:
        self._channels = channels
        self._label = label
        self._protocol = protocol
        self._channel: DataChannel | None = None

    async def __aenter__(self) -> DataChannel:
        self._channel = await self._channels.open(self._label, self._protocol)
        return self._channel

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._channel is not None:
            self._channel.close()
