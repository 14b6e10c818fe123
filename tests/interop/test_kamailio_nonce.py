"""Kamailio's nonces end: the refresh after that is challenged with stale=true, and answered without any event."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from wic.client import Client
from wic.client.events import ClientEvent, Deregistered, Refreshed, Registered

from .peers import probe, wics
from .peers.kamailio import Kamailio, KamailioOptions
from .peers.wire import Wire

if TYPE_CHECKING:
    from .conftest import Peers


@pytest.mark.parametrize("algorithm", ["MD5", "SHA-256"])
async def test_a_stale_nonce_is_replaced_silently(peers: Peers, algorithm: str) -> None:
    options = KamailioOptions(algorithm=algorithm, nonce_seconds=1)
    kamailio = await peers.start(Kamailio(peers.directory, options))
    wire = Wire()
    told: list[ClientEvent] = []
    client = Client(wics.account(kamailio, expires=4))
    client.on_message(wire.record)
    client.on_event(told.append)
    async with client:
        await wire.until(lambda: wire.answers("REGISTER").count(200) == 3, seconds=15)
        assert await probe.options(kamailio.address, "alice") == 200
    assert wire.answers("REGISTER")[:6] == [401, 200, 401, 200, 401, 200]
    challenges = [seen.header("WWW-Authenticate") for seen in wire if seen.start.startswith("SIP/2.0 401")]
    assert "stale" not in challenges[0]
    assert all("stale=true" in challenge for challenge in challenges[1:])
    assert [type(event) for event in told] == [Registered, Refreshed, Refreshed, Deregistered]
