from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from wic.media.pcm import PcmFrame, Resampler

if TYPE_CHECKING:
    from collections.abc import Callable


def test_a_frame_shows_no_samples_in_its_repr() -> None:
    assert repr(PcmFrame(bytes(4), 8000)) == "PcmFrame(rate=8000)"


@pytest.mark.parametrize(("source", "target"), [(8000, 48000), (44100, 8000), (11025, 16000)])
def test_the_tone_stays_and_the_length_fits(
    source: int, target: int, sine: Callable[..., bytes], tone_level: Callable[[bytes, int, float], float]
) -> None:
    resampler = Resampler(source, target)
    pcm = sine(440, source, 1.0)
    pieces = [resampler.convert(pcm[start : start + 882]) for start in range(0, len(pcm), 882)]
    result = b"".join([*pieces, resampler.flush()])
    assert len(result) / 2 == pytest.approx(target, abs=target * 0.002)
    assert tone_level(result, target, 440) == pytest.approx(-12, abs=0.2)


def test_the_same_rate_changes_nothing() -> None:
    resampler = Resampler(8000, 8000)
    assert resampler.convert(b"\x01\x02") == b"\x01\x02"
    assert resampler.flush() == b""
    assert Resampler(8000, 16000).convert(b"") == b""
