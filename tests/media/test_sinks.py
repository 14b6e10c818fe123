from __future__ import annotations

import asyncio

from wic.media import Count, PcmFrame, PcmSink

FRAMES = [PcmFrame(bytes([number, 0]), 8000) for number in range(5)]


async def test_frames_are_iterated_as_they_come_until_the_end() -> None:
    sink = PcmSink()
    reading = asyncio.create_task(_read(sink))
    for frame in FRAMES:
        sink.write(frame)
        await asyncio.sleep(0)
    sink.close()
    assert await reading == FRAMES
    assert sink.dropped == 0


async def test_a_slow_reader_loses_the_oldest() -> None:
    sink = PcmSink(max_unread=2)
    for frame in FRAMES:
        sink.write(frame)
    sink.close()
    assert await _read(sink) == FRAMES[3:]
    assert sink.dropped == 3


def test_counting_wants_no_pcm() -> None:
    sink = Count()
    assert not sink.wants_pcm
    sink.write(FRAMES[0])
    sink.close()


async def _read(sink: PcmSink) -> list[PcmFrame]:
    return [frame async for frame in sink]
