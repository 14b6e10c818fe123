"""All transactions of one endpoint: made, found, counted, forgotten."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from wic.sip.random_source import MAGIC_COOKIE
from wic.sip.transaction.client import ClientTransaction
from wic.sip.transaction.server import ServerTransaction

if TYPE_CHECKING:
    from collections.abc import Hashable

    from wic.sip.dialog import Dialog
    from wic.sip.flow import Flow
    from wic.sip.message import Request, Response
    from wic.sip.outbox import Outbox
    from wic.sip.timers import Timers
    from wic.sip.transaction.base import Transaction

_Key: TypeAlias = "tuple[Hashable, ...]"


class Transactions:
    """The transaction layer. Every look-up is one step, however many there are."""

    __slots__ = ("_by_flow", "_clients", "_merged", "_servers", "outbox", "timers", "uses_timer_c")

    def __init__(self, *, outbox: Outbox, timers: Timers, uses_timer_c: bool = False) -> None:
        self.outbox = outbox
        self.timers = timers
        self.uses_timer_c = uses_timer_c
        self._clients: dict[_Key, ClientTransaction] = {}
        self._servers: dict[_Key, ServerTransaction] = {}
        self._merged: dict[_Key, ServerTransaction] = {}
        self._by_flow: dict[Flow, dict[Transaction, None]] = {}

    def __len__(self) -> int:
        return len(self._clients) + len(self._servers)

    @property
    def servers(self) -> int:
        """How many server transactions exist: what peers can make us keep."""
        return len(self._servers)

    def start_client(
        self, request: Request, flow: Flow, *, now: float, owner: object = None, quiet: bool = False
    ) -> ClientTransaction:
        """Send a request that has its Via already.

        Args:
            request: the request.
            flow: where to.
            now: the time.
            owner: kept on the transaction.
            quiet: report nothing about it.
        """
        branch = request.via.branch or ""
        transaction = ClientTransaction(self, id=branch, request=request, flow=flow, owner=owner, quiet=quiet)
        self._clients[branch, request.method] = transaction
        self._by_flow.setdefault(flow, {})[transaction] = None
        transaction.start(now)
        return transaction

    def start_cancel(self, invite: ClientTransaction, request: Request, now: float) -> None:
        """Send a CANCEL in a transaction of its own; its answer interests nobody (RFC 3261 §9.1)."""
        self.start_client(request, invite.flow, now=now, owner=invite, quiet=True)

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
        """Begin a server transaction for a request that matches none.

        Args:
            request: the request.
            flow: where it came from.
            reply_flow: where its responses go.
            tag: a To tag for them.
            now: the time.
            dialog: the dialog it belongs to.
            quiet: report nothing about it.
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
            self._merged.setdefault(transaction.keys[1], transaction)
        self._by_flow.setdefault(flow, {})[transaction] = None
        transaction.start(now)
        return transaction

    def find_client(self, response: Response, flow: Flow) -> ClientTransaction | None:
        """Find the transaction that a response belongs to (RFC 3261 §17.1.3, §18.1.2).

        Whoever got the request has seen the branches of all elements on the way: over a WebSocket connection
        only its own transactions are answered.
        """
        via = response.via
        transaction = self._clients.get((via.branch or "", response.cseq.method))
        if transaction is None or transaction.sent_by != via.sent_by:
            return None
        if transaction.flow != flow and (transaction.flow.exclusive or flow.exclusive):
            return None
        return transaction

    def find_server(self, request: Request, flow: Flow, *, method: str | None = None) -> ServerTransaction | None:
        """Find the transaction that a request belongs to (RFC 3261 §17.2.3).

        Args:
            request: a request, or the ACK of one.
            flow: where it came from.
            method: look for a transaction of that method instead: `INVITE`, to find what a CANCEL cancels.
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
        """Let go of a transaction that has terminated."""
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
    """Return what identifies a server transaction, for a request or the ACK of one.

    Args:
        request: the request.
        flow: where it came from.
        method: pretend that it had this method.
    """
    method = method or request.method
    if method == "ACK":
        method = "INVITE"
    via = request.via
    origin = flow if flow.exclusive else None
    if _has_cookie(request):
        return (via.branch, via.sent_by, method, origin)
    # RFC 3261 §17.2.3, for elements of RFC 2543, whose branches identify nothing. The To tag takes part
    # only where request and ACK have the same one.
    to_tag = None if method == "INVITE" else request.to.tag
    cseq = request.cseq.number
    return (request.uri_text, to_tag, request.from_.tag, request.call_id, cseq, method, via.sent_by, via.branch, origin)


def _has_cookie(request: Request) -> bool:
    return (request.via.branch or "").startswith(MAGIC_COOKIE)


def _merge_key(request: Request) -> _Key:
    cseq = request.cseq
    return (request.from_.tag, request.call_id, cseq.number, cseq.method)
