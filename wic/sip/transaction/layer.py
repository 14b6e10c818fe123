"""Transaction layer of one endpoint (RFC 3261 §17): all transactions, and what they have to say until it is asked for.

Transactions are found in one step, however many there are: client transactions by the branch and method of a
response (§17.1.3), server transactions by the key of a request (§17.2.3), all of a flow when the flow is lost.

Three things wait here to be taken away by the shell: bytes to send, events for the user, and the next deadline.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, TypeAlias

from wic.sip.errors import MalformedHeader
from wic.sip.events import (
    AckTimedOut,
    Event,
    MessageDropped,
    RequestReceived,
    ResponseReceived,
    TransactionTimedOut,
    Transmit,
    TransportFailed,
)
from wic.sip.line_limit import LineLimit
from wic.sip.masking import masked
from wic.sip.message import Response
from wic.sip.random_source import MAGIC_COOKIE
from wic.sip.timers import TimerQueue
from wic.sip.transaction.base import Counters
from wic.sip.transaction.client import ClientTransaction
from wic.sip.transaction.server import ServerTransaction
from wic.sip.transaction.tables import Action
from wic.sip.validate import KNOWN_METHODS

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from wic.sip.dialog import Dialog
    from wic.sip.flow import Flow
    from wic.sip.message import Request
    from wic.sip.timers import Timers
    from wic.sip.transaction.base import Count, Transaction

logger = logging.getLogger(__name__)

_TO_INVITE = frozenset([*range(101, 200), 487])
"""Statuses that answer no CANCEL, but the INVITE that it cancels (RFC 3261 §9.2, RFC 4320 §4.1)."""
_Key: TypeAlias = "tuple[Hashable, ...]"


@dataclass(slots=True, kw_only=True, eq=False, repr=False)
class TransactionLayer:
    """All transactions of one endpoint, with its outgoing bytes, events, timers and counters."""

    timers: Timers
    """Durations of the timers of transactions."""
    uses_timer_c: bool = False
    """Whether INVITEs are cancelled by Timer C, as those of a proxy are (RFC 3261 §16.8)."""
    queue: TimerQueue = field(default_factory=TimerQueue)
    """The timers that run."""
    counts: dict[Count, int] = field(default_factory=partial(defaultdict, int))
    """Figures so far; `snapshot` returns them as a value."""
    _clients: dict[_Key, ClientTransaction] = field(default_factory=dict)
    _servers: dict[_Key, ServerTransaction] = field(default_factory=dict)
    _merged: dict[_Key, ServerTransaction] = field(default_factory=dict)
    _by_flow: dict[Flow, dict[Transaction, None]] = field(default_factory=dict)
    # Lists, for every client has them, and they are empty nearly always: a deque would take 700 bytes for that.
    _transmits: list[Transmit] = field(default_factory=list)
    _reported: list[Event | Callable[[], None]] = field(default_factory=list)
    _taken: int = 0
    _drop_lines: LineLimit | None = None  # made with the first that is dropped

    def __len__(self) -> int:
        return len(self._clients) + len(self._servers)

    # bytes and events

    def send(self, flow: Flow, data: bytes) -> None:
        """Have bytes sent."""
        self._transmits.append(Transmit(flow, data))

    def to_send(self) -> list[Transmit]:
        """Return, once, what is to be sent."""
        waiting, self._transmits = self._transmits, []
        return waiting

    def tell(self, event: Event) -> None:
        """Report an event."""
        self._reported.append(event)

    def drop(self, reason: str, flow: Flow, *, now: float) -> None:
        """Report a message that is of no use, and log why: its user would otherwise see the fault as silence only."""
        self.counts["dropped"] += 1
        self._drop_lines = lines = self._drop_lines or LineLimit()
        if (others := lines.admit(now=now)) is not None:  # unless many were dropped a moment ago
            logger.warning("dropped a message over %s%s: %s", flow, others, masked(reason))
        self.tell(MessageDropped(reason, flow))

    def report(self, transaction: Transaction, action: Action) -> None:
        """Report what the table of a transaction tells its user."""
        match action, transaction:
            case Action.PASS_REQUEST, ServerTransaction():
                self.tell(RequestReceived(transaction, transaction.request, transaction.flow, transaction.dialog))
            case Action.PASS_RESPONSE, ClientTransaction(response=Response() as response):
                self.tell(ResponseReceived(transaction, response, transaction.response_flow))
            case Action.TELL_TIMEOUT, ClientTransaction():
                self.tell(TransactionTimedOut(transaction))
            case Action.TELL_NO_ACK, ServerTransaction():
                self.tell(AckTimedOut(transaction, transaction.dialog))
            case Action.TELL_FLOW_LOST, ClientTransaction() | ServerTransaction():
                self.tell(TransportFailed(transaction, transaction.lost))
            case _:
                raise AssertionError(action)

    def afterwards(self, action: Callable[[], None]) -> None:
        """Do something when the user has dealt with all that was reported so far."""
        self._reported.append(action)

    def next_event(self) -> Event | None:
        """Return, once, the next event; asking for it says that those before have been dealt with."""
        while self._taken < len(self._reported):
            event = self._reported[self._taken]
            self._taken += 1
            if not callable(event):
                return event
            event()
        self._reported.clear()
        self._taken = 0
        return None

    def snapshot(self) -> Counters:
        """Return the figures as they are now."""
        return Counters(transactions=len(self), **self.counts)

    # transactions

    @property
    def servers(self) -> int:
        """Server transactions that exist: the state that peers can make this side keep."""
        return len(self._servers)

    def start_client(
        self,
        request: Request,
        flow: Flow,
        *,
        branch: str,
        sent_by: str,
        now: float,
        owner: object = None,
        quiet: bool = False,
    ) -> ClientTransaction:
        """Send a request that has its Via already, with that branch and sent-by; of a quiet one nothing is reported."""
        transaction = ClientTransaction(
            self, id=branch, sent_by=sent_by, request=request, flow=flow, owner=owner, quiet=quiet
        )
        self._clients[branch, request.method] = transaction
        self._by_flow.setdefault(flow, {})[transaction] = None
        transaction.start(now)
        return transaction

    def start_server(
        self,
        request: Request,
        flow: Flow,
        *,
        reply_flow: Flow,
        tag: str,
        now: float,
        dialog: Dialog | None = None,
        quiet: bool = False,
    ) -> ServerTransaction:
        """Begin a server transaction for a request that matches none; of a quiet one nothing is reported.

        Its responses go to `reply_flow`, with `tag` in their To.
        """
        transaction = ServerTransaction(
            self,
            id=request.via.branch or "",
            request=request,
            flow=flow,
            reply_flow=reply_flow,
            tag=tag,
            dialog=dialog,
            quiet=quiet,
        )
        transaction.keys = (server_key(request, flow), _merge_key(request))
        self._servers[transaction.keys[0]] = transaction
        if request.to.tag is None:
            self._merged.setdefault(transaction.keys[1], transaction)  # §8.2.2.2: later ones are merged
        self._by_flow.setdefault(flow, {})[transaction] = None
        transaction.start(now)
        return transaction

    def find_client(self, response: Response, flow: Flow) -> ClientTransaction | None:
        """Find the transaction that a response belongs to (RFC 3261 §17.1.3, §18.1.2).

        The peer that got the request has seen the branches of all elements on the way: over a WebSocket
        connection it can answer only what was sent over that connection.
        """
        via = response.via
        transaction = self._clients.get((via.branch or "", response.cseq.method))
        if transaction is None or transaction.sent_by != via.sent_by:  # §18.1.2
            return None
        if transaction.flow != flow and (transaction.flow.exclusive or flow.exclusive):  # RFC 7118 §5.3
            return None
        return transaction

    def restore_cseq(self, response: Response) -> bool:
        """Give a response without a readable CSeq that of the only request with its branch; tell whether that was done.

        RFC 3261 §17.1.3 asks for the method of CSeq because a CANCEL has the branch of its INVITE: where one of both is
        left, the branch alone is as unique (§8.1.1.7), and where both are, some statuses are. The value is no guess, for
        the peer had to copy it (§8.2.6.2).
        """
        with suppress(MalformedHeader):
            _ = response.cseq
            return False
        with suppress(MalformedHeader):
            branch = response.via.branch or ""
            found = [self._clients[branch, method] for method in KNOWN_METHODS if (branch, method) in self._clients]
            if len(found) > 1 and response.status in _TO_INVITE:
                found = [each for each in found if each.is_invite]
            if len(found) == 1:
                response.headers.set("CSeq", found[0].request.cseq)
                return True
        return False

    def find_server(self, request: Request, flow: Flow, *, method: str | None = None) -> ServerTransaction | None:
        """Find the transaction that a request belongs to (RFC 3261 §17.2.3).

        With a `method` it finds the transaction of that method: `INVITE`, to find what a CANCEL cancels.
        """
        transaction = self._servers.get(server_key(request, flow, method=method))
        if transaction is None or request.method != "ACK" or _has_cookie(request):
            return transaction
        # RFC 3261 §17.2.3: of an RFC 2543 element, the ACK has to bring back the To tag of the response.
        return transaction if request.to.tag == transaction.to_tag else None

    def is_merged(self, request: Request) -> bool:
        """Tell whether a request came before by another way (RFC 3261 §8.2.2.2)."""
        return request.to.tag is None and _merge_key(request) in self._merged

    def flow_closed(self, flow: Flow, reason: str, *, now: float) -> None:
        """Tell every transaction on a flow that the flow is gone."""
        for transaction in tuple(self._by_flow.get(flow, ())):
            transaction.flow_lost(reason, now=now)

    def forget(self, transaction: Transaction) -> None:
        """Release a transaction that has terminated."""
        if isinstance(transaction, ServerTransaction):
            key, merge_key = transaction.keys
            del self._servers[key]
            if self._merged.get(merge_key) is transaction:
                del self._merged[merge_key]
        else:
            self._clients.pop((transaction.id, transaction.request.method), None)
        on_flow = self._by_flow[transaction.flow]
        del on_flow[transaction]
        if not on_flow:
            del self._by_flow[transaction.flow]


def server_key(request: Request, flow: Flow, *, method: str | None = None) -> _Key:
    """Return the key of a server transaction, for a request or its ACK; `method` stands in for that of the request."""
    method = method or request.method
    if method == "ACK":  # §17.2.3: it matches the INVITE
        method = "INVITE"
    via = request.via
    origin = flow if flow.exclusive else None
    if _has_cookie(request):
        return (via.branch, via.sent_by, method, origin)  # §17.2.3
    # RFC 3261 §17.2.3, for elements of RFC 2543, whose branches identify nothing. The To tag takes part
    # only where request and ACK have the same one.
    to_tag = None if method == "INVITE" else request.to.tag
    cseq = request.cseq.number
    return (request.uri_text, to_tag, request.from_.tag, request.call_id, cseq, method, via.sent_by, via.branch, origin)


def _has_cookie(request: Request) -> bool:
    return (request.via.branch or "").startswith(MAGIC_COOKIE)


def _merge_key(request: Request) -> _Key:
    cseq = request.cseq
    return (request.from_.tag, request.call_id, cseq.number, cseq.method)  # §8.2.2.2
