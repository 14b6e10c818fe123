"""Notifications of a registration, and the client's reaction to each; in virtual time."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import pytest

from wic.client.events import (
    ConnectionRestored,
    Deregistered,
    IdentitiesChanged,
    Refreshed,
    Registered,
    RegistrationLost,
)
from wic.errors import ConfigurationError, RegistrationFailed
from wic.sip.message import Request
from wic.transport.driver import Direction

pytestmark = pytest.mark.virtual_time


def texts(uris):
    return [str(uri) for uri in uris]


@dataclass
class Watcher:
    """The S-CSCF's end of the subscription."""

    memory_home: object
    subscribes: list = field(default_factory=list)
    version: int = 0
    status: int = 200
    tag: str = ""

    def __call__(self, context, now):
        request = context.request
        self.subscribes.append((request, context.flow))
        self.tag = request.to.tag or context.transaction.tag
        context.reject(self.status, now=now, headers=[("Contact", "<sip:scscf.ims.example>"), ("Expires", 600000)])

    def notify(
        self, contact, *, aor="sip:alice@ims.example", state="active", subscription="active;expires=600000", **others
    ):
        """Tell of the client's contact, at one address-of-record, and at those of other users by what is said there."""
        request, flow = self.subscribes[-1]
        uri = request.contacts[0].uri

        def registration(id, aor, state, contact):
            inner = f'<contact id="c{id}" {contact}><uri>{uri}</uri></contact>'
            return f'<registration aor="{aor}" id="{id}" state="{state}">{inner}</registration>'

        registrations = [registration("a", aor, state, contact)]
        for user, said in others.items():
            registrations.append(registration(user, f"sip:{user}@ims.example", "active", said))
        body = (
            f'<reginfo xmlns="urn:ietf:params:xml:ns:reginfo" version="{self.version}" state="full">'
            f"{''.join(registrations)}</reginfo>"
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
                ("Subscription-State", subscription),
                ("Content-Type", "application/reginfo+xml"),
            ],
            body.encode(),
        )
        next(each for each in self.memory_home.far if each.flow == flow).send(notify.to_bytes())


@pytest.fixture
def watcher(memory_home):
    memory_home.home.answers["SUBSCRIBE"] = watcher = Watcher(memory_home)
    return watcher


ACTIVE = 'state="active" event="registered"'


@pytest.fixture
async def subscribed(memory_home, watcher):
    """A client that was told of its registration, and what it tells."""
    client = memory_home.client("alice", reg_event=True)
    told = memory_home.watched(client)
    async with client:
        await memory_home.until(lambda: watcher.subscribes, 5.0)
        watcher.notify(ACTIVE)
        await asyncio.sleep(1.0)
        yield client, told


ENDED = {"state": "terminated", "subscription": "terminated;reason=noresource"}


@pytest.mark.parametrize("after", [0.0, 0.2])
async def test_the_last_notify_is_answered_after_a_deregistration(memory_home, watcher, subscribed, after):
    """TS 24.229 §5.1.1.6: the subscription is over as if it had been unsubscribed."""
    client, told = subscribed
    sent = []
    client.on_message(lambda now, direction, data, flow: sent.append(data) if direction is Direction.SENT else None)
    told.clear()
    loop = asyncio.get_running_loop()
    began = loop.time()
    leaving = asyncio.create_task(client.deregister())
    await memory_home.until(lambda: told.kinds == [Deregistered], 5.0)
    await asyncio.sleep(after)
    watcher.notify('state="terminated" event="unregistered"', **ENDED)
    await leaving
    assert loop.time() - began < after + 0.2
    assert sent[-1].startswith(b"SIP/2.0 200 OK")
    assert b"CSeq: 2 NOTIFY" in sent[-1]
    assert told.kinds == [Deregistered]


async def test_a_last_notify_that_does_not_come_is_not_waited_for(memory_home, subscribed):
    client, _ = subscribed
    loop = asyncio.get_running_loop()
    began = loop.time()
    await client.deregister()
    assert 0.5 <= loop.time() - began < 0.7


