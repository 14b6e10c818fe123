"""Shell between connections and an endpoint.

    connections --received, closed--> Driver --receive, flow_closed--> Endpoint
    connections <------send---------- Driver <--to_send, next_event--- Endpoint

The endpoint has no clock, no socket and no source of chance; all three are here. Every way in ends in `pump`, which
sends what is to be sent, hands every event on, and re-arms the one timer. Code that calls a method of the endpoint by
itself calls `pump` afterwards.
"""

from __future__ import annotations

import asyncio
import logging
import os
import re
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, ParamSpec, Protocol, TypeAlias

from wic.option_checks import NumericOptions
from wic.sip.flow import Flow
from wic.sip.line_limit import LineLimit
from wic.sip.trace import Direction
from wic.transport.alarms import alarms
from wic.transport.base import EndedBy, FlowEnd
from wic.transport.connection_pool import ConnectionPool
from wic.transport.stream import StreamOptions

if TYPE_CHECKING:
    import ssl

    from wic.sip.events import Event, Transmit
    from wic.transport.alarms import Alarm
    from wic.transport.base import Connection, DatagramPort

_log = logging.getLogger(__name__)

# RFC 3261 §18.1.1: where the path MTU is not known, a longer request goes over TCP.
_LARGEST_DATAGRAM_REQUEST = 1300
_TOP_VIA = re.compile(rb"^(?:Via|v)[ \t]*:[ \t]*SIP[ \t]*/[ \t]*2\.0[ \t]*/[ \t]*(UDP)", re.IGNORECASE | re.MULTILINE)

_STREAMS = ("TCP", "TLS")

# Seconds for which a machine whose timer failed is not called again: what it did not get done is still due.
_PAUSE_AFTER_FAILURE = 1.0

_P = ParamSpec("_P")

MessageObserver: TypeAlias = Callable[[float, Direction, bytes, Flow], None]
"""Called with the time, the direction, the message as it is on the wire, and its flow."""


class TimerSource(Protocol):
    """Object with a deadline, such as a registration or a call."""

    def next_timeout(self) -> float | None:
        """Return the time at which `handle_timeout` has to be called, or None."""
        ...

    def handle_timeout(self, *, now: float) -> None:
        """Do what is due."""
        ...


class Machine(TimerSource, Protocol):
    """Endpoint as its driver sees it; `wic.sip.endpoint.Endpoint` is one."""

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
        """Return the next event, if there is one."""
        ...


class SystemRandomSource:
    """Random source of a running program: branches, tags and Call-IDs that cannot be guessed (RFC 3261 §19.3)."""

    __slots__ = ()

    @staticmethod
    def hex(octets: int) -> str:
        """Return that many random octets as hexadecimal digits."""
        return os.urandom(octets).hex()  # `secrets.token_hex` reads the same source, three functions further down


@dataclass(frozen=True, kw_only=True, slots=True)
class DriverOptions(NumericOptions):
    """Options for sending."""

    ssl_context: ssl.SSLContext | None = None
    """For TLS connections that are dialled; None refuses them."""
    stream: StreamOptions = field(default_factory=StreamOptions)
    """For TCP and TLS connections that are dialled."""
    queue_limit: int = 1 << 20
    """Octets that may wait for one connection to open."""


_DEFAULT_OPTIONS: Final = DriverOptions()


@dataclass(frozen=True, slots=True)
class DriverCounters:
    """Counters of a driver, at one moment."""

    received: int
    """Messages handed to the endpoint."""
    sent: int
    """Messages handed to a connection."""
    undeliverable: int
    """Messages for which there was no flow."""
    failures: int
    """Exceptions out of the endpoint, an event handler, a timer source or an observer."""


