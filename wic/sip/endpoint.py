"""SIP endpoint without I/O: bytes, time and commands in; bytes, events and the next deadline out.

An `Endpoint` is the one object that a shell drives. After every call that may change something (`receive`,
`flow_closed`, `handle_timeout`, and every command) the shell takes the events with `next_event`, sends what
`to_send` returns and arms one timer for `next_timeout`. The time is an argument everywhere, in seconds of any
clock that never goes back, so that a run can be repeated exactly.

Bytes that arrive go one way: keep-alives are answered, what is no message is refused or dropped, a repetition is
absorbed by its transaction, and only what is new becomes an event. Nothing that a peer sends raises.

Role decides about the rest (RFC 3261 §8, §16). A user agent knows dialogs: it answers 481, 482 and 500 itself,
and repeats its 2xx of INVITE until the ACK comes. A proxy passes everything on, unless the request belongs to a
dialog that was registered here, such as that of a subscription of its own.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Final

from wic.errors import LocalProtocolError
from wic.sip.dialog import DialogId
from wic.sip.endpoint_options import EndpointOptions, Role
from wic.sip.errors import MalformedHeader
from wic.sip.events import AckReceived, CancelReceived, FlowClosed
from wic.sip.message import Request, Response
from wic.sip.methods import INITIAL_MAX_FORWARDS
from wic.sip.params import Params
from wic.sip.parser import MessageRefused, parse
from wic.sip.random_source import MAGIC_COOKIE, TAG_OCTETS
from wic.sip.routing import reply_flow, stamp_source
from wic.sip.transaction.layer import TransactionLayer
from wic.sip.transaction.tables import TransactionInput
from wic.sip.two_xx import AcceptedCalls, Acknowledgements
from wic.sip.uri import bracketed
from wic.sip.validate import check_request, check_response

if TYPE_CHECKING:
    from collections.abc import Iterable

    from wic.sip.dialog import Dialog
    from wic.sip.events import Event, Transmit
    from wic.sip.flow import Flow
    from wic.sip.random_source import RandomSource
    from wic.sip.transaction.base import Counters
    from wic.sip.transaction.client import ClientTransaction
    from wic.sip.transaction.server import ServerTransaction

__all__ = ["Endpoint", "EndpointOptions", "Role"]

_RETRY_AFTER: Final = 5  # seconds, while there are too many transactions
_DEFAULT_OPTIONS = EndpointOptions()
_NO_PARAMS = Params()
_PING = b"\r\n\r\n"
_PONG = b"\r\n"
_FRAMED_BY_LENGTH = frozenset({"TCP", "TLS"})


class Endpoint:
    """Transactions, dialogs and the rules for what arrives, without a socket or a clock."""

    __slots__ = (
        "_accepted",
        "_acknowledgements",
        "_awaited",
        "_dialogs",
        "_extensions",
        "_is_proxy",
        "_layer",
        "_stateless_tag",
        "options",
        "random_source",
    )

    def __init__(self, *, random_source: RandomSource, options: EndpointOptions = _DEFAULT_OPTIONS) -> None:
        self.random_source = random_source
        """Source of branches and tags."""
        self.options = options
        self._is_proxy = options.role is Role.PROXY
        self._extensions = frozenset() if self._is_proxy and options.extensions is None else options.extensions
        self._dialogs: dict[DialogId, Dialog] = {}
        self._awaited: dict[tuple[str, str], object] = {}
        self._layer = TransactionLayer(timers=options.timers, uses_timer_c=self._is_proxy)
        # Made when they are first needed: an endpoint without calls never has them, and there may be many endpoints.
        self._accepted: AcceptedCalls | None = None
        self._acknowledgements: Acknowledgements | None = None
        # One To tag for all answers without a transaction, so that their ACKs are known for what they are.
        self._stateless_tag: str | None = None

    # input of the network

    def receive(self, data: bytes, flow: Flow, *, now: float) -> None:
        """Take one SIP message as it was framed, or a CRLF keep-alive. Never raises for what the peer did."""
        if not data.strip(b"\r\n"):  # RFC 5626 §3.5.1
            self._keep_alive(data, flow)
            return
        try:
            message = parse(data, limits=self.options.limits, datagram=flow.transport not in _FRAMED_BY_LENGTH)
        except MessageRefused as refused:
            self._refuse_unread(refused, flow, now)
            return
        if isinstance(message, Response):
            self._layer.counts["responses_received"] += 1
            self._response(message, flow, now)
        else:
            self._layer.counts["requests_received"] += 1
            self._request(message, flow, now)

    def flow_closed(self, flow: Flow, reason: str, *, now: float) -> None:
        """End a flow: its unfinished transactions fail."""
        self._layer.flow_closed(flow, reason, now=now)
        self._layer.tell(FlowClosed(flow, reason))

    def handle_timeout(self, *, now: float) -> None:
        """Do what is due; to be called at or after `next_timeout`."""
        self._layer.queue.handle_timeout(now)

    # commands of the user

    def send_request(
        self,
        request: Request,
        flow: Flow,
        *,
        now: float,
        owner: object = None,
        branch: str | None = None,
        via_params: Params = _NO_PARAMS,
    ) -> ClientTransaction:
        """Send a request in a new transaction.

        Args:
            request: the request without our Via; it is copied, the copy gets Via and Max-Forwards.
            flow: where to.
            now: the time.
            owner: kept on the transaction.
            branch: the Via branch, where the caller has to know it; a new one if None.
            via_params: further parameters of our Via, such as `keep` (RFC 6223).

        Raises:
            LocalProtocolError: it is an ACK or CANCEL, or cannot be written.
        """
        if request.method in ("ACK", "CANCEL"):  # §13.2.2.4, §9.1
            raise LocalProtocolError(f"{request.method} begins no transaction: send_ack and cancel are for that")
        request, branch, sent_by = self._with_via(request, flow, branch, via_params)
        return self._layer.start_client(request, flow, branch=branch, sent_by=sent_by, now=now, owner=owner)

    def send_ack(self, request: Request, flow: Flow, *, now: float) -> None:
        """Send the ACK of a 2xx; a user agent sends it again when the 2xx comes again (RFC 3261 §13.2.2.4).

        Raises:
            LocalProtocolError: it cannot be written.
        """
        request, _, _ = self._with_via(request, flow)
        data = request.to_bytes()
        if not self._is_proxy:
            self._sent_acks().sent(request, flow, data, now=now)
        self._layer.counts["requests_sent"] += 1
        self._layer.send(flow, data)

    def cancel(self, transaction: ClientTransaction, *, now: float, reason: str | None = None) -> None:
        """Cancel an INVITE; without effect once it has its final response (RFC 3261 §9.1).

        Args:
            transaction: the INVITE's.
            now: the time.
            reason: value of a Reason header field, such as `SIP;cause=200;text="Call completed elsewhere"`.

        Raises:
            LocalProtocolError: it is no INVITE, or the reason cannot be written.
        """
        if not transaction.is_invite:
            raise LocalProtocolError(f"{transaction.request.method} cannot be cancelled")
        transaction.cancel(now=now, reason=reason)

    def respond(self, transaction: ServerTransaction, response: Response, *, now: float) -> bool:
        """Send a response; a user agent's 2xx to INVITE is sent again until its ACK comes.

        A To without a tag gets the transaction's.

        Returns:
            Whether it was sent: a response after the final one is not.

        Raises:
            LocalProtocolError: it cannot be written.
        """
        if response.status > 100 and response.to.tag is None and not self._is_proxy:  # §8.2.6.2
            response.headers.append_to("To", f";tag={transaction.tag}")
        if not transaction.respond(response, now=now):
            return False
        if 200 <= response.status < 300 and transaction.is_invite and not self._is_proxy:
            dialog = transaction.dialog or self._dialog_of(response)
            if dialog is not None:
                dialog.confirm()  # §13.3.1.4
            if self._accepted is None:
                self._accepted = AcceptedCalls(self._layer)
            self._accepted.sent(transaction, response, dialog, now=now)
        return True

    def reply(
        self,
        transaction: ServerTransaction,
        status: int,
        reason: str | None = None,
        *,
        now: float,
        headers: Iterable[tuple[str, object]] = (),
        body: bytes = b"",
    ) -> bool:
        """Answer with a new response made from the request; see `respond`."""
        response = Response.answer(
            transaction.request, status, reason, to_tag=transaction.tag, headers=headers, body=body
        )
        return self.respond(transaction, response, now=now)

    def add_dialog(self, dialog: Dialog) -> None:
        """Match requests to this dialog from now on."""
        self._dialogs[dialog.id] = dialog

    def remove_dialog(self, dialog: Dialog) -> None:
        """Answer 481 to requests of this dialog from now on. Harmless when it is not registered."""
        if self._dialogs.get(dialog.id) is dialog:
            del self._dialogs[dialog.id]

    def await_dialog(self, call_id: str, local_tag: str, owner: object) -> None:
        """Let a NOTIFY through that would make a dialog, before or without a 2xx (RFC 6665 §4.4.1).

        It is reported without a dialog, its transaction owned by `owner`.
        """
        self._awaited[call_id, local_tag] = owner

    def cease_to_await_dialog(self, call_id: str, local_tag: str) -> None:
        """Answer 481 to such a NOTIFY from now on. Harmless when none is awaited."""
        self._awaited.pop((call_id, local_tag), None)

    # output for the shell

    def to_send(self) -> list[Transmit]:
        """Return, once, what has to be sent now, in order."""
        return self._layer.to_send()

    def next_event(self) -> Event | None:
        """Return, once, the next thing that happened, or None.

        Asking for it says that the events before it have been dealt with: a transaction without any further
        event to come lets go of its owner then.
        """
        return self._layer.next_event()

    def next_timeout(self) -> float | None:
        """Return when `handle_timeout` is due, or None."""
        return self._layer.queue.next_timeout()

    @property
    def counters(self) -> Counters:
        """Counters of what happened so far."""
        return self._layer.snapshot()

    @property
    def dialogs(self) -> int:
        """Dialogs whose requests are let through now."""
        return len(self._dialogs)

    def _with_via(
        self, request: Request, flow: Flow, branch: str | None = None, via_params: Params = _NO_PARAMS
    ) -> tuple[Request, str, str]:
        """Return a copy with our Via on top, its branch and its sent-by (RFC 3261 §8.1.1.7, §16.6 step 8)."""
        request = request.copy()
        if "Max-Forwards" not in request.headers:  # §8.1.1.6
            request.headers.add("Max-Forwards", INITIAL_MAX_FORWARDS)
        sent_by = self.options.via.get(flow.transport) or f"{bracketed(flow.local[0])}:{flow.local[1]}"
        branch = branch or MAGIC_COOKIE + self.random_source.hex(12)  # §8.1.1.7
        params = f";branch={branch}{self.options.via_params.text}{via_params.text}"
        request.headers.prepend("Via", f"SIP/2.0/{flow.transport} {sent_by}{params}")
        return request, branch, sent_by

    # reception

    def _keep_alive(self, data: bytes, flow: Flow) -> None:
        self._layer.counts["keep_alives"] += 1
        if data.startswith(_PING) and flow.reliable:
            self._layer.counts["keep_alives"] += 1
            self._layer.send(flow, _PONG)  # RFC 5626 §4.4.1

    def _request(self, request: Request, flow: Flow, now: float) -> None:
        """Refuse a request, give it to its transaction, or begin one (RFC 3261 §8.2, §16.3, §17.2.3)."""
        if "Via" not in request.headers:
            self._layer.drop("request without Via", flow, now=now)  # §18.2.2: there is no way back
            return
        self._stamp(request, flow)
        options = self.options
        refusal = check_request(request, methods=options.methods, extensions=self._extensions, proxy=self._is_proxy)
        if refusal is not None:
            self._refuse(request, flow, refusal.status, refusal.reason, refusal.headers, now=now)
            return
        transaction = self._layer.find_server(request, flow)
        if request.method == "ACK":
            self._ack(request, flow, transaction, now)
        elif transaction is not None:
            transaction.take(TransactionInput.REQUEST, now)  # §17.2: absorbed, or answered again
            self._layer.counts["absorbed"] += 1
        elif request.method == "CANCEL":
            self._cancel(request, flow, now)
        elif self._layer.servers >= options.limits.transactions:  # §21.5.4
            self._layer.counts["overloaded"] += 1
            self._refuse(request, flow, 503, headers=[("Retry-After", _RETRY_AFTER)], now=now)
        else:
            self._new_request(request, flow, now)

    def _new_request(self, request: Request, flow: Flow, now: float) -> None:
        """Begin a transaction, by the rules of the role for requests within dialogs and outside them."""
        tag = request.to.tag
        if tag is None:
            if not self._is_proxy and self._layer.is_merged(request):
                self._refuse(request, flow, 482, now=now)  # RFC 3261 §8.2.2.2
            else:
                self._begin(request, flow, now)
            return
        dialog = self._dialog_of(request)
        if dialog is not None:
            # In a dialog of its own a proxy is a user agent; a user agent has checked the request already.
            refusal = check_request(request, extensions=self._extensions) if self._is_proxy else None
            if refusal is not None:
                self._refuse(request, flow, refusal.status, refusal.reason, refusal.headers, now=now)
            elif dialog.receive_request(request):
                self._begin(request, flow, now, dialog=dialog)
            else:
                self._refuse(request, flow, 500, now=now)  # RFC 3261 §12.2.2: out of order
        elif request.method == "NOTIFY" and (request.call_id, tag) in self._awaited:
            self._begin(request, flow, now, owner=self._awaited[request.call_id, tag])  # RFC 6665 §4.4.1
        elif self._is_proxy:
            self._begin(request, flow, now)
        else:
            self._refuse(request, flow, 481, now=now)  # RFC 3261 §12.2.2

    def _begin(
        self, request: Request, flow: Flow, now: float, *, dialog: Dialog | None = None, owner: object = None
    ) -> None:
        back = reply_flow(request, flow)
        tag = self.random_source.hex(TAG_OCTETS)
        transaction = self._layer.start_server(request, flow, reply_flow=back, tag=tag, now=now, dialog=dialog)
        transaction.owner = owner

    def _ack(self, request: Request, flow: Flow, transaction: ServerTransaction | None, now: float) -> None:
        """Give an ACK to the INVITE that it ends, or to the user if it is that of a 2xx (RFC 3261 §17.2.1, §13.3.1.4)."""
        if transaction is not None and not transaction.acknowledge(now=now):
            return
        if self._stateless_tag is not None and request.to.tag == self._stateless_tag:
            self._layer.counts["absorbed"] += 1
            return
        if self._is_proxy:
            self._layer.tell(AckReceived(request, flow, None, transaction))  # §16.11
            return
        accepted = self._accepted.acknowledged(request, now=now) if self._accepted is not None else None
        if accepted is not None:
            self._layer.tell(AckReceived(request, flow, self._dialog_of(request), accepted))  # §13.3.1.4
        elif self._accepted is not None and self._accepted.is_settled(request):
            self._layer.counts["absorbed"] += 1
        else:
            self._layer.drop("ACK without a response that waits for it", flow, now=now)

    def _cancel(self, request: Request, flow: Flow, now: float) -> None:
        """Pair a CANCEL with its INVITE (RFC 3261 §9.2); a proxy does the same (§16.10).

        A proxy that knows no such INVITE has forwarded none, so that passing the CANCEL on would be in vain.
        """
        invite = self._layer.find_server(request, flow, method="INVITE")
        if invite is None:
            self._refuse(request, flow, 481, now=now)
            return
        back = reply_flow(request, flow)
        transaction = self._layer.start_server(request, flow, reply_flow=back, tag=invite.tag, now=now, quiet=True)
        # §9.2: the To tags of both responses should be the same.
        transaction.respond(Response.answer(request, 200, to_tag=invite.to_tag or invite.tag), now=now)
        if not invite.answered and not invite.cancelled:
            invite.cancelled = True  # §9.2: 487 is its answer
            self._layer.tell(CancelReceived(invite, request))

    def _dialog_of(self, message: Request | Response) -> Dialog | None:
        """Find the dialog of a request of the peer, or of a response that this side sends to it."""
        return self._dialogs.get(DialogId(message.call_id, message.to.tag or "", message.from_.tag or ""))

    def _sent_acks(self) -> Acknowledgements:
        if self._acknowledgements is None:
            self._acknowledgements = Acknowledgements(self._layer)
        return self._acknowledgements

    def _response(self, response: Response, flow: Flow, now: float) -> None:
        """Give a response to its transaction, unless it is a 2xx that the user has had (RFC 3261 §13.2.2.4)."""
        fault = check_response(response, proxy=self._is_proxy)
        if fault is not None and self._layer.restore_cseq(response):
            fault = check_response(response, proxy=self._is_proxy)
        if fault is not None:
            self._drop_response(response, fault, flow, now)  # §18.1.2
            return
        transaction = self._layer.find_client(response, flow)
        accepts = 200 <= response.status < 300 and response.cseq.method == "INVITE" and not self._is_proxy
        if accepts and self._sent_acks().repeats(response):
            self._layer.counts["absorbed"] += 1
        elif transaction is None:
            self._layer.counts["dropped"] += 1  # RFC 6026 §8.9: a proxy forwards it no more
        elif not transaction.receive(response, flow, now=now):
            self._layer.counts["absorbed"] += 1
        elif accepts:
            self._sent_acks().received(response, now=now)

    def _drop_response(self, response: Response, fault: str, flow: Flow, now: float) -> None:
        """Drop a response that cannot be read; a final one ends its transaction, for there will be no other.

        A failure does so with its status. What a success says is lost, so that 502 stands in for it, which RFC 3261
        §21.5.3 has for an invalid response. A 2xx to INVITE begins a dialog: without it there is nothing to be ended.
        """
        self._layer.drop(f"response {response.status}: {fault}", flow, now=now)
        self._layer.restore_cseq(response)
        try:
            transaction = self._layer.find_client(response, flow)
        except MalformedHeader:
            return
        if transaction is None or response.status < 200 or (response.status < 300 and transaction.is_invite):
            return
        if len(response.headers.usable_values("via")) > 1 and not self._is_proxy:
            return  # RFC 3261 §8.1.3.3: it belongs to another element
        request = transaction.request
        if response.status < 300:
            response = Response.answer(request, 502, f"Unreadable {response.status}: {fault}")
        elif check_response(response, proxy=self._is_proxy) is not None:
            response = Response.answer(request, response.status, response.reason)
        transaction.receive(response, flow, now=now)

    # answers without a transaction

    def _refuse_unread(self, refused: MessageRefused, flow: Flow, now: float) -> None:
        if refused.response is not None:
            self._drop_response(refused.response, str(refused), flow, now)
            return
        if refused.partial is None or refused.status_hint is None:
            self._layer.drop(str(refused), flow, now=now)
            return
        self._stamp(refused.partial, flow)
        self._refuse(refused.partial, flow, refused.status_hint, now=now)

    def _stamp(self, request: Request, flow: Flow) -> None:
        with suppress(MalformedHeader):  # `check_request` refuses it, and the answer goes back where it came from
            stamp_source(request, flow)

    def _refuse(
        self,
        request: Request,
        flow: Flow,
        status: int,
        reason: str | None = None,
        headers: Iterable[tuple[str, object]] = (),
        *,
        now: float,
    ) -> None:
        """Answer without a transaction (RFC 3261 §8.2.7); an ACK is never answered."""
        if request.method == "ACK":
            self._layer.drop(f"ACK that deserves {status} {reason or ''}".rstrip(), flow, now=now)  # §8.2.7
            return
        if self._stateless_tag is None:
            self._stateless_tag = self.random_source.hex(TAG_OCTETS)
        try:
            response = Response.answer(request, status, reason, to_tag=self._stateless_tag, headers=headers)
            back = reply_flow(request, flow)
        except MalformedHeader:
            response = Response.answer(request, status, reason, headers=headers)
            back = flow
        self._layer.counts["refused"] += 1
        self._layer.counts["responses_sent"] += 1
        self._layer.send(back, response.to_bytes())
