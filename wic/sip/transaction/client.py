"""Client transactions (RFC 3261 §17.1): a request of this side, until its final response is settled.

The INVITE machine acknowledges failures itself and leaves the ACK of a 2xx to its user (§13.2.2.4). It also keeps
the CANCEL until a provisional response has come, because before that the peer may not know the INVITE (§9.1).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from wic.sip.flow import Flow
from wic.sip.message import Request
from wic.sip.methods import INITIAL_MAX_FORWARDS
from wic.sip.timers import Timer
from wic.sip.transaction.base import Transaction
from wic.sip.transaction.tables import INVITE_CLIENT, NON_INVITE_CLIENT, Action, TransactionInput, TransactionState

if TYPE_CHECKING:
    from wic.sip.message import Message, Response
    from wic.sip.transaction.base import Layer

_MAX_FORKS: Final = 64
"""To tags of 2xx to one INVITE; a callee may invent any number, and each 2xx is kept for 64*T1, here or on the way."""
_NO_FORKS: Final[frozenset[str | None]] = frozenset()


class ClientTransaction(Transaction):
    """A request that was sent; made by `Endpoint.send_request`."""

    __slots__ = ("_ack", "_cancel", "_cancel_sent", "_data", "_forks", "_response", "response_flow", "sent_by")

    def __init__(
        self, layer: Layer, *, id: str, sent_by: str, request: Request, flow: Flow, owner: object, quiet: bool
    ) -> None:
        table = INVITE_CLIENT if request.method == "INVITE" else NON_INVITE_CLIENT
        super().__init__(table, layer, id=id, request=request, flow=flow, owner=owner, quiet=quiet)
        self.sent_by = sent_by.lower()
        """Host and port of our Via in lower case; a response has to bring them back (RFC 3261 §18.1.2)."""
        self._data = request.to_bytes()
        self._response: Response | None = None
        self._forks = _NO_FORKS
        self.response_flow = flow
        """Flow of the last response."""
        self._ack: tuple[Flow, bytes] | None = None
        self._cancel: Request | None = None
        self._cancel_sent = False

    @property
    def response(self) -> Response | None:
        """The response that came last."""
        return self._response

    @property
    def cancelled(self) -> bool:
        """Whether this side asked for its cancellation."""
        return self._cancel is not None

    def receive(self, response: Response, flow: Flow, *, now: float) -> bool:
        """Take a response; False means that it told nothing new."""
        given = _input(response.status)
        if given is TransactionInput.SUCCESS and self.is_invite and (tag := response.to.tag) not in self._forks:
            if len(self._forks) >= _MAX_FORKS:
                return False
            self._forks |= {tag}
        self.response_flow = flow
        before, self._response = self._response, response
        row = self.take(given, now)
        if row is None:
            self._response = before
            return False
        if self._cancel is not None and not self._cancel_sent and self.state is TransactionState.PROCEEDING:
            self._send_cancel(self._cancel, now)
        return Action.PASS_RESPONSE in row.actions

    def cancel(self, *, now: float, reason: str | None = None) -> None:
        """Ask for cancellation; the CANCEL waits for a provisional response (RFC 3261 §9.1).

        Args:
            now: the time.
            reason: the value of a Reason header field (RFC 3326), or None.

        Raises:
            LocalProtocolError: the reason cannot be written.
        """
        if self._cancel is not None or self.state not in (TransactionState.CALLING, TransactionState.PROCEEDING):
            return
        cancel = self._hop_request("CANCEL", self.request)
        if reason is not None:
            cancel.headers.add("Reason", reason)
        cancel.to_bytes()  # now it is the caller's fault if it cannot be written, later it would look like the peer's
        self._cancel = cancel
        if self.state is TransactionState.PROCEEDING:
            self._send_cancel(cancel, now)

    def _send_cancel(self, cancel: Request, now: float) -> None:
        self._cancel_sent = True
        # The answer to the CANCEL itself means nothing to the user (§9.1): the INVITE gets its own.
        flow = self._address(cancel)
        self._layer.start_client(cancel, flow, branch=self.id, sent_by=self.sent_by, now=now, owner=self, quiet=True)
        self._carry_out((), (Timer.CANCELLED,), now)

    def _pack(self) -> None:
        super()._pack()
        self._data = b""
        self._current().pack()

    def _interval(self, timer: Timer) -> float:
        if timer is Timer.E and self.state is TransactionState.PROCEEDING:
            return self._layer.timers.t2  # RFC 3261 §17.1.2.2: T2 from the first provisional response on
        return super()._interval(timer)

    def _perform(self, action: Action, now: float) -> None:
        match action:
            case Action.SEND_REQUEST:
                if self.attempt:
                    self._layer.counts["retransmitted"] += 1
                else:
                    self._layer.counts["requests_sent"] += 1
                self._layer.send(self.flow, self._data)
                if self.flow.reliable:
                    self._data = b""  # it will not be sent again
            case Action.SEND_ACK:
                self._send_ack()
            case Action.SEND_CANCEL:
                self.cancel(now=now)
            case _:
                raise AssertionError(action)

    def _send_ack(self) -> None:
        if self._ack is None:
            # RFC 3261 §17.1.1.3: the tag of the response, everything else from the INVITE.
            ack = self._hop_request("ACK", self._current())
            flow = self._address(ack)
            self._ack = flow, ack.to_bytes()
            self._layer.counts["requests_sent"] += 1
        else:
            self._layer.counts["retransmitted"] += 1
        self._layer.send(*self._ack)

    def _address(self, request: Request) -> Flow:
        """Write the Via into an ACK or CANCEL, and return its flow: that of the INVITE.

        The shell sends a long INVITE over TCP instead of UDP (RFC 3261 §18.1.1). ACK and CANCEL have to take the same
        transport (§9.1, §17.1.1.3), which is the one that the response has come back by (§18.2.2).
        """
        flow, taken = self.flow, self.response_flow
        via = self.request.headers.values("Via")[0]
        if flow.transport == "UDP" and taken.transport == "TCP" and taken.remote == flow.remote:
            flow = Flow("TCP", (flow.local[0], 0), flow.remote)
            via = str(replace(self.request.via, transport="TCP"))
        request.headers.prepend("Via", via)
        return flow

    def _current(self) -> Response:
        assert self._response is not None, "the table acts on a response before one has come"
        return self._response

    def _hop_request(self, method: str, answer: Message) -> Request:
        """Build the ACK or CANCEL that follows the INVITE to its next hop, still without Via (RFC 3261 §9.1, §17.1.1.3).

        The To is that of `answer`. All that came from others goes out byte for byte.
        """
        ours = self.request.headers
        request = Request.build(method, self.request.uri_text)
        request.headers.copy_from(ours, "Route")  # §9.1, §17.1.1.3
        request.headers.add("Max-Forwards", INITIAL_MAX_FORWARDS)
        request.headers.copy_from(ours, "From", "Call-ID")  # §17.1.1.3
        request.headers.copy_from(answer.headers, "To")  # §17.1.1.3: with the tag of the response
        request.headers.add("CSeq", f"{self.request.cseq.number} {method}")  # the number of the INVITE
        return request


def _input(status: int) -> TransactionInput:
    if status == 100:
        return TransactionInput.TRYING
    if status < 200:
        return TransactionInput.PROVISIONAL
    return TransactionInput.SUCCESS if status < 300 else TransactionInput.FAILURE
