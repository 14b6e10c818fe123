"""SIP over UDP (RFC 3261 §18): one message, one datagram."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from wic.sip.flow import Flow
from wic.transport.base import EndedBy, FlowEnd
from wic.transport.listener import cannot_listen

if TYPE_CHECKING:
    from wic.transport.base import FlowHandler

# 65535 less the UDP header and the shortest IP header.
_LARGEST = 65_507


class _Callbacks(asyncio.DatagramProtocol):
    """Callbacks of asyncio for a UDP socket."""

    def __init__(self, handler: FlowHandler) -> None:
        self.address = ("", 0)
        self.error: Exception | None = None
        self.closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._handler = handler

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        name = transport.get_extra_info("sockname")
        self.address = (name[0], name[1])

    def datagram_received(self, data: bytes, addr: tuple[str, int] | tuple[str, int, int, int]) -> None:
        """Pass a datagram on; a blank one is the keep-alive of a NAT binding (RFC 5626 §3.5.1)."""
        if data.strip(b"\r\n\0"):
            self._handler.received(Flow("UDP", self.address, (addr[0], addr[1])), data)

    def error_received(self, exc: Exception) -> None:
        self.error = exc

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed.set_result(None)


class DatagramSocket:
    """A bound UDP socket; every remote address is a flow of its own."""

    def __init__(self, transport: asyncio.DatagramTransport, callbacks: _Callbacks, handler: FlowHandler) -> None:
        self._transport = transport
        self._callbacks = callbacks
        self._handler = handler

    @property
    def address(self) -> tuple[str, int]:
        """The host and port it is bound to."""
        return self._callbacks.address

    def send(self, data: bytes, flow: Flow) -> None:
        """Send one SIP message to the flow's remote address; `FlowHandler.closed` tells of a failure."""
        if self._transport.is_closing():
            self._handler.closed(flow, FlowEnd(EndedBy.LOCAL, "the UDP socket is closed"))
        elif len(data) > _LARGEST:  # RFC 3261 §18.1.1: IP could not carry it either
            self._handler.closed(flow, FlowEnd(EndedBy.LOCAL, f"{len(data)} bytes do not fit into a datagram"))
        else:
            # asyncio tells of a datagram that the kernel refuses by `error_received`, before `sendto` returns.
            self._callbacks.error = None
            self._transport.sendto(data, flow.remote)
            if self._callbacks.error is not None:
                self._handler.closed(flow, FlowEnd(EndedBy.NETWORK, str(self._callbacks.error)))

    async def close(self) -> None:
        """Close the socket, and return when it is gone."""
        self._transport.close()
        await asyncio.shield(self._callbacks.closed)

    def abort(self) -> None:
        """Close the socket without a wait."""
        self._transport.abort()


async def open_udp(host: str, port: int, *, handler: FlowHandler) -> DatagramSocket:
    """Bind a UDP socket.

    Args:
        host: the address to bind to.
        port: its port; 0 takes a free one.
        handler: told about messages and failures.

    Raises:
        ConfigurationError: the address cannot be bound to.
    """
    loop = asyncio.get_running_loop()
    try:
        transport, callbacks = await loop.create_datagram_endpoint(lambda: _Callbacks(handler), local_addr=(host, port))
    except OSError as error:
        raise cannot_listen(host, port, error) from None
    return DatagramSocket(transport, callbacks, handler)
