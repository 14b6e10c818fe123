"""Several identities, deregistration, and what the network tells of a registration; in virtual time."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import pytest

from wic.client.events import Deregistered, IdentitiesChanged, Refreshed, Registered, RegistrationLost
from wic.client.identities import Identities
from wic.errors import ConfigurationError, FlowLost, RegistrationFailed
from wic.sip.headers.address import NameAddr
from wic.sip.message import Request
from wic.sip.uri import Uri

pytestmark = pytest.mark.virtual_time


def texts(uris):
    return [str(uri) for uri in uris]


async def test_further_identities_are_registered_one_by_one(harbour):
    client = harbour.client("alice", impus=("sip:work@ims.example", "sip:club@ims.example"))
    told = harbour.watched(client)
    async with client:
        await harbour.until(lambda: len(client.bindings) == 3, 5.0)
        assert told.kinds.count(Registered) == 3
        assert texts(client.identities.usable) == [f"sip:{user}@ims.example" for user in ("alice", "work", "club")]
        assert str(client.identities.default) == "sip:alice@ims.example"
        harbour.far[-1].abort("begin")
        await harbour.until(lambda: told.kinds.count(Refreshed) == 3, 15.0)
    assert all(contacts == {} for contacts in harbour.home.contacts.values())
    assert texts(event.impu for event in told if isinstance(event, Deregistered)) == [
        "sip:club@ims.example",
        "sip:work@ims.example",
        "sip:alice@ims.example",
    ]


async def test_what_the_network_registers_along_is_not_registered_again(harbour):
    harbour.home.associated = ["sip:work@ims.example", "sip:alice@ims.example", "tel:+49301234"]
    client = harbour.client("alice", impus=("sip:work@ims.example",))
    async with client:
        assert len(client.bindings) == 1
        assert texts(client.identities.usable) == harbour.home.associated
        assert client.identities.barred == ()
        assert str(client._wire.profile().identity) == "sip:alice@ims.example"
        assert str(client._wire.profile(Uri.parse("tel:+49301234")).identity) == "tel:+49301234"
        with pytest.raises(ConfigurationError, match=r"sip:eve@ims\.example is no identity of this account; use one"):
            await client.call("sip:bob@ims.example", identity="sip:eve@ims.example")


async def test_a_barred_identity_calls_nobody(harbour):
    harbour.home.associated = ["sip:work@ims.example"]
    harbour.home.bars = {"alice"}
    async with harbour.client() as client:
        assert texts(client.identities.barred) == ["sip:alice@ims.example"]
        assert str(client._wire.profile().identity) == "sip:work@ims.example"


async def test_identities_that_change(harbour):
    harbour.home.granted = 1000
    client = harbour.client()
    told = harbour.watched(client)
    async with client:
        harbour.home.associated = ["sip:alice@ims.example", "sip:new@ims.example"]
        await harbour.until(lambda: IdentitiesChanged in told.kinds, 600.0)
        assert texts(client.identities.usable) == harbour.home.associated


async def test_one_identity_can_be_deregistered(harbour):
    client = harbour.client("alice", impus=("sip:work@ims.example",))
    async with client:
        await harbour.until(lambda: len(client.bindings) == 2, 5.0)
        with pytest.raises(ConfigurationError, match=r"sip:eve@ims\.example is not registered by itself"):
            await client.deregister("sip:eve@ims.example")
        await client.deregister("sip:work@ims.example")
        assert texts(each.impu for each in client.bindings) == ["sip:alice@ims.example"]
        assert client.flow.remote[0] == "ws://a/"
        await client.deregister("sip:alice@ims.example")
        assert client.bindings == ()
        await harbour.until(lambda: not harbour.home.driver.connections, 1.0)
        with pytest.raises(FlowLost):
            await client.call("sip:bob@ims.example")
        assert [call async for call in client.incoming()] == []


async def test_all_identities_can_be_deregistered(harbour):
    client = harbour.client("alice", impus=("sip:work@ims.example",))
    async with client:
        await harbour.until(lambda: len(client.bindings) == 2, 5.0)
        await client.deregister()
        assert client.bindings == ()
        await harbour.until(lambda: not harbour.home.driver.connections, 1.0)
        await asyncio.sleep(3600.0)
        assert len(harbour.dialled) == 1


async def test_a_further_identity_that_is_refused(harbour):
    harbour.home.forbids = {"work"}
    client = harbour.client("alice", impus=("sip:work@ims.example",))
    told = harbour.watched(client)
    async with client:
        await harbour.until(lambda: RegistrationLost in told.kinds, 5.0)
        assert told[-1].final
        assert str(told[-1].impu) == "sip:work@ims.example"
        assert client._lost is None
        assert len(client.bindings) == 1


async def test_an_s_cscf_that_lost_the_registration_is_told_it_again(harbour):
    async with harbour.client() as client:
        body = (
            b'<ims-3gpp version="1"><alternative-service><type>restoration</type><reason/>'
            b"<action>initial-registration</action></alternative-service></ims-3gpp>"
        )
        route = str(client.binding.service_route[0].uri)
        harbour.home.answers["OPTIONS"] = (
            504,
            [("P-Asserted-Identity", f"<{route}>"), ("Content-Type", "application/3gpp-ims+xml")],
            body,
        )
        before = [request for request in harbour.home.requests if request.method == "REGISTER"]
        wire = client._wire
        request = Request.build(
            "OPTIONS",
            "sip:bob@ims.example",
            [
                ("From", NameAddr("", Uri.parse("sip:alice@ims.example")).with_tag("1")),
                ("To", "<sip:bob@ims.example>"),
                ("Call-ID", "x"),
                ("CSeq", "1 OPTIONS"),
            ],
        )
        wire.endpoint.send_request(request, client.flow, now=client.now)
        client._wire.driver.pump()

        def registered_anew():
            last = [each for each in harbour.home.requests if each.method == "REGISTER"][-1]
            return last.call_id != before[-1].call_id

        await harbour.until(registered_anew, 5.0)


# what the network tells


@dataclass
class Watcher:
    """The S-CSCF's end of the subscription."""

    harbour: object
    subscribes: list = field(default_factory=list)
    version: int = 0
    status: int = 200
    tag: str = ""

    def __call__(self, context, now):
        request = context.request
        self.subscribes.append((request, context.flow))
        self.tag = request.to.tag or context.transaction.tag
        context.reject(self.status, now=now, headers=[("Contact", "<sip:scscf.ims.example>"), ("Expires", 600000)])

    def notify(self, contact, *, aor="sip:alice@ims.example", state="active"):
        request, flow = self.subscribes[-1]
        uri = request.contacts[0].uri
        body = (
            f'<reginfo xmlns="urn:ietf:params:xml:ns:reginfo" version="{self.version}" state="full">'
            f'<registration aor="{aor}" id="a" state="{state}"><contact id="c" {contact}><uri>{uri}</uri></contact>'
            "</registration></reginfo>"
        ).replace("&", "&amp;")
        self.version += 1
        notify = Request.build(
            "NOTIFY",
            uri,
            [
                ("Via", f"SIP/2.0/WSS scscf.ims.example;branch=z9hG4bKn{self.version}"),
                ("Max-Forwards", 70),
                ("From", f"<{request.to.uri}>;tag={self.tag}"),
                ("To", str(request.from_)),
                ("Call-ID", request.call_id),
                ("CSeq", f"{self.version} NOTIFY"),
                ("Contact", "<sip:scscf.ims.example>"),
                ("Event", "reg"),
                ("Subscription-State", "active;expires=600000"),
                ("Content-Type", "application/reginfo+xml"),
            ],
            body.encode(),
        )
        next(each for each in self.harbour.far if each.flow == flow).send(notify.to_bytes())


