from __future__ import annotations

import asyncio
import json
import math
from array import array

import pytest

from wic.client import CallOutcome
from wic.errors import (
    CallCancelled,
    CallRejected,
    ConfigurationError,
    LocalProtocolError,
    MediaFailed,
)
from wic.media import Count, PcmFrame, Silence, Tone
from wic.sdp.codecs import PCMA, PCMU
from wic.sip.message import Request


class CountedSink:
    wants_pcm = True

    def __init__(self):
        self.frames = 0
        self.closed = False

    def write(self, frame):
        self.frames += 1

    def close(self):
        self.closed = True


def level_at(samples, rate, hz):
    """The share of the power at one frequency (Goertzel)."""
    step = 2 * math.pi * hz / rate
    real = sum(value * math.cos(step * n) for n, value in enumerate(samples))
    imaginary = sum(value * math.sin(step * n) for n, value in enumerate(samples))
    power = sum(value * value for value in samples) or 1
    return 2 * (real * real + imaginary * imaginary) / (len(samples) * power)


async def test_a_call_with_tone_and_data(home):
    async with home.client("alice") as alice, home.client("bob") as bob:
        call = await alice.call("sip:bob@ims.example", audio=Tone(440))
        assert not call.incoming
        other = await home.take(bob)
        assert other.incoming
        assert str(other.peer.uri) == "sip:alice@ims.example"
        await call.ringing()
        answering = asyncio.create_task(other.answer(audio=Silence(), sinks=[Count()]))
        await call.answered(timeout=10)
        await answering
        assert alice.calls == (call,)

        async def echo_channel():
            channel = await anext(other.channels())
            assert channel.label == "chat"
            await channel.send(await anext(channel))

        echoing = asyncio.create_task(echo_channel())
        async with call.open_channel("chat") as channel:
            await channel.send("hello")
            assert await anext(channel) == "hello"
        await echoing
        await anext(other.audio)
        assert call.report().outcome is CallOutcome.ACTIVE
        assert call.report().timings["duration_ms"] > 0
        await call.hangup()
        assert alice.calls == ()
        report = call.report()
        assert report.outcome is CallOutcome.COMPLETED
        assert (report.status, report.direction, report.peer) == (200, "outgoing", "sip:bob@ims.example")
        assert report.media[0].codec == "opus"
        assert report.media[0].sent > 0
        assert (report.channels[0].label, report.channels[0].sent, report.channels[0].received) == ("chat", 1, 1)
        assert report.timings["invite_to_ringing_ms"] <= report.timings["invite_to_answer_ms"]
        assert report.timings["invite_to_first_media_ms"] is not None
        assert json.loads(report.to_json())["call_id"] == call.call_id
        there = await other.ended()
        assert there.outcome is CallOutcome.COMPLETED
        assert there.reason == "the other side hung up"
        assert there.media[0].received > 0
        assert [channel async for channel in other.channels()] == []
        with pytest.raises(MediaFailed, match="no data channels"):
            await call.open_channel("late").__aenter__()


async def test_a_tone_arrives_as_it_was_played(home):
    async with home.client("alice", codecs=(PCMU,)) as alice, home.client("bob") as bob:
        call, other = await home.connect(alice, bob, audio=Tone(1000), data=False)
        frames = other.audio
        sinks = [CountedSink(), CountedSink()]
        other.listen(sinks[0])
        for _ in range(20):
            await anext(frames)
        frame = await anext(frames)
        assert level_at(array("h", frame.data), frame.rate, 1000) > 0.9
        assert call.report().media[0].codec == "PCMU"
        await other.hangup()
        assert (await call.ended()).outcome is CallOutcome.COMPLETED
        other.listen(sinks[1])
        assert [sink.closed for sink in sinks] == [True, True]
        assert sinks[0].frames > 0