async def test_the_network_ends_the_registration_and_wants_another(memory_home, watcher, subscribed):
    _, told = subscribed
    watcher.notify('state="terminated" event="deactivated"', state="terminated")
    await memory_home.until(lambda: told.kinds.count(Registered) == 2, 5.0)
    lost = next(event for event in told if isinstance(event, RegistrationLost))
    assert (lost.final, "deactivated" in str(lost.error)) == (False, True)
    await memory_home.until(lambda: len(watcher.subscribes) == 2, 5.0)


async def test_the_network_ends_the_registration_for_good(memory_home, watcher):
    client = memory_home.client("alice", reg_event=True)
    told = memory_home.watched(client)
    async with client:
        await memory_home.until(lambda: watcher.subscribes, 5.0)
        watcher.notify('state="terminated" event="rejected"', state="terminated")
        with pytest.raises(RegistrationFailed, match="rejected"):
            await anext(client.incoming())
        assert told[-1].final
        await asyncio.sleep(3600.0)
        assert client.binding is None
    assert Deregistered not in told.kinds


@pytest.mark.parametrize(("attribute", "least"), [('retry-after="300"', 299.0), ("", 59.0)])
async def test_probation(memory_home, watcher, subscribed, attribute, least):
    client, told = subscribed
    watcher.notify(f'state="terminated" event="probation" {attribute}', state="terminated")
    await memory_home.until(lambda: RegistrationLost in told.kinds, 5.0)
    assert least < await memory_home.until(lambda: client.binding is not None, 310.0) < least + 2.0


async def test_the_network_wants_another_authentication(memory_home, watcher, subscribed):
    _, told = subscribed
    watcher.notify('state="active" event="shortened" expires="60"')
    assert 29.0 < await memory_home.until(lambda: Refreshed in told.kinds, 60.0) < 32.0


async def test_the_network_registers_another_identity(memory_home, watcher, subscribed):
    client, told = subscribed
    watcher.notify(ACTIVE, new=ACTIVE)
    await memory_home.until(lambda: IdentitiesChanged in told.kinds, 5.0)
    assert texts(client.identities.usable) == ["sip:alice@ims.example", "sip:new@ims.example"]


async def test_the_subscription_follows_to_the_new_connection(memory_home, watcher, subscribed):
    memory_home.far[-1].abort("begin")
    await memory_home.until(lambda: len(watcher.subscribes) == 2, 15.0)
    one, other = (request for request, _ in watcher.subscribes)
    assert one.call_id == other.call_id


@pytest.mark.parametrize("status", [403, 405, 489, 501])
async def test_a_network_without_reg_event(memory_home, watcher, status, caplog):
    watcher.status = status
    client = memory_home.client("alice", reg_event=True)
    told = memory_home.watched(client)
    async with client:
        await memory_home.until(lambda: watcher.subscribes, 5.0)
        await asyncio.sleep(3000.0)
        assert set(told.kinds) <= {Registered, Refreshed}
        assert caplog.records == []


async def test_the_identity_that_leads_next_is_watched(memory_home, watcher):
    client = memory_home.client("alice", impus=("sip:work@ims.example",), reg_event=True)
    async with client:
        await memory_home.until(lambda: len(client.bindings) == 2, 5.0)
        await client.deregister("sip:alice@ims.example")
        await memory_home.until(lambda: len(watcher.subscribes) == 2, 5.0)
        assert [str(request.to.uri.user) for request, _ in watcher.subscribes] == ["alice", "work"]
        watcher.version = 0
        watcher.notify('state="terminated" event="rejected"', aor="sip:work@ims.example", state="terminated")
        with pytest.raises(RegistrationFailed, match="rejected"):
            await anext(client.incoming())


