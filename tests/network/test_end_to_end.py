"""Two WICs of ours through the whole network: audio and a data channel, both ways."""

from __future__ import annotations

import asyncio
import gc
import os
from dataclasses import replace

import pytest

from tests.support.waiting import until
from wic.call import EmergencyCallRefused
from wic.client import Account, CallOutcome, Client
from wic.errors import CallRejected, RegistrationFailed
from wic.media import Echo, MediaTransport, Silence, Tone
from wic.sdp.attributes import Fingerprint


def client(ims, name):
    return Client(Account.load(name, path=ims.accounts_path))


async def test_a_call_with_audio_and_a_channel(ims):
    async with client(ims, "alice") as alice, client(ims, "bob") as bob:
        assert ims.epcscf.registrations == 2
        call = await alice.call("sip:bob@ims.example", audio=Tone(440))
        other = await anext(bob.incoming())
        assert str(other.peer.uri) == "sip:alice@ims.example"
        await other.answer(audio=Echo())
        await call.answered(timeout=10)
        async with asyncio.timeout(10):
            while not any(abs(sample) > 1000 for sample in memoryview((await anext(call.audio)).data).cast("h")):
                pass

        async def answer_channel():
            channel = await anext(other.channels())
            assert channel.label == "chat"
            async for message in channel:
                await channel.send(message)

        answering = asyncio.create_task(answer_channel())
        async with call.open_channel("chat") as channel:
            for message in ("hello", b"\x00\xff", "x" * 60_000):
                await channel.send(message)
                assert await anext(channel) == message
        await answering
        await other.hangup()
        await call.ended()
        for report in (call.report(), other.report()):
            assert report.outcome is CallOutcome.COMPLETED
            (audio,) = report.media
            assert (audio.codec, audio.lost) == ("opus", 0)
            assert audio.received > 0
        await until(lambda: ims.epcscf.calls == 0 and ims.agw.contexts == 0)
    assert ims.epcscf.registrations == 0
    assert ims.hss.bindings("alice@ims.example", now=0) == []


async def test_a_declined_call(ims):
    async with client(ims, "alice") as alice, client(ims, "bob") as bob:
        call = await alice.call("sip:bob@ims.example", audio=Silence())
        other = await anext(bob.incoming())
        await other.reject(603)
        with pytest.raises(CallRejected) as refused:
            await call.answered(timeout=10)
        assert refused.value.response is not None
        assert refused.value.response.status == 603
        await until(lambda: ims.agw.contexts == 0)


@pytest.mark.parametrize("dialled", ["112", "sip:911@ims.example"])
async def test_an_emergency_call(ims, dialled):
    """TS 24.371 §7.2.4: the user is told, and it is not tried again."""
    async with client(ims, "alice") as alice:
        call = await alice.call(dialled, audio=Silence())
        with pytest.raises(EmergencyCallRefused, match="takes this for an emergency call"):
            await call.answered(timeout=10)
        report = call.report()
        assert (report.emergency, report.outcome, report.status) == (True, CallOutcome.REJECTED, 380)


async def test_a_wrong_password(ims):
    entry = dict(ims.accounts.get("alice"))
    ims.accounts.put("alice", {**entry, "password": "wrong"})
    with pytest.raises(RegistrationFailed, match=r"403 .*; check the private identity and the password"):
        async with client(ims, "alice"):
            pass
    assert ims.hss.bindings("alice@ims.example", now=0) == []


async def test_calls_leave_nothing_behind(ims):
    def descriptors() -> int:
        gc.collect()
        return len(os.listdir("/proc/self/fd"))

    async with client(ims, "alice") as alice, client(ims, "bob") as bob:
        before = 0
        for number in range(8):
            call = await alice.call("sip:bob@ims.example", audio=Silence())
            other = await anext(bob.incoming())
            await other.answer(audio=Silence())
            await call.answered(timeout=10)
            await call.hangup()
            await other.ended()
            await until(lambda: ims.epcscf.calls == 0 and ims.agw.contexts == 0)
            if number == 2:
                await until(lambda: not alice.calls and not bob.calls)
                before = descriptors()
        await until(lambda: descriptors() <= before)


@pytest.mark.parametrize("liar", ["the WICs", "the gateway"])
async def test_a_false_fingerprint_ends_the_call_by_name(ims, monkeypatch, liar):
    """A side that lies about its certificate gets no media, and the side that finds out reports it."""
    gather = MediaTransport.gather
    false = Fingerprint("sha-256", ":".join(["AB"] * 32))

    async def lie(self):
        description = await gather(self)
        of_gateway = self._certificate is ims.agw.certificate
        return replace(description, fingerprints=(false,)) if of_gateway is (liar == "the gateway") else description

    monkeypatch.setattr(MediaTransport, "gather", lie)
    async with client(ims, "alice") as alice, client(ims, "bob") as bob:
        call = await alice.call("sip:bob@ims.example", audio=Tone(440), data=False)
        other = await anext(bob.incoming())
        answering = asyncio.create_task(other.answer(audio=Tone(880)))
        reports = [await each.ended() for each in (call, other)]
        await answering
        named = [report for report in reports if "FingerprintMismatch" in report.reason]
        assert named == reports if liar == "the WICs" else named
        assert all(report.outcome is CallOutcome.FAILED for report in named)
        assert not any(stream.received for report in reports for stream in report.media)
        await until(lambda: ims.epcscf.calls == 0 and ims.agw.contexts == 0)
