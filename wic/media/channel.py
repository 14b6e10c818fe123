"""Data channels over one SCTP association (RFC 8831, RFC 8832)."""

from __future__ import annotations

import asyncio
from collections import deque
from enum import Enum
from typing import TYPE_CHECKING, Self

from aiortc import RTCDataChannel, RTCDataChannelParameters
from aiortc.exceptions import InvalidStateError
from aiortc.rtcsctptransport import RTCSctpCapabilities

from wic.errors import LocalProtocolError, MediaFailed
from wic.sdp.transport import DEFAULT_MAX_MESSAGE_SIZE as UNSAID_MAX_MESSAGE_SIZE

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from wic.media._aiortc import SctpTransport

DEFAULT_MAX_MESSAGE_SIZE = 256 * 1024
"""Octets of one message that this side accepts and announces (`a=max-message-size`)."""

HIGH_WATER = 1024 * 1024
"""Octets waiting to be sent on one channel at which `send` waits."""

MAX_UNREAD = 4 * 1024 * 1024
"""Octets received and not read at which a channel is closed: SCTP could not hold them back alone."""

MAX_LABEL = 65535
"""Octets of a label or protocol name (RFC 8832 §5.1)."""


class ChannelState(Enum):
    """State of a data channel, under its name in the WebRTC API."""

    CONNECTING = "connecting"
    OPEN = "open"
    CLOSING = "closing"
    CLOSED = "closed"


class DataChannel:
    """One channel: send messages, iterate over those received, close it.

    As an async context manager it waits until the channel is open and closes it in the end.
    """

    def __init__(self, channel: RTCDataChannel, max_message_size: int) -> None:
        self.on_closed: Callable[[], None] | None = None
        self.sent = 0
        """Messages sent."""
        self.received = 0
        """Messages received."""
        self._channel = channel
        self._max_message_size = max_message_size
        self._unread: deque[str | bytes] = deque()
        self._unread_octets = 0
        self._on_message: Callable[[str | bytes], None] | None = None
        self._changed = asyncio.Event()
        channel.bufferedAmountLowThreshold = HIGH_WATER // 2
        for event in ("open", "bufferedamountlow"):
            channel.on(event, self._changed.set)
        channel.on("close", self._ended)
        channel.on("message", self._message)

    @property
    def on_message(self) -> Callable[[str | bytes], None] | None:
        """Handler of messages as they come, beginning with those not read yet; None = they wait for the iteration."""
        return self._on_message

    @on_message.setter
    def on_message(self, handler: Callable[[str | bytes], None] | None) -> None:
        self._on_message = handler
        while handler is not None and self._unread:
            self._hand_over(handler, self._unread.popleft())
            self._unread_octets = 0

    @property
    def label(self) -> str:
        """Name of the channel, given by the side that opened it."""
        return self._channel.label

    @property
    def protocol(self) -> str:
        """Subprotocol, or ""."""
        return self._channel.protocol

    @property
    def id(self) -> int | None:
        """Stream identifier; None until the association is up."""
        return self._channel.id

    @property
    def ordered(self) -> bool:
        """Whether messages arrive in the order sent."""
        return self._channel.ordered

    @property
    def state(self) -> ChannelState:
        """The state of the channel."""
        return ChannelState(self._channel.readyState)

    async def opened(self, timeout: float = 30.0) -> None:
        """Wait until the peer accepted the channel.

        Raises:
            MediaFailed: it was closed, or the peer did not answer in `timeout` seconds.
        """
        try:
            async with asyncio.timeout(timeout):
                await self._until(lambda: self.state is not ChannelState.CONNECTING)
        except TimeoutError:
            raise MediaFailed(f"data channel {self.label!r} was not opened within {timeout:g} s") from None
        if self.state is not ChannelState.OPEN:
            raise MediaFailed(f"data channel {self.label!r} was closed before it opened")

    async def send(self, message: str | bytes) -> None:
        """Send one message; waits while the channel is opening or a megabyte is under way.

        Raises:
            LocalProtocolError: longer than the peer accepts, or a text that cannot be encoded.
            MediaFailed: the channel is closed.
        """
        size = _octets(message)
        # RFC 8841 §6: the peer's limit; 0 stands for any size.
        if self._max_message_size and size > self._max_message_size:
            raise LocalProtocolError(f"a message of {size} octets; the peer takes {self._max_message_size}")
        await self._until(self._writable)
        try:
            self._channel.send(message)
        except InvalidStateError:
            raise MediaFailed(f"data channel {self.label!r} is closed") from None
        self.sent += 1

    def close(self) -> None:
        """Close the channel by resetting its stream; messages already queued go out first."""
        self._channel.close()  # RFC 8831 §6.7

    async def __aenter__(self) -> Self:
        await self.opened()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> str | bytes:
        await self._until(lambda: bool(self._unread) or self.state is ChannelState.CLOSED)
        if not self._unread:
            raise StopAsyncIteration
        message = self._unread.popleft()
        self._unread_octets -= len(message)
        return message

    async def _until(self, holds: Callable[[], bool]) -> None:
        while not holds():
            self._changed.clear()
            await self._changed.wait()

    def _writable(self) -> bool:
        if self.state is ChannelState.OPEN:
            return self._channel.bufferedAmount <= HIGH_WATER
        return self.state is not ChannelState.CONNECTING

    def _message(self, message: str | bytes) -> None:
        self.received += 1
        if self._on_message is not None:
            self._hand_over(self._on_message, message)
            return
        self._unread.append(message)
        self._unread_octets += len(message)  # characters where it is text, which is near enough for a limit
        self._changed.set()
        if self._unread_octets > MAX_UNREAD:
            # SCTP holds back all channels of the association or none: one that is not read must not stop the others.
            self.close()

    def _hand_over(self, handler: Callable[[str | bytes], None], message: str | bytes) -> None:
        # In a turn of its own: aiortc would take an exception of the handler for a fault of the peer.
        asyncio.get_running_loop().call_soon(handler, message)

    def _ended(self) -> None:
        self._changed.set()
        if self.on_closed is not None:
            self.on_closed()


