"""A client's way to the network: an endpoint, the connection it has now, and the registrations over it."""

from __future__ import annotations

import asyncio
import logging
from enum import Enum
from functools import partial
from typing import TYPE_CHECKING, Final

from wic.call import ALLOWED, CallProfile
from wic.client.access import Access
from wic.client.credentials import open_credentials
from wic.client.dialling import dial_websocket
from wic.client.events import ConnectionLost, RegistrationLost
from wic.client.identities import Identities
from wic.client.keep_alive import agree_keep_alive
from wic.client.mending import Mending
from wic.client.registering import Registering
from wic.client.servers import Servers
from wic.client.trial import Consequence, Trial
from wic.errors import ConfigurationError, FlowLost, RegistrationFailed
from wic.registration import Backoff, parse_impu
from wic.sip.endpoint import Endpoint, EndpointOptions
from wic.sip.events import FlowClosed, TransportFailed
from wic.sip.headers.address import NameAddr
from wic.transport.driver import Driver, SystemRandomSource

if TYPE_CHECKING:
    from collections.abc import Callable

    from wic.accounts import Account
    from wic.aio import TaskSet
    from wic.client.events import ClientEvent
    from wic.client.options import ClientOptions
    from wic.errors import WicError
    from wic.registration import Binding
    from wic.sip.events import Event
    from wic.sip.flow import Flow
    from wic.sip.random_source import RandomSource
    from wic.sip.uri import Uri

__all__ = ["Signalling"]

_log = logging.getLogger(__name__)


class SignallingState(Enum):
    """Where a client is on its way to the network."""

    OPENING = "the first registration is being made"
    UP = "connected, and the registrations take care of themselves"
    MENDING = "another connection, or another token, is being looked for"
    OVER = "deregistered, or refused for good"


