"""Call of a client, as its user holds it: commands down to the session and the media, their events up to the waiters.

A call ends in one place: the session says so, for any cause, `_take` passes the end to the waiters, and a task closes
the media. `Released` comes later, when nothing more will be sent for the call; commands that end it wait for both.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Protocol

from wic.call import Accepted, Confirmed, Ended, Failed, IncomingCall, Modified, OutgoingCall, Progressed, TokenWanted
from wic.client.call_stats import CallStats
from wic.client.channels import CallChannels, ChannelOpening
from wic.errors import (
    CallCancelled,
    CallFailed,
    ConsentLost,
    FingerprintMismatch,
    IceFailed,
    LocalProtocolError,
    MediaFailed,
    WicError,
)
from wic.media import PcmSink, PcmSource

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable

    from wic.aio import TaskSet
    from wic.call import Agreement, CallEvent, CallSession
    from wic.client.call_media import CallMedia
    from wic.client.call_stats import CallReport
    from wic.client.options import ClientOptions
    from wic.media import DataChannel, PcmFrame, Sink, Source
    from wic.sip.headers.address import NameAddr
    from wic.sip.uri import Uri

__all__ = ["Call"]

_log = logging.getLogger(__name__)
_LOOK_AGAIN = 0.5
"""Seconds after which a `say` that waits checks whether the call still goes on."""


class CallHost(Protocol):
    """Services of a client that its calls use."""

    options: ClientOptions
    tasks: TaskSet

    @property
    def now(self) -> float:
        """The time in the clock of the sessions."""

    @property
    def is_cut(self) -> bool:
        """Whether nothing can be sent for now."""

    def pump(self) -> None:
        """Send what a session wants to send."""

    async def renew_credentials(self) -> None:
        """Get other credentials, because the network refused these; raises `WicError` if it gets none."""


class CallProgress:
    """Milestones of a call, and waiting for them; each is passed once and stays passed."""

    def __init__(self) -> None:
        self.rang = False
        """The other side is being alerted."""
        self.accepted = False
        """A 2xx has come, or the ACK of ours."""
        self.connected = False
        """The media are connected."""
        self.over = False
        """The call has ended for its user."""
        self.released = False
        """Nothing more will be sent for it."""
        self.error: CallFailed | None = None
        """The error of a call that failed."""
        self._changed = asyncio.Event()

    def note(self) -> None:
        """Wake up the waiters after a change."""
        self._changed.set()

    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait until a condition holds."""
        while not holds():
            self._changed.clear()
            await self._changed.wait()

    async def reach(self, holds: Callable[[], bool]) -> None:
        """Wait until a condition holds that cannot come to hold after the end of the call.

        Raises:
            CallFailed: the call ended before.
        """
        await self.until(lambda: holds() or self.over)
        if not holds():
            raise self.error or CallFailed("the call has ended")


