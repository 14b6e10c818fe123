"""A network with its clients in one process, and a transcript of what is said on W2 and Mw."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import pytest

from wic.client import Account, Client
from wic.network import ImsNetwork, NetworkOptions

from .transcript import Names, Transcript

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from wic.sip.flow import Flow
    from wic.sip.trace import Direction


class Scene:
    """The network, and what was said."""

    def __init__(self, network: ImsNetwork, stack: AsyncExitStack) -> None:
        self.network = network
        self.said = Transcript()
        self._stack = stack
        self._mw_port = ""
        network.on_message(self._note)

    def _note(self, entity: str, now: float, direction: Direction, data: bytes, flow: Flow) -> None:
        """Note what the eP-CSCF says and hears on Mw; its clients note the same on W2."""
        if entity == "eP-CSCF" and flow.transport in ("UDP", "TCP"):
            self.said.note("Mw", data, sent=direction.name == "SENT")
            if flow.transport == "UDP":
                self._mw_port = str(flow.local[1])

    def client(self, name: str) -> Client:
        """Make a client whose messages are noted."""
        client = Client(Account.load(name, path=self.network.accounts_path))
        client.on_message(self.said.at(f"W2 {name}"))
        return client

    async def registered(self, name: str) -> Client:
        """Let a client register, and wait for the first NOTIFY to it and to the eP-CSCF."""
        seen = self.said.answered("NOTIFY")
        client = await self._stack.enter_async_context(self.client(name))
        await self.until(lambda: self.said.answered("NOTIFY") == seen + 3)
        return client

    async def deregister(self, client: Client) -> None:
        """Let a client deregister, and wait for the last NOTIFY to it and to the eP-CSCF."""
        seen = self.said.answered("NOTIFY")
        await client.deregister()
        await self.until(lambda: self.said.answered("NOTIFY") == seen + 3)

    @staticmethod
    async def until(holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(15):
            while not holds():  # noqa: ASYNC110 - what is waited for has no event of its own
                await asyncio.sleep(0.01)

    def names(self) -> Names:
        """Give names to the ports of the network."""
        ready = self.network.ready()
        ports = {"w2": ready["wss"].rstrip("/"), "scscf": ready["sip"] or "", "epcscf": f":{self._mw_port}"}
        return Names({address.rpartition(":")[2]: name for name, address in ports.items()})


@pytest.fixture
async def scene(tmp_path) -> AsyncIterator[Scene]:
    """A network with alice, who has a USIM, bob, who has a password, and carol, whose bot has a token."""
    async with ImsNetwork(NetworkOptions(directory=tmp_path / "ims")) as network, AsyncExitStack() as stack:
        yield Scene(network, stack)
