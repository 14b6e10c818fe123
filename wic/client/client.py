"""A WIC: registers, calls, and is called."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from dataclasses import replace
from ipaddress import ip_address
from typing import TYPE_CHECKING, Literal, Self

from wic.call import CallSession, IncomingCall, OutgoingCall, receive_call
from wic.client.call import Call
from wic.client.call_media import CallMedia, acceptable
from wic.client.events import ConnectionLost, ConnectionRestored, RegistrationLost
from wic.client.identities import Identities
from wic.client.options import ClientOptions
from wic.client.signalling import Signalling
from wic.client.targets import parse_target
from wic.client.tasks import TaskSet
from wic.errors import (
    FlowLost,
    LocalProtocolError,
    NegotiationFailed,
    RegistrationFailed,
    RemoteProtocolError,
    WicError,
)
from wic.media import Certificate, available_codecs
from wic.registration import parse_impu
from wic.sip.events import FlowClosed, RequestReceived
from wic.sip.headers.address import NameAddr
from wic.sip.trace import Direction as TraceDirection
from wic.sip.trace import format_message
from wic.transport.driver import Direction

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable
    from types import TracebackType

    from wic.client.account import Account
    from wic.client.call_media import PacketObserver
    from wic.client.events import ClientEvent
    from wic.media import MediaTransportOptions, Sink, Source
    from wic.registration import Binding
    from wic.sip.events import Event
    from wic.sip.flow import Address, Flow
    from wic.transport.driver import MessageObserver

__all__ = ["Client"]

_log = logging.getLogger(__name__)


class Client:
    """A registered client for the length of an `async with`.

    Entering it connects and registers; leaving it ends its calls, deregisters and closes, also when
    it is left by an error or a cancellation, and within bounded time.
    """

    def __init__(self, account: Account, options: ClientOptions | None = None) -> None:
        self.account = account
        self.options = options or ClientOptions()
        self.tasks = TaskSet()
        """What runs for this client and its calls."""
        self._observers: list[MessageObserver] = []
        self._packet_observers: list[PacketObserver] = []
        self._signalling: Signalling | None = None
        self._certificate: Certificate | None = None
        self._codecs = self.options.codecs or available_codecs()
        self._calls: dict[CallSession, Call] = {}
        self._waiting: deque[Call] = deque()
        self._changed = asyncio.Event()
        self._closing = False
        self._lost: WicError | None = None
        self._listeners: list[Callable[[ClientEvent], None]] = []
        self._grace: asyncio.TimerHandle | None = None

    # what it is

    @property
    def now(self) -> float:
        """The time in the clock of the client's sessions."""
        return self._wire.now

    @property
    def binding(self) -> Binding | None:
        """What the registrar granted, while it lasts; with several registrations, to the first."""
        return next(iter(self.bindings), None)

    @property
    def bindings(self) -> tuple[Binding, ...]:
        """What the registrar granted, for each registration there is."""
        return () if self._signalling is None else self._signalling.bindings

    @property
    def identities(self) -> Identities:
        """The public user identities that the network has registered."""
        return Identities.of(()) if self._signalling is None else self._signalling.identities

    @property
    def flow(self) -> Flow:
        """The connection to the network, for ladders and captures.

        Raises:
            FlowLost: there is none now.
        """
        return self._wire.flow

    @property
    def calls(self) -> tuple[Call, ...]:
        """The calls that are not over yet."""
        return tuple(call for call in self._calls.values() if not call.is_over)

    # observing

    def on_message(self, observer: MessageObserver) -> None:
        """Show every SIP message to `observer`, as it is on the wire, secrets included.

        Args:
            observer: called with the time, the direction, the bytes and the flow.
        """
        self._observers.append(observer)
        if self._signalling is not None:
            self._signalling.driver.add_observer(observer)

    def on_packet(self, observer: PacketObserver) -> None:
        """Show every RTP, RTCP and SCTP packet of the calls to come to `observer`, in the clear.

        Args:
            observer: called with the time in seconds since the epoch, the protocol, source, target and packet.
        """
        self._packet_observers.append(observer)

    def on_trace(self, write: Callable[[str], None]) -> None:
        """Show every SIP message to `write` as text for people, secrets masked."""

        def observe(now: float, direction: Direction, data: bytes, flow: Flow) -> None:
            way = TraceDirection.SENT if direction is Direction.SENT else TraceDirection.RECEIVED
            write(format_message(data, direction=way, flow=flow, now=now))

        self.on_message(observe)

    def on_event(self, listener: Callable[[ClientEvent], None]) -> None:
        """Tell `listener` what happens to the connection and to the registrations, as `wic.client.events` names it."""
        self._listeners.append(listener)

    # life

    async def __aenter__(self) -> Self:
        """Connect and register.

        Raises:
            ConfigurationError: the account cannot be used.
            TransportError: there is no connection to be had.
            AuthenticationFailed: the network does not accept the credentials.
            RegistrationFailed: the network refused the registration.
        """
        if self._signalling is not None:
            raise LocalProtocolError("a client can be entered once")
        signalling = Signalling(self.account, self.options, on_event=self._event, tell=self._tell, tasks=self.tasks)
        self._signalling = signalling
        for observer in self._observers:
            signalling.driver.add_observer(observer)
        try:
            await signalling.open()
        except BaseException:
            await signalling.close()
            raise
        self.account = signalling.account
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing = True
        self._changed.set()
        try:
            await asyncio.gather(*(call.hangup() for call in self.calls))
        finally:
            try:
                await self._wire.close()
            finally:
                self._stop_grace()
                await self.tasks.close()
                await asyncio.sleep(0)  # so that listeners have heard of the deregistration

    async def deregister(self, impu: str | None = None) -> None:
        """Deregister one identity, or all; the calls of it are ended first (TS 24.371 §6A.2).

        When no identity is left, the connection is closed and the client is of no further use.

        Args:
            impu: an identity that was registered by itself; None deregisters all.

        Raises:
            ConfigurationError: the identity is not registered by itself.
        """
        leaving = None if impu is None else self._wire.registered(impu)
        calls = [call for session, call in self._calls.items() if leaving is None or session.identity.matches(leaving)]
        await asyncio.gather(*(call.hangup() for call in calls if not call.is_over))
        await self._wire.deregister(leaving)
        if not self.bindings:
            self._closing = True
            self._changed.set()

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
        """Call somebody; returns when the INVITE is sent.

        Args:
            target: a SIP or tel URI, or `user@domain`.
            audio: what to play; without it, what `Call.say` says.
            sinks: who hears the other side, besides `Call.audio`.
            data: whether to offer data channels.
            identity: which of `identities` calls; None takes the default one.

        Raises:
            ConfigurationError: the target is no address, or the identity is none of this client.
            FlowLost, RegistrationFailed: the client is not registered any more.
            MediaFailed: no address of this machine can be used for media.
        """
        uri = parse_target(target)
        caller = None if identity is None else parse_impu(identity)
        self._check_usable()
        self._wire.profile(caller)
        media = self._new_media()
        try:
            offer = await media.offer(data=data)
            self._check_usable()
            session = OutgoingCall(
                self._wire.endpoint,
                self._wire.profile(caller),
                target=uri,
                offer=offer,
                tokens=self._wire.tokens,
                now=self.now,
            )
        except BaseException:
            await media.close()
            raise
        call = self._keep(session, media, NameAddr("", uri))
        call.attach(audio, sinks)
        self.pump()
        return call

    async def incoming(self) -> AsyncIterator[Call]:
        """Iterate over the calls that come in, until the client is closed.

        Raises:
            FlowLost, RegistrationFailed: the client cannot be called any more.
        """
        while not self._closing:
            while self._waiting:
                yield self._waiting.popleft()
            if self._lost is not None:
                raise self._lost
            if not self._closing:
                self._changed.clear()
                await self._changed.wait()

    def pump(self) -> None:
        """Send what sessions want to send, and hear what came of it."""
        self._wire.driver.pump()

    # what happens

    @property
    def _wire(self) -> Signalling:
        if self._signalling is None:
            raise LocalProtocolError("the client is not open: use it within `async with`")
        return self._signalling

    def _event(self, event: Event) -> None:
        if isinstance(event, FlowClosed):
            for session in tuple(self._calls):
                if session.flow == event.flow and not session.survives:
                    self._give(session, event)
        elif (owner := _session_of(event)) is not None:
            self._give(owner, event)
        elif isinstance(event, RequestReceived):
            self._request(event)

    def _give(self, session: CallSession, event: Event) -> None:
        session.handle(event, now=self.now)
        call = self._calls.get(session)
        if call is not None:
            call.process_events()

    def _request(self, event: RequestReceived) -> None:
        """Take a request that belongs to no call yet."""
        endpoint = self._wire.endpoint
        if event.request.method == "OPTIONS":
            endpoint.reply(event.transaction, 200, now=self.now, headers=[("Accept", "application/sdp")])
        elif event.request.method != "INVITE":
            # RFC 3261 §12.2.2, RFC 6086 §4.2.2: without a dialog there is nothing it could mean.
            endpoint.reply(event.transaction, 481, now=self.now)
        elif self._closing:
            endpoint.reply(event.transaction, 480, now=self.now)
        elif len(self._waiting) >= self.options.max_waiting_calls:
            endpoint.reply(event.transaction, 486, now=self.now)
        else:
            self._invited(event)

    def _invited(self, event: RequestReceived) -> None:
        session = receive_call(self._wire.endpoint, self._wire.profile(), event, now=self.now)
        if session is None:
            return
        try:
            if session.offer is not None:
                acceptable(session.offer, self._codecs)
        except (NegotiationFailed, RemoteProtocolError) as error:
            _log.info("a call from %s is refused: %s", session.caller.uri, error)
            session.reject(488, why=str(error), now=self.now)
            return
        call = self._keep(session, self._new_media(), session.caller)
        self._wire.driver.add_timer_source(session)
        if self.options.ring:
            call.ring()
        self._waiting.append(call)
        self._changed.set()

    # what happens to the connection

    def _tell(self, event: ClientEvent) -> None:
        for listener in self._listeners:  # one that raises harms nobody but itself
            asyncio.get_running_loop().call_soon(listener, event)
        match event:
            case ConnectionLost(next_try=next_try):
                self._suspend_calls(0.0 if next_try is None else self.options.call_grace)
            case ConnectionRestored():
                self._resume_calls()
            case RegistrationLost(impu, error, final=True) if impu.matches(parse_impu(self._wire.account.impu)):
                self._lost = error
                self._changed.set()
            case _:
                pass

    def _suspend_calls(self, grace: float) -> None:
        """Let calls go on for a while, in which another connection may be made."""
        self._stop_grace()
        if self._calls:
            words = f"no other one could be made within {grace:g} s" if grace else "no other one is looked for"
            self._grace = asyncio.get_running_loop().call_later(grace, self._end_calls, words)

    def _end_calls(self, reason: str) -> None:
        self._grace = None
        for session in tuple(self._calls):
            self._give(session, FlowClosed(session.flow, reason))

    def _resume_calls(self) -> None:
        self._stop_grace()
        flow = self._wire.flow
        for session in self._calls:
            session.move(flow)

    def _stop_grace(self) -> None:
        if self._grace is not None:
            self._grace.cancel()
            self._grace = None

    # helpers

    def _keep(self, session: CallSession, media: CallMedia, peer: NameAddr) -> Call:
        call = self._calls[session] = Call(self, session, media, peer, lambda: self._forget(session))
        return call

    def _forget(self, session: CallSession) -> None:
        call = self._calls.pop(session)
        if call in self._waiting:
            self._waiting.remove(call)
        if isinstance(session, IncomingCall):
            self._wire.driver.remove_timer_source(session)

    def _new_media(self) -> CallMedia:
        if self._certificate is None:
            self._certificate = Certificate.generate()
        media = CallMedia(self._certificate, self._media_options(), self._codecs)
        if self._packet_observers:
            media.on_packet = self._show_packet
        return media

    def _show_packet(
        self, at: float, protocol: Literal["rtp", "rtcp", "sctp"], source: Address, target: Address, data: bytes
    ) -> None:
        for observer in self._packet_observers:
            observer(at, protocol, source, target, data)

    def _media_options(self) -> MediaTransportOptions:
        chosen = self.options.media
        host = self.flow.local[0]
        if chosen.addresses or not ip_address(host).is_loopback:
            return chosen
        # A network on loopback reaches this client there, and nowhere else.
        return replace(chosen, addresses=(host,))

    def _check_usable(self) -> None:
        if self._closing:
            raise FlowLost("the client is closed")
        if self._lost is not None:
            raise self._lost
        if self._wire.is_cut:
            raise FlowLost("the connection to the network is lost, and not restored yet")
        if not self.bindings:
            raise RegistrationFailed("the client is not registered now; the network told it to wait")


def _session_of(event: Event) -> CallSession | None:
    """Find the call that an event belongs to: the owner of its transaction or of its dialog."""
    for holder in (getattr(event, "transaction", None), getattr(event, "dialog", None)):
        owner = getattr(holder, "owner", None)
        if isinstance(owner, CallSession):
            return owner
    return None
