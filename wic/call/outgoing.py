"""Outgoing calls: an INVITE and its responses, from one branch or many (TS 24.371 §7.2.2, RFC 3261 §13.2)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from wic.call.agreement import Agreement
from wic.call.errors import cancelled, rejection, timed_out
from wic.call.events import Accepted, CallEndedBy, Ended, Failed, Progressed, TokenWanted
from wic.call.profile import ALLOWED
from wic.call.session import CallSession
from wic.call.state import OUTGOING_CALL, CallInput, CallState
from wic.errors import (
    AuthenticationFailed,
    CallFailed,
    NegotiationFailed,
    RemoteProtocolError,
    TokenRefused,
    WicError,
)
from wic.sdp.body import SDP, expect_sdp, write_sdp
from wic.sdp.errors import AnswerNotValid
from wic.sip.dialog import Dialog
from wic.sip.events import ResponseReceived, TransactionTimedOut
from wic.sip.headers.address import NameAddr
from wic.sip.message import Request
from wic.sip.random_source import CALL_ID_OCTETS, TAG_OCTETS

if TYPE_CHECKING:
    from wic.call.profile import CallProfile
    from wic.sdp.description import SessionDescription
    from wic.sip.endpoint import Endpoint
    from wic.sip.events import Event, RequestReceived
    from wic.sip.message import Response
    from wic.sip.random_source import RandomSource
    from wic.sip.uri import Uri

__all__ = ["OutgoingCall"]

_MAX_BRANCHES = 32  # early dialogs of one INVITE that are kept; further ones only tell of progress
_MAX_CHALLENGES = 4  # two networks may ask, each with one stale nonce


@dataclass(slots=True)
class _Branch:
    """One early dialog (RFC 3261 §12.1)."""

    dialog: Dialog
    answer: SessionDescription | None = None


class OutgoingCall(CallSession):
    """A call that this side makes."""

    def __init__(
        self,
        endpoint: Endpoint,
        profile: CallProfile,
        *,
        target: Uri,
        offer: SessionDescription,
        random_source: RandomSource,
        now: float,
    ) -> None:
        """Send the INVITE.

        Args:
            endpoint: sends and receives.
            profile: the identity that calls.
            target: the called identity.
            offer: the session description to offer.
            random_source: for the Call-ID and the From tag.
            now: the time.
        """
        super().__init__(endpoint, profile, call_id=random_source.hex(CALL_ID_OCTETS), table=OUTGOING_CALL)
        self._offer = offer
        self._branches: dict[str, _Branch] = {}
        self._challenges = 0
        self._token_refusal: Response | None = None
        self._token_renewed = False
        self._from = NameAddr(profile.display, profile.identity).with_tag(random_source.hex(TAG_OCTETS))
        self._target = target
        self._invite = self._send(self._build_invite(1), now)

    def hangup(self, *, now: float) -> None:
        """Cancel the call, or end it by BYE if it was answered."""
        if self._token_refusal is not None:
            self._finish(Failed(cancelled(self._token_refusal)))
        elif self._state in (CallState.CALLING, CallState.PROCEEDING):
            # RFC 3261 §9.1: the endpoint holds the CANCEL back until a provisional response has come.
            self._report_end(Failed(cancelled()))
            self._move(CallInput.CANCEL)
            self._endpoint.cancel(self._invite, now=now)
        elif self._state is CallState.CONFIRMED:
            self._end(Ended(CallEndedBy.LOCAL, "this side hung up"), now=now)

    def repeat(self, *, now: float) -> None:
        """Send the INVITE again, with the token that there is now; does nothing unless the call waits for one."""
        if self._token_refusal is not None:
            self._token_refusal = None
            self._repeat_invite(now)

    def give_up(self, error: WicError) -> None:
        """End a call that waits for a token: the client got none."""
        if self._token_refusal is not None:
            self._finish(Failed(rejection(self._token_refusal, cause=error)))

    def _build_invite(self, number: int) -> Request:
        profile = self._profile
        headers: list[tuple[str, object]] = [("Route", route) for route in profile.routes]
        headers += [
            ("From", self._from),
            ("To", NameAddr("", self._target)),
            ("Call-ID", self._call_id),
            ("CSeq", f"{number} INVITE"),
            ("Contact", profile.contact),
            ("P-Preferred-Identity", NameAddr(profile.display, profile.identity)),
            ("Allow", ", ".join(ALLOWED)),
            ("Accept", SDP),
            *self._in_dialog.product(),
        ]
        assert self._offer is not None, "a call that is over is not begun anew"
        request = Request.build("INVITE", self._target, headers)
        write_sdp(request, self._offer)
        return request

    def _handle_own(self, event: Event, now: float) -> None:
        match event:
            case ResponseReceived() if event.transaction is self._invite:
                if event.response.status < 200:
                    self._provisional(event.response)
                elif event.response.status < 300:
                    self._success(event.response, now)
                else:
                    self._failure(event.response, now)
            case TransactionTimedOut() if event.transaction is self._invite:
                if self._dialog is None:  # once a 2xx has come, the call is that of its dialog
                    self._finish(Failed(timed_out(event.transaction)))
            case _:
                pass  # the BYE of a branch that lost

    def _provisional(self, response: Response) -> None:
        # RFC 3261 §12.1, §21.1.1: a 100 comes from the next hop and makes no dialog.
        if response.status == 100 or self._state not in (CallState.CALLING, CallState.PROCEEDING):
            return
        branch = self._branch(response)
        answer = _note_answer(branch, response) if branch is not None else None
        if self._state is CallState.CALLING:
            self._move(CallInput.PROGRESS)
        self._tell(Progressed(response.status, response.reason, answer))

    def _branch(self, response: Response) -> _Branch | None:
        """Find or make the early dialog of a provisional response; None where it makes none."""
        remote_tag = response.to.tag
        if remote_tag is None:
            return None
        branch = self._branches.get(remote_tag)
        if branch is None and len(self._branches) < _MAX_BRANCHES:
            try:
                branch = _Branch(Dialog.from_response(self._invite.request, response, owner=self))
            except RemoteProtocolError:
                return None  # it tells of progress, but nothing can be sent along its route
            self._branches[remote_tag] = branch
            self._endpoint.add_dialog(branch.dialog)
        return branch

    def _success(self, response: Response, now: float) -> None:
        unusable: CallFailed | None = None
        try:
            branch = self._winner(response)
        except RemoteProtocolError as error:
            # It makes no dialog that could be used, but the other side has one, which it should not be left with.
            unusable = _unusable(response, error)
            early = self._branches.get(response.to.tag or "")
            request = self._invite.request
            dialog = Dialog.to_end(request, response, early=None if early is None else early.dialog, owner=self)
            branch = _Branch(dialog)
        # RFC 3261 §13.2.2.4: every 2xx gets an ACK, that of a branch that lost too.
        self._endpoint.send_ack(branch.dialog.ack(response), self._profile.flow, now=now)
        if self._dialog is not None or self._state is CallState.ENDED:
            self._send(branch.dialog.create_request("BYE", headers=self._in_dialog.product()), now)
            return
        self._adopt(branch, response, unusable, now)

    def _winner(self, response: Response) -> _Branch:
        branch = self._branches.get(response.to.tag or "")
        if branch is None:
            return _Branch(Dialog.from_response(self._invite.request, response, owner=self))
        branch.dialog.receive_response(response)
        return branch

    def _adopt(self, branch: _Branch, response: Response, unusable: CallFailed | None, now: float) -> None:
        """Make the first 2xx the call, or end the call with it; later ones lose (RFC 3261 §13.2.2.4)."""
        self._dialog = branch.dialog
        self._endpoint.add_dialog(branch.dialog)
        self._drop_branches(but=branch.dialog)
        if self._state is CallState.CANCELLING:
            # RFC 3261 §9.1: the CANCEL came too late, so the call has to be ended as an answered one.
            self._end(Failed(cancelled(response)), now=now)
            return
        if unusable is not None:
            self._end(Failed(unusable), now=now)
            return
        try:
            # The 2xx may prove the network (rspauth) and bring the next nonce (RFC 7616 §3.5).
            if self._profile.authenticator is not None:
                self._profile.authenticator.accepted(self._invite.request, response)
            self._agreement = self._agree(branch, response)
        except (NegotiationFailed, RemoteProtocolError, AuthenticationFailed) as error:
            self._end(Failed(_unusable(response, error)), now=now)
            return
        self._move(CallInput.ANSWERED)
        self._tell(Accepted(self._agreement))

    def _agree(self, branch: _Branch, response: Response) -> Agreement:
        # RFC 3261 §13.2.1: the first description in a dialog is the answer, and later ones are ignored.
        answer = branch.answer or expect_sdp(response)
        if answer is None:
            raise AnswerNotValid("it holds no session description")
        if not any(section.port for section in answer.media):
            raise AnswerNotValid("it accepts none of the offered media")
        assert self._offer is not None, "a call that is over takes no answer"
        return Agreement.of(offer=self._offer, answer=answer, offered_here=True)

    def _failure(self, response: Response, now: float) -> None:
        # RFC 3261 §13.2.2.3: a final failure ends all early dialogs; the transaction has sent the ACK.
        self._drop_branches()
        if self._state is CallState.CANCELLING:
            self._finish(None)  # the 487, or a refusal that crossed the CANCEL
        elif response.status in (401, 407):
            self._challenged_again(response, now)
        else:
            self._finish(Failed(rejection(response, network=self._profile.network)))

    def _challenged_again(self, response: Response, now: float) -> None:
        """Repeat the INVITE with credentials (RFC 3261 §22.2), or end the call if there are none to try."""
        self._challenges += 1
        if self._challenges > _MAX_CHALLENGES:
            refused: WicError | None = AuthenticationFailed("the network asks for credentials again and again")
        else:
            refused = self._challenged(self._invite.request, response)
        if refused is None:
            # RFC 3261 §22.2: same Call-ID and From tag, next CSeq.
            self._repeat_invite(now)
        elif isinstance(refused, TokenRefused) and not self._token_renewed:
            # RFC 8898 §2.1.4: another token may be accepted; getting one takes time.
            self._token_renewed = True
            self._token_refusal = response
            self._tell(TokenWanted(refused))
        else:
            self._finish(Failed(rejection(response, cause=refused)))

    def _repeat_invite(self, now: float) -> None:
        self._invite = self._send(self._build_invite(self._invite.request.cseq.number + 1), now)

    def _finish(self, event: Ended | Failed | None) -> None:
        self._token_refusal = None
        self._drop_branches()
        super()._finish(event)

    def _drop_branches(self, but: Dialog | None = None) -> None:
        for branch in self._branches.values():
            if branch.dialog is not but:
                self._endpoint.remove_dialog(branch.dialog)
        self._branches.clear()

    def _request_received(self, event: RequestReceived, now: float) -> None:
        early = any(branch.dialog is event.dialog for branch in self._branches.values())
        if not early:
            super()._request_received(event, now)
        elif event.request.method == "BYE":
            # RFC 3261 §15: a callee must not end an early dialog by BYE; one that does so means to end the call.
            self._in_dialog.accept(event, now)
            self._report_end(Failed(CallFailed("the other side ended the call before it answered")))
            self.hangup(now=now)
        else:
            self._in_dialog.answer(event, None, now)


def _note_answer(branch: _Branch, response: Response) -> SessionDescription | None:
    if branch.answer is None:
        try:
            branch.answer = expect_sdp(response)
        except RemoteProtocolError:
            return None  # an unreliable preview that cannot be read: the answer of the 2xx counts
    return branch.answer


def _unusable(response: Response, cause: WicError) -> CallFailed:
    """Make the error for a 2xx whose answer cannot be used."""
    kind = CallFailed if isinstance(cause, AuthenticationFailed) else NegotiationFailed
    failure = kind(f"the answer cannot be used: {cause}", response=response)
    failure.__cause__ = cause
    return failure
