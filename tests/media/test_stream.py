from __future__ import annotations

import asyncio
import itertools
import wave
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import pytest

from tests.support.rtp import pack_rtp
from wic.errors import MediaFailed
from wic.media import (
    AudioStream,
    AudioStreamOptions,
    Count,
    Echo,
    MediaTransport,
    PcmFrame,
    PcmSink,
    PcmSource,
    PlainRtp,
    Silence,
    Tone,
    WavFile,
    WavRecorder,
)
from wic.media.metronome import Metronome
from wic.media.rtcp import Bye, parse_rtcp
from wic.media.rtp import RtpPacket, parse_rtp
from wic.sdp.codecs import G722, OPUS, PCMA, PCMU, TELEPHONE_EVENT, Codec

if TYPE_CHECKING:
    from pathlib import Path

    from wic.media.rtp_transport import PacketHandler

Connect = Callable[..., Awaitable[tuple[MediaTransport, MediaTransport]]]
Eventually = Callable[[Callable[[], object]], Awaitable[None]]
Level = Callable[[bytes, int, float], float]

QUICK = AudioStreamOptions(rtcp_interval=0.2)


class DelayedTransport:
    """One end of a line in memory, which delays and loses what `lose` says."""

    def __init__(self, delay: float = 0.01) -> None:
        self.on_rtp: PacketHandler | None = None
        self.on_rtcp: PacketHandler | None = None
        self.sent: list[bytes] = []
        self.control: list[bytes] = []
        self.other: DelayedTransport | None = None
        self.lose: Callable[[int], bool] = lambda number: False
        self._delay = delay

    def send_rtp(self, packet: bytes) -> None:
        self.sent.append(packet)
        if not self.lose(len(self.sent)):
            self._carry("on_rtp", packet)

    def send_rtcp(self, packet: bytes) -> None:
        self.control.append(packet)
        self._carry("on_rtcp", packet)

    def _carry(self, handler: str, packet: bytes) -> None:
        def arrive() -> None:
            take = getattr(self.other, handler) if self.other is not None else None
            if take is not None:
                take(packet)

        asyncio.get_running_loop().call_later(self._delay, arrive)

    def packets(self) -> list[RtpPacket]:
        return [packet for packet in map(parse_rtp, self.sent) if packet is not None]


def connected(delay: float = 0.01) -> tuple[DelayedTransport, DelayedTransport]:
    one, other = DelayedTransport(delay), DelayedTransport(delay)
    one.other, other.other = other, one
    return one, other


@pytest.mark.virtual_time
async def test_sends_50_packets_a_second_numbered_and_timed() -> None:
    one, _ = connected()
    stream = AudioStream(one, PCMA, Tone(440))
    stream.start()
    stream.start()
    await asyncio.sleep(1.99)
    stream.stop()
    packets = one.packets()
    assert len(packets) == 100
    assert {packet.payload_type for packet in packets} == {8}
    assert len({packet.ssrc for packet in packets}) == 1
    for before, after in itertools.pairwise(packets):
        assert (after.sequence - before.sequence) & 0xFFFF == 1
        assert (after.timestamp - before.timestamp) & 0xFFFFFFFF == 160
    assert [packet.marker for packet in packets] == [True] + [False] * 99
    assert len(Metronome.running()) == 0


@pytest.mark.virtual_time
async def test_both_ends_report_the_call(tone_level: Level) -> None:
    one, other = connected(delay=0.03)
    sink = PcmSink()
    caller = AudioStream(one, PCMU, Tone(440), [Count()], options=QUICK)
    callee = AudioStream(other, PCMU, Echo(), [sink], options=QUICK)
    first: list[float] = []
    callee.on_first_packet = lambda: first.append(asyncio.get_running_loop().time())
    caller.start()
    callee.start()
    await asyncio.sleep(2.99)
    caller.stop()
    await asyncio.sleep(0.05)
    assert callee.remote_left
    report = caller.report()
    assert report.sent == 150
    assert report.lost == report.duplicates == report.late == report.discarded == 0
    assert report.received >= 140  # what the echo had back by then
    assert report.rtt_ms == pytest.approx(60, abs=1)
    assert report.jitter_ms < 1
    assert report.remote_lost == 0
    assert report.mos == pytest.approx(4.38, abs=0.02)
    assert report.mos_basis is not None
    callee.stop()
    assert callee.report().received == 150
    heard = b"".join([frame.data async for frame in sink])
    assert tone_level(heard[320:], 8000, 440) == pytest.approx(-12, abs=0.2)
    assert first == [pytest.approx(0.03)]


