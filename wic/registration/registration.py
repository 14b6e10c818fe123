"""The registration of one public identity over one flow: made, kept, removed (TS 24.229 §5.1.1, RFC 5626 §4).

What its states mean is told in `tables`, what follows a failure in `recovery`. A REGISTER may take several rounds, since
a registrar challenges, or wants other parameters: `_exchange` is that conversation, from the first REGISTER to the
outcome.
"""

from __future__ import annotations

import logging
from dataclasses import KW_ONLY, dataclass, field, replace
from typing import TYPE_CHECKING, Final, TypeAlias

from wic.errors import AuthenticationFailed, LocalProtocolError, RegistrationFailed
from wic.registration.binding import Binding, read_binding
from wic.registration.events import (
    BindingLost,
    BindingSuspended,
    Deregistered,
    Refreshed,
    Registered,
    RegisterFailed,
    RegistrationEvent,
    RegistrationFailure,
)
from wic.registration.recovery import (
    FAILURES,
    MAX_ROUNDS,
    Purpose,
    Recovery,
    Remedy,
    recover_from_error,
    recover_from_response,
    recover_from_silence,
    wants_restoration,
)
from wic.registration.register_request import RegisterSeries, RegistrationOptions
from wic.registration.tables import REGISTRATION, RegistrationInput, RegistrationState
from wic.sip.events import FlowClosed, ResponseReceived, TransactionTimedOut, TransportFailed
from wic.sip.params import Params

if TYPE_CHECKING:
    from collections.abc import Generator

    from wic.auth import Authenticator
    from wic.errors import WicError
    from wic.registration.backoff import Backoff
    from wic.registration.register_request import Identity
    from wic.sip.endpoint import Endpoint
    from wic.sip.events import Event
    from wic.sip.flow import Flow
    from wic.sip.headers import NameAddr
    from wic.sip.message import Request, Response
    from wic.sip.transaction.client import ClientTransaction

logger = logging.getLogger(__name__)

_DEFAULT_OPTIONS: Final = RegistrationOptions()
_NO_PARAMS: Final = Params()
_KEEP: Final = Params((("keep", None),))  # RFC 6223 §4.3: without a value
_LASTING: Final = 120.0  # RFC 5626 §4.5: min-regtime, after which a registration counts as one that works
_INPUTS: Final = {
    Purpose.INITIAL: RegistrationInput.REGISTER,
    Purpose.REFRESH: RegistrationInput.REFRESH,
    Purpose.REMOVAL: RegistrationInput.REMOVE,
}
_Answer: TypeAlias = "tuple[Request, Response, float] | None"
"""A request as it was sent, its final response and the time of that; None where Timer F expired."""
_Outcome: TypeAlias = "Binding | tuple[WicError, Recovery] | None"
"""The binding that was granted; None for one that was removed; or what went wrong and what follows."""
_Exchange: TypeAlias = "Generator[Request, _Answer, _Outcome]"


@dataclass(slots=True)
class PendingRegister:
    """REGISTER on its way, and the exchange that goes on with its answer."""

    transaction: ClientTransaction
    exchange: _Exchange


