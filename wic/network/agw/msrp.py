"""MSRP over TCP towards the core (RFC 4975 §5.4): sessions, their connections, and the one port for all of them.

A session (`MsrpLink`) exists before any connection carries it: its URI goes into the SDP. The side that offered dials
and sends first; on the other side the first request on a new connection names its session. Then one connection carries
one session until either ends, and flow control is that of TCP: a WIC that reads slowly makes the link stop reading.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Self, cast

from wic.aio import TaskSet
from wic.datachannel.msrp import MsrpFramer, MsrpLimits, MsrpRefused, MsrpRequest, MsrpUri
from wic.datachannel.msrp_session import Content, ContentFailed, MsrpSession, respond
from wic.errors import LocalProtocolError
from wic.transport.listener import listen

if TYPE_CHECKING:
    from collections.abc import Callable

    from wic.datachannel.msrp import MsrpMessage
    from wic.sip.random_source import RandomSource

_log = logging.getLogger(__name__)

LIMITS = MsrpLimits(unanswered=512)
SEND_LIMIT = 4 * 1024 * 1024
"""Octets that may wait for a slow peer before the session is given up."""
IDENTIFY_TIMEOUT = 10.0
"""Seconds in which a connection has to be established, or a new one has to name its session."""
MAX_CONNECTIONS = 4096


class MsrpLink:
    """MSRP session of one m-line, with the connection that carries it once there is one.

    Attributes:
        on_content: takes each message that has come; None drops it.
        on_closed: told the reason when the session ends by itself.
    """

    def __init__(self, hub: MsrpHub, local: MsrpUri) -> None:
        self.local = local
        self.on_content: Callable[[Content], None] | None = None
        self.on_closed: Callable[[str], None] | None = None
        self._hub = hub  # dials, and knows the session by its URI
        self._session: MsrpSession | None = None
        self._connection: _MsrpConnection | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._paused = False
        self._closed = False

    @property
    def bound(self) -> bool:
        """Whether a connection carries the session."""
        return self._connection is not None

    @property
    def next_timeout(self) -> float | None:
        """Time of the event loop at which an answer is overdue, or None."""
        return None if self._session is None else self._session.next_timeout()

    def expects(self, path: tuple[MsrpUri, ...]) -> bool:
        """Tell whether a request that came along this path may belong to the session (RFC 4975 §7.3)."""
        return self._session is not None and self._session.remote[-1] == path[-1]

    def start(self, remote: tuple[MsrpUri, ...], *, dial: bool) -> None:
        """Begin the session towards the peer's path; RFC 4975 §5.4: the side that offered dials and sends first."""
        if self._session is not None or self._closed:
            return
        self._session = MsrpSession(self.local, remote, random_source=self._hub.random_source, limits=LIMITS)
        # RFC 4975 §5.4: an empty SEND tells the peer which session the connection is for.
        if dial:
            self.send(Content())
            self._hub.tasks.start(self._hub.dial(self, remote[0]))

    def send(self, content: Content) -> None:
        """Send a message, or keep it until a connection stands; a peer that does not keep up loses the session."""
        if self._session is None or self._closed:
            return
        try:
            self._session.send(content, now=asyncio.get_running_loop().time())
        except LocalProtocolError as error:
            self.lost(str(error))
            return
        self._flush()

    def bind(self, connection: _MsrpConnection) -> bool:
        """Let a connection carry the session; return whether it does now."""
        if self._connection is not None or self._closed:
            return False
        self._connection = connection
        # The bridge may have held the peer back before there was a connection.
        if self._paused:
            connection.transport.pause_reading()
        self._flush()
        return True

    def received(self, message: MsrpMessage) -> None:
        """Take a message from the connection."""
        if self._session is not None:
            self._session.receive(message)
            self._flush()

    def pause(self) -> None:
        """Stop reading: TCP holds the peer back."""
        self._paused = True
        if self._connection is not None:
            self._connection.transport.pause_reading()

    def resume(self) -> None:
        """Read on."""
        self._paused = False
        if self._connection is not None:
            self._connection.transport.resume_reading()

    def timed_out(self) -> None:
        """Drop the messages whose answers are overdue."""
        if self._session is not None:
            self._session.handle_timeout(now=asyncio.get_running_loop().time())
            self._flush()

    def _flush(self) -> None:
        """Write what is to be sent, hand on what has come, and re-arm the timer."""
        session, connection = self._session, self._connection
        if session is None:
            return
        if connection is not None and not connection.write(session.to_send()):
            self.lost("the MSRP peer reads too slowly")
            return
        while (event := session.next_event()) is not None:
            if isinstance(event, ContentFailed):
                _log.info("an MSRP message was refused with %d", event.status)
            elif self.on_content is not None:
                self.on_content(event.content)
        self._arm(session.next_timeout())

    def _arm(self, deadline: float | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if deadline is not None and not self._closed:
            self._timer = asyncio.get_running_loop().call_at(deadline, self.timed_out)

    def lost(self, reason: str) -> None:
        """End the session because its connection cannot go on."""
        if self._closed:
            return
        # Closed first: what is told may close the link again.
        on_closed = self.on_closed
        self.close()
        if on_closed is not None:
            on_closed(reason)

    def close(self) -> None:
        """End the session and its connection."""
        self._closed = True
        self.on_content = self.on_closed = None
        self._arm(None)
        self._hub.forget(self)
        if self._connection is not None:
            self._connection.close()
            self._connection = None


class _MsrpOpening(asyncio.Protocol):
    """TCP connection that is about to stand; a `_MsrpConnection` takes over then."""

    def __init__(self, hub: MsrpHub, link: MsrpLink | None = None) -> None:
        self._hub = hub
        self._link = link

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Count the connection, and bind it to the link that dialled it, if any."""
        stream = cast("asyncio.Transport", transport)
        connection = _MsrpConnection(self._hub, stream)
        stream.set_protocol(connection)
        if not self._hub.opened(connection):
            stream.abort()
            # Nothing else would tell the link: the attempt to connect has succeeded.
            if self._link is not None:
                self._link.lost("too many MSRP connections")
        elif self._link is not None and not connection.adopt(self._link):
            stream.abort()


class _MsrpConnection(asyncio.Protocol):
    """TCP connection of the link that dialled it, or of the link that its first request names."""

    def __init__(self, hub: MsrpHub, transport: asyncio.Transport) -> None:
        self._hub = hub
        self.transport = transport
        self._link: MsrpLink | None = None
        self._framer = MsrpFramer(LIMITS)
        # A peer that names no session in time gives its place to others.
        self._timer = asyncio.get_running_loop().call_later(IDENTIFY_TIMEOUT, transport.abort)

    def adopt(self, link: MsrpLink) -> bool:
        """Carry a session, if no other connection does; return whether that is so."""
        if not link.bind(self):
            return False
        self._link = link
        self._timer.cancel()
        return True

    def data_received(self, data: bytes) -> None:
        """Hand every whole message to its session; a peer that breaks the framing loses the connection."""
        try:
            messages = self._framer.feed(data)
        except MsrpRefused as refused:
            _log.info("an MSRP connection was closed: %s", refused)
            self.transport.abort()
            return
        for message in messages:
            self._dispatch(message)

    def _dispatch(self, message: MsrpMessage) -> None:
        if isinstance(message, MsrpRequest):
            link = self._hub.find(message)
            # RFC 4975 §5.4, §7.3: 481 for an unknown session, 506 for one that another connection carries.
            if link is None or (self._link is not None and link is not self._link):
                self.write([respond(message, 481, message.to_path[0]).to_bytes()])
                return
            if self._link is None and not self.adopt(link):
                self.write([respond(message, 506, message.to_path[0]).to_bytes()])
                return
        if self._link is not None:
            self._link.received(message)

    def connection_lost(self, exc: Exception | None) -> None:
        """End the session that the connection carried."""
        self._hub.closed(self)
        self._timer.cancel()
        if self._link is not None:
            self._link.lost("the MSRP connection was closed" if exc is None else str(exc))

    def write(self, messages: list[bytes]) -> bool:
        """Send messages; return whether the peer keeps up."""
        if self.transport.is_closing():
            return True
        self.transport.writelines(messages)
        # TCP's own flow control: what the peer does not read waits in this process.
        return self.transport.get_write_buffer_size() <= SEND_LIMIT

    def close(self) -> None:
        """Send what is left, and end the connection."""
        self._link = None
        self.transport.close()


class MsrpHub:
    """MSRP port of the eIMS-AGW, with every session and connection; made by `open`."""

    def __init__(self, server: asyncio.Server, random_source: RandomSource) -> None:
        self.random_source = random_source  # RFC 4975 §14.1: session identifiers with 80 bits of chance
        self._server = server
        host, port = server.sockets[0].getsockname()[:2]
        self._host = str(host)
        self.port = int(port)
        """Port that it listens on."""
        self.tasks = TaskSet()
        """Attempts to connect."""
        self._links: dict[str, MsrpLink] = {}  # by the session identifier of our URI
        self._connections: set[_MsrpConnection] = set()

    @classmethod
    async def open(cls, host: str, port: int, random_source: RandomSource) -> Self:
        """Listen on an address, which goes into the URIs of sessions; port 0 takes a free one.

        Raises:
            OSError: the port is taken, or the address is not of this machine.
        """
        hub: Self
        # Bound and not serving yet: connections come in when the hub that takes them is there.
        server = await listen(lambda: _MsrpOpening(hub), host, port, start_serving=False)
        hub = cls(server, random_source)
        await server.start_serving()
        return hub

    def __len__(self) -> int:
        return len(self._links)

    @property
    def connections(self) -> int:
        """Number of open connections."""
        return len(self._connections)

    def link(self) -> MsrpLink:
        """Make a session with a URI of its own."""
        link = MsrpLink(self, MsrpUri(self._host, self.port, self.random_source.hex(16)))
        self._links[link.local.session] = link
        return link

    def find(self, request: MsrpRequest) -> MsrpLink | None:
        """Return the session that a request is for (RFC 4975 §7.3)."""
        link = self._links.get(request.to_path[0].session)
        return link if link is not None and link.expects(request.from_path) else None

    async def dial(self, link: MsrpLink, remote: MsrpUri) -> None:
        """Connect a session to its peer; a peer that cannot be reached ends it."""
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(IDENTIFY_TIMEOUT):
                await loop.create_connection(lambda: _MsrpOpening(self, link), remote.host, remote.port)
        except (OSError, TimeoutError, UnicodeError) as error:  # the last: of the codec for host names
            link.lost(f"no MSRP connection to {remote.host}:{remote.port}: {error}")

    def opened(self, connection: _MsrpConnection) -> bool:
        """Count a connection; return whether it may stay."""
        if len(self._connections) >= MAX_CONNECTIONS:
            return False
        self._connections.add(connection)
        return True

    def closed(self, connection: _MsrpConnection) -> None:
        """Forget a connection."""
        self._connections.discard(connection)

    def forget(self, link: MsrpLink) -> None:
        """Forget a session: requests to its URI get 481 from now on."""
        self._links.pop(link.local.session, None)

    async def close(self) -> None:
        """Stop listening and end every session and connection."""
        self._server.close()  # first: a connection that still came in would be waited for
        for link in list(self._links.values()):
            link.close()
        for connection in list(self._connections):
            connection.transport.abort()
        await self.tasks.close()
        await self._server.wait_closed()
