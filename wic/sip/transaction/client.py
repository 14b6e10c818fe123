"""The client transactions (RFC 3261 §17.1): a request of ours, until its answer is final and settled."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wic.sip.events import ResponseReceived, TransactionTimedOut, TransportFailed
from wic.sip.message import Request
from wic.sip.methods import INITIAL_MAX_FORWARDS
from wic.sip.timers import Timer
from wic.sip.transaction.base import Transaction
from wic.sip.transaction.tables import INVITE_CLIENT, NON_INVITE_CLIENT, Action, Input, State

if TYPE_CHECKING:
    from wic.sip.flow import Flow
    from wic.sip.message import Message, Response
    from wic.sip.transaction.base import Layer


class ClientTransaction(Transaction):
    """A request that was sent; made by `Endpoint.send_request`."""

    __slots__ = (
        "_ack",
        "_cancel",
        "_cancel_sent",
        "_data",
        "_response",
        "_response_flow",
        "sent_by",
    )

    def __init__(
        self, layer: Layer, *, id: str, request: Request, flow: Flow, owner: object = None, quiet: bool = False
    ) -> None:
        table = INVITE_CLIENT if request.method == "INVITE" else NON_INVITE_CLIENT
        super().__init__(table, layer, id=id, request=request, flow=flow, owner=owner, quiet=quiet)
        self.sent_by = request.via.sent_by
        """Host and port of our Via; a response has to bring them back (RFC 3261 §18.1.2)."""
        self._data = request.to_bytes()
        self._response: Response | None = None
        self._response_flow = flow
        self._ack: bytes | None = None
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
        self._response_flow = flow
        before, self._response = self._response, response
        row = self.take(given, now)
        if row is None:
            self._response = before
            return False
        if self._cancel is not None and not self._cancel_sent and self.state is State.PROCEEDING:
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
        if self._cancel is not None or self.state not in (State.CALLING, State.PROCEEDING):
            return
        cancel = self._hop_request("CANCEL", self.request)
        if reason is not None:
            cancel.headers.add("Reason", reason)
        cancel.to_bytes()  # now it is the caller's fault if it cannot be written, later it would look like the peer's
        self._cancel = cancel
        if self.state is State.PROCEEDING:
            self._send_cancel(cancel, now)

    def _send_cancel(self, cancel: Request, now: float) -> None:
        self._cancel_sent = True
        self._layer.start_cancel(self, cancel, now)
        self._start(Timer.CANCELLED, now)

    def _pack(self) -> None:
        super()._pack()
        self._data = b""
        self._current().pack()

    def _interval(self, timer: Timer) -> float:
        if timer is Timer.E and self.state is State.PROCEEDING:
            return self._layer.timers.t2  # RFC 3261 §17.1.2.2: T2 from the first provisional response on
        return super()._interval(timer)

    def _perform(self, action: Action, now: float) -> None:
        match action:
            case Action.SEND_REQUEST:
                self._send_request()
            case Action.SEND_ACK:
                self._send_ack()
            case Action.SEND_CANCEL:
                self.cancel(now=now)
            case Action.PASS_RESPONSE:
                self._tell(ResponseReceived(self, self._current(), self._response_flow))
            case Action.TELL_TIMEOUT:
                self._tell(TransactionTimedOut(self))
            case Action.TELL_FLOW_LOST:
                self._tell(TransportFailed(self, self._lost))
            case _:
                raise AssertionError(action)

    def _send_request(self) -> None:
        self._layer.outbox.send(self.flow, self._data, "retransmitted" if self.attempt else "requests_sent")
        if self.flow.reliable:
            self._data = b""  # never asked for again

    def _send_ack(self) -> None:
        outbox = self._layer.outbox
        if self._ack is None:
            # RFC 3261 §17.1.1.3: the tag of the response, everything else from the INVITE.
            self._ack = self._hop_request("ACK", self._current()).to_bytes()
            outbox.send(self.flow, self._ack, "requests_sent")
        else:
            outbox.send(self.flow, self._ack, "retransmitted")

    def _current(self) -> Response:
        assert self._response is not None, "the table acts on a response before one has come"
        return self._response

    def _hop_request(self, method: str, answer: Message) -> Request:
        """Build the ACK or CANCEL that follows the INVITE to its next hop (RFC 3261 §9.1, §17.1.1.3).

        Args:
            method: `ACK` or `CANCEL`.
            answer: where the To comes from. All that came from others goes out byte for byte.
        """
        ours = self.request.headers
        request = Request.build(method, self.request.uri_text, [("Via", ours.values("Via")[0])])
        request.headers.copy_from(ours, "Route")
        request.headers.add("Max-Forwards", INITIAL_MAX_FORWARDS)
        request.headers.copy_from(ours, "From", "Call-ID")
        request.headers.copy_from(answer.headers, "To")
        request.headers.add("CSeq", f"{self.request.cseq.number} {method}")
        return request


def _input(status: int) -> Input:
    if status == 100:
        return Input.TRYING
    if status < 200:
        return Input.PROVISIONAL
    return Input.SUCCESS if status < 300 else Input.FAILURE
