"""`wic call` and `wic answer` as two processes, as in two terminals: the recording has the tones that were played."""

from __future__ import annotations

import array
import json
import math
import statistics
import wave

import pytest

TONES = (523.0, 1207.0)
STRANGERS = (330.0, 880.0, 1750.0, 2600.0)
CALL_KEYS = {"outcome", "status", "reason", "call_id", "timings", "media", "channels", "emergency"}
MEDIA_KEYS = {"kind", "codec", "sent", "received", "lost", "jitter_ms", "mos"}


def power_at(samples: array.array[int], rate: int, hz: float) -> float:
    """The share of the sound's power that is at one frequency (Goertzel)."""
    step = 2 * math.pi * hz / rate
    real = sum(sample * math.cos(step * index) for index, sample in enumerate(samples))
    imaginary = sum(sample * math.sin(step * index) for index, sample in enumerate(samples))
    return 2 * (real**2 + imaginary**2) / (len(samples) * sum(sample * sample for sample in samples))


@pytest.mark.timeout(60)
@pytest.mark.parametrize("rate", [44_100, 11_025])
def test_a_wav_file_of_an_odd_rate_arrives(start_wic, lab, tmp_path, make_wav, rate) -> None:
    """It is stereo, one tone left and one right; the other side has both, in mono, and nothing else."""
    speech = make_wav(tmp_path / "speech.wav", *TONES, rate=rate, seconds=2.0)
    record = ("--calls", "1", "--record", tmp_path / "heard.wav")
    called = start_wic("answer", "bob", "--accounts", lab.accounts, "--json", *record)
    lab.do(lab.registered("bob"))
    words = ("--accounts", lab.accounts, "--json", "--play", speech, "--send", "hello", "--pcap", "both.pcapng")
    calling = start_wic("call", "alice", "sip:bob@ims.example", *words)
    reports = {}
    for name, process in (("alice", calling), ("bob", called)):
        out, err = process.communicate(timeout=30)
        assert process.returncode == 0, err
        reports[name] = json.loads(out)

    for report in reports.values():
        assert set(report) >= CALL_KEYS
        assert set(report["media"][0]) >= MEDIA_KEYS
        assert (report["outcome"], report["status"], report["emergency"]) == ("completed", 200, False)
        assert report["media"][0]["lost"] == 0
    assert reports["alice"]["channels"][0]["sent"] == reports["bob"]["channels"][0]["received"] == 1
    assert reports["alice"]["timings"]["duration_ms"] >= 1900
    assert (tmp_path / "both.pcapng").stat().st_size > 1000

    with wave.open(str(tmp_path / "heard.wav")) as heard:
        assert (heard.getnchannels(), heard.getsampwidth()) == (1, 2)
        samples = array.array("h", heard.readframes(heard.getnframes()))
        hz = heard.getframerate()
    assert len(samples) / hz > 1.5
    # In pieces: where a busy machine delayed packets, the play-out may slip between two of them.
    pieces = [samples[start : start + hz // 10] for start in range(0, len(samples) - hz // 10, hz // 10)]

    def share(tone: float) -> float:
        return statistics.median(power_at(piece, hz, tone) for piece in pieces)

    assert share(TONES[0]) > 0.3
    assert share(TONES[1]) > 0.3
    assert share(TONES[0]) + share(TONES[1]) > 0.9
    assert all(share(tone) < 0.02 for tone in STRANGERS)
