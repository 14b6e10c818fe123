"""The registrations of a user: every public identity over one flow, and the subscription to their state.

One user has one private identity, and so one REGISTER is on its way for all identities at a time: challenges, nonces and
the sequence numbers of AKA belong to the private identity (TS 24.229 §5.1.1.2.1). Commands wait in a queue for their turn.

The main identity is registered first; then those that the account names and that the network has not registered along
with it. One registration leads: reg-event watches it, and its failures decide about the connection that all share. It is
that of the main identity, and when this side or the network has ended that one for good, the next one that lives. An
identity that the user gave up does not come back by itself, only by `add`.
"""

from __future__ import annotations

import logging
from dataclasses import KW_ONLY, dataclass, field, replace
from enum import Enum
from typing import TYPE_CHECKING, Final

from wic.errors import LocalProtocolError, RegistrationFailed
from wic.registration.called import find_called, is_for_us
from wic.registration.events import (
    AgentEvent,
    DepartureEnded,
    Deregistered,
    IdentitiesChanged,
    Refreshed,
    Registered,
    RegistrationEvent,
    RegistrationFailure,
)
from wic.registration.identities import Identities, KnownIdentities
from wic.registration.recovery import Remedy, wait_after_termination
from wic.registration.reg_event.events import (
    IdentitiesReported,
    RegEventFailed,
    RegistrationShortened,
    RegistrationTerminated,
    Termination,
)
from wic.registration.reg_event.subscription import RegEventSubscription
from wic.registration.register_request import RegistrationOptions
from wic.registration.registration import Registration
from wic.registration.tables import RegistrationState
from wic.sip.events import FlowClosed, ResponseReceived, TransportFailed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from wic.auth import Authenticator
    from wic.errors import WicError
    from wic.registration.backoff import Backoff
    from wic.registration.binding import Binding
    from wic.registration.reg_event.events import RegEventEvent
    from wic.registration.register_request import Identity
    from wic.sip.endpoint import Endpoint
    from wic.sip.events import Event
    from wic.sip.flow import Flow
    from wic.sip.headers import NameAddr
    from wic.sip.message import Request
    from wic.sip.uri import Uri

__all__ = ["RegistrationAgent"]

_log = logging.getLogger(__name__)
_DEFAULT_OPTIONS: Final = RegistrationOptions()
_NONE: Final[frozenset[str]] = frozenset()  # every empty set would be one of its own


class _Command(Enum):
    """Command to a registration that waits for its turn."""

    REGISTER = "register"
    REFRESH = "refresh"
    DEREGISTER = "deregister"