async def test_the_network_ends_the_main_registration_alone(memory_home, watcher):
    """The others go on, and so does the client."""
    client = memory_home.client("alice", impus=("sip:work@ims.example",), reg_event=True)
    told = memory_home.watched(client)
    async with client:
        await memory_home.until(lambda: len(client.bindings) == 2, 5.0)
        watcher.notify(ACTIVE, aor="sip:work@ims.example", alice='state="terminated" event="rejected"')
        await memory_home.until(lambda: RegistrationLost in told.kinds, 5.0)
        assert [(str(each.impu), each.final) for each in told if isinstance(each, RegistrationLost)] == [
            ("sip:alice@ims.example", True)
        ]
        memory_home.far[-1].abort("begin")
        await memory_home.until(lambda: ConnectionRestored in told.kinds, 15.0)
        assert texts(each.impu for each in client.bindings) == ["sip:work@ims.example"]
        assert str((await memory_home.invite(client)).from_.uri) == "sip:work@ims.example"


async def test_a_registration_that_is_granted_and_ended_in_one_breath(memory_home, watcher, subscribed):
    client, told = subscribed

    def grant_and_end(context, now):
        memory_home.home.grant(context, now)
        watcher.subscribes[-1] = (watcher.subscribes[-1][0], memory_home.far[-1].flow)
        rejected = 'state="terminated" event="rejected"'
        asyncio.get_running_loop().call_soon(lambda: watcher.notify(rejected, state="terminated"))

    memory_home.home.answers["REGISTER"] = grant_and_end
    memory_home.far[-1].abort("begin")
    with pytest.raises(RegistrationFailed, match="rejected"):
        await anext(client.incoming())
    assert (told[-1].final, client.is_over) == (True, True)
    await memory_home.until(lambda: not memory_home.home.driver.connections, 1.0)


@pytest.mark.parametrize("status", [481, 500])
async def test_a_registration_begun_anew_is_watched_anew(memory_home, watcher, subscribed, status):
    """TS 24.229 §5.1.1.3: an S-CSCF that lost the registration has lost the subscription too."""
    client, _ = subscribed
    memory_home.home.granted = 1000
    client.refresh()
    await asyncio.sleep(1.0)
    assert len(watcher.subscribes) == 1, "a refresh leaves the subscription alone"
    refused = []

    def forget(context, now):
        if refused:
            memory_home.home.grant(context, now)
        else:
            refused.append(context.request)
            context.reject(status, now=now)

    memory_home.home.answers["REGISTER"] = forget
    await memory_home.until(lambda: len(watcher.subscribes) == 2, 600.0)
    one, other = (request for request, _ in watcher.subscribes)
    assert one.call_id != other.call_id
    watcher.version = 0
    watcher.notify('state="active" event="shortened" expires="60"')
    await asyncio.sleep(1.0)
    assert client.binding.expires == 60


async def test_a_later_subscription_is_that_of_the_last_registration(memory_home, watcher):
    memory_home.home.granted = 1000
    client = memory_home.client("alice", reg_event=True)
    told = memory_home.watched(client)
    watcher.status = 503
    async with client:
        await memory_home.until(lambda: watcher.subscribes, 5.0)
        memory_home.home.associated = ["sip:new@ims.example"]
        await memory_home.until(lambda: Refreshed in told.kinds, 600.0)
        count = len(watcher.subscribes)
        await memory_home.until(lambda: len(watcher.subscribes) > count, 7200.0)
        assert [str(watcher.subscribes[n][0].to.uri) for n in (0, -1)] == [
            "sip:alice@ims.example",
            "sip:new@ims.example",
        ]


async def test_a_registrar_that_has_forgotten_the_registration(memory_home, watcher, subscribed):
    """As after a restart: its document does not speak of the contact, and nothing has deregistered it."""
    client, told = subscribed
    watcher.notify('state="active" event="registered"', state="init")
    await memory_home.until(lambda: told.kinds.count(Registered) == 2, 5.0)
    assert [each.final for each in told if isinstance(each, RegistrationLost)] == [False]
    assert client.binding is not None


