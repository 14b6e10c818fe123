"""Network in memory: delay, loss, duplication, reordering and cuts, the same ones for the same seed.

It runs on the event loop's clock, so under `VirtualTimeLoop` hours pass in no time.

    network = MemoryNetwork(seed=1, path=Path(delay=0.02, loss=0.1))
    left, right = network.connect(left_driver, right_driver)          # in place of a WebSocket
    socket = network.bind(("10.0.0.1", 5060), driver)                 # in place of a UDP socket
"""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass
from functools import partial
from heapq import heappop, heappush
from itertools import count
from typing import TYPE_CHECKING

from wic.sip.flow import Flow
from wic.transport.base import EndedBy, FlowEnd

if TYPE_CHECKING:
    from collections.abc import Callable

    from wic.sip.flow import Address
    from wic.transport.base import FlowHandler, KeepAlive


@dataclass(frozen=True, kw_only=True, slots=True)
class Path:
    """Treatment of bytes on their way; connections lose, duplicate and reorder nothing, they are late."""

    delay: float = 0.0
    """Seconds that each message takes at least."""
    jitter: float = 0.0
    """Up to so many seconds more, by chance; this is what reorders datagrams."""
    loss: float = 0.0
    """The share of datagrams that vanish, 0 to 1."""
    duplication: float = 0.0
    """The share of datagrams that arrive twice, 0 to 1."""


class MemoryNetwork:
    """Network that joins handlers which would otherwise meet over sockets."""

    def __init__(self, *, seed: int = 0, path: Path | None = None) -> None:
        """Make a network without connections.

        Args:
            seed: decides every chance event.
            path: treatment of all bytes; may be changed at any time by assigning `path`.
        """
        self.path = path or Path()
        """Treatment of all bytes from now on."""
        self._loop = asyncio.get_running_loop()
        self._random = random.Random(seed)
        self._numbers = count(1)
        self._pending: list[tuple[float, int, Callable[[], None]]] = []
        self._sockets: dict[Address, MemorySocket] = {}
        self._cut: set[Address] = set()

    def connect(
        self,
        client: FlowHandler,
        server: FlowHandler,
        *,
        transport: str = "WSS",
        client_address: Address = ("10.0.0.1", 49152),
        server_address: Address = ("10.0.0.2", 443),
    ) -> tuple[MemoryConnection, MemoryConnection]:
        """Open a connection between two handlers, and return both its ends; it is open at once."""
        number = next(self._numbers)
        near = MemoryConnection(self, client, Flow(transport, client_address, server_address, f"m{number}c"))
        far = MemoryConnection(self, server, Flow(transport, server_address, client_address, f"m{number}s"))
        near.join(far)
        far.join(near)
        server.opened(far)
        client.opened(near)
        return near, far

    def bind(self, address: Address, handler: FlowHandler) -> MemorySocket:
        """Open a datagram socket."""
        socket = self._sockets[address] = MemorySocket(self, address, handler)
        return socket

    def cut(self, *addresses: Address) -> None:
        """Drop everything from and to these addresses without telling either end."""
        self._cut.update(addresses)

    def mend(self, *addresses: Address) -> None:
        """Undo `cut`; what was sent meanwhile stays lost."""
        self._cut.difference_update(addresses)

    # for its connections and sockets

    def deliver_in_order(self, near: MemoryConnection, arrival: Callable[[], None]) -> None:
        """Call `arrival` when what `near` sends is at the far end: late, but never lost or overtaken."""
        if not self._is_cut(near.flow):
            near.last_due = max(self._arrival(), near.last_due)
            self._schedule(near.last_due, arrival)

    def deliver_datagram(self, flow: Flow, data: bytes) -> None:
        """Carry one datagram: perhaps late, twice, or never."""
        if self._is_cut(flow) or self._random.random() < self.path.loss:
            return
        # Each copy takes its own time, so that a duplicate may come first, as on a real network.
        copies = 2 if self._random.random() < self.path.duplication else 1
        for _ in range(copies):
            self._schedule(self._arrival(), partial(self._datagram_arrives, flow, data))

    def unbind(self, address: Address) -> None:
        """Forget a datagram socket."""
        self._sockets.pop(address, None)

    def _schedule(self, due: float, action: Callable[[], None]) -> None:
        # Timers of the same time fire in any order, so each one does what is next.
        heappush(self._pending, (due, next(self._numbers), action))
        self._loop.call_at(due, self._arrive)

    def _arrive(self) -> None:
        _, _, action = heappop(self._pending)
        action()

    def _datagram_arrives(self, flow: Flow, data: bytes) -> None:
        socket = self._sockets.get(flow.remote)
        if socket is not None:
            socket.arrive(Flow(flow.transport, flow.remote, flow.local), data)

    def _arrival(self) -> float:
        return self._loop.time() + self.path.delay + self._random.random() * self.path.jitter

    def _is_cut(self, flow: Flow) -> bool:
        return flow.local in self._cut or flow.remote in self._cut


