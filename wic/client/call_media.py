"""Media of one call: a transport for each m-line, the audio stream, the data channels."""

from __future__ import annotations

import asyncio
import secrets
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, TypeAlias

from wic.errors import MediaFailed
from wic.media import AudioStream, MediaTransport, TransportState
from wic.media.channel import DEFAULT_MAX_MESSAGE_SIZE
from wic.sdp.codecs import read_codecs
from wic.sdp.description import Origin
from wic.sdp.errors import OfferNotAcceptable
from wic.sdp.negotiation import agreed_codecs, dtls_role
from wic.sdp.profile import MediaAnswer, MediaOffer, build_answer, build_offer, plan_answer, read_remote
from wic.sdp.transport import read_transport

if TYPE_CHECKING:
    from collections.abc import Callable

    from wic.call import Agreement
    from wic.media import Certificate, DataChannels, MediaTransportOptions, Sink, Source, StreamReport
    from wic.sdp.codecs import Codec
    from wic.sdp.description import SessionDescription
    from wic.sdp.profile import AnswerPlan
    from wic.sdp.transport import TransportDescription
    from wic.sip.flow import Address

__all__ = ["CallMedia", "PacketObserver", "acceptable"]

PacketObserver: TypeAlias = "Callable[[float, Literal['rtp', 'rtcp', 'sctp'], Address, Address, bytes], None]"
"""Called with the time since the epoch, the protocol, source, target, and the packet in the clear."""

_SCTP_PORT = 5000  # RFC 8841 §5: the usual one, over a DTLS association of its own
_AUDIO, _DATA = "audio", "application"


@dataclass(slots=True)
class _Line:
    """One m-line that is in use."""

    kind: str
    transport: MediaTransport
    local: TransportDescription


def acceptable(offer: SessionDescription, codecs: tuple[Codec, ...]) -> tuple[AnswerPlan | None, ...]:
    """Plan the acceptance of each m-line of an offer: of the first audio and the first data line.

    Raises:
        OfferNotAcceptable: nothing in it can be accepted.
        SdpRefused: an m-line is malformed.
    """
    chosen: list[AnswerPlan | None] = []
    for plan in plan_answer(offer, supported={_AUDIO: codecs}):
        kinds = {other.remote.media for other in chosen if other is not None}
        # TS 24.371 §7.2.3 a): a WIC answers with ICE, which the offer has to have.
        wanted = plan is not None and plan.remote.transport.ice_ufrag and plan.remote.media not in kinds
        chosen.append(plan if wanted else None)
    if not any(chosen):
        raise OfferNotAcceptable("no m-line of the offer can be reached by ICE")
    return tuple(chosen)


