"""Base of outgoing and incoming calls: their requests within the dialog, and their end."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from dataclasses import replace
from typing import TYPE_CHECKING

from wic.call.errors import connection_lost, farewell
from wic.call.events import CallEndedBy, CallEvent, Ended, Failed, Modified, Released
from wic.call.in_dialog import InDialogRequests
from wic.call.state import CallInput, CallState
from wic.errors import AuthenticationFailed, CallFailed, ChallengeUnsupported
from wic.sip.events import (
    AckReceived,
    AckTimedOut,
    FlowClosed,
    RequestReceived,
    ResponseReceived,
    TransactionTimedOut,
    TransportFailed,
)

if TYPE_CHECKING:
    from wic.call.agreement import Agreement
    from wic.call.profile import CallProfile
    from wic.sdp.description import SessionDescription
    from wic.sip.dialog import Dialog
    from wic.sip.endpoint import Endpoint
    from wic.sip.events import Event
    from wic.sip.flow import Flow
    from wic.sip.message import Request, Response
    from wic.sip.state_table import StateTable
    from wic.sip.transaction.client import ClientTransaction
    from wic.sip.uri import Uri

__all__ = ["CallSession"]

_log = logging.getLogger(__name__)
_MAX_CHALLENGES = 3  # BYEs that are sent again with credentials


class CallSession(ABC):
    """One call. Give it the endpoint's events by `handle`, and take its own by `next_event`.

    The session is the `owner` of its transactions and dialogs: that is how a shell finds it. `Released` is its last
    event, and comes once.
    """

    def __init__(
        self, endpoint: Endpoint, profile: CallProfile, *, call_id: str, table: StateTable[CallState, CallInput]
    ) -> None:
        self._endpoint = endpoint
        self._profile = profile
        self._call_id = call_id
        self._table = table
        self._state = table.initial
        self._events: list[CallEvent] = []
        self._over = False
        self._dialog: Dialog | None = None
        self._offer: SessionDescription | None = None
        self._agreement: Agreement | None = None
        self._bye: ClientTransaction | None = None
        self._bye_challenges = 0
        self._suspended = False
        self._in_dialog = InDialogRequests(endpoint, profile)

    @property
    def state(self) -> CallState:
        """The state of the call."""
        return self._state

    @property
    def call_id(self) -> str:
        """The Call-ID of all its messages."""
        return self._call_id

    @property
    def agreement(self) -> Agreement | None:
        """The session descriptions in force, while there are any."""
        return self._agreement

    @property
    def dialog(self) -> Dialog | None:
        """The dialog with the peer, from the 2xx or from the INVITE of the peer until the end."""
        return self._dialog

    @property
    def identity(self) -> Uri:
        """The public user identity of this side."""
        return self._profile.identity

    @property
    def registered(self) -> Uri:
        """The identity that was registered explicitly, by which `identity` is registered."""
        return self._profile.registered

    @property
    def flow(self) -> Flow:
        """The connection of its requests."""
        return self._profile.flow

    @property
    def messages_dropped(self) -> int:
        """Messages that its endpoint has dropped so far, of this call and of others."""
        return self._endpoint.counters.dropped

    @property
    def survives(self) -> bool:
        """Whether the call can go on over another flow: it is confirmed, or its BYE is not answered yet."""
        return self._state in (CallState.CONFIRMED, CallState.ENDING)

    def suspend(self) -> None:
        """Have no flow until `move` names another one; a BYE waits that long."""
        self._suspended = True

    def move(self, flow: Flow, *, now: float) -> None:
        """Send over another flow from now on; the dialog stays what it is (RFC 5626 §4.3)."""
        self._profile = replace(self._profile, flow=flow)
        self._suspended = False
        if self._state is CallState.ENDING and self._bye is None:
            self._send_bye(now)

    def next_event(self) -> CallEvent | None:
        """Return the next event, or None."""
        return self._events.pop(0) if self._events else None

    @abstractmethod
    def hangup(self, *, now: float) -> None:
        """End the call in the way its state asks for; once it is over, do nothing."""

    def fail(self, error: CallFailed, *, now: float) -> None:
        """End the call for a fault on this side of it, such as lost media; once it is over, do nothing."""
        if self._state is CallState.CONFIRMED:
            self._end(Ended(CallEndedBy.NETWORK, str(error), error), now=now)
        elif self._state not in (CallState.ENDING, CallState.ENDED):
            self._report_end(Failed(error))
            self.hangup(now=now)

    def handle(self, event: Event, *, now: float) -> None:
        """Take an event of the endpoint that concerns this call."""
        match event:
            case ResponseReceived() if event.transaction is self._bye:
                self._bye_answered(event.transaction, event.response, now)
            case TransactionTimedOut() if event.transaction is self._bye:
                self._finish(None)
            case TransportFailed():
                self._transport_failed(event)
            case RequestReceived():
                self._request_received(event, now)
            case AckReceived():
                self._ack_received(event, now)
            case AckTimedOut():
                self._ack_timed_out(event, now)
            case FlowClosed():
                self._lost(connection_lost(event.reason))
            case _:
                self._handle_own(event, now)

    @abstractmethod
    def _handle_own(self, event: Event, now: float) -> None:
        """Take an event that only this kind of call knows; any other changes nothing."""

    def _ack_received(self, event: AckReceived, now: float) -> None:
        if self._agreement is not None and self._state is CallState.CONFIRMED:
            self._modify(self._in_dialog.acknowledged(event, self._agreement))

    def _request_received(self, event: RequestReceived, now: float) -> None:
        """Answer a request within the dialog."""
        if event.dialog is None or event.dialog is not self._dialog:
            # RFC 3261 §12.2.2: a request for a dialog that is gone.
            self._in_dialog.refuse(event, 481, now)
        elif event.request.method == "BYE":
            # RFC 3261 §15.1.2: the BYE gets its 200 first, then pending requests are ended.
            self._in_dialog.accept(event, now)
            self._bye_received(event.request, now)
        elif self._state in (CallState.ENDING, CallState.ENDED):
            # It crossed this side's BYE, which ends the dialog when it is sent (RFC 3261 §15.1.1).
            self._in_dialog.refuse(event, 481, now)
        else:
            # Before the answer there is no session to change (RFC 3311 §5.2, RFC 3261 §14.2).
            agreement = self._agreement if self._state in (CallState.CONFIRMED, CallState.ACCEPTED) else None
            self._modify(self._in_dialog.answer(event, agreement, now))

    def _modify(self, agreement: Agreement | None) -> None:
        if agreement is not None:
            self._agreement = agreement
            self._tell(Modified(agreement))

    def _bye_received(self, request: Request, now: float) -> None:
        """End as the peer asks; a BYE that crosses this side's changes nothing any more."""
        self._finish(Ended(CallEndedBy.REMOTE, *farewell(request)))

    def _ack_timed_out(self, event: AckTimedOut, now: float) -> None:
        # RFC 3261 §13.3.1.4: without an ACK the dialog is confirmed, but the session should end.
        if self._state in (CallState.ACCEPTED, CallState.CONFIRMED) and event.dialog is not None:
            error = CallFailed("the other side never acknowledged the answer", response=event.transaction.response)
            self._end(Ended(CallEndedBy.NETWORK, str(error), error), now=now)

    def _transport_failed(self, event: TransportFailed) -> None:
        error = connection_lost(event.reason, request=event.transaction.request)
        if event.transaction is self._bye:
            self._bye = None
            if not self._suspended:
                self._finish(None)  # no other connection is looked for, so the peer cannot be told
        elif event.transaction.request.method == "INVITE":
            # RFC 3261 §8.1.3.1: a fatal transport error of a request counts as a 503.
            self._lost(error)

    def _lost(self, error: CallFailed) -> None:
        """End without telling the peer: there is no connection for it."""
        # An accepted call was answered for its user, though the ACK is missing: it has ended, not failed.
        established = self._state in (CallState.ACCEPTED, CallState.CONFIRMED)
        self._finish(Ended(CallEndedBy.NETWORK, str(error), error) if established else Failed(error))

    def _end(self, event: Ended | Failed, *, now: float) -> None:
        """End by a BYE."""
        self._report_end(event)
        self._move(CallInput.BYE)
        self._send_bye(now)

    def _send_bye(self, now: float) -> None:
        if self._suspended:
            return  # `move` sends it over the next connection
        assert self._dialog is not None, "a BYE ends a dialog"
        request = self._dialog.create_request("BYE", headers=self._in_dialog.product())
        self._bye = self._send(request, now)

    def _send(self, request: Request, now: float) -> ClientTransaction:
        """Send a request with the credentials that the network has asked for."""
        if self._profile.authenticator is not None:
            self._profile.authenticator.authorize(request)
        return self._endpoint.send_request(request, self._profile.flow, now=now, owner=self)

    def _challenged(self, request: Request, response: Response) -> AuthenticationFailed | None:
        """Take in a 401 or 407 (RFC 3261 §22.2, §22.3); return the error if the request must not be sent again."""
        if self._profile.authenticator is None:
            return ChallengeUnsupported("there are no credentials for the call")
        try:
            self._profile.authenticator.challenged(request, response)
        except AuthenticationFailed as error:
            return error
        return None

    def _bye_answered(self, bye: ClientTransaction, response: Response, now: float) -> None:
        if response.status < 200:
            return
        challenged = response.status in (401, 407) and self._bye_challenges < _MAX_CHALLENGES
        if challenged and self._challenged(bye.request, response) is None:
            self._bye_challenges += 1
            self._send_bye(now)
        else:
            # RFC 3261 §15.1.1: with any answer to the BYE, or none, the session is over.
            self._finish(None)

    def _finish(self, event: Ended | Failed | None) -> None:
        """End the call for the network too: nothing more will be sent for it."""
        if self._state is CallState.ENDED:
            return
        if event is not None:
            self._report_end(event)
        if self._dialog is not None:
            self._endpoint.remove_dialog(self._dialog)
        # Another branch may still answer, so that the INVITE's transaction keeps this call alive: it lets go of the rest.
        self._dialog = self._bye = self._offer = self._agreement = None
        self._move(CallInput.OVER)
        self._tell(Released())

    def _report_end(self, event: Ended | Failed) -> None:
        if not self._over:
            self._over = True
            self._tell(event)

    def _tell(self, event: CallEvent) -> None:
        self._events.append(event)

    def _move(self, given: CallInput) -> None:
        following = self._table.rows.get((self._state, given))
        if following is None:
            raise AssertionError(f"no {given.name} in a call that is {self._state.value}")
        _log.debug("call %s: %s -> %s", self._call_id, self._state.value, following.value)
        self._state = following