async def test_calls_are_made_with_identities_that_the_network_registered_later(memory_home, watcher, subscribed):
    client, _ = subscribed
    watcher.notify(ACTIVE, new=ACTIVE)
    await asyncio.sleep(1.0)
    assert "sip:new@ims.example" in texts(client.identities.usable)
    invite = await memory_home.invite(client, "sip:new@ims.example")
    assert str(invite.from_.uri) == "sip:new@ims.example"
    edge, *route = invite.headers.get_all("Route")
    assert edge == "<sip:a:80;transport=ws;lr>"
    assert route == texts(client.binding.service_route)


async def test_no_calls_are_made_with_identities_that_the_network_ended(memory_home, watcher):
    """TS 24.229 §5.1.1.7; until the next REGISTER says otherwise."""
    memory_home.home.associated = ["sip:extra@ims.example", "sip:alice@ims.example"]
    client = memory_home.client("alice", reg_event=True)
    told = memory_home.watched(client)
    async with client:
        await memory_home.until(lambda: watcher.subscribes, 5.0)
        watcher.notify(ACTIVE)
        await asyncio.sleep(1.0)
        assert texts(client.identities.usable) == memory_home.home.associated, "what is not spoken of has not ended"
        watcher.notify(ACTIVE, extra=ACTIVE)
        watcher.notify(ACTIVE, extra='state="terminated" event="unregistered"')
        await asyncio.sleep(1.0)
        assert texts(client.identities.usable) == ["sip:alice@ims.example"]
        assert str(client.identities.default) == "sip:alice@ims.example"
        assert told.kinds.count(IdentitiesChanged) == 1
        with pytest.raises(
            ConfigurationError, match=r"not an identity of this account; use one of sip:alice@ims\.example\."
        ):
            await client.call("sip:bob@ims.example", identity="sip:extra@ims.example")
        client.refresh()
        await asyncio.sleep(1.0)
        assert texts(client.identities.usable) == memory_home.home.associated


async def test_a_default_identity_that_the_network_has_ended(memory_home, watcher):
    memory_home.home.associated = ["sip:extra@ims.example", "sip:more@ims.example"]
    memory_home.home.bars = {"alice"}
    client = memory_home.client("alice", reg_event=True)
    async with client:
        await memory_home.until(lambda: watcher.subscribes, 5.0)
        watcher.notify(ACTIVE, extra=ACTIVE)
        watcher.notify(ACTIVE, extra='state="terminated" event="unregistered"')
        await asyncio.sleep(1.0)
        assert str((await memory_home.invite(client)).from_.uri) == "sip:more@ims.example"
        assert texts(client.identities.barred) == ["sip:alice@ims.example"]


async def test_the_last_identity_ends_while_the_other_leaves_unanswered(memory_home, watcher):
    client = memory_home.client("alice", impus=("sip:work@ims.example",), reg_event=True)
    told = memory_home.watched(client)

    def ignore_removals(context, now):
        if context.request.expires != 0:
            memory_home.home.grant(context, now)

    async with client:
        await memory_home.until(lambda: len(client.bindings) == 2, 5.0)
        memory_home.home.answers["REGISTER"] = ignore_removals
        await client.deregister("sip:alice@ims.example")  # Timer F still runs
        watcher.notify('state="terminated" event="rejected"', aor="sip:work@ims.example", state="terminated")
        with pytest.raises(RegistrationFailed, match="rejected"):
            await anext(client.incoming())
        await asyncio.sleep(60.0)
        assert not memory_home.home.driver.connections
    lost = [(str(each.impu), each.final) for each in told if isinstance(each, RegistrationLost)]
    assert lost == [("sip:work@ims.example", True)]


@pytest.mark.parametrize("impu", [None, "sip:alice@ims.example"])
async def test_a_deregistration_that_is_cancelled_before_the_last_notify(memory_home, watcher, subscribed, impu):
    client, told = subscribed
    leaving = asyncio.create_task(client.deregister(impu))
    await memory_home.until(lambda: Deregistered in told.kinds, 5.0)
    leaving.cancel()
    await asyncio.wait([leaving])
    assert leaving.cancelled()
    assert client.is_over
    await memory_home.until(lambda: not memory_home.home.driver.connections, 1.0)
