"""Kamailio as registrar behind our eP-CSCF: the Path with a flow token, kept, used, and replaced after a cut."""

from __future__ import annotations

import asyncio
import re
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from wic.auth.secret import Secret
from wic.client import Account, CallOutcome, Client, ClientOptions
from wic.client.events import ClientEvent, ConnectionLost, ConnectionRestored, Refreshed, Registered
from wic.media import Tone, WavRecorder
from wic.network import ImsNetwork, NetworkOptions
from wic.registration import BackoffOptions

from .peers import probe, tone
from .peers.baresip import Baresip, BaresipOptions
from .peers.cable import Cable
from .peers.kamailio import Kamailio, KamailioOptions
from .peers.wire import Seen, Wire

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from wic.sip.flow import Flow
    from wic.transport.driver import Direction

    from .conftest import Peers

OURS = 440.0
THEIRS = 600.0
TALK_SECONDS = 2.0
SOON = ClientOptions(backoff=BackoffOptions(first_time=0.2))


class Mw(list[Seen]):
    """What the eP-CSCF sends to Kamailio and takes from it; the WIC's side is left out."""

    def record(self, entity: str, now: float, direction: Direction, data: bytes, flow: Flow) -> None:
        if not flow.secure:
            self.append(Seen(direction.value == "sent", data))

    def registers(self) -> list[Seen]:
        return [seen for seen in self if seen.sent and seen.start.startswith("REGISTER ")]


@dataclass
class Bench:
    """Kamailio, our eP-CSCF in front of it, and alice at the end of a cable."""

    kamailio: Kamailio
    cable: Cable
    client: Client
    wire: Wire = field(default_factory=Wire)
    mw: Mw = field(default_factory=Mw)
    told: list[ClientEvent] = field(default_factory=list)

    async def path(self) -> str:
        """The Path that Kamailio has for alice, who has one contact only."""
        (contact,) = await self.kamailio.contacts("alice")
        found = re.fullmatch(r"<(sip:[0-9a-f]+@127\.0\.0\.1:\d+;lr;ob)>", contact["Path"])
        assert found is not None, contact["Path"]
        return found[1]

    async def reconnected(self) -> None:
        """Wait for the registration over the next connection."""
        restored = self.wire.answers("REGISTER").count(200) + 1
        await self.wire.until(lambda: self.wire.answers("REGISTER").count(200) == restored, seconds=15)


@asynccontextmanager
async def _bench(
    peers: Peers, options: KamailioOptions | None = None, *, client: ClientOptions = SOON, expires: int = 300
) -> AsyncIterator[Bench]:
    kamailio = await peers.start(Kamailio(peers.directory, options))
    async with (
        ImsNetwork(NetworkOptions(core=f"sip:{kamailio.address}")) as network,
        Cable(int(network.wss_url.rstrip("/").rpartition(":")[2])) as cable,
    ):
        account = Account(
            server=f"wss://127.0.0.1:{cable.port}/",
            ca=network.ca_path,
            impu="sip:alice@ims.example",
            impi="alice@ims.example",
            password=Secret("alice-secret"),
            expires=expires,
        )
        bench = Bench(kamailio, cable, Client(account, client))
        network.on_message(bench.mw.record)
        bench.client.on_message(bench.wire.record)
        bench.client.on_event(bench.told.append)
        async with bench.client:
            yield bench


@pytest.mark.parametrize("algorithm", ["MD5", "SHA-256"])
async def test_refreshes_along_the_same_path(peers: Peers, algorithm: str) -> None:
    async with _bench(peers, KamailioOptions(algorithm=algorithm), expires=2) as bench:
        await bench.wire.until(lambda: bench.wire.answers("REGISTER").count(200) == 3, seconds=10)
        registers = bench.mw.registers()
        assert {seen.header("Path") for seen in registers} == {f"<{await bench.path()}>"}
        assert {seen.header("Require") for seen in registers} == {"path"}
    # An IMS core goes by this parameter (TS 24.371 §6.4.1.2); Kamailio goes by the Digest, whatever stands beside it.
    assert [_protection(seen) for seen in registers[:4]] == ["", "tls-pending", "tls-protected", "tls-protected"]
    assert bench.wire.answers("REGISTER")[:4] == [401, 200, 200, 200]


async def test_the_path_leads_to_the_client(peers: Peers) -> None:
    async with _bench(peers) as bench:
        assert await probe.options(bench.kamailio.address, "alice") == 200
        (asked,) = bench.wire.requests("OPTIONS", sent=False)
        assert bench.client.binding is not None
        assert asked.start == f"OPTIONS {bench.client.binding.contact.uri} SIP/2.0"
        assert not asked.header("Route")


async def test_the_gruus_of_kamailio_lead_to_the_client(peers: Peers) -> None:
    async with _bench(peers) as bench:
        binding = bench.client.binding
        assert binding is not None
        for gruu in (binding.public_gruu, binding.temporary_gruu):
            assert gruu is not None
            assert await probe.options(bench.kamailio.address, str(gruu.user), str(gruu.params)) == 200
        unknown = ";gr=urn:uuid:00000000-0000-4000-8000-000000000000"
        assert await probe.options(bench.kamailio.address, "alice", unknown) == 480


async def test_after_a_cut_the_new_path_is_used(peers: Peers) -> None:
    async with _bench(peers) as bench:
        before = await bench.path()
        bench.cable.cut()
        await bench.reconnected()
        assert bench.cable.carried == 2
        assert await bench.path() != before
        assert await probe.options(bench.kamailio.address, "alice") == 200
        assert [type(event) for event in bench.told] == [Registered, ConnectionLost, Refreshed, ConnectionRestored]
        # The association was of the TLS session that is gone (TS 24.371 §6.4.1.2).
        assert _protection(bench.mw.registers()[-1]) == "tls-pending"


async def test_nobody_is_reached_while_the_cable_is_cut(peers: Peers) -> None:
    slowly = ClientOptions(backoff=BackoffOptions(first_time=60))
    async with _bench(peers, client=slowly) as bench:
        bench.cable.cut()
        assert await probe.options(bench.kamailio.address, "alice") == 430


async def test_a_call_outlives_a_cut(peers: Peers) -> None:
    async with _bench(peers) as bench:
        phone = BaresipOptions(server=bench.kamailio.address, frequency=THEIRS)
        baresip = await peers.start(Baresip(peers.directory, phone))
        heard = peers.directory / "heard.wav"
        call = await bench.client.call("sip:bob@ims.example", audio=Tone(OURS), sinks=[WavRecorder(heard)], data=False)
        await call.answered(timeout=15)
        bench.cable.cut()
        await bench.reconnected()
        await asyncio.sleep(TALK_SECONDS)
        baresip.order("hangup")
        async with asyncio.timeout(10):
            await call.ended()
    assert call.report().outcome is CallOutcome.COMPLETED
    assert tone.listen(heard).frequency == THEIRS
    assert bench.wire.requests("BYE", sent=False)


def _protection(register: Seen) -> str:
    found = re.search(r'integrity-protected="([^"]*)"', register.header("Authorization"))
    return found[1] if found else ""
