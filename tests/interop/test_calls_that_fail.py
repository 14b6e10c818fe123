"""Failing calls over Kamailio: user unknown, not registered or declining, no common codec, or call given up."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from wic.client import CallOutcome, Client, ClientOptions
from wic.errors import CallCancelled, CallRejected
from wic.sdp.codecs import PCMU

from .peers import wics
from .peers.baresip import Baresip, BaresipOptions
from .peers.kamailio import Kamailio
from .peers.wire import Wire

if TYPE_CHECKING:
    from .conftest import Peers


async def test_a_phone_without_encryption(peers: Peers) -> None:
    """Without rtpengine neither side accepts the other's offer."""
    kamailio = await peers.start(Kamailio(peers.directory))
    baresip = await peers.start(Baresip(peers.directory, BaresipOptions(server=kamailio.address)))
    async with Client(wics.account(kamailio)) as client:
        baresip.order("dial", "sip:alice@ims.example")
        closed = await baresip.event("CALL_CLOSED")
        call = await client.call("sip:bob@ims.example")
        with pytest.raises(CallRejected) as refusal:
            await call.answered(timeout=10)
    assert closed["param"].startswith("488")
    assert refusal.value.response is not None
    assert refusal.value.response.status == 488


@pytest.mark.parametrize(("target", "status"), [("unknown", 404), ("bob", 480)])
async def test_unknown_and_unregistered_users(peers: Peers, target: str, status: int) -> None:
    kamailio = await peers.start(Kamailio(peers.directory))
    async with Client(wics.account(kamailio)) as client:
        call = await client.call(f"sip:{target}@ims.example")
        with pytest.raises(CallRejected) as refusal:
            await call.answered(timeout=10)
    assert refusal.value.response is not None
    assert refusal.value.response.status == status
    assert call.report().outcome is CallOutcome.REJECTED


async def test_a_phone_that_declines(peers: Peers) -> None:
    kamailio = await peers.start(Kamailio(peers.directory))
    phone = BaresipOptions(server=kamailio.address, transport="tcp", secure=True, answers=False)
    baresip = await peers.start(Baresip(peers.directory, phone))
    async with Client(wics.account(kamailio)) as client:
        call = await client.call("sip:bob@ims.example")
        async with asyncio.timeout(10):
            await call.ringing()
        baresip.order("hangup")
        with pytest.raises(CallRejected) as refusal:
            await call.answered(timeout=10)
    assert refusal.value.response is not None
    assert refusal.value.response.status == 486


async def test_a_call_that_is_given_up_while_it_rings(peers: Peers) -> None:
    kamailio = await peers.start(Kamailio(peers.directory))
    phone = BaresipOptions(server=kamailio.address, transport="tcp", secure=True, answers=False)
    baresip = await peers.start(Baresip(peers.directory, phone))
    wire = Wire()
    async with Client(wics.account(kamailio)) as client:
        client.on_message(wire.record)
        call = await client.call("sip:bob@ims.example")
        with pytest.raises(CallCancelled):
            await call.answered(timeout=1)
        await baresip.event("CALL_CLOSED")
    assert wire.answers("CANCEL") == [200]
    assert wire.answers("INVITE")[-1] == 487
    assert len(wire.requests("ACK")) == 1
    assert call.report().outcome is CallOutcome.CANCELLED


async def test_a_phone_without_our_codec(peers: Peers) -> None:
    kamailio = await peers.start(Kamailio(peers.directory))
    phone = BaresipOptions(server=kamailio.address, transport="tcp", secure=True, codec="G722/16000/1")
    baresip = await peers.start(Baresip(peers.directory, phone))
    wire = Wire()
    async with Client(wics.account(kamailio), ClientOptions(codecs=(PCMU,))) as client:
        client.on_message(wire.record)
        baresip.order("dial", "sip:alice@ims.example")
        closed = await baresip.event("CALL_CLOSED")
    assert "488" in closed["param"]
    assert wire.requests("INVITE", sent=False)
    assert not client.calls


async def test_a_caller_who_gives_up(peers: Peers) -> None:
    kamailio = await peers.start(Kamailio(peers.directory))
    phone = BaresipOptions(server=kamailio.address, transport="tcp", secure=True)
    baresip = await peers.start(Baresip(peers.directory, phone))
    wire = Wire()
    async with Client(wics.account(kamailio)) as client:
        client.on_message(wire.record)
        baresip.order("dial", "sip:alice@ims.example")
        await baresip.event("CALL_RINGING")
        baresip.order("hangup")
        await wire.until(lambda: bool(wire.requests("ACK", sent=False)), seconds=10)
    assert len(wire.requests("CANCEL", sent=False)) == 1
    assert any(seen.start.startswith("SIP/2.0 487") for seen in wire if seen.sent)
