from __future__ import annotations

import asyncio
import logging
from itertools import count

import pytest

from wic.errors import ConfigurationError
from wic.sip.endpoint import Endpoint, EndpointOptions
from wic.sip.events import FlowClosed, RequestReceived, ResponseReceived, TransactionTimedOut, Transmit, TransportFailed
from wic.sip.flow import Flow
from wic.sip.message import Request
from wic.sip.random_source import CountingSource
from wic.transport.base import EndedBy, FlowEnd
from wic.transport.datagram import open_udp
from wic.transport.driver import Direction, Driver, DriverOptions, SystemRandomSource
from wic.transport.memory import MemoryNetwork, Path
from wic.transport.stream import StreamOptions, connect_tcp, serve_tcp
from wic.transport.websocket import WebSocketOptions, connect_websocket, serve_websocket

LEFT, RIGHT = ("10.0.0.1", 5060), ("10.0.0.2", 5060)


CALL_IDS = count(1)


def options_request(body: bytes = b"") -> Request:
    headers = [
        ("From", "<sip:alice@ims.example>;tag=a"),
        ("To", "<sip:bob@ims.example>"),
        ("Call-ID", f"call-{next(CALL_IDS)}"),
        ("CSeq", "1 OPTIONS"),
    ]
    return Request.build("OPTIONS", "sip:bob@ims.example", headers=headers, body=body)


class Peer:
    """A driver with an endpoint that answers every request with 200 and keeps every event."""

    def __init__(self, prefix: str, **options) -> None:
        self.events: asyncio.Queue = asyncio.Queue()
        self.endpoint = Endpoint(random_source=CountingSource(prefix), options=EndpointOptions())
        self.driver = Driver(self.endpoint, on_event=self.on_event, options=DriverOptions(**options))

    def on_event(self, event) -> None:
        self.events.put_nowait(event)
        if isinstance(event, RequestReceived):
            self.endpoint.reply(event.transaction, 200, now=self.driver.now)
            self.driver.pump()

    def ask(self, flow: Flow, body: bytes = b"") -> None:
        self.endpoint.send_request(options_request(body), flow, now=self.driver.now)
        self.driver.pump()

    async def next(self, kind):
        while not isinstance(event := await self.events.get(), kind):
            pass
        return event


class FakeMachine:
    """An endpoint that does what a test tells it."""

    def __init__(self) -> None:
        self.outgoing: list[Transmit] = []
        self.events: list = []
        self.due: float | None = None
        self.closed: list[tuple[Flow, str]] = []
        self.received: list[bytes] = []
        self.timeouts = 0
        self.raises: Exception | None = None

    def receive(self, data, flow, *, now):
        self.received.append(data)
        if self.raises:
            raise self.raises

    def flow_closed(self, flow, reason, *, now):
        self.closed.append((flow, reason))

    def handle_timeout(self, *, now):
        self.timeouts += 1
        if self.raises:
            raise self.raises
        self.due = None

    def to_send(self):
        outgoing, self.outgoing = self.outgoing, []
        return outgoing

    def next_event(self):
        return self.events.pop(0) if self.events else None

    def next_timeout(self):
        return self.due


class FakeConnection:
    def __init__(self, flow: Flow) -> None:
        self.flow = flow
        self.sent: list[bytes] = []

    def send(self, data: bytes) -> None:
        self.sent.append(data)

    async def close(self, reason: str = "") -> None:
        self.sent.append(b"closed")


async def one_port(driver: Driver):
    """A UDP socket and a TCP listener at the same port."""
    while True:
        socket = await open_udp("127.0.0.1", 0, handler=driver)
        try:
            return socket, await serve_tcp(*socket.address, handler=driver)
        except ConfigurationError:
            await socket.close()


@pytest.mark.virtual_time
async def test_a_request_is_answered_over_a_connection():
    left, right = Peer("l"), Peer("r")
    near, _ = MemoryNetwork(path=Path(delay=0.1)).connect(left.driver, right.driver)
    left.ask(near.flow)
    assert (await left.next(ResponseReceived)).response.status == 200
    assert left.driver.counters.sent == right.driver.counters.received == 1


