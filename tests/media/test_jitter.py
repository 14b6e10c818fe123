from __future__ import annotations

from array import array

import pytest

from wic.media.codecs import audio_codec
from wic.media.g711 import MU_LAW
from wic.media.jitter import MAX_PACKETS, JitterBuffer
from wic.sdp.codecs import OPUS, PCMU

LOUD = MU_LAW.encode(array("h", [8000] * 160).tobytes())
FRAME = MU_LAW.decode(LOUD)


def numbered(number: int) -> bytes:
    return bytes([number]) * 160


def played(buffer: JitterBuffer, ticks: int, jitter_ms: float = 0.0) -> list[bytes]:
    return [buffer.next_frames(jitter_ms) for _ in range(ticks)]


@pytest.fixture
def buffer() -> JitterBuffer:
    return JitterBuffer(audio_codec(PCMU))


def test_nothing_is_played_before_anything_came(buffer: JitterBuffer) -> None:
    assert played(buffer, 3) == [b"", b"", b""]
    assert buffer.delay_ms == 0


def test_plays_in_order_after_its_delay(buffer: JitterBuffer) -> None:
    buffer.put(160, numbered(2))
    assert played(buffer, 1) == [b""]  # one packet is no reserve
    buffer.put(0, numbered(1))
    assert buffer.delay_ms == 0
    expected = [MU_LAW.decode(numbered(number)) for number in (1, 2)]
    assert played(buffer, 2) == expected
    assert buffer.late == buffer.concealed == 0


def test_more_jitter_means_more_delay(buffer: JitterBuffer) -> None:
    for number in range(4):
        buffer.put(160 * number, numbered(number))
    assert played(buffer, 1, jitter_ms=40) == [b""]
    buffer.put(640, numbered(4))
    assert played(buffer, 1, jitter_ms=40) == [MU_LAW.decode(numbered(0))]
    assert buffer.delay_ms == pytest.approx(80)


def test_timestamps_may_wrap(buffer: JitterBuffer) -> None:
    start = 0xFFFFFFFF - 320
    for number in range(6):
        buffer.put(start + 160 * number & 0xFFFFFFFF, numbered(number))
    assert played(buffer, 6) == [MU_LAW.decode(numbered(number)) for number in range(6)]


def test_a_hole_is_filled_more_quietly_each_time(buffer: JitterBuffer) -> None:
    buffer.put(0, LOUD)
    buffer.put(160, LOUD)
    buffer.put(160 * 7, LOUD)
    frames = played(buffer, 8)
    assert frames[0] == frames[1] == FRAME
    levels = [array("h", frame)[0] for frame in frames[2:7]]
    assert levels[:3] == sorted(levels[:3], reverse=True)
    assert levels[0] == array("h", FRAME)[0] >> 1
    assert levels[3:] == [0, 0]
    assert frames[7] == FRAME
    assert buffer.concealed == 5


def test_a_packet_after_its_time_is_late(buffer: JitterBuffer) -> None:
    for timestamp in (0, 160, 480):
        buffer.put(timestamp, LOUD)
    played(buffer, 3)
    buffer.put(320, LOUD)
    assert buffer.late == 1


def test_after_a_silence_of_the_peer_the_buffer_fills_again(buffer: JitterBuffer) -> None:
    buffer.put(0, LOUD)
    buffer.put(160, LOUD)
    frames = played(buffer, 10)
    assert frames[6:] == [b""] * 4
    buffer.put(160 * 50, LOUD)
    buffer.put(160 * 51, LOUD)
    assert played(buffer, 2) == [FRAME, FRAME]


def test_a_long_hole_is_not_filled(buffer: JitterBuffer) -> None:
    buffer.put(0, LOUD)
    buffer.put(160, LOUD)
    buffer.put(8000 * 60, LOUD)
    buffer.put(8000 * 60 + 160, LOUD)
    frames = played(buffer, 5)
    assert frames == [FRAME, FRAME, b"", FRAME, FRAME]


def test_a_clock_turned_back_is_a_new_beginning(buffer: JitterBuffer) -> None:
    buffer.put(80000, LOUD)
    buffer.put(80160, LOUD)
    played(buffer, 2)
    buffer.put(0, LOUD)
    buffer.put(160, LOUD)
    assert played(buffer, 2) == [FRAME, FRAME]
    assert buffer.late == 0


def test_a_burst_does_not_stay_as_delay(buffer: JitterBuffer) -> None:
    for number in range(12):
        buffer.put(160 * number, LOUD)
    for number in range(12, 400):
        buffer.put(160 * number, LOUD)
        buffer.next_frames(0.0)
    assert buffer.delay_ms <= 100


def test_a_frame_is_left_out_half_a_second_after_a_beginning_with_a_burst(buffer: JitterBuffer) -> None:
    delays = []
    for number in range(12):
        buffer.put(160 * number, LOUD)
    for number in range(12, 12 + 25):
        buffer.next_frames(0.0)
        delays.append(buffer.delay_ms)
        buffer.put(160 * number, LOUD)
    assert delays == [220.0] * 24 + [200.0]


def test_packets_are_bounded(buffer: JitterBuffer) -> None:
    for number in range(3 * MAX_PACKETS):
        buffer.put(160 * number, LOUD)
    assert len(buffer._packets) == MAX_PACKETS


def test_other_packet_times_than_20_ms() -> None:
    buffer = JitterBuffer(audio_codec(PCMU))
    for number in range(5):
        buffer.put(240 * number, LOUD + LOUD[:80])  # 30 ms each
    sound = b"".join(played(buffer, 7))
    assert len(sound) == 2 * 240 * 5
    assert buffer.concealed == 0


def test_a_payload_that_cannot_be_decoded_is_counted_and_concealed() -> None:
    buffer = JitterBuffer(audio_codec(OPUS))
    buffer.put(0, b"\xff\xff\xff")
    buffer.put(960, b"\xff\xff\xff")
    assert played(buffer, 2) == [bytes(1920)] * 2
    assert buffer.undecodable == 2
