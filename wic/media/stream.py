"""One audio stream: RTP both ways in one codec, with its reports."""

from __future__ import annotations

import asyncio
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

from wic.media.codecs import audio_codec
from wic.media.jitter import JitterBuffer
from wic.media.metronome import PERIOD, Metronome
from wic.media.mos import estimate_mos
from wic.media.pcm import FRAME_MS, PcmFrame
from wic.media.reception import ReceptionStatistics
from wic.media.reports import ReportExchange
from wic.media.rtp import HEADER, HEADER_LENGTH, MARKER, VERSION, parse_rtp
from wic.option_checks import NumericOptions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from wic.media.playback import Playback
    from wic.media.rtp_transport import RtpTransport
    from wic.media.sinks import Sink
    from wic.media.sources import Source
    from wic.sdp.codecs import Codec


@dataclass(frozen=True, kw_only=True)
class AudioStreamOptions(NumericOptions):
    """Options of a stream."""

    rtcp_interval: float = 2.5
    """Mean time between reports in seconds (RFC 4585 §3.4 lets SAVPF go below five)."""
    cname: str | None = None
    """Canonical name in SDES; None = a random one, as RFC 7022 §4.2 asks for."""


@dataclass(frozen=True, kw_only=True)
class StreamReport:
    """Figures of one audio stream, both ways, from its start until now."""

    kind: str = "audio"
    codec: str
    """Encoding name as in SDP."""
    sent: int
    """Packets sent."""
    received: int
    """Packets received, each once."""
    lost: int
    """Packets that the peer sent and that did not come (RFC 3550 §6.4.1)."""
    duplicates: int
    reordered: int
    late: int
    """Packets that came too late to be heard; 0 unless a sink wants PCM."""
    discarded: int
    """Packets that were no RTP, strays of another numbering, or not of the codec."""
    jitter_ms: float
    """Interarrival jitter (RFC 3550 §A.8)."""
    rtt_ms: float | None
    """Round trip as measured by RTCP; None before the first report came back."""
    remote_lost: int | None
    """Packets sent that the peer missed, by its last report."""
    mos: float | None
    """Score that a listener here would give, 1 to 4.5; None if nothing was received."""
    mos_basis: str | None
    """Model and figures behind `mos`."""


