"""SIP over WebSocket (RFC 7118): connecting to a server, and serving."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from websockets.client import ClientProtocol
from websockets.exceptions import InvalidURI
from websockets.typing import Origin
from websockets.uri import parse_uri

from wic.errors import ConfigurationError
from wic.sip.masking import mask_userinfo
from wic.transport.dial import environment_proxy, open_socket, open_tunnel
from wic.transport.listener import SocketListener
from wic.transport.tls import TlsPipe, client_context
from wic.transport.websocket_link import (
    SIP,
    FramingOptions,
    WebSocketClientLink,
    WebSocketServerLink,
    frames_log,
)

if TYPE_CHECKING:
    import re
    import ssl
    from collections.abc import Callable

    from websockets.uri import WebSocketURI

    from wic.transport.base import Connection, FlowHandler, Listener
    from wic.transport.link import Link


@dataclass(frozen=True, kw_only=True, slots=True)
class WebSocketOptions(FramingOptions):
    """Options of a client; compression is never offered."""

    ssl_context: ssl.SSLContext | None = None
    """For `wss`; None verifies against the system's trust anchors. See `wic.transport.tls.client_context`."""
    server_hostname: str | None = None
    """The name that the server's certificate must carry; None takes the host of the URL."""
    headers: tuple[tuple[str, str], ...] = ()
    """Further headers of the HTTP request, for instance a Cookie (RFC 7118 §7)."""
    origin: str | None = None
    """The Origin header, as a browser would send it."""
    proxy: str | bool = True
    """The URL of an HTTP proxy; True takes the environment's, False takes none."""


@dataclass(frozen=True, kw_only=True, slots=True)
class WebSocketServerOptions(FramingOptions):
    """Options of a server."""

    path: str | None = None
    """The only path that is served, others get 404; None serves every path."""
    origins: tuple[str | re.Pattern[str] | None, ...] | None = None
    """The Origins that may connect, others get 403; None in it lets clients in that name none."""
    max_connections: int = 20_000
    """Connections at a time; those beyond are closed at once."""
    backlog: int = 1024
    """Connections that may wait to be accepted."""


async def connect_websocket(url: str, *, handler: FlowHandler, options: WebSocketOptions | None = None) -> Connection:
    """Open a SIP over WebSocket connection.

    Args:
        url: `ws://` or `wss://` with host, and port and path if they are not the usual ones.
        handler: told about the flow.
        options: how to connect.

    Raises:
        ConfigurationError: the URL is not a WebSocket address, or the proxy cannot be used.
        ConnectFailed: no connection can be made; the message says why in one sentence.
        HandshakeRejected: the server does not speak SIP over WebSocket.
    """
    options = options or WebSocketOptions()
    prepare = _prepare if options.headers else _prepare_once  # further headers, such as a Cookie, are not kept
    uri, request = prepare(url, options.origin, options.headers)
    # RFC 7118 §4.1: the subprotocol has to be agreed on.
    framing = ClientProtocol(uri, subprotocols=[SIP], max_size=options.max_message, logger=frames_log)
    pipe = None
    if uri.secure:
        pipe = TlsPipe(options.ssl_context or client_context(), server_hostname=options.server_hostname or uri.host)
    proxy = options.proxy if isinstance(options.proxy, str) else None
    if options.proxy is True:
        proxy = environment_proxy(uri.host, uri.port, secure=uri.secure)
    dialled = open_socket(uri.host, uri.port) if proxy is None else open_tunnel(proxy, uri.host, uri.port)
    link = WebSocketClientLink(framing, request=request, handler=handler, options=options, pipe=pipe)
    await link.connect(dialled, f"{uri.host} port {uri.port}")
    return link


async def serve_websocket(
    host: str,
    port: int,
    *,
    handler: FlowHandler,
    ssl_context: ssl.SSLContext | None = None,
    options: WebSocketServerOptions | None = None,
) -> Listener:
    """Accept SIP over WebSocket connections.

    Args:
        host: the address to listen on.
        port: its port; 0 takes a free one.
        handler: told about the flows.
        ssl_context: for `wss`; None serves `ws`.
        options: what to accept.

    Raises:
        ConfigurationError: the address cannot be listened on.
    """
    chosen = options or WebSocketServerOptions()

    def accept(lost: Callable[[Link], None]) -> WebSocketServerLink:
        pipe = TlsPipe(ssl_context) if ssl_context is not None else None
        return WebSocketServerLink(
            path=chosen.path, origins=chosen.origins, handler=handler, options=chosen, pipe=pipe, lost=lost
        )

    return await SocketListener.open(host, port, accept, max_connections=chosen.max_connections, backlog=chosen.backlog)


def _prepare(
    url: str, origin: str | None, headers: tuple[tuple[str, str], ...]
) -> tuple[WebSocketURI, tuple[bytes, bytes]]:
    """Return a server's address, and the request of a handshake before and after its key (RFC 6455 §4.1)."""
    try:
        uri = parse_uri(url)
    except (InvalidURI, ValueError):
        raise ConfigurationError(
            f"{mask_userinfo(url)!r} is not a WebSocket address; write ws://host/ or wss://host/."
        ) from None
    framing = ClientProtocol(uri, origin=None if origin is None else Origin(origin), subprotocols=[SIP])
    request = framing.connect()
    for name, value in headers:
        request.headers[name] = value
    before, _, after = request.serialize().partition(framing.key.encode())  # only the key is of one connection
    return uri, (before, after)


_prepare_once = lru_cache(maxsize=64)(_prepare)  # thousands of clients have few servers
