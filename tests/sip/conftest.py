"""A network in memory and in virtual time, with loss, duplication and reordering, for endpoints without sockets."""

from __future__ import annotations

import heapq
import itertools
import random
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

import pytest

from wic.sip.dialog import Dialog
from wic.sip.endpoint import Endpoint, EndpointOptions, Role
from wic.sip.events import AckReceived, CancelReceived, RequestReceived, ResponseReceived
from wic.sip.flow import Flow
from wic.sip.message import Request, Response
from wic.sip.parser import parse
from wic.sip.proxy.core import ProxyCore, ProxyLogic, ProxyOptions
from wic.sip.random_source import CountingSource
from wic.sip.routing import port_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from wic.sip.events import Event
    from wic.sip.proxy.core import PassingAck, PassingResponse, ProxyContext, Target
    from wic.sip.transaction.client import ClientTransaction
    from wic.sip.transaction.server import ServerTransaction
    from wic.sip.uri import Uri


class Host:
    """An endpoint with an address, and everything it reported."""

    def __init__(self, net: Net, name: str, address: tuple[str, int], transport: str, options: EndpointOptions) -> None:
        self.net = net
        self.name = name
        self.address = address
        self.transport = transport
        self.endpoint = Endpoint(random_source=CountingSource(name), options=options)
        self.events: list[Event] = []
        self.on_event: Callable[[Event], None] | None = None

    def flow_to(self, other: Host) -> Flow:
        return Flow(self.transport, self.address, other.address, "" if self.transport == "UDP" else "1")

    def take(self, kind: type[Event]) -> list[Event]:
        """Return the events of one kind so far, and forget them."""
        found = [event for event in self.events if isinstance(event, kind)]
        self.events = [event for event in self.events if not isinstance(event, kind)]
        return found


@dataclass
class Net:
    """Carries what its hosts send, in the order of a clock that only this class moves."""

    seed: int = 0
    loss: float = 0.0
    duplication: float = 0.0
    delay: tuple[float, float] = (0.0, 0.0)
    now: float = 0.0
    hosts: dict[tuple[str, int], Host] = field(default_factory=dict)
    sent: list[tuple[float, str, Request | Response | bytes]] = field(default_factory=list)
    filter: Callable[[bytes], bool] = lambda data: True

    def __post_init__(self) -> None:
        self.worsen(self.seed, self.loss, self.duplication, self.delay)
        self._count = itertools.count()
        self._wire: list[tuple[float, int, Host, bytes, Flow]] = []

    def worsen(self, seed: int, loss: float, duplication: float, delay: tuple[float, float]) -> None:
        """Behave differently from now on; streams are only delayed."""
        self._random = random.Random(seed)
        self.loss, self.duplication, self.delay = loss, duplication, delay

    def host(self, name: str, *, transport: str = "UDP", **options: object) -> Host:
        address = (f"10.0.0.{len(self.hosts) + 1}", 5060)
        host = Host(self, name, address, transport, EndpointOptions(**options))
        self.hosts[address] = host
        return host

    def run(self, until: float | None = None) -> None:
        """Run until a time, or (None) until nothing is on the wire; time does not pass then except for delays."""
        self._collect()
        while self._wire or until is not None:
            moment = self._next(until)
            if moment is None:
                break
            self.now = max(self.now, moment)
            while self._wire and self._wire[0][0] <= self.now:
                _, _, host, data, flow = heapq.heappop(self._wire)
                host.endpoint.receive(data, flow, now=self.now)
                self._collect()
            if until is not None:
                for host in self.hosts.values():
                    host.endpoint.handle_timeout(now=self.now)
                self._collect()
        if until is not None:
            self.now = until

    def _next(self, until: float | None) -> float | None:
        moments = [self._wire[0][0]] if self._wire else []
        if until is not None:
            timeouts = [host.endpoint.next_timeout() for host in self.hosts.values()]
            moments += [timeout for timeout in timeouts if timeout is not None]
        moment = min(moments, default=None)
        return None if moment is None or (until is not None and moment > until) else moment

    def _collect(self) -> None:
        busy = True
        while busy:
            busy = False
            for host in list(self.hosts.values()):
                while (event := host.endpoint.next_event()) is not None:
                    busy = True
                    host.events.append(event)
                    if host.on_event is not None:
                        host.on_event(event)
                for transmit in host.endpoint.to_send():
                    busy = True
                    self._send(host, transmit.data, transmit.flow)

    def _send(self, host: Host, data: bytes, flow: Flow) -> None:
        self.sent.append((self.now, host.name, parse(data) if data.strip() else data))
        reliable = flow.reliable
        if not self.filter(data) or (not reliable and self._random.random() < self.loss):
            return
        copies = 2 if not reliable and self._random.random() < self.duplication else 1
        other = self.hosts.get(flow.remote)
        for _ in range(copies if other is not None else 0):
            arrival = self.now + self._random.uniform(*self.delay)
            back = Flow(flow.transport, flow.remote, flow.local, flow.id)
            heapq.heappush(self._wire, (arrival, next(self._count), other, data, back))

    def lines(self, since: int = 0) -> list[str]:
        """Return who sent what, as `name METHOD` or `name STATUS METHOD`."""
        found = []
        for _, name, message in self.sent[since:]:
            if isinstance(message, Request):
                found.append(f"{name} {message.method}")
            elif isinstance(message, Response):
                found.append(f"{name} {message.status} {message.cseq.method}")
            else:
                found.append(f"{name} {message!r}")
        return found