@dataclass(slots=True, eq=False, repr=False)
class RegistrationAgent:
    """Registers all identities of a user over one flow; a usage of `Endpoint`, without I/O.

    The shell hands every endpoint event to `handle`, and calls `handle_timeout` when `next_timeout` is due.
    """

    endpoint: Endpoint
    """Sends the requests; for reg-event, its methods have to include NOTIFY."""
    _: KW_ONLY
    identity: Identity
    """The main identity; further ones differ by the public identity only."""
    impus: tuple[Uri, ...] = ()
    """Further public identities to register, where the network does not do so by itself."""
    credentials: Authenticator
    """Answers the challenges."""
    listener: Callable[[AgentEvent], None]
    """Is called with each event."""
    options: RegistrationOptions = _DEFAULT_OPTIONS
    make_backoff: Callable[[], Backoff] | None = None
    """Makes the back-off of a registration; None for registrations that do not try again."""
    reg_event: bool = False
    """Whether to subscribe to the state of the registrations (TS 24.229 §5.1.1.3)."""
    _flow: Flow | None = field(default=None, init=False)
    _edge: NameAddr | None = field(default=None, init=False)
    _registrations: list[Registration] = field(default_factory=list, init=False)  # the main identity's first
    _queue: dict[Registration, _Command] = field(default_factory=dict, init=False)
    _leading: Registration | None = field(default=None, init=False)
    _added: frozenset[str] = field(default=_NONE, init=False)  # identities that a caller has added, and waits for
    _unwanted: frozenset[str] = field(default=_NONE, init=False)  # identities that do not come back by themselves
    _leaving: dict[str, WicError | None] = field(default_factory=dict, init=False)  # with the error, if not awaited
    _identities: KnownIdentities = field(default_factory=KnownIdentities, init=False)
    _reg_event: RegEventSubscription | None = field(default=None, init=False)
    _parting: RegEventSubscription | None = field(default=None, init=False)  # left; its last NOTIFY is to come

    @property
    def leading(self) -> Registration | None:
        """The registration that decides about the connection; None before the first flow."""
        return self._leading

    @property
    def leading_impu(self) -> Uri:
        """The public identity of the leading registration."""
        return self.identity.impu if self._leading is None else self._leading.identity.impu

    @property
    def contact(self) -> Uri:
        """The address of this side."""
        return self.identity.contact

    @property
    def bindings(self) -> tuple[Binding, ...]:
        """The bindings that the registrar granted, the main identity's first."""
        return tuple(binding for each in self._registrations if (binding := each.binding) is not None)

    @property
    def identities(self) -> Identities:
        """The public user identities that the network has registered."""
        return self._identities.current

    @property
    def lives(self) -> bool:
        """Whether a registration is kept, or still attempted."""
        return any(map(self._lives, self._registrations))

    @property
    def is_leaving(self) -> bool:
        """Whether the end of a deregistration is waited for."""
        return any(error is None for error in self._leaving.values())

    @property
    def is_parting(self) -> bool:
        """Whether the last NOTIFY of the subscription to registrations that left is waited for."""
        return self._parting is not None and self._parting.is_leaving

    def choose(self, identity: Uri | None) -> tuple[Uri, Binding | None]:
        """Return the identity to call with, and the binding that it belongs to.

        Raises:
            ConfigurationError: the identity is none of this user's.
        """
        if bindings := self.bindings:
            return self._identities.choose(identity, bindings)
        if identity is not None:
            self.identities.check(identity)
        return self.identity.impu, None

    def called(self, request: Request) -> tuple[Uri, Binding | None] | None:
        """Return the identity that a request outside a dialog is for, and its binding; None if it is not for this user."""
        bindings = self.bindings
        identities = [*self.identities.usable, *(each.identity.impu for each in self._registrations)]
        gruus = [uri for each in bindings for uri in (each.public_gruu, each.temporary_gruu) if uri is not None]
        gruus += [gruu for each in bindings for uri in each.identities if (gruu := self._identities.gruu(uri, each))]
        if not is_for_us(request, contact=self.contact, gruus=gruus, identities=identities):
            return None
        called = find_called(request, identities)
        if called is None or called not in self.identities.usable:  # one that is not registered now is called no more
            return self.choose(None)
        return self.choose(called)

    def address(self, identity: Uri, binding: Binding | None) -> Uri:
        """Return the address for requests within the dialogs of an identity: its public GRUU, or the contact."""
        # TS 24.229 §5.1.2A.1.1, §5.1.2A.2: the GRUU of another identity would tell who else the user is.
        gruu = None if binding is None else self._identities.gruu(identity, binding)
        return gruu or self.contact

    # commands

    def register(self, flow: Flow, *, now: float, edge: NameAddr | None = None) -> None:
        """Register over a flow, or take the registrations over to it (RFC 5626 §4.3).

        Those that this side or the network has ended for good, or the network has refused, stay away; those that the
        network has asked to wait are registered when the time has come.

        Args:
            flow: the connection.
            now: the time.
            edge: URI of the eP-CSCF at its other end, for the routes of requests; None leaves it out.
        """
        self._flow, self._edge = flow, edge
        if self._leading is None:
            self._leading = self._new_registration(self.identity, flow)
            self._registrations.append(self._leading)
        for registration in self._registrations:
            # Neither a refresh nor another flow takes back what the user gave up, or is giving up.
            unwanted = self._unwanted and _key(registration.identity.impu) in self._unwanted
            if registration.ended or unwanted:
                continue
            if registration is self._leading:  # who calls has waited as long as it asked for
                self._queue[registration] = _Command.REGISTER
            elif registration.must_wait(now):  # RFC 3261 §20.33
                registration.move(flow, edge)
            elif registration.refusal is None:  # RFC 3261 §21.4: the same REGISTER is not tried again
                self._queue[registration] = _Command.REGISTER
        self._settle(now)

    def renewed(self, *, now: float) -> None:
        """Register those again whose access token was refused: there is another one."""
        for registration in self._registrations:
            if registration.wants_token and registration is not self._leading:
                self._queue[registration] = _Command.REGISTER
        self._settle(now)

    def add(self, impu: Uri, *, now: float) -> bool:
        """Register another identity, or one that is not registered any more; without effect if it is registered.

        Returns:
            True if the network is asked; then `Registered` or a `RegistrationFailure` will follow.

        Raises:
            LocalProtocolError: there is no flow yet, or the identity is being deregistered.
            RegistrationFailed: the network has asked to wait; the registration is tried then, by itself.
        """
        if self._flow is None:
            raise LocalProtocolError("there is no connection to register over")
        key = _key(impu)
        if key in self._added:
            return True
        registration = self._find(impu)
        if registration is not None:
            # Ended by the network with a REGISTER on its way: what that brings is given up.
            leaves = registration.pending is not None if registration.ended else key in self._unwanted
            if leaves:
                raise LocalProtocolError(f"{impu} is being deregistered")
        self._unwanted -= {key}
        if any(each.implicit_set.holds(impu) for each in self.bindings):
            return False
        if registration is not None and registration.must_wait(now):
            seconds = (registration.retry_at or now) - now
            raise RegistrationFailed(f"the network asks to wait {seconds:.0f} s more before {impu} is registered")
        self._added |= {key}
        idle = registration is None or (
            registration.state is RegistrationState.UNREGISTERED
            and self._queue.get(registration) is not _Command.REGISTER  # a refresh comes to nothing
        )
        if idle:
            self._begin(impu, self._flow)  # one that was refused before is begun anew
            self._settle(now)
        return True

    def refresh(self, *, now: float) -> None:
        """Renew all bindings that are in use."""
        for registration in self._registrations:  # one that waits for its turn is renewed by that, or ends
            self._queue.setdefault(registration, _Command.REFRESH)
        self._settle(now)

    def deregister(self, impu: Uri | None = None, *, now: float) -> None:
        """Deregister one identity, or all, the main one last (TS 24.371 §6A.2).

        `DepartureEnded` follows for each; `is_leaving` tells whether there are others to wait for.
        """
        concerned = [each for each in self._registrations if impu is None or each is self._find(impu)]
        for registration in reversed(concerned):
            key = _key(registration.identity.impu)
            self._unwanted |= {key}
            self._added -= {key}
            self._leaving[key] = None  # no error: it is waited for
            self._queue[registration] = _Command.DEREGISTER
        self._settle(now)

    def give_way(self, *, now: float) -> None:
        """Take note that another client has registered as the same device: its binding is neither fought for nor removed."""
        self._give_way(self._registrations, now)
        self._settle(now)

    def _give_way(self, concerned: Iterable[Registration], now: float) -> None:
        why = Termination.REPLACED.value
        for registration in concerned:
            idle = registration.binding is None and registration.pending is None
            if idle and registration is not self._leading:  # it waits, and would come back
                self._unwanted |= {_key(registration.identity.impu)}
                self._queue[registration] = _Command.DEREGISTER
            else:
                registration.abandon(why, now=now)

    def forsake(self, error: WicError) -> None:
        """Stop waiting for deregistrations; `error` is their outcome unless the network still confirms them."""
        for key, known in self._leaving.items():
            self._leaving[key] = known or error  # the first error stays the outcome

    def part(self) -> None:
        """Stop waiting for the last NOTIFY of the subscription to registrations that left."""
        if self._parting is not None:
            self._parting.drop()
            self._parting = None

    # inputs

    def handle(self, event: Event, *, now: float) -> bool:
        """Take an event of the endpoint; return whether it belonged to the registrations alone."""
        if isinstance(event, ResponseReceived) and event.response.status == 504:
            for registration in self._registrations:  # TS 24.229 §5.1.2A.1.6: the answer to any request may say so
                registration.restore(event.response, now=now)
        mine = False
        for registration in self._registrations:
            mine = registration.handle(event, now=now) or mine
        for watch in (self._reg_event, self._parting):
            mine = mine or (watch is not None and watch.handle(event, now=now))
        if isinstance(event, FlowClosed) and event.flow == self._flow:
            # What waits for its turn needs a new flow, but for deregistrations, which end without one.
            self._queue = {each: command for each, command in self._queue.items() if command is _Command.DEREGISTER}
        # A flow whose transaction failed is as good as closed, as the next event will say: nothing more goes over it.
        self._settle(now, proceed=not isinstance(event, TransportFailed))
        return mine

    def next_timeout(self) -> float | None:
        """Return the time at which `handle_timeout` is due, or None."""
        due = None if self._reg_event is None else self._reg_event.next_timeout()
        # Only the REGISTER on its way counts: the other registrations wait for it.
        pending = [each for each in self._registrations if each.pending is not None]
        for registration in pending or self._registrations:
            time = registration.next_timeout()
            if time is not None and (due is None or time < due):
                due = time
        return due

    def handle_timeout(self, *, now: float) -> None:
        """Refresh or try again where that is due, one REGISTER at a time."""
        pending = [each for each in self._registrations if each.pending is not None]
        for registration in pending or tuple(self._registrations):
            registration.handle_timeout(now=now)
            if registration.pending is not None:
                break
        if self._reg_event is not None:
            self._reg_event.handle_timeout(now=now)
        self._settle(now)

    def _settle(self, now: float, *, proceed: bool = True) -> None:
        """Carry out the waiting commands as far as possible, and handle all events until none is left."""
        busy = True
        while busy:
            busy = False
            if proceed and self._queue:  # taking an event may have queued another command
                self._proceed(now)
            for registration in tuple(self._registrations):
                while (event := registration.next_event()) is not None:
                    busy = True
                    self._take(registration, event, now)
            while self._reg_event is not None and (report := self._reg_event.next_event()) is not None:
                busy = True
                self._take_report(report, now)
        if self._parting is not None:
            while self._parting.next_event() is not None:
                continue  # the registration has ended: what is said of it has no consequences
            if not self._parting.is_leaving:
                self.part()
                self.listener(DepartureEnded())

    def _proceed(self, now: float) -> None:
        """Carry out the commands that wait, until a REGISTER is on its way (TS 24.229 §5.1.1.2.1: one at a time)."""
        for registration, command in tuple(self._queue.items()):
            # Where there is no binding, nothing is sent, so that no turn is waited for.
            if command is _Command.DEREGISTER and registration.binding is None and registration.pending is None:
                del self._queue[registration]
                registration.deregister(now=now)
        while self._queue and all(each.pending is None for each in self._registrations):
            registration = next(iter(self._queue))
            match self._queue.pop(registration):
                case _Command.REGISTER if not registration.ended:  # else it ended for good while it waited
                    # RFC 5626 §4.3: over the flow there is now
                    registration.register(now=now, flow=self._flow, edge=self._edge)
                case _Command.DEREGISTER:
                    registration.deregister(now=now)
                case _ if registration.state is RegistrationState.REGISTERED:  # else it is renewed as soon as it can be
                    registration.refresh(now=now)
        if not self._queue:
            self._queue.clear()  # gives back the memory that an emptied dict keeps

    # events of registrations

    def _take(self, registration: Registration, event: RegistrationEvent, now: float) -> None:
        match event:
            case Registered() | Refreshed():
                self.listener(event)
                self._granted(registration, event, now)
            case Deregistered():
                self._removed(registration, event, now)
            case _:
                self._failed(registration, event, now)
                if event.keeps_binding:
                    return
        if self._identities.update(self.bindings):
            self.listener(IdentitiesChanged(self.identities))

    def _granted(self, registration: Registration, event: Registered | Refreshed, now: float) -> None:
        if self._added:
            self._added -= {_key(event.impu)}
        if registration is self._leading and self._lives(registration):  # else it is about to go
            binding, flow = event.binding, registration.flow
            for impu in self.impus:
                known = self._find(impu) is not None or binding.implicit_set.holds(impu)
                if not known and _key(impu) not in self._unwanted:
                    self._begin(impu, flow)
            self._watch(registration, binding, now, anew=isinstance(event, Refreshed) and event.anew)

    def _removed(self, registration: Registration, event: Deregistered, now: float) -> None:
        key = _key(event.impu)
        error = event.error and (self._leaving.get(key) or event.error)  # that of the user who waited comes first
        self._leaving.pop(key, None)
        if error is not None:
            _log.info("the deregistration of %s failed: %s", event.impu, error)
        if event.impu != self.identity.impu and registration in self._registrations:  # else it was given up twice
            self._registrations.remove(registration)
        self._hand_over(now)
        if registration is self._leading:
            if error is None and self._reg_event is not None:  # TS 24.229 §5.1.1.6: one NOTIFY more ends it
                self.part()
                self._reg_event.leave(now=now)
                self._parting, self._reg_event = self._reg_event, None
                self._identities.forget_reports()
            else:
                self._forget_reg_event()
        if registration.left:  # else it was lost before
            registration.left = False  # told once, however often it was given up
            self.listener(Deregistered(event.impu, error))
        self.listener(DepartureEnded())

    def _failed(self, registration: Registration, failure: RegistrationFailure, now: float) -> None:
        self._hand_over(now)
        if registration is self._leading and failure.loses_binding:  # TS 24.229 §5.1.1.6: with the registration
            self._forget_reg_event()
        self.listener(failure)
        key, remedy = _key(failure.impu), failure.recovery.remedy
        if key not in self._added or remedy in (Remedy.RECONNECT, Remedy.RENEW_TOKEN):
            return  # with another connection, or another token, it will be tried again
        self._added -= {key}
        if remedy is Remedy.GIVE_UP:  # the caller is told: it does not come back by itself
            self._unwanted |= {key}
            self._queue[registration] = _Command.DEREGISTER

    def _hand_over(self, now: float) -> None:
        """Let another registration lead, and be watched, where the leading one has ended for good, or was refused."""
        if self._leading is None or not (self._leading.ended or self._leading.refusal is not None):
            return
        # One with a binding goes first: the refusal of one that is still attempted would be the end of all.
        living = filter(self._lives, self._registrations)
        following = max(living, key=lambda each: each.binding is not None, default=None)
        # The refusal of the leading one is the end unless there is another one that is registered.
        if following is not None and (self._leading.ended or following.binding is not None):
            self._leading = following
            self._forget_reg_event()
            if following.binding is not None:
                self._watch(following, following.binding, now)

    # events of the subscription to reg-event

    def _watch(self, registration: Registration, binding: Binding, now: float, *, anew: bool = False) -> None:
        """Let the network tell what becomes of the registration (TS 24.229 §5.1.1.3)."""
        if not self.reg_event:
            return
        if self._reg_event is None:
            self._reg_event = RegEventSubscription(
                self.endpoint,
                contact=self.identity.contact_header(self.options.reg_id),
                credentials=self.credentials,
                user_agent=self.options.user_agent,
            )
        self._reg_event.follow(binding, registration.flow, now=now, anew=anew)  # TS 24.229 §5.1.1.3
        self._identities.confirm()  # the 200 is younger than what reg-event said

    def _take_report(self, event: RegEventEvent, now: float) -> None:
        match event:
            case RegistrationTerminated(reason, aors=aors, last=last):  # TS 24.229 §5.1.1.7
                concerned = [
                    each for each in self._registrations if last or any(each.identity.impu.matches(aor) for aor in aors)
                ]
                if reason is Termination.REPLACED:
                    self._give_way(concerned, now)
                    return
                for registration in concerned:
                    registration.lose(reason.value, now=now, again_after=wait_after_termination(event))
            case RegistrationShortened(expires):  # TS 24.229 §5.1.1.5A
                for registration in self._registrations:
                    registration.reauthenticate(expires, now=now)
            case IdentitiesReported(identities):
                gruus = tuple((each.uri, each.public_gruu) for each in identities if each.public_gruu is not None)
                self._identities.report(tuple(each.uri for each in identities), self.bindings, gruus)
                if self._identities.update(self.bindings):
                    self.listener(IdentitiesChanged(self.identities))
            case RegEventFailed(error, reason):
                _log.debug("no news about the registration: %s", error or reason)
            case _:
                _log.debug("the network tells what becomes of the registration")

    def _forget_reg_event(self) -> None:
        """Forget the subscription: the registration is gone, and with it the subscription (TS 24.229 §5.1.1.6)."""
        if self._reg_event is not None:
            self._reg_event.drop()
            self._reg_event = None
            self._identities.forget_reports()

    # registrations

    def _begin(self, impu: Uri, flow: Flow) -> None:
        """Register a further identity, in the place of a registration that it had before."""
        registration = self._new_registration(replace(self.identity, impu=impu), flow)
        former = self._find(impu)
        if former is None:
            self._registrations.append(registration)
        else:
            self._registrations[self._registrations.index(former)] = registration
            if former is self._leading:  # it waited for another token
                self._leading = registration
        self._queue[registration] = _Command.REGISTER

    def _new_registration(self, identity: Identity, flow: Flow) -> Registration:
        return Registration(
            self.endpoint,
            identity=identity,
            flow=flow,
            credentials=self.credentials,
            options=self.options,
            backoff=None if self.make_backoff is None else self.make_backoff(),
        )

    def _find(self, impu: Uri) -> Registration | None:
        key = _key(impu)
        return next((each for each in self._registrations if _key(each.identity.impu) == key), None)

    def _lives(self, registration: Registration) -> bool:
        if registration.ended or (self._unwanted and _key(registration.identity.impu) in self._unwanted):
            return False
        if registration.state is not RegistrationState.UNREGISTERED:
            return True
        # One that was not refused waits for its turn, a connection, or a token.
        return registration.refusal is None or self._queue.get(registration) is _Command.REGISTER


def _key(impu: Uri) -> str:
    return str(impu.aor())
