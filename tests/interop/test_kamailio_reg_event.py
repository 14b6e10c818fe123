"""Kamailio's presence server notifies our client of its registration state (RFC 3680)."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING
from xml.etree import ElementTree

import pytest

from wic.client import Client, ClientOptions
from wic.client.events import ClientEvent, ConnectionLost, ConnectionRestored, Refreshed, Registered, RegistrationLost
from wic.errors import RegistrationFailed
from wic.registration import BackoffOptions

from .peers import probe, wics
from .peers.kamailio import Kamailio, KamailioOptions
from .peers.wire import Wire

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from .conftest import Peers
    from .peers.wire import Seen

OTHER_DEVICE = "urn:uuid:00000000-0000-4000-8000-000000000002"
REGINFO = "{urn:ietf:params:xml:ns:reginfo}"
contact_kept_or_rewritten = pytest.mark.parametrize("rewrite", [False, True])
SOON = ClientOptions(backoff=BackoffOptions(first_time=0.2, base_time=1.0))


@dataclass
class Watching:
    """Client with its messages and events."""

    client: Client
    wire: Wire = field(default_factory=Wire)
    told: list[ClientEvent] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.client.on_message(self.wire.record)
        self.client.on_event(self.told.append)

    def notified(self, contact: str, event: str) -> bool:
        """Tell whether a NOTIFY with this event of a contact was answered 200."""
        return any(
            (contact, event) in _contacts(seen) and _answer(self.wire, seen) == 200
            for seen in self.wire.requests("NOTIFY", sent=False)
        )

    async def until_notified(self, contact: str, event: str) -> None:
        await self.wire.until(lambda: self.notified(contact, event), seconds=10)


def _contacts(notify: Seen) -> list[tuple[str, str]]:
    """Return the contacts of a document with their events."""
    if not notify.body:
        return []
    return [
        (each.findtext(f"{REGINFO}uri", ""), each.get("event", ""))
        for each in ElementTree.fromstring(notify.body).iter(f"{REGINFO}contact")
    ]


def _answer(wire: Wire, request: Seen) -> int | None:
    """Return the status of our answer to a request."""
    for seen in wire:
        same = seen.header("CSeq") == request.header("CSeq") and seen.header("Call-ID") == request.header("Call-ID")
        if seen.sent and same and seen.start.startswith("SIP/2.0"):
            return int(seen.start.split()[1])
    return None


def _own_contact(client: Client) -> str:
    assert client.binding is not None
    return str(client.binding.contact.uri)


@asynccontextmanager
async def _registered(kamailio: Kamailio, *, instance: str = "", expires: int = 300) -> AsyncIterator[Watching]:
    """Register alice, and wait for Kamailio's NOTIFY."""
    account = replace(wics.account(kamailio, expires=expires), instance=instance)
    watching = Watching(Client(account, SOON))
    async with watching.client:
        await watching.until_notified(_own_contact(watching.client), "created")
        yield watching


async def _kamailio(peers: Peers, *, watch_seconds: int = 600, rewrite: bool = False) -> Kamailio:
    options = KamailioOptions(reg_event=True, watch_seconds=watch_seconds, rewrite=rewrite)
    return await peers.start(Kamailio(peers.directory, options))


async def test_subscribes_to_its_own_registration(peers: Peers) -> None:
    kamailio = await _kamailio(peers)
    async with _registered(kamailio) as watching:
        (subscribe,) = watching.wire.requests("SUBSCRIBE")
        assert subscribe.start == "SUBSCRIBE sip:alice@ims.example SIP/2.0"
        assert subscribe.header("Event") == "reg"
        assert subscribe.header("Accept") == "application/reginfo+xml"
        assert subscribe.header("Route") == f"<sip:127.0.0.1:{kamailio.port};transport=ws;lr>"
        assert watching.wire.answers("SUBSCRIBE") == [200]
        assert [str(each) for each in watching.client.identities.usable] == ["sip:alice@ims.example"]


async def test_the_subscription_is_refreshed(peers: Peers) -> None:
    kamailio = await _kamailio(peers, watch_seconds=4)
    async with _registered(kamailio) as watching:
        await watching.wire.until(lambda: watching.wire.answers("SUBSCRIBE") == [200, 200, 200], seconds=15)
        subscribes = watching.wire.requests("SUBSCRIBE")
        assert len({seen.header("Call-ID") for seen in subscribes}) == 1
        assert [seen.header("CSeq") for seen in subscribes] == [f"{number} SUBSCRIBE" for number in (1, 2, 3)]
        assert "tag=" not in subscribes[0].header("To")
        assert "tag=" in subscribes[1].header("To")


