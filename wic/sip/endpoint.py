"""The one object a shell drives: bytes, time and commands in; bytes, events and the next deadline out.

After every call that may change something (`receive`, `flow_closed`, `handle_timeout`, and every command) the
shell takes the events with `next_event`, sends what `to_send` returns and arms one timer for `next_timeout`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from wic.errors import LocalProtocolError
from wic.sip.dialog import Dialog, DialogId
from wic.sip.endpoint_options import EndpointOptions, Role, ViaParams
from wic.sip.events import FlowClosed
from wic.sip.headers.via import Via
from wic.sip.message import Response
from wic.sip.methods import INITIAL_MAX_FORWARDS
from wic.sip.outbox import Counters, Outbox
from wic.sip.params import Params
from wic.sip.random_source import branch as new_branch
from wic.sip.reception import Reception
from wic.sip.transaction.layer import Transactions
from wic.sip.two_xx import AcceptedCalls, Acknowledgements

if TYPE_CHECKING:
    from collections.abc import Iterable

    from wic.sip.events import Event, Transmit
    from wic.sip.flow import Flow
    from wic.sip.message import Request
    from wic.sip.random_source import RandomSource
    from wic.sip.transaction.client import ClientTransaction
    from wic.sip.transaction.server import ServerTransaction

__all__ = ["Endpoint", "EndpointOptions", "Role"]

_DEFAULT_OPTIONS = EndpointOptions()


class Endpoint:
    """Transactions, dialogs and the rules for what arrives, without a socket or a clock.

    `now` is in seconds of any clock that never goes back.
    """

    __slots__ = (
        "_accepted",
        "_acknowledgements",
        "_awaited",
        "_dialogs",
        "_is_proxy",
        "_outbox",
        "_reception",
        "_transactions",
        "options",
        "random_source",
    )

    def __init__(self, *, random_source: RandomSource, options: EndpointOptions = _DEFAULT_OPTIONS) -> None:
        self.random_source = random_source
        """Where branches and tags come from."""
        self.options = options
        self._outbox = Outbox()
        self._dialogs: dict[DialogId, Dialog] = {}
        self._awaited: dict[tuple[str, str], object] = {}
        timers = options.timers
        self._is_proxy = options.role is Role.PROXY
        self._transactions = Transactions(outbox=self._outbox, timers=timers, uses_timer_c=self._is_proxy)
        self._accepted = AcceptedCalls(outbox=self._outbox, timers=timers)
        self._acknowledgements = Acknowledgements(outbox=self._outbox, timers=timers)
        self._reception = Reception(
            random_source=random_source,
            options=options,
            outbox=self._outbox,
            transactions=self._transactions,
            dialogs=self._dialogs,
            awaited=self._awaited,
            accepted=self._accepted,
            acknowledgements=self._acknowledgements,
        )

    # what the network does

    def receive(self, data: bytes, flow: Flow, *, now: float) -> None:
        """Take one SIP message as it was framed, or a CRLF keep-alive. Never raises for what the peer did."""
        self._reception.receive(data, flow, now=now)

    def flow_closed(self, flow: Flow, reason: str, *, now: float) -> None:
        """Take note that a flow ended: its unfinished transactions fail."""
        self._transactions.flow_closed(flow, reason, now=now)
        self._outbox.tell(FlowClosed(flow, reason))

    def handle_timeout(self, *, now: float) -> None:
        """Do what is due; to be called at or after `next_timeout`."""
        self._outbox.timers.handle_timeout(now)

    # what the user does

    def send_request(
        self,
        request: Request,
        flow: Flow,
        *,
        now: float,
        owner: object = None,
        branch: str | None = None,
        via_params: ViaParams = (),
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
        if request.method in ("ACK", "CANCEL"):
            raise LocalProtocolError(f"{request.method} begins no transaction: send_ack and cancel are for that")
        request = self._outgoing(request, flow, branch, via_params)
        return self._transactions.start_client(request, flow, now=now, owner=owner)

    def send_ack(self, request: Request, flow: Flow, *, now: float) -> None:
        """Send the ACK of a 2xx; a user agent sends it again when the 2xx comes again (RFC 3261 §13.2.2.4).

        Raises:
            LocalProtocolError: it cannot be written.
        """
        request = self._outgoing(request, flow)
        data = request.to_bytes()
        if not self._is_proxy:
            self._acknowledgements.sent(request, flow, data, now=now)
        self._outbox.send(flow, data, "requests_sent")

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
        if response.status > 100 and response.to.tag is None and not self._is_proxy:
            response.headers.append_to("To", f";tag={transaction.tag}")
        if not transaction.respond(response, now=now):
            return False
        if 200 <= response.status < 300 and transaction.is_invite and not self._is_proxy:
            dialog = self._dialog_of(transaction, response)
            if dialog is not None:
                dialog.confirm()
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

    # what the shell takes away

    def to_send(self) -> list[Transmit]:
        """Return, once, what has to be sent now, in order."""
        return self._outbox.to_send()

    def next_event(self) -> Event | None:
        """Return, once, the next thing that happened, or None.

        Asking for it says that the events before it have been dealt with: a transaction without any further
        event to come lets go of its owner then.
        """
        return self._outbox.next_event()

    def next_timeout(self) -> float | None:
        """Return when `handle_timeout` is due, or None."""
        return self._outbox.timers.next_timeout()

    @property
    def counters(self) -> Counters:
        """What happened so far, in figures."""
        return self._outbox.snapshot(len(self._transactions))

    def _outgoing(self, request: Request, flow: Flow, branch: str | None = None, via_params: ViaParams = ()) -> Request:
        """Return a copy with our Via on top (RFC 3261 §8.1.1.7, §16.6 step 8)."""
        request = request.copy()
        if "Max-Forwards" not in request.headers:
            request.headers.add("Max-Forwards", INITIAL_MAX_FORWARDS)
        host, port = self.options.via.get(flow.transport, flow.local)
        params = Params((("branch", branch or new_branch(self.random_source)), *self.options.via_params, *via_params))
        via = Via("SIP/2.0", flow.transport, host, port, params)
        request.headers.prepend("Via", via)
        request.headers.keep_read("via", via)
        return request

    def _dialog_of(self, transaction: ServerTransaction, response: Response) -> Dialog | None:
        if transaction.dialog is not None:
            return transaction.dialog
        return self._dialogs.get(DialogId(response.call_id, response.to.tag or "", response.from_.tag or ""))
