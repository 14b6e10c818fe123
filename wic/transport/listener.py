"""A listening TCP socket and the links it accepted."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from typing import TYPE_CHECKING

from wic.errors import ConfigurationError, PortTaken
from wic.transport.base import ListenerCounters

if TYPE_CHECKING:
    from collections.abc import Callable

    from wic.transport.link import Link

    MakeLink = Callable[[Callable[[Link], None]], Link]


class _Acceptor:
    """Factory of the links of one listener, up to a number, with their counts."""

    def __init__(self, make_link: MakeLink, max_connections: int) -> None:
        self.links: set[Link] = set()
        self._make_link = make_link
        self._max_connections = max_connections
        self._accepted = self._refused = self._failed = 0

    @property
    def counters(self) -> ListenerCounters:
        return ListenerCounters(self._accepted, self._refused, self._failed, len(self.links))

    def accept(self) -> asyncio.Protocol:
        self._accepted += 1
        if len(self.links) >= self._max_connections:  # before TLS: a flood costs a socket, not a handshake
            self._refused += 1
            return _Refused()
        link = self._make_link(self._lost)
        self.links.add(link)
        return link

    def _lost(self, link: Link) -> None:
        self.links.discard(link)
        self._failed += not link.was_open


class SocketListener:
    """A listening TCP socket; closing it ends the connections that it accepted."""

    def __init__(self, server: asyncio.Server, acceptor: _Acceptor) -> None:
        self._server = server
        self._acceptor = acceptor
        name = server.sockets[0].getsockname()
        self._address = (name[0], name[1])

    @classmethod
    async def open(
        cls, host: str, port: int, make_link: MakeLink, *, max_connections: int, backlog: int
    ) -> SocketListener:
        """Open a listening socket.

        Args:
            host: the address to listen on.
            port: its port; 0 takes a free one.
            make_link: builds a link, given the function to call when it is lost.
            max_connections: connections at a time.
            backlog: connections that may wait to be accepted.

        Raises:
            ConfigurationError: the address cannot be listened on.
        """
        acceptor = _Acceptor(make_link, max_connections)
        try:
            server = await listen(acceptor.accept, host, port, backlog=backlog)
        except (OSError, UnicodeError) as error:
            raise cannot_listen(host, port, error) from None
        return cls(server, acceptor)

    @property
    def address(self) -> tuple[str, int]:
        """The host and port it listens on."""
        return self._address

    @property
    def counters(self) -> ListenerCounters:
        """Its counters up to now."""
        return self._acceptor.counters

    async def close(self, reason: str = "") -> None:
        """Stop listening, and end every connection it accepted."""
        self._server.close()
        try:
            await asyncio.gather(*(link.close(reason) for link in tuple(self._acceptor.links)))
            await self._server.wait_closed()
        except asyncio.CancelledError:  # the caller does not wait: all ends at once
            for link in tuple(self._acceptor.links):
                link.abort(reason)
            raise


class _Refused(asyncio.Protocol):
    """A connection beyond the limit: closed at once."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport.close()


async def listen(
    accept: Callable[[], asyncio.BaseProtocol], host: str, port: int, *, backlog: int = 100, start_serving: bool = True
) -> asyncio.Server:
    """Return a server that has a socket.

    Args:
        accept: makes the protocol of a connection.
        host: the address to listen on.
        port: its port; 0 takes a free one.
        backlog: connections that may wait to be accepted.
        start_serving: accept connections at once.

    Raises:
        OSError: the address cannot be listened on.
        UnicodeError: it is no host name.
    """
    loop = asyncio.get_running_loop()
    try:
        server = await loop.create_server(accept, host, port, backlog=backlog, start_serving=start_serving)
    except OSError as error:
        if error.errno is not None:
            raise
    else:
        if server.sockets:
            return server
    # asyncio passes over an address for which the system gives it no socket: the next attempt tells why.
    socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET).close()
    raise OSError(errno.EADDRNOTAVAIL, os.strerror(errno.EADDRNOTAVAIL))


def cannot_listen(host: str, port: int, error: OSError | UnicodeError) -> ConfigurationError:
    """Return an error that says why an address cannot be listened on, and what to do."""
    # The codec for host names raises a UnicodeError for a label that is empty, or longer than 63 octets.
    number = error.errno if isinstance(error, OSError) else None
    if number == errno.EADDRINUSE:
        return PortTaken(f"Port {port} on {host} is taken; choose another one.")
    if number in (errno.EADDRNOTAVAIL, None):
        return ConfigurationError(f"{host} is not an address of this machine; choose one that is.")
    if number in (errno.EACCES, errno.EPERM):
        return ConfigurationError(f"Listening on port {port} of {host} is not allowed; choose a port above 1023.")
    where = f"{host} port {port}" if port else host  # 0: any free port
    return ConfigurationError(f"Cannot listen on {where}: {getattr(error, 'strerror', None) or error}.")
