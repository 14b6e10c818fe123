"""HTTPS listener of one web function, or of WAF and WWSF together."""

from __future__ import annotations

import asyncio
import logging
import socket
import time
from abc import ABC, abstractmethod
from functools import partial
from typing import TYPE_CHECKING, Self

from aiohttp import web

from wic.aio import TaskSet
from wic.errors import StorageFailed
from wic.network.web.forms import MAX_BODY
from wic.network.web.pages import SHARED_PAGES
from wic.network.web.responses import finish_response
from wic.oauth.clocks import ClockWatch
from wic.oauth.server_log import http_log
from wic.transport.listener import cannot_listen

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterable

_log = logging.getLogger(__name__)

HTTPS_PORT = 443
BACKLOG = 128
KEEP_ALIVE = 30.0
SHUTDOWN = 2.0
"""Seconds that requests have to end when the server is closed."""
HANDSHAKE = 10.0
"""Seconds for a TLS handshake."""
CONNECTIONS = 512
"""Connections at a time; more would take the file descriptors of the other entities in this process."""
SWEEP_INTERVAL = 60.0
"""Seconds between two removals of expired rows."""


class WebServer:
    """HTTPS listener whose URL is known before it answers, so that the pages can name it.

    Args:
        host: address to listen on.
        port: port to listen on; 0 takes a free one.
        ssl_context: certificate and key.
        name: host name in its URL; None takes `host`.

    Attributes:
        port: the port.
        url: its URL, without a slash at the end.

    Raises:
        ConfigurationError: the port is taken, or the address is not of this machine.
    """

    def __init__(self, host: str, port: int, ssl_context: ssl.SSLContext, *, name: str | None = None) -> None:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._socket = socket.socket(family, socket.SOCK_STREAM)
        # After a restart the port is free, though connections of before are in TIME_WAIT.
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            self._socket.bind((host, port))
            self._socket.listen(BACKLOG)
        except OSError as error:
            self._socket.close()
            raise cannot_listen(host, port, error) from error
        self.port: int = self._socket.getsockname()[1]
        self.url = _url(name or host, self.port)
        self._context = ssl_context
        self._app = web.Application(middlewares=[finish_response], client_max_size=MAX_BODY)
        self._app.router.add_get("/style.css", _style)
        self._runner = web.AppRunner(
            self._app,
            logger=http_log,
            access_log=None,  # it would hold codes and states, which stand in queries
            handle_signals=False,
            keepalive_timeout=KEEP_ALIVE,
            shutdown_timeout=SHUTDOWN,
            auto_decompress=False,  # a few compressed bytes would be in memory as millions before they are counted
        )
        self._tasks = TaskSet()
        self._sweeps: list[Callable[[], int]] = []
        self._listener: asyncio.Server | None = None

    def add(self, routes: Iterable[web.RouteDef], *, sweep: Callable[[], int] | None = None) -> None:
        """Add the paths of a function; before `start`.

        Args:
            routes: the paths and their handlers.
            sweep: removes what has expired; called once a minute.
        """
        self._app.router.add_routes(routes)
        if sweep is not None:
            self._sweeps.append(sweep)

    async def start(self) -> None:
        """Answer requests."""
        await self._runner.setup()
        self._listener = await asyncio.get_running_loop().create_server(
            partial(_Arrival, self._take),
            sock=self._socket,
            ssl=self._context,
            backlog=BACKLOG,
            ssl_handshake_timeout=HANDSHAKE,
            ssl_shutdown_timeout=SHUTDOWN,
        )
        self._tasks.start(_watch_clock())
        for sweep in self._sweeps:
            self._tasks.start(_sweep_repeatedly(sweep))

    def _take(self) -> asyncio.Protocol | None:
        """Return the protocol of one more connection; None if it is one too many, or comes while the server closes."""
        server, listener = self._runner.server, self._listener
        listens = listener is not None and listener.is_serving()
        if server is None or not listens or len(server.connections) >= CONNECTIONS:
            return None  # the peer may try again
        return server()

    async def close(self) -> None:
        """Stop listening and end every connection; a second call has no effect."""
        if self._listener is not None:
            self._listener.close()
            server = self._runner.server
            transports = [connection.transport for connection in server.connections] if server else []
            try:
                await self._runner.cleanup()
            finally:  # also where the caller is cancelled
                # asyncio would wait for the close_notify of every TLS peer, and a browser keeps its idle connections.
                for transport in transports:
                    if transport is not None:
                        transport.abort()
                await self._tasks.close()
            await asyncio.sleep(0)
            self._listener = None
        self._socket.close()


class WebFunction(ABC):
    """A function of the network on an HTTPS server, as an async context manager that closes it."""

    def __init__(self, server: WebServer) -> None:
        self._server = server

    @property
    def url(self) -> str:
        """Its URL, without a slash at the end; that of a WAF is its issuer URL, and so its identity."""
        return self._server.url

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return self._server.port

    @abstractmethod
    async def close(self) -> None:
        """Stop listening, and close the database."""

    async def __aenter__(self) -> Self:
        """Return the function."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close the function."""
        await self.close()


async def _watch_clock() -> None:
    """Tell that the time of day was set: what was issued before ends by it."""
    watch = ClockWatch(wall=time.time(), monotonic=time.monotonic())
    while True:
        await asyncio.sleep(SWEEP_INTERVAL)
        jump = watch.look(wall=time.time(), monotonic=time.monotonic())
        if jump is not None:
            _log.warning(
                "the clock of this machine has jumped %s, because it was set or the machine slept:"
                " tokens, sessions and leases of before end by the new time",
                jump,
            )


async def _sweep_repeatedly(sweep: Callable[[], int]) -> None:
    while True:
        try:
            sweep()
        except StorageFailed as error:  # another process may hold the file; the next round comes
            _log.warning("expired rows are not removed now: %s", error)
        await asyncio.sleep(SWEEP_INTERVAL)


def _url(name: str, port: int) -> str:
    """Write a URL as browsers write an Origin (RFC 6454 §6.2): in lower case, without the default port.

    >>> _url("WWSF.ims.example", 443), _url("::1", 8443)
    ('https://wwsf.ims.example', 'https://[::1]:8443')
    """
    host = f"[{name}]" if ":" in name else name
    return f"https://{host.lower()}" + ("" if port == HTTPS_PORT else f":{port}")


class _Arrival(asyncio.Protocol):
    """Protocol of a connection until its TLS handshake is done: it is the server's then, unless that takes no more."""

    def __init__(self, take: Callable[[], asyncio.Protocol | None]) -> None:
        self._take = take

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Hand the connection over, or close it."""
        protocol = self._take()
        if protocol is None:
            transport.close()
        else:
            transport.set_protocol(protocol)
            protocol.connection_made(transport)


async def _style(request: web.Request) -> web.Response:
    return SHARED_PAGES.file("style.css", "text/css")
