"""A client's connection to the network: dialled, kept alive, registered over, and replaced when it is lost.

A client has one endpoint for its life, and one transport connection at a time. Registrations, the subscription to
reg-event and calls belong to the endpoint, so that they outlive a connection.

There is no policy here. `wic.registration.recovery` says what follows a failure, `Servers` which server is tried next
and when, `RegistrationAgent` which identities are registered. This module carries it out by one loop, `_establish`: in
the task of the caller for the first registration, and in a task of its own whenever a connection or an access token has
to be replaced afterwards.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, field
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Final

from wic.call import ALLOWED, SUPPORTED
from wic.client.dialling import close_connection, dial_websocket, open_connection
from wic.client.events import ConnectionLost, ConnectionRestored, RegistrationLost
from wic.client.keep_alive import agree_keep_alive
from wic.client.tables import CONNECTION, ConnectionInput, ConnectionState
from wic.client.waiters import RegistrationWaiters
from wic.errors import FlowLost, RegistrationFailed, TransportError, WicError
from wic.registration import (
    Backoff,
    ConnectionBackoff,
    DepartureEnded,
    Identity,
    Refreshed,
    Registered,
    RegistrationAgent,
    RegistrationFailure,
    RegistrationOptions,
    Servers,
    parse_impu,
    websocket_contact,
)
from wic.registration.recovery import (
    PHASES,
    Failure,
    Phase,
    Purpose,
    Remedy,
    recover_from_error,
    recover_from_renewal,
    recover_from_silence,
)
from wic.registration.servers import edge_uri
from wic.sip.endpoint import Endpoint, EndpointOptions
from wic.sip.events import FlowClosed, TransportFailed
from wic.sip.flow import REPLACED
from wic.transport.alarms import Deadline
from wic.transport.driver import Driver

if TYPE_CHECKING:
    from collections.abc import Callable

    from wic.aio import TaskSet
    from wic.client.credentials import Credentials
    from wic.client.dialling import Dial
    from wic.client.events import ClientEvent
    from wic.client.options import ClientOptions
    from wic.registration import AgentEvent, Binding
    from wic.sip.events import Event
    from wic.sip.flow import Flow
    from wic.sip.random_source import RandomSource
    from wic.sip.uri import Uri
    from wic.transport.base import Connection

__all__ = ["ClientConnection"]

_log = logging.getLogger(__name__)
_METHODS: Final = frozenset(ALLOWED)
_EXTENSIONS: Final = frozenset(SUPPORTED)
_registration_options: Final = lru_cache(maxsize=64)(RegistrationOptions)  # thousands of clients have few
_FAREWELL: Final = 0.5
"""Seconds to wait for the NOTIFY that ends the subscription to reg-event, after the last deregistration."""


@dataclass(slots=True, kw_only=True, eq=False, repr=False)
class ClientConnection:
    """Opened once, closed once; in between it replaces every connection that it loses."""

    credentials: Credentials
    """Those of the user, with the account that they complete."""
    options: ClientOptions
    random_source: RandomSource
    tasks: TaskSet
    """Owner of the task that reconnects."""
    on_event: Callable[[Event], None]
    """Takes the events of the endpoint that do not belong to registrations."""
    tell: Callable[[ClientEvent], None]
    """Takes what is news to the user."""
    calls_wait: Callable[[], bool]
    """Tells whether there are calls, which wait for a connection that was lost."""
    endpoint: Endpoint = field(init=False)
    driver: Driver = field(init=False)
    agent: RegistrationAgent = field(init=False)
    _servers: Servers = field(init=False)
    _dial: Dial = field(init=False)
    _state: ConnectionState = CONNECTION.initial
    _task: asyncio.Task[None] | None = None  # `_establish`, once `open` has returned
    _transport: Connection | None = None
    _obsolete: Connection | None = None  # left for another server, and not closed yet
    _outcome: asyncio.Future[Failure | None] | None = None  # of the attempt that runs; None is success
    _is_cut: bool = False
    _token_refused: bool = False
    _token_backoff: Backoff | None = None
    _pause: asyncio.Future[None] | None = None  # the wait for the next attempt; a result ends it
    _fault: WicError | None = None  # the reason of OVER
    _waiters: RegistrationWaiters = field(default_factory=RegistrationWaiters)
    _woken: asyncio.Event | None = None  # made when first waited for: a fleet keeps thousands of connections

    def __post_init__(self) -> None:
        account, options = self.credentials.account, self.options
        impu = parse_impu(account.impu)
        host = f"{self.random_source.hex(6)}.invalid"  # RFC 7118 §B.1: no peer can connect to this client
        self.endpoint = Endpoint(
            random_source=self.random_source,
            options=EndpointOptions(
                timers=options.timers,
                methods=_METHODS,
                extensions=_EXTENSIONS,
                via={"WSS": host, "WS": host},
            ),
        )
        make_backoff = partial(Backoff, options.draw, options.backoff)
        contact = websocket_contact(impu.user, host)
        self.agent = RegistrationAgent(
            self.endpoint,
            identity=Identity(impu=impu, domain=account.domain, instance=account.instance, contact=contact),
            impus=tuple(map(parse_impu, account.impus)),
            credentials=self.credentials.authenticator,
            listener=self._take,
            options=_registration_options(expires=account.expires, user_agent=options.user_agent or None),
            make_backoff=make_backoff,
            reg_event=options.reg_event,
        )
        self.driver = Driver(self.endpoint, on_event=self._event, timer_sources=(self.agent,))
        # RFC 5626 §4.5: one back-off for all of them.
        self._servers = Servers(account.servers, make_backoff(), ConnectionBackoff(options.draw, options.backoff))
        self._dial = options.dial or partial(dial_websocket, ca=account.ca, timeout=options.connect_timeout)
        self.credentials.on_renewed, self.credentials.on_failed = self._credentials_renewed, self._end

    @property
    def now(self) -> float:
        """The time in the clock that endpoint, sessions and registrations share."""
        return self.driver.now

    @property
    def flow(self) -> Flow:
        """The transport connection, as an address.

        Raises:
            FlowLost: there is none now.
        """
        if self._transport is None:
            raise FlowLost("the client is not connected")
        return self._transport.flow

    @property
    def is_cut(self) -> bool:
        """Whether the connection was lost and is not restored yet."""
        return self._is_cut

    @property
    def is_connected(self) -> bool:
        """Whether there is a connection that the user is registered over."""
        return self._transport is not None and not self._is_cut

    @property
    def is_over(self) -> bool:
        """Whether no other registration is looked for."""
        return self._state is ConnectionState.OVER

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
        await self._establish(0.0)
        if self.is_over:  # closed, or signed out, while the REGISTER was on its way
            raise self._fault or FlowLost("the client was closed meanwhile")

    async def leave(self) -> None:
        """Close the connection, and give back what was lent: nothing is registered any more (TS 24.371 §6A.2)."""
        try:
            async with asyncio.timeout(_FAREWELL):
                while self.agent.is_parting and self._transport is not None:
                    await self._next_departure()
        except TimeoutError:
            _log.debug("the network does not say that the subscription has ended")
        finally:  # a caller that is cancelled has left all the same
            self.agent.part()  # with or without that NOTIFY
            try:
                await self._hang_up("nothing is registered any more")
            finally:
                await self.credentials.close()

    async def close(self) -> None:
        """Deregister, as far as that is possible in reasonable time, and close the connection."""
        try:
            if self._task is not None:
                self._task.cancel()  # an attempt that runs would register again
                await asyncio.wait([self._task])
            await self.deregister()
        finally:
            try:
                async with asyncio.timeout(self.options.close_timeout):  # also of what could not be closed before
                    await self.driver.close("the client is done")
            except TimeoutError:
                _log.warning("a connection does not close")
            finally:
                await self.credentials.close()

    # identities

    async def register(self, impu: Uri) -> None:
        """Register another identity; without effect if it is registered.

        Raises:
            FlowLost: all identities are being deregistered.
            LocalProtocolError: it is being deregistered.
            RegistrationFailed: the network refused it, or did not answer.
            AuthenticationFailed: the network does not accept the credentials for it.
        """
        if self.is_over:  # the connection will be closed without its deregistration
            raise self._fault or FlowLost("the client is being deregistered")
        if not self.agent.add(impu, now=self.now):
            return
        answer = self._waiters.join(impu)
        self.driver.pump()
        await asyncio.wait({answer}, timeout=self.options.register_timeout)
        if not answer.done():
            raise self._unanswered()
        if (error := answer.result()) is not None:
            raise error

    async def deregister(self, impu: Uri | None = None) -> None:
        """Deregister one identity, or all, as far as that is possible in reasonable time (TS 24.371 §6A.2).

        The connection is closed when no identity is left. Without a connection the network cannot be told: the identity
        stays away all the same.
        """
        if impu is None:
            self._finish()  # first, so that no reconnection begins meanwhile
        else:
            self._waiters.answer(impu, RegistrationFailed(f"{impu} was deregistered meanwhile"))
        self.agent.deregister(impu, now=self.now)
        self.driver.pump()
        try:
            async with asyncio.timeout(self.options.close_timeout):
                while self.agent.is_leaving:
                    await self._next_departure()
        except TimeoutError:
            self.agent.forsake(
                RegistrationFailed(f"the network did not answer within {self.options.close_timeout:g} s")
            )
        finally:  # a caller that is cancelled has deregistered all the same
            over = self.is_over and not self.agent.bindings  # what still waits then, waits in vain
            if impu is None or over or not self.agent.lives:  # TS 24.371 §6A.2: the last one closes the connection
                self.agent.forsake(RegistrationFailed("the deregistration was interrupted"))  # what still waits
                self._finish()
                await self.leave()

    def refresh(self) -> None:
        """Renew every registration now, rather than when it is due."""
        if self._state is ConnectionState.UP:
            self.agent.refresh(now=self.now)
            self.driver.pump()

    async def renew_credentials(self) -> None:
        """Get other credentials, and register with them.

        Raises:
            WicError: there are none to be had.
        """
        await self.credentials.renew()
        self._credentials_renewed()

    # the loop that opens and reconnects

    async def _establish(self, wait: float) -> None:
        """Connect and register, over one server after the other, until that succeeds or recovery gives up.

        Args:
            wait: seconds until the first attempt.

        Raises:
            WicError: what made opening impossible; after that, the user is told.
        """
        try:
            while True:
                if self._obsolete is not None:
                    await self._hang_up("another server is tried")
                if wait:
                    self._pause = asyncio.get_running_loop().create_future()
                    await asyncio.wait({self._pause}, timeout=wait)  # RFC 5626 §4.5, or the Retry-After
                failure = await self._attempt()
                if failure is None or (next_wait := self._recover(failure)) is None:
                    return
                wait = next_wait
        except WicError as error:
            await self._hang_up("the registration failed")
            if self._state is ConnectionState.OPENING:  # `open` has a caller; afterwards an event tells the user
                raise
            self._end(error)

    async def _attempt(self) -> Failure | None:
        """Renew an access token that was refused, connect where there is no connection, and register over it."""
        transport = self._transport
        if self._token_refused:
            try:
                await self.credentials.renew()
            except WicError as error:
                if self._token_refused:  # else another one has come meanwhile
                    return Failure(error, recover_from_renewal(error))
            self._token_refused, self._token_backoff = False, None
            self.agent.renewed(now=self.now)
            if transport is not self._transport:  # lost while the token was fetched
                return self._flow_lost(" meanwhile")
        try:
            if transport is None:
                transport = self._transport = await open_connection(
                    self._dial,
                    self._servers.current,
                    self.driver,
                    keep_alive=self.options.keep_alive,
                    close_timeout=self.options.close_timeout,
                )
            outcome = self._outcome = asyncio.get_running_loop().create_future()
            # RFC 5626 §4.5: same instance and reg-id, so that the new flow replaces the one that failed.
            edge = edge_uri(self._servers.current) if self.credentials.account.edge_route else None
            self.agent.register(transport.flow, now=self.driver.now, edge=edge)
            self.driver.pump()
            with Deadline(self.options.register_timeout):
                failure: Failure | None = await outcome
        except TimeoutError:
            return Failure(self._unanswered(), recover_from_silence(Purpose.INITIAL))
        except WicError as error:
            return Failure(error, recover_from_error(error))
        finally:
            self._outcome = None
        # A connection can end between the answer and this moment; then what it was to be tried again over is gone.
        if failure is not None and self._transport is None:
            remedy = PHASES[failure.recovery.remedy][self._phase]
            return self._flow_lost(" meanwhile") if remedy is Remedy.RETRY else failure
        return failure

    def _recover(self, failure: Failure) -> float | None:
        """Begin what recovery says about the failure of the connection or of the leading registration.

        Returns:
            Seconds until the next attempt; None if the registration tries again by itself, over the connection there is.

        Raises:
            WicError: nothing is left to try.
        """
        after, phase = failure.recovery.after, self._phase
        remedy = PHASES[failure.recovery.remedy][phase]
        match remedy:
            case Remedy.RETRY:  # the network asked to wait: nothing to repair at the connection
                self._move(ConnectionInput.REGISTERED)
                return None
            case Remedy.RENEW_TOKEN:
                self._token_refused = True
                self._move(ConnectionInput.LOST)
                return 0.0
            case Remedy.AWAIT_TOKEN:
                if self._token_backoff is None:  # apart from the servers' back-off: the web server fails, not they
                    self._token_backoff = Backoff(self.options.draw, self.options.backoff)
                wait = self._token_backoff.fail(retry_after=after)
                _log.warning("no access token, trying again in %.0f s: %s", wait, failure.error)
                return wait
            case Remedy.NEXT_SERVER | Remedy.RECONNECT:
                left = self._servers.current
                if remedy is Remedy.RECONNECT:
                    wait = self._servers.lost(now=self.now, soon=self.calls_wait())
                    leading = self.agent.leading
                    if leading is not None and leading.retry_at is not None:
                        wait = max(wait, leading.retry_at - self.now)  # a Retry-After counts across connections
                else:
                    self._servers.failed()
                    if phase is Phase.OPENING and self._servers.exhausted:  # each was tried once
                        raise failure.error
                    connected = not isinstance(failure.error, TransportError)
                    wait = self._servers.wait(retry_after=after, connected=connected, soon=self.calls_wait())
                self._obsolete, self._transport = self._transport, None
                expected = phase in (Phase.IN_SERVICE, Phase.ONLY_SERVER)
                level = logging.INFO if expected else logging.WARNING
                _log.log(level, "trying %s in %.1f s: %s", self._servers.current, wait, failure.error)
                if phase is not Phase.OPENING:  # before the first registration there is nothing to lose
                    self._note_cut(left, failure.error, wait)
                    self._move(ConnectionInput.LOST)
                return wait
            case _:  # GIVE_UP: only the user can help
                raise failure.error

    def _recover_in_service(self, failure: Failure) -> None:
        try:
            wait = self._recover(failure)
        except WicError as error:
            self._end(error)
        else:
            if wait is not None:
                self._task = self.tasks.start(self._establish(wait), "reconnection")

    @property
    def _phase(self) -> Phase:
        """The phase in which a failure of the leading registration is met."""
        if self._state is ConnectionState.UP:
            return Phase.IN_SERVICE if self._servers.has_others else Phase.ONLY_SERVER
        return _PHASES[self._state]

    async def _hang_up(self, reason: str) -> None:
        """Close the connection, and one that was left for another server."""
        connections = (self._obsolete, self._transport)
        self._obsolete = self._transport = None
        for connection in connections:
            if connection is not None:
                await close_connection(connection, reason, timeout=self.options.close_timeout)

    # inputs

    def _event(self, event: Event) -> None:
        """Take an event of the endpoint."""
        # That the connection is gone says what the failures of its transactions mean, so it comes first.
        if isinstance(event, FlowClosed):
            self._note_end(event.flow, event.reason)
        elif isinstance(event, TransportFailed):
            self._note_end(event.transaction.flow, event.reason)
        if not self.agent.handle(event, now=self.now):
            self.on_event(event)

    def _credentials_renewed(self) -> None:
        """Register with the credentials that there are now, which ends a wait for others."""
        self.agent.renewed(now=self.now)
        if self._token_refused:
            self._token_refused, self._token_backoff = False, None
            if self._pause is not None and not self._pause.done():
                self._pause.set_result(None)
        else:
            self.refresh()

    def _note_end(self, flow: Flow, reason: str) -> None:
        if self._transport is None or flow != self._transport.flow:
            return
        self._transport = None
        if REPLACED in reason:  # not by this client, which has no other connection
            self.agent.give_way(now=self.now)
        # One funnel for the loss: the attempt that runs takes it, else the state says who acts.
        failure = self._flow_lost(f": {reason}")
        if self._outcome is not None and not self._outcome.done():
            self._outcome.set_result(failure)
        elif self._state is ConnectionState.UP:
            self._recover_in_service(failure)
        elif self._state is ConnectionState.RECONNECTING:  # while an access token is looked for
            self._note_cut(self._servers.current, failure.error, 0.0)
        elif self._state is ConnectionState.OVER:
            self.tell(ConnectionLost(self._servers.current, failure.error, None))

    def _take(self, event: AgentEvent) -> None:
        """Take an event of the registrations."""
        match event:
            case Registered(impu, binding) | Refreshed(impu, binding):
                self.tell(event)
                self._waiters.answer(impu, None)
                if impu is self.agent.leading_impu:  # the others only follow it to another connection
                    self._registered(binding)
            case RegistrationFailure():
                self._failed(event)
            case DepartureEnded():
                if self._woken is not None:
                    self._woken.set()
            case _:
                self.tell(event)

    def _registered(self, binding: Binding) -> None:
        """Note that the leading identity is registered over the connection there is."""
        self._servers.works(now=self.now)
        if self._transport is not None:  # else the connection ended with the 200 in its last packet
            agree_keep_alive(self._transport, binding, self.options)
            if self._is_cut:
                self._is_cut = False
                self.tell(ConnectionRestored(self._servers.current))
        # A refresh does not end the search for an access token: that attempt waits for its own REGISTER.
        if self._outcome is not None and not self._outcome.done():
            self._move(ConnectionInput.REGISTERED)
            self._outcome.set_result(None)

    def _failed(self, failure: RegistrationFailure) -> None:
        """Carry out what recovery says about a registration that failed, and tell the user of a loss, once."""
        impu, error = failure.impu, failure.error
        leads = impu is self.agent.leading_impu
        phase = self._phase if leads or self.is_over else Phase.FURTHER
        remedy = PHASES[failure.recovery.remedy][phase]
        last = leads or not self.agent.lives  # without it there is nothing, or only what is being deregistered
        self._tell_failure(failure, remedy, last=last)
        if remedy is Remedy.REREGISTER:
            return  # the REGISTER that is on its way is the initial one, and may still succeed
        decides = leads or remedy is Remedy.RENEW_TOKEN  # all identities show the same token
        if decides and self._outcome is not None and not self._outcome.done():
            self._outcome.set_result(failure)
        elif decides and self._state is ConnectionState.UP:
            self._recover_in_service(failure)
        elif remedy is Remedy.GIVE_UP and last:
            self._end(error, impu)  # the leading one: ended by the network while an access token is looked for

    def _tell_failure(self, failure: RegistrationFailure, remedy: Remedy, *, last: bool) -> None:
        """Tell the user, and the caller that has added the identity, unless the end of the client is told instead."""
        impu, error = failure.impu, failure.error
        if failure.keeps_binding:
            if remedy is Remedy.RETRY:
                _log.warning("registration of %s failed, trying again in %.0f s: %s", impu, failure.retry_after, error)
        elif remedy in (Remedy.RETRY, Remedy.REREGISTER):
            self._waiters.answer(impu, error)
            self.tell(RegistrationLost(impu, error, final=False, next_try=failure.retry_after))
        elif remedy is Remedy.GIVE_UP:
            waited_for = self._waiters.answer(impu, error)
            # A loss that ends the client is told by `_end`, and the caller of `register` has its answer.
            if failure.loses_binding if self.is_over else not (last or waited_for):
                self.tell(RegistrationLost(impu, error, final=True))
        elif failure.loses_binding:  # it comes with another connection, or another token
            self.tell(RegistrationLost(impu, error, final=False))

    async def _next_departure(self) -> None:
        """Wait until the network has said its last word on another identity, or on the subscription."""
        if self._woken is None:
            self._woken = asyncio.Event()
        self._woken.clear()
        await self._woken.wait()

    # the end

    def _end(self, error: WicError, impu: Uri | None = None) -> None:
        """Note that only the user can bring the registration back; `impu` is the identity to name, if not the leading one."""
        if self.is_over:
            return
        opening = self._state is ConnectionState.OPENING  # looked at before `_finish` moves on
        self._fault = error
        self._finish()
        if not opening:  # else `open` raises it
            self.tell(RegistrationLost(impu or self.agent.leading_impu, error, final=True))

    def _finish(self) -> None:
        """Look for nothing any more, also not for identities that wait for another connection, or another token."""
        self._move(ConnectionInput.ENDED)
        self._waiters.end(self._fault)
        if self._task is not None and self._task is not asyncio.current_task():  # the loop may end itself
            self._task.cancel()

    # helpers

    def _note_cut(self, server: str, error: WicError, wait: float) -> None:
        if not self._is_cut:  # told once, however many servers are tried meanwhile
            self._is_cut = True
            self.tell(ConnectionLost(server, error, wait))

    def _flow_lost(self, how: str) -> Failure:
        error = FlowLost(f"the connection to {self._servers.current} was lost{how}")
        return Failure(error, recover_from_error(error))

    def _unanswered(self) -> RegistrationFailed:
        within = f"within {self.options.register_timeout:g} s"
        return RegistrationFailed(f"the network did not answer the registration {within}")

    def _move(self, given: ConnectionInput) -> None:
        state = CONNECTION.rows.get((self._state, given), self._state)  # no row: the input changes nothing
        if state is not self._state:
            if _log.isEnabledFor(logging.DEBUG):
                _log.debug("connection of %s: %s -> %s", self.agent.leading_impu, self._state.name, state.name)
            self._state = state


_PHASES: Final = {
    ConnectionState.OPENING: Phase.OPENING,
    ConnectionState.RECONNECTING: Phase.RECONNECTING,
    ConnectionState.OVER: Phase.OVER,
}