class CallMedia:
    """Media that `offer` or `answer` opens, `connect` connects, and `close` closes in any case."""

    def __init__(self, certificate: Certificate, options: MediaTransportOptions, codecs: tuple[Codec, ...]) -> None:
        self.on_failed: Callable[[MediaFailed], None] = _ignore
        """Called when a transport failed after it was connected."""
        self.on_first_packet: Callable[[], None] | None = None
        """Called when the first RTP packet of the peer has come."""
        self.on_packet: PacketObserver | None = None
        """Called with every packet in the clear; set it before `connect`."""
        self.on_channels: Callable[[DataChannels], None] = _ignore
        """Called when data channels can be opened."""
        self._certificate = certificate
        self._options = options
        self._codecs = codecs
        self._lines: list[_Line | None] = []
        self._stream: AudioStream | None = None
        self._source: Source | None = None
        self._sinks: list[Sink] = []
        self._sending = True
        self._closed = False

    # offer and answer

    async def offer(self, *, data: bool) -> SessionDescription:
        """Open transports and describe them (TS 24.371 §7.2.2, §8.2.2).

        Raises:
            MediaFailed: no address of this machine can be used.
        """
        kinds = (_AUDIO, _DATA) if data else (_AUDIO,)
        await self._open(kinds)
        media = [
            MediaOffer(media=line.kind, transport=line.local, codecs=self._codecs if line.kind == _AUDIO else ())
            for line in self._lines
            if line is not None
        ]
        return build_offer(self._origin(), media)

    async def answer(self, offer: SessionDescription | None) -> SessionDescription:
        """Open transports for what is offered, and describe them (§7.2.3, §8.2.3); without an offer, make one.

        Raises:
            MediaFailed: no address of this machine can be used.
            OfferNotAcceptable: nothing in the offer can be accepted.
            SdpRefused: it is malformed.
        """
        if offer is None:  # RFC 3261 §13.2.1: the INVITE leaves the offer to the 2xx
            return await self.offer(data=True)
        plans = acceptable(offer, self._codecs)
        await self._open(tuple(plan.remote.media if plan is not None else None for plan in plans))
        choices = [
            MediaAnswer(transport=line.local, codecs=plan.codecs, direction=plan.direction) if line and plan else None
            for line, plan in zip(self._lines, plans, strict=True)
        ]
        return build_answer(offer, self._origin(), choices)

    async def _open(self, kinds: tuple[str | None, ...]) -> None:
        transports = [MediaTransport(self._certificate, self._options) if kind else None for kind in kinds]
        try:
            gathered = await asyncio.gather(*(transport.gather() for transport in transports if transport))
            if self._closed:  # `close` has not seen these transports
                raise MediaFailed("the call ended while its media were prepared")
        except BaseException:
            await asyncio.gather(*(transport.close() for transport in transports if transport))
            raise
        described = iter(gathered)
        self._lines = [
            _Line(kind, transport, _described(kind, next(described))) if kind and transport else None
            for kind, transport in zip(kinds, transports, strict=True)
        ]

    def _origin(self) -> Origin:
        address = next((line.local.address for line in self._lines if line is not None), "0.0.0.0")
        return Origin("-", secrets.randbits(62), 1, address)  # RFC 8866 §5.2: no other description here has this number

    # connection

    async def connect(self, agreement: Agreement) -> None:
        """Connect every m-line that both sides use, and start to send and to receive.

        Raises:
            MediaFailed: one of them cannot be connected.
            NegotiationFailed: the two descriptions do not fit together.
            SdpRefused: the peer's is malformed.
        """
        connecting = [self._connect(line, index, agreement) for index, line in enumerate(self._lines) if line]
        try:
            async with asyncio.TaskGroup() as group:
                for work in connecting:
                    group.create_task(work)
        except BaseExceptionGroup as errors:
            raise errors.exceptions[0] from None  # the first failure ended the others

    async def _connect(self, line: _Line, index: int, agreement: Agreement) -> None:
        remote = read_remote(agreement.remote, index, answer=agreement.offered_here)
        if remote is None:  # RFC 3264 §6: refused with port 0
            await line.transport.close()
            self._lines[index] = None
            return
        local = read_transport(agreement.local, index, answer=not agreement.offered_here)
        self._tap(line)
        role = dtls_role(local=local.setup, remote=remote.transport.setup)
        await line.transport.connect(
            remote.transport,
            controlling=agreement.offered_here,  # RFC 8445 §6.1.1
            dtls_role="active" if role == "active" else "passive",
        )
        if self._closed:
            return  # the call ended during the handshake
        line.transport.on_state = self._state_changed
        if line.kind == _DATA:
            await self._start_channels(line, remote.transport)
        else:
            # RFC 3264 §6.1: only what one side sends and the other receives flows.
            self._sending = agreement.local.direction(index).sends and remote.direction.receives
            self._start_audio(line, _agreed_codecs(agreement, index))

    def _tap(self, line: _Line) -> None:
        observer = self.on_packet
        if observer is None:  # a fleet without a capture pays nothing for each packet
            return
        here = (line.local.address, line.local.port)

        def observe(kind: Literal["rtp", "rtcp", "sctp"], sent: bool, data: bytes) -> None:
            there = line.transport.remote_address or here
            ends = (here, there) if sent else (there, here)
            observer(time.time(), kind, *ends, data)

        line.transport.on_packet = observe

    async def _start_channels(self, line: _Line, remote: TransportDescription) -> None:
        channels = await line.transport.start_sctp(_SCTP_PORT, remote.sctp_port or _SCTP_PORT, remote.max_message_size)
        self.on_channels(channels)

    def _start_audio(self, line: _Line, codecs: tuple[Codec, ...]) -> None:
        source = self._source if self._sending else None
        self._stream = AudioStream(line.transport, codecs[0], source, self._sinks, others=codecs[1:])
        self._stream.on_first_packet = self.on_first_packet
        self._stream.start()

    def _state_changed(self, state: TransportState, failure: MediaFailed | None) -> None:
        if state is TransportState.FAILED:
            self.on_failed(failure or MediaFailed("the media transport failed"))

    # sources and sinks

    def play(self, source: Source | None) -> None:
        """Play another source from now on, or from the answer on; None sends nothing."""
        if self._closed:
            return
        self._source = source
        if self._stream is not None and self._sending:
            self._stream.play(source)

    def listen(self, sink: Sink) -> None:
        """Give the sound to one more sink from now on."""
        if self._closed:
            sink.close()
            return
        self._sinks.append(sink)
        if self._stream is not None:
            self._stream.listen(sink)

    async def change(self, agreement: Agreement) -> None:
        """Follow a change by the peer: directions, and m-lines that it closed (RFC 3264 §8)."""
        for index, line in enumerate(self._lines):
            if line is None:
                continue
            if not agreement.local.media[index].port:  # RFC 3264 §8.2: removed
                self._lines[index] = None
                if line.kind == _AUDIO and self._stream is not None:
                    self._stream.stop()
                await line.transport.close()
            elif line.kind == _AUDIO and agreement.local.direction(index).sends is not self._sending:
                self._sending = not self._sending  # RFC 3264 §8.4: hold, or its end
                if self._stream is not None:
                    self._stream.play(self._source if self._sending else None)

    def report(self) -> StreamReport | None:
        """Return the figures of the audio stream; None if there was none."""
        return None if self._stream is None else self._stream.report()

    async def close(self) -> None:
        """Stop playing, close every transport and every sink; may be called at any time, and again."""
        if self._closed:
            return
        self._closed = True
        if self._stream is not None:
            self._stream.stop()  # which closes the sinks
        else:
            for sink in self._sinks:
                sink.close()
        await asyncio.gather(*(line.transport.close() for line in self._lines if line is not None))


def _described(kind: str, gathered: TransportDescription) -> TransportDescription:
    # RFC 8842 §5.2, §5.3: every offer and answer names its DTLS association.
    named = replace(gathered, tls_id=secrets.token_hex(16))
    if kind != _DATA:
        return named
    # RFC 8841 §5, §6: sctp-port and max-message-size, on data lines only.
    return replace(named, sctp_port=_SCTP_PORT, max_message_size=DEFAULT_MAX_MESSAGE_SIZE)


def _agreed_codecs(agreement: Agreement, index: int) -> tuple[Codec, ...]:
    """Return the codecs that both sides may send, the answer's first choice first."""
    local = read_codecs(agreement.local.media[index])
    remote = read_codecs(agreement.remote.media[index])
    agreed = agreed_codecs(local, remote) if agreement.offered_here else agreed_codecs(remote, local)
    return tuple(codec for codec in agreed if codec.carries_media)


def _ignore(_: object) -> None:
    """Do nothing: the default of a callback."""
