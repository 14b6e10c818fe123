"""SIP over UDP (RFC 3261 §18): one message, one datagram."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, cast

from wic.errors import ConfigurationError
from wic.sip.flow import Flow
from wic.transport.base import EndedBy, FlowEnd
from wic.transport.listener import cannot_listen

if TYPE_CHECKING:
    from wic.transport.base import FlowHandler

# 65535 less the UDP header and the shortest IP header.
_LARGEST = 65_507


class DatagramSocket(asyncio.DatagramProtocol):
    """A bound UDP socket; every remote address is a flow of its own."""

    def __init__(self, handler: FlowHandler) -> None:
        self._handler = handler
        self._address = ("", 0)
        self._error: Exception | None = None
        self._closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    @property
    def address(self) -> tuple[str, int]:
        """The host and port it is bound to."""
        return self._address

    def send(self, data: bytes, flow: Flow) -> None:
        """Send one SIP message to the flow's remote address; a failure is told by `FlowHandler.closed`."""
        if self._transport.is_closing():
            self._handler.closed(flow, FlowEnd(EndedBy.LOCAL, "the UDP socket is closed"))
        elif len(data) > _LARGEST:
            self._handler.closed(flow, FlowEnd(EndedBy.LOCAL, f"{len(data)} bytes do not fit into a datagram"))
        else:
            self._error = None
            self._transport.sendto(data, flow.remote)
            if self._error is not None:
                self._handler.closed(flow, FlowEnd(EndedBy.NETWORK, str(self._error)))

    async def close(self) -> None:
        """Close the socket, and return when it is gone."""
        self._transport.close()
        await asyncio.shield(self._closed)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Note where the socket is bound."""
        self._transport: asyncio.DatagramTransport = cast("asyncio.DatagramTransport", transport)
        name = transport.get_extra_info("sockname")
        self._address = (name[0], name[1])

    def datagram_received(self, data: bytes, addr: tuple[str, int] | tuple[str, int, int, int]) -> None:
        """Pass a datagram on; blank ones are keep-alives of somebody's NAT binding."""
        if data.strip(b"\r\n\0"):
            self._handler.received(Flow("UDP", self._address, (addr[0], addr[1])), data)

    def error_received(self, exc: Exception) -> None:
        """Note that a datagram could not be sent."""
        self._error = exc

    def connection_lost(self, exc: Exception | None) -> None:
        """The socket is gone."""
        self._closed.set_result(None)


async def open_udp(host: str, port: int, *, handler: FlowHandler) -> DatagramSocket:
    """Bind a UDP socket.

    Args:
        host: the address to bind to.
        port: its port; 0 takes a free one.
        handler: who is told about messages and failures.

    Raises:
        ConfigurationError: the address cannot be bound to.
    """
    loop = asyncio.get_running_loop()
    try:
        _, protocol = await loop.create_datagram_endpoint(lambda: DatagramSocket(handler), local_addr=(host, port))
    except OSError as error:
        raise ConfigurationError(cannot_listen(host, port, error)) from None
    return protocol
