"""The server transactions (RFC 3261 §17.2): a request of the peer, until its answer is final and settled."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wic.sip.events import AckTimedOut, RequestReceived, TransportFailed
from wic.sip.message import Response
from wic.sip.timers import Timer
from wic.sip.transaction.base import Transaction
from wic.sip.transaction.tables import INVITE_SERVER, NON_INVITE_SERVER, Action, Input, State

if TYPE_CHECKING:
    from collections.abc import Hashable

    from wic.sip.dialog import Dialog
    from wic.sip.flow import Flow
    from wic.sip.message import Request
    from wic.sip.transaction.base import Layer


class ServerTransaction(Transaction):
    """A request that was received; answered with `Endpoint.respond`."""

    __slots__ = ("_last", "_next", "_response", "cancelled", "dialog", "keys", "reply_flow", "tag", "to_tag")

    def __init__(
        self,
        layer: Layer,
        *,
        id: str,
        request: Request,
        flow: Flow,
        reply_flow: Flow,
        tag: str,
        dialog: Dialog | None = None,
        quiet: bool = False,
    ) -> None:
        table = INVITE_SERVER if request.method == "INVITE" else NON_INVITE_SERVER
        super().__init__(table, layer, id=id, request=request, flow=flow, owner=None, quiet=quiet)
        self.reply_flow = reply_flow
        """Where responses go: `flow` itself on streams, the address that the Via asks for on UDP."""
        self.tag = tag
        """A To tag for answers of this element; `Endpoint.respond` adds it where a response lacks one."""
        self.dialog = dialog
        """The dialog that the request belongs to, if the endpoint knows one."""
        self.to_tag: str | None = None
        """The To tag of the response sent last."""
        self.keys: tuple[tuple[Hashable, ...], tuple[Hashable, ...]] = ((), ())
        """What the layer finds it by."""
        self.cancelled = False
        """Whether the peer cancelled it."""
        self._response: Response | None = None
        self._last: bytes | None = None
        self._next: tuple[Response, bytes] | None = None

    @property
    def response(self) -> Response | None:
        """The response that was sent last."""
        return self._response

    @property
    def answered(self) -> bool:
        """Whether a final response was sent."""
        return self._response is not None and self._response.status >= 200

    def respond(self, response: Response, *, now: float) -> bool:
        """Send a response; False means that it comes too late and was not sent."""
        self._next = (response, response.to_bytes())
        return self.take(_input(response.status), now) is not None

    def acknowledge(self, *, now: float) -> bool:
        """Take an ACK; True means that it is for a 2xx and thus the user's (RFC 6026 §8.7)."""
        row = self.take(Input.ACK, now)
        return row is not None and Action.PASS_ACK in row.actions

    def _perform(self, action: Action, now: float) -> None:
        match action:
            case Action.PASS_REQUEST:
                self._tell(RequestReceived(self, self.request, self.flow, self.dialog))
            case Action.SEND_RESPONSE:
                assert self._next is not None, "the table sends a response that was not given"
                self._stop(Timer.TRYING)
                self._send(*self._next)
            case Action.SEND_TRYING:
                trying = Response.answer(self.request, 100)
                self._send(trying, trying.to_bytes())
            case Action.SEND_LAST:
                self._send_again()
            case Action.PASS_ACK:
                pass  # `acknowledge` returns it to the endpoint
            case Action.TELL_NO_ACK:
                self._tell(AckTimedOut(self, self.dialog))
            case Action.TELL_FLOW_LOST:
                self._tell(TransportFailed(self, self._lost))
            case _:
                raise AssertionError(action)

    def _pack(self) -> None:
        super()._pack()
        self._next = None
        if self._state in self._table.silent:
            self.dialog = None
        assert self._response is not None, "only a final response leads to rest"
        self._response.pack()
        if self._state is not State.COMPLETED:
            self._last = None  # only there it may be asked for again

    def _send_again(self) -> None:
        if self._last is not None:
            self._layer.outbox.send(self.reply_flow, self._last, "retransmitted")

    def _send(self, response: Response, data: bytes) -> None:
        self._response, self._last = response, data
        self.to_tag = response.to.tag
        self._layer.outbox.send(self.reply_flow, data, "responses_sent")


def _input(status: int) -> Input:
    if status < 200:
        return Input.SEND_PROVISIONAL
    return Input.SEND_SUCCESS if status < 300 else Input.SEND_FAILURE
