"""An HTTPS listener for one function or several."""

from __future__ import annotations

import asyncio
import socket
from functools import partial
from typing import TYPE_CHECKING

from aiohttp import web

from wic.errors import ConfigurationError
from wic.network.web.answers import answers
from wic.network.web.forms import MAX_BODY
from wic.network.web.pages import SHARED

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterable

HTTPS_PORT = 443
BACKLOG = 128
KEEP_ALIVE = 30.0
SHUTDOWN = 2.0
"""Seconds that requests have to end when the server is closed."""
HANDSHAKE = 10.0
"""Seconds for a TLS handshake."""
CONNECTIONS = 512
"""Connections at a time; a crowd must not take the file descriptors of the other entities in this process."""


class WebServer:
    """A listener whose port is known before it answers, so that the pages can name it.

    Args:
        host: address to listen on.
        port: port to listen on; 0 takes a free one.
        ssl_context: certificate and key.
        name: host name in its URL; None takes `host`.

    Raises:
        ConfigurationError: the port is taken, or the address is not of this machine.
    """

    def __init__(self, host: str, port: int, ssl_context: ssl.SSLContext, *, name: str | None = None) -> None:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._socket = socket.socket(family, socket.SOCK_STREAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            self._socket.bind((host, port))
            self._socket.listen(BACKLOG)
        except OSError as error:
            self._socket.close()
            raise ConfigurationError(f"cannot listen on {host} port {port}: {error.strerror}") from error
        self.port: int = self._socket.getsockname()[1]
        self.url = _url(name or host, self.port)
        self._context = ssl_context
        self._app = web.Application(middlewares=[answers], client_max_size=MAX_BODY)
        self._app.router.add_get("/style.css", _style)
        self._runner: web.AppRunner | None = None
        self._listener: asyncio.Server | None = None

    def add(self, routes: Iterable[web.RouteDef]) -> None:
        """Answer further paths; before `start`."""
        self._app.router.add_routes(routes)

    async def start(self) -> None:
        """Begin to answer."""
        self._runner = web.AppRunner(
            self._app,
            access_log=None,
            handle_signals=False,
            keepalive_timeout=KEEP_ALIVE,
            shutdown_timeout=SHUTDOWN,
            auto_decompress=False,  # what is counted is what came
        )
        await self._runner.setup()
        assert self._runner.server is not None, "it is set up"
        self._listener = await asyncio.get_running_loop().create_server(
            partial(_admit, self._runner.server),
            sock=self._socket,
            ssl=self._context,
            backlog=BACKLOG,
            ssl_handshake_timeout=HANDSHAKE,
            ssl_shutdown_timeout=SHUTDOWN,
        )

    async def close(self) -> None:
        """Stop listening and end every connection."""
        if self._listener is not None:
            self._listener.close()
        if self._runner is not None:
            await self._end_connections(self._runner)
        self._socket.close()

    async def _end_connections(self, runner: web.AppRunner) -> None:
        transports = [connection.transport for connection in runner.server.connections] if runner.server else []
        await runner.cleanup()
        # asyncio now waits for the farewell of every TLS peer, and a browser keeps its silent connections.
        for transport in transports:
            if transport is not None:
                transport.abort()
        await asyncio.sleep(0)


def _url(name: str, port: int) -> str:
    """Write a URL as browsers write an Origin (RFC 6454 §6.2): in small letters, without the usual port.

    >>> _url("WWSF.ims.example", 443), _url("::1", 8443)
    ('https://wwsf.ims.example', 'https://[::1]:8443')
    """
    host = f"[{name}]" if ":" in name else name
    return f"https://{host.lower()}" + ("" if port == HTTPS_PORT else f":{port}")


class _Refused(asyncio.Protocol):
    """A connection too many."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Close it."""
        transport.close()


def _admit(server: web.Server) -> asyncio.Protocol:
    """Return what talks to a new connection."""
    return server() if len(server.connections) < CONNECTIONS else _Refused()


async def _style(request: web.Request) -> web.Response:
    return SHARED.file("style.css", "text/css")
