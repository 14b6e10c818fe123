"""Calls to and from phones with plain RTP behind Kamailio and rtpengine; tones are measured at both ends."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

import pytest

from wic.client import Call, CallOutcome, Client
from wic.media import Tone, WavRecorder

from .peers import recording, tone, wics
from .peers.baresip import Baresip, BaresipOptions
from .peers.kamailio import Kamailio, KamailioOptions
from .peers.rtpengine import RtpEngine
from .peers.sipp import Sipp, SippOptions
from .peers.wire import Wire

if TYPE_CHECKING:
    from pathlib import Path

    from .conftest import Peers

OURS = 440.0
"""Hertz of the tone that our end plays."""
THEIRS = 600.0
TALK_SECONDS = 2.0


async def _core(peers: Peers) -> tuple[Kamailio, RtpEngine]:
    rtpengine = await peers.start(RtpEngine(peers.directory))
    return await peers.start(Kamailio(peers.directory, KamailioOptions(rtpengine=rtpengine))), rtpengine


async def _sipp_that_answers(peers: Peers, kamailio: Kamailio) -> Sipp:
    answering = Sipp(
        peers.directory, SippOptions(scenario="answer", server=kamailio.address, user="bob", frequency=THEIRS)
    )
    registering = SippOptions(
        scenario="register", server=kamailio.address, user="bob", password="bob-secret", contact_port=answering.port
    )
    await (await peers.start(Sipp(peers.directory, registering))).finish()
    return await peers.start(answering)


def _check_tones(heard_here: Path, rtpengine: RtpEngine) -> None:
    """Check frequency and level of both tones: ours at rtpengine after its DTLS-SRTP, theirs in our WAV."""
    here = tone.listen(heard_here)
    assert here.frequency == THEIRS
    assert here.level == pytest.approx(-10, abs=0.5)
    assert here.share > 0.99
    there = {stream.heard().frequency: stream.heard() for stream in recording.of_only_call(rtpengine)}
    assert set(there) == {OURS, THEIRS}
    assert there[OURS].level == pytest.approx(-10, abs=0.5)
    assert there[OURS].share > 0.99


def _check_wire(wire: Wire, call: Call) -> None:
    """Check our descriptions by TS 24.371, the DTLS-SRTP of the answer, and the report."""
    (ours,), (theirs, *_) = wire.bodies("application/sdp", sent=True), wire.bodies("application/sdp", sent=False)
    for description in (ours, theirs):
        assert " UDP/TLS/RTP/SAVPF " in description
        assert "a=fingerprint:" in description
        assert "a=rtcp-mux" in description
    report = call.report()
    assert report.outcome is CallOutcome.COMPLETED
    (media,) = report.media
    assert media.codec == "PCMU"
    assert media.received > 50
    assert media.sent > 50
    assert media.lost == 0


async def test_calls_sipp(peers: Peers) -> None:
    kamailio, rtpengine = await _core(peers)
    sipp = await _sipp_that_answers(peers, kamailio)
    wire, heard = Wire(), peers.directory / "heard.wav"
    async with Client(wics.account(kamailio)) as client:
        client.on_message(wire.record)
        call = await client.call(
            "sip:bob@ims.example", audio=Tone(OURS, level=-10), sinks=[WavRecorder(heard)], data=False
        )
        await call.answered(timeout=10)
        await asyncio.sleep(TALK_SECONDS)
        await call.hangup()
    await sipp.finish()
    assert "a=3ge2ae:requested" in wire.bodies("application/sdp", sent=True)[0]
    assert wire.answers("BYE") == [200]
    _check_wire(wire, call)
    _check_tones(heard, rtpengine)


async def test_is_called_by_sipp(peers: Peers) -> None:
    kamailio, rtpengine = await _core(peers)
    wire, heard = Wire(), peers.directory / "heard.wav"
    async with Client(wics.account(kamailio)) as client:
        client.on_message(wire.record)
        calling = SippOptions(scenario="call", server=kamailio.address, user="alice", frequency=THEIRS)
        sipp = await peers.start(Sipp(peers.directory, calling))
        async with asyncio.timeout(10):
            call = await anext(client.incoming())
            await call.answer(audio=Tone(OURS, level=-10), sinks=[WavRecorder(heard)])
            await call.ended()
        await sipp.finish()
    assert len(wire.requests("BYE", sent=False)) == 1
    _check_wire(wire, call)
    _check_tones(heard, rtpengine)


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_calls_baresip(peers: Peers, transport: str) -> None:
    kamailio, rtpengine = await _core(peers)
    phone = BaresipOptions(server=kamailio.address, transport=transport, frequency=THEIRS)
    baresip = await peers.start(Baresip(peers.directory, phone))
    wire, heard = Wire(), peers.directory / "heard.wav"
    async with Client(wics.account(kamailio)) as client:
        client.on_message(wire.record)
        call = await client.call(
            "sip:bob@ims.example", audio=Tone(OURS, level=-10), sinks=[WavRecorder(heard)], data=False
        )
        await call.answered(timeout=10)
        await baresip.event("CALL_ESTABLISHED")
        await asyncio.sleep(TALK_SECONDS)
        await call.hangup()
        await baresip.event("CALL_CLOSED")
    _check_wire(wire, call)
    _check_tones(heard, rtpengine)


async def test_is_called_by_baresip(peers: Peers) -> None:
    kamailio, rtpengine = await _core(peers)
    baresip = await peers.start(Baresip(peers.directory, BaresipOptions(server=kamailio.address, frequency=THEIRS)))
    wire, heard = Wire(), peers.directory / "heard.wav"
    async with Client(wics.account(kamailio)) as client:
        client.on_message(wire.record)
        baresip.order("dial", "sip:alice@ims.example")
        async with asyncio.timeout(10):
            call = await anext(client.incoming())
            await call.answer(audio=Tone(OURS, level=-10), sinks=[WavRecorder(heard)])
        await asyncio.sleep(TALK_SECONDS)
        baresip.order("hangup")
        async with asyncio.timeout(10):
            await call.ended()
    _check_wire(wire, call)
    _check_tones(heard, rtpengine)


async def test_the_command_calls_baresip(peers: Peers) -> None:
    """The offer has a data channel, as by default, and the phone refuses it."""
    kamailio, rtpengine = await _core(peers)
    phone = BaresipOptions(server=kamailio.address, transport="tcp", frequency=THEIRS)
    baresip = await peers.start(Baresip(peers.directory, phone))
    accounts = wics.write_accounts(kamailio, peers.directory, password="alice-secret")
    played, heard = tone.write(peers.directory / "played.wav", OURS, rate=16000), peers.directory / "heard.wav"
    finished = await wics.run(
        "call", "alice", "sip:bob@ims.example", "--accounts", str(accounts), "--json",
        "--duration", str(TALK_SECONDS), "--play", str(played), "--record", str(heard),
    )  # fmt: skip
    assert finished.status == 0, finished.err
    report = json.loads(finished.out)
    assert report["outcome"] == "completed"
    assert report["status"] == 200
    assert report["media"][0]["lost"] == 0
    await baresip.event("CALL_CLOSED")
    _check_tones(heard, rtpengine)
