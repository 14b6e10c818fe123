"""One call, as its user holds it."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Protocol

from wic.call import (
    Accepted,
    Confirmed,
    Ended,
    Failed,
    IncomingCall,
    Modified,
    OutgoingCall,
    Progressed,
    TokenWanted,
)
from wic.client.call_stats import CallStats
from wic.client.channels import CallChannels, ChannelOpening
from wic.client.progress import Progress
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

__all__ = ["Call"]

_log = logging.getLogger(__name__)
_LOOK_AGAIN = 0.5
"""Seconds after which a `say` that waits looks whether the call still goes on."""


class CallHost(Protocol):
    """What a call needs of its client."""

    options: ClientOptions
    tasks: TaskSet

    @property
    def now(self) -> float:
        """The time in the clock of the sessions."""
        ...

    @property
    def is_cut(self) -> bool:
        """Whether nothing can be sent for now."""
        ...

    def pump(self) -> None:
        """Send what a session wants to send."""
        ...

    async def renew_credentials(self) -> None:
        """Get other credentials, because the network refused these; raises `WicError` if there are none."""
        ...


class Call:
    """A call: made by `Client.call`, or taken from `Client.incoming`."""

    def __init__(
        self, line: CallHost, session: CallSession, media: CallMedia, peer: NameAddr, on_released: Callable[[], None]
    ) -> None:
        self.peer = peer
        """The other side."""
        self._line = line
        self._on_released = on_released
        self._session = session
        self._media = media
        self._channels = CallChannels()
        self._stats = CallStats(session, peer, clock=lambda: line.now)
        self._progress = Progress()
        self._audio: PcmSink | None = None
        self._voice: PcmSource | None = None
        self._connecting: asyncio.Task[None] | None = None
        self._closing: asyncio.Task[None] | None = None
        self._goodbye: asyncio.TimerHandle | None = None
        self._answering = False
        media.on_failed = self._media_failed
        media.on_first_packet = self._stats.first_media
        media.on_channels = self._channels.attach

    # what it is

    @property
    def call_id(self) -> str:
        """The Call-ID of its SIP messages."""
        return self._session.call_id

    @property
    def incoming(self) -> bool:
        """Whether the other side made it."""
        return isinstance(self._session, IncomingCall)

    @property
    def is_over(self) -> bool:
        """Whether it has ended, for whatever reason."""
        return self._progress.over

    @property
    def error(self) -> CallFailed | None:
        """Why it failed, if it did."""
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
            await self.hangup()
            raise CallCancelled(f"nobody answered within {timeout:g} s") from None
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
        self._incoming_session().ring(now=self._line.now)
        self._stats.rang()
        self._line.pump()

    async def answer(self, *, audio: Source | None = None, sinks: Iterable[Sink] = ()) -> None:
        """Answer an incoming call; returns when its media are connected, or it is over.

        Args:
            audio: what to play; without it, what `say` says.
            sinks: who hears the other side, besides `audio`.

        Raises:
            LocalProtocolError: it is an outgoing call, or was answered before.
        """
        session = self._incoming_session()
        if self._answering:
            raise LocalProtocolError("the call was answered already")
        self._answering = True
        self.attach(audio, sinks)
        if self.is_over:
            return
        try:
            description = await self._media.answer(session.offer)
            session.answer(description, now=self._line.now)
        except WicError as error:
            if not self.is_over:
                await self._cannot_answer(session, error)
            return
        self._stats.answered()
        self._pump()
        await self._progress.until(lambda: self._progress.connected or self._progress.over)

    async def _cannot_answer(self, session: IncomingCall, error: WicError) -> None:
        _log.warning("a call from %s cannot be answered: %s", self.peer.uri, error)
        session.reject(500 if isinstance(error, MediaFailed) else 488, why=str(error), now=self._line.now)
        self._pump()
        await self._released()

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
        session.reject(status, reason, now=self._line.now)
        self._pump()
        if self.is_over:
            await self._released()

    async def hangup(self) -> None:
        """End the call in whatever state it is: CANCEL, decline or BYE; harmless once it is over.

        While the connection is lost, the BYE waits for another one as long as the call would have.
        """
        self._session.hangup(now=self._line.now)
        self._pump()
        await self._released()

    def play(self, source: Source | None) -> None:
        """Play something else from now on; None sends nothing."""
        self._voice = None
        self._media.play(source)

    def listen(self, sink: Sink) -> None:
        """Let one more sink hear the other side from now on."""
        self._media.listen(sink)

    @property
    def audio(self) -> PcmSink:
        """What the other side says, frame by frame, from the first use on: `async for frame in call.audio`."""
        if self._audio is None:
            self._audio = PcmSink()
            if self.is_over:
                self._audio.close()
            else:
                self._media.listen(self._audio)
        return self._audio

    async def say(self, frame: PcmFrame) -> None:
        """Say a piece of sound; waits while half a second of it is queued, but not beyond the call's end."""
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

    # what happens

    def process_events(self) -> None:
        """Take what the session tells; the client calls this after it gave the session something."""
        while (event := self._session.next_event()) is not None:
            self._take(event)
            self._progress.note()

    def _take(self, event: CallEvent) -> None:
        match event:
            case Progressed():
                self._progress.rang = True
                self._stats.rang()
            case Accepted():
                self._stats.answered()
                self._connect(event.agreement)
            case Confirmed():
                self._connect(event.agreement)
            case Modified():
                self._line.tasks.start(self._media.change(event.agreement), "a change of media")
            case TokenWanted():
                self._line.tasks.start(self._renew_token(), "another token for a call")
            case Failed():
                self._end(str(event.error), event.error)
            case Ended():
                self._end(event.reason, event.error)
            case _:  # Released
                self._progress.released = True
                self._on_released()

    async def _renew_token(self) -> None:
        assert isinstance(self._session, OutgoingCall), "only who calls shows a token"
        try:
            await self._line.renew_credentials()
        except WicError as error:
            self._session.give_up(error)
        else:
            self._session.repeat(now=self._line.now)
        self._pump()

    def _connect(self, agreement: Agreement) -> None:
        self._progress.accepted = True
        self._connecting = self._line.tasks.start(self._connect_media(agreement), "media of a call")

    async def _connect_media(self, agreement: Agreement) -> None:
        try:
            await self._media.connect(agreement)
        except MediaFailed as failure:
            self._media_ended(failure)
        except WicError as error:  # the peer's description, read again more closely
            self._media_ended(MediaFailed(str(error)))
        else:
            self._channels.settle()
            self._progress.connected = True
            self._progress.note()

    def _media_failed(self, failure: MediaFailed) -> None:
        if isinstance(failure, ConsentLost | FingerprintMismatch | IceFailed):
            self._media_ended(failure)
        else:
            # The peer closed its media; most likely its BYE is on the way.
            grace = self._line.options.goodbye_grace
            self._goodbye = asyncio.get_running_loop().call_later(grace, self._media_ended, failure)

    def _media_ended(self, failure: MediaFailed) -> None:
        self.fail("the media failed", failure)

    def fail(self, what: str, cause: WicError) -> None:
        """End the call for a fault on this side of it; once it is over, do nothing."""
        if not self.is_over:
            error = CallFailed(f"{what}: {cause}")
            error.__cause__ = cause
            self._session.fail(error, now=self._line.now)
            self._pump()

    def _end(self, reason: str, error: CallFailed | None) -> None:
        """The call is over for its user; its media go in a task of their own."""
        self._progress.error = error
        self._progress.over = True
        self._stats.ended(reason, error)
        self._channels.close()
        if self._goodbye is not None:
            self._goodbye.cancel()
        self._closing = self._line.tasks.start(self._close_media(), "the end of a call's media", lasting=True)

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
        """Say what to play and who listens, before the media are connected."""
        if audio is not None:
            self._media.play(audio)
        for sink in sinks:
            self._media.listen(sink)

    def _pump(self) -> None:
        self._line.pump()
        self.process_events()

    def _incoming_session(self) -> IncomingCall:
        if not isinstance(self._session, IncomingCall):
            raise LocalProtocolError("an outgoing call cannot be answered, rejected or rung")
        return self._session

    async def _released(self) -> None:
        """Wait until nothing more will be sent for the call, within reason, and its media are closed."""
        try:
            async with asyncio.timeout(self._line.options.close_timeout):
                await self._progress.until(lambda: self._progress.released or self._line.is_cut)
        except TimeoutError:
            _log.info("call %s: no answer to its end", self.call_id)
        assert self._closing is not None  # whoever waits has ended the call, or seen its end
        await asyncio.wait([self._closing])
