"""Server transactions (RFC 3261 §17.2): a request of the peer, until its final response is settled.

A repeated request gets the last response again. After a 2xx the INVITE machine absorbs repetitions of the INVITE
and passes ACKs on (RFC 6026 §7.1): the 2xx and its ACK are the user's, who repeats it (`wic.sip.two_xx`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from wic.sip.message import Response
from wic.sip.timers import Timer
from wic.sip.transaction.base import Transaction
from wic.sip.transaction.tables import INVITE_SERVER, NON_INVITE_SERVER, Action, TransactionInput, TransactionState

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
        """Flow of the responses: `flow` itself on streams, the address that the Via asks for on UDP."""
        self.tag = tag
        """A To tag for answers of this element; `Endpoint.respond` adds it where a response lacks one."""
        self.dialog = dialog
        """The dialog that the request belongs to, if the endpoint knows one."""
        self.to_tag: str | None = None
        """The To tag of the response sent last."""
        self.keys: tuple[tuple[Hashable, ...], tuple[Hashable, ...]] = ((), ())
        """Key by which the layer finds it."""
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
        row = self.take(TransactionInput.ACK, now)
        return row is not None and Action.PASS_ACK in row.actions

    def _perform(self, action: Action, now: float) -> None:
        match action:
            case Action.SEND_RESPONSE:
                assert self._next is not None, "the table sends a response that was not given"
                self._stop(Timer.TRYING)  # §17.2.1: the user was in time
                self._send(*self._next)
            case Action.SEND_TRYING:
                trying = Response.answer(self.request, 100)  # RFC 3261 §17.2.1
                self._send(trying, trying.to_bytes())
            case Action.SEND_LAST:
                if self._last is not None:
                    self._layer.counts["retransmitted"] += 1
                    self._layer.send(self.reply_flow, self._last)
            case Action.PASS_ACK:
                pass  # `acknowledge` returns it to the endpoint
            case _:
                raise AssertionError(action)

    def _pack(self) -> None:
        super()._pack()
        self._next = None
        if self._state in self._table.silent:
            self.dialog = None
        assert self._response is not None, "only a final response leads to rest"
        self._response.pack()
        if self._state is not TransactionState.COMPLETED:
            self._last = None  # only there it may be asked for again

    def _send(self, response: Response, data: bytes) -> None:
        self._response, self._last = response, data
        self.to_tag = response.to.tag
        self._layer.counts["responses_sent"] += 1
        self._layer.send(self.reply_flow, data)


def _input(status: int) -> TransactionInput:
    if status < 200:
        return TransactionInput.SEND_PROVISIONAL
    return TransactionInput.SEND_SUCCESS if status < 300 else TransactionInput.SEND_FAILURE
