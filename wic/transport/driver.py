"""The one shell between connections and an endpoint.

    connections --received, closed--> Driver --receive, flow_closed--> Endpoint
    connections <------send---------- Driver <--to_send, next_event--- Endpoint

Whoever calls a method of the endpoint calls `pump` afterwards: it sends what is to be sent, hands every
event on, and re-arms the one timer.
"""

from __future__ import annotations

import asyncio
import logging
import re
import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, ParamSpec, Protocol, TypeAlias

from wic.sip.flow import Flow
from wic.sip.trace import Direction
from wic.transport.alarms import alarms
from wic.transport.outbound import Outbound
from wic.transport.stream import StreamOptions

if TYPE_CHECKING:
    import ssl

    from wic.sip.events import Event, Transmit
    from wic.transport.alarms import Alarm
    from wic.transport.base import Connection, DatagramPort, FlowEnd

_log = logging.getLogger(__name__)

# RFC 3261 §18.1.1: where the path MTU is not known, a longer request goes over TCP.
_LARGEST_DATAGRAM_REQUEST = 1300
_TOP_VIA = re.compile(rb"^(?:Via|v)[ \t]*:[ \t]*SIP[ \t]*/[ \t]*2\.0[ \t]*/[ \t]*(UDP)", re.IGNORECASE | re.MULTILINE)

# Seconds for which a machine that failed is not asked again for what it did not get done.
_PAUSE_AFTER_FAILURE = 1.0


_Parameters = ParamSpec("_Parameters")


MessageObserver: TypeAlias = Callable[[float, Direction, bytes, Flow], None]
"""Called with the time, the direction, the message as it is on the wire, and its flow."""


class TimerSource(Protocol):
    """Anything with a deadline, such as a registration or a call."""

    def next_timeout(self) -> float | None:
        """Return when `handle_timeout` wants to be called, or None."""
        ...

    def handle_timeout(self, *, now: float) -> None:
        """Do what is due."""
        ...


class Machine(TimerSource, Protocol):
    """What the driver needs of an endpoint; `wic.sip.endpoint.Endpoint` is one."""

    def receive(self, data: bytes, flow: Flow, *, now: float) -> None:
        """Take one SIP message."""
        ...

    def flow_closed(self, flow: Flow, reason: str, *, now: float) -> None:
        """Learn that a flow is gone."""
        ...

    def to_send(self) -> Iterable[Transmit]:
        """Return what must be sent, once."""
        ...

    def next_event(self) -> Event | None:
        """Return the next thing that happened, if any."""
        ...


class SystemRandomSource:
    """Random source of a running program: branches, tags and Call-IDs that cannot be guessed (RFC 3261 §19.3)."""

    __slots__ = ()

    hex = staticmethod(secrets.token_hex)
    """Return that many random octets as hexadecimal digits."""


@dataclass(frozen=True, kw_only=True, slots=True)
class DriverOptions:
    """How a driver sends."""

    ssl_context: ssl.SSLContext | None = None
    """For TLS connections that are dialled; None refuses them."""
    stream: StreamOptions = field(default_factory=StreamOptions)
    """For TCP and TLS connections that are dialled."""
    queue_limit: int = 1 << 20
    """Octets that may wait for one connection to open."""


_DEFAULT_OPTIONS: Final = DriverOptions()


@dataclass(frozen=True, slots=True)
class DriverCounters:
    """A snapshot of what went through a driver."""

    received: int
    """Messages handed to the endpoint."""
    sent: int
    """Messages handed to a connection."""
    undeliverable: int
    """Messages for which there was no flow."""
    failures: int
    """Exceptions out of the endpoint, an event handler, a timer source or an observer."""