@pytest.mark.virtual_time
async def test_timers_of_the_endpoint_are_kept_over_a_lossy_network():
    left, right = Peer("l"), Peer("r")
    network = MemoryNetwork(seed=3, path=Path(delay=0.05, loss=0.5, jitter=0.2, duplication=0.2))
    left.driver.attach_socket(network.bind(LEFT, left.driver))
    right.driver.attach_socket(network.bind(RIGHT, right.driver))
    for _ in range(20):
        left.ask(Flow("UDP", LEFT, RIGHT))
        assert (await left.next((ResponseReceived, TransactionTimedOut))).response.status == 200
    assert left.driver.counters.sent > 20


@pytest.mark.virtual_time
async def test_without_an_answer_timer_f_ends_the_request():
    left = Peer("l")
    left.driver.attach_socket(MemoryNetwork().bind(LEFT, left.driver))
    began = left.driver.now
    left.ask(Flow("UDP", LEFT, RIGHT))
    await left.next(TransactionTimedOut)
    assert 32.0 <= left.driver.now - began < 32.1
    await left.driver.close()


@pytest.mark.virtual_time
async def test_a_flow_that_ends_fails_its_transactions():
    left, right = Peer("l"), Peer("r")
    network = MemoryNetwork(path=Path(delay=1.0))
    near, far = network.connect(left.driver, right.driver)
    left.ask(near.flow)
    far.abort("going away")
    assert "going away" in (await left.next(TransportFailed)).reason
    assert (await left.next(FlowClosed)).flow == near.flow
    left.ask(near.flow)
    assert "gone" in (await left.next(TransportFailed)).reason
    assert left.driver.counters.undeliverable == 1
    assert left.driver.connections == ()


@pytest.mark.parametrize("secure", [False, True])
async def test_connections_are_dialled_and_used_again(server_tls, client_tls, secure):
    left, right = Peer("l", ssl_context=client_tls), Peer("r")
    listener = await serve_tcp("127.0.0.1", 0, handler=right.driver, ssl_context=server_tls if secure else None)
    flow = Flow("TLS" if secure else "TCP", ("127.0.0.1", 0), listener.address)
    for _ in range(3):
        left.ask(flow)
    for _ in range(3):
        assert (await left.next(ResponseReceived)).response.status == 200
    left.ask(flow)
    await left.next(ResponseReceived)
    assert listener.counters.accepted == 1
    await right.driver.connections[0].close()
    assert "the peer ended it" in (await left.next(FlowClosed)).reason
    assert (await left.next(FlowClosed)).flow == flow
    left.ask(flow)
    await left.next(ResponseReceived)
    assert listener.counters.accepted == 2
    await left.driver.close()
    await right.driver.close()
    await listener.close()


async def test_a_dial_that_fails_is_told():
    left = Peer("l")
    left.ask(Flow("TCP", ("127.0.0.1", 0), ("127.0.0.1", 1)))
    assert "refuses connections" in (await left.next(TransportFailed)).reason
    left.ask(Flow("TLS", ("127.0.0.1", 0), ("127.0.0.1", 1)))
    assert "TLS is not configured" in (await left.next(TransportFailed)).reason
    assert left.driver.counters.undeliverable == 2
    await left.driver.close()


async def test_a_dialled_connection_that_ends_at_once_fails_what_waited_for_it(monkeypatch):
    network = MemoryNetwork()

    async def connect(host, port, *, handler, **_):
        near, _ = network.connect(handler, Peer("r").driver, transport="TCP", server_address=(host, port))
        near.drop("gone")
        return near

    monkeypatch.setattr("wic.transport.connection_pool.connect_tcp", connect)
    left = Peer("l")
    left.ask(Flow("TCP", ("10.0.0.1", 0), RIGHT))
    assert (await left.next(TransportFailed)).reason == "the connection ended before this could be sent"
    await left.driver.close()


class BrittleConnection(FakeConnection):
    """A connection that takes two messages, and ends with the third, as one whose peer reads too slowly."""

    def __init__(self, handler, remote) -> None:
        super().__init__(Flow("TCP", ("10.0.0.1", 40000), remote, "brittle"))
        self.handler = handler

    def send(self, data: bytes) -> None:
        super().send(data)
        if len(self.sent) == 3:
            self.handler.closed(self.flow, FlowEnd(EndedBy.LOCAL, "the peer reads too slowly"))


