"""Tones as evidence: written to a file, and measured in received audio by frequency and level."""

from __future__ import annotations

import array
import math
import wave
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

FULL_SCALE = 32768.0
WINDOW_SECONDS = 0.2
"""Long enough to tell 5 Hz apart."""


@dataclass(frozen=True, slots=True)
class Heard:
    """The strongest tone of a recording."""

    frequency: float
    """Hertz."""
    level: float
    """Level of that tone alone, in dB below a full-scale sine."""
    share: float
    """Share of the window's power in that tone, 0 to 1."""


def write(path: Path, frequency: float, *, level: float = -10.0, seconds: float = 5.0, rate: int = 8000) -> Path:
    """Write a WAV of one tone, `level` dB below a full-scale sine; it can be played in a loop."""
    peak = FULL_SCALE * 10 ** (level / 20) - 1
    angle = 2 * math.pi * frequency / rate
    samples = array.array("h", (round(peak * math.sin(angle * n)) for n in range(int(rate * seconds))))
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(samples.tobytes())
    return path


def listen(path: Path) -> Heard:
    """Find the strongest tone in the loudest stretch of a 16-bit WAV, its first channel."""
    with wave.open(str(path), "rb") as file:
        rate, channels = file.getframerate(), file.getnchannels()
        samples = array.array("h", file.readframes(file.getnframes()))[::channels]
    return measure(samples, rate)


def measure(samples: array.array[int], rate: int) -> Heard:
    """Find the strongest tone in the loudest stretch of 16-bit samples."""
    length = int(rate * WINDOW_SECONDS)
    windows = [samples[start : start + length] for start in range(0, len(samples) - length + 1, length)]
    if not windows:
        return Heard(0.0, -math.inf, 0.0)
    loudest = max(windows, key=_power)
    total = _power(loudest)
    if total == 0:
        return Heard(0.0, -math.inf, 0.0)
    step = 1 / WINDOW_SECONDS
    top = min(4000.0, rate / 2)
    power, frequency = max((_goertzel(loudest, n * step / rate), n * step) for n in range(20, int(top / step)))
    return Heard(frequency, 10 * math.log10(2 * power / FULL_SCALE**2 or 1e-12), min(1.0, power / total))


def _power(samples: array.array[int]) -> float:
    return sum(sample * sample for sample in samples) / len(samples)


def _goertzel(samples: array.array[int], turns: float) -> float:
    """Compute the mean power at one frequency, in turns per sample."""
    factor = 2 * math.cos(2 * math.pi * turns)
    before = last = 0.0
    for sample in samples:
        before, last = last, sample + factor * last - before
    return 2 * (last * last + before * before - factor * last * before) / len(samples) ** 2