class Driver:
    """Feeds an endpoint from its flows, and the flows from the endpoint; a `FlowHandler`.

    Everything happens in the event loop's thread. What goes wrong in a handler is logged and counted,
    and touches nothing else.
    """

    __slots__ = (
        "_alarms",
        "_clock",
        "_closed",
        "_closing",
        "_connections",
        "_deadline",
        "_endpoint",
        "_failures",
        "_not_before",
        "_observers",
        "_outbound",
        "_pumping",
        "_received",
        "_sent",
        "_sockets",
        "_sources",
        "_timer",
        "_undelivered",
        "on_event",
    )

    def __init__(
        self,
        endpoint: Machine,
        *,
        on_event: Callable[[Event], None],
        clock: Callable[[], float] | None = None,
        options: DriverOptions | None = None,
    ) -> None:
        """Drive `endpoint`.

        Args:
            endpoint: the machine.
            on_event: called with each of its events, in order.
            clock: seconds from any epoch; None takes the event loop's.
            options: how to send.
        """
        chosen = options or _DEFAULT_OPTIONS
        self._endpoint = endpoint
        self.on_event = on_event
        """Handler of the endpoint's events; another one may take over while the driver runs."""
        self._alarms = alarms()
        self._clock = clock or asyncio.get_running_loop().time
        self._connections: dict[Flow, Connection] = {}
        self._sockets: dict[tuple[str, int], DatagramPort] = {}
        self._outbound = Outbound(
            self, ssl_context=chosen.ssl_context, options=chosen.stream, queue_limit=chosen.queue_limit
        )
        self._sources: list[TimerSource] = []
        self._observers: list[MessageObserver] = []
        self._timer: Alarm | None = None
        self._deadline = 0.0
        self._not_before = 0.0
        self._pumping = False
        self._closing = False
        self._closed = False
        self._received = self._sent = self._undelivered = self._failures = 0

    @property
    def now(self) -> float:
        """The time by the driver's clock, to be handed to the endpoint."""
        return self._clock()

    @property
    def connections(self) -> tuple[Connection, ...]:
        """Every open connection."""
        return tuple(self._connections.values())

    def connection(self, flow: Flow) -> Connection | None:
        """Return the connection of a flow, if it is open."""
        return self._connections.get(flow)

    @property
    def counters(self) -> DriverCounters:
        """What went through so far."""
        return DriverCounters(self._received, self._sent, self._undelivered, self._failures)

    # What is plugged in.

    def attach(self, connection: Connection) -> None:
        """Send by this connection what belongs to its flow."""
        self._connections[connection.flow] = connection
        if connection.flow.transport in ("TCP", "TLS"):
            self._outbound.opened(connection)

    def attach_socket(self, socket: DatagramPort) -> None:
        """Send by this UDP socket; the first one also takes flows that name no local address."""
        self._sockets[socket.address] = socket

    def add_timer_source(self, source: TimerSource) -> None:
        """Call `source` when its time has come, until it is removed."""
        self._sources.append(source)
        self._rearm()

    def remove_timer_source(self, source: TimerSource) -> None:
        """Call `source` no more; one that was never added is ignored."""
        self._sources = [other for other in self._sources if other is not source]

    def add_observer(self, observer: MessageObserver) -> None:
        """Show every message to `observer` as it passes, for traces and captures."""
        self._observers.append(observer)

    # What flows say (FlowHandler).

    def opened(self, connection: Connection) -> None:
        """Attach a connection that opened."""
        self.attach(connection)

    def received(self, flow: Flow, data: bytes) -> None:
        """Hand a message to the endpoint."""
        self._received += 1
        self._observe(Direction.RECEIVED, data, flow)
        self._guard("a message", self._endpoint.receive, data, flow, now=self.now)
        self.pump()

    def closed(self, flow: Flow, end: FlowEnd) -> None:
        """Tell the endpoint that a flow is gone, with every flow that was tied to it."""
        self._connections.pop(flow, None)
        for gone in (flow, *self._outbound.closed(flow)):
            self._flow_failed(gone, str(end))

    # What the endpoint says.

    def pump(self) -> None:
        """Send what is to be sent, hand every event on, and re-arm the timer."""
        if self._pumping or self._closed:
            return
        self._pumping = True
        try:
            while self._transmit() or self._deliver():
                continue
        finally:
            self._pumping = False
        self._rearm()

    async def close(self, reason: str = "") -> None:
        """End every connection, tell the endpoint so, and stop driving; nothing is sent any more."""
        self._closing = True
        await self._outbound.close()
        await asyncio.gather(*(connection.close(reason) for connection in self.connections))
        await asyncio.gather(*(socket.close() for socket in self._sockets.values()))
        self._closed = True
        self._disarm()

    # Inside: sending.

    def _transmit(self) -> bool:
        sent = False
        for transmit in self._endpoint.to_send():
            self._send(transmit.flow, transmit.data)
            sent = True
        return sent

    def _send(self, flow: Flow, data: bytes) -> None:
        connection = self._connections.get(flow)
        if self._closing:
            self._undeliverable(flow, "this side shuts down")
        elif connection is not None:
            self._sending(data, flow)
            connection.send(data)
        elif flow.transport == "UDP":
            self._send_by_udp(flow, data)
        elif flow.transport in ("TCP", "TLS") and not flow.id:
            self._sending(data, flow)
            self._outbound.send(flow, data, self._undeliverable)
        else:
            self._undeliverable(flow, "the connection is gone")

    def _send_by_udp(self, flow: Flow, data: bytes) -> None:
        if len(data) <= _LARGEST_DATAGRAM_REQUEST or data.startswith(b"SIP/2.0 "):
            self._send_datagram(flow, data)
            return
        # RFC 3261 §18.1.1: the Via must say which transport the request took in the end, and UDP is
        # tried after all if nobody takes TCP.
        stream = Flow("TCP", (flow.local[0], 0), flow.remote)
        self._sending(long := _via_tcp(data), stream)
        self._outbound.send(stream, long, lambda *_: self._send_datagram(flow, data))

    def _send_datagram(self, flow: Flow, data: bytes) -> None:
        socket = self._sockets.get(flow.local) or next(iter(self._sockets.values()), None)
        if socket is None:
            self._undeliverable(flow, "there is no UDP socket")
        else:
            self._sending(data, flow)
            socket.send(data, flow)

    def _sending(self, data: bytes, flow: Flow) -> None:
        self._sent += 1
        self._observe(Direction.SENT, data, flow)

    def _undeliverable(self, flow: Flow, reason: str) -> None:
        self._undelivered += 1
        self._flow_failed(flow, reason)

    def _flow_failed(self, flow: Flow, reason: str) -> None:
        self._guard("the end of a flow", self._endpoint.flow_closed, flow, reason, now=self.now)
        self.pump()

    # Inside: events.

    def _deliver(self) -> bool:
        event = self._endpoint.next_event()
        if event is None:
            return False
        self._guard(type(event).__name__, self.on_event, event)
        return True

    def _observe(self, direction: Direction, data: bytes, flow: Flow) -> None:
        for observer in self._observers:
            self._guard("an observed message", observer, self.now, direction, data, flow)

    def _guard(
        self,
        what: str,
        action: Callable[_Parameters, None],
        *args: _Parameters.args,
        **kwargs: _Parameters.kwargs,
    ) -> bool:
        """Run `action`, and keep the loop alive whatever comes out of it."""
        try:
            action(*args, **kwargs)
        except Exception:  # noqa: BLE001 - the outermost frame: one faulty call must not end the others
            self._failures += 1
            _log.exception("Handling failed: %s", what)
            return False
        return True

    # Inside: the timer.

    def _rearm(self) -> None:
        if self._closed or self._pumping:
            return
        deadlines = [due for source in (self._endpoint, *self._sources) if (due := source.next_timeout()) is not None]
        if not deadlines:
            self._disarm()
            return
        deadline = max(min(deadlines), self._not_before)
        # A timer that fires too early only looks again, which is cheaper than re-arming it each time.
        if self._timer is None or deadline < self._deadline:
            self._disarm()
            self._deadline = deadline
            self._timer = self._alarms.call_later(max(0.0, deadline - self.now), self._time_passed)

    def _time_passed(self, _: float) -> None:
        self._timer = None
        for source in (self._endpoint, *self._sources):
            self._wake(source)
        self.pump()

    def _wake(self, source: TimerSource) -> None:
        now = self.now
        due = source.next_timeout()
        if due is None or due > now:
            return
        if not self._guard(f"a timeout of {type(source).__name__}", source.handle_timeout, now=now):
            self._not_before = now + _PAUSE_AFTER_FAILURE

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def _via_tcp(data: bytes) -> bytes:
    """Let the top Via of a request name TCP instead of UDP."""
    found = _TOP_VIA.search(data)
    return data if found is None else data[: found.start(1)] + b"TCP" + data[found.end(1) :]