async def test_the_echo_bot_of_the_readme(home):
    async def bot(client):
        async for call in client.incoming():
            await call.answer()
            async for frame in call.audio:
                await call.say(frame)

    async with home.client("alice") as alice, home.client("bob") as bob:
        talking = asyncio.create_task(bot(bob))
        for _ in range(2):
            call = await alice.call("sip:bob@ims.example", audio=Tone(500))
            frames = call.audio
            await call.answered(timeout=10)

            async for frame in frames:
                if level_at(array("h", frame.data), frame.rate, 500) > 0.8:
                    break
            else:
                pytest.fail("the call ended before its tone came back")
            await call.hangup()
        talking.cancel()


async def test_saying_does_not_outlast_the_call(home):
    async with home.client("alice") as alice, home.client("bob") as bob:
        call = await alice.call("sip:bob@ims.example")
        other = await home.take(bob)
        frame = PcmFrame(bytes(16000), 8000)
        saying = asyncio.create_task(call.say(frame))
        await saying
        blocked = asyncio.create_task(call.say(frame))
        await asyncio.sleep(0.6)
        assert not blocked.done()
        await other.reject()
        await blocked
        call.play(None)
        await call.say(frame)
        assert [each async for each in call.audio] == []
        assert [each async for each in call.audio] == []


async def test_several_calls_at_once(home):
    async with home.client("alice") as alice, home.client("bob") as bob:
        pairs = [await home.connect(alice, bob, audio=Silence(), answer=Silence()) for _ in range(3)]
        assert len(alice.calls) == len(bob.calls) == 3
        await pairs[1][0].hangup()
        await asyncio.gather(pairs[0][0].hangup(), pairs[2][1].hangup())
        for call, other in pairs:
            assert (await call.ended()).outcome is CallOutcome.COMPLETED
            assert (await other.ended()).outcome is CallOutcome.COMPLETED


async def test_a_call_leaves_nothing_behind(home, nothing_left):
    async with home.client("alice") as alice, home.client("bob") as bob:
        before = None
        for number in range(6):
            call, other = await home.connect(alice, bob, audio=Silence(), answer=Silence())
            if number % 2:
                await call.hangup()
                await other.ended()
            else:
                await other.hangup()
                await call.ended()
            await home.until(lambda: not alice.tasks and not bob.tasks)
            before = before or nothing_left()
        assert nothing_left() == before
        assert not alice._calls
        assert not bob._calls


# refusals


async def test_an_unknown_target(home):
    async with home.client("alice") as alice:
        sink = CountedSink()
        call = await alice.call("unknown@ims.example", sinks=[sink])
        with pytest.raises(CallRejected, match="the called user is not known") as caught:
            await call.answered(timeout=10)
        assert caught.value.response.status == 404
        assert call.error is caught.value
        report = await call.ended()
        assert (report.outcome, report.status) == (CallOutcome.REJECTED, 404)
        assert report.timings["duration_ms"] is None
        assert sink.closed
        with pytest.raises(CallRejected):
            await call.ringing()


async def test_a_target_that_is_no_address(home):
    async with home.client("alice") as alice:
        with pytest.raises(ConfigurationError, match="write sip:user@domain"):
            await alice.call("bob")


@pytest.mark.parametrize(("status", "reason"), [(486, None), (603, "Not today")])
async def test_rejecting_a_call(home, status, reason):
    async with home.client("alice") as alice, home.client("bob") as bob:
        call = await alice.call("sip:bob@ims.example")
        other = await home.take(bob)
        with pytest.raises(LocalProtocolError):
            await other.reject(200)
        await other.reject(status, reason)
        with pytest.raises(CallRejected) as caught:
            await call.answered(timeout=10)
        assert caught.value.response.reason == (reason or "Busy Here")
        report = await other.ended()
        assert (report.outcome, report.status) == (CallOutcome.REJECTED, status)
        for forbidden in (call.answer, call.reject):
            with pytest.raises(LocalProtocolError):
                await forbidden()


async def test_a_call_that_is_not_answered_in_time(home):
    async with home.client("alice") as alice, home.client("bob", ring=False) as bob:
        call = await alice.call("sip:bob@ims.example")
        other = await home.take(bob)
        other.ring()
        await call.ringing()
        with pytest.raises(CallCancelled, match=r"within 0\.05 s"):
            await call.answered(timeout=0.05)
        assert (await call.ended()).outcome is CallOutcome.CANCELLED
        assert (await other.ended()).outcome is CallOutcome.CANCELLED
        await other.answer()
        with pytest.raises(LocalProtocolError, match="already"):
            await other.answer()