@pytest.fixture
def net() -> Net:
    """A network that neither loses nor delays."""
    return Net()


@pytest.fixture
def make_net() -> type[Net]:
    """The class of the networks, to be made with a seed and faults."""
    return Net


@pytest.fixture
def make_request() -> Callable[..., Request]:
    """Make a request without Via, as a user does."""
    call_ids = itertools.count(1)

    def make(
        method: str = "OPTIONS",
        uri: str = "sip:bob@example.com",
        *,
        call_id: str | None = None,
        cseq: int = 1,
        from_tag: str = "from",
        to_tag: str | None = None,
        headers: tuple[tuple[str, str], ...] = (),
        body: bytes = b"",
    ) -> Request:
        to = "<sip:bob@example.com>" + (f";tag={to_tag}" if to_tag else "")
        lines = [
            ("Max-Forwards", "70"),
            ("From", f"<sip:alice@example.com>;tag={from_tag}"),
            ("To", to),
            ("Call-ID", call_id or f"call{next(call_ids)}"),
            ("CSeq", f"{cseq} {method}"),
            *headers,
        ]
        if method == "INVITE" and not any(name == "Contact" for name, _ in headers):
            lines.append(("Contact", "<sip:alice@10.0.0.1>"))
        return Request.build(method, uri, lines, body)

    return make


