"""Dialling: the way in which a client opens a connection to a server."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TYPE_CHECKING, TypeAlias

from wic.errors import ConnectFailed, WicError
from wic.transport.base import Connection, FlowHandler
from wic.transport.tls import client_context
from wic.transport.websocket import WebSocketOptions, connect_websocket

if TYPE_CHECKING:
    from pathlib import Path

    from wic.transport.base import KeepAlive

__all__ = ["Dial", "close_connection", "dial_websocket", "open_connection"]

_log = logging.getLogger(__name__)

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


async def open_connection(
    dial: Dial, url: str, handler: FlowHandler, *, keep_alive: KeepAlive, close_timeout: float
) -> Connection:
    """Open a connection by `ClientOptions.dial`, foreign code that may fail in any way, and keep it alive.

    Raises:
        WicError: there is no connection to be had.
    """
    connection = None
    try:
        connection = await dial(url, handler)
        connection.keep_alive(keep_alive)
        _ = connection.flow  # not every connection has an address at once
    except (Exception, asyncio.CancelledError) as error:
        if isinstance(error, asyncio.CancelledError) and (task := asyncio.current_task()) and task.cancelling():
            raise  # this attempt is cancelled, and not something within the dialling
        if connection is not None:
            await close_connection(connection, "it cannot be used", timeout=close_timeout)
        if isinstance(error, WicError):
            raise
        _log.debug("dialling %s failed", url, exc_info=error)
        raise ConnectFailed(f"dialling {url} failed: {error!r}") from error
    return connection


async def close_connection(connection: Connection, reason: str, *, timeout: float) -> None:
    """Close a connection of `ClientOptions.dial`, which may fail, or take longer than its user waits."""
    try:
        async with asyncio.timeout(timeout):
            await connection.close(reason)
    except Exception as error:  # noqa: BLE001 - foreign code
        _log.warning("closing a connection failed: %r", error, exc_info=not isinstance(error, TimeoutError))
        with suppress(Exception):
            connection.abort(reason)
