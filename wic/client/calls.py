"""Calls of one client: made, taken, given their events, and kept over a lost connection."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, field, replace
from ipaddress import ip_address
from typing import TYPE_CHECKING, Literal

from wic.call import CallProfile, CallSession, IncomingCall, OutgoingCall, options_headers, receive_call
from wic.client.call import Call
from wic.client.call_media import CallMedia, acceptable
from wic.errors import FlowLost, NegotiationFailed, RemoteProtocolError
from wic.media import Certificate, available_codecs
from wic.sip.events import FlowClosed, RequestReceived
from wic.sip.headers.address import NameAddr

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from wic.aio import TaskSet
    from wic.client.call_media import PacketObserver
    from wic.client.connection import ClientConnection
    from wic.client.options import ClientOptions
    from wic.errors import WicError
    from wic.media import MediaTransportOptions, Sink, Source
    from wic.registration import Binding
    from wic.sip.events import Event
    from wic.sip.flow import Address
    from wic.sip.uri import Uri

__all__ = ["Calls"]

_log = logging.getLogger(__name__)


@dataclass(slots=True, kw_only=True, eq=False, repr=False)
class Calls:
    """All calls that are not released yet; the `CallHost` of each."""

    connection: ClientConnection
    options: ClientOptions
    tasks: TaskSet
    packet_observers: Iterable[PacketObserver]
    on_incoming: Callable[[], None]
    """Called when there is one more incoming call in `waiting`."""
    waiting: list[Call] = field(default_factory=list)
    """Incoming calls that the user has not taken yet."""
    closing: bool = False
    """Whether no more calls are taken."""
    _certificate: Certificate | None = None  # made with the first call, and used for all
    _calls: dict[CallSession, Call] = field(default_factory=dict)
    _grace: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return len(self._calls)

    @property
    def active(self) -> tuple[Call, ...]:
        """The calls that are not over yet."""
        return tuple(call for call in self._calls.values() if not call.is_over)

    @property
    def ending(self) -> tuple[Call, ...]:
        """All calls, also those that have something to send yet."""
        return tuple(self._calls.values())

    def of(self, identity: Uri) -> tuple[Call, ...]:
        """Return the calls that are not over yet, and have no registration without that of `identity`."""
        others = [each for each in self.connection.agent.bindings if not each.impu.matches(identity)]
        return tuple(
            call
            for session, call in self._calls.items()
            if not call.is_over and _belongs(session, identity) and not _is_held(session, others)
        )

    # services for calls (CallHost)

    @property
    def now(self) -> float:
        """The time in the clock of the sessions."""
        return self.connection.now

    @property
    def is_cut(self) -> bool:
        """Whether nothing can be sent for now."""
        return self.connection.is_cut

    def pump(self) -> None:
        """Send what a session wants to send."""
        self.connection.driver.pump()

    async def renew_credentials(self) -> None:
        """Get other credentials, because the network refused these.

        Raises:
            WicError: it gets none.
        """
        await self.connection.renew_credentials()

    # calls that begin

    def profile(self, identity: Uri | None = None) -> CallProfile:
        """Return the parameters that calls are made and taken with (TS 24.229 §5.1.2A.1).

        Args:
            identity: the public identity to call with; the default one if None.

        Raises:
            ConfigurationError: the identity is none of this user's.
            FlowLost: there is no connection.
        """
        return self._profile(*self.connection.agent.choose(identity))

    def _profile(self, identity: Uri, binding: Binding | None) -> CallProfile:
        agent = self.connection.agent
        return CallProfile(
            identity=identity,
            registered=identity if binding is None else binding.impu,
            contact=NameAddr("", agent.address(identity, binding)),
            features=agent.identity.contact_header(None).params,
            flow=self.connection.flow,
            routes=() if binding is None else binding.routes,
            network=() if binding is None else binding.network,
            user_agent=self.options.user_agent,
            authenticator=self.connection.credentials.authenticator,
        )

    async def begin(
        self,
        target: Uri,
        *,
        caller: Uri | None,
        data: bool,
        audio: Source | None,
        sinks: Iterable[Sink],
        check: Callable[[], None],
    ) -> Call:
        """Send an INVITE; `check` raises if calls cannot be made any more (the rest as for `Client.call`)."""
        connection = self.connection
        self.profile(caller)  # refuses an identity of another user before ports are opened
        media = self._new_media()
        try:
            offer = await media.offer(data=data)
            check()  # the registration may have ended while ICE gathered its candidates
            session = OutgoingCall(
                connection.endpoint,
                self.profile(caller),
                target=target,
                offer=offer,
                random_source=connection.random_source,
                now=connection.now,
            )
        except BaseException:
            await media.close()
            raise
        call = self._keep(session, media, NameAddr("", target))  # before the INVITE leaves: its answer needs an owner
        call.attach(audio, sinks)
        self.pump()
        return call

    def _keep(self, session: CallSession, media: CallMedia, peer: NameAddr) -> Call:
        call = self._calls[session] = Call(self, session, media, peer, lambda: self._forget(session))
        return call

    def _forget(self, session: CallSession) -> None:
        call = self._calls.pop(session)
        if call in self.waiting:
            self.waiting.remove(call)
        if isinstance(session, IncomingCall):  # its timers: RFC 3261 §13.3.1.4 repeats an unacknowledged 2xx
            self.connection.driver.remove_timer_source(session)

    def _new_media(self) -> CallMedia:
        if self._certificate is None:
            self._certificate = Certificate.generate()
        media = CallMedia(self._certificate, self._media_options(), self.options.codecs or available_codecs())
        if self.packet_observers:
            media.on_packet = self._show_packet
        return media

    def _media_options(self) -> MediaTransportOptions:
        chosen = self.options.media
        host = self.connection.flow.local[0]
        if chosen.addresses or not ip_address(host).is_loopback:
            return chosen
        # A network on loopback reaches this client there, and nowhere else.
        return replace(chosen, addresses=(host,))

    def _show_packet(
        self, at: float, protocol: Literal["rtp", "rtcp", "sctp"], source: Address, target: Address, data: bytes
    ) -> None:
        for observer in self.packet_observers:
            try:
                observer(at, protocol, source, target, data)
            except Exception:  # noqa: BLE001 - foreign code: it must not harm the call
                _log.exception("an observer of packets failed")

    # events

    def handle(self, event: Event) -> None:
        """Take an event of the endpoint that belongs to no registration."""
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
        endpoint, request = self.connection.endpoint, event.request
        if request.method not in ("INVITE", "OPTIONS"):
            # RFC 3261 §12.2.2, RFC 6086 §4.2.2: outside a dialog these methods have no meaning.
            endpoint.reply(event.transaction, 481, now=self.now)
            return
        called, profile, status = self.connection.agent.called(request), None, 200
        if called is None:  # RFC 3261 §8.2.2.1
            status = 404
        elif self.closing or self.connection.is_over:  # the user is about to be unregistered, and takes no calls
            status = 480
        elif len(self.waiting) >= self.options.max_waiting_calls:
            status = 486
        try:
            profile = self._profile(*(called or self.connection.agent.choose(None)))
        except FlowLost:  # a refusal right before has made the client leave the connection for another one
            status = 480
        if request.method == "OPTIONS":  # RFC 3261 §11.2: the status that an INVITE would get
            headers = [] if profile is None else options_headers(profile)
            endpoint.reply(event.transaction, status, now=self.now, headers=headers)
        elif profile is None or status != 200:
            endpoint.reply(event.transaction, status, now=self.now)
        else:
            self._invited(event, profile)

    def _invited(self, event: RequestReceived, profile: CallProfile) -> None:
        endpoint = self.connection.endpoint
        session = receive_call(endpoint, profile, event, now=self.now)
        if session is None:  # refused already, for what its headers ask
            return
        try:
            if session.offer is not None:  # RFC 3261 §13.2.1: without one, the 2xx carries the offer
                acceptable(session.offer, self.options.codecs or available_codecs())
        except (NegotiationFailed, RemoteProtocolError) as error:
            _log.info("a call from %s is refused: %s", session.caller.uri, error)
            session.reject(488, why=str(error), now=self.now)  # RFC 3261 §13.3.1.3
            return
        call = self._keep(session, self._new_media(), session.caller)
        self.connection.driver.add_timer_source(session)
        if self.options.ring:  # RFC 3261 §13.3.1.1
            call.ring()
        self.waiting.append(call)
        self.on_incoming()

    # changes of the connection and of the registrations

    def suspend(self, grace: float) -> None:
        """Let calls go on for a while, in which another connection may be made."""
        self._stop_grace()
        for session in self._calls:
            session.suspend()
        if self._calls:
            words = f"it could not be re-established within {grace:g} s" if grace else "reconnection has ended"
            self._grace = asyncio.get_running_loop().call_later(grace, self.cut, words)

    def resume(self) -> None:
        """Go on over the connection that there is now."""
        self._stop_grace()
        for session in tuple(self._calls):  # RFC 5626 §4.3: the dialogs go on over the new flow
            session.move(self.connection.flow, now=self.now)

    def cut(self, reason: str) -> None:
        """End all calls without telling their peers: there will be no connection for them."""
        self._stop_grace()
        for session in tuple(self._calls):
            self._give(session, FlowClosed(session.flow, reason))

    def fail_unregistered(self, error: WicError, identity: Uri | None) -> None:
        """End the calls of an identity, or of all, for which there is no registration (TS 24.229 §5.1.1.7)."""
        bindings = self.connection.agent.bindings if self.connection.is_connected else ()
        for session, call in tuple(self._calls.items()):
            concerned = identity is None or _belongs(session, identity)
            if concerned and not _is_held(session, bindings):
                call.fail("the registration ended", error)
        if identity is None and not self.connection.is_connected:
            self.cut("reconnection has ended")

    def _stop_grace(self) -> None:
        if self._grace is not None:
            self._grace.cancel()
            self._grace = None


def _belongs(session: CallSession, identity: Uri) -> bool:
    """Tell whether the identity of a call is `identity`, or was registered along with it."""
    return session.identity.matches(identity) or session.registered.matches(identity)


def _is_held(session: CallSession, bindings: Iterable[Binding]) -> bool:
    """Tell whether the identity of a call is registered by one of these bindings."""
    return any(binding.implicit_set.holds(session.identity) for binding in bindings)


def _session_of(event: Event) -> CallSession | None:
    """Find the call that an event belongs to: the owner of its transaction or of its dialog."""
    for holder in (getattr(event, "transaction", None), getattr(event, "dialog", None)):
        owner = getattr(holder, "owner", None)
        if isinstance(owner, CallSession):
            return owner
    return None
