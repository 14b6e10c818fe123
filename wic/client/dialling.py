"""Dialling: the way in which a client opens a connection to a server."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeAlias

from wic.transport.base import Connection, FlowHandler
from wic.transport.tls import client_context
from wic.transport.websocket import WebSocketOptions, connect_websocket

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Dial", "dial_websocket"]

Dial: TypeAlias = Callable[[str, FlowHandler], Awaitable[Connection]]
"""Opens a connection to the server with this address; raises `TransportError` if there is none to be had.

Any other exception counts as one."""


async def dial_websocket(url: str, handler: FlowHandler, *, ca: Path | None, timeout: float) -> Connection:
    """Open a WebSocket connection; `timeout` is in seconds, for TCP, TLS and the handshake together.

    Raises:
        ConfigurationError: the trust anchors cannot be read.
        TransportError: there is no connection to be had.
    """
    # RFC 6455 §3: "wss" is TLS; `Account` lets "ws" pass only if the user allowed it.
    context = client_context(ca=ca) if url[:4].lower() == "wss:" else None
    return await connect_websocket(
        url, handler=handler, options=WebSocketOptions(ssl_context=context, open_timeout=timeout)
    )
