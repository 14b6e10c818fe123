"""Chromium with JsSIP at our eP-CSCF over WSS: it calls `wic answer --echo`, and is called."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from wic.client import Account, CallOutcome, Client
from wic.errors import CallRejected
from wic.media import Tone, WavRecorder
from wic.network import ImsNetwork, NetworkOptions

from .peers import tone
from .peers.browser import ELSEWHERE, Browser, BrowserPage, pin
from .peers.jssip import PageServer
from .peers.process import PeerFailed
from .peers.wics import Command
from .peers.wire import Wire

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from .conftest import Peers

MICROPHONE = 600.0
"""Hertz of the tone that the browser takes for its microphone."""
OURS = 440.0
TALK_SECONDS = 3.0


@pytest.fixture
async def network() -> AsyncIterator[ImsNetwork]:
    async with ImsNetwork(NetworkOptions(usims=())) as network:
        yield network


async def _alice(peers: Peers, network: ImsNetwork, *, pinned: bool = True, at: str | None = None) -> BrowserPage:
    """Register a page as alice; it trusts the eP-CSCF by the hash of its key alone.

    Args:
        peers: starts the browser.
        network: where alice is known.
        pinned: whether it trusts the eP-CSCF at all.
        at: another address than that of a page of this host.
    """
    microphone = tone.write(peers.directory / "microphone.wav", MICROPHONE, rate=48000)
    host, port = network.wss_url.removeprefix("wss://").rstrip("/").split(":")
    pins = [await asyncio.to_thread(pin, host, int(port))] if pinned else []
    browser = await peers.start(Browser(peers.directory, pins=pins, microphone=microphone))
    page = await browser.open_page()
    if at is not None:
        await page.go(at)
        await page.until(f"location.href === '{at}' && document.readyState === 'complete'")
    account = Account.load("alice", network.accounts_path)
    status = await page.run(
        "register",
        server=account.server,
        uri=account.impu,
        user=account.impi,
        password=account.password.reveal(),
    )
    assert status == 200
    return page


def _check_stats(stats: dict[str, Any], heard: float) -> None:
    """Check the browser's own figures: DTLS, packets and sound both ways, and the received tone."""
    assert stats["dtls"] == "connected"
    assert stats["sent"]["packets"] > 50
    assert stats["received"]["packets"] > 50
    assert stats["source"]["level"] > 0.1
    assert stats["received"]["level"] > 0.1
    assert stats["received"]["lost"] == 0
    assert stats["tone"]["frequency"] == pytest.approx(heard, abs=10)


async def test_calls_wic_answer(peers: Peers, network: ImsNetwork) -> None:
    alice = await _alice(peers, network)
    arguments = ("bob", "--accounts", str(network.accounts_path), "--echo", "--calls", "1", "--json")
    answering = await peers.start(Command(peers.directory, "answer", *arguments, ready="waiting for calls"))
    await alice.run("call", target="sip:bob@ims.example")
    await asyncio.sleep(TALK_SECONDS)
    stats = await alice.run("stats")
    await alice.run("hangup")
    assert await answering.wait(seconds=15) == 0
    _check_stats(stats, heard=MICROPHONE)
    (report,) = answering.documents()
    assert report["outcome"] == "completed"
    (media,) = report["media"]
    assert media["sent"] > 50
    assert media["received"] > 50
    assert media["lost"] == 0


async def test_is_called(peers: Peers, network: ImsNetwork) -> None:
    alice = await _alice(peers, network)
    wire, heard = Wire(), peers.directory / "heard.wav"
    async with Client(Account.load("bob", network.accounts_path)) as client:
        client.on_message(wire.record)
        answering = asyncio.create_task(alice.run("answer"))
        call = await client.call(
            "sip:alice@ims.example", audio=Tone(OURS, level=-10), sinks=[WavRecorder(heard)], data=False
        )
        await call.answered(timeout=15)
        assert await answering == "sip:bob@ims.example"
        await asyncio.sleep(TALK_SECONDS)
        stats = await alice.run("stats")
        await alice.run("hangup")
        async with asyncio.timeout(10):
            await call.ended()
    assert call.report().outcome is CallOutcome.COMPLETED
    _check_stats(stats, heard=OURS)
    here = tone.listen(heard)
    assert here.frequency == MICROPHONE
    assert here.level == pytest.approx(-10, abs=1)


async def test_is_called_with_a_data_channel_it_does_not_know(peers: Peers, network: ImsNetwork) -> None:
    """A browser may accept or refuse a data channel offered beside the audio: the audio works."""
    alice = await _alice(peers, network)
    async with Client(Account.load("bob", network.accounts_path)) as client:
        answering = asyncio.create_task(alice.run("answer"))
        call = await client.call("sip:alice@ims.example", audio=Tone(OURS))
        await call.answered(timeout=15)
        await answering
        await asyncio.sleep(TALK_SECONDS)
        _check_stats(await alice.run("stats"), heard=OURS)
        await call.hangup()
        assert await alice.run("ended") == "ended by remote: Terminated"


async def test_after_unregister_calls_are_refused(peers: Peers, network: ImsNetwork) -> None:
    alice = await _alice(peers, network)
    await alice.run("unregister")
    async with Client(Account.load("bob", network.accounts_path)) as client:
        call = await client.call("sip:alice@ims.example")
        with pytest.raises(CallRejected) as refusal:
            await call.answered(timeout=10)
    assert refusal.value.response is not None
    assert refusal.value.response.status == 480


async def test_without_the_pin_it_does_not_trust_the_network(peers: Peers, network: ImsNetwork) -> None:
    """The browser checks the certificate, so that the tests above prove TLS."""
    with pytest.raises(PeerFailed, match="disconnected"):
        await _alice(peers, network, pinned=False)


@pytest.mark.parametrize("admitted", [False, True])
async def test_a_page_from_elsewhere(peers: Peers, admitted: bool) -> None:
    """The eP-CSCF looks at Origin (TS 33.203 §X.2.1): pages of other hosts are admitted by name only."""
    with PageServer() as pages:
        url = pages.url.replace("127.0.0.1", ELSEWHERE)
        origins = (url.removesuffix("/page.html"),) if admitted else ()
        async with ImsNetwork(NetworkOptions(usims=(), origins=origins)) as network:
            if admitted:
                await _alice(peers, network, at=url)
            else:
                with pytest.raises(PeerFailed, match="disconnected"):
                    await _alice(peers, network, at=url)
