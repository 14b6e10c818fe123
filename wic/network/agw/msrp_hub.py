"""MSRP over TCP: one listener for every session, and the connections that are dialled (RFC 4975 §5.4)."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, cast

from wic.datachannel.msrp import MsrpFramer, MsrpRefused, MsrpRequest, MsrpUri
from wic.datachannel.msrp_session import respond
from wic.network.agw.msrp_link import LIMITS, MsrpLink

if TYPE_CHECKING:
    from wic.aio import TaskSet
    from wic.datachannel.msrp import MsrpMessage
    from wic.sip.random_source import RandomSource

_log = logging.getLogger(__name__)

SEND_LIMIT = 4 * 1024 * 1024
"""Octets that may wait for a slow peer before the session is given up."""
STRANGER_TIMEOUT = 10.0
"""Seconds in which a new connection has to name a session."""
MAX_CONNECTIONS = 4096


class MsrpHub:
    """The MSRP port of the eIMS-AGW.

    Args:
        random_source: makes session identifiers; RFC 4975 §14.1 wants 80 bits of chance in them.
        tasks: owns the dialling.
    """

    def __init__(self, random_source: RandomSource, tasks: TaskSet) -> None:
        self.random_source = random_source
        self._tasks = tasks
        self._links: dict[str, MsrpLink] = {}
        self._connections: set[_Connection] = set()
        self._server: asyncio.Server | None = None
        self._address = ("", 0)

    def __len__(self) -> int:
        return len(self._links)

    async def start(self, host: str, port: int) -> None:
        """Listen.

        Raises:
            OSError: the port is taken, or the address is not of this machine.
        """
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Connection(self), host, port)
        self._address = self._server.sockets[0].getsockname()[:2]

    @property
    def port(self) -> int:
        """The port it listens on."""
        return self._address[1]

    def link(self) -> MsrpLink:
        """Make a session with a URI of its own."""
        host, port = self._address
        link = MsrpLink(self, MsrpUri(host, port, self.random_source.hex(16)))
        self._links[link.local.session] = link
        return link

    def find(self, request: MsrpRequest) -> MsrpLink | None:
        """Return the session that a request is for (RFC 4975 §7.3)."""
        link = self._links.get(request.to_path[0].session)
        return link if link is not None and link.expects(request.from_path) else None

    def dial(self, link: MsrpLink, remote: MsrpUri) -> None:
        """Connect a session to its peer in the background."""
        self._tasks.start(self._dial(link, remote))

    async def _dial(self, link: MsrpLink, remote: MsrpUri) -> None:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(STRANGER_TIMEOUT):
                await loop.create_connection(lambda: _Connection(self, link), remote.host, remote.port)
        except (OSError, TimeoutError) as error:
            link.lost(f"no MSRP connection to {remote.host}:{remote.port}: {error}")

    def opened(self, connection: _Connection) -> bool:
        """Count a connection; return whether it may stay."""
        if len(self._connections) >= MAX_CONNECTIONS:
            return False
        self._connections.add(connection)
        return True

    def closed(self, connection: _Connection) -> None:
        """Forget a connection."""
        self._connections.discard(connection)

    def forget(self, link: MsrpLink) -> None:
        """Forget a session: its URI leads nowhere from now on."""
        self._links.pop(link.local.session, None)

    async def close(self) -> None:
        """Stop listening and end every connection."""
        for link in list(self._links.values()):
            link.close()
        for connection in list(self._connections):
            connection.abort()
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()


class _Connection(asyncio.Protocol):
    """One TCP connection: of the link that dialled it, or of the one that its first request names."""

    def __init__(self, hub: MsrpHub, link: MsrpLink | None = None) -> None:
        self._hub = hub
        self._link = link
        self._framer = MsrpFramer(LIMITS)
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        if not self._hub.opened(self):
            self._transport.abort()
        elif self._link is None:
            self._timer = asyncio.get_running_loop().call_later(STRANGER_TIMEOUT, self.abort)
        elif not self._link.bind(self):
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        try:
            messages = self._framer.feed(data)
        except MsrpRefused as refused:
            _log.info("an MSRP connection was closed: %s", refused)
            self.abort()
            return
        for message in messages:
            self._dispatch(message)

    def _dispatch(self, message: MsrpMessage) -> None:
        if isinstance(message, MsrpRequest):
            link = self._hub.find(message)
            # RFC 4975 §7.3.1: 481 for an unknown session, 506 for one that another connection carries.
            if link is None or (self._link is not None and link is not self._link):
                self.write([respond(message, 481, message.to_path[0]).to_bytes()])
                return
            if self._link is None and not self._adopt(link):
                self.write([respond(message, 506, message.to_path[0]).to_bytes()])
                return
        if self._link is not None:
            self._link.received(message)

    def _adopt(self, link: MsrpLink) -> bool:
        if not link.bind(self):
            return False
        self._link = link
        if self._timer is not None:
            self._timer.cancel()
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        self._hub.closed(self)
        if self._timer is not None:
            self._timer.cancel()
        if self._link is not None:
            self._link.lost("the MSRP connection was closed" if exc is None else str(exc))

    def write(self, messages: list[bytes]) -> bool:
        """Send; return whether the peer keeps up."""
        if self._transport is None or self._transport.is_closing():
            return True
        self._transport.writelines(messages)
        return self._transport.get_write_buffer_size() <= SEND_LIMIT

    def pause(self) -> None:
        if self._transport is not None:
            self._transport.pause_reading()

    def resume(self) -> None:
        if self._transport is not None:
            self._transport.resume_reading()

    def close(self) -> None:
        self._link = None
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()
