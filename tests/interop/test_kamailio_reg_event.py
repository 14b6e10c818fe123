"""Kamailio's presence server tells a WIC of its registration: documents that another hand wrote."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from wic.client import Client

from .peers import wics
from .peers.kamailio import Kamailio, KamailioOptions
from .peers.wire import Wire

if TYPE_CHECKING:
    from .conftest import Peers


def _states(wire: Wire) -> list[str]:
    return [seen.header("Subscription-State").split(";")[0] for seen in wire.requests("NOTIFY", sent=False)]


def _answered(wire: Wire) -> list[str]:
    """The answers of the WIC to NOTIFYs."""
    return [
        seen.start
        for seen in wire
        if seen.sent and seen.start.startswith("SIP/2.0") and "NOTIFY" in seen.header("CSeq")
    ]


async def test_a_wic_is_told_of_its_registration(peers: Peers) -> None:
    kamailio = await peers.start(Kamailio(peers.directory, KamailioOptions(reg_event=True)))
    wire = Wire()
    client = Client(wics.account(kamailio))
    client.on_message(wire.record)
    async with client:
        await wire.until(lambda: "<contact" in "".join(wire.bodies("application/reginfo+xml", sent=False)), seconds=15)
        subscribe = wire.requests("SUBSCRIBE")[0]
        assert subscribe.header("Event") == "reg"
        assert "scscf" in subscribe.header("Route") or "lr" in subscribe.header("Route")
        document = wire.bodies("application/reginfo+xml", sent=False)[-1]
        assert 'aor="sip:alice@ims.example"' in document
        assert 'state="active"' in document
        assert client.binding is not None
    assert set(_states(wire)) <= {"active", "terminated"}
    assert set(_answered(wire)) <= {"SIP/2.0 200 OK", "SIP/2.0 481 Call/Transaction Does Not Exist"}
    assert len(wire.requests("REGISTER")) == 3  # nothing that Kamailio said made it register anew


async def test_another_device_of_the_user_changes_nothing(peers: Peers) -> None:
    kamailio = await peers.start(Kamailio(peers.directory, KamailioOptions(reg_event=True)))
    wire = Wire()
    account = wics.account(kamailio)
    client = Client(account)
    client.on_message(wire.record)
    async with client:
        await wire.until(lambda: len(_answered(wire)) > 0, seconds=15)
        other = replace(account, instance="urn:uuid:00000000-0000-4000-8000-000000000001")
        async with Client(other):
            told = len(_answered(wire))
            await wire.until(lambda: len(_answered(wire)) > told, seconds=15)
        assert client.binding is not None
        assert wire.requests("NOTIFY", sent=False)
    assert len(wire.requests("REGISTER")) == 3
