from __future__ import annotations

from collections.abc import Callable

import av
import pytest
from av.codec.codec import UnknownCodecError

from wic.errors import MediaFailed
from wic.media import available_codecs, codecs
from wic.media.codecs import audio_codec
from wic.sdp.codecs import AUDIO_CODECS, G722, OPUS, PCMA, PCMU, Codec

SPOKEN = [OPUS, G722, PCMU, PCMA]
Level = Callable[[bytes, int, float], float]


@pytest.mark.parametrize("codec", SPOKEN, ids=lambda codec: codec.name)
def test_a_tone_keeps_frequency_and_level(codec: Codec, sine: Callable[..., bytes], tone_level: Level) -> None:
    spoken = audio_codec(codec)
    encoder, decoder = spoken.encoder(), spoken.decoder()
    pcm = sine(440, spoken.rate, 1.0)
    heard = b""
    for start in range(0, len(pcm), spoken.frame_octets):
        samples = decoder.decode(encoder.encode(pcm[start : start + spoken.frame_octets]))
        assert samples is not None
        heard += samples
    steady = heard[len(heard) // 2 :]
    assert tone_level(steady, spoken.rate, 440) == pytest.approx(-12, abs=0.2)
    assert tone_level(steady, spoken.rate, 1000) < -50


@pytest.mark.parametrize("codec", SPOKEN, ids=lambda codec: codec.name)
def test_an_empty_payload_is_no_sound(codec: Codec) -> None:
    assert audio_codec(codec).decoder().decode(b"") is None


def test_octets_that_are_no_opus_are_refused() -> None:
    assert audio_codec(OPUS).decoder().decode(b"\xff\xff\xff") is None


def test_clocks_and_frames() -> None:
    assert [(audio_codec(codec).frame_octets, audio_codec(codec).frame_clock) for codec in SPOKEN] == [
        (1920, 960),
        (640, 160),  # RFC 3551 §4.5.2: a clock of 8 kHz for 16,000 samples
        (320, 160),
        (320, 160),
    ]


def test_all_of_the_catalogue_is_offered_by_a_full_build() -> None:
    assert available_codecs() == AUDIO_CODECS


def test_a_codec_that_is_missing_is_not_promised(monkeypatch: pytest.MonkeyPatch) -> None:
    def without_opus(name: str, mode: str) -> object:
        if name == "libopus":
            raise UnknownCodecError(name)
        return full(name, mode)  # type: ignore[call-overload]

    full = av.Codec
    monkeypatch.setattr(av, "Codec", without_opus)
    codecs._built_in.cache_clear()
    assert OPUS not in available_codecs()
    assert G722 in available_codecs()
    with pytest.raises(MediaFailed, match="opus is not in this build"):
        audio_codec(OPUS)
    codecs._built_in.cache_clear()


def test_an_unknown_codec_is_refused() -> None:
    with pytest.raises(MediaFailed, match="EVS"):
        audio_codec(Codec("EVS", 96, 16000))
