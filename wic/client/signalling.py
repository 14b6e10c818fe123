"""A client's way to the network: an endpoint, the connection it has now, and the registrations over it."""

from __future__ import annotations

import asyncio
import logging
from enum import Enum
from functools import partial
from typing import TYPE_CHECKING

from wic.call import ALLOWED, CallProfile
from wic.client.credentials import open_credentials
from wic.client.dialling import dial_websocket
from wic.client.events import ConnectionLost, ConnectionRestored, RegistrationLost
from wic.client.identities import Identities
from wic.client.keep_alive import agree_keep_alive
from wic.client.registering import Registering
from wic.client.servers import Servers
from wic.client.trial import Trial
from wic.errors import (
    ConfigurationError,
    FlowLost,
    RegistrationFailed,
    SignInFailed,
    TokenRefused,
    TransportError,
    WicError,
)
from wic.registration import Backoff, parse_impu
from wic.sip.endpoint import Endpoint, EndpointOptions
from wic.sip.events import FlowClosed, TransportFailed
from wic.sip.headers.address import NameAddr
from wic.transport.driver import Driver
from wic.transport.tokens import RandomTokens

if TYPE_CHECKING:
    from collections.abc import Callable

    from wic.client.account import Account
    from wic.client.dialling import Dial
    from wic.client.events import ClientEvent
    from wic.client.options import ClientOptions
    from wic.client.tasks import TaskSet
    from wic.registration import Binding
    from wic.sip.events import Event
    from wic.sip.flow import Flow
    from wic.sip.tokens import Tokens
    from wic.sip.uri import Uri
    from wic.transport.base import Connection

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
        "_connection",
        "_credentials",
        "_cut",
        "_dial",
        "_host",
        "_mending",
        "_on_event",
        "_options",
        "_registering",
        "_servers",
        "_state",
        "_tasks",
        "_tell",
        "_trial",
        "_wants_token",
        "account",
        "driver",
        "endpoint",
        "tokens",
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
        self.tokens: Tokens = RandomTokens()
        self._host = f"{self.tokens.hex(6)}.invalid"  # RFC 7118 §5: nobody can connect to this client
        self._credentials = open_credentials(
            account,
            tokens=self.tokens,
            usim=options.usim,
            on_renewed=self._credentials_renewed,
            on_failed=self._end,
        )
        self.endpoint = Endpoint(
            tokens=self.tokens,
            options=EndpointOptions(
                timers=options.timers,
                methods=_METHODS,
                extensions=frozenset(),
                via={"WSS": (self._host, None), "WS": (self._host, None)},
            ),
        )
        self.driver = Driver(self.endpoint, on_event=self._event)
        self._dial: Dial = options.dial or partial(dial_websocket, ca=account.ca, timeout=options.connect_timeout)
        self._servers = Servers(account.servers, Backoff(options.chance, options.backoff))
        self._registering: Registering | None = None
        self._connection: Connection | None = None
        self._trial: asyncio.Future[Trial] | None = None
        self._mending: asyncio.Task[None] | None = None
        self._state = SignallingState.OPENING
        self._cut = False
        self._wants_token = False

    @property
    def now(self) -> float:
        """The time in the clock that endpoint, sessions and registrations share."""
        return self.driver.now

    @property
    def bindings(self) -> tuple[Binding, ...]:
        """What the registrar granted, the main identity's first, while it lasts."""
        return () if self._registering is None else self._registering.bindings

    @property
    def identities(self) -> Identities:
        """Who the user is to the network now."""
        return Identities.of(()) if self._registering is None else self._registering.identities

    @property
    def flow(self) -> Flow:
        """The connection to the network.

        Raises:
            FlowLost: there is none now.
        """
        if self._connection is None:
            raise FlowLost("the client is not connected")
        return self._connection.flow

    @property
    def is_cut(self) -> bool:
        """Whether the connection was lost and is not restored yet."""
        return self._cut

    @property
    def is_connected(self) -> bool:
        """Whether there is a connection."""
        return self._connection is not None

    @property
    def is_over(self) -> bool:
        """Whether no other registration is looked for."""
        return self._state is SignallingState.OVER

    def profile(self, identity: Uri | None = None) -> CallProfile:
        """Return what calls are made and taken with (TS 24.229 §5.1.2A.1).

        Args:
            identity: the public identity to call with; the default one if None.

        Raises:
            ConfigurationError: the identity is none of this account.
            FlowLost: there is no connection.
        """
        assert self._registering is not None, "there are calls once the client is open"
        chosen, binding = self._registering.choose(identity)
        contact = self._registering.contact if binding is None else binding.public_gruu or self._registering.contact
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
        """
        self.account = account = await self._credentials.prepare()
        self._servers = Servers(account.servers, Backoff(self._options.chance, self._options.backoff))
        self._registering = Registering(
            account,
            self._options,
            endpoint=self.endpoint,
            host=self._host,
            authenticator=self._credentials.authenticator,
            tell=self._tell,
            on_registered=self._registered,
            on_failed=self._failed,
        )
        self.driver.add_timer_source(self._registering)
        while (error := (trial := await self._try()).error) is not None:
            self._servers.failed()
            if not trial.elsewhere or self._servers.exhausted:
                raise error
            _log.warning("%s; trying %s", error, self._servers.current)
        self._move(SignallingState.UP)

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

    async def renew_credentials(self) -> None:
        """Get other credentials, and register with them.

        Raises:
            WicError: there are none to be had.
        """
        await self._credentials.renew()
        self._credentials_renewed()

    async def deregister(self, impu: Uri | None = None) -> None:
        """Deregister one identity, or all, as far as that is possible in reasonable time (TS 24.371 §6A.2).

        The connection is closed when no identity is left.
        """
        if impu is None:
            self._move(SignallingState.OVER)
        if self._registering is not None and self._connection is not None:
            self._registering.deregister(impu, now=self.now)
            self.driver.pump()
            try:
                async with asyncio.timeout(self._options.close_timeout):
                    await self._registering.removed()
            except TimeoutError:
                _log.warning("the network did not confirm the deregistration of %s", impu or self.account.impu)
        if impu is None or not self.bindings:
            self._move(SignallingState.OVER)
            await self.hang_up("nothing is registered any more")

    async def close(self) -> None:
        """Deregister, as far as that is possible in reasonable time, and close the connection."""
        try:
            await self._stop_mending()
            await self.deregister()
        finally:
            try:
                await self.driver.close("the client is done")
            finally:
                await self._credentials.close()

    async def _stop_mending(self) -> None:
        if self._mending is not None:
            self._mending.cancel()
            await asyncio.wait([self._mending])

    # one try to be registered

    async def _try(self) -> Trial:
        """Connect if there is no connection, and register over it."""
        try:
            if self._connection is None:
                self._connection = await self._connect()
            trial = await self._register(self._connection)
        except TransportError as error:
            trial = Trial(error, elsewhere=True)
        except SignInFailed as error:
            trial = Trial(error, elsewhere=error.temporary, retry_after=error.retry_after if error.temporary else None)
        if not trial.kept:
            await self.hang_up("the registration failed")
        return trial

    async def _connect(self) -> Connection:
        connection = await self._dial(self._servers.current, self.driver)
        connection.keep_alive(self._options.keep_alive)
        return connection

    async def _register(self, connection: Connection) -> Trial:
        """Register; a token that is refused is replaced once."""
        if not self._wants_token:
            trial = await self._register_once(connection)
            if not self._wants_token:
                return trial
        self._wants_token = False
        await self._credentials.renew()
        trial = await self._register_once(connection)
        if self._wants_token:
            self._wants_token = False
            return Trial(trial.error)
        return trial

    async def _register_once(self, connection: Connection) -> Trial:
        assert self._registering is not None
        if connection is not self._connection:
            raise FlowLost(f"the connection to {self._servers.current} was lost meanwhile")
        trial: asyncio.Future[Trial] = asyncio.get_running_loop().create_future()
        self._trial = trial
        try:
            self._registering.register(connection.flow, now=self.now)
            self.driver.pump()
            async with asyncio.timeout(self._options.register_timeout):
                return await trial
        except TimeoutError:
            within = f"within {self._options.register_timeout:g} s"
            error = RegistrationFailed(f"{self.account.domain} did not answer the registration {within}")
            return Trial(error, elsewhere=True)
        finally:
            self._trial = None

    async def hang_up(self, reason: str) -> None:
        """Close the connection that there is."""
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close(reason)

    def _judge(self, trial: Trial) -> bool:
        """Give whoever waits for a try its outcome; False if nobody does."""
        if self._trial is None or self._trial.done():
            return False
        self._trial.set_result(trial)
        return True

    # what registrations tell

    def _registered(self, binding: Binding) -> None:
        """The main identity is registered over the connection there is."""
        self._servers.works(now=self.now)
        if self._connection is not None:
            agree_keep_alive(self._connection, binding, self._options)
        if self._cut:
            self._cut = False
            self._tell(ConnectionRestored(self._servers.current))
        self._judge(Trial())

    def _failed(self, trial: Trial) -> bool:
        """The main identity is not registered, or only as long as the registrar remembers; return whether for good."""
        if isinstance(trial.error, TokenRefused):
            self._wants_token = True
            trial = Trial(trial.error, elsewhere=True)
        if self._judge(trial) or self._state is not SignallingState.UP or self._connection is None:
            return False
        assert trial.error is not None
        if self._wants_token:
            self._start_mending(0.0)
        elif trial.elsewhere and (self._servers.has_others or not trial.waits):
            left = self._servers.current
            self._servers.failed()
            self._lose(left, trial.error, self._servers.wait())
        elif not trial.waits:
            self._end(trial.error)
            return True
        return False

    def _credentials_renewed(self) -> None:
        if self._registering is not None and self._state is SignallingState.UP:
            self._registering.refresh(now=self.now)
            self.driver.pump()

    # a connection that is lost, and the search for another

    def _event(self, event: Event) -> None:
        # Who gets to know first that the connection is gone also knows what the rest means.
        if isinstance(event, FlowClosed):
            self._note_end(event.flow, event.reason)
        elif isinstance(event, TransportFailed):
            self._note_end(event.transaction.flow, event.reason)
        if self._registering is None or not self._registering.handle(event, now=self.now):
            self._on_event(event)

    def _note_end(self, flow: Flow, reason: str) -> None:
        if self._connection is None or flow != self._connection.flow:
            return
        self._connection = None
        error = FlowLost(f"the connection to {self._servers.current} was lost: {reason}")
        if self._judge(Trial(error, elsewhere=True)):
            return
        match self._state:
            case SignallingState.UP:
                self._lose(self._servers.current, error, self._wait_after_loss())
            case SignallingState.MENDING:
                self._note_cut(error)
            case SignallingState.OVER:
                self._tell(ConnectionLost(self._servers.current, error, None))
            case _:
                pass  # `open` tries on

    def _wait_after_loss(self) -> float:
        wait = self._servers.lost(now=self.now)
        main = None if self._registering is None else self._registering.main
        if main is None or main.retry_at is None:
            return wait
        return max(wait, main.retry_at - self.now)  # the network told it to wait

    def _lose(self, server: str, error: WicError, wait: float) -> None:
        """Tell that there is no connection that serves, and look for one."""
        self._cut = True
        _log.warning("%s; trying %s in %.1f s", error, self._servers.current, wait)
        self._tell(ConnectionLost(server, error, wait))
        self._start_mending(wait)

    def _start_mending(self, wait: float) -> None:
        self._move(SignallingState.MENDING)
        self._mending = self._tasks.spawn(self._mend(wait), "reconnection")

    async def _mend(self, wait: float) -> None:
        """Try until the user is registered again, or cannot be."""
        try:
            if self._cut:
                await self.hang_up("another server is tried")
            await asyncio.sleep(wait)
            while not (trial := await self._try()).kept:
                assert trial.error is not None
                if not trial.elsewhere:
                    raise trial.error
                self._note_cut(trial.error)
                self._servers.failed()
                wait = self._servers.wait(retry_after=trial.retry_after)
                _log.warning("%s; trying %s in %.0f s", trial.error, self._servers.current, wait)
                await asyncio.sleep(wait)
            self._move(SignallingState.UP)
        except WicError as error:
            self._end(error)
        finally:
            self._mending = None

    def _note_cut(self, error: WicError) -> None:
        """Tell that the connection is gone, if it was there until now."""
        if not self._cut:
            self._cut = True
            self._tell(ConnectionLost(self._servers.current, error, 0.0))

    def _end(self, error: WicError) -> None:
        """The user is not registered, and only the user can change that."""
        self._move(SignallingState.OVER)
        self._tell(RegistrationLost(parse_impu(self.account.impu), error, final=True))

    def _move(self, state: SignallingState) -> None:
        _log.debug("signalling of %s: %s -> %s", self.account.name, self._state.name, state.name)
        self._state = state


_METHODS = frozenset((*ALLOWED, "NOTIFY"))
