"""A client of ours in a network of ours: operator commands reach the client, which does what the clause says."""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import pytest

import wic
from tests.support.waiting import until
from wic.network import ImsNetwork, NetworkOptions
from wic.registration import BackoffOptions
from wic.registration.reg_event.reginfo import ContactEvent

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

IMPI = "bob@ims.example"
SOON = BackoffOptions(first_time=0.2, base_time=0.2, max_time=0.5)  # the network may not listen yet


class Wire:
    """The start lines of a client's messages."""

    def __init__(self, client: wic.Client) -> None:
        self.lines: list[str] = []
        self._grew = asyncio.Event()
        client.on_message(self._record)

    def _record(self, now: float, direction: object, data: bytes, flow: object) -> None:
        self.lines.append(data.partition(b"\r\n")[0].decode())
        self._grew.set()

    def count(self, start: str) -> int:
        return sum(line.startswith(start) for line in self.lines)

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(10):
            while not condition():
                self._grew.clear()
                await self._grew.wait()


@pytest.fixture
async def network() -> AsyncIterator[ImsNetwork]:
    async with ImsNetwork(NetworkOptions(web=False, subscribers=("bob",))) as running:
        yield running


async def test_deactivated_leads_to_another_registration(network: ImsNetwork) -> None:
    """TS 24.229 §5.1.1.7."""
    client = wic.Client(wic.Account.load("bob", network.accounts_path))
    wire = Wire(client)
    async with client:
        await wire.until(lambda: wire.count("NOTIFY") == 1)
        before = wire.count("REGISTER")
        network.scscf.location_service.deregister(IMPI, ContactEvent.DEACTIVATED, now=time.time())
        network.scscf.node.driver.pump()
        await wire.until(lambda: wire.count("NOTIFY") == 3)  # the end, and the beginning of another subscription
        assert wire.count("REGISTER") > before
        assert client.binding is not None
        assert network.epcscf.registrations == 1
        assert len(network.hss.bindings(IMPI, now=time.time())) == 1


async def test_rejected_is_the_end(network: ImsNetwork) -> None:
    """TS 24.229 §5.1.1.7."""
    client = wic.Client(wic.Account.load("bob", network.accounts_path))
    wire = Wire(client)
    async with client:
        await wire.until(lambda: wire.count("NOTIFY") == 1)
        before = wire.count("REGISTER")
        network.scscf.location_service.deregister(IMPI, ContactEvent.REJECTED, now=time.time())
        network.scscf.node.driver.pump()
        await wire.until(lambda: wire.count("NOTIFY") == 2)
        await wire.until(lambda: wire.lines[-1] == "SIP/2.0 200 OK")
        assert client.binding is None
    assert wire.count("REGISTER") == before


async def test_shortened_leads_to_another_proof(network: ImsNetwork) -> None:
    """TS 24.229 §5.1.1.5A: the REGISTER is sent after half of the time that is left."""
    client = wic.Client(wic.Account.load("bob", network.accounts_path))
    wire = Wire(client)
    async with client:
        await wire.until(lambda: wire.count("NOTIFY") == 1)
        before = wire.count("REGISTER")
        network.scscf.location_service.reauthenticate(IMPI, within=2, now=time.time())
        network.scscf.node.driver.pump()
        await wire.until(lambda: wire.count("REGISTER") > before and wire.lines[-1].startswith("SIP/2.0 200"))
        (binding,) = network.hss.bindings(IMPI, now=time.time())
        assert binding.expires_at > time.time() + 1000
        assert not binding.prove


async def subscribed(network: ImsNetwork, count: int) -> None:
    await until(lambda: len(network.scscf.notifier) == count)


async def test_a_restart_of_the_network_leaves_one_subscription_of_each(tmp_path: Path) -> None:
    """The client's and the eP-CSCF's; the dialogs of before lead nowhere, and both sides learn of it."""
    options = NetworkOptions(directory=tmp_path / "ims", web=False, subscribers=("bob",))
    async with AsyncExitStack() as stack:
        async with ImsNetwork(options) as network:
            client = wic.Client(wic.Account.load("bob", network.accounts_path), wic.ClientOptions(backoff=SOON))
            wire = Wire(client)
            await stack.enter_async_context(client)
            await wire.until(lambda: wire.count("NOTIFY") == 1)
            await subscribed(network, 2)
        async with ImsNetwork(options) as network:
            await wire.until(lambda: wire.count("NOTIFY") == 2)
            await subscribed(network, 2)
            before = wire.count("REGISTER")
            network.scscf.location_service.reauthenticate(IMPI, within=2, now=time.time())
            network.scscf.node.driver.pump()
            await wire.until(lambda: wire.count("NOTIFY") == 3 and wire.count("REGISTER") > before)
            assert len(network.scscf.notifier) == 2
            await stack.aclose()
