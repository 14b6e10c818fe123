"""Kamailio as registrar behind our eP-CSCF: the Path with a flow token, kept, used, and replaced after a cut."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING

import pytest

from wic.client import CallOutcome, ClientOptions
from wic.client.events import ConnectionLost, ConnectionRestored, Refreshed, Registered
from wic.media import Tone, WavRecorder
from wic.registration import BackoffOptions

from .peers import probe, tone
from .peers.baresip import Baresip, BaresipOptions
from .peers.edge import open_edge
from .peers.kamailio import Kamailio, KamailioOptions

if TYPE_CHECKING:
    from .conftest import Peers
    from .peers.wire import Seen

OURS = 440.0
THEIRS = 600.0
TALK_SECONDS = 2.0


@pytest.mark.parametrize("algorithm", ["MD5", "SHA-256"])
async def test_refreshes_along_the_same_path(peers: Peers, algorithm: str) -> None:
    kamailio = await peers.start(Kamailio(peers.directory, KamailioOptions(algorithm=algorithm)))
    async with open_edge(kamailio, expires=2) as edge:
        await edge.wire.until(lambda: edge.wire.answers("REGISTER").count(200) == 3, seconds=10)
        registers = edge.mw.registers()
        assert {seen.header("Path") for seen in registers} == {f"<{await edge.path()}>"}
        assert {seen.header("Require") for seen in registers} == {"path"}
    # An IMS core relies on this parameter (TS 24.371 §6.4.1.2); Kamailio checks the Digest and ignores it.
    assert [_protection(seen) for seen in registers[:4]] == ["", "tls-pending", "tls-protected", "tls-protected"]
    assert edge.wire.answers("REGISTER")[:4] == [401, 200, 200, 200]


async def test_the_path_leads_to_the_client(peers: Peers) -> None:
    kamailio = await peers.start(Kamailio(peers.directory))
    async with open_edge(kamailio) as edge:
        assert await probe.options(kamailio.address, "alice") == 200
        (asked,) = edge.wire.requests("OPTIONS", sent=False)
        assert edge.client.binding is not None
        assert asked.start == f"OPTIONS {edge.client.binding.contact.uri} SIP/2.0"
        assert not asked.header("Route")


async def test_the_gruus_of_kamailio_lead_to_the_client(peers: Peers) -> None:
    kamailio = await peers.start(Kamailio(peers.directory))
    async with open_edge(kamailio) as edge:
        binding = edge.client.binding
        assert binding is not None
        for gruu in (binding.public_gruu, binding.temporary_gruu):
            assert gruu is not None
            assert await probe.options(kamailio.address, str(gruu.user), str(gruu.params)) == 200
        unknown = ";gr=urn:uuid:00000000-0000-4000-8000-000000000000"
        assert await probe.options(kamailio.address, "alice", unknown) == 480


async def test_after_a_cut_the_new_path_is_used(peers: Peers) -> None:
    kamailio = await peers.start(Kamailio(peers.directory))
    async with open_edge(kamailio) as edge:
        before = await edge.path()
        edge.cable.cut()
        await edge.reconnected()
        assert edge.cable.carried == 2
        assert await edge.path() != before
        assert await probe.options(kamailio.address, "alice") == 200
        assert [type(event) for event in edge.told] == [Registered, ConnectionLost, Refreshed, ConnectionRestored]
        # The association belonged to the closed TLS session (TS 24.371 §6.4.1.2).
        assert _protection(edge.mw.registers()[-1]) == "tls-pending"


async def test_calls_fail_while_the_cable_is_cut(peers: Peers) -> None:
    slowly = ClientOptions(backoff=BackoffOptions(first_time=60))
    kamailio = await peers.start(Kamailio(peers.directory))
    async with open_edge(kamailio, client=slowly) as edge:
        edge.cable.cut()
        assert await probe.options(kamailio.address, "alice") == 430


async def test_a_call_outlives_a_cut(peers: Peers) -> None:
    kamailio = await peers.start(Kamailio(peers.directory))
    async with open_edge(kamailio) as edge:
        phone = BaresipOptions(server=kamailio.address, frequency=THEIRS)
        baresip = await peers.start(Baresip(peers.directory, phone))
        heard = peers.directory / "heard.wav"
        call = await edge.client.call("sip:bob@ims.example", audio=Tone(OURS), sinks=[WavRecorder(heard)], data=False)
        await call.answered(timeout=15)
        edge.cable.cut()
        await edge.reconnected()
        await asyncio.sleep(TALK_SECONDS)
        baresip.order("hangup")
        async with asyncio.timeout(10):
            await call.ended()
    assert call.report().outcome is CallOutcome.COMPLETED
    assert tone.listen(heard).frequency == THEIRS
    assert edge.wire.requests("BYE", sent=False)


def _protection(register: Seen) -> str:
    found = re.search(r'integrity-protected="([^"]*)"', register.header("Authorization"))
    return found[1] if found else ""
