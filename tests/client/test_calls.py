from __future__ import annotations

import asyncio
import json

import pytest

from wic.client import CallOutcome
from wic.errors import CallRejected
from wic.media import Count, Silence, Tone


async def take_call(client):
    return await anext(client.incoming())


async def test_a_call_with_tone_and_data(home):
    async with home.client("alice") as alice, home.client("bob") as bob:
        call = await alice.call("sip:bob@ims.example", audio=Tone(440))
        other = await take_call(bob)
        assert str(other.peer.uri) == "sip:alice@ims.example"
        await call.ringing()
        answering = asyncio.create_task(other.answer(audio=Silence(), sinks=[Count()]))
        await call.answered(timeout=10)
        await answering
        frame = await anext(other.audio)
        assert frame.seconds == pytest.approx(0.02)

        async def echo_channel():
            channel = await anext(other.channels())
            assert channel.label == "chat"
            await channel.send(await anext(channel))

        echoing = asyncio.create_task(echo_channel())
        async with call.open_channel("chat") as channel:
            await channel.send("hello")
            assert await anext(channel) == "hello"
        await echoing
        await call.hangup()
        report = call.report()
        assert report.outcome is CallOutcome.COMPLETED
        assert report.status == 200
        assert report.media[0].codec == "opus"
        assert report.media[0].sent > 0
        assert report.channels[0].label == "chat"
        assert (report.channels[0].sent, report.channels[0].received) == (1, 1)
        assert report.timings["invite_to_ringing_ms"] <= report.timings["invite_to_answer_ms"]
        assert report.timings["duration_ms"] > 0
        assert json.loads(report.to_json())["call_id"] == call.call_id
        there = await other.ended()
        assert there.outcome is CallOutcome.COMPLETED
        assert there.reason == "the other side hung up"
        assert there.media[0].received > 0


async def test_an_unknown_target(home):
    async with home.client("alice") as alice:
        call = await alice.call("nobody@ims.example")
        with pytest.raises(CallRejected, match="nobody by that name") as caught:
            await call.answered(timeout=10)
        assert caught.value.response.status == 404
        report = await call.ended()
        assert (report.outcome, report.status) == (CallOutcome.REJECTED, 404)
