"""baresip with its own ICE and DTLS-SRTP, media end to end; Kamailio only carries the SIP."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from wic.client import CallOutcome, Client, ClientOptions
from wic.media import MediaTransportOptions, Tone, WavRecorder

from .peers import tone, wics
from .peers.baresip import Baresip, BaresipOptions
from .peers.kamailio import Kamailio
from .peers.wire import Wire

if TYPE_CHECKING:
    from wic.client import Call

    from .conftest import Peers

OURS = 440.0
"""Hertz of the tone that our end plays."""
THEIRS = 600.0
TALK_SECONDS = 2.0


@pytest.fixture
def options() -> ClientOptions:
    """Media on one address beside loopback: baresip gathers none there, and takes DTLS from one address only."""
    return ClientOptions(media=MediaTransportOptions(addresses=(wics.outward_address(),)))


async def _baresip(peers: Peers, *, echo: bool = False, codec: str = "PCMU/8000/1") -> tuple[Kamailio, Baresip]:
    kamailio = await peers.start(Kamailio(peers.directory))
    phone = BaresipOptions(
        server=kamailio.address, transport="tcp", secure=True, echo=echo, codec=codec, frequency=THEIRS
    )
    return kamailio, await peers.start(Baresip(peers.directory, phone))


def _check(call: Call, codec: str) -> None:
    report = call.report()
    assert report.outcome is CallOutcome.COMPLETED
    (media,) = report.media
    assert media.codec == codec
    assert media.received > 50
    assert media.sent > 50
    assert media.lost == 0


@pytest.mark.parametrize("codec", ["PCMU/8000/1", "G722/16000/1", "opus/48000/2"])
async def test_calls_baresip_and_hears_its_tone(peers: Peers, options: ClientOptions, codec: str) -> None:
    kamailio, baresip = await _baresip(peers, codec=codec)
    wire, heard = Wire(), peers.directory / "heard.wav"
    async with Client(wics.account(kamailio), options) as client:
        client.on_message(wire.record)
        call = await client.call("sip:bob@ims.example", audio=Tone(OURS, level=-10), sinks=[WavRecorder(heard)])
        await call.answered(timeout=10)
        await asyncio.sleep(TALK_SECONDS)
        await call.hangup()
        await baresip.event("CALL_CLOSED")
    _check(call, codec.split("/")[0])
    here = tone.listen(heard)
    assert here.frequency == THEIRS
    assert here.level == pytest.approx(-10, abs=2)  # late packets are lost
    answer = wire.bodies("application/sdp", sent=False)[0]
    assert "a=setup:active" in answer
    assert "typ host" in answer


async def test_calls_baresip_and_hears_its_own_tone_back(peers: Peers, options: ClientOptions) -> None:
    """Our tone comes back after baresip has decrypted, decoded, encoded and encrypted it."""
    kamailio, baresip = await _baresip(peers, echo=True)
    heard = peers.directory / "heard.wav"
    async with Client(wics.account(kamailio), options) as client:
        call = await client.call(
            "sip:bob@ims.example", audio=Tone(OURS, level=-10), sinks=[WavRecorder(heard)], data=False
        )
        await call.answered(timeout=10)
        await asyncio.sleep(TALK_SECONDS)
        await call.hangup()
        await baresip.event("CALL_CLOSED")
    _check(call, "PCMU")
    here = tone.listen(heard)
    assert here.frequency == OURS
    assert here.level == pytest.approx(-10, abs=2)  # late packets are lost


async def test_is_called_by_baresip(peers: Peers, options: ClientOptions) -> None:
    kamailio, baresip = await _baresip(peers)
    wire, heard = Wire(), peers.directory / "heard.wav"
    async with Client(wics.account(kamailio), options) as client:
        client.on_message(wire.record)
        baresip.order("dial", "sip:alice@ims.example")
        async with asyncio.timeout(10):
            call = await anext(client.incoming())
            await call.answer(audio=Tone(OURS, level=-10), sinks=[WavRecorder(heard)])
        await baresip.event("CALL_ESTABLISHED")
        await asyncio.sleep(TALK_SECONDS)
        baresip.order("hangup")
        async with asyncio.timeout(10):
            await call.ended()
    _check(call, "PCMU")
    here = tone.listen(heard)
    assert here.frequency == THEIRS
    assert here.level == pytest.approx(-10, abs=2)  # late packets are lost
    received, refused = baresip.packets()
    assert received > 50
    assert refused == 0
    assert "a=setup:active" in wire.bodies("application/sdp", sent=True)[0]