class Call:
    """A call: made by `Client.call`, or taken from `Client.incoming`."""

    def __init__(
        self, host: CallHost, session: CallSession, media: CallMedia, peer: NameAddr, on_released: Callable[[], None]
    ) -> None:
        self.peer = peer
        """The other side."""
        self._host = host
        self._on_released = on_released
        self._session = session
        self._media = media
        self._channels = CallChannels()
        self._stats = CallStats(session, peer, clock=lambda: host.now)
        self._progress = CallProgress()
        self._audio: PcmSink | None = None
        self._voice: PcmSource | None = None
        self._connecting: asyncio.Task[None] | None = None
        self._closing: asyncio.Task[None] | None = None
        self._goodbye: asyncio.TimerHandle | None = None
        self._answering = False
        media.on_failed = self._media_failed
        media.on_first_packet = self._stats.first_media
        media.on_channels = self._channels.attach

    # properties

    @property
    def call_id(self) -> str:
        """The Call-ID of its SIP messages."""
        return self._session.call_id

    @property
    def identity(self) -> Uri:
        """The public user identity of this side: the one that calls, or that was called."""
        return self._session.identity

    @property
    def asserted_identities(self) -> tuple[NameAddr, ...]:
        """The identities of the caller that the network asserts: a SIP URI, a tel URI, or both; none of outgoing calls."""
        return self._session.asserted if isinstance(self._session, IncomingCall) else ()

    @property
    def incoming(self) -> bool:
        """Whether the other side made it."""
        return isinstance(self._session, IncomingCall)

    @property
    def is_answered(self) -> bool:
        """Whether it was answered; it stays so when it is over."""
        return self._progress.accepted

    @property
    def is_over(self) -> bool:
        """Whether it has ended, for any reason."""
        return self._progress.over

    @property
    def error(self) -> CallFailed | None:
        """The error of a call that failed."""
        return self._progress.error

    def report(self) -> CallReport:
        """Return the figures up to now."""
        return self._stats.report(self._media.report(), self._channels.known)

    # waiting

    async def ringing(self) -> None:
        """Wait until the other side is being alerted, or has answered.

        Raises:
            CallFailed: the call ended before that.
        """
        await self._progress.reach(lambda: self._progress.rang or self._progress.accepted)

    async def answered(self, timeout: float | None = None) -> None:
        """Wait until the call is answered and its media are connected.

        Args:
            timeout: seconds for the other side to answer; then the call is given up.

        Raises:
            CallRejected: the other side, or the network, refused it; the response is on the error.
            CallCancelled: it was given up, here or by the time-out.
            CallFailed: anything else; a fault of the media is its cause.
        """
        try:
            async with asyncio.timeout(timeout):
                await self._progress.reach(lambda: self._progress.accepted)
        except TimeoutError:
            await self.hangup()  # RFC 3261 §9.1: CANCEL
            raise CallCancelled(f"the call was not answered within {timeout:g} s") from None
        await self._progress.reach(lambda: self._progress.connected)

    async def ended(self) -> CallReport:
        """Wait until the call is over, and return its figures."""
        await self._progress.until(lambda: self._progress.over)
        await self._released()
        return self.report()

    # commands

    def ring(self) -> None:
        """Tell the caller that the user is being alerted; for incoming calls.

        Raises:
            LocalProtocolError: it is an outgoing call.
        """
        self._incoming_session().ring(now=self._host.now)
        self._stats.rang()
        self._host.pump()

    async def answer(self, *, audio: Source | None = None, sinks: Iterable[Sink] = ()) -> None:
        """Answer an incoming call; returns when its media are connected, or it is over.

        Args:
            audio: the source to play; without it, the frames of `say`.
            sinks: receivers of the other side's sound, besides `audio`.

        Raises:
            LocalProtocolError: it is an outgoing call, or was answered before.
        """
        session = self._incoming_session()
        if self._answering:
            raise LocalProtocolError("the call was answered already")
        self._answering = True
        self.attach(audio, sinks)
        if self.is_over:  # cancelled while it rang: the sources are closed by now
            return
        try:
            description = await self._media.answer(session.offer)
            session.answer(description, now=self._host.now)
        except WicError as error:
            if not self.is_over:
                _log.warning("a call from %s cannot be answered: %s", self.peer.uri, error)
                # RFC 3261 §21.5.1, §21.4.26: a fault of this side, or an offer that it cannot accept.
                session.reject(500 if isinstance(error, MediaFailed) else 488, why=str(error), now=self._host.now)
                self._pump()
                await self._released()
            return
        self._stats.answered()
        self._pump()
        await self._progress.until(lambda: self._progress.connected or self._progress.over)

    async def reject(self, status: int = 603, reason: str | None = None) -> None:
        """Refuse an incoming call; once it was answered or is over, do nothing.

        Args:
            status: 300 to 699, such as 486 for busy or 603 for declined.
            reason: the phrase; None stands for the usual one.

        Raises:
            LocalProtocolError: it is an outgoing call, or the status refuses nothing.
        """
        session = self._incoming_session()
        if not 300 <= status <= 699:
            raise LocalProtocolError(f"{status} refuses no call; choose 300 to 699")
        session.reject(status, reason, now=self._host.now)
        self._pump()
        if self.is_over:  # not so if it was answered meanwhile
            await self._released()

    async def hangup(self) -> None:
        """End the call as its state asks for, by CANCEL, decline or BYE; once it is over, do nothing.

        While the connection is lost, the BYE waits for another one as long as the call would have.
        """
        self._session.hangup(now=self._host.now)
        self._pump()
        await self._released()

    def play(self, source: Source | None) -> None:
        """Play another source from now on; None sends nothing."""
        self._voice = None
        self._media.play(source)

    def listen(self, sink: Sink) -> None:
        """Give the other side's sound to one more sink from now on."""
        self._media.listen(sink)

    @property
    def audio(self) -> PcmSink:
        """The other side's sound, frame by frame, from the first use on: `async for frame in call.audio`."""
        if self._audio is None:
            self._audio = PcmSink()
            if self.is_over:
                self._audio.close()
            else:
                self._media.listen(self._audio)
        return self._audio

    async def say(self, frame: PcmFrame) -> None:
        """Send a piece of sound; waits while half a second of it is queued, but not beyond the call's end."""
        if self._voice is None:
            self._voice = PcmSource()
            self._media.play(self._voice)
        while not self.is_over:
            try:
                async with asyncio.timeout(_LOOK_AGAIN):
                    return await self._voice.say(frame)
            except TimeoutError:
                continue

    def open_channel(self, label: str, protocol: str = "") -> ChannelOpening:
        """Open a data channel: `async with call.open_channel("chat") as channel`.

        Entering it waits until both sides have it; leaving it closes the channel.
        """
        return ChannelOpening(self._channels, label, protocol)

    def channels(self) -> AsyncIterator[DataChannel]:
        """Iterate over the data channels that the other side opens; ends with the call."""
        return self._channels.incoming()

    # events

    def process_events(self) -> None:
        """Take the events of the session; the client calls this after it passed an event to the session."""
        while (event := self._session.next_event()) is not None:
            self._take(event)
            self._progress.note()

    def _take(self, event: CallEvent) -> None:
        match event:
            case Progressed():  # 101 to 199
                self._progress.rang = True
                self._stats.rang()
            case Accepted():  # 2xx to our INVITE (RFC 3261 §13.2.2.4)
                self._stats.answered()
                self._connect(event.agreement)
            case Confirmed():  # ACK to our 2xx; with it the answer, if the 2xx carried the offer
                self._connect(event.agreement)
            case Modified():  # re-INVITE or UPDATE of the peer (RFC 3261 §14.2, RFC 3311 §5.2)
                self._host.tasks.start(self._media.change(event.agreement), "a change of media")
            case TokenWanted():
                self._host.tasks.start(self._renew_token(), "another token for a call")
            case Failed():  # never established
                self._end(str(event.error), event.error)
            case Ended():  # BYE of either side, or a fault after the answer
                self._end(event.reason, event.error)
            case _:  # Released
                self._progress.released = True
                self._on_released()

    async def _renew_token(self) -> None:
        assert isinstance(self._session, OutgoingCall), "only an INVITE shows a token"
        try:
            await self._host.renew_credentials()
        except WicError as error:
            self._session.give_up(error)
        else:
            self._session.repeat(now=self._host.now)
        self._pump()

    def _connect(self, agreement: Agreement) -> None:
        self._progress.accepted = True
        self._connecting = self._host.tasks.start(self._connect_media(agreement), "media of a call")

    async def _connect_media(self, agreement: Agreement) -> None:
        try:
            await self._media.connect(agreement)
        except MediaFailed as failure:
            self.fail("the media failed", failure)
        except WicError as error:  # the peer's description, read in full only here
            self.fail("the media failed", MediaFailed(str(error)))
        else:
            self._channels.settle()  # an association comes with the media, or not at all
            self._progress.connected = True
            self._progress.note()

    def _media_failed(self, failure: MediaFailed) -> None:
        if isinstance(failure, ConsentLost | FingerprintMismatch | IceFailed):  # RFC 7675 §5.1: the path is dead
            self.fail("the media failed", failure)
        else:
            # The peer closed its media; its BYE travels another way, and most likely comes soon.
            grace = self._host.options.goodbye_grace
            self._goodbye = asyncio.get_running_loop().call_later(grace, self.fail, "the media failed", failure)

    def fail(self, what: str, cause: WicError) -> None:
        """End the call for a fault on this side of it; once it is over, do nothing."""
        if not self.is_over:
            error = CallFailed(f"{what}: {cause}")
            error.__cause__ = cause
            self._session.fail(error, now=self._host.now)
            self._pump()

    def _end(self, reason: str, error: CallFailed | None) -> None:
        """End the call for its user; a task of its own closes the media."""
        self._progress.error = error  # before `over`, which waiters look at first
        self._progress.over = True
        self._stats.ended(reason, error)
        self._channels.close()
        if self._goodbye is not None:  # the BYE came in time
            self._goodbye.cancel()
        self._closing = self._host.tasks.start(self._close_media(), "the end of a call's media", lasting=True)

    async def _close_media(self) -> None:
        connecting = self._connecting
        if connecting is not None:
            connecting.cancel()
        # A cancellation that meets a packet can be lost (`asyncio.wait_for` of Python 3.11): closed media end it too.
        await self._media.close()
        if connecting is not None:
            await asyncio.wait([connecting])

    # helpers

    def attach(self, audio: Source | None, sinks: Iterable[Sink]) -> None:
        """Set the source and the sinks, before the media are connected."""
        if audio is not None:
            self._media.play(audio)
        for sink in sinks:
            self._media.listen(sink)

    def _pump(self) -> None:
        self._host.pump()
        self.process_events()

    def _incoming_session(self) -> IncomingCall:
        if not isinstance(self._session, IncomingCall):
            raise LocalProtocolError("an outgoing call cannot be answered, rejected or rung")
        return self._session

    async def _released(self) -> None:
        """Wait until nothing more will be sent for the call, within reason, and its media are closed."""
        try:
            async with asyncio.timeout(self._host.options.close_timeout):
                # Without a connection the BYE may leave much later: `Calls` keeps the session for it.
                await self._progress.until(lambda: self._progress.released or self._host.is_cut)
        except TimeoutError:
            _log.info("call %s: no answer to its end", self.call_id)
        assert self._closing is not None, "only the end of a call is waited for"
        await asyncio.wait([self._closing])