class Phone:
    """A user agent that answers as it is told, and acknowledges what is accepted."""

    def __init__(self, net: Net, name: str, answers: tuple[int, ...] = (), **options: object) -> None:
        self.net = net
        self.host = net.host(name, **options)
        self.host.on_event = self.take
        self.endpoint = self.host.endpoint
        self.answers = answers
        self.headers: tuple[tuple[str, str], ...] = ()
        self.heeds_cancel = True
        self.requests: list[RequestReceived] = []
        self.cancels: list[CancelReceived] = []
        self.responses: list[Response] = []
        self.dialogs: list[Dialog] = []
        self.acks: list[AckReceived] = []

    @property
    def uri(self) -> str:
        return f"sip:{self.host.name}@{self.host.address[0]}"

    @property
    def statuses(self) -> list[int]:
        return [response.status for response in self.responses]

    def take(self, event: Event) -> None:
        match event:
            case RequestReceived(transaction, request):
                self.requests.append(event)
                for status in self.answers if request.method != "BYE" else (200,):
                    self.answer(status, transaction)
            case CancelReceived(transaction):
                self.cancels.append(event)
                if self.heeds_cancel:
                    self.endpoint.reply(transaction, 487, now=self.net.now)
            case ResponseReceived(transaction, response):
                self.responses.append(response)
                if transaction.is_invite and 200 <= response.status < 300:
                    self.acknowledge(transaction.request, response)
            case AckReceived():
                self.acks.append(event)

    def answer(self, status: int, transaction: ServerTransaction | None = None, body: bytes = b"") -> None:
        transaction = transaction or self.requests[-1].transaction
        headers = [("Contact", f"<{self.uri}>"), *self.headers]
        response = Response.answer(transaction.request, status, to_tag=transaction.tag, headers=headers, body=body)
        if 100 < status < 300 and transaction.is_invite:
            self.dialogs.append(Dialog.from_request(transaction.request, response))
            self.endpoint.add_dialog(self.dialogs[-1])
        self.endpoint.respond(transaction, response, now=self.net.now)

    def acknowledge(self, request: Request, response: Response) -> None:
        dialog = Dialog.from_response(request, response)
        self.dialogs.append(dialog)
        self.endpoint.add_dialog(dialog)
        self.endpoint.send_ack(dialog.ack(response), self.flow_to(dialog.next_hop), now=self.net.now)

    def send(self, request: Request, host: Host | None = None) -> ClientTransaction:
        """Send a request to a host, or where the last dialog leads; nothing else moves before `net.run`."""
        flow = self.host.flow_to(host) if host is not None else self.flow_to(self.dialogs[-1].next_hop)
        return self.endpoint.send_request(request, flow, now=self.net.now)

    def flow_to(self, uri: Uri) -> Flow:
        return self.host.flow_to(self.net.hosts[uri.host, port_of(uri)])


class Proxy(ProxyLogic):
    """A proxy whose decisions a test hands in."""

    def __init__(self, net: Net, name: str, *targets: Target, record_route: bool = False, **options: object) -> None:
        self.net = net
        self.host = net.host(name, role=Role.PROXY, **options)
        self.endpoint = self.host.endpoint
        self.core = ProxyCore(
            self.endpoint,
            self,
            ProxyOptions(
                own=frozenset({self.host.address}), extensions=("path", "gruu"), capabilities=(("Accept", "*/*"),)
            ),
        )
        self.host.on_event = self.take
        self.targets = targets
        self.record_routes = record_route
        self.decides = True
        self.holds: tuple[int, ...] = ()
        self.contexts: list[ProxyContext] = []
        self.held: list[PassingResponse] = []
        self.acks: list[PassingAck] = []
        self.given_up: list[ProxyContext] = []
        self.unhandled: list[Event] = []

    @property
    def uri(self) -> str:
        return f"sip:{self.host.address[0]};lr"

    def take(self, event: Event) -> None:
        if not self.core.handle(event, now=self.net.now):
            self.unhandled.append(event)

    def route(self, context: ProxyContext, *, now: float) -> None:
        self.contexts.append(context)
        if self.decides and self.targets and not context.in_dialog:
            context.forward(self.targets, now=now)
        elif self.decides:
            context.forward(now=now)

    def next_hop(self, uri: Uri) -> Flow | None:
        host = self.net.hosts.get((uri.host, port_of(uri)))
        return None if host is None else self.host.flow_to(host)

    def record_route(self, context: ProxyContext, target: Target) -> Sequence[str]:
        return [f"<{self.uri}>"] if self.record_routes else super().record_route(context, target)

    def response(self, passing: PassingResponse, *, now: float) -> None:
        if passing.response.status in self.holds:
            self.held.append(passing)
        else:
            super().response(passing, now=now)

    def ack(self, ack: PassingAck, *, now: float) -> None:
        self.acks.append(ack)
        super().ack(ack, now=now)

    def cancelled(self, context: ProxyContext, *, now: float) -> None:
        self.given_up.append(context)
        super().cancelled(context, now=now)


@pytest.fixture
def make_phone(net: Net) -> Callable[..., Phone]:
    return partial(Phone, net)


@pytest.fixture
def make_proxy(net: Net) -> Callable[..., Proxy]:
    return partial(Proxy, net)
