"""Deregistration by the network (TS 24.371 §6A.3, TS 24.229 §5.2.5.2), and several users over one connection."""

from __future__ import annotations

import time

import pytest

from tests.support.waiting import until
from wic.auth.secret import Secret
from wic.network.hss import PublicIdentity
from wic.registration.reg_event.reginfo import ContactEvent

OFFICE = "sip:office@ims.example"


async def deregister(ims, user: str) -> None:
    """Wait until the eP-CSCF watches a user, then let the S-CSCF end the registration."""
    await until(lambda: len(ims.scscf.notifier) > 0)
    assert ims.scscf.location_service.deregister(f"{user}@ims.example", ContactEvent.DEACTIVATED, now=time.time())
    ims.scscf.node.driver.pump()


async def test_the_network_ends_a_registration(ims, ue, time_passes):
    alice = await ue("alice")
    await deregister(ims, "alice")
    await until(lambda: ims.epcscf.registrations == 0)
    alice.send(alice.request("OPTIONS", "sip:bob@ims.example"))
    await alice.receive("SIP/2.0 403")
    assert len(ims.epcscf.watcher) == 0
    time_passes(ims.epcscf, 31)
    assert not alice.ended.is_set()
    time_passes(ims.epcscf, 33)
    await alice.ended.wait()


async def test_who_registers_anew_goes_on(ims, ue, time_passes):
    alice = await ue("alice")
    await deregister(ims, "alice")
    await until(lambda: ims.epcscf.registrations == 0)
    await alice.registered()
    time_passes(ims.epcscf, 100)
    alice.send(alice.request("OPTIONS", "sip:nobody@ims.example"))
    await alice.receive("SIP/2.0 404")


async def test_the_end_of_one_registration_is_not_that_of_another(ims, ue, time_passes):
    """Two users share a connection, as with a gateway of somebody; a second device of one has its own."""
    alice, tablet = await ue("alice"), await ue("alice", register=False)
    tablet.registration, tablet.host = "tablet", "tablet.invalid"
    await tablet.registered(contact=f'<sip:alice@{tablet.host}>;reg-id=1;+sip.instance="<urn:uuid:tablet>"')
    alice.user, alice.registration = "bob", "bob"
    await alice.registered(contact=f'<sip:bob@{alice.host}>;reg-id=1;+sip.instance="<urn:uuid:alice>"')
    assert ims.epcscf.registrations == 3
    ims.epcscf._survival.terminated("alice@ims.example", "sip:alice@ims.example", [], now=ims.epcscf.node.driver.now)
    assert ims.epcscf.registrations == 3
    await alice.registered(contact=f"<sip:bob@{alice.host}>;reg-id=1", expires=0)
    alice.user, alice.registration = "alice", "again"
    await alice.registered(contact="*", expires=0)
    assert [each.impi for each in ims.epcscf._parts.associations.under("alice@ims.example")] == ["alice@ims.example"]


async def test_only_the_user_who_comes_back_moves(ims, ue):
    """The connection of two users stays for the other one."""
    both = await ue("alice")
    both.user, both.registration = "bob", "bob"
    await both.registered(contact=f'<sip:bob@{both.host}>;reg-id=1;+sip.instance="<urn:uuid:both>"')
    again = await ue("alice", register=False)
    await again.registered()
    assert ims.epcscf.registrations == 2
    both.send(both.request("OPTIONS", "sip:nobody@ims.example", call_id="o"))
    await both.receive("SIP/2.0 404")
    assert not both.ended.is_set()


async def test_two_users_of_a_lost_connection_come_back_one_by_one(ims, ue):
    both = await ue("alice")
    both.user, both.registration = "bob", "bob"
    await both.registered(contact=f'<sip:bob@{both.host}>;reg-id=1;+sip.instance="<urn:uuid:both>"')
    both.cut()
    await until(lambda: ims.epcscf.registrations == 0)
    survival = ims.epcscf._survival
    assert len(survival._awaited) == 2
    alice = await ue("alice", register=False)
    await alice.registered()
    assert len(survival._awaited) == 1
    bob = await ue("bob", register=False)
    await bob.registered(contact=f'<sip:bob@{bob.host}>;reg-id=1;+sip.instance="<urn:uuid:both>"')
    assert survival._awaited == survival._absent == {}


@pytest.fixture
async def gina(ims, ue):
    """A user of two registration sets, both of them registered by one contact (TS 24.229 §5.1.1.2)."""
    identities = (PublicIdentity("sip:gina@ims.example"), PublicIdentity(OFFICE, registration_set=1))
    ims.hss.add_subscriber("gina@ims.example", identities, Secret("correct horse"))
    made = await ue("gina")
    await register_office(made)
    await until(lambda: len(ims.scscf.notifier) == 2)
    return made


async def register_office(gina, expires: int = 3600) -> None:
    main, gina.registration = gina.registration, "office"
    await gina.registered(to=f"<{OFFICE}>", expires=expires)
    gina.registration = main


async def test_the_end_of_one_identity_is_not_that_of_another(ims, ue, gina):
    await register_office(gina, expires=0)
    await until(lambda: len(ims.scscf.notifier) == 1)
    assert len(ims.epcscf.watcher) == ims.epcscf.registrations == 1
    gina.send(gina.request("OPTIONS", "sip:nobody@ims.example"))
    await gina.receive("SIP/2.0 404")
    alice = await ue("alice")
    alice.send(alice.request("OPTIONS", "sip:gina@ims.example"))
    gina.send(gina.respond(await gina.receive("OPTIONS"), "200 OK"))
    await alice.receive("SIP/2.0 200")


async def test_the_network_ends_one_identity_of_several(ims, gina):
    (office,) = ims.hss.bindings("gina@ims.example", registration_set=1, now=time.time())
    ims.scscf.location_service.flow_failed(office, now=time.time())
    ims.scscf.node.driver.pump()
    await until(lambda: ims.epcscf.registrations == 1)
    (left,) = ims.epcscf._parts.associations.under("gina@ims.example")
    assert left.impus == ("sip:gina@ims.example",)
    await until(lambda: len(ims.scscf.notifier) == 1)
    assert len(ims.epcscf.watcher) == 1
