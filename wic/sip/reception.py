"""What an endpoint does with arriving bytes: refuse, absorb, match, or report."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from wic.sip.dialog import DialogId
from wic.sip.endpoint_options import Role
from wic.sip.errors import MalformedHeader
from wic.sip.events import AckReceived, CancelReceived, StrayResponse
from wic.sip.hops import reply_flow, stamp_source
from wic.sip.message import Request, Response
from wic.sip.parser import MessageRefused, parse
from wic.sip.random_source import tag as new_tag
from wic.sip.transaction.tables import Input
from wic.sip.validate import check_request, check_response

if TYPE_CHECKING:
    from collections.abc import Iterable

    from wic.sip.dialog import Dialog
    from wic.sip.endpoint_options import EndpointOptions
    from wic.sip.flow import Flow
    from wic.sip.outbox import Outbox
    from wic.sip.random_source import RandomSource
    from wic.sip.transaction.layer import Transactions
    from wic.sip.two_xx import AcceptedCalls, Acknowledgements

_PING = b"\r\n\r\n"
_PONG = b"\r\n"
_REWRITTEN = ("Via", "Route", "Record-Route", "Path", "Service-Route", "Call-ID", "Reason")
_REWRITTEN_PARAMETERS = ("From", "To", "Contact")
_FRAMED_BY_LENGTH = frozenset({"TCP", "TLS"})


class Reception:
    """The incoming half of an `Endpoint`."""

    __slots__ = (
        "_accepted",
        "_acknowledgements",
        "_awaited",
        "_dialogs",
        "_extensions",
        "_is_proxy",
        "_options",
        "_outbox",
        "_random_source",
        "_stateless_tag",
        "_transactions",
    )

    def __init__(
        self,
        *,
        random_source: RandomSource,
        options: EndpointOptions,
        outbox: Outbox,
        transactions: Transactions,
        dialogs: dict[DialogId, Dialog],
        awaited: dict[tuple[str, str], object],
        accepted: AcceptedCalls,
        acknowledgements: Acknowledgements,
    ) -> None:
        self._random_source = random_source
        self._options = options
        self._outbox = outbox
        self._transactions = transactions
        self._dialogs = dialogs
        self._awaited = awaited
        self._accepted = accepted
        self._acknowledgements = acknowledgements
        self._is_proxy = options.role is Role.PROXY
        self._extensions = options.extensions
        if self._is_proxy and self._extensions is None:
            self._extensions = frozenset()
        # One To tag for all answers without a transaction, so that their ACKs are known for what they are.
        self._stateless_tag = new_tag(random_source)

    def receive(self, data: bytes, flow: Flow, *, now: float) -> None:
        """Take one framed message or a keep-alive."""
        if not data.strip(b"\r\n"):
            self._keep_alive(data, flow)
            return
        try:
            message = parse(data, limits=self._options.limits, datagram=flow.transport not in _FRAMED_BY_LENGTH)
        except MessageRefused as refused:
            self._refuse_unread(refused, flow)
            return
        if _unwritable(message, data):
            self._outbox.drop("characters that no element can write anew", flow)
        elif isinstance(message, Response):
            self._outbox.count("responses_received")
            self._response(message, flow, now)
        else:
            self._outbox.count("requests_received")
            self._request(message, flow, now)

    def _keep_alive(self, data: bytes, flow: Flow) -> None:
        self._outbox.count("keep_alives")
        if data.startswith(_PING) and flow.reliable:
            self._outbox.send(flow, _PONG, "keep_alives")  # RFC 5626 §4.4.1

    # requests

    def _refuse_unread(self, refused: MessageRefused, flow: Flow) -> None:
        if refused.partial is None or refused.status_hint is None:
            self._outbox.drop(str(refused), flow)
            return
        self._stamp(refused.partial, flow)
        self._refuse(refused.partial, flow, refused.status_hint)

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
    ) -> None:
        """Answer without a transaction (RFC 3261 §8.2.7); an ACK is never answered."""
        if request.method == "ACK":
            self._outbox.drop(f"ACK that deserves {status}", flow)
            return
        try:
            response = Response.answer(request, status, reason, to_tag=self._stateless_tag, headers=headers)
            back = reply_flow(request, flow)
        except MalformedHeader:
            response = Response.answer(request, status, reason, headers=headers)
            back = flow
        self._outbox.count("refused")
        self._outbox.send(back, response.to_bytes(), "responses_sent")

    def _request(self, request: Request, flow: Flow, now: float) -> None:
        if "Via" not in request.headers:
            self._outbox.drop("request without Via", flow)
            return
        self._stamp(request, flow)
        refusal = check_request(
            request, methods=self._options.methods, extensions=self._extensions, proxy=self._is_proxy
        )
        if refusal is not None:
            self._refuse(request, flow, refusal.status, refusal.reason, refusal.headers)
        elif request.method == "ACK":
            self._ack(request, flow, now)
        elif self._repeated(request, flow, now):
            self._outbox.count("absorbed")
        elif request.method == "CANCEL":
            self._cancel(request, flow, now)
        elif self._transactions.servers >= self._options.max_transactions:
            self._outbox.count("overloaded")
            self._refuse(request, flow, 503, headers=[("Retry-After", self._options.retry_after)])
        elif self._is_proxy and not self._ends_here(request):
            self._begin(request, flow, now)
        else:
            self._user_agent_request(request, flow, now)

    def _ends_here(self, request: Request) -> bool:
        """Tell whether a proxy takes part in the request's dialog itself, as a notifier or subscriber does."""
        if request.to.tag is None:
            return False
        return self._dialog_of(request) is not None or self._awaits(request)

    def _awaits(self, request: Request) -> bool:
        return request.method == "NOTIFY" and (request.call_id, request.to.tag or "") in self._awaited

    def _repeated(self, request: Request, flow: Flow, now: float) -> bool:
        transaction = self._transactions.find_server(request, flow)
        if transaction is None:
            return False
        transaction.take(Input.REQUEST, now)
        return True

    def _user_agent_request(self, request: Request, flow: Flow, now: float) -> None:
        """Apply the rules of a user agent server (RFC 3261 §8.2, §12.2.2)."""
        if request.to.tag is None:
            if self._transactions.is_merged(request):
                self._refuse(request, flow, 482)  # RFC 3261 §8.2.2.2
            else:
                self._begin(request, flow, now)
            return
        dialog = self._dialog_of(request)
        if dialog is None:
            if self._awaits(request):
                self._begin(request, flow, now, owner=self._awaited[request.call_id, request.to.tag or ""])
            else:
                self._refuse(request, flow, 481)
            return
        if dialog.receive_request(request):
            self._begin(request, flow, now, dialog)
        else:
            self._refuse(request, flow, 500)

    def _begin(
        self, request: Request, flow: Flow, now: float, dialog: Dialog | None = None, owner: object = None
    ) -> None:
        transaction = self._transactions.start_server(
            request,
            flow,
            reply_flow=reply_flow(request, flow),
            tag=new_tag(self._random_source),
            now=now,
            dialog=dialog,
        )
        transaction.owner = owner

    def _ack(self, request: Request, flow: Flow, now: float) -> None:
        transaction = self._transactions.find_server(request, flow)
        if transaction is not None and not transaction.acknowledge(now=now):
            return
        if request.to.tag == self._stateless_tag:
            self._outbox.count("absorbed")
        elif self._is_proxy:
            self._outbox.tell(AckReceived(request, flow, None, transaction))
        else:
            self._user_agent_ack(request, flow, now)

    def _user_agent_ack(self, request: Request, flow: Flow, now: float) -> None:
        transaction = self._accepted.acknowledged(request, now=now)
        if transaction is not None:
            self._outbox.tell(AckReceived(request, flow, self._dialog_of(request), transaction))
        elif self._accepted.is_settled(request):
            self._outbox.count("absorbed")
        else:
            self._outbox.drop("ACK that nobody waits for", flow)

    def _cancel(self, request: Request, flow: Flow, now: float) -> None:
        """Pair a CANCEL with its INVITE (RFC 3261 §9.2); a proxy does the same (§16.10).

        A proxy that knows no such INVITE has forwarded none, so that passing the CANCEL on would be in vain.
        """
        invite = self._transactions.find_server(request, flow, method="INVITE")
        if invite is None:
            self._refuse(request, flow, 481)
            return
        transaction = self._transactions.start_server(
            request, flow, reply_flow=reply_flow(request, flow), tag=invite.tag, now=now, quiet=True
        )
        transaction.respond(Response.answer(request, 200, to_tag=invite.to_tag or invite.tag), now=now)
        if not invite.answered and not invite.cancelled:
            invite.cancelled = True
            self._outbox.tell(CancelReceived(invite, request))

    def _dialog_of(self, request: Request) -> Dialog | None:
        return self._dialogs.get(DialogId(request.call_id, request.to.tag or "", request.from_.tag or ""))

    # responses

    def _response(self, response: Response, flow: Flow, now: float) -> None:
        fault = check_response(response)
        if fault is not None:
            self._outbox.drop(f"response: {fault}", flow)
            return
        accepts = 200 <= response.status < 300 and response.cseq.method == "INVITE" and not self._is_proxy
        transaction = self._transactions.find_client(response, flow)
        if accepts and not self._acknowledgements.received(response, now=now):
            self._outbox.count("absorbed")
        elif transaction is None:
            self._outbox.count("dropped")
            self._outbox.tell(StrayResponse(response, flow))
        elif not transaction.receive(response, flow, now=now):
            self._outbox.count("absorbed")


def _unwritable(message: Request | Response, data: bytes) -> bool:
    """Tell whether something cannot go out again that an element on the way has to write anew.

    RFC 3261 §25.1 allows a NUL in quoted strings and RFC 4475 §3.1.1.2 shows one; no value of ours goes out with it.
    """
    if isinstance(message, Request) and not message.uri_text.isprintable():
        return True
    if b"\0" not in data:
        return False
    headers = message.headers
    texts = [line for name in _REWRITTEN for line in headers.get_all(name)]
    texts += [line.rpartition(">")[2] for name in _REWRITTEN_PARAMETERS for line in headers.get_all(name)]
    if isinstance(message, Response):
        texts.append(message.reason)
    return any("\0" in text for text in texts)