class DataChannels:
    """The channels of one SCTP association, opened here or by the peer."""

    def __init__(self, sctp: SctpTransport) -> None:
        self.on_channel: Callable[[DataChannel], None] | None = None
        """Handler of channels that the peer opened; those that came before it was set wait in `incoming`."""
        self.on_closed: Callable[[], None] | None = None
        self.incoming: deque[DataChannel] = deque()
        self._sctp = sctp
        self._max_message_size = UNSAID_MAX_MESSAGE_SIZE
        sctp.on("datachannel", self._opened_by_peer)
        sctp.on_closed = self._ended

    async def start(self, remote_port: int, max_message_size: int | None) -> None:
        """Begin the association towards the peer's SCTP port."""
        if max_message_size is not None:  # RFC 8841 §6: a peer that names none takes 64 K
            self._max_message_size = max_message_size
        await self._sctp.start(RTCSctpCapabilities(self._max_message_size), remote_port)

    @property
    def established(self) -> bool:
        """Whether the association is up."""
        return self._sctp.is_established

    def open(
        self,
        label: str,
        protocol: str = "",
        *,
        ordered: bool = True,
        max_retransmits: int | None = None,
        max_lifetime_ms: int | None = None,
    ) -> DataChannel:
        """Open a channel; it is usable once `DataChannel.opened` returns, and `send` waits for that.

        Raises:
            LocalProtocolError: a name that is too long or cannot be encoded, or both limits of retransmission.
            MediaFailed: the association has ended.
        """
        if self._sctp.state == "closed":
            raise MediaFailed("the SCTP association has ended")
        if max(_octets(label), _octets(protocol)) > MAX_LABEL:
            raise LocalProtocolError("label and protocol of a data channel have at most 65,535 octets")
        if max_retransmits is not None and max_lifetime_ms is not None:  # RFC 8832 §5.1: a channel has one type
            raise LocalProtocolError("a data channel limits retransmissions by number or by time, not both")
        parameters = RTCDataChannelParameters(
            label=label,
            protocol=protocol,
            ordered=ordered,
            maxRetransmits=max_retransmits,
            maxPacketLifeTime=max_lifetime_ms,
        )
        return DataChannel(RTCDataChannel(self._sctp, parameters), self._max_message_size)

    async def close(self) -> None:
        """Abort the association; its channels are closed."""
        await self._sctp.stop()

    def abandon(self) -> None:
        """Close the channels because the transport has gone."""
        self._sctp.abandon()

    def _opened_by_peer(self, channel: RTCDataChannel) -> None:
        opened = DataChannel(channel, self._max_message_size)
        if self.on_channel is not None:
            self.on_channel(opened)
        else:
            self.incoming.append(opened)

    def _ended(self) -> None:
        if self.on_closed is not None:
            self.on_closed()


def _octets(message: str | bytes) -> int:
    """Return the length of a message on the wire.

    Raises:
        LocalProtocolError: it is a text that cannot be encoded.
    """
    try:
        return len(message.encode()) if isinstance(message, str) else len(message)
    except UnicodeEncodeError:  # as of an argument of a command that is not UTF-8
        raise LocalProtocolError("a text has half a character, which UTF-8 cannot express") from None