@contact_kept_or_rewritten
async def test_hears_of_a_second_device(peers: Peers, rewrite: bool) -> None:
    kamailio = await _kamailio(peers, rewrite=rewrite)
    async with _registered(kamailio) as first:
        async with _registered(kamailio, instance=OTHER_DEVICE) as second:
            other = _own_contact(second.client)
            await first.until_notified(other, "created")
        await first.until_notified(other, "unregistered")
        assert first.client.binding is not None
        assert await probe.options(kamailio.address, "alice") == 200
        assert not any(isinstance(event, RegistrationLost) for event in first.told)
    assert first.wire.answers("REGISTER") == [401, 200, 200]


@contact_kept_or_rewritten
async def test_an_operator_removes_the_user(peers: Peers, rewrite: bool) -> None:
    kamailio = await _kamailio(peers, rewrite=rewrite)
    async with _registered(kamailio) as watching:
        waiting = asyncio.ensure_future(anext(watching.client.incoming()))
        await kamailio.operate("ul.rm", "location", "alice")
        with pytest.raises(RegistrationFailed, match="unregistered"):
            await asyncio.wait_for(waiting, 10)
        assert watching.client.binding is None
        (lost,) = [event for event in watching.told if isinstance(event, RegistrationLost)]
        assert lost.final
        assert await kamailio.contacts("alice") == []
    # TS 24.229 §5.1.1.7: what is not registered is neither registered anew nor deregistered.
    assert watching.wire.answers("REGISTER") == [401, 200]
    assert len(watching.wire.requests("SUBSCRIBE")) == 1


@contact_kept_or_rewritten
async def test_an_operator_removes_the_other_device(peers: Peers, rewrite: bool) -> None:
    kamailio = await _kamailio(peers, rewrite=rewrite)
    async with _registered(kamailio) as first, _registered(kamailio, instance=OTHER_DEVICE) as second:
        other = _own_contact(second.client)
        await kamailio.operate("ul.rm_contact", "location", "alice", other)
        await first.until_notified(other, "unregistered")
        with pytest.raises(RegistrationFailed, match="unregistered"):
            await asyncio.wait_for(anext(second.client.incoming()), 10)
        assert first.client.binding is not None
        assert [each["Address"] for each in await kamailio.contacts("alice")] == [_own_contact(first.client)]


@contact_kept_or_rewritten
async def test_kamailio_is_restarted(peers: Peers, rewrite: bool) -> None:
    kamailio = await _kamailio(peers, rewrite=rewrite)
    async with _registered(kamailio) as watching:
        begun = len(watching.wire)
        first = watching.wire.requests("SUBSCRIBE")[0].header("Call-ID")
        await kamailio.restart()
        again = Wire()

        def subscribed_again() -> bool:
            again[:] = watching.wire[begun:]
            notified = again.requests("NOTIFY", sent=False)  # one of the first subscription may still be under way
            return any(seen.header("Call-ID") != first and _contacts(seen) for seen in notified)

        await watching.wire.until(subscribed_again, seconds=20)
        assert [type(event) for event in watching.told] == [Registered, ConnectionLost, Refreshed, ConnectionRestored]
        # A refresh in the old dialog fails, and a new subscription follows.
        in_dialog, anew = again.requests("SUBSCRIBE")
        assert in_dialog.header("Call-ID") == first
        assert anew.header("Call-ID") != first
        assert await probe.options(kamailio.address, "alice") == 200


async def test_leaves_quietly(peers: Peers) -> None:
    kamailio = await _kamailio(peers)
    async with _registered(kamailio) as watching:
        pass
    assert watching.wire.answers("REGISTER") == [401, 200, 200]
    newest = 0
    for seen in watching.wire.requests("NOTIFY", sent=False):
        number = int(seen.header("CSeq").split()[0])
        # RFC 3261 §12.2.2: Kamailio's processes may overtake each other.
        assert _answer(watching.wire, seen) in ((200, 481) if number > newest else (500,))
        newest = max(newest, number)
    assert not any(isinstance(event, RegistrationLost) for event in watching.told)


async def test_without_a_presence_server_it_stays_registered(peers: Peers) -> None:
    kamailio = await peers.start(Kamailio(peers.directory))
    watching = Watching(Client(wics.account(kamailio, expires=2), SOON))
    async with watching.client:
        await watching.wire.until(lambda: watching.wire.answers("REGISTER").count(200) == 3, seconds=10)
        assert await probe.options(kamailio.address, "alice") == 200
        assert watching.wire.answers("SUBSCRIBE") == [405]  # it went to alice herself, who refused it
        assert not any(isinstance(event, RegistrationLost) for event in watching.told)
