"""The registration of one contact: made, kept, removed (TS 24.229 §5.1.1, RFC 5626 §4)."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Final, TypeAlias

from wic.errors import AuthenticationFailed, LocalProtocolError, RegistrationFailed
from wic.registration.events import (
    BindingCreated,
    BindingLost,
    BindingRefreshed,
    BindingRemoved,
    BindingSuspended,
    RegisterFailed,
    RegistrationEvent,
)
from wic.registration.exchange import Accepted, Answer, Exchange, Outcome, Refused
from wic.registration.options import RegistrationOptions
from wic.registration.reactions import GiveUp, Removed, StartAnew
from wic.registration.restoration import wants_restoration
from wic.registration.state import RegistrationState
from wic.sip.events import FlowClosed

if TYPE_CHECKING:
    from wic.auth import Authenticator
    from wic.registration.backoff import Backoff
    from wic.registration.binding import Binding
    from wic.registration.identity import Identity
    from wic.sip.endpoint import Endpoint
    from wic.sip.events import Event
    from wic.sip.flow import Flow
    from wic.sip.message import Response

logger = logging.getLogger(__name__)

_DEFAULT_OPTIONS: Final = RegistrationOptions()
_NO_FLOW: Final = GiveUp(temporary=True, by_itself=False)
_LASTING: Final = 120.0  # RFC 5626 §4.5: min-regtime, after which a registration counts as one that works
Failure: TypeAlias = RegistrationFailed | AuthenticationFailed


class Registration:
    """Registers over one flow and keeps the binding; a usage of `Endpoint`, without I/O.

    The shell hands every endpoint event to `handle`, takes events with `next_event`, and calls
    `handle_timeout` when `next_timeout` is due.
    """

    __slots__ = (
        "_anew",
        "_backoff",
        "_binding",
        "_ended",
        "_events",
        "_exchange",
        "_flow_lost",
        "_next_try",
        "_options",
        "_remove_next",
        "_since",
        "_state",
        "flow",
        "identity",
    )

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        identity: Identity,
        flow: Flow,
        credentials: Authenticator,
        options: RegistrationOptions = _DEFAULT_OPTIONS,
        backoff: Backoff | None = None,
    ) -> None:
        """Be unregistered.

        Args:
            endpoint: sends the requests.
            identity: who registers.
            flow: where REGISTER goes.
            credentials: answers the challenges.
            options: how to register.
            backoff: how long to wait before another try; without it only a Retry-After brings one.
        """
        self.identity = identity
        self.flow = flow
        """Where REGISTER goes."""
        self._exchange = Exchange(endpoint, identity, flow, credentials, options)
        self._options = options
        self._backoff = backoff
        self._state = RegistrationState.UNREGISTERED
        self._binding: Binding | None = None
        self._events: list[RegistrationEvent] = []
        self._next_try: float | None = None
        self._anew = False
        self._ended = False
        self._flow_lost: RegistrationFailed | None = None
        self._remove_next = False
        self._since: float | None = None

    @property
    def state(self) -> RegistrationState:
        """Where the registration stands."""
        return self._state

    @property
    def binding(self) -> Binding | None:
        """What the registrar granted, while it lasts."""
        return self._binding

    @property
    def ended(self) -> bool:
        """Whether this side, or the network, has ended it for good; only an explicit `register` begins it again."""
        return self._ended

    @property
    def retry_at(self) -> float | None:
        """When a registration that is out of service tries again by itself; None = it does not."""
        waits = self._state in (RegistrationState.WAITING, RegistrationState.SUSPENDED)
        return self._next_try if waits else None

    # commands

    def register(self, *, now: float, flow: Flow | None = None) -> None:
        """Register, or take the registration over to a new flow after a reconnection (RFC 5626 §4.3).

        It ends any wait. A binding that lasts is kept, and its Call-ID with it.

        Raises:
            LocalProtocolError: a REGISTER is on its way (TS 24.229 §5.1.1.2.1: one at a time).
        """
        self._must_not_be_pending()
        if flow is not None:
            self.flow = flow
            self._flow_lost = None
        self._notice_expiry(now)
        self._send(now)

    def refresh(self, *, now: float) -> None:
        """Renew the binding before it is due.

        Raises:
            LocalProtocolError: there is none, or a REGISTER is on its way.
        """
        self._must_not_be_pending()
        if self._state is not RegistrationState.REGISTERED:
            raise LocalProtocolError("there is no binding to refresh")
        self._send(now)

    def deregister(self, *, now: float) -> None:
        """Remove the binding; while a REGISTER is on its way, as soon as that is answered (TS 24.229 §5.1.1.6).

        Ends in `BindingRemoved` in any case, at once if there is nothing to remove or no flow to do it over.
        """
        if self._state is RegistrationState.REMOVING:
            return
        if self._state.pending:
            self._remove_next = True
        elif self._binding is not None and self._flow_lost is None:
            self._remove(self._binding, now)
        else:
            self._end(BindingRemoved(None if self._binding is None else self._flow_lost))

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
            self._next_try = min(self._next_try, now + expires / 2)

    def lose(self, why: str, *, now: float, again_after: float | None = None) -> None:
        """Take note that the network ended the registration (TS 24.229 §5.1.1.7, RFC 3680 §5.1).

        Args:
            why: for the user.
            now: the time.
            again_after: seconds until an initial registration: 0 after `deactivated`, those of `retry-after` after
                `probation`; None after `rejected` and the like, which is the end. It takes longer where the network
                ends one registration after the other.
        """
        error = RegistrationFailed(f"the network ended the registration of {self.identity.impu}: {why}")
        if self._binding is None:
            return
        if self._state.pending:
            self._lose_while_pending(error, final=again_after is None)
        else:
            wait = None if again_after is None else min(again_after, self._options.longest_wait)
            self._lose(error, now, None if wait is None else self._wait_after_loss(wait, now))
            self._ended = wait is None

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

    # what happens

    def handle(self, event: Event, *, now: float) -> bool:
        """Take an event of the endpoint; return whether it belonged to this registration alone."""
        if isinstance(event, FlowClosed):
            if event.flow == self.flow and self._flow_lost is None:
                self._cut(event.reason, now)
            return False
        if not isinstance(event, Answer) or event.transaction is not self._exchange.transaction:
            return False
        outcome = self._exchange.handle(event, now=now)
        if outcome is not None:
            self._notice_expiry(now)
            self._settle(outcome, now)
        return True

    def next_event(self) -> RegistrationEvent | None:
        """Return, once, the next thing that happened, or None."""
        return self._events.pop(0) if self._events else None

    def next_timeout(self) -> float | None:
        """Return when `handle_timeout` is due, or None."""
        if self._binding is None:
            return self._next_try
        expiry = self._binding.expires_at
        return expiry if self._next_try is None else min(self._next_try, expiry)

    def handle_timeout(self, *, now: float) -> None:
        """Do what is due: refresh, try again after a wait, or notice that the binding has expired."""
        self._notice_expiry(now)
        if self._next_try is None or now < self._next_try:
            return
        if self._flow_lost is not None:
            self._fail(self._flow_lost, _NO_FLOW, now)
        else:
            self._send(now)

    def _notice_expiry(self, now: float) -> None:
        """Give up a binding that has expired, however it came to that; a clock may have jumped."""
        if self._binding is None or now < self._binding.expires_at:
            return
        error = RegistrationFailed(f"the registration of {self.identity.impu} expired")
        if self._state.pending:
            self._lose_while_pending(error)
        elif self._state is RegistrationState.REGISTERED:
            self._lose(error, now, self._wait_after_loss(0.0, now))
        else:
            self._lose(error, now, None if self._next_try is None else max(0.0, self._next_try - now))

    # requests

    def _must_not_be_pending(self) -> None:
        if self._state.pending:
            raise LocalProtocolError("a REGISTER is on its way")

    def _send(self, now: float) -> None:
        """Send a REGISTER: an initial one where there is no binding, or not any more at the S-CSCF."""
        self._ended = False
        if self._binding is None or self._anew:
            self._start_anew(now)
        else:
            self._next_try = None
            self._move(RegistrationState.REFRESHING)
            self._exchange.refresh(self.flow, self._binding, now=now)

    def _start_anew(self, now: float) -> None:
        self._anew = False
        self._next_try = None
        self._move(RegistrationState.REGISTERING)
        self._exchange.register(self.flow, now=now, binding=self._binding)

    def _remove(self, binding: Binding, now: float) -> None:
        self._next_try = None
        self._move(RegistrationState.REMOVING)
        self._exchange.remove(self.flow, binding, now=now)

    # outcomes

    def _settle(self, outcome: Outcome, now: float) -> None:
        if isinstance(outcome, Accepted):
            self._registered(outcome.binding, now)
        elif isinstance(outcome, Removed):
            self._end(BindingRemoved())
        elif isinstance(outcome, Refused):
            self._refused(outcome.error, outcome.reaction, now)
        else:
            self._cut(outcome.reason, now)

    def _refused(self, error: Failure, reaction: StartAnew | GiveUp, now: float) -> None:
        if isinstance(reaction, GiveUp):
            self._fail(error, reaction, now)
        elif self._remove_next:
            self._fail(error, GiveUp(), now)
        else:
            self._start_anew(now)

    def _registered(self, binding: Binding, now: float) -> None:
        anew = self._state is RegistrationState.REGISTERING
        self._events.append(BindingCreated(binding) if self._binding is None else BindingRefreshed(binding, anew))
        self._binding = binding
        self._next_try = now + binding.refresh_after
        if self._since is None:
            self._since = now
        if self._remove_next:
            self._remove_next = False
            self._remove(binding, now)
        else:
            self._move(RegistrationState.REGISTERED)

    def _cut(self, reason: str, now: float) -> None:
        self._flow_lost = RegistrationFailed(f"the connection was lost: {reason}")
        if self._state.pending or self._state is RegistrationState.REGISTERED:
            self._fail(self._flow_lost, _NO_FLOW, now)

    def _fail(self, error: Failure, reaction: GiveUp, now: float) -> None:
        if self._remove_next or self._state is RegistrationState.REMOVING:
            self._end(BindingRemoved(error))
            return
        wait = self._wait_after(reaction, now)
        if self._binding is None:
            self._end(RegisterFailed(error, wait, reaction.next_server))
            self._wait(wait, now)
        elif reaction.temporary:
            self._events.append(BindingSuspended(self._binding, error, wait, reaction.next_server))
            self._next_try = None if wait is None else now + wait
            self._anew = self._state is RegistrationState.REGISTERING
            self._move(RegistrationState.SUSPENDED)
        else:
            self._lose(error, now, wait)

    def _wait_after(self, reaction: GiveUp, now: float) -> float | None:
        """Seconds until this registration tries again by itself, over the flow it has."""
        if not reaction.temporary or not reaction.by_itself:
            return None
        if self._backoff is None:
            return reaction.retry_after
        self._forgive(self._backoff, now)
        return self._backoff.fail(retry_after=reaction.retry_after)

    def _wait_after_loss(self, asked: float, now: float) -> float:
        """Seconds until another initial registration: what is asked for, unless one after the other is lost."""
        if self._backoff is None:
            return asked
        self._forgive(self._backoff, now)
        wait = self._backoff.fail()
        return asked if self._backoff.failures == 1 else max(asked, wait)

    def _forgive(self, backoff: Backoff, now: float) -> None:
        """Count failures anew after a registration that lasted."""
        if self._since is not None and now - self._since >= _LASTING:
            backoff.succeed()
        self._since = None

    def _lose_while_pending(self, error: RegistrationFailed, *, final: bool = False) -> None:
        """Be without a binding; the REGISTER on its way may bring another one, which is given up if this is the end."""
        self._binding = None
        if self._state is not RegistrationState.REMOVING:
            self._events.append(BindingLost(error, None if final else 0.0))
            self._ended = final
            self._remove_next = self._remove_next or final
            self._move(RegistrationState.REGISTERING)

    def _lose(self, error: Failure, now: float, wait: float | None) -> None:
        self._end(BindingLost(error, wait))
        self._wait(wait, now)

    def _wait(self, wait: float | None, now: float) -> None:
        if wait is not None:
            self._next_try = now + wait
            self._move(RegistrationState.WAITING)

    def _end(self, event: RegistrationEvent) -> None:
        """Be unregistered."""
        self._events.append(event)
        self._binding = None
        self._next_try = None
        self._anew = False
        self._remove_next = False
        self._ended = isinstance(event, BindingRemoved)
        self._move(RegistrationState.UNREGISTERED)

    def _move(self, state: RegistrationState) -> None:
        logger.debug("registration of %s: %s -> %s", self.identity.impu, self._state, state)
        self._state = state