class AudioStream:
    """Audio both ways: what a source plays is sent, what the peer sends is counted, and decoded for the sinks.

    Args:
        transport: carries the packets; its callbacks are the stream's until `stop`.
        codec: the codec to begin with, under its payload type.
        source: what to play; None sends nothing but reports.
        sinks: receivers of the sound; without one that wants PCM nothing is decoded.
        others: further codecs that were negotiated. If the peer sends one of them, the stream
            changes over to it, in both directions (RFC 3264 §6.1 lets it).
        options: intervals and names.

    Raises:
        MediaFailed: the codec is not in this build.
    """

    def __init__(
        self,
        transport: RtpTransport,
        codec: Codec,
        source: Source | None = None,
        sinks: Iterable[Sink] = (),
        *,
        others: Iterable[Codec] = (),
        options: AudioStreamOptions | None = None,
    ) -> None:
        options = options or AudioStreamOptions()
        self.on_first_packet: Callable[[], None] | None = None
        """Called once, when the first RTP packet of the peer has come."""
        self.codec = codec
        self._transport = transport
        self._audio = audio_codec(codec)
        self._known = {other.payload_type: other for other in (*others, codec) if other.carries_media}
        self._foreign = 0
        self._source: Source | None = None
        self._playback: Playback | None = None
        self._sinks: list[Sink] = []
        self._jitter_buffer: JitterBuffer | None = None
        self._reception = ReceptionStatistics(self._audio.clock_rate)
        self._loop = asyncio.get_running_loop()
        # RFC 3550 §5.1: values that an attacker must not guess begin at random.
        self._ssrc = secrets.randbits(32)
        self._sequence = secrets.randbits(16)
        self._first_timestamp = secrets.randbits(32)
        self._timestamp = self._first_timestamp
        self._silent = True
        self._sent = 0
        self._sent_octets = 0
        self._source_ssrc: int | None = None
        self._discarded = 0
        cname = options.cname or secrets.token_urlsafe(12)
        self._reports = ReportExchange(self._ssrc, cname, options.rtcp_interval, now=self._loop.time())
        self._tick = 0
        self._report_tick = 0
        self._metronome: Metronome | None = None
        if source is not None:
            self.play(source)
        for sink in sinks:
            self.listen(sink)

    @property
    def remote_left(self) -> bool:
        """Whether the peer said BYE in RTCP."""
        return self._reports.remote_left

    def start(self) -> None:
        """Begin to send and to receive."""
        if self._metronome is not None:
            return
        self._transport.on_rtp = self._rtp_received
        self._transport.on_rtcp = self._rtcp_received
        self._metronome = Metronome.running()
        self._report_tick = int(self._reports.next_delay(first=True) / PERIOD)
        self._metronome.add(self._beat)

    def play(self, source: Source | None) -> None:
        """Play another source from now on; None = send nothing but reports."""
        before, self._source = self._playback, source
        self._playback = None if source is None else source.play(self._audio)
        if before is not None:
            before.close()

    def listen(self, sink: Sink) -> None:
        """Give the sound to one more sink from now on."""
        self._sinks.append(sink)
        if sink.wants_pcm and self._jitter_buffer is None:
            self._jitter_buffer = JitterBuffer(self._audio)

    def stop(self) -> None:
        """Send BYE, and let go of the source, the sinks and the transport, which stays open."""
        if self._metronome is not None:
            self._metronome.remove(self._beat)
            self._metronome = None
            self._send_report(bye=True)  # RFC 3550 §6.6
            self._transport.on_rtp = self._transport.on_rtcp = None
        self.play(None)
        for sink in self._sinks:
            sink.close()
        self._sinks.clear()

    def report(self) -> StreamReport:
        """Return the figures up to now."""
        reception, reports = self._reception, self._reports
        late = self._jitter_buffer.late if self._jitter_buffer is not None else 0
        mos = None
        if reception.received:
            # A packet that came too late is as lost to the listener as one that never came.
            loss = (max(reception.lost, 0) + late) / max(reception.expected, 1)
            mos = estimate_mos(self.codec.name, loss=loss, delay_ms=self._delay_ms())
        return StreamReport(
            codec=self.codec.name,
            sent=self._sent,
            received=reception.received,
            lost=max(reception.lost, 0),
            duplicates=reception.duplicates,
            reordered=reception.reordered,
            late=late,
            discarded=self._discarded,
            jitter_ms=reception.jitter_ms,
            rtt_ms=None if reports.rtt is None else 1000.0 * reports.rtt,
            remote_lost=reports.remote_lost,
            mos=None if mos is None else mos.value,
            mos_basis=None if mos is None else mos.basis,
        )

    def _delay_ms(self) -> float:
        """One way, mouth to ear: half the round trip, the packet, the codec and the buffer."""
        path = 500.0 * self._reports.rtt if self._reports.rtt is not None else 0.0
        buffered = self._jitter_buffer.delay_ms if self._jitter_buffer is not None else 2 * self._reception.jitter_ms
        return path + FRAME_MS + self._audio.delay_ms + buffered

    def _beat(self, tick: int) -> None:
        self._tick = tick
        payload = None if self._playback is None else self._playback.next_payload()
        if payload:
            self._send(payload, tick)
        else:
            self._silent = True
        if self._jitter_buffer is not None:
            samples = self._jitter_buffer.next_frames(self._reception.jitter_ms)
            if samples:
                frame = PcmFrame(samples, self._audio.rate)
                for sink in self._sinks:
                    if sink.wants_pcm:
                        sink.write(frame)
        if tick >= self._report_tick:  # RFC 3550 §6.2: also while nothing is sent
            self._report_tick = tick + int(self._reports.next_delay() / PERIOD)
            self._send_report()

    def _send(self, payload: bytes, tick: int) -> None:
        codec = self.codec
        self._sequence = (self._sequence + 1) & 0xFFFF
        # RFC 3550 §5.1: the timestamp follows the clock, also over packets that were not sent.
        self._timestamp = (self._first_timestamp + tick * self._audio.frame_clock) & 0xFFFFFFFF
        second = codec.payload_type
        if self._silent:  # RFC 3551 §4.1: the marker tells where sound begins after silence
            self._silent = False
            second |= MARKER
        header = HEADER.pack(VERSION, second, self._sequence, self._timestamp, self._ssrc)
        self._transport.send_rtp(header + payload)
        self._sent += 1
        self._sent_octets += len(payload)

    def _send_report(self, *, bye: bool = False) -> None:
        self._transport.send_rtcp(
            self._reports.compose(
                self._loop.time(),
                packets=self._sent,
                octets=self._sent_octets,
                timestamp=self._timestamp,
                source=self._source_ssrc,
                reception=self._reception,
                bye=bye,
            )
        )

    def _rtp_received(self, packet: bytes) -> None:
        if len(packet) < HEADER_LENGTH:
            self._discarded += 1
            return
        first, second, sequence, timestamp, ssrc = HEADER.unpack_from(packet)
        if first & 0xC0 != VERSION:
            self._discarded += 1
            return
        if ssrc != self._source_ssrc:
            # RFC 3550 §8.2: a peer that begins anew, or another one after a transfer, has another SSRC.
            self._new_source(ssrc)
        duplicates = self._reception.duplicates
        if not self._reception.receive(sequence, timestamp, self._loop.time()):
            self._discarded += self._reception.duplicates == duplicates  # a duplicate has its own count
        elif self._jitter_buffer is not None or self._playback is not None:
            self._use(packet, second & 0x7F, timestamp)

    def _use(self, packet: bytes, payload_type: int, timestamp: int) -> None:
        if self._jitter_buffer is None and (self._playback is None or self._playback.heard is None):
            return
        if payload_type == self.codec.payload_type:
            self._foreign = 0
        elif not self._follow(payload_type):
            return  # telephone events and comfort noise share the numbering, and are not audio
        parsed = parse_rtp(packet)
        if parsed is None or not parsed.payload:
            self._discarded += 1
            return
        if self._playback is not None and self._playback.heard is not None:
            self._playback.heard(parsed.payload)
        if self._jitter_buffer is not None:
            self._jitter_buffer.put(timestamp, parsed.payload)

    def _follow(self, payload_type: int) -> bool:
        """Change over to another negotiated codec once the peer has sent it three times in a row."""
        codec = self._known.get(payload_type)
        if codec is None:
            return False
        # RFC 3264 §6.1: both sides may use any codec of the answer at any time. A single packet may be a stray of before a
        # change, and would otherwise switch the decoder for nothing.
        self._foreign += 1
        if self._foreign < 3:
            return False
        self._foreign = 0
        self.codec = codec
        self._audio = audio_codec(codec)
        self._reception.change_clock(self._audio.clock_rate)
        # RFC 7160 §4.2: the timestamps go on from where they are.
        self._first_timestamp = (self._timestamp - self._tick * self._audio.frame_clock) & 0xFFFFFFFF
        if self._jitter_buffer is not None:
            late = self._jitter_buffer.late  # the report is about the stream, not about one codec of it
            self._jitter_buffer = JitterBuffer(self._audio)
            self._jitter_buffer.late = late
        self.play(self._source)
        return True

    def _new_source(self, ssrc: int) -> None:
        first = self._source_ssrc is None
        self._source_ssrc = ssrc
        self._reception.restart()
        if self._jitter_buffer is not None:
            self._jitter_buffer.reset()
        if first and self.on_first_packet is not None:
            self.on_first_packet()

    def _rtcp_received(self, packet: bytes) -> None:
        self._reports.receive(packet, self._loop.time())
