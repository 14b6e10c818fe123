"""The registrations of one client: what they tell, and what the network tells about them."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from wic.client.events import Deregistered, IdentitiesChanged, Refreshed, Registered, RegistrationLost
from wic.client.identities import KnownIdentities
from wic.client.reg_event_reactions import RegEventUsage
from wic.client.trial import Consequence, Trial
from wic.client.wishes import Wishes
from wic.errors import LocalProtocolError, TokenRefused
from wic.registration import (
    Backoff,
    BindingCreated,
    BindingLost,
    BindingRefreshed,
    BindingRemoved,
    BindingSuspended,
    Identity,
    RegisterFailed,
    RegistrationOptions,
    Registrations,
    RegistrationState,
    parse_impu,
    websocket_contact,
)
from wic.sip.events import ResponseReceived

if TYPE_CHECKING:
    from collections.abc import Callable

    from wic.accounts import Account
    from wic.auth import Authenticator
    from wic.client.events import ClientEvent
    from wic.client.identities import Identities
    from wic.client.options import ClientOptions
    from wic.errors import WicError
    from wic.registration import Binding, Registration, RegistrationEvent
    from wic.sip.endpoint import Endpoint
    from wic.sip.events import Event
    from wic.sip.flow import Flow
    from wic.sip.uri import Uri

__all__ = ["Registering"]

_log = logging.getLogger(__name__)
_NOBODY: Final[frozenset[Uri]] = frozenset()


class Registering:
    """Registers the main identity first, then the others that the network does not register along with it.

    The leading registration decides about the connection: `on_registered` hears that it is made or renewed,
    `on_failed` that it, or another one, is not, and answers what comes of that. It is that of the main identity; when the user
    or the network has ended that one for good, the next one that lives takes its place.
    """

    __slots__ = (
        "_account",
        "_authenticator",
        "_endpoint",
        "_identities",
        "_identity",
        "_leading",
        "_on_failed",
        "_on_registered",
        "_options",
        "_parting",
        "_refused",
        "_reg_event",
        "_registrations",
        "_tell",
        "_wishes",
        "contact",
    )

    def __init__(
        self,
        account: Account,
        options: ClientOptions,
        *,
        endpoint: Endpoint,
        host: str,
        authenticator: Authenticator,
        tell: Callable[[ClientEvent], None],
        on_registered: Callable[[Binding], None],
        on_failed: Callable[[Trial, bool], Consequence],
    ) -> None:
        impu = parse_impu(account.impu)
        self.contact = websocket_contact(impu.user, host)
        """The address of this client."""
        self._account = account
        self._options = options
        self._endpoint = endpoint
        self._authenticator = authenticator
        self._tell = tell
        self._on_registered = on_registered
        self._on_failed = on_failed
        self._identity = Identity(impu=impu, domain=account.domain, instance=account.instance, contact=self.contact)
        self._registrations: Registrations | None = None
        self._leading: Registration | None = None
        self._refused = _NOBODY
        self._reg_event: RegEventUsage | None = None
        self._parting: RegEventUsage | None = None
        self._identities = KnownIdentities()
        self._wishes = Wishes()

    @property
    def impu(self) -> Uri:
        """The main identity."""
        return self._identity.impu

    @property
    def leading(self) -> Registration | None:
        """The registration that decides about the connection; None before the first try."""
        return self._leading

    @property
    def lives(self) -> bool:
        """Whether there is a registration that is kept or tried for."""
        return any(map(self._lives, self._all()))

    @property
    def bindings(self) -> tuple[Binding, ...]:
        """What the registrar granted, the main identity's first."""
        return tuple(each.binding for each in self._all() if each.binding is not None)

    @property
    def identities(self) -> Identities:
        """Who the user is to the network now."""
        return self._identities.current

    def choose(self, identity: Uri | None) -> tuple[Uri, Binding | None]:
        """Return the identity to call with, and the registration that it belongs to.

        Raises:
            ConfigurationError: the identity is none of this user's.
        """
        if bindings := self.bindings:
            return self._identities.choose(identity, bindings)
        if identity is not None:
            self.identities.check(identity)
        return self.impu, None

    # commands

    def register(self, flow: Flow, *, now: float) -> None:
        """Register over a flow, or take the registrations over to it."""
        if self._registrations is not None:
            self._registrations.register_all(now=now, flow=flow)
            return
        self._registrations = Registrations(
            self._endpoint,
            identity=self._identity,
            flow=flow,
            credentials=self._authenticator,
            options=RegistrationOptions(expires=self._account.expires, user_agent=self._options.user_agent or None),
            make_backoff=self._new_backoff,
        )
        self._leading = self._registrations[self.impu]
        self._registrations.register_all(now=now)

    def add(self, impu: Uri, *, now: float) -> asyncio.Future[WicError | None]:
        """Register another identity, or one that is not registered any more.

        Returns:
            What will have come of it: None if it is registered.

        Raises:
            LocalProtocolError: it is being deregistered.
        """
        registrations = self._registrations
        assert registrations is not None, "there is a registration once the client is open"
        if (joining := self._wishes.joining(impu)) is not None:
            return joining
        if impu in registrations and not registrations[impu].ended and self._wishes.is_given_up(impu):
            raise LocalProtocolError(f"{impu} is being deregistered")
        joining = self._wishes.join(impu)
        if any(each.implicit_set.holds(impu) for each in self.bindings):
            self._wishes.joined(impu, None)
            return joining
        if not registrations.is_active(impu):
            registrations.remove(impu, now=now)  # what was refused before
            self._drain(now)
            registrations.add(impu, now=now)
        return joining

    def refresh(self, *, now: float) -> None:
        """Renew what is registered, because the credentials are new."""
        if self._registrations is not None:
            self._registrations.refresh_all(now=now)

    def deregister(self, impu: Uri | None, *, now: float) -> None:
        """Deregister one identity, or all; `removed` tells when that is done."""
        if self._registrations is None:
            return
        if impu is None:
            self._wishes.leave(each.identity.impu for each in self._all())
            self._registrations.deregister_all(now=now)
        else:
            self._wishes.leave([impu])
            self._registrations.remove(impu, now=now)
        self._drain(now)

    async def removed(self) -> None:
        """Wait until what was to be deregistered is."""
        await self._wishes.all_left()

    async def parted(self, within: float) -> None:
        """Wait for the last NOTIFY of the subscription to what was deregistered, but not for long (TS 24.229 §5.1.1.6)."""
        parting = self._parting
        if parting is None:
            return
        try:
            async with asyncio.timeout(within):
                await parting.parted()
        except TimeoutError:
            _log.debug("the network does not say that the subscription has ended")
        finally:
            parting.drop()
            self._parting = None

    def forsake(self, error: WicError) -> None:
        """Wait no longer for those that leave; unless the network confirms it yet, this is why it did not."""
        self._wishes.forsake(error)

    # what happens

    def handle(self, event: Event, *, now: float) -> bool:
        """Take an event of the endpoint; return whether it belonged to the registrations alone."""
        if self._registrations is None:
            return False
        if isinstance(event, ResponseReceived) and event.response.status == 504:
            self._registrations.restore(event.response, now=now)  # TS 24.229 §5.1.2A.1.6
        mine = self._registrations.handle(event, now=now)
        for watch in (self._reg_event, self._parting):
            if not mine and watch is not None:
                mine = watch.handle(event, now=now)
        self._drain(now)
        return mine

    def next_timeout(self) -> float | None:
        """Return when the registrations are due."""
        due = None if self._registrations is None else self._registrations.next_timeout()
        if self._reg_event is None or (also := self._reg_event.next_timeout()) is None:
            return due
        return also if due is None else min(due, also)

    def handle_timeout(self, *, now: float) -> None:
        """Refresh, or try again."""
        if self._registrations is not None:
            self._registrations.handle_timeout(now=now)
        if self._reg_event is not None:
            self._reg_event.handle_timeout(now=now)
        self._drain(now)

    def _drain(self, now: float) -> None:
        registrations = self._registrations
        while registrations is not None and (told := registrations.next_event()) is not None:
            self._take(*told, now)

    def _take(self, registration: Registration, event: RegistrationEvent, now: float) -> None:
        impu = registration.identity.impu
        match event:
            case BindingCreated(binding):
                self._tell(Registered(impu, binding))
                self._granted(registration, binding, now)
            case BindingRefreshed(binding, anew):
                self._tell(Refreshed(impu, binding))
                self._granted(registration, binding, now, anew=anew)
            case BindingRemoved(error):
                self._removed(registration, error, now)
            case BindingSuspended() | BindingLost() | RegisterFailed():
                self._failed(registration, event, now)

    # what registrations tell

    def _granted(self, registration: Registration, binding: Binding, now: float, *, anew: bool = False) -> None:
        self._wishes.joined(registration.identity.impu, None)
        if self._refused:
            self._refused -= {registration.identity.impu}
        if registration is self._leading:
            if self._lives(registration):  # else it is about to go
                self._register_others(binding, now)
                self._watch(binding, registration.flow, now, anew=anew)
            self._on_registered(binding)
        self._note_identities()

    def _register_others(self, binding: Binding, now: float) -> None:
        """Register what the account names, the network has not registered along, and the user has not given up."""
        assert self._registrations is not None
        for impu in map(parse_impu, self._account.impus):
            known = impu in self._registrations or binding.implicit_set.holds(impu)
            if not known and not self._wishes.is_given_up(impu):
                self._registrations.add(impu, now=now)

    def _watch(self, binding: Binding, flow: Flow, now: float, *, anew: bool = False) -> None:
        """Have the network tell what becomes of the registration (TS 24.229 §5.1.1.3)."""
        if not self._options.reg_event:
            return
        if self._reg_event is None:
            assert self._registrations is not None
            self._reg_event = RegEventUsage(
                self._endpoint,
                contact=self._identity.contact_header(RegistrationOptions().reg_id),
                authenticator=self._authenticator,
                registrations=self._all,
                on_identities=self._note_identities,
                user_agent=self._options.user_agent or None,
            )
        self._reg_event.follow(binding, flow, now=now, anew=anew)

    def _hand_over(self, now: float) -> None:
        """Let another registration lead, and be watched, where the leading one has ended for good."""
        if self._leading is None or not self._leading.ended:
            return
        following = next(filter(self._lives, self._all()), None)
        if following is not None:
            self._leading = following
            self._forget_reg_event()
            if following.binding is not None:
                self._watch(following.binding, following.flow, now)

    def _removed(self, registration: Registration, error: WicError | None, now: float) -> None:
        impu = registration.identity.impu
        error = self._wishes.left(impu, error)
        if error is not None:
            _log.info("the deregistration of %s failed: %s", impu, error)
        self._hand_over(now)
        if registration is self._leading and error is None:
            self._leave_reg_event(now)
        elif registration is self._leading:
            self._forget_reg_event()
        if str(impu) in map(str, (*self.identities.usable, *self.identities.barred)):  # else it was lost before
            self._tell(Deregistered(impu, error))
        self._note_identities()

    def _failed(
        self, registration: Registration, event: BindingSuspended | BindingLost | RegisterFailed, now: float
    ) -> None:
        self._hand_over(now)
        impu = registration.identity.impu
        leads = registration is self._leading
        lost = isinstance(event, BindingLost)
        if leads and lost:
            self._forget_reg_event()
        consequence = self._on_failed(self._trial(registration, event), leads)
        if isinstance(event, BindingSuspended):
            if consequence is Consequence.WAITS:
                _log.warning("registration of %s: %s; trying again in %.0f s", impu, event.error, event.retry_after)
            return
        joined = consequence is not Consequence.SEARCHED and self._wishes.joined(impu, event.error)
        told = RegistrationLost(impu, event.error, final=True)
        match consequence:
            case Consequence.WAITS:
                self._tell(replace(told, final=False, next_try=event.retry_after))
            case Consequence.SEARCHED if lost:
                self._tell(replace(told, final=False))
            case Consequence.GONE if lost:
                self._tell(told)
            case Consequence.LOST if joined:
                self._withdraw(registration, now)
            case Consequence.LOST:
                self._tell(told)
            case _:
                pass
        self._note_identities()

    def _trial(self, registration: Registration, event: BindingSuspended | BindingLost | RegisterFailed) -> Trial:
        """Sum up a failure; a token that is refused twice for an identity that does not lead is left at that."""
        stale = False
        if isinstance(event.error, TokenRefused):
            impu = registration.identity.impu
            stale = registration is self._leading or impu not in self._refused
            self._refused |= {impu}
        return Trial(event.error, elsewhere=event.next_server, retry_after=event.retry_after, stale=stale)

    def _withdraw(self, registration: Registration, now: float) -> None:
        """Ask no more for an identity that was to be added, and was refused."""
        assert self._registrations is not None
        self._wishes.give_up(registration.identity.impu)
        self._registrations.remove(registration.identity.impu, now=now)

    def _leave_reg_event(self, now: float) -> None:
        if self._reg_event is not None:
            self._reg_event.leave(now=now)
        self._parting, self._reg_event = self._reg_event, None

    def _forget_reg_event(self) -> None:
        if self._reg_event is not None:
            self._reg_event.drop()
            self._reg_event = None

    def _note_identities(self) -> None:
        watch = self._reg_event
        told, ended = ((), ()) if watch is None else (watch.identities, watch.ended)
        if self._identities.note(self.bindings, told, ended):
            self._tell(IdentitiesChanged(self.identities))

    # helpers

    def _lives(self, registration: Registration) -> bool:
        ended = registration.ended or self._wishes.is_given_up(registration.identity.impu)
        return not ended and registration.state is not RegistrationState.UNREGISTERED

    def _all(self) -> tuple[Registration, ...]:
        return () if self._registrations is None else tuple(self._registrations)

    def _new_backoff(self) -> Backoff:
        return Backoff(self._options.chance, self._options.backoff)