@pytest.fixture
def watcher(harbour):
    harbour.home.answers["SUBSCRIBE"] = watcher = Watcher(harbour)
    return watcher


ACTIVE = 'state="active" event="registered"'


@pytest.fixture
async def subscribed(harbour, watcher):
    """A client that was told of its registration, and what it tells."""
    client = harbour.client("alice", reg_event=True)
    told = harbour.watched(client)
    async with client:
        await harbour.until(lambda: watcher.subscribes, 5.0)
        watcher.notify(ACTIVE)
        await asyncio.sleep(1.0)
        yield client, told


async def test_the_network_ends_the_registration_and_wants_another(harbour, watcher, subscribed):
    _, told = subscribed
    watcher.notify('state="terminated" event="deactivated"', state="terminated")
    await harbour.until(lambda: told.kinds.count(Registered) == 2, 5.0)
    lost = next(event for event in told if isinstance(event, RegistrationLost))
    assert (lost.final, "deactivated" in str(lost.error)) == (False, True)
    await harbour.until(lambda: len(watcher.subscribes) == 2, 5.0)


async def test_the_network_ends_the_registration_for_good(harbour, watcher):
    client = harbour.client("alice", reg_event=True)
    told = harbour.watched(client)
    async with client:
        await harbour.until(lambda: watcher.subscribes, 5.0)
        watcher.notify('state="terminated" event="rejected"', state="terminated")
        with pytest.raises(RegistrationFailed, match="rejected"):
            await anext(client.incoming())
        assert told[-1].final
        await asyncio.sleep(3600.0)
        assert client.binding is None
    assert Deregistered not in told.kinds


@pytest.mark.parametrize(("attribute", "least"), [('retry-after="300"', 299.0), ("", 59.0)])
async def test_probation(harbour, watcher, subscribed, attribute, least):
    client, told = subscribed
    watcher.notify(f'state="terminated" event="probation" {attribute}', state="terminated")
    await harbour.until(lambda: RegistrationLost in told.kinds, 5.0)
    assert least < await harbour.until(lambda: client.binding is not None, 310.0) < least + 2.0


async def test_the_network_wants_another_authentication(harbour, watcher, subscribed):
    _, told = subscribed
    watcher.notify('state="active" event="shortened" expires="60"')
    assert 29.0 < await harbour.until(lambda: Refreshed in told.kinds, 60.0) < 32.0


async def test_the_network_registers_another_identity(harbour, watcher, subscribed):
    client, told = subscribed
    watcher.notify(ACTIVE, aor="sip:new@ims.example")
    await harbour.until(lambda: IdentitiesChanged in told.kinds, 5.0)
    assert texts(client.identities.usable) == ["sip:alice@ims.example", "sip:new@ims.example"]


async def test_the_subscription_follows_to_the_new_connection(harbour, watcher, subscribed):
    harbour.far[-1].abort("begin")
    await harbour.until(lambda: len(watcher.subscribes) == 2, 15.0)
    one, other = (request for request, _ in watcher.subscribes)
    assert one.call_id == other.call_id


@pytest.mark.parametrize("status", [403, 405, 489, 501])
async def test_a_network_without_reg_event(harbour, watcher, status, caplog):
    watcher.status = status
    client = harbour.client("alice", reg_event=True)
    told = harbour.watched(client)
    async with client:
        await harbour.until(lambda: watcher.subscribes, 5.0)
        await asyncio.sleep(3000.0)
        assert set(told.kinds) <= {Registered, Refreshed}
        assert caplog.records == []


def test_no_identities():
    none = Identities.of(())
    assert (none.default, none.usable, none.barred) == (None, (), ())
