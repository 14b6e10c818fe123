"""Kamailio as the IMS core, our eP-CSCF in front of it, and a client at the end of a cable."""

from __future__ import annotations

import re
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from wic.auth.secret import Secret
from wic.client import Account, Client, ClientOptions
from wic.network import ImsNetwork, NetworkOptions
from wic.registration import BackoffOptions

from .cable import Cable
from .wire import Seen, Wire

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from wic.client.events import ClientEvent
    from wic.sip.flow import Flow
    from wic.sip.trace import Direction

    from .kamailio import Kamailio

SOON = ClientOptions(backoff=BackoffOptions(first_time=0.2))


class Mw(list[Seen]):
    """Messages between the eP-CSCF and Kamailio, without those on W2."""

    def record(self, entity: str, now: float, direction: Direction, data: bytes, flow: Flow) -> None:
        if not flow.secure:
            self.append(Seen(direction.name == "SENT", data))

    def registers(self) -> list[Seen]:
        """Return the REGISTERs that Kamailio received."""
        return [seen for seen in self if seen.sent and seen.start.startswith("REGISTER ")]


@dataclass
class Edge:
    """Kamailio, eP-CSCF and client, with their messages and events."""

    kamailio: Kamailio
    network: ImsNetwork
    cable: Cable
    client: Client
    wire: Wire = field(default_factory=Wire)
    mw: Mw = field(default_factory=Mw)
    told: list[ClientEvent] = field(default_factory=list)

    async def path(self) -> str:
        """Return the Path that Kamailio has for the only contact of alice."""
        (contact,) = await self.kamailio.contacts("alice")
        found = re.fullmatch(r"<(sip:[0-9a-f]+@127\.0\.0\.1:\d+;lr;ob)>", contact["Path"])
        assert found is not None, contact["Path"]
        return found[1]

    async def reconnected(self) -> None:
        """Wait for the registration over the next connection."""
        restored = self.wire.answers("REGISTER").count(200) + 1
        await self.wire.until(lambda: self.wire.answers("REGISTER").count(200) == restored, seconds=15)


@asynccontextmanager
async def open_edge(kamailio: Kamailio, *, client: ClientOptions = SOON, expires: int = 300) -> AsyncIterator[Edge]:
    """Start the eP-CSCF, lay the cable, and register alice."""
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
        edge = Edge(kamailio, network, cable, Client(account, client))
        network.on_message(edge.mw.record)
        edge.client.on_message(edge.wire.record)
        edge.client.on_event(edge.told.append)
        async with edge.client:
            yield edge
