"""Incoming calls: an INVITE of the network and its answer (TS 24.371 §7.2.3, RFC 3261 §13.3)."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from wic.call.agreement import Agreement
from wic.call.errors import cancelled
from wic.call.events import CallEndedBy, Confirmed, Ended, Failed
from wic.call.in_dialog import refusal_headers, warning
from wic.call.session import CallSession
from wic.call.state import INCOMING_CALL, CallInput, CallState
from wic.errors import CallFailed, LocalProtocolError, NegotiationFailed, RemoteProtocolError
from wic.sdp.body import SDP, expect_sdp
from wic.sdp.errors import AnswerNotValid
from wic.sip.dialog import Dialog
from wic.sip.events import CancelReceived
from wic.sip.grammar import split_list
from wic.sip.headers.address import NameAddr
from wic.sip.message import Response

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wic.call.profile import CallProfile
    from wic.sdp.description import SessionDescription
    from wic.sip.endpoint import Endpoint
    from wic.sip.events import AckReceived, Event, RequestReceived
    from wic.sip.message import Request
    from wic.sip.transaction.server import ServerTransaction

__all__ = ["IncomingCall", "receive_call"]

_MAX_ASSERTED = 2  # RFC 3325 §9.1: a SIP or SIPS URI, and a tel URI
_RING_AGAIN_SECONDS = 60.0  # RFC 3261 §13.3.1.1: a provisional response every minute keeps proxies patient


class IncomingCall(CallSession):
    """A call that the peer makes; `receive_call` builds it."""

    def __init__(
        self, endpoint: Endpoint, profile: CallProfile, transaction: ServerTransaction, offer: SessionDescription | None
    ) -> None:
        super().__init__(endpoint, profile, call_id=transaction.request.call_id, table=INCOMING_CALL)
        self._transaction = transaction
        self._offer = offer
        self._local: SessionDescription | None = None
        self._ring_again: float | None = None
        self._hangup_wanted = False
        transaction.owner = self
        # The dialog is there from the INVITE on, so that the peer's requests within it find the call: any response of
        # the transaction carries the same To tag (RFC 3261 §12.1.1, §8.2.6.2).
        preview = Response.answer(transaction.request, 180, to_tag=transaction.tag)
        self._dialog = Dialog.from_request(transaction.request, preview, owner=self)
        endpoint.add_dialog(self._dialog)

    @property
    def request(self) -> Request:
        """The INVITE."""
        return self._transaction.request

    @property
    def offer(self) -> SessionDescription | None:
        """The caller's offer; None where the caller asks for one (RFC 3261 §13.3.1), and after the call."""
        return self._offer

    @property
    def caller(self) -> NameAddr:
        """The caller as the network asserts it, or else as the INVITE names it (RFC 3325 §9.1)."""
        return next(iter(self.asserted), self.request.from_)

    @property
    def asserted(self) -> tuple[NameAddr, ...]:
        """The identities of the caller that the network asserts: a SIP URI, a tel URI, or both (RFC 3325 §9.1)."""
        return tuple(islice(_asserted_identities(self.request), _MAX_ASSERTED))

    @property
    def _undecided(self) -> bool:
        return self._state in (CallState.OFFERED, CallState.RINGING)

    def ring(self, *, now: float) -> None:
        """Tell the caller that the user is being alerted; repeated until the call is answered or refused."""
        if self._state is CallState.OFFERED:
            self._move(CallInput.RING)
        if self._state is CallState.RINGING:
            # Without 100rel (RFC 3262) a 180 may get lost, which its repetition makes up for.
            self._respond(180, now)
            self._ring_again = now + _RING_AGAIN_SECONDS

    def answer(self, description: SessionDescription, *, now: float) -> None:
        """Accept the call.

        Args:
            description: the answer to `offer`, or an offer where the caller made none.
            now: the time.

        Raises:
            LocalProtocolError: the call was answered already, or is over.
            AnswerNotValid: the description does not fit the offer.
        """
        if not self._undecided:
            raise LocalProtocolError(f"a call that is {self._state.value} cannot be answered")
        if self._offer is not None:
            # RFC 3261 §13.2.1: the 2xx answers an offer in the INVITE, or offers, and then the ACK answers.
            self._agreement = Agreement.of(offer=self._offer, answer=description, offered_here=False)
        self._local = description
        self._ring_again = None
        self._move(CallInput.ACCEPT)
        self._respond(200, now, headers=[("Content-Type", SDP)], body=description.to_bytes())

    def reject(self, status: int = 603, reason: str | None = None, *, why: str = "", now: float) -> None:
        """Refuse the call; once it was answered or is over, do nothing.

        Args:
            status: 300 to 699.
            reason: the phrase; None stands for the usual one.
            why: an explanation, for the Warning header field.
            now: the time.
        """
        if self._undecided:
            response = self._respond(status, now, reason=reason, headers=[warning(why, self._profile)] if why else [])
            text = f"this side rejected the call ({response.summary})"
            self._finish(Failed(CallFailed(text, response=response)))

    def hangup(self, *, now: float) -> None:
        """Decline the call, or end it by BYE if it was answered."""
        if self._state is CallState.CONFIRMED:
            self._end(Ended(CallEndedBy.LOCAL, "this side hung up"), now=now)
        elif self._state is CallState.ACCEPTED:
            self._report_end(Ended(CallEndedBy.LOCAL, "this side hung up"))
            # RFC 3261 §15: no BYE before the ACK has come, or is given up.
            self._hangup_wanted = True
        else:
            self.reject(now=now)

    def fail(self, error: CallFailed, *, now: float) -> None:
        """End the call for a fault on this side of it; between answer and ACK, as soon as that has come."""
        if self._undecided:
            self._report_end(Failed(error))
            self.reject(480, why=str(error), now=now)
        elif self._state is CallState.ACCEPTED:
            self._report_end(Ended(CallEndedBy.NETWORK, str(error), error))
            self._hangup_wanted = True
        else:
            super().fail(error, now=now)

    def next_timeout(self) -> float | None:
        """Return when the 180 is to be repeated."""
        return self._ring_again

    def handle_timeout(self, *, now: float) -> None:
        """Repeat the 180 when it is due."""
        if self._ring_again is not None and now >= self._ring_again:
            self.ring(now=now)

    def _ack_received(self, event: AckReceived, now: float) -> None:
        if self._state is not CallState.ACCEPTED or event.transaction is not self._transaction:
            super()._ack_received(event, now)
            return
        # RFC 3261 §13.3.1.4: from here on the session stands, and both sides may change or end it.
        try:
            agreement = self._agreement or self._take_answer(event.request)
        except (NegotiationFailed, RemoteProtocolError) as error:
            failure = NegotiationFailed(f"the answer in the ACK cannot be used: {error}")
            failure.__cause__ = error
            self._end(Ended(CallEndedBy.NETWORK, str(failure), failure), now=now)
            return
        self._agreement = agreement
        self._move(CallInput.ACKED)
        if self._hangup_wanted:
            self.hangup(now=now)
        else:
            self._tell(Confirmed(agreement))

    def _take_answer(self, ack: Request) -> Agreement:
        assert self._local is not None, "a call without agreement was answered by an offer"
        answer = expect_sdp(ack)
        if answer is None or not any(section.port for section in answer.media):
            raise AnswerNotValid("it accepts none of the offered media")
        return Agreement.of(offer=self._local, answer=answer, offered_here=True)

    def _handle_own(self, event: Event, now: float) -> None:
        # A re-INVITE is answered at once, so that its CANCEL always comes too late.
        if isinstance(event, CancelReceived) and event.transaction is self._transaction and self._undecided:
            self._give_up(event.request, now)

    def _bye_received(self, request: Request, now: float) -> None:
        if self._undecided:
            # RFC 3261 §15.1.2: pending requests in the dialog are answered 487.
            self._give_up(request, now)
        else:
            super()._bye_received(request, now)

    def _give_up(self, request: Request, now: float) -> None:
        # RFC 3261 §9.2, §15.1.2: the INVITE that was cancelled, or whose dialog was ended, is answered 487.
        self._respond(487, now)
        self._finish(Failed(cancelled(end=request)))

    def _finish(self, event: Ended | Failed | None) -> None:
        self._ring_again = None
        self._local = None
        super()._finish(event)

    def _respond(
        self,
        status: int,
        now: float,
        *,
        reason: str | None = None,
        headers: list[tuple[str, object]] | None = None,
        body: bytes = b"",
    ) -> Response:
        own = self._in_dialog.capabilities() if status < 300 else []
        response = Response.answer(
            self.request, status, reason, to_tag=self._transaction.tag, headers=[*own, *(headers or [])], body=body
        )
        self._endpoint.respond(self._transaction, response, now=now)
        return response


def receive_call(
    endpoint: Endpoint, profile: CallProfile, event: RequestReceived, *, now: float
) -> IncomingCall | None:
    """Begin an incoming call for an INVITE outside any dialog; None if it had to be refused at once.

    Args:
        endpoint: received the INVITE.
        profile: the identity that is called.
        event: the INVITE.
        now: the time.
    """
    try:
        return IncomingCall(endpoint, profile, event.transaction, expect_sdp(event.request))
    except RemoteProtocolError as error:
        headers = [*refusal_headers(error), warning(str(error), profile)]
        endpoint.reply(event.transaction, error.status_hint or 400, now=now, headers=headers)
        return None


def _asserted_identities(request: Request) -> Iterator[NameAddr]:
    for line in request.headers.get_all("P-Asserted-Identity"):
        try:
            for value in split_list(line):
                yield NameAddr.parse(value)
        except RemoteProtocolError:
            continue  # a value that cannot be read asserts nothing