@pytest.mark.parametrize("flows", [1, 5])
async def test_a_connection_that_ends_while_it_is_given_what_waited(monkeypatch, caplog, flows: int) -> None:
    """Each transaction is told at once; a request that is begun upon that, over the same flow, does not fail with them."""
    made: list[BrittleConnection] = []

    async def connect(host, port, *, handler, **_):
        if made:
            await asyncio.Event().wait()
        made.append(BrittleConnection(handler, (host, port)))
        handler.opened(made[0])
        return made[0]

    class Persistent(Peer):
        repeats = 5

        def on_event(self, event) -> None:
            super().on_event(event)
            if isinstance(event, TransportFailed) and self.repeats:
                self.repeats -= 1
                self.ask(event.transaction.flow)

    monkeypatch.setattr("wic.transport.connection_pool.connect_tcp", connect)
    left = Persistent("l")
    with caplog.at_level(logging.INFO, "wic.transport.driver"):
        for number in range(5):
            left.ask(Flow("TCP", ("10.0.0.1", number % flows), RIGHT))
        failed = [await left.next(TransportFailed) for _ in range(5)]
    assert len({each.transaction for each in failed}) == 5
    assert len(made[0].sent) == 3
    assert left.driver.counters.undeliverable == 2
    assert caplog.text.count("did not send a message over") == 2
    await asyncio.sleep(0)
    assert left.endpoint.counters.transactions == 5
    await left.driver.close()


async def test_the_queue_of_a_dial_is_bounded(monkeypatch):
    """What has failed is not sent later: all that waits is given up, and the next message begins anew."""
    dials = asyncio.Queue()

    async def connect(host, port, *, handler, **_):
        await dials.get()
        connection = BrittleConnection(handler, (host, port))
        handler.opened(connection)
        dials.put_nowait(connection)
        return connection

    monkeypatch.setattr("wic.transport.connection_pool.connect_tcp", connect)
    left = Peer("l", queue_limit=2000)
    for number in range(2):
        left.ask(Flow("TCP", ("10.0.0.1", number), RIGHT), b"x" * 1500)
    failed = [await left.next(TransportFailed) for _ in range(2)]
    assert all("more than 2000 bytes wait" in each.reason for each in failed)
    assert left.driver.counters.undeliverable == 2
    left.ask(Flow("TCP", ("10.0.0.1", 0), RIGHT), b"y" * 1500)
    await asyncio.sleep(0)
    dials.put_nowait(None)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    (sent,) = (await dials.get()).sent
    assert b"yyy" in sent
    await left.driver.close()


async def test_closing_gives_up_dials():
    left = Peer("l", stream=StreamOptions(open_timeout=60))
    left.ask(Flow("TCP", ("127.0.0.1", 0), ("127.0.0.1", 1)))
    await left.driver.close()
    assert "shuts down" in (await left.next(TransportFailed)).reason
    left.driver.pump()


async def test_long_requests_go_over_tcp():
    left, right = Peer("l"), Peer("r")
    socket = await open_udp("127.0.0.1", 0, handler=left.driver)
    left.driver.attach_socket(socket)
    far, listener = await one_port(right.driver)
    right.driver.attach_socket(far)
    flow = Flow("UDP", socket.address, far.address)
    left.ask(flow)
    assert (await right.next(RequestReceived)).flow.transport == "UDP"
    left.ask(flow, b"x" * 1300)
    event = await right.next(RequestReceived)
    assert event.flow.transport == "TCP"
    assert event.request.via.transport == "TCP"
    assert (await left.next(ResponseReceived)).response.status == 200
    assert (await left.next(ResponseReceived)).response.status == 200
    await left.driver.close()
    await right.driver.close()
    await listener.close()


