"""A WIC: registers, calls, and is called."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Final, Self

from wic.aio import TaskSet
from wic.client.calls import Calls
from wic.client.connection import ClientConnection
from wic.client.credentials import open_credentials
from wic.client.events import ConnectionLost, ConnectionRestored, Deregistered, Registered, RegistrationLost
from wic.client.instances import IN_USE
from wic.client.options import ClientOptions
from wic.client.targets import parse_target
from wic.errors import ConfigurationError, FlowLost, LocalProtocolError, RegistrationFailed, WicError
from wic.registration import NO_IDENTITIES, parse_impu
from wic.transport.driver import SystemRandomSource

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable
    from types import TracebackType

    from wic.accounts import Account
    from wic.client.call import Call
    from wic.client.call_media import PacketObserver
    from wic.client.events import ClientEvent
    from wic.media import Sink, Source
    from wic.registration import Binding, Identities
    from wic.sip.flow import Flow
    from wic.sip.transaction.base import Counters
    from wic.sip.uri import Uri
    from wic.transport.driver import MessageObserver

__all__ = ["Client"]


_log = logging.getLogger(__name__)
_NONE: Final[frozenset[str]] = frozenset()


class Client:
    """A registered client for the length of an `async with`.

    Entering it connects and registers; leaving it ends its calls, deregisters and closes, also when
    it is left by an error or a cancellation, and within bounded time.
    """

    def __init__(self, account: Account, options: ClientOptions | None = None) -> None:
        self.account = account
        self.options = options or ClientOptions()
        self.tasks = TaskSet()
        """The tasks of this client and its calls."""
        self._observers: list[MessageObserver] = []
        self._packet_observers: list[PacketObserver] = []
        self._entered = False
        self._instance = ""  # one that other clients do not use meanwhile
        self._opened: ClientConnection | None = None
        self._made_calls: Calls | None = None
        self._changed: asyncio.Event | None = None
        self._lost: WicError | None = None
        self._gone: frozenset[str] = _NONE  # identities that listeners know to have ended for good
        self._listeners: list[Callable[[ClientEvent], None]] = []

    # state

    @property
    def now(self) -> float:
        """The time in the clock of the client's sessions."""
        return self._connection.now

    @property
    def counters(self) -> Counters:
        """Counters of the SIP messages of this client so far, those that were dropped among them."""
        return self._connection.endpoint.counters

    @property
    def binding(self) -> Binding | None:
        """The binding that the registrar granted, while it lasts; with several registrations, that of the first."""
        return next(iter(self.bindings), None)

    @property
    def bindings(self) -> tuple[Binding, ...]:
        """The bindings that the registrar granted, one for each registration."""
        return () if self._opened is None else self._opened.agent.bindings

    @property
    def identities(self) -> Identities:
        """The public user identities that the network has registered."""
        return NO_IDENTITIES if self._opened is None else self._opened.agent.identities

    @property
    def is_connected(self) -> bool:
        """Whether there is a connection to the network that the user is registered over."""
        return self._opened is not None and self._opened.is_connected

    @property
    def flow(self) -> Flow:
        """The connection to the network, for ladders and captures.

        Raises:
            FlowLost: there is none now.
        """
        return self._connection.flow

    @property
    def ended_by(self) -> WicError | None:
        """The error that ended the registration for good; None while the client can be used, or was deregistered."""
        return self._lost

    @property
    def is_over(self) -> bool:
        """Whether the client is of no further use: deregistered, or its registration has ended for good."""
        return self._opened is not None and self._opened.is_over

    @property
    def calls(self) -> tuple[Call, ...]:
        """The calls that are not over yet."""
        return () if self._made_calls is None else self._made_calls.active

    # observing

    def on_message(self, observer: MessageObserver) -> None:
        """Show every SIP message to `observer`, as it is on the wire, secrets included.

        Args:
            observer: called with the time, the direction, the bytes and the flow.
        """
        self._observers.append(observer)
        if self._opened is not None:
            self._opened.driver.add_observer(observer)

    def on_packet(self, observer: PacketObserver) -> None:
        """Show every RTP, RTCP and SCTP packet of the calls to come to `observer`, in the clear.

        Args:
            observer: called with the time in seconds since the epoch, the protocol, source, target and packet.
        """
        self._packet_observers.append(observer)

    def on_event(self, listener: Callable[[ClientEvent], None]) -> None:
        """Call `listener` with each event of the connection and the registrations: see `wic.client.events`."""
        self._listeners.append(listener)

    # opening and closing

    async def __aenter__(self) -> Self:
        """Connect and register.

        Raises:
            ConfigurationError: the account cannot be used.
            TransportError: there is no connection to be had.
            AuthenticationFailed: the network does not accept the credentials.
            RegistrationFailed: the network refused the registration.
        """
        if self._entered:  # its endpoint, with the Call-IDs and branches, has one life
            raise LocalProtocolError("a client can be entered once")
        self._entered = True
        random_source = SystemRandomSource()
        credentials = await open_credentials(self.account, random_source=random_source, usim=self.options.usim)
        account = credentials.account  # with the identities that came with a token (TS 24.371 §6.2.2)
        if account.instance == account.derived_instance:  # else the user has chosen which device this is
            self._instance = IN_USE.take(account.instance)
            if self._instance != account.instance:
                _log.info("another client uses account %s: this one is a device of its own", account.name)
                account = credentials.account = replace(account, instance=self._instance)
        self.account = account
        try:
            connection = self._opened = ClientConnection(
                credentials=credentials,
                options=self.options,
                random_source=random_source,
                tasks=self.tasks,
                on_event=lambda event: self._calls.handle(event),
                tell=self._tell,
                calls_wait=lambda: self._made_calls is not None and bool(self._made_calls.active),
            )
        except ConfigurationError:  # an identity that came with the token cannot be registered
            self._give_instance_back()
            await credentials.close()
            raise
        for observer in self._observers:
            connection.driver.add_observer(observer)
        try:
            await connection.open()
        except BaseException:  # a cancellation too: what the network granted so far is given back
            try:
                await connection.close()
            finally:
                self._give_instance_back()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()
        try:
            await asyncio.gather(*(call.hangup() for call in self.calls))
        finally:
            try:
                await self._connection.close()
            finally:
                self._give_instance_back()
                self._calls.cut("the client is closed")  # those whose BYE was not answered in time
                await self.tasks.close()
                await asyncio.sleep(0)  # so that listeners have heard of the deregistration

    async def register(self, impu: str) -> None:
        """Register another identity of this user, or one that was deregistered; without effect if it is registered.

        It is then kept like the others, until `deregister`. If the network wants to be asked later, this raises, and
        the identity is asked for again by itself; `wic.client.events.Registered` then tells of it.

        Raises:
            ConfigurationError: it is no SIP URI.
            FlowLost: there is no connection now, or all identities are being deregistered.
            RegistrationFailed: the network refused it, or did not answer.
            AuthenticationFailed: the network does not accept the credentials for it.
            LocalProtocolError: it is being deregistered.
        """
        wanted = parse_impu(impu)
        if wanted.scheme == "tel":
            raise ConfigurationError(f"{impu} is not registered by itself: the network adds it to a SIP URI.")
        self._check_usable()
        await self._connection.register(wanted)

    def refresh(self) -> None:
        """Renew the registrations now, rather than when that is due; without effect while there is no connection."""
        self._connection.refresh()

    async def deregister(self, impu: str | None = None) -> None:
        """Deregister one identity, or all; the calls of it are ended first (TS 24.371 §6A.2).

        When no identity is left, the connection is closed and the client is of no further use.

        Args:
            impu: an identity that was registered by itself; None deregisters all.

        Raises:
            ConfigurationError: the identity is not registered by itself.
        """
        leaving = None  # the binding's own spelling of `impu`, which the agent knows it by
        if impu is not None:
            wanted, own = parse_impu(impu), [binding.impu for binding in self.bindings]
            leaving = next((each for each in own if each.matches(wanted)), None)
            if leaving is None:
                known = ", ".join(map(str, own)) or "none"
                raise ConfigurationError(f"{impu} is not registered by itself; these are: {known}.")
        # TS 24.371 §6A.2: calls first, for their BYEs need the registration.
        calls = self.calls if leaving is None else self._calls.of(leaving)
        await asyncio.gather(*(call.hangup() for call in calls))
        try:
            await self._connection.deregister(leaving)
        finally:  # also where the caller is cancelled
            if self.is_over and not (self.bindings and self.is_connected):
                self._calls.cut("nothing is registered any more")
                self._close()

    # calls

    async def call(
        self,
        target: str,
        *,
        audio: Source | None = None,
        sinks: Iterable[Sink] = (),
        data: bool = True,
        identity: str | None = None,
    ) -> Call:
        """Call a target; returns when the INVITE is sent.

        Args:
            target: a SIP or tel URI, `user@domain`, or a number; a local one is of the domain of the account.
            audio: source of the audio to send; without it, `Call.say` sends.
            sinks: sinks of the received audio, besides `Call.audio`.
            data: whether to offer data channels.
            identity: the one of `identities` to call with; None takes the default one.

        Raises:
            ConfigurationError: the target is no address, or the identity is none of this client.
            FlowLost, RegistrationFailed: the client is not registered any more.
            MediaFailed: no address of this machine can be used for media.
        """
        uri = parse_target(target, self.account.domain)
        caller = None if identity is None else parse_impu(identity)
        self._check_usable()
        return await self._calls.begin(
            uri, caller=caller, data=data, audio=audio, sinks=sinks, check=self._check_usable
        )

    async def incoming(self) -> AsyncIterator[Call]:
        """Iterate over the calls that come in, until the client is closed.

        Raises:
            FlowLost, RegistrationFailed: the client cannot be called any more.
        """
        calls = self._calls
        while not calls.closing:
            while calls.waiting:  # also after a loss: such a call is over, and says why
                yield calls.waiting.pop(0)
            if self._lost is not None:
                raise self._lost
            if not calls.closing:  # the consumer of the last call may have closed the client
                if self._changed is None:
                    self._changed = asyncio.Event()  # large, and most clients of a fleet only call
                self._changed.clear()
                await self._changed.wait()

    # parts, and their events

    @property
    def _connection(self) -> ClientConnection:
        if self._opened is None:
            raise LocalProtocolError("the client is not open: use it within `async with`")
        return self._opened

    @property
    def _calls(self) -> Calls:
        """The calls: made with the first of them, which in a fleet may never come."""
        if self._made_calls is None:
            self._made_calls = Calls(
                connection=self._connection,
                options=self.options,
                tasks=self.tasks,
                packet_observers=self._packet_observers,
                on_incoming=self._note,
            )
        return self._made_calls

    def _tell(self, event: ClientEvent) -> None:
        if self._is_news(event):
            for listener in self._listeners:  # called by the loop, so that an exception of one harms no other
                asyncio.get_running_loop().call_soon(listener, event)
        match event:
            case ConnectionLost(next_try=next_try) if self._made_calls is not None:
                # As long as the eP-CSCF keeps a call whose flow failed, if another flow may come at all.
                self._made_calls.suspend(0.0 if next_try is None else self.options.call_grace)
            case ConnectionRestored() if self._made_calls is not None:
                self._made_calls.resume()
            case RegistrationLost(impu, error, final=True):
                self._registration_ended(impu, error)
            case Deregistered() if self._lost is not None and not (self.bindings or self._calls.closing):
                # The last binding there was at the end; its caller may not have waited for so long.
                self.tasks.start(self._leave(), "the end of the registration")
            case _:
                pass

    def _is_news(self, event: ClientEvent) -> bool:
        """Tell whether listeners have not heard of it: credentials end an identity, and so does its binding later."""
        match event:
            case RegistrationLost(impu, final=True):
                known = self._gone
                self._gone |= {str(impu.aor())}
                return self._gone != known
            case Registered(impu) if self._gone:
                self._gone -= {str(impu.aor())}
            case _:
                pass
        return True

    def _registration_ended(self, impu: Uri, error: WicError) -> None:
        over = self._connection.is_over
        if over and self._lost is None:
            self._lost = error
            self._note()
        if self._made_calls is not None:  # TS 24.229 §5.1.1.7: calls end with the registration
            self._made_calls.fail_unregistered(error, None if over else impu)
        # Credentials that ended leave the bindings until they expire: then calls go on as long.
        if over and not (self.bindings and self._connection.is_connected):
            self.tasks.start(self._leave(), "the end of the registration")

    async def _leave(self) -> None:
        """Leave the network when the calls are over."""
        await asyncio.gather(*(call.ended() for call in self._calls.ending))
        await self._connection.leave()

    def _give_instance_back(self) -> None:
        if self._instance:
            IN_USE.give_back(self._instance)
            self._instance = ""

    def _close(self) -> None:
        self._calls.closing = True
        self._note()

    def _note(self) -> None:
        """Wake up the iterators over incoming calls."""
        if self._changed is not None:
            self._changed.set()

    def _check_usable(self) -> None:
        if self._calls.closing:
            raise FlowLost("the client is closed")
        if self._lost is not None:
            raise self._lost
        if self._connection.is_cut:
            raise FlowLost("the connection to the network is lost, and not restored yet")
        if not self.bindings:
            raise RegistrationFailed("the client is not registered now; the network told it to wait")