class Signalling:
    """Opened once, closed once; in between it looks for a new connection whenever it has lost one.

    What does not belong to the registrations goes to `on_event`; what happens to connection and
    registrations is told by `tell`.
    """

    __slots__ = (
        "_access",
        "_credentials",
        "_fault",
        "_host",
        "_mending",
        "_on_event",
        "_options",
        "_state",
        "_tasks",
        "_tell",
        "account",
        "driver",
        "endpoint",
        "random_source",
    )

    def __init__(
        self,
        account: Account,
        options: ClientOptions,
        *,
        on_event: Callable[[Event], None],
        tell: Callable[[ClientEvent], None],
        tasks: TaskSet,
    ) -> None:
        self.account = account
        self._options = options
        self._on_event = on_event
        self._tell = tell
        self._tasks = tasks
        self.random_source: RandomSource = SystemRandomSource()
        self._host = f"{self.random_source.hex(6)}.invalid"  # RFC 7118 §5: nobody can connect to this client
        self._credentials = open_credentials(
            account,
            random_source=self.random_source,
            usim=options.usim,
            on_renewed=self._credentials_renewed,
            on_failed=self._end,
        )
        self.endpoint = Endpoint(
            random_source=self.random_source,
            options=EndpointOptions(
                timers=options.timers,
                methods=_METHODS,
                extensions=_NO_EXTENSIONS,
                via={"WSS": (self._host, None), "WS": (self._host, None)},
            ),
        )
        self.driver = Driver(self.endpoint, on_event=self._event)
        self._access: Access | None = None
        self._mending: Mending | None = None
        self._state = SignallingState.OPENING
        self._fault: WicError | None = None

    @property
    def now(self) -> float:
        """The time in the clock that endpoint, sessions and registrations share."""
        return self.driver.now

    @property
    def bindings(self) -> tuple[Binding, ...]:
        """What the registrar granted, the main identity's first, while it lasts."""
        return () if self._access is None else self._access.registering.bindings

    @property
    def identities(self) -> Identities:
        """Who the user is to the network now."""
        return Identities.of(()) if self._access is None else self._access.registering.identities

    @property
    def flow(self) -> Flow:
        """The connection to the network.

        Raises:
            FlowLost: there is none now.
        """
        if self._access is None or self._access.connection is None:
            raise FlowLost("the client is not connected")
        return self._access.connection.flow

    @property
    def is_cut(self) -> bool:
        """Whether the connection was lost and is not restored yet."""
        return self._mending is not None and self._mending.is_cut

    @property
    def is_connected(self) -> bool:
        """Whether there is a connection that the user is registered over."""
        return self._access is not None and self._access.connection is not None and not self.is_cut

    @property
    def is_over(self) -> bool:
        """Whether no other registration is looked for."""
        return self._state is SignallingState.OVER

    @property
    def lives(self) -> bool:
        """Whether there is a registration that is kept or tried for."""
        return self._access is not None and self._access.registering.lives

    def profile(self, identity: Uri | None = None) -> CallProfile:
        """Return what calls are made and taken with (TS 24.229 §5.1.2A.1).

        Args:
            identity: the public identity to call with; the default one if None.

        Raises:
            ConfigurationError: the identity is none of this account.
            FlowLost: there is no connection.
        """
        assert self._access is not None, "there are calls once the client is open"
        registering = self._access.registering
        chosen, binding = registering.choose(identity)
        contact = registering.contact if binding is None else binding.public_gruu or registering.contact
        return CallProfile(
            identity=chosen,
            contact=NameAddr("", contact),
            flow=self.flow,
            service_route=() if binding is None else binding.service_route,
            user_agent=self._options.user_agent,
            authenticator=self._credentials.authenticator,
        )

    # opening and closing

    async def open(self) -> None:
        """Connect and register; every server is tried once.

        Raises:
            ConfigurationError: a file of the account cannot be used.
            TransportError: there is no connection to be had, or it was lost.
            AuthenticationFailed: the network does not accept the credentials.
            RegistrationFailed: the network refused the registration, or did not answer.
            SignInFailed: the credentials ended meanwhile.
        """
        self.account = account = await self._credentials.prepare()
        access = self._access = self._make_access(account)
        servers = access.servers
        while (error := (trial := await access.attempt(patient=False)).error) is not None:
            servers.failed()
            if not trial.elsewhere or servers.exhausted:
                raise error
            _log.warning("%s; trying %s", error, servers.current)
        if self.is_over:
            raise self._fault or FlowLost("the client was closed meanwhile")
        self._move(SignallingState.UP)

    def _make_access(self, account: Account) -> Access:
        options = self._options
        registering = Registering(
            account,
            options,
            endpoint=self.endpoint,
            host=self._host,
            authenticator=self._credentials.authenticator,
            tell=self._tell,
            on_registered=self._registered,
            on_failed=self._failed,
        )
        self.driver.add_timer_source(registering)
        access = Access(
            registering,
            Servers(account.servers, Backoff(options.chance, options.backoff)),
            options,
            driver=self.driver,
            dial=options.dial or partial(dial_websocket, ca=account.ca, timeout=options.connect_timeout),
            credentials=self._credentials,
        )
        self._mending = Mending(access, tasks=self._tasks, tell=self._tell, on_end=self._mended)
        return access

    def registered(self, impu: str) -> Uri:
        """Return an identity that was registered by itself.

        Raises:
            ConfigurationError: it is none.
        """
        wanted = parse_impu(impu)
        own = [each.impu for each in self.bindings]
        found = next((each for each in own if each.matches(wanted)), None)
        if found is None:
            known = ", ".join(map(str, own)) or "none"
            raise ConfigurationError(f"{impu} is not registered by itself; these are: {known}.")
        return found

    async def register(self, impu: Uri) -> None:
        """Register another identity; without effect if it is registered.

        Raises:
            LocalProtocolError: it is being deregistered.
            RegistrationFailed: the network refused it, or did not answer.
            AuthenticationFailed: the network does not accept the credentials for it.
        """
        joining = self._parts[0].registering.add(impu, now=self.now)
        self.driver.pump()
        await asyncio.wait({joining}, timeout=self._options.register_timeout)
        if not joining.done():
            within = f"within {self._options.register_timeout:g} s"
            raise RegistrationFailed(f"the network did not answer the registration {within}")
        if (error := joining.result()) is not None:
            raise error

    async def renew_credentials(self) -> None:
        """Get other credentials, and register with them.

        Raises:
            WicError: there are none to be had.
        """
        await self._credentials.renew()
        self._credentials_renewed()

    async def deregister(self, impu: Uri | None = None) -> None:
        """Deregister one identity, or all, as far as that is possible in reasonable time (TS 24.371 §6A.2).

        The connection is closed when no identity is left. Without a connection there is nobody to tell: the identity
        stays away all the same.
        """
        if impu is None:
            self._finish()
        if self._access is not None:
            await self._remove(self._access.registering, impu)
        if impu is None or not self.lives:
            self._finish()
            await self.leave()

    async def _remove(self, registering: Registering, impu: Uri | None) -> None:
        registering.deregister(impu, now=self.now)
        self.driver.pump()
        try:
            async with asyncio.timeout(self._options.close_timeout):
                await registering.removed()
        except TimeoutError:
            within = f"within {self._options.close_timeout:g} s"
            registering.forsake(RegistrationFailed(f"it did not answer {within}"))

    async def leave(self) -> None:
        """Close the connection, and give back what was lent: nothing is registered any more (TS 24.371 §6A.2)."""
        try:
            if self._access is not None:
                if self._access.connection is not None:
                    await self._access.registering.parted(_FAREWELL)
                await self._access.hang_up("nothing is registered any more")
        finally:
            await self._credentials.close()

    async def close(self) -> None:
        """Deregister, as far as that is possible in reasonable time, and close the connection."""
        try:
            if self._mending is not None:
                await self._mending.stop()
            await self.deregister()
        finally:
            try:
                await self.driver.close("the client is done")
            finally:
                await self._credentials.close()

    # what registrations tell

    def _registered(self, binding: Binding) -> None:
        """The leading identity is registered over the connection there is."""
        access, mending = self._parts
        access.servers.works(now=self.now)
        if access.connection is not None:
            agree_keep_alive(access.connection, binding, self._options)
            mending.note_restored()
        access.judge(Trial())

    def _failed(self, trial: Trial, leading: bool) -> Consequence:
        """An identity is not registered, or only as long as the registrar remembers; return what comes of that."""
        if self.is_over:
            return Consequence.GONE
        access, mending = self._parts
        if trial.stale:
            access.wants_token = True
            trial = Trial(trial.error, elsewhere=True)
        if not leading:
            return self._react_to_another(trial, access, mending)
        if access.judge(trial):
            if self._state is SignallingState.OPENING or (trial.is_end and access.connection is not None):
                return Consequence.TOLD
            return Consequence.WAITS if trial.kept else Consequence.SEARCHED
        return self._react(trial, access, mending)

    def _react(self, trial: Trial, access: Access, mending: Mending) -> Consequence:
        """Do something about the leading registration, for which nobody waits."""
        assert trial.error is not None
        if self._state is not SignallingState.UP or access.connection is None:
            return Consequence.SEARCHED
        if access.wants_token:
            return self._replace_token(mending)
        if trial.elsewhere and (access.servers.has_others or not trial.waits):
            left = access.servers.current
            access.servers.failed()
            self._lose(left, trial.error, access.servers.wait())
            return Consequence.SEARCHED
        if trial.waits:
            return Consequence.WAITS
        self._end(trial.error)
        return Consequence.TOLD

    def _react_to_another(self, trial: Trial, access: Access, mending: Mending) -> Consequence:
        """Do something about a registration that does not lead."""
        if access.connection is None:
            return Consequence.SEARCHED
        if access.wants_token:
            return self._replace_token(mending) if self._state is SignallingState.UP else Consequence.SEARCHED
        return Consequence.WAITS if trial.waits else Consequence.LOST

    def _replace_token(self, mending: Mending) -> Consequence:
        self._move(SignallingState.MENDING)
        mending.begin(0.0)
        return Consequence.SEARCHED

    def _credentials_renewed(self) -> None:
        if self._access is not None and self._state is SignallingState.UP:
            self._access.registering.refresh(now=self.now)
            self.driver.pump()

    # a connection that is lost

    def _event(self, event: Event) -> None:
        # Who gets to know first that the connection is gone also knows what the rest means.
        if isinstance(event, FlowClosed):
            self._note_end(event.flow, event.reason)
        elif isinstance(event, TransportFailed):
            self._note_end(event.transaction.flow, event.reason)
        if self._access is None or not self._access.registering.handle(event, now=self.now):
            self._on_event(event)

    def _note_end(self, flow: Flow, reason: str) -> None:
        if self._access is None or not self._access.lost(flow):
            return
        access, mending = self._parts
        error = FlowLost(f"the connection to {access.servers.current} was lost: {reason}")
        if access.judge(Trial(error, elsewhere=True)):
            return
        match self._state:
            case SignallingState.UP:
                self._lose(access.servers.current, error, self._wait_after_loss(access))
            case SignallingState.MENDING:
                mending.note_cut(error)
            case SignallingState.OVER:
                self._tell(ConnectionLost(access.servers.current, error, None))
            case _:
                pass  # `open` tries on

    def _wait_after_loss(self, access: Access) -> float:
        wait = access.servers.lost(now=self.now)
        leading = access.registering.leading
        if leading is None or leading.retry_at is None:
            return wait
        return max(wait, leading.retry_at - self.now)  # the network told it to wait

    def _lose(self, server: str, error: WicError, wait: float) -> None:
        self._move(SignallingState.MENDING)
        self._parts[1].lose(server, error, wait)

    def _mended(self, error: WicError | None) -> None:
        if error is None:
            self._move(SignallingState.UP)
        else:
            self._end(error)

    def _end(self, error: WicError) -> None:
        """The user is not registered, or not for long, and only the user can change that."""
        if self.is_over:
            return
        opening = self._state is SignallingState.OPENING
        self._fault = error
        self._finish()
        if not opening:  # else `open` tells
            self._tell(RegistrationLost(self._leading, error, final=True))

    def _finish(self) -> None:
        """Look for nothing any more."""
        self._move(SignallingState.OVER)
        if self._mending is not None:
            self._mending.cancel()

    @property
    def _leading(self) -> Uri:
        leading = self._parts[0].registering.leading
        return parse_impu(self.account.impu) if leading is None else leading.identity.impu

    @property
    def _parts(self) -> tuple[Access, Mending]:
        assert self._access is not None, "nothing happens before there is an access"
        assert self._mending is not None
        return self._access, self._mending

    def _move(self, state: SignallingState) -> None:
        _log.debug("signalling of %s: %s -> %s", self.account.name, self._state.name, state.name)
        self._state = state


_METHODS = frozenset((*ALLOWED, "NOTIFY"))
_NO_EXTENSIONS: Final[frozenset[str]] = frozenset()
_FAREWELL = 0.5
"""Seconds to wait for the NOTIFY that ends the subscription to reg-event, after the last deregistration."""
