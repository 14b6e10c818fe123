"""Deregistration by the network (TS 24.371 §6A.3, TS 24.229 §5.2.5.2), and several users over one connection."""

from __future__ import annotations

import time

import pytest

from tests.support.subscribers import add_with_password
from tests.support.waiting import until
from wic.auth.secret import Secret
from wic.network.epcscf.reg_event import ContactsEnded
from wic.network.epcscf.tables import UeState
from wic.network.hss import PublicIdentity
from wic.registration.reg_event.reginfo import ContactEvent

OFFICE = "sip:office@ims.example"


async def deregister(ims, user: str) -> None:
    """Wait until the eP-CSCF watches a user, then let the S-CSCF end the registration."""
    await until(lambda: len(ims.scscf.notifier) > 0)
    assert ims.scscf.location_service.deregister(f"{user}@ims.example", ContactEvent.DEACTIVATED, now=time.time())
    ims.scscf.node.driver.pump()


def absent(ims) -> set[str]:
    """Return the private identities of the UEs that are waited for."""
    return {ue.impi for ue in ims.epcscf.ues if ue.state is UeState.ABSENT}


async def test_the_network_ends_a_registration(ims, ue, time_passes):
    alice = await ue("alice")
    await deregister(ims, "alice")
    await until(lambda: ims.epcscf.registrations == 0)
    alice.send(alice.request("OPTIONS", "sip:bob@ims.example"))
    await alice.expect("SIP/2.0 403")
    assert len(ims.epcscf.watcher) == 0
    time_passes(ims.epcscf, 31)
    assert not alice.ended.is_set()
    time_passes(ims.epcscf, 33)
    await alice.ended.wait()


async def test_a_new_registration_keeps_the_connection(ims, ue, time_passes):
    alice = await ue("alice")
    await deregister(ims, "alice")
    await until(lambda: ims.epcscf.registrations == 0)
    await alice.registered()
    time_passes(ims.epcscf, 100)
    alice.send(alice.request("OPTIONS", "sip:unknown@ims.example"))
    await alice.expect("SIP/2.0 404")
    assert not alice.ended.is_set()


async def test_the_end_of_one_registration_is_not_that_of_another(ims, ue, time_passes):
    """Two users share a connection, as behind a gateway; a second device of one has its own."""
    alice, tablet = await ue("alice"), await ue("alice", register=False)
    tablet.registration, tablet.host = "tablet", "tablet.invalid"
    await tablet.registered(contact=f'<sip:alice@{tablet.host}>;reg-id=1;+sip.instance="<urn:uuid:tablet>"')
    alice.user, alice.registration = "bob", "bob"
    await alice.registered(contact=f'<sip:bob@{alice.host}>;reg-id=1;+sip.instance="<urn:uuid:alice>"')
    assert ims.epcscf.registrations == 3
    nothing = ContactsEnded("alice@ims.example", "sip:alice@ims.example", ())
    ims.epcscf.recovery.contacts_ended(nothing, now=ims.epcscf.node.driver.now)
    assert ims.epcscf.registrations == 3
    await alice.registered(contact=f"<sip:bob@{alice.host}>;reg-id=1", expires=0)
    alice.user, alice.registration = "alice", "again"
    await alice.registered(contact="*", expires=0)
    assert [len(ue.associations) for ue in ims.epcscf.ues.of_user("alice@ims.example")] == [1]


async def test_only_the_returning_user_moves(ims, ue):
    """The connection of two users stays for the other one."""
    both = await ue("alice")
    both.user, both.registration = "bob", "bob"
    await both.registered(contact=f'<sip:bob@{both.host}>;reg-id=1;+sip.instance="<urn:uuid:both>"')
    again = await ue("alice", register=False)
    await again.registered()
    assert ims.epcscf.registrations == 2
    both.send(both.request("OPTIONS", "sip:unknown@ims.example", call_id="o"))
    await both.expect("SIP/2.0 404")
    assert not both.ended.is_set()


async def shared(ue, *, first: str = "alice"):
    """Return a connection of two users, the second one of which stays registered."""
    both = await ue(first)
    both.user, both.registration = "bob", "bob"
    await both.registered(contact=f'<sip:bob@{both.host}>;reg-id=1;+sip.instance="<urn:uuid:both>"')
    both.user, both.registration = first, f"again-{first}"
    return both


def known(ims) -> set[str]:
    return {each.impi.partition("@")[0] for each in ims.epcscf.ues}


async def test_a_deregistered_ue_without_calls_is_forgotten(ims, ue):
    both = await shared(ue)
    assert known(ims) == {"alice", "bob"}
    await both.registered(expires=0)
    assert known(ims) == {"bob"}
    (connection,) = {each.connection for each in ims.epcscf.ues}
    assert list(connection.ues) == ["bob@ims.example"]


