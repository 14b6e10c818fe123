from __future__ import annotations

import asyncio
import os
import wave
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING

import pytest

from wic.errors import ConfigurationError
from wic.media import Echo, PcmFrame, PcmSource, Silence, Source, Tone, WavFile, sources
from wic.media.codecs import audio_codec
from wic.media.g711 import MU_LAW
from wic.media.playback import ClipPlayback, EchoPlayback, LivePlayback, StreamPlayback
from wic.sdp.codecs import G722, OPUS, PCMA, PCMU, Codec

if TYPE_CHECKING:
    from pathlib import Path

Level = Callable[[bytes, int, float], float]


def decoded(source: Source, codec: Codec, frames: int) -> bytes:
    spoken = audio_codec(codec)
    playback, decoder = source.play(spoken), spoken.decoder()
    payloads = [playback.next_payload() for _ in range(frames)]
    return b"".join(decoder.decode(payload) or b"" for payload in payloads if payload)


@pytest.fixture
def wav(tmp_path: Path, sine: Callable[..., bytes]) -> Path:
    path = tmp_path / "tone.wav"
    with wave.open(str(path), "wb") as writer:
        writer.setparams((2, 2, 22050, 0, "NONE", ""))
        writer.writeframes(sine(440, 22050, 1.0, channels=2))
    return path


@pytest.mark.parametrize("codec", [OPUS, G722, PCMU, PCMA], ids=lambda codec: codec.name)
@pytest.mark.parametrize(("hz", "level"), [(440, -12.0), (1004, -3.0)])
def test_a_tone_has_its_frequency_and_level_over_the_loops_end(
    codec: Codec, hz: int, level: float, tone_level: Level
) -> None:
    heard = decoded(Tone(hz, level), codec, 125)
    rate = audio_codec(codec).rate
    steady = heard[len(heard) // 5 :]
    assert tone_level(steady, rate, hz) == pytest.approx(level, abs=0.3)
    assert tone_level(steady, rate, 2 * hz) < level - 30


def test_a_tone_is_encoded_once_for_all_calls() -> None:
    first, second = (Tone(440).play(audio_codec(PCMU)) for _ in range(2))
    assert isinstance(first, ClipPlayback)
    assert isinstance(second, ClipPlayback)
    assert first.payloads is second.payloads


@pytest.mark.parametrize(("hz", "level", "reason"), [(0, -12, "0 Hz"), (4000, -12, "4000 Hz"), (440, 3, "3 dBFS")])
def test_a_tone_that_no_codec_carries_is_refused(hz: float, level: float, reason: str) -> None:
    with pytest.raises(ConfigurationError, match=reason):
        Tone(hz, level)


def test_silence_is_silent() -> None:
    assert decoded(Silence(), PCMU, 10) == bytes(3200)


@pytest.mark.parametrize("codec", [OPUS, G722, PCMU, PCMA], ids=lambda codec: codec.name)
def test_a_wav_file_is_recognisable_in_every_codec(wav: Path, codec: Codec, tone_level: Level) -> None:
    heard = decoded(WavFile(wav), codec, 50)
    assert tone_level(heard[len(heard) // 4 :], audio_codec(codec).rate, 440) == pytest.approx(-12, abs=0.5)


def test_a_wav_file_ends_unless_it_loops(wav: Path) -> None:
    once, again = (WavFile(wav, loop=loop).play(audio_codec(PCMU)) for loop in (False, True))
    assert [once.next_payload() for _ in range(51)][-1] is None
    assert [again.next_payload() for _ in range(51)][-1] is not None


def test_a_file_that_changes_is_read_again(wav: Path) -> None:
    first = WavFile(wav).play(audio_codec(PCMU))
    os.utime(wav, (1, 1))
    second = WavFile(wav).play(audio_codec(PCMU))
    assert isinstance(first, ClipPlayback)
    assert isinstance(second, ClipPlayback)
    assert first.payloads is not second.payloads


def test_a_long_file_is_encoded_as_it_plays(wav: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "MAX_CLIP_SECONDS", 0.5)
    playback = WavFile(wav).play(audio_codec(PCMU))
    assert isinstance(playback, StreamPlayback)
    assert playback.next_payload()


def test_a_file_that_cannot_be_played_is_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="no such file"):
        WavFile(tmp_path / "gone.wav")


async def test_a_program_speaks() -> None:
    source = PcmSource()
    await source.say(PcmFrame(b"\x00\x20" * 160, 8000))
    playback = source.play(audio_codec(PCMU))
    assert isinstance(playback, LivePlayback)
    assert playback.next_payload() == MU_LAW.encode(b"\x00\x20" * 160)


async def test_an_iterator_is_read_while_it_is_played() -> None:
    async def frames() -> AsyncIterator[PcmFrame]:
        while True:
            yield PcmFrame(b"\x00\x20" * 160, 8000)

    source = PcmSource(frames())
    first = source.play(audio_codec(PCMU))
    await asyncio.sleep(0)
    assert first.next_payload() == MU_LAW.encode(b"\x00\x20" * 160)
    second = source.play(audio_codec(PCMA))  # another codec in the same call
    first.close()
    reading = source._reading
    assert reading is not None
    await asyncio.sleep(0)
    assert not reading.done()
    assert second.next_payload()
    second.close()
    await asyncio.wait([reading])
    assert reading.cancelled()


def test_an_echo_plays_what_it_hears() -> None:
    assert isinstance(Echo().play(audio_codec(PCMU)), EchoPlayback)