async def test_calls_that_are_not_taken_are_refused_beyond_a_limit(home):
    async with home.client("alice") as alice, home.client("bob", max_waiting_calls=1) as bob:
        first = await alice.call("sip:bob@ims.example")
        await first.ringing()
        second = await alice.call("sip:bob@ims.example")
        with pytest.raises(CallRejected, match="busy"):
            await second.answered(timeout=10)
        await first.hangup()
        await home.until(lambda: not bob._calls.waiting)
        third = await alice.call("sip:bob@ims.example")
        await third.ringing()
        await third.hangup()


async def test_no_codec_in_common(home):
    async with home.client("alice", codecs=(PCMU,)) as alice, home.client("bob", codecs=(PCMA,)) as bob:
        call = await alice.call("sip:bob@ims.example", data=False)
        with pytest.raises(CallRejected, match="none of the offered media") as caught:
            await call.answered(timeout=10)
        assert caught.value.response.status == 488
        assert "codec" in caught.value.response.headers.get("Warning")
        assert not bob.calls


async def test_audio_is_refused_and_data_accepted(home):
    async with home.client("alice", codecs=(PCMU,)) as alice, home.client("bob", codecs=(PCMA,)) as bob:
        call, other = await home.connect(alice, bob)
        async with call.open_channel("only") as channel:
            await channel.send(b"data")
        await call.hangup()
        assert call.report().media == ()
        assert (await other.ended()).outcome is CallOutcome.COMPLETED


async def test_data_is_refused_and_audio_accepted(home):
    def close_data(response):
        if response.status == 200 and response.cseq.method == "INVITE" and response.body:
            start = response.body.index(b"m=application")
            response.body = response.body[:start] + b"m=application 0 UDP/DTLS/SCTP webrtc-datachannel\r\n"

    home.tamper_response = close_data
    async with home.client("alice") as alice, home.client("bob", close_timeout=0.2) as bob:
        call = await alice.call("sip:bob@ims.example", audio=Silence())
        other = await home.take(bob)
        answering = asyncio.create_task(other.answer(audio=Silence()))
        await call.answered(timeout=10)
        with pytest.raises(MediaFailed, match="no data channels"):
            await call.open_channel("chat").__aenter__()
        await call.hangup()
        await answering


async def test_requests_outside_calls(home):
    async with home.client("bob") as bob:
        contact, flow = next(iter(home.contacts["bob"].values()))
        for method, status in [("OPTIONS", 200), ("INFO", 481), ("MESSAGE", 405)]:
            headers = [
                ("From", "<sip:x@ims.example>;tag=1"),
                ("To", "<sip:bob@ims.example>"),
                ("Call-ID", f"c{method}"),
                ("CSeq", f"1 {method}"),
            ]
            request = Request.build(method, contact.uri, headers)
            transaction = home.endpoint.send_request(request, flow, now=home.driver.now)
            home.driver.pump()
            await home.until(lambda transaction=transaction: transaction.response is not None)
            assert transaction.response.status == status
        assert not bob.calls


async def test_an_invite_without_offer(home):
    async with home.client("bob", close_timeout=0.2) as bob:
        contact, flow = next(iter(home.contacts["bob"].values()))
        headers = [
            ("From", "<sip:x@ims.example>;tag=1"),
            ("To", "<sip:bob@ims.example>"),
            ("Contact", "<sip:x@nowhere.invalid>"),
            ("Call-ID", "c1"),
            ("CSeq", "1 INVITE"),
        ]
        request = Request.build("INVITE", contact.uri, headers)
        transaction = home.endpoint.send_request(request, flow, now=home.driver.now)
        home.driver.pump()
        other = await home.take(bob)
        answering = asyncio.create_task(other.answer())
        await home.until(lambda: transaction.response is not None and transaction.response.status == 200)
        assert b"a=3ge2ae:requested" in transaction.response.body
        await other.hangup()
        await answering
