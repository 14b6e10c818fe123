from __future__ import annotations

import errno
import os
import resource
import signal
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


def test_a_file_that_is_cut_off_is_refused(tmp_path: Path) -> None:
    path = write_wav(tmp_path / "cut.wav", bytes(16000), 8000)
    whole = path.read_bytes()
    path.write_bytes(whole[:-1000])
    with pytest.raises(
        ConfigurationError, match="cut off; its header announces 16000 octets of sound, and 15000 are there"
    ):
        check_wav(path)
    odd = whole[:12] + b"junk\x03\x00\x00\x00abc\x00" + whole[12:]
    path.write_bytes(odd)
    assert check_wav(path) == pytest.approx(1.0)


@pytest.mark.parametrize("size", [0, 0x7FFF_FFDB, 0xFFFF_FFFF])
def test_a_file_that_came_through_a_pipe_has_no_size(tmp_path: Path, size: int) -> None:
    path = write_wav(tmp_path / "piped.wav", bytes(16000), 8000)
    whole = path.read_bytes()
    path.write_bytes(whole[:40] + struct.pack("<I", size) + whole[44:])
    assert check_wav(path) == pytest.approx(1.0)


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


@pytest.mark.parametrize("before", [None, b"of yesterday"])
def test_nothing_heard_leaves_the_file_as_it_was(tmp_path: Path, before: bytes | None) -> None:
    path = tmp_path / "out.wav"
    if before is not None:
        path.write_bytes(before)
    WavRecorder(path).close()
    assert (path.read_bytes() if path.exists() else None) == before


def test_a_recording_is_readable_by_its_owner_only(tmp_path: Path) -> None:
    recorder = WavRecorder(tmp_path / "out.wav")
    recorder.write(PcmFrame(bytes(320), 8000))
    recorder.close()
    assert recorder.path.stat().st_mode & 0o777 == 0o600


def test_a_file_is_replaced_only_if_that_is_allowed(tmp_path: Path) -> None:
    path = tmp_path / "out.wav"
    path.write_bytes(b"precious" * 999)
    (tmp_path / "link.wav").symlink_to(path)
    (tmp_path / "dangling.wav").symlink_to(tmp_path / "nothing.wav")
    for name in ("out.wav", "link.wav", "dangling.wav"):
        with pytest.raises(ConfigurationError, match="File exists"):
            WavRecorder(tmp_path / name, overwrite=False)
    recorder = WavRecorder(path)
    recorder.write(PcmFrame(bytes(320), 8000))
    recorder.close()
    assert path.stat().st_size == 44 + 320


def test_a_file_that_comes_into_being_meanwhile_stays(tmp_path: Path) -> None:
    recorder = WavRecorder(tmp_path / "out.wav", overwrite=False)
    recorder.path.write_bytes(b"precious")
    recorder.write(PcmFrame(bytes(320), 8000))
    recorder.close()
    assert recorder.path.read_bytes() == b"precious"
    assert isinstance(recorder.failure, FileExistsError)


def test_a_device_takes_a_recording() -> None:
    recorder = WavRecorder("/dev/null", overwrite=False)
    recorder.write(PcmFrame(bytes(320), 8000))
    recorder.close()
    assert recorder.failure is None


def test_a_pipe_takes_a_recording(tmp_path: Path) -> None:
    path = tmp_path / "pipe.wav"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    recorder = WavRecorder(path, overwrite=False)
    recorder.write(PcmFrame(bytes(320), 8000))
    recorder.close()
    assert recorder.failure is None
    assert os.read(reader, 1000).startswith(b"RIFF")
    os.close(reader)


def test_a_disk_that_takes_a_part_ends_the_recording(tmp_path: Path) -> None:
    recorder = WavRecorder(tmp_path / "out.wav")
    recorder.write(PcmFrame(bytes(320), 8000))
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (44 + 320 + 100, before[1]))
        recorder.write(PcmFrame(bytes(320), 8000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, ignored)
    recorder.close()
    assert isinstance(recorder.failure, OSError)
    with wave.open(str(recorder.path)) as reader:
        assert reader.getnframes() == 160


def test_a_place_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "folder").mkdir()
    for place in ("missing/out.wav", "file/out.wav", "folder"):
        with pytest.raises(ConfigurationError, match=f"Cannot record to .*{place}: "):
            WavRecorder(tmp_path / place)


def test_a_place_that_may_not_be_written_is_one_sentence(tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "old.wav").write_bytes(b"old")
    monkeypatch.setattr(os, "access", lambda *_: False)  # a superuser may write anywhere
    for name in ("old.wav", "new.wav"):
        with pytest.raises(ConfigurationError, match="Permission denied"):
            WavRecorder(tmp_path / name)


@pytest.mark.parametrize("overwrite", [True, False])
def test_a_name_that_cannot_be_looked_up_is_one_sentence(tmp_path: Path, monkeypatch, *, overwrite: bool) -> None:
    """A superuser may search any directory, hence the error is made for one of them."""
    with pytest.raises(ConfigurationError, match="File name too long"):
        WavRecorder(tmp_path / f"{'a' * 300}.wav", overwrite=overwrite)
    monkeypatch.setattr(os, "stat", lambda *_, **__: (_ for _ in ()).throw(PermissionError(errno.EACCES, "denied")))
    with pytest.raises(ConfigurationError, match="Permission denied"):
        WavRecorder(tmp_path / "out.wav", overwrite=overwrite)


def test_a_pipe_that_no_one_reads_ends_the_recording_and_not_the_call(tmp_path: Path) -> None:
    path = tmp_path / "pipe.wav"
    os.mkfifo(path)
    recorder = WavRecorder(path, overwrite=False)
    recorder.write(PcmFrame(bytes(320), 8000))  # opening it would wait for a reader, and all calls with it
    recorder.close()
    assert isinstance(recorder.failure, OSError)


def test_a_full_disk_ends_the_recording_and_not_the_call() -> None:
    recorder = WavRecorder("/dev/full")
    for _ in range(2000):
        recorder.write(PcmFrame(bytes(320), 8000))
    recorder.close()
    assert isinstance(recorder.failure, OSError)
