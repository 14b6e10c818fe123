from __future__ import annotations

import struct
import wave
from array import array
from typing import TYPE_CHECKING

import pytest

from wic.errors import ConfigurationError
from wic.media import PcmFrame, WavRecorder
from wic.media.wav import check_wav, read_wav

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def write_wav(path: Path, samples: bytes, rate: int, width: int = 2, channels: int = 1) -> Path:
    values = array("h", samples)
    packed = {
        1: lambda: bytes((value >> 8) + 128 for value in values),
        2: lambda: samples,
        3: lambda: b"".join((value << 8).to_bytes(3, "little", signed=True) for value in values),
        4: lambda: b"".join((value << 16).to_bytes(4, "little", signed=True) for value in values),
    }[width]()
    with wave.open(str(path), "wb") as writer:
        writer.setparams((channels, width, rate, 0, "NONE", ""))
        writer.writeframes(packed)
    return path


@pytest.mark.parametrize(
    ("rate", "width", "channels"),
    [(8000, 2, 1), (11025, 1, 2), (44100, 3, 1), (22050, 4, 2), (6000, 2, 1), (96000, 2, 6)],
)
def test_reads_any_rate_width_and_number_of_channels(
    tmp_path: Path,
    sine: Callable[..., bytes],
    tone_level: Callable[[bytes, int, float], float],
    rate: int,
    width: int,
    channels: int,
) -> None:
    path = write_wav(tmp_path / "tone.wav", sine(440, rate, 1.0, channels=channels), rate, width, channels)
    assert check_wav(path) == pytest.approx(1.0, abs=0.01)
    samples = b"".join(read_wav(path, 8000))
    assert len(samples) / 2 == pytest.approx(8000, abs=20)
    level = tone_level(samples, 8000, 440)
    if channels <= 2:
        assert level == pytest.approx(-12, abs=0.5)
    else:
        assert level > -24  # the mix of six channels has its own weights


def test_reads_floating_point(tmp_path: Path, sine: Callable[..., bytes]) -> None:
    values = [sample / 32768 for sample in array("h", sine(440, 8000, 0.5))]
    data = struct.pack(f"<{len(values)}f", *values)
    header = struct.pack(
        "<4sI4s4sIHHIIHH4sI",
        b"RIFF",
        36 + len(data),
        b"WAVE",
        b"fmt ",
        16,
        3,
        1,
        8000,
        32000,
        4,
        32,
        b"data",
        len(data),
    )
    path = tmp_path / "float.wav"
    path.write_bytes(header + data)
    assert len(b"".join(read_wav(path, 8000))) == pytest.approx(8000, abs=40)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "no such file"),
        (b"", "not a WAV file"),
        (b"RIFF\x04\x00\x00\x00WAVE", "not a WAV file|no sound"),
        (b"MThd", "not a WAV"),
    ],
)
def test_a_file_that_cannot_be_played_is_one_sentence(tmp_path: Path, content: bytes | None, reason: str) -> None:
    path = tmp_path / "bad.wav"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigurationError, match=reason):
        check_wav(path)


def test_a_file_without_samples_has_no_sound(tmp_path: Path) -> None:
    path = write_wav(tmp_path / "empty.wav", b"", 8000)
    with pytest.raises(ConfigurationError, match="Cannot play"):
        check_wav(path)


def test_a_file_that_goes_away_is_told_as_such(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="no such file"):
        next(read_wav(tmp_path / "gone.wav", 8000))


def test_records_what_it_is_given(tmp_path: Path, sine: Callable[..., bytes]) -> None:
    recorder = WavRecorder(tmp_path / "out.wav")
    pcm = sine(440, 16000, 0.1)
    recorder.write(PcmFrame(pcm[:640], 16000))
    recorder.write(PcmFrame(pcm[640:], 16000))
    recorder.close()
    recorder.close()
    recorder.write(PcmFrame(pcm, 16000))
    assert recorder.frames == 2
    with wave.open(str(recorder.path)) as reader:
        assert (reader.getframerate(), reader.getnchannels(), reader.getsampwidth()) == (16000, 1, 2)
        assert reader.readframes(10**6) == pcm


def test_nothing_heard_leaves_an_empty_file(tmp_path: Path) -> None:
    recorder = WavRecorder(tmp_path / "out.wav")
    recorder.close()
    assert recorder.path.read_bytes() == b""


def test_a_place_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="Cannot record to"):
        WavRecorder(tmp_path / "missing" / "out.wav")


def test_a_full_disk_ends_the_recording_and_not_the_call() -> None:
    recorder = WavRecorder("/dev/full")
    for _ in range(2000):
        recorder.write(PcmFrame(bytes(320), 8000))
    recorder.close()
    assert isinstance(recorder.failure, OSError)