@dataclass(slots=True, eq=False, repr=False)
class Registration:
    """Registers over one flow and keeps the binding; a usage of `Endpoint`, without I/O.

    The shell hands every endpoint event to `handle`, takes events with `next_event`, and calls
    `handle_timeout` when `next_timeout` is due.
    """

    endpoint: Endpoint
    """Sends the requests."""
    _: KW_ONLY
    identity: Identity
    """User, device and address to register."""
    flow: Flow
    """The connection for the REGISTERs."""
    edge: NameAddr | None = None
    """URI of the eP-CSCF at its other end, for the routes of requests; None leaves it out."""
    credentials: Authenticator
    """Answers the challenges."""
    options: RegistrationOptions = _DEFAULT_OPTIONS
    backoff: Backoff | None = None
    """Waits before another try; without it only a Retry-After brings one."""
    pending: PendingRegister | None = field(default=None, init=False)
    """The REGISTER on its way (TS 24.229 §5.1.1.2.1: one at a time)."""
    ended: bool = field(default=False, init=False)
    """Whether this side, or the network, has ended it for good; only an explicit `register` begins it again."""
    refusal: Recovery | None = field(default=None, init=False)
    """Consequence of the failure by which it ended for good; only an explicit `register` begins it again."""
    left: bool = field(default=False, init=False)
    """Whether a binding was given up, and its end is not told yet."""
    _state: RegistrationState = field(default=REGISTRATION.initial, init=False)
    _binding: Binding | None = field(default=None, init=False)
    _series: RegisterSeries | None = field(default=None, init=False)
    _events: list[RegistrationEvent] = field(default_factory=list, init=False)
    _next_try: float | None = field(default=None, init=False)
    _anew: bool = field(default=False, init=False)  # the next REGISTER is an initial one, though there is a binding
    _flow_lost: RegistrationFailed | None = field(default=None, init=False)
    _suspension: Remedy = field(default=Remedy.RETRY, init=False)  # what a suspended binding waits for
    _token_refused: bool = field(default=False, init=False)  # by the last outcome
    _remove_next: bool = field(default=False, init=False)  # deregistration wanted while a REGISTER is on its way
    _since: float | None = field(default=None, init=False)  # first 2xx since the last failure
    _asked_to_wait: bool = field(default=False, init=False)  # by the network, until the next attempt

    @property
    def state(self) -> RegistrationState:
        """The state of its machine."""
        return self._state

    @property
    def wants_token(self) -> bool:
        """Whether it failed for good, but for an access token that another one may replace."""
        return self.refusal is not None and self.refusal.until_token

    @property
    def binding(self) -> Binding | None:
        """The binding that the registrar granted, while it lasts."""
        return self._binding

    @property
    def retry_at(self) -> float | None:
        """The time at which a registration that is out of service tries again by itself; None = it does not."""
        out_of_service = self._state in (RegistrationState.WAITING, RegistrationState.SUSPENDED)
        return self._next_try if out_of_service else None

    def must_wait(self, now: float) -> bool:
        """Tell whether the network has asked to wait, and the time is not over; another connection does not change it."""
        return self._asked_to_wait and self.retry_at is not None and now < self.retry_at

    # commands

    def register(self, *, now: float, flow: Flow | None = None, edge: NameAddr | None = None) -> None:
        """Register, or take the registration over to a new flow after a reconnection (RFC 5626 §4.3).

        It ends any wait. A binding that lasts is kept, and its Call-ID with it.

        Raises:
            LocalProtocolError: a REGISTER is on its way (TS 24.229 §5.1.1.2.1: one at a time).
        """
        if self.pending is not None:
            raise LocalProtocolError("a REGISTER is on its way")
        if flow is not None:
            self.flow, self.edge = flow, edge
            self._flow_lost = None
        self._notice_expiry(now)
        self._send(now)

    def move(self, flow: Flow, edge: NameAddr | None = None) -> None:
        """Use a new flow for the attempt that is due later: the network has asked to wait."""
        self.flow, self.edge = flow, edge
        self._flow_lost, self._suspension = None, Remedy.RETRY

    def refresh(self, *, now: float) -> None:
        """Renew the binding before it is due.

        Raises:
            LocalProtocolError: there is none, or a REGISTER is on its way.
        """
        if self.pending is not None:
            raise LocalProtocolError("a REGISTER is on its way")
        if self._state is not RegistrationState.REGISTERED:
            raise LocalProtocolError("there is no binding to refresh")
        self._send(now)

    def deregister(self, *, now: float) -> None:
        """Remove the binding; while a REGISTER is on its way, as soon as that is answered (TS 24.229 §5.1.1.6).

        Ends in `Deregistered` in any case, at once if there is nothing to remove or no flow to do it over.
        """
        if self._state is RegistrationState.REMOVING:
            return
        if self.pending is not None:
            self._remove_next = True  # TS 24.229 §5.1.1.2.1: one REGISTER at a time
        elif self._binding is not None and self._flow_lost is None:
            self._send(now, removal=True)
        else:
            self._end(Deregistered(self.identity.impu, None if self._binding is None else self._flow_lost), now)

    def reauthenticate(self, expires: float, *, now: float) -> None:
        """Shorten the binding as the network did, and register again at half of it (TS 24.229 §5.1.1.5A).

        Args:
            expires: seconds that are left.
            now: the time.
        """
        if self._binding is None or now + expires >= self._binding.expires_at:
            return
        self._binding = replace(self._binding, expires=int(expires), expires_at=now + expires)
        if self._state is RegistrationState.REGISTERED and self._next_try is not None:
            self._next_try = min(self._next_try, now + expires / 2)  # TS 24.229 §5.1.1.5A

    def lose(self, why: str, *, now: float, again_after: float | None = None) -> None:
        """Take note that the network ended the registration (TS 24.229 §5.1.1.7, RFC 3680 §5.1).

        Args:
            why: the reason, for the user.
            now: the time.
            again_after: seconds until an initial registration: 0 after `deactivated`, those of `retry-after` after
                `probation`; None after `rejected` and the like, which is the end. It takes longer where the network
                ends one registration after the other.
        """
        if self._binding is None:
            return
        error = RegistrationFailed(f"the network ended the registration of {self.identity.impu}: {why}")
        if self.pending is not None:
            self._lose_while_pending(error, final=again_after is None)
        elif again_after is None:
            self._lose(error, Recovery(Remedy.GIVE_UP), now)  # RFC 3680 §5.1: `rejected` and the like
            self.ended = True
        else:
            self._lose(error, self._anew_after(min(again_after, self.options.longest_wait), now), now)

    def abandon(self, why: str, *, now: float) -> None:
        """Take note that the binding belongs to another client: make no further attempt, and ignore an answer to come.

        A removal that was sent ends by its answer.

        Args:
            why: the reason, for the user.
            now: the time.
        """
        if self._state is RegistrationState.REMOVING:
            return
        self.pending = None
        error = RegistrationFailed(f"the registration of {self.identity.impu} has ended: {why}")
        failure = RegisterFailed if self._binding is None else BindingLost
        self._end(failure(error, Recovery(Remedy.GIVE_UP), self.identity.impu), now)
        self.ended = True

    def restore(self, response: Response, *, now: float) -> bool:
        """Begin an initial registration if an answer to another request wants it (TS 24.229 §5.1.2A.1.6).

        It is sent at the next timeout, which is due at once; the binding stays until it is answered.

        Returns:
            Whether the answer says that the S-CSCF lost the registration, and can be believed.
        """
        if not wants_restoration(response, self._binding):
            return False
        if self._state is RegistrationState.REGISTERED:
            self._anew = True
            self._next_try = now
        return True

    # inputs

    def handle(self, event: Event, *, now: float) -> bool:
        """Take an event of the endpoint; return whether it belonged to this registration alone."""
        if isinstance(event, FlowClosed):
            if event.flow == self.flow and self._flow_lost is None:  # told once, by the transaction or by the flow
                self._lose_flow(event.reason, now)
            return False
        if not isinstance(event, ResponseReceived | TransactionTimedOut | TransportFailed):
            return False
        pending = self.pending
        if pending is None or event.transaction is not pending.transaction:
            return False
        if isinstance(event, TransportFailed):
            self._notice_expiry(now)
            self._lose_flow(event.reason, now)
        elif isinstance(event, TransactionTimedOut):
            self._proceed(pending.exchange, None, now)  # Timer F
        elif event.response.is_final:  # a 100 says nothing
            self._proceed(pending.exchange, (event.transaction.request, event.response, now), now)
        return True

    def next_event(self) -> RegistrationEvent | None:
        """Return, once, the next event, or None."""
        return self._events.pop(0) if self._events else None

    def next_timeout(self) -> float | None:
        """Return the time at which `handle_timeout` is due, or None."""
        if self._binding is None:
            return self._next_try
        expiry = self._binding.expires_at
        return expiry if self._next_try is None else min(self._next_try, expiry)

    def handle_timeout(self, *, now: float) -> None:
        """Refresh, try again after a wait, or notice that the binding has expired, whichever is due."""
        self._notice_expiry(now)
        if self._next_try is None or now < self._next_try:
            return
        if self._flow_lost is not None:
            self._fail(self._flow_lost, Recovery(Remedy.RECONNECT), now)
        else:
            self._token_refused = False  # no other token has come meanwhile: `register` would have been called
            self._send(now)

    # REGISTER, its rounds and its outcome

    def _send(self, now: float, *, removal: bool = False) -> None:
        """Send a REGISTER: an initial one where there is no binding, or not any more at the S-CSCF."""
        purpose = Purpose.INITIAL if self._binding is None or self._anew else Purpose.REFRESH
        if removal:
            purpose = Purpose.REMOVAL
        else:
            self.ended, self.refusal = False, None
        self._next_try = None
        self._asked_to_wait = False
        series = self._series
        if series is None or purpose is Purpose.INITIAL:
            self._anew = False
            parameters = None
            if series is not None:
                # TS 24.229 §5.1.1.2.2: an initial registration has a new Call-ID, and no nonce but, the first time, the
                # one of another identity of the same user (§5.1.1.4.1).
                self.credentials.forget()
                parameters = None if self._binding is None else series.parameters
            series = self._series = RegisterSeries(
                self.identity, self.options, random_source=self.endpoint.random_source, parameters=parameters
            )
        self._move(_INPUTS[purpose])
        exchange = self._exchange(series, purpose)
        self._transmit(next(exchange), exchange, now)

    def _exchange(self, series: RegisterSeries, purpose: Purpose) -> _Exchange:
        """Yield one REGISTER after the other, to be sent in with its answer, until the registrar has decided."""
        credentials, impu = self.credentials, self.identity.impu
        for rounds in range(1, MAX_ROUNDS + 1):
            request = series.next(removal=purpose is Purpose.REMOVAL)
            credentials.authorize(request)  # TS 24.229 §5.1.1.4.1: a refresh carries the last nonce
            answer = yield request
            if answer is None:
                error = RegistrationFailed(f"{self.identity.domain} did not answer the REGISTER")
                return error, recover_from_silence(purpose)
            sent, response, now = answer
            try:
                if response.status < 300:
                    credentials.accepted(sent, response)  # RFC 7616 §3.5: rspauth, nextnonce
                    if purpose is Purpose.REMOVAL:
                        return None
                    asked = series.parameters.expires
                    return read_binding(response, series.contact, impu=impu, asked=asked, now=now, edge=self.edge)
                if response.status in (401, 407):  # TS 24.229 §5.1.1.5, RFC 3261 §22.2
                    credentials.challenged(sent, response)
                    continue
            except FAILURES as failure:
                return failure, recover_from_error(failure, token_refused=self._token_refused)
            recovery = recover_from_response(
                response,
                purpose,
                series.parameters,
                binding=self._binding,
                longest_wait=self.options.longest_wait,
                rounds=rounds,
            )
            if recovery.parameters is not None:
                series.change(recovery.parameters)  # RFC 3261 §10.2.8, §8.1.3.5
            elif recovery.remedy is Remedy.REMOVED:
                return None
            else:
                hint = recovery.hint or credentials.advice(sent, response)
                return self._refusal(response, purpose, hint), recovery
        failed = AuthenticationFailed(f"{self.identity.domain} keeps asking for credentials")
        return failed, recover_from_error(failed)

    def _transmit(self, request: Request, exchange: _Exchange, now: float) -> None:
        via_params = _KEEP if self.options.keep_alive else _NO_PARAMS
        transaction = self.endpoint.send_request(request, self.flow, now=now, owner=self, via_params=via_params)
        self.pending = PendingRegister(transaction, exchange)

    def _proceed(self, exchange: _Exchange, answer: _Answer, now: float) -> None:
        """Let the exchange go on with an answer: to another REGISTER, or to its outcome."""
        self.pending = None
        try:
            request = exchange.send(answer)
        except StopIteration as end:
            outcome: _Outcome = end.value
        else:
            self._transmit(request, exchange, now)
            return
        self._notice_expiry(now)
        self._token_refused = False
        if isinstance(outcome, Binding):
            self._accept(outcome, now)
        elif outcome is None:
            self._end(Deregistered(self.identity.impu), now)
        else:
            self._fail(*outcome, now)

    def _accept(self, binding: Binding, now: float) -> None:
        impu, anew = self.identity.impu, self._state is RegistrationState.REGISTERING
        self._events.append(Registered(impu, binding) if self._binding is None else Refreshed(impu, binding, anew))
        self._binding = binding
        self._next_try = now + binding.refresh_after  # TS 24.229 §5.1.1.4.1
        if self._since is None:
            self._since = now
        if self._remove_next:
            self._remove_next = False
            self._send(now, removal=True)
        else:
            self._move(RegistrationInput.ACCEPTED)

    def _refusal(self, response: Response, purpose: Purpose, hint: str) -> RegistrationFailed:
        what = "deregister" if purpose is Purpose.REMOVAL else "register"
        return RegistrationFailed(
            f"{self.identity.domain} refused to {what} {self.identity.impu}: {response.summary}"
            + (f"; {hint}" if hint else ""),
            response=response,
        )

    # failures and losses

    def _fail(self, error: WicError, recovery: Recovery, now: float) -> None:
        """Carry out what follows a REGISTER that brought no binding."""
        impu = self.identity.impu
        self._token_refused = recovery.remedy is Remedy.RENEW_TOKEN
        if self._remove_next or self._state is RegistrationState.REMOVING:
            self._end(Deregistered(impu, error), now)  # the registrar keeps the binding until it expires
        elif recovery.remedy is Remedy.REREGISTER:
            self._anew = True
            self._send(now)
        elif self._binding is None:
            recovery = self._timed(recovery, now)
            self._end(RegisterFailed(error, recovery, impu), now, recovery.after)
        elif recovery.remedy is Remedy.GIVE_UP:
            self._lose(error, recovery, now)
        else:
            recovery = self._timed(recovery, now)
            self._events.append(BindingSuspended(error, recovery, impu, self._binding))
            self._suspension = recovery.remedy if recovery.after is None else Remedy.RETRY
            self._next_try = None if recovery.after is None else now + recovery.after
            # An initial registration that is due, or was on its way, stays due (TS 24.229 §5.1.2A.1.6).
            self._anew = self._anew or self._state is RegistrationState.REGISTERING
            self._move(RegistrationInput.SUSPENDED)

    def _lose_flow(self, reason: str, now: float) -> None:
        self.pending = None
        self._flow_lost = RegistrationFailed(f"the connection was lost: {reason}")
        self._suspension = Remedy.RECONNECT  # RFC 5626 §4.3
        if self._state.pending or self._state is RegistrationState.REGISTERED:
            self._fail(self._flow_lost, Recovery(Remedy.RECONNECT), now)

    def _notice_expiry(self, now: float) -> None:
        """Give up a binding that has expired; a clock may have jumped, so that this comes before everything else."""
        if self._binding is None or now < self._binding.expires_at:
            return
        error = RegistrationFailed(f"the registration of {self.identity.impu} expired")
        if self._state.pending:
            self._lose_while_pending(error)
        elif self._state is RegistrationState.REGISTERED:
            self._lose(error, self._anew_after(0.0, now), now)
        else:
            after = None if self._next_try is None else max(0.0, self._next_try - now)
            recovery = Recovery(self._suspension, after if self._suspension is Remedy.RETRY else None)
            self._end(BindingLost(error, recovery, self.identity.impu), now, after)

    def _lose_while_pending(self, error: RegistrationFailed, *, final: bool = False) -> None:
        """Be without a binding; the REGISTER on its way may bring another one, which is given up if this is the end."""
        self._binding = None
        if self._state is not RegistrationState.REMOVING:
            recovery = Recovery(Remedy.GIVE_UP) if final else Recovery(Remedy.REREGISTER, after=0.0)
            self._events.append(BindingLost(error, recovery, self.identity.impu))
            self.ended = final
            self._remove_next = self._remove_next or final
            self._move(RegistrationInput.BINDING_LOST)

    def _lose(self, error: WicError, recovery: Recovery, now: float) -> None:
        self._end(BindingLost(error, recovery, self.identity.impu), now, recovery.after)

    def _end(self, event: Deregistered | RegistrationFailure, now: float, again_after: float | None = None) -> None:
        """Be without a binding, for good or until an initial REGISTER is due again."""
        self.ended = isinstance(event, Deregistered)
        # The loss of a binding that is being removed is told by the end of that.
        if self.ended and (self._binding is not None or self._state is RegistrationState.REMOVING):
            self.left = True
        self._events.append(event)
        self._binding = None
        self._next_try = None if again_after is None else now + again_after
        self._anew = False
        self._remove_next = False
        recovery = event.recovery if isinstance(event, RegistrationFailure) else None
        self.refusal = recovery if recovery is not None and recovery.remedy is Remedy.GIVE_UP else None
        self._move(RegistrationInput.ENDED if again_after is None else RegistrationInput.DEFERRED)

    # waits

    def _timed(self, recovery: Recovery, now: float) -> Recovery:
        """Return a recovery with the seconds until this registration tries again by itself, over the flow it has."""
        self._asked_to_wait = recovery.after is not None
        if self.backoff is None or recovery.remedy not in (Remedy.RETRY, Remedy.NEXT_SERVER):
            return recovery
        self._forgive(self.backoff, now)
        return replace(recovery, after=self.backoff.fail(retry_after=recovery.after))

    def _anew_after(self, asked: float, now: float) -> Recovery:
        """Return the recovery from a loss: when it is asked for, unless one registration after the other is lost."""
        self._asked_to_wait = asked > 0.0
        if self.backoff is not None:
            self._forgive(self.backoff, now)
            wait = self.backoff.fail()
            asked = asked if self.backoff.failures == 1 else max(asked, wait)
        return Recovery(Remedy.RETRY, asked)

    def _forgive(self, backoff: Backoff, now: float) -> None:
        """Count failures anew after a registration that lasted."""
        if self._since is not None and now - self._since >= _LASTING:
            backoff.succeed()
        self._since = None

    def _move(self, given: RegistrationInput) -> None:
        state = REGISTRATION.rows[self._state, given]
        if logger.isEnabledFor(logging.DEBUG):
            logger.debug("registration of %s: %s -> %s", self.identity.impu, self._state.name, state.name)
        self._state = state
