"""TCP and TLS connections by their remote address: found again, or dialled when there is something to send."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from wic.errors import TransportError
from wic.transport.stream import StreamOptions, connect_tcp

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable

    from wic.sip.flow import Flow
    from wic.transport.base import Connection, FlowHandler

    Failed = Callable[[Flow, str], None]
    Remote = tuple[str, tuple[str, int]]


@dataclass(slots=True)
class _Dial:
    """A connection in the making, and what waits for it."""

    task: asyncio.Task[None]
    waiting: list[tuple[Flow, bytes, Failed]] = field(default_factory=list)
    octets: int = 0


class ConnectionPool:
    """Connections by remote address, found or dialled (RFC 3261 §18.1.1).

    A flow without an `id` means "any connection to that remote"; it stays tied to the connection that
    was found for it, and fails with it.
    """

    __slots__ = ("_batch", "_dials", "_handler", "_open", "_options", "_queue_limit", "_ssl_context", "_tied")

    def __init__(
        self,
        handler: FlowHandler,
        *,
        ssl_context: ssl.SSLContext | None,
        options: StreamOptions,
        queue_limit: int,
        batch: Callable[[Callable[[], None]], None],
    ) -> None:
        """Prepare to dial.

        Args:
            handler: told about the flows that open.
            ssl_context: for TLS connections; None refuses them.
            options: for each connection.
            queue_limit: octets that may wait for one connection to open.
            batch: calls its argument, and holds the events that come of it back until it has returned: a request that
                follows a failure may be for the same flow, and must not fail with it.
        """
        self._batch = batch
        self._handler = handler
        self._ssl_context = ssl_context
        self._options = options
        self._queue_limit = queue_limit
        self._open: dict[Remote, Connection] = {}
        self._tied: dict[Flow, set[Flow]] = {}
        self._dials: dict[Remote, _Dial] = {}

    def opened(self, connection: Connection) -> None:
        """Learn of a connection that can be used again (RFC 3261 §18.2.2)."""
        # The first one stays: requests go on over the connection that answers are expected from.
        self._open.setdefault(_remote(connection.flow), connection)

    def closed(self, flow: Flow) -> set[Flow]:
        """Forget a connection, and return the flows without `id` that were tied to it."""
        remote = _remote(flow)
        if remote in self._open and self._open[remote].flow == flow:  # the peer may have opened a second one
            del self._open[remote]
        return self._tied.pop(flow, set())

    def send(self, flow: Flow, data: bytes, failed: Failed) -> None:
        """Send by the connection to the flow's remote address, once there is one.

        Args:
            flow: a TCP or TLS flow without `id`.
            data: the message.
            failed: called with the flow and the reason if there cannot be a connection.
        """
        remote = _remote(flow)
        if remote in self._open:
            self._send(self._open[remote], flow, data)
        elif flow.transport == "TLS" and self._ssl_context is None:  # RFC 3261 §26.2.2: never by TCP instead
            failed(flow, "TLS is not configured for outgoing connections")
        else:
            self._wait(remote, flow, data, failed)

    async def close(self) -> None:
        """Give up every connection in the making."""
        tasks = [dial.task for dial in self._dials.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._open.clear()
        for remote in tuple(self._dials):
            self._batch(partial(self._finish, remote, remote, "this side shuts down"))

    def _wait(self, remote: Remote, flow: Flow, data: bytes, failed: Failed) -> None:
        dial = self._dials.get(remote)
        if dial is None:
            dial = self._dials[remote] = _Dial(asyncio.create_task(self._dial(remote), name=f"dial {flow}"))
        dial.octets += len(data)
        dial.waiting.append((flow, data, failed))
        # What waits is bounded, for the remote may never answer, and the deadline of a dial is seconds away. With one
        # message all of a flow fail, so none of them may go out later, as the call of a caller that has given it up would.
        if dial.octets > self._queue_limit:
            dial.task.cancel()
            self._finish(remote, remote, f"more than {self._queue_limit} bytes wait for the connection to open")

    async def _dial(self, remote: Remote) -> None:
        transport, (host, port) = remote
        context = self._ssl_context if transport == "TLS" else None
        opened, reason = remote, "the connection ended before this could be sent"
        try:
            connection = await connect_tcp(
                host, port, handler=self._handler, ssl_context=context, options=self._options
            )
            opened = _remote(connection.flow)
        except TransportError as error:
            reason = str(error)
        self._batch(partial(self._finish, remote, opened, reason))

    def _finish(self, remote: Remote, opened: Remote, reason: str) -> None:
        """Send what has waited for a dial, in its order, as long as there is a connection; the rest has failed."""
        for flow, data, failed in self._dials.pop(remote).waiting:
            if opened in self._open:  # anew each time: what is sent may be more than the peer takes, and end it
                self._send(self._open[opened], flow, data)
            else:
                failed(flow, reason)

    def _send(self, connection: Connection, flow: Flow, data: bytes) -> None:
        # When the connection ends, transactions over `flow` have to learn of it (RFC 3261 §18.4).
        self._tied.setdefault(connection.flow, set()).add(flow)
        connection.send(data)


def _remote(flow: Flow) -> Remote:
    return flow.transport, flow.remote
