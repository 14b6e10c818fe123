"""Kamailio as the core notifies our eP-CSCF and the client behind it of the registration state."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from wic.client import CallOutcome
from wic.client.events import RegistrationLost
from wic.errors import RegistrationFailed
from wic.media import Tone

from .peers import probe
from .peers.baresip import Baresip, BaresipOptions
from .peers.edge import open_edge
from .peers.kamailio import Kamailio, KamailioOptions

if TYPE_CHECKING:
    from .conftest import Peers
    from .peers.edge import Edge


def _told(edge: Edge, event: str) -> int:
    """Count the NOTIFYs with this event of the client's contact, over all of its connections."""
    return sum(f'event="{event}"' in body for body in edge.wire.bodies("application/reginfo+xml", sent=False))


async def _kamailio(peers: Peers) -> Kamailio:
    return await peers.start(Kamailio(peers.directory, KamailioOptions(reg_event=True)))


async def _removed_by_an_operator(edge: Edge) -> None:
    await edge.kamailio.operate("ul.rm", "location", "alice")
    with pytest.raises(RegistrationFailed, match="unregistered"):
        await asyncio.wait_for(anext(edge.client.incoming()), 10)
    (lost,) = [event for event in edge.told if isinstance(event, RegistrationLost)]
    assert lost.final


async def test_both_subscribe(peers: Peers) -> None:
    async with open_edge(await _kamailio(peers)) as edge:
        await edge.wire.until(lambda: _told(edge, "created") == 1, seconds=10)
        proxy, client = [
            seen for seen in edge.mw if seen.sent and seen.start == "SUBSCRIBE sip:alice@ims.example SIP/2.0"
        ]
        # TS 24.229 §5.2.3 and §5.1.1.3: each in its own name, which the core may trust.
        register = next(seen for seen in edge.mw if seen.sent and seen.start.startswith("REGISTER "))
        assert proxy.header("P-Asserted-Identity") == register.header("Path")
        assert client.header("P-Asserted-Identity") == "<sip:alice@ims.example>"
        notifies = [seen for seen in edge.mw if not seen.sent and seen.start.startswith("NOTIFY ")]
        assert {seen.header("Call-ID") for seen in notifies} == {proxy.header("Call-ID"), client.header("Call-ID")}
        await _removed_by_an_operator(edge)
        notifies = [seen for seen in edge.mw if not seen.sent and 'event="unregistered"' in seen.body]
        assert {seen.header("Call-ID") for seen in notifies} == {proxy.header("Call-ID"), client.header("Call-ID")}
    assert {seen.start for seen in edge.mw if seen.sent and "NOTIFY" in seen.header("CSeq")} == {"SIP/2.0 200 OK"}
    assert edge.wire.answers("REGISTER") == [401, 200]  # without a registration there is nothing to deregister


async def test_the_news_follow_the_client_through_a_cut(peers: Peers) -> None:
    async with open_edge(await _kamailio(peers)) as edge:
        await edge.wire.until(lambda: _told(edge, "created") == 1, seconds=10)
        edge.cable.cut()
        await edge.reconnected()
        await edge.wire.until(lambda: edge.wire.answers("SUBSCRIBE") == [200, 200], seconds=10)
        assert len({seen.header("Call-ID") for seen in edge.wire.requests("SUBSCRIBE")}) == 1
        assert await probe.options(edge.kamailio.address, "alice") == 200
        await _removed_by_an_operator(edge)
        assert _told(edge, "unregistered") == 1
        assert edge.cable.carried == 2


async def test_calls_end_with_the_registration(peers: Peers) -> None:
    """TS 24.229 §5.1.1.7: the dialogs of an identity that is not registered any more are released."""
    kamailio = await _kamailio(peers)
    async with open_edge(kamailio) as edge:
        await edge.wire.until(lambda: _told(edge, "created") == 1, seconds=10)
        baresip = await peers.start(Baresip(peers.directory, BaresipOptions(server=kamailio.address)))
        call = await edge.client.call("sip:bob@ims.example", audio=Tone(440.0), data=False)
        await call.answered(timeout=15)
        await _removed_by_an_operator(edge)
        await baresip.event("CALL_CLOSED")
        async with asyncio.timeout(10):
            await call.ended()
    assert call.report().outcome is CallOutcome.FAILED
    assert "unregistered" in call.report().reason
    assert edge.wire.answers("BYE") == [200]