async def test_long_requests_go_over_udp_if_the_remote_takes_no_tcp():
    left, right = Peer("l"), Peer("r")
    socket = await open_udp("127.0.0.1", 0, handler=left.driver)
    left.driver.attach_socket(socket)
    far = await open_udp("127.0.0.1", 0, handler=right.driver)
    right.driver.attach_socket(far)
    left.ask(Flow("UDP", ("127.0.0.1", 0), far.address), b"x" * 1300)
    event = await right.next(RequestReceived)
    assert (event.flow.transport, event.request.via.transport) == ("UDP", "UDP")
    await left.driver.close()
    await right.driver.close()


async def test_without_a_socket_udp_fails():
    left = Peer("l")
    left.ask(Flow("UDP", LEFT, RIGHT))
    assert "no UDP socket" in (await left.next(TransportFailed)).reason
    await left.driver.close()


async def test_websockets_and_streams_share_a_driver(server_tls, client_tls):
    left, right = Peer("l"), Peer("r")
    web = await serve_websocket("127.0.0.1", 0, handler=right.driver, ssl_context=server_tls)
    tcp = await serve_tcp("127.0.0.1", 0, handler=right.driver)
    url = f"wss://127.0.0.1:{web.address[1]}/"
    near = await connect_websocket(url, handler=left.driver, options=WebSocketOptions(ssl_context=client_tls))
    other = await connect_tcp(*tcp.address, handler=left.driver)
    for connection in (near, other):
        left.ask(connection.flow)
        assert (await left.next(ResponseReceived)).flow == connection.flow
    assert len(left.driver.connections) == 2
    await near.close()
    await other.close()
    await left.driver.close()
    await web.close()
    await tcp.close()


async def test_observers_see_what_passes():
    seen = []
    machine = FakeMachine()
    driver = Driver(machine, on_event=lambda event: None, clock=lambda: 7.0)
    driver.add_observer(lambda *what: seen.append(what))
    connection = FakeConnection(Flow("WSS", LEFT, RIGHT, "1"))
    driver.opened(connection)
    driver.received(connection.flow, b"in")
    machine.outgoing.append(Transmit(connection.flow, b"out"))
    driver.pump()
    assert seen == [
        (7.0, Direction.RECEIVED, b"in", connection.flow),
        (7.0, Direction.SENT, b"out", connection.flow),
    ]
    await driver.close()
    assert connection.sent == [b"out", b"closed"]


async def test_an_exception_touches_nothing_else(caplog):
    handled = []

    def on_event(event):
        handled.append(event)
        if len(handled) == 1:
            raise ValueError("a user's mistake")

    machine = FakeMachine()
    driver = Driver(machine, on_event=on_event)
    flow = Flow("WSS", LEFT, RIGHT, "1")
    machine.events = [FlowClosed(flow, "one"), FlowClosed(flow, "two")]
    with caplog.at_level(logging.ERROR):
        driver.pump()
    assert [event.reason for event in handled] == ["one", "two"]
    assert [record.getMessage() for record in caplog.records] == ["Handling failed: FlowClosed"]
    machine.raises = RuntimeError("a bug")
    driver.received(flow, b"poison")
    machine.raises = None
    driver.received(flow, b"food")
    assert machine.received == [b"poison", b"food"]
    assert driver.counters.failures == 2
    await driver.close()


@pytest.mark.virtual_time
async def test_a_handler_may_plug_in_a_timer_source():
    machine, source = FakeMachine(), FakeMachine()

    def on_event(event):
        source.due = driver.now + 5
        driver.add_timer_source(source)
        driver.pump()

    driver = Driver(machine, on_event=on_event)
    machine.events = [FlowClosed(Flow("WSS", LEFT, RIGHT, "1"), "one")]
    driver.pump()
    await asyncio.sleep(10)
    assert source.timeouts == 1
    await driver.close()


async def test_the_end_of_a_flow_always_reaches_the_endpoint():
    machine = FakeMachine()
    driver = Driver(machine, on_event=lambda event: None)
    flow = Flow("WSS", LEFT, RIGHT, "1")
    driver.closed(flow, FlowEnd(EndedBy.PEER, "bye", 1000))
    assert machine.closed == [(flow, "the peer ended it: bye (1000)")]
    await driver.close()
    driver.closed(flow, FlowEnd(EndedBy.PEER, "again"))
    assert len(machine.closed) == 2


