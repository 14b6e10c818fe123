"""Interfaces between transports and their user, and the values that pass between them.

A connection carries whole SIP messages: framing, handshakes and keep-alives stay below. Nothing here
waits: bytes come in by `FlowHandler.received`, go out by `Connection.send`, and the end of a flow is told once, by
`FlowHandler.closed`, with its author and its cause. After that the connection takes messages and drops them.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, ClassVar, Protocol

from wic.option_checks import NumericOptions

if TYPE_CHECKING:
    from wic.sip.flow import Flow


class EndedBy(Enum):
    """Author of the end of a flow."""

    LOCAL = "this side"
    PEER = "the peer"
    NETWORK = "the network"


@dataclass(frozen=True, slots=True)
class FlowEnd:
    """End of a flow, with its author and its cause."""

    by: EndedBy
    reason: str
    """The cause, for people."""
    code: int | None = None
    """The WebSocket close code (RFC 6455 §7.4), where there was one."""

    def __str__(self) -> str:
        code = f" ({self.code})" if self.code is not None else ""
        return f"{self.by.value} ended it: {self.reason}{code}"


class Connection(Protocol):
    """One open flow."""

    @property
    def flow(self) -> Flow:
        """The address of this connection for the pure side."""
        ...

    def send(self, data: bytes) -> None:
        """Send one SIP message without waiting.

        A connection that is ending drops it. A peer that reads too slowly fills the send buffer and
        loses the connection; `FlowHandler.closed` then tells, possibly before this returns.
        """
        ...

    async def close(self, reason: str = "") -> None:
        """End the connection with a farewell to the peer, and return when its socket is gone."""
        ...

    def abort(self, reason: str = "") -> None:
        """End the connection at once, without a farewell."""
        ...

    def keep_alive(self, how: KeepAlive | None) -> None:
        """Send keep-alives by other rules from now on (RFC 5626 §4.4: the interval is told later); None sends none."""
        ...


class DatagramPort(Protocol):
    """A bound datagram socket; every remote address is a flow of its own."""

    @property
    def address(self) -> tuple[str, int]:
        """The host and port it is bound to."""
        ...

    def send(self, data: bytes, flow: Flow) -> None:
        """Send one SIP message to the flow's remote address without waiting.

        `FlowHandler.closed` tells of a failure, possibly before this returns.
        """
        ...

    async def close(self) -> None:
        """Close the socket, and return when it is gone."""
        ...

    def abort(self) -> None:
        """Close the socket without a wait."""
        ...


class FlowHandler(Protocol):
    """User of flows; called from the event loop, one call at a time."""

    def opened(self, connection: Connection) -> None:
        """A connection is ready for messages."""
        ...

    def received(self, flow: Flow, data: bytes) -> None:
        """One whole SIP message came in."""
        ...

    def closed(self, flow: Flow, end: FlowEnd) -> None:
        """The flow is gone; called once for each one that was opened."""
        ...


class Listener(Protocol):
    """A socket that accepts connections."""

    @property
    def address(self) -> tuple[str, int]:
        """The host and port it listens on."""
        ...

    @property
    def counters(self) -> ListenerCounters:
        """Its counters up to now."""
        ...

    async def close(self, reason: str = "") -> None:
        """Stop listening, and end every connection it accepted."""
        ...


@dataclass(frozen=True, slots=True)
class ListenerCounters:
    """Counters of a listener, at one moment."""

    accepted: int
    """TCP connections taken."""
    refused: int
    """TCP connections dropped at once because too many were open."""
    failed: int
    """Connections that ended before they could carry a message."""
    open: int
    """Connections there are now."""


@dataclass(frozen=True, kw_only=True, slots=True)
class KeepAlive(NumericOptions):
    """Keep-alive of a connection (RFC 5626 §4.4.1, RFC 7118 §6).

    A peer that was heard since the last check is alive, so a busy connection sends nothing extra.
    """

    every: float = 30.0
    """Seconds between two checks."""
    answer_within: float = 10.0
    """Seconds that a silent peer has to answer (RFC 5626 §4.4.1)."""
    crlf: bool = False
    """Ask with CRLFCRLF even where WebSocket Ping frames exist."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LinkOptions(NumericOptions):
    """Options of every connection over TCP; times are in seconds."""

    may_be_zero: ClassVar = ("close_timeout",)
    open_timeout: float = 10.0
    """For TCP, TLS and the message protocol's handshake together."""
    close_timeout: float = 3.0
    """For the peer to answer a farewell."""
    send_limit: int = 1 << 20
    """Bytes that may wait for a slow peer before the connection is given up."""
    keep_alive: KeepAlive | None = None
    """None sends none."""
