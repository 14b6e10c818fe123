from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from wic.media.codecs import audio_codec
from wic.media.g711 import MU_LAW
from wic.media.pcm import PcmFrame
from wic.media.playback import MAX_ECHOED, ClipPlayback, EchoPlayback, LivePlayback, PcmQueue, StreamPlayback
from wic.sdp.codecs import PCMU

if TYPE_CHECKING:
    from collections.abc import Callable

CODEC = audio_codec(PCMU)
SILENCE = MU_LAW.encode(bytes(320))
LOUD = b"\x00\x20" * 160


def test_a_clip_ends_or_loops() -> None:
    once = ClipPlayback((b"1", b"2"), loop=False)
    assert [once.next_payload() for _ in range(3)] == [b"1", b"2", None]
    again = ClipPlayback((b"1", b"2"), loop=True)
    assert [again.next_payload() for _ in range(5)] == [b"1", b"2", b"1", b"2", b"1"]
    assert again.heard is None
    again.close()


def test_a_stream_is_cut_into_frames_and_its_end_filled_up() -> None:
    playback = StreamPlayback(CODEC, lambda: iter((LOUD[:100], LOUD[:220], LOUD[:10])), loop=False)
    assert playback.next_payload() == MU_LAW.encode(LOUD)
    assert playback.next_payload() == MU_LAW.encode(LOUD[:10].ljust(320, b"\x00"))
    assert playback.next_payload() is None


def test_a_stream_loops_until_it_is_closed() -> None:
    playback = StreamPlayback(CODEC, lambda: iter((LOUD,)), loop=True)
    assert [playback.next_payload() for _ in range(3)] == [MU_LAW.encode(LOUD)] * 3
    playback.close()
    assert playback.next_payload() is None


def test_a_stream_that_gives_nothing_does_not_loop_for_ever() -> None:
    assert StreamPlayback(CODEC, lambda: iter(()), loop=True).next_payload() is None


async def test_frames_are_sent_with_silence_between() -> None:
    queue = PcmQueue()
    playback = LivePlayback(CODEC, queue)
    assert playback.next_payload() == SILENCE
    await queue.put(PcmFrame(LOUD + LOUD[:100], 8000))
    assert playback.next_payload() == MU_LAW.encode(LOUD)
    assert playback.next_payload() == MU_LAW.encode(LOUD[:100].ljust(320, b"\x00"))
    assert playback.next_payload() == SILENCE
    playback.close()


async def test_other_rates_are_converted(
    sine: Callable[..., bytes], tone_level: Callable[[bytes, int, float], float]
) -> None:
    queue = PcmQueue()
    playback = LivePlayback(CODEC, queue)
    pcm = sine(440, 48000, 0.4)
    payloads = []
    for start in range(0, len(pcm), 960):
        await queue.put(PcmFrame(pcm[start : start + 960], 48000))
        if start % 1920:
            payloads.append(playback.next_payload() or b"")
    heard = MU_LAW.decode(b"".join(payloads))
    assert tone_level(heard[640:], 8000, 440) == pytest.approx(-12, abs=0.5)
    await queue.put(PcmFrame(LOUD, 8000))
    assert playback.next_payload() is not None


async def test_a_program_that_is_faster_than_time_waits() -> None:
    queue = PcmQueue()
    for _ in range(25):
        await queue.put(PcmFrame(LOUD, 8000))
    more = asyncio.create_task(queue.put(PcmFrame(LOUD, 8000)))
    await asyncio.sleep(0)
    assert not more.done()
    assert queue.get() is not None
    await more
    taken = 0
    while queue.get() is not None:
        taken += 1
    assert taken == 25


def test_an_echo_gives_back_what_it_heard_one_at_a_time() -> None:
    echo = EchoPlayback()
    assert echo.heard is not None
    assert echo.next_payload() is None
    echo.heard(b"1")
    assert echo.next_payload() is None  # one in reserve
    echo.heard(b"2")
    assert [echo.next_payload() for _ in range(3)] == [b"1", b"2", None]
    echo.heard(b"3")
    assert echo.next_payload() is None


def test_an_echo_keeps_little() -> None:
    echo = EchoPlayback()
    assert echo.heard is not None
    for number in range(100):
        echo.heard(bytes([number]))
    assert echo.next_payload() == bytes([100 - MAX_ECHOED])
    echo.close()
    assert echo.next_payload() is None