class MemoryConnection:
    """One end of a connection in memory."""

    def __init__(self, network: MemoryNetwork, handler: FlowHandler, flow: Flow) -> None:
        self.flow = flow
        """The address of this end for the pure side."""
        self.last_due = 0.0
        """Time at which the latest message sent from here arrives."""
        self._network = network
        self._handler = handler
        self._far: MemoryConnection = self
        self._open = True
        self._how: KeepAlive | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._loop = asyncio.get_running_loop()

    @property
    def is_open(self) -> bool:
        """Whether messages can flow as far as this end knows."""
        return self._open

    def join(self, far: MemoryConnection) -> None:
        """Make `far` the other end."""
        self._far = far

    def send(self, data: bytes) -> None:
        """Send one SIP message without waiting."""
        if self._open:
            self._network.deliver_in_order(self, partial(self._far.arrive, data))

    async def close(self, reason: str = "") -> None:
        """End the connection."""
        self.abort(reason)

    def abort(self, reason: str = "") -> None:
        """End the connection."""
        if self._open:
            self.ended(FlowEnd(EndedBy.LOCAL, reason or "closed"))
            end = FlowEnd(EndedBy.PEER, reason or "the connection was closed")
            self._network.deliver_in_order(self, partial(self._far.ended, end))

    def drop(self, reason: str = "no answer to a keep-alive") -> None:
        """End this side of the connection as a failure of the network; the other end is not told."""
        self.ended(FlowEnd(EndedBy.NETWORK, reason))

    def keep_alive(self, how: KeepAlive | None) -> None:
        """Ask the far end from time to time from now on; without an answer this end is dropped."""
        self._how = how
        self._disarm()
        if how is not None and self._open:
            self._timer = self._loop.call_later(how.every, self._ask, how)

    def ping(self) -> None:
        """Take a keep-alive, and answer it."""
        if self._open:
            self._network.deliver_in_order(self, self._far.pong)

    def pong(self) -> None:
        """Take the answer to a keep-alive."""
        self.keep_alive(self._how)

    def _ask(self, how: KeepAlive) -> None:
        self._timer = self._loop.call_later(how.answer_within, self.drop)
        self._network.deliver_in_order(self, self._far.ping)

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def arrive(self, data: bytes) -> None:
        """Take a message that the network carried here."""
        if self._open:
            self._handler.received(self.flow, data)

    def ended(self, end: FlowEnd) -> None:
        """Take the end of the connection; only the first one counts."""
        if self._open:
            self._open = False
            self._disarm()
            self._handler.closed(self.flow, end)


class MemorySocket:
    """A datagram socket in memory; a `DatagramPort`."""

    def __init__(self, network: MemoryNetwork, address: Address, handler: FlowHandler) -> None:
        self.address = address
        """The host and port it is bound to."""
        self._network = network
        self._handler = handler

    def send(self, data: bytes, flow: Flow) -> None:
        """Send one SIP message to the flow's remote address."""
        self._network.deliver_datagram(Flow("UDP", self.address, flow.remote), data)

    async def close(self) -> None:
        """Close the socket."""
        self.abort()

    def abort(self) -> None:
        """Close the socket without a wait."""
        self._network.unbind(self.address)

    def arrive(self, flow: Flow, data: bytes) -> None:
        """Take a datagram that the network carried here."""
        self._handler.received(flow, data)
