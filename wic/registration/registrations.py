"""Several public user identities of one device, registered over one flow."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final, TypeAlias

from wic.errors import LocalProtocolError
from wic.registration.events import BindingRemoved, RegistrationEvent
from wic.registration.options import RegistrationOptions
from wic.registration.registration import Registration
from wic.registration.state import RegistrationState
from wic.sip.events import FlowClosed, TransportFailed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from wic.auth import Authenticator
    from wic.registration.backoff import Backoff
    from wic.registration.identity import Identity
    from wic.sip.endpoint import Endpoint
    from wic.sip.events import Event
    from wic.sip.flow import Flow
    from wic.sip.message import Response
    from wic.sip.uri import Uri

_DEFAULT_OPTIONS: Final = RegistrationOptions()
_Command: TypeAlias = "Callable[[Registration, float], None]"


class Registrations:
    """A `Registration` for each identity that is registered explicitly; those registered along need none.

    The main identity is always among them. One REGISTER is on its way at a time for all (TS 24.229 §5.1.1.2.1):
    challenges, nonces and the sequence numbers of AKA belong to the private identity that they share.
    """

    __slots__ = ("_all", "_commands", "_credentials", "_endpoint", "_flow", "_identity", "_make_backoff", "_options")

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        identity: Identity,
        flow: Flow,
        credentials: Authenticator,
        options: RegistrationOptions = _DEFAULT_OPTIONS,
        make_backoff: Callable[[], Backoff] | None = None,
    ) -> None:
        """Begin with the main identity, unregistered.

        Args:
            endpoint: sends the requests.
            identity: who registers; `add` changes nothing of it but the public identity.
            flow: where REGISTER goes.
            credentials: answers the challenges.
            options: how to register.
            make_backoff: makes the back-off of a registration; None for registrations that do not try again.
        """
        self._endpoint = endpoint
        self._identity = identity
        self._flow = flow
        self._credentials = credentials
        self._options = options
        self._make_backoff = make_backoff
        self._all: dict[str, Registration] = {}
        self._commands: dict[Registration, _Command] = {}
        self._make(identity.impu)

    def __len__(self) -> int:
        return len(self._all)

    def __iter__(self) -> Iterator[Registration]:
        return iter(tuple(self._all.values()))

    def __contains__(self, impu: Uri) -> bool:
        return str(impu.aor()) in self._all

    def __getitem__(self, impu: Uri) -> Registration:
        """Return the registration of an identity.

        Raises:
            KeyError: it has none.
        """
        return self._all[str(impu.aor())]

    def is_active(self, impu: Uri) -> bool:
        """Whether an identity is registered, tried for, or waits for its turn to be."""
        registration = self._all.get(str(impu.aor()))
        return registration is not None and (
            registration.state is not RegistrationState.UNREGISTERED or registration in self._commands
        )

    # commands

    def add(self, impu: Uri, *, now: float) -> Registration:
        """Register another identity, or one that was ended.

        Raises:
            LocalProtocolError: it is one of these already.
        """
        if impu in self and not self[impu].ended:
            raise LocalProtocolError(f"{impu} is among the identities already")
        registration = self._make(impu)
        self._command(registration, self._register, now)
        return registration

    def remove(self, impu: Uri, *, now: float) -> None:
        """Deregister an identity; it leaves with its `BindingRemoved`. Without effect if it is none of these."""
        if impu in self:
            self._command(self[impu], _deregister, now)

    def register_all(self, *, now: float, flow: Flow | None = None) -> None:
        """Register all of them, or take them over to a new flow (RFC 5626 §4.3).

        Those that this side or the network has ended for good stay away.
        """
        self._flow = flow or self._flow
        for registration in self:
            if not registration.ended:
                self._command(registration, self._register, now)

    def refresh_all(self, *, now: float) -> None:
        """Renew all bindings that are in use."""
        for registration in self:
            self._command(registration, _refresh, now)

    def deregister_all(self, *, now: float) -> None:
        """Deregister all of them, the main identity last (TS 24.371 §6A.2)."""
        for registration in reversed(tuple(self)):
            self._command(registration, _deregister, now)

    def restore(self, response: Response, *, now: float) -> bool:
        """Register all anew if an answer to another request wants it; see `Registration.restore`."""
        restored = [registration.restore(response, now=now) for registration in self]
        return any(restored)

    # what happens

    def handle(self, event: Event, *, now: float) -> bool:
        """Take an event of the endpoint; return whether it belonged to one of the registrations alone."""
        mine = any(registration.handle(event, now=now) for registration in self._all.values())
        if isinstance(event, FlowClosed) and event.flow == self._flow:
            # What waits for its turn needs a new flow, but for a deregistration, which can be told to be in vain.
            self._commands = {each: command for each, command in self._commands.items() if command is _deregister}
        if not isinstance(event, TransportFailed):  # whose flow is as good as closed, as the next event will say
            self._proceed(now)
        return mine

    def next_event(self) -> tuple[Registration, RegistrationEvent] | None:
        """Return, once, the next thing that happened and to which registration, or None."""
        for registration in self._all.values():
            event = registration.next_event()
            if event is not None:
                if isinstance(event, BindingRemoved):
                    self._drop(registration)
                return registration, event
        return None

    def next_timeout(self) -> float | None:
        """Return when `handle_timeout` is due, or None."""
        if len(self._all) == 1:
            return next(iter(self._all.values())).next_timeout()
        times = [due for each in self._due() if (due := each.next_timeout()) is not None]
        return min(times) if times else None

    def handle_timeout(self, *, now: float) -> None:
        """Do what is due, one REGISTER at a time."""
        for registration in self._due():
            registration.handle_timeout(now=now)
            if registration.state.pending:
                return

    def _make(self, impu: Uri) -> Registration:
        own = self._identity
        registration = Registration(
            self._endpoint,
            identity=own if impu is own.impu else replace(own, impu=impu),
            flow=self._flow,
            credentials=self._credentials,
            options=self._options,
            backoff=None if self._make_backoff is None else self._make_backoff(),
        )
        self._all[str(impu.aor())] = registration
        return registration

    def _drop(self, registration: Registration) -> None:
        if registration.identity.impu != self._identity.impu:
            self._all.pop(str(registration.identity.impu.aor()), None)

    def _pending(self) -> list[Registration]:
        return [registration for registration in self._all.values() if registration.state.pending]

    def _due(self) -> list[Registration]:
        """Those whose time counts: the one that is under way, or all."""
        return self._pending() or list(self._all.values())

    def _command(self, registration: Registration, command: _Command, now: float) -> None:
        self._commands[registration] = command
        self._proceed(now)

    def _proceed(self, now: float) -> None:
        while self._commands and not self._pending():
            registration = next(iter(self._commands))
            self._commands.pop(registration)(registration, now)

    def _register(self, registration: Registration, now: float) -> None:
        registration.register(now=now, flow=self._flow)


def _refresh(registration: Registration, now: float) -> None:
    if registration.state is RegistrationState.REGISTERED:
        registration.refresh(now=now)


def _deregister(registration: Registration, now: float) -> None:
    registration.deregister(now=now)
