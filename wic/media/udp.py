"""UDP sockets read by one callback each, and the ports they come from."""

from __future__ import annotations

import asyncio
import errno
import socket
from typing import TYPE_CHECKING

from wic.errors import ConfigurationError, MediaFailed

if TYPE_CHECKING:
    from collections.abc import Callable

Address = tuple[str, int]
"""Host and port, without the scope fields of IPv6."""

MAX_DATAGRAM = 2048
"""Octets read of one datagram: above any media packet, below the cost of a large buffer."""

RECEIVE_BUFFER = 256 * 1024
"""Octets the kernel keeps per socket, enough for a second in which the loop is busy."""


class UdpPort:
    """One bound UDP socket of the running event loop.

    Asyncio's own datagram transport allocates 256 kB for every packet it reads and queues what it
    sends; for media both cost more than the packet is worth. What the kernel does not take at
    once is dropped and counted, as the network would drop it.
    """

    __slots__ = ("_handler", "_loop", "_on_closed", "_socket", "address", "unsent")

    def __init__(
        self,
        bound: socket.socket,
        handler: Callable[[bytes, Address], None],
        on_closed: Callable[[], None] | None = None,
    ) -> None:
        self._socket = bound
        self._handler = handler
        self._on_closed = on_closed
        self._loop = asyncio.get_running_loop()
        host, port = bound.getsockname()[:2]
        self.address: Address = (host, port)
        self.unsent = 0
        self._loop.add_reader(bound, self._readable)

    @classmethod
    def bind(
        cls,
        host: str,
        port: int,
        handler: Callable[[bytes, Address], None],
        on_closed: Callable[[], None] | None = None,
    ) -> UdpPort:
        """Bind a socket to `host` (an IP address) and start reading; port 0 = any free port.

        Raises:
            OSError: the address is not of this machine, or the port is taken.
        """
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        bound = socket.socket(family, socket.SOCK_DGRAM)
        try:
            bound.setblocking(False)
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
            bound.bind((host, port))
            return cls(bound, handler, on_closed)
        except BaseException:
            bound.close()
            raise

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return self._socket.fileno() < 0

    def sendto(self, data: bytes, address: Address) -> None:
        """Send one datagram, or drop it if the kernel cannot take it now."""
        try:
            self._socket.sendto(data, address)
        except OSError:
            self.unsent += 1

    def close(self) -> None:
        """Stop reading and free the port; `on_closed` is called in the loop's next turn."""
        if self.closed:
            return
        self._loop.remove_reader(self._socket)
        self._socket.close()
        if self._on_closed is not None:
            self._loop.call_soon(self._on_closed)

    def _readable(self) -> None:
        # One datagram per call: the selector says again if there is more, and other sockets get their turn.
        try:
            data, address = self._socket.recvfrom(MAX_DATAGRAM)
        except OSError:  # ICMP errors of earlier packets, or a spurious wake-up
            return
        self._handler(data, address[:2])


class PortRange:
    """Ports from which RTP takes an even one and RTCP the next (RFC 3550 §11).

    Pairs are tried in turn, so that a port just freed is not handed out at once and late packets
    of the call before do not reach the next one.
    """

    def __init__(self, first: int = 40000, last: int = 49999) -> None:
        if not 1 <= first < last <= 65535:
            raise ConfigurationError("a port range goes from a lower to a higher port below 65536")
        self._first = first + first % 2  # RTP takes even ports
        self._pairs = (last + 1 - self._first) // 2
        if self._pairs < 1:
            raise ConfigurationError("a port range holds at least one even port and the odd one after it")
        self._next = 0

    def __len__(self) -> int:
        """Number of pairs in the range."""
        return self._pairs

    def bind_pair(
        self, host: str, rtp: Callable[[bytes, Address], None], rtcp: Callable[[bytes, Address], None]
    ) -> tuple[UdpPort, UdpPort]:
        """Bind the next free pair.

        Raises:
            MediaFailed: every pair is taken, or `host` is not an address of this machine.
        """
        for _ in range(self._pairs):
            port = self._first + 2 * self._next
            self._next = (self._next + 1) % self._pairs
            # RFC 3550 §11: RTP on the even port, RTCP on the odd one above it.
            pair = _bind_pair(host, port, rtp, rtcp)
            if pair is not None:
                return pair
        raise MediaFailed(f"all {self._pairs} RTP port pairs of {host} from {self._first} are taken")


def _bind_pair(
    host: str, port: int, rtp: Callable[[bytes, Address], None], rtcp: Callable[[bytes, Address], None]
) -> tuple[UdpPort, UdpPort] | None:
    even: UdpPort | None = None
    try:
        even = UdpPort.bind(host, port, rtp)
        return even, UdpPort.bind(host, port + 1, rtcp)
    except OSError as error:
        if even is not None:
            even.close()
        if error.errno != errno.EADDRINUSE:  # another pair would fail just so
            raise MediaFailed(f"cannot bind {host}: {error.strerror}") from error
        return None