class Driver:
    """Shell of one endpoint, between it and its flows; a `FlowHandler`.

    Everything happens in the event loop's thread. An exception out of a handler is logged and counted,
    and touches nothing else. `pump` inside `pump` returns at once: the outer one goes on until nothing is left.
    """

    __slots__ = (
        "_clock", "_closed", "_closing", "_connections", "_deadline", "_endpoint", "_failures", "_not_before",
        "_observers", "_options", "_pool", "_pumping", "_received", "_sent", "_sockets", "_sources", "_timer",
        "_undelivered", "_unsent", "on_event",
    )  # fmt: skip

    def __init__(
        self,
        endpoint: Machine,
        *,
        on_event: Callable[[Event], None],
        timer_sources: Iterable[TimerSource] = (),
        clock: Callable[[], float] | None = None,
        options: DriverOptions | None = None,
    ) -> None:
        """Drive `endpoint`.

        Args:
            endpoint: the machine.
            on_event: called with each of its events, in order.
            timer_sources: called when their time has come; they have no deadline yet.
            clock: seconds from any epoch; None takes the event loop's.
            options: how to send.
        """
        self._endpoint = endpoint
        self.on_event = on_event
        """Handler of the endpoint's events; another one may take over while the driver runs."""
        self._clock = clock or asyncio.get_running_loop().time
        self._connections: dict[Flow, Connection] = {}
        self._sockets: dict[tuple[str, int], DatagramPort] = {}
        self._options = options or _DEFAULT_OPTIONS
        self._pool: ConnectionPool | None = None  # a client whose only flow is a WebSocket never has one
        self._sources = list(timer_sources)
        self._observers: list[MessageObserver] = []
        self._timer: Alarm | None = None
        self._deadline = 0.0
        self._not_before = 0.0
        self._pumping = False
        self._closing = False
        self._closed = False
        self._received = self._sent = self._undelivered = self._failures = 0
        self._unsent = LineLimit()

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
        """Counters of the messages up to now."""
        return DriverCounters(self._received, self._sent, self._undelivered, self._failures)

    # plugged in

    def attach_socket(self, socket: DatagramPort) -> None:
        """Send by this UDP socket; the first one also takes flows that name no local address."""
        self._sockets[socket.address] = socket

    def add_timer_source(self, source: TimerSource) -> None:
        """Call `source` when its time has come, until it is removed."""
        self._sources.append(source)
        if source.next_timeout() is not None:
            self._rearm()

    def remove_timer_source(self, source: TimerSource) -> None:
        """Call `source` no more; one that was never added is ignored."""
        self._sources = [other for other in self._sources if other is not source]

    def add_observer(self, observer: MessageObserver) -> None:
        """Show every message to `observer` as it passes, for traces and captures."""
        self._observers.append(observer)

    # from the flows (FlowHandler)

    def opened(self, connection: Connection) -> None:
        """Send by this connection the messages of its flow."""
        flow = connection.flow
        self._connections[flow] = connection
        if flow.transport in _STREAMS:
            # RFC 3261 §18.2.2, RFC 5923: requests to that address use the connection that the peer has opened.
            self._streams.opened(connection)

    def received(self, flow: Flow, data: bytes) -> None:
        """Hand a message to the endpoint."""
        self._note(Direction.RECEIVED, data, flow)
        self._guard("a message", self._endpoint.receive, data, flow, now=self._clock())
        self.pump()

    def closed(self, flow: Flow, end: FlowEnd) -> None:
        """Tell the endpoint that a flow is gone, with every flow that was tied to it."""
        self._connections.pop(flow, None)
        tied = () if self._pool is None else self._pool.closed(flow)  # RFC 3261 §18.4
        for gone in (flow, *tied):
            self._flow_failed(gone, str(end))

    # from the endpoint

    def pump(self) -> None:
        """Send what is to be sent, hand every event on, and re-arm the timer.

        All that is to be sent goes out before the next event is handed on: what a handler does comes after what the
        endpoint did by itself, on the wire too.
        """
        if self._pumping or self._closed:
            return
        self._pumping = True
        try:
            while True:
                sent = False
                for transmit in self._endpoint.to_send():
                    self._send(transmit.flow, transmit.data)
                    sent = True
                if sent:
                    continue  # a connection that failed meanwhile has given the endpoint more to say
                event = self._endpoint.next_event()
                if event is None:
                    break
                self._guard(type(event).__name__, self.on_event, event)
        finally:
            self._pumping = False
        self._rearm()

    async def close(self, reason: str = "") -> None:
        """End every connection, tell the endpoint so, and stop driving; nothing is sent any more."""
        self._closing = True  # the endpoint may still answer what it learns here, to no avail
        try:
            for socket in self._sockets.values():
                await self._end(socket.close)
            if self._pool is not None:
                await self._pool.close()
            closing = [self._end(connection.close, reason) for connection in self.connections]
            await asyncio.gather(*closing, return_exceptions=True)
        except asyncio.CancelledError:  # the caller does not wait: all ends at once
            # The calls of those that were not reached only begin to close, for there is no wait any more.
            for socket in self._sockets.values():
                self._guard("the end of a socket", socket.abort)
            for connection in self.connections:
                self._guard("the end of a connection", connection.abort, reason)
            raise
        finally:
            self._closed = True
            self._disarm()

    @staticmethod
    async def _end(close: Callable[_P, Awaitable[None]], *args: _P.args, **kwargs: _P.kwargs) -> None:
        try:
            await close(*args, **kwargs)
        except Exception:  # noqa: BLE001 - a connection may be foreign code: it must not keep the others open
            _log.exception("Closing failed")

    # sending

    @property
    def _streams(self) -> ConnectionPool:
        """The TCP and TLS connections that can be used again, and those in the making."""
        if self._pool is None:
            chosen = self._options
            self._pool = ConnectionPool(
                self,
                ssl_context=chosen.ssl_context,
                options=chosen.stream,
                queue_limit=chosen.queue_limit,
                batch=self._in_one,
            )
        return self._pool

    def _send(self, flow: Flow, data: bytes) -> None:
        """Hand a message to the connection of its flow; a flow without `id` takes any connection to its remote."""
        connection = self._connections.get(flow)
        if self._closing:
            self._undeliverable(flow, "this side shuts down")
        elif connection is not None:
            self._note(Direction.SENT, data, flow)
            if not self._guard("sending", connection.send, data):  # a connection may be foreign code
                self._guard("the end of a connection", connection.abort, "it cannot send")
                if flow in self._connections:  # else that has told of its end
                    self.closed(flow, FlowEnd(EndedBy.LOCAL, "it cannot send"))
        elif flow.transport == "UDP":
            self._send_by_udp(flow, data)
        elif flow.transport in _STREAMS and not flow.id:  # RFC 3261 §18.1.1: dialled, unless there is one
            self._note(Direction.SENT, data, flow)
            self._streams.send(flow, data, self._undeliverable)
        else:
            self._undeliverable(flow, "the connection is gone")  # RFC 5626 §5.3: another flow will not do

    def _send_by_udp(self, flow: Flow, data: bytes) -> None:
        if len(data) <= _LARGEST_DATAGRAM_REQUEST or data.startswith(b"SIP/2.0 "):  # responses go back as they came
            self._send_datagram(flow, data)
            return
        # RFC 3261 §18.1.1: a long request goes over TCP, its Via says which transport it took in the end, and UDP is
        # tried after all if the remote does not take TCP.
        stream = Flow("TCP", (flow.local[0], 0), flow.remote)
        top = _TOP_VIA.search(data)
        long = data if top is None else data[: top.start(1)] + b"TCP" + data[top.end(1) :]
        self._note(Direction.SENT, long, stream)
        self._streams.send(stream, long, lambda *_: self._send_datagram(flow, data))

    def _send_datagram(self, flow: Flow, data: bytes) -> None:
        socket = self._sockets.get(flow.local) or next(iter(self._sockets.values()), None)
        if socket is None:
            self._undeliverable(flow, "there is no UDP socket")
        else:
            self._note(Direction.SENT, data, flow)
            socket.send(data, flow)

    def _undeliverable(self, flow: Flow, reason: str) -> None:
        """Count and log a message that is not sent, and tell the endpoint, whose transaction need not wait for its timer."""
        self._undelivered += 1
        if (others := self._unsent.admit(now=self.now)) is not None:
            _log.info("did not send a message over %s%s: %s", flow, others, reason)
        self._flow_failed(flow, reason)

    def _in_one(self, action: Callable[[], None]) -> None:
        """Run `action` as one step: what it sends and what fails is acted on afterwards."""
        pumping, self._pumping = self._pumping, True
        try:
            action()
        finally:
            self._pumping = pumping
        self.pump()

    def _flow_failed(self, flow: Flow, reason: str) -> None:
        self._guard("the end of a flow", self._endpoint.flow_closed, flow, reason, now=self.now)
        self.pump()

    # handlers and observers

    def _note(self, direction: Direction, data: bytes, flow: Flow) -> None:
        """Count a message, and show it to the observers."""
        if direction is Direction.SENT:
            self._sent += 1
        else:
            self._received += 1
        for observer in self._observers:
            self._guard("an observed message", observer, self.now, direction, data, flow)

    def _guard(self, what: str, action: Callable[_P, None], *args: _P.args, **kwargs: _P.kwargs) -> bool:
        """Run `action`, and log what it raises; return whether it succeeded."""
        try:
            action(*args, **kwargs)
        except Exception:  # noqa: BLE001 - the outermost frame: one faulty call must not end the others
            self._failures += 1
            _log.exception("Handling failed: %s", what)
            return False
        return True

    # the timer

    def _rearm(self) -> None:
        if self._closed or self._pumping:
            return
        deadlines = [due for source in (self._endpoint, *self._sources) if (due := source.next_timeout()) is not None]
        if not deadlines:
            self._disarm()
            return
        deadline = max(min(deadlines), self._not_before)
        # Deadlines mostly move away, as answers come and timers are cancelled. A timer that fires too early only looks
        # again, which is cheaper than re-arming it each time.
        if self._timer is None or deadline < self._deadline:
            self._disarm()
            self._deadline = deadline
            self._timer = alarms().call_later(max(0.0, deadline - self._clock()), self._time_passed)

    def _time_passed(self, _: float) -> None:
        self._timer = None
        for source in (self._endpoint, *self._sources):
            now = self.now  # anew for each: the one before may have taken long
            due = source.next_timeout()
            if due is None or due > now:
                continue
            if not self._guard(f"a timeout of {type(source).__name__}", source.handle_timeout, now=now):
                self._not_before = now + _PAUSE_AFTER_FAILURE
        self.pump()

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
