"""SIP over TCP and TLS (RFC 3261 §18), framed by Content-Length."""

from __future__ import annotations

import socket
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from wic.sip.framing import CrlfKeepAlive, FrameRefused, StreamFramer
from wic.sip.limits import Limits
from wic.transport.base import EndedBy, LinkOptions
from wic.transport.dial import open_socket
from wic.transport.link import Link, LinkState
from wic.transport.listener import SocketListener
from wic.transport.tls import TlsPipe

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable

    from wic.transport.alarms import Alarm
    from wic.transport.base import Connection, FlowHandler, Listener


@dataclass(frozen=True, kw_only=True, slots=True)
class StreamOptions(LinkOptions):
    """Options of both ends of a TCP or TLS connection."""

    limits: Limits = field(default_factory=Limits)
    """Caps on what the peer may send."""
    idle_timeout: float | None = None
    """Seconds without a byte either way after which the connection is closed; None keeps it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class StreamServerOptions(StreamOptions):
    """Options of a server."""

    idle_timeout: float | None = 600.0  # RFC 3261 §18 has connections kept for at least as long as a transaction
    max_connections: int = 1_000
    """Connections at a time; those beyond are closed at once."""
    backlog: int = 128
    """Connections that may wait to be accepted."""


class StreamLink(Link):
    """One TCP or TLS connection that carries SIP."""

    __slots__ = ("_framer", "_idle", "_idle_timeout", "_used")

    scheme = "TCP"
    secure_scheme = "TLS"

    def __init__(
        self,
        *,
        handler: FlowHandler,
        options: StreamOptions,
        pipe: TlsPipe | None,
        lost: Callable[[Link], None] | None = None,
    ) -> None:
        super().__init__(handler=handler, options=options, pipe=pipe, lost=lost)
        self._framer = StreamFramer(options.limits)
        self._idle_timeout = options.idle_timeout
        self._idle: Alarm | None = None
        self._used = False

    def send(self, data: bytes) -> None:
        """Send one SIP message without waiting."""
        if self._state is LinkState.OPEN:
            self._used = True
            self._write(data)

    def connection_lost(self, exc: Exception | None) -> None:
        """Let go of everything, for the socket is gone."""
        if self._idle is not None:
            self._idle.cancel()
        super().connection_lost(exc)

    def _greet(self) -> None:
        # The kernel notices a host that vanished from an idle connection.
        raw: socket.socket = self._socket().get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        self._opened()
        self._arm_idle()

    def _plain_received(self, data: bytes) -> None:
        self._used = True
        try:
            self._deliver(self._framer.feed(data))
        except FrameRefused as error:
            # What came whole before the fault counts; after it no message boundary can be found any more (RFC 3261 §18.3).
            self._deliver(error.frames)
            if self._state is LinkState.OPEN:
                self._end(EndedBy.LOCAL, f"unusable SIP framing: {error}")
                self._half_close()

    def _deliver(self, frames: list[bytes | CrlfKeepAlive]) -> None:
        for frame in frames:
            if self._state is not LinkState.OPEN:  # the handler of the frame before has ended the flow
                return
            if isinstance(frame, bytes):
                self._handler.received(self.flow, frame)
            elif frame is CrlfKeepAlive.PING:  # RFC 5626 §3.5.1
                self.send(CrlfKeepAlive.PONG.value)

    def _say_goodbye(self, reason: str) -> None:
        self._half_close()

    def _ping(self) -> None:
        self._write(CrlfKeepAlive.PING.value)

    def _arm_idle(self) -> None:
        if self._idle_timeout is not None:
            self._idle = self._alarms.call_later(self._idle_timeout, self._look_for_use)

    def _look_for_use(self, _: float) -> None:
        # One look per period is cheaper than a timer that every message moves; the end comes at most one period late.
        used, self._used = self._used, False
        if used:
            self._arm_idle()
        else:
            self._half_close()  # the peer may have sent something meanwhile: it reads our end, not a reset
            self._end(EndedBy.LOCAL, f"idle for {self._idle_timeout:g} s")


async def connect_tcp(
    host: str,
    port: int,
    *,
    handler: FlowHandler,
    ssl_context: ssl.SSLContext | None = None,
    server_hostname: str | None = None,
    options: StreamOptions | None = None,
) -> Connection:
    """Open a TCP connection that carries SIP, or a TLS one.

    Args:
        host: the name or address of the server.
        port: its port.
        handler: told about the flow.
        ssl_context: for TLS; None is plain TCP.
        server_hostname: the name that the server's certificate must carry; None takes `host`.
        options: limits and times.

    Raises:
        ConnectFailed: no connection can be made; the message says why in one sentence.
    """
    chosen = options or StreamOptions()
    pipe = TlsPipe(ssl_context, server_hostname=server_hostname or host) if ssl_context is not None else None
    link = StreamLink(handler=handler, options=chosen, pipe=pipe)
    await link.connect(open_socket(host, port), f"{host} port {port}")
    return link


async def serve_tcp(
    host: str,
    port: int,
    *,
    handler: FlowHandler,
    ssl_context: ssl.SSLContext | None = None,
    options: StreamServerOptions | None = None,
) -> Listener:
    """Accept TCP connections that carry SIP, or TLS ones.

    Args:
        host: the address to listen on.
        port: its port; 0 takes a free one.
        handler: told about the flows.
        ssl_context: for TLS; None is plain TCP.
        options: what to accept.

    Raises:
        ConfigurationError: the address cannot be listened on.
    """
    chosen = options or StreamServerOptions()

    def accept(lost: Callable[[Link], None]) -> StreamLink:
        pipe = TlsPipe(ssl_context) if ssl_context is not None else None
        return StreamLink(handler=handler, options=chosen, pipe=pipe, lost=lost)

    return await SocketListener.open(host, port, accept, max_connections=chosen.max_connections, backlog=chosen.backlog)