@pytest.mark.virtual_time
async def test_loss_is_counted_concealed_and_lowers_the_score() -> None:
    one, other = connected()
    one.lose = lambda number: number % 10 == 0
    sink = PcmSink()
    sender, listener = (
        AudioStream(one, PCMU, Tone(440), options=QUICK),
        AudioStream(other, PCMU, None, [sink], options=QUICK),
    )
    sender.start()
    listener.start()
    await asyncio.sleep(3.99)
    sender.stop()
    await asyncio.sleep(0.1)
    report = listener.report()
    assert report.received + report.lost == pytest.approx(200, abs=2)
    assert report.lost == pytest.approx(20, abs=1)
    assert report.mos is not None
    assert report.mos < 3.5
    assert 15 < (sender.report().remote_lost or 0) <= 20
    assert sender.report().mos is None
    listener.stop()
    frames = [frame async for frame in sink]
    assert len(frames) >= 198  # nothing is missing in what was heard
    assert other.sent == []


@pytest.mark.virtual_time
async def test_a_wrapping_clock_a_new_source_and_foreign_packets() -> None:
    transport = DelayedTransport()
    sink = PcmSink()
    stream = AudioStream(transport, PCMU, None, [sink])
    stream.start()
    assert transport.on_rtp is not None
    payload = bytes(160)
    hostile = [
        b"",
        b"\x80",
        b"\x00" * 20,
        b"\x8f" + pack_rtp(0, 1, 1, 1, b"")[1:],
        b"\xa0" + pack_rtp(0, 1, 1, 9, b"\x00")[1:],
    ]
    for packet in hostile:
        transport.on_rtp(packet)
    for number in range(20):
        transport.on_rtp(pack_rtp(0, (65530 + number) & 0xFFFF, (0xFFFFFF00 + 160 * number) & 0xFFFFFFFF, 7, payload))
        await asyncio.sleep(0.02)
    transport.on_rtp(pack_rtp(101, 14, 0, 7, b"event"))  # shares the numbering, is not audio
    for number in range(20):
        transport.on_rtp(pack_rtp(0, 500 + number, 160 * number, 8, payload))
        transport.on_rtp(pack_rtp(0, 500 + number, 160 * number, 8, payload))
        await asyncio.sleep(0.02)
    report = stream.report()
    assert report.lost == 0
    assert report.duplicates == 20
    assert report.received == 20 + 1 + 20 + 2  # two of the hostile ones look like packets
    assert report.discarded == 5
    transport.on_rtp(pack_rtp(0, 40000, 0, 8, payload))  # a stray of another numbering
    assert stream.report().discarded == 6
    stream.stop()
    assert len([frame async for frame in sink]) >= 34


@pytest.mark.virtual_time
async def test_follows_the_peer_to_another_negotiated_codec(tone_level: Level) -> None:
    one, other = connected()
    caller = AudioStream(one, PCMA, Tone(440), options=QUICK)
    sink = PcmSink()
    callee = AudioStream(other, OPUS, Tone(1000), [sink], others=(PCMA, TELEPHONE_EVENT), options=QUICK)
    caller.start()
    callee.start()
    await asyncio.sleep(1.99)
    caller.stop()
    callee.stop()
    assert callee.codec == PCMA
    frames = [frame async for frame in sink]
    assert {frame.rate for frame in frames} == {8000}
    assert tone_level(b"".join(frame.data for frame in frames)[640:], 8000, 440) == pytest.approx(-12, abs=0.2)
    sent = other.packets()
    assert [packet.payload_type for packet in sent[:2]] == [111, 111]
    assert {packet.payload_type for packet in sent[6:]} == {8}
    steps = {(b.timestamp - a.timestamp) & 0xFFFFFFFF for a, b in itertools.pairwise(sent)}
    assert steps == {960, 160}
    assert callee.report().codec == "PCMA"
    assert callee.report().jitter_ms < 1


@pytest.mark.virtual_time
async def test_an_echo_follows_too() -> None:
    one, other = connected()
    caller, callee = AudioStream(one, PCMU, Silence()), AudioStream(other, OPUS, Echo(), others=(PCMU,))
    caller.start()
    callee.start()
    await asyncio.sleep(0.5)
    assert len(other.sent) > 15
    assert {packet.payload_type for packet in other.packets()} == {0}
    caller.stop()
    callee.stop()