async def test_a_deregistered_ue_is_forgotten_with_its_last_dialog(ims, ue, time_passes):
    """Others stay registered over its connection, which ends much later."""
    both = await shared(ue)
    contact = f"Contact: {both.contact}"
    both.send(both.request("INVITE", "sip:carl@ims.example", contact, call_id="call"))
    await both.expect("SIP/2.0 404")
    ims.add_subscriber("carl", password=Secret("correct horse"))
    carl = await ue("carl")
    both.send(both.request("INVITE", "sip:carl@ims.example", contact, cseq=50, call_id="call-1"))
    invited = await carl.expect("INVITE")
    carl.send(carl.respond(invited, "180 Ringing"))
    await both.expect("SIP/2.0 180")
    await both.registered(expires=0)
    time_passes(ims.epcscf, 33)
    assert known(ims) == {"alice", "bob", "carl"}  # it rings
    carl.send(carl.respond(invited, "486 Busy Here"))
    await both.expect("SIP/2.0 486")
    time_passes(ims.epcscf, 66)
    assert known(ims) == {"alice", "bob", "carl"}  # an early dialog lasts for a while
    time_passes(ims.epcscf, 400)
    assert known(ims) == {"bob", "carl"}


async def test_a_subscription_keeps_its_deregistered_ue(ims, ue, time_passes):
    both = await shared(ue)
    lines = ("Event: reg", f"Contact: {both.contact}", "Expires: 3600")
    both.send(both.request("SUBSCRIBE", "sip:alice@ims.example", *lines, call_id="reg-event"))
    await both.expect("SIP/2.0 200")
    both.send(both.respond(await both.expect("NOTIFY"), "200 OK"))
    both.send(both.register(expires=0))
    challenged = await both.expect("SIP/2.0 401")
    both.send(both.register(both.credentials(both.challenge(challenged)), expires=0))
    await both.expect("SIP/2.0 200")
    assert known(ims) == {"alice", "bob"}
    notified = await both.expect("NOTIFY")
    assert b"terminated" in notified
    both.send(both.respond(notified, "200 OK"))
    await until(lambda: len(ims.scscf.notifier) == 1)  # that of the eP-CSCF to bob
    time_passes(ims.epcscf, 100)
    assert known(ims) == {"bob"}


async def test_two_users_of_a_lost_connection_come_back_one_by_one(ims, ue):
    both = await ue("alice")
    both.user, both.registration = "bob", "bob"
    await both.registered(contact=f'<sip:bob@{both.host}>;reg-id=1;+sip.instance="<urn:uuid:both>"')
    both.cut()
    await until(lambda: ims.epcscf.registrations == 0)
    assert absent(ims) == {"alice@ims.example", "bob@ims.example"}
    alice = await ue("alice", register=False)
    await alice.registered()
    assert absent(ims) == {"bob@ims.example"}
    bob = await ue("bob", register=False)
    await bob.registered(contact=f'<sip:bob@{bob.host}>;reg-id=1;+sip.instance="<urn:uuid:both>"')
    assert absent(ims) == set()


@pytest.fixture
async def gina(ims, ue):
    """A user of two registration sets, both of them registered by one contact (TS 24.229 §5.1.1.2)."""
    identities = (PublicIdentity("sip:gina@ims.example"), PublicIdentity(OFFICE, registration_set=1))
    add_with_password(ims.hss, "gina@ims.example", identities, Secret("correct horse"))
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
    gina.send(gina.request("OPTIONS", "sip:unknown@ims.example"))
    await gina.expect("SIP/2.0 404")
    alice = await ue("alice")
    alice.send(alice.request("OPTIONS", "sip:gina@ims.example"))
    gina.send(gina.respond(await gina.expect("OPTIONS"), "200 OK"))
    await alice.expect("SIP/2.0 200")


async def test_the_network_ends_one_identity_of_several(ims, gina):
    (office,) = ims.hss.bindings("gina@ims.example", registration_set=1, now=time.time())
    ims.scscf.location_service.flow_failed(office, now=time.time())
    ims.scscf.node.driver.pump()
    await until(lambda: ims.epcscf.registrations == 1)
    (ue,) = ims.epcscf.ues.of_user("gina@ims.example")
    (left,) = ue.associations.values()
    assert left.impus == ("sip:gina@ims.example",)
    await until(lambda: len(ims.scscf.notifier) == 1)
    assert len(ims.epcscf.watcher) == 1


async def test_a_set_that_does_not_come_back_is_not_watched(ims, ue, gina, time_passes):
    gina.cut()
    await until(lambda: ims.epcscf.registrations == 0)
    again = await ue("gina", register=False)
    await again.registered()
    assert len(ims.epcscf.watcher) == 2  # the other set may follow
    time_passes(ims.epcscf, 33)
    assert len(ims.epcscf.watcher) == 1


async def test_a_set_that_follows_is_watched_as_before(ims, ue, gina, time_passes, mw):
    gina.cut()
    await until(lambda: ims.epcscf.registrations == 0)
    mw.clear()
    again = await ue("gina", register=False)
    again.cseq = 20  # above that of the earlier REGISTERs of the same Call-ID
    await again.registered()
    await register_office(again)
    time_passes(ims.epcscf, 33)
    assert len(ims.epcscf.watcher) == 2
    assert not any(message.startswith(b"SUBSCRIBE") for message in mw)