async def test_nothing_is_sent_while_closing():
    machine = FakeMachine()
    driver = Driver(machine, on_event=lambda event: None)
    connection = FakeConnection(Flow("WSS", LEFT, RIGHT, "1"))

    class Talkative(FakeConnection):
        async def close(self, reason=""):
            machine.outgoing.append(Transmit(connection.flow, b"one more thing"))
            driver.pump()

    driver.opened(connection)
    driver.opened(Talkative(Flow("WSS", LEFT, RIGHT, "2")))
    await driver.close()
    assert connection.sent == [b"closed"]
    assert machine.closed == [(connection.flow, "this side shuts down")]


@pytest.mark.virtual_time
@pytest.mark.parametrize("turns", [1, 2], ids=["before the farewells", "within them"])
async def test_a_close_that_is_cancelled_ends_all_at_once(turns):
    class Slow(FakeConnection):
        async def close(self, reason=""):
            await asyncio.sleep(10.0)

        def abort(self, reason=""):
            self.sent.append(b"aborted")

    machine = FakeMachine()
    driver = Driver(machine, on_event=lambda event: None)
    machine.due = 5.0
    driver.pump()
    connections = [Slow(Flow("WSS", LEFT, RIGHT, name)) for name in "12"]
    for connection in connections:
        driver.opened(connection)
    closing = asyncio.create_task(driver.close())
    for _ in range(turns):
        await asyncio.sleep(0)
    closing.cancel()
    await asyncio.wait([closing])
    assert closing.cancelled()
    assert [connection.sent for connection in connections] == [[b"aborted"]] * 2
    await asyncio.sleep(6.0)
    assert machine.timeouts == 0


@pytest.mark.virtual_time
@pytest.mark.parametrize("turns", range(4))
async def test_a_cancelled_close_reaches_every_socket(turns):
    """The first one may be waited for while the second has not been told yet."""

    class Slow:
        def __init__(self, address):
            self.address, self.state = address, "open"

        async def close(self):
            self.state = "closing"
            await asyncio.sleep(10.0)
            self.state = "closed"

        def abort(self):
            self.state = "aborted"

    driver = Driver(FakeMachine(), on_event=lambda event: None)
    sockets = [Slow(LEFT), Slow(RIGHT)]
    for socket in sockets:
        driver.attach_socket(socket)
    closing = asyncio.create_task(driver.close())
    await asyncio.sleep(turns * 5.0 + 0.1)
    closing.cancel()
    await asyncio.wait([closing])
    assert [socket.state for socket in sockets] == ["aborted", "aborted"]
    assert closing.cancelled()


@pytest.mark.virtual_time
async def test_one_timer_serves_every_source():
    class Source:
        def __init__(self, due):
            self.due = due
            self.fired = []

        def next_timeout(self):
            return self.due

        def handle_timeout(self, *, now):
            self.fired.append(now)
            self.due = None

    machine = FakeMachine()
    driver = Driver(machine, on_event=lambda event: None)
    began = driver.now
    early, late, never = Source(began + 10), Source(began + 20), Source(began + 30)
    machine.due = began + 15
    for source in (late, early, never):
        driver.add_timer_source(source)
    driver.remove_timer_source(never)
    await asyncio.sleep(100)
    assert len(early.fired) == len(late.fired) == machine.timeouts == 1
    assert 10 <= early.fired[0] - began < 10.1
    assert 20 <= late.fired[0] - began < 20.1
    assert never.fired == []
    await driver.close()


@pytest.mark.virtual_time
async def test_a_machine_that_fails_at_its_timer_is_not_asked_without_pause():
    machine = FakeMachine()
    machine.raises = RuntimeError("a bug")
    driver = Driver(machine, on_event=lambda event: None)
    machine.due = driver.now + 1
    driver.pump()
    await asyncio.sleep(10)
    assert 5 <= machine.timeouts <= 11
    await driver.close()
    await asyncio.sleep(10)
    assert machine.timeouts <= 11


def test_random_strings_are_long_enough_and_never_the_same():
    random_source = SystemRandomSource()
    seen = {random_source.hex(8) for _ in range(1000)}
    assert len(seen) == 1000
    assert {len(text) for text in seen} == {16}
