"""The peers against each other: if these tests fail, the fault is not in wic."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from .peers import recording, tone
from .peers.baresip import Baresip, BaresipOptions
from .peers.browser import Browser, BrowserPage
from .peers.kamailio import Kamailio, KamailioOptions
from .peers.rtpengine import RtpEngine
from .peers.sipp import Sipp, SippOptions

if TYPE_CHECKING:
    from .conftest import Peers

MICROPHONE = 440.0
TALK_SECONDS = 1.5


async def _page(peers: Peers, kamailio: Kamailio, user: str) -> BrowserPage:
    microphone = tone.write(peers.directory / "microphone.wav", MICROPHONE, rate=48000)
    browser = await peers.start(Browser(peers.directory, microphone=microphone))
    page = await browser.open_page()
    await _register(page, kamailio, user)
    return page


async def _register(page: BrowserPage, kamailio: Kamailio, user: str) -> None:
    status = await page.run(
        "register",
        server=kamailio.ws_url,
        uri=f"sip:{user}@ims.example",
        user=user,
        password=f"{user}-secret",
    )
    assert status == 200


async def test_two_pages_call_each_other_over_kamailio(peers: Peers) -> None:
    kamailio = await peers.start(Kamailio(peers.directory))
    alice = await _page(peers, kamailio, "alice")
    bob = await alice.browser.open_page()
    await _register(bob, kamailio, "bob")
    answering = asyncio.create_task(bob.run("answer"))
    await alice.run("call", target="sip:bob@ims.example")
    assert await answering == "sip:alice@ims.example"
    await asyncio.sleep(TALK_SECONDS)
    for page in (alice, bob):
        stats = await page.run("stats")
        assert stats["received"]["packets"] > 50
        assert stats["tone"]["frequency"] == pytest.approx(MICROPHONE, abs=10)
    await bob.run("hangup")
    assert await alice.run("ended") == "ended by remote: Terminated"


async def test_sipp_is_called_through_rtpengine(peers: Peers) -> None:
    rtpengine = await peers.start(RtpEngine(peers.directory))
    kamailio = await peers.start(Kamailio(peers.directory, KamailioOptions(rtpengine=rtpengine)))
    alice = await _page(peers, kamailio, "alice")
    sipp = Sipp(peers.directory, SippOptions(scenario="answer", server=kamailio.address, user="bob"))
    registering = SippOptions(
        scenario="register", server=kamailio.address, user="bob", password="bob-secret", contact_port=sipp.port
    )
    await (await peers.start(Sipp(peers.directory, registering))).finish()
    await peers.start(sipp)
    await alice.run("call", target="sip:bob@ims.example")
    await asyncio.sleep(TALK_SECONDS)
    stats = await alice.run("stats")
    await alice.run("hangup")
    await sipp.finish()
    assert stats["tone"]["frequency"] == pytest.approx(sipp.options.frequency, abs=10)
    heard = {round(stream.heard().frequency) for stream in recording.of_only_call(rtpengine)}
    assert heard == {MICROPHONE, sipp.options.frequency}


async def test_baresip_echoes_over_ice_and_dtls(peers: Peers) -> None:
    kamailio = await peers.start(Kamailio(peers.directory))
    alice = await _page(peers, kamailio, "alice")
    bob = await peers.start(
        Baresip(peers.directory, BaresipOptions(server=kamailio.address, transport="tcp", secure=True, echo=True))
    )
    await alice.run("call", target="sip:bob@ims.example")
    await bob.event("CALL_ESTABLISHED")
    await asyncio.sleep(TALK_SECONDS)
    stats = await alice.run("stats")
    assert stats["dtls"] == "connected"
    assert stats["tone"]["frequency"] == pytest.approx(MICROPHONE, abs=10)