@pytest.mark.virtual_time
async def test_playing_changes_and_stops_within_a_call() -> None:
    one, _other = connected()
    stream = AudioStream(one, PCMU)
    stream.start()
    await asyncio.sleep(0.1)
    assert one.sent == []
    stream.play(Silence())
    await asyncio.sleep(0.1)
    stream.play(Tone(440))
    await asyncio.sleep(0.1)
    stream.play(None)
    await asyncio.sleep(0.1)
    packets = one.packets()
    assert len(packets) == 10
    stream.play(Silence())
    await asyncio.sleep(0.1)
    again = one.packets()[10]
    assert again.marker
    # Time went on while nothing was sent.
    assert (again.timestamp - packets[-1].timestamp) & 0xFFFFFFFF == 6 * 160
    assert (again.sequence - packets[-1].sequence) & 0xFFFF == 1
    stream.stop()


@pytest.mark.virtual_time
async def test_a_source_that_ends_falls_silent(tmp_path: Path, sine: Callable[..., bytes]) -> None:
    path = tmp_path / "short.wav"
    with wave.open(str(path), "wb") as writer:
        writer.setparams((1, 2, 8000, 0, "NONE", ""))
        writer.writeframes(sine(440, 8000, 0.1))
    one, _ = connected()
    stream = AudioStream(one, PCMU, WavFile(path, loop=False))
    stream.start()
    await asyncio.sleep(0.5)
    stream.stop()
    assert len(one.sent) == 5


@pytest.mark.virtual_time
async def test_stopping_says_bye_and_lets_go() -> None:
    one, _ = connected()
    sink = PcmSink()
    stream = AudioStream(one, PCMU, Silence(), [sink])
    stream.stop()
    assert one.control == []
    stream = AudioStream(one, PCMU, Silence(), [sink])
    stream.start()
    stream.stop()
    assert any(isinstance(part, Bye) for part in parse_rtcp(one.control[-1]) or ())
    assert one.on_rtp is None
    assert one.on_rtcp is None
    assert [frame async for frame in sink] == []


@pytest.mark.virtual_time
async def test_a_bot_hears_and_says() -> None:
    one, other = connected()
    ears, mouth = PcmSink(), PcmSource()
    bot = AudioStream(other, PCMU, mouth)
    bot.listen(ears)
    caller = AudioStream(one, PCMU, Tone(440))
    bot.start()
    caller.start()

    async def parrot() -> None:
        async for frame in ears:
            await mouth.say(frame)

    task = asyncio.create_task(parrot())
    await asyncio.sleep(1)
    caller.stop()
    bot.stop()
    await task
    assert len(other.sent) == pytest.approx(50, abs=2)
    assert len({packet.payload for packet in other.packets()}) > 3


async def test_a_codec_that_is_not_there_is_refused() -> None:
    with pytest.raises(MediaFailed):
        AudioStream(DelayedTransport(), Codec("EVS", 96, 16000))


@pytest.mark.parametrize("codec", [OPUS, G722, PCMU, PCMA], ids=lambda codec: codec.name)
async def test_a_tone_through_dtls_srtp_and_back(
    connect_pair: Connect, tmp_path: Path, tone_level: Level, eventually: Eventually, codec: Codec
) -> None:
    one, other = await connect_pair()
    recorder = WavRecorder(tmp_path / "heard.wav")
    caller = AudioStream(one, codec, Tone(440), [recorder], options=QUICK)
    callee = AudioStream(other, codec, Echo(), options=QUICK)
    callee.start()
    caller.start()
    await eventually(lambda: recorder.frames >= 40)
    caller.stop()
    callee.stop()
    with wave.open(str(recorder.path)) as reader:
        rate = reader.getframerate()
        samples = reader.readframes(reader.getnframes())
    steady = samples[len(samples) // 3 & ~1 :]
    assert tone_level(steady, rate, 440) == pytest.approx(-12, abs=0.5)
    assert tone_level(steady, rate, 1500) < -40
    report = caller.report()
    assert report.lost == 0
    assert report.rtt_ms is not None
    assert report.mos is not None
    assert report.mos > 4


async def test_plain_rtp_carries_a_stream_too(plain_pair: tuple[PlainRtp, PlainRtp], eventually: Eventually) -> None:
    one, other = (AudioStream(end, PCMU, Tone(440), options=QUICK) for end in plain_pair)
    one.start()
    other.start()
    await eventually(lambda: one.report().rtt_ms is not None and other.report().rtt_ms is not None)
    one.stop()
    other.stop()
    assert one.report().lost == other.report().lost == 0


def test_frames_say_how_long_they_are() -> None:
    assert PcmFrame(bytes(1920), 48000).seconds == 0.02
