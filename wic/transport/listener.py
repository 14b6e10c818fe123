"""A listening TCP socket and the links it accepted."""

from __future__ import annotations

import asyncio
import errno
from typing import TYPE_CHECKING

from wic.errors import ConfigurationError
from wic.transport.base import ListenerCounters

if TYPE_CHECKING:
    from collections.abc import Callable

    from wic.transport.link import Link

    MakeLink = Callable[[Callable[[Link], None]], Link]


class SocketListener:
    """Accepts TCP connections up to a number, and ends them when it is closed."""

    def __init__(self, make_link: MakeLink, *, max_connections: int) -> None:
        """Prepare to listen; `make_link` builds a link given what to call when it is lost."""
        self._make_link = make_link
        self._max_connections = max_connections
        self._links: set[Link] = set()
        self._server: asyncio.Server | None = None
        self._accepted = self._refused = self._failed = 0
        self._address = ("", 0)

    @property
    def address(self) -> tuple[str, int]:
        """The host and port it listens on."""
        return self._address

    @property
    def counters(self) -> ListenerCounters:
        """What it has seen so far."""
        return ListenerCounters(self._accepted, self._refused, self._failed, len(self._links))

    async def listen(self, host: str, port: int, *, backlog: int) -> None:
        """Open the listening socket.

        Raises:
            ConfigurationError: the address cannot be listened on.
        """
        loop = asyncio.get_running_loop()
        try:
            self._server = await loop.create_server(self._accept, host, port, backlog=backlog)
        except OSError as error:
            raise ConfigurationError(cannot_listen(host, port, error)) from None
        name = self._server.sockets[0].getsockname()
        self._address = (name[0], name[1])

    async def close(self, reason: str = "") -> None:
        """Stop listening, and end every connection it accepted."""
        assert self._server is not None, "listen comes before close"
        self._server.close()
        await asyncio.gather(*(link.close(reason) for link in tuple(self._links)))
        await self._server.wait_closed()

    def _accept(self) -> asyncio.Protocol:
        self._accepted += 1
        if len(self._links) >= self._max_connections:
            self._refused += 1
            return _Refused()
        link = self._make_link(self._lost)
        self._links.add(link)
        return link

    def _lost(self, link: Link) -> None:
        self._links.discard(link)
        self._failed += not link.was_open


class _Refused(asyncio.Protocol):
    """Hangs up at once."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport.close()


def cannot_listen(host: str, port: int, error: OSError) -> str:
    """Say in one sentence why an address cannot be listened on, and what to do."""
    if error.errno == errno.EADDRINUSE:
        return f"Port {port} on {host} is taken; choose another one."
    # From Python 3.13 on, asyncio says in words only that no address could be bound.
    if error.errno in (errno.EADDRNOTAVAIL, None):
        return f"{host} is not an address of this machine; choose one that is."
    if error.errno in (errno.EACCES, errno.EPERM):
        return f"Listening on port {port} of {host} is not allowed; choose a port above 1023."
    return f"Cannot listen on {host} port {port}: {error.strerror or error}."
