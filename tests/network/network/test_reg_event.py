"""reg-event through a whole network: a WIC of strings, the eP-CSCF and the S-CSCF."""

from __future__ import annotations

import time

import pytest

from tests.support.waiting import until
from wic.auth.secret import Secret
from wic.network import ImsNetwork, NetworkOptions
from wic.network.scscf.options import RegistrarOptions
from wic.registration.reg_event.reginfo import ContactEvent, ContactState, parse_reginfo

ALICE = "sip:alice@ims.example"
IMPI = "alice@ims.example"


def document(notify: bytes):
    return parse_reginfo(notify.partition(b"\r\n\r\n")[2])


async def subscribe(ue, *, expires: int = 3600, to: str = "", uri: str = ALICE, routes: tuple[str, ...] = ()) -> bytes:
    """Subscribe, and return the first NOTIFY, which is answered."""
    lines = ("Event: reg", f"Contact: {ue.contact}", f"Expires: {expires}", "Accept: application/reginfo+xml", *routes)
    ue.send(ue.request("SUBSCRIBE", uri, *lines, to=to or f"<{ALICE}>", call_id="reg-event"))
    ue.accepted = await ue.expect("SIP/2.0 200")
    return await notified(ue)


async def notified(ue) -> bytes:
    notify = await ue.expect("NOTIFY ")
    ue.send(ue.respond(notify, "200 OK"))
    return notify


async def watched(ims: ImsNetwork, count: int) -> None:
    """Wait until the S-CSCF has so many subscriptions."""
    await until(lambda: len(ims.scscf.notifier) == count)


async def test_a_wic_is_told_of_its_registration(ue) -> None:
    alice = await ue("alice")
    notify = await subscribe(alice)
    assert notify.startswith(f"NOTIFY {alice.contact[1:-1]} SIP/2.0".encode())
    assert alice.header(notify, "Event") == "reg"
    assert alice.header(notify, "Subscription-State") == "active;expires=3600"
    told = document(notify)
    (registration,) = told.registrations
    (contact,) = registration.contacts
    assert (told.version, told.full, registration.aor) == (0, True, ALICE)
    assert (contact.uri, contact.event) == (alice.contact[1:-1], ContactEvent.REGISTERED)
    assert contact.param("+sip.instance") == "<urn:uuid:alice>"
    assert contact.pub_gruu == f"{ALICE};gr=urn:uuid:alice"


async def test_a_refresh_and_the_end(ue, ims) -> None:
    alice = await ue("alice")
    await subscribe(alice)
    routes = tuple(f"Route: {value}" for value in reversed(alice.headers(alice.accepted, "Record-Route")))
    target = alice.header(alice.accepted, "Contact")[1:-1]
    within = {"to": alice.header(alice.accepted, "To"), "uri": target, "routes": routes}
    assert document(await subscribe(alice, **within)).version == 1
    notify = await subscribe(alice, expires=0, **within)
    assert alice.header(notify, "Subscription-State") == "terminated;reason=timeout"
    await watched(ims, 1)  # the eP-CSCF's


async def test_the_edge_subscribes_as_well(ue, ims, mw) -> None:
    """TS 24.229 §5.2.3."""
    await ue("alice")
    await watched(ims, 1)
    assert len(ims.epcscf.watcher) == 1
    own = f"<sip:{ims.epcscf.node.mw.host}:{ims.epcscf.node.mw.port}>"
    request = next(message for message in mw if message.startswith(b"SUBSCRIBE")).decode()
    path = next(line for message in mw for line in message.decode().splitlines() if line.startswith("Path: "))[6:]
    for line in (
        f"SUBSCRIBE {ALICE} SIP/2.0",
        f"From: {own};tag=",
        f"To: <{ALICE}>",
        "Event: reg",
        f"P-Asserted-Identity: {path}",
        "P-Charging-Vector: icid-value=",
    ):
        assert line in request


@pytest.mark.parametrize("event", [ContactEvent.DEACTIVATED, ContactEvent.REJECTED])
async def test_the_network_deregisters_a_wic(ue, ims, event) -> None:
    """TS 24.229 §5.4.1.5, §5.1.1.7; TS 24.371 §6A.3."""
    alice = await ue("alice")
    await subscribe(alice)
    await watched(ims, 2)
    ims.scscf.location_service.deregister(IMPI, event, now=time.time())
    ims.scscf.node.driver.pump()
    notify = await notified(alice)
    assert alice.header(notify, "Subscription-State") == "terminated;reason=noresource"
    (contact,) = document(notify).registrations[0].contacts
    assert (contact.state, contact.event) == (ContactState.TERMINATED, event)
    await watched(ims, 0)
    alice.send(alice.request("OPTIONS", "sip:bob@ims.example"))
    await alice.expect("SIP/2.0 403 Not Registered")


async def test_the_network_wants_another_proof(ue, ims) -> None:
    """TS 24.229 §5.4.1.6."""
    alice = await ue("alice")
    await subscribe(alice)
    ims.scscf.location_service.reauthenticate(IMPI, within=60, now=time.time())
    ims.scscf.node.driver.pump()
    (contact,) = document(await notified(alice)).registrations[0].contacts
    assert contact.event is ContactEvent.SHORTENED


async def test_a_wic_deregisters_itself(ue, ims) -> None:
    alice = await ue("alice")
    await subscribe(alice)
    await alice.registered(expires=0)
    (contact,) = document(await notified(alice)).registrations[0].contacts
    assert contact.event is ContactEvent.UNREGISTERED
    await watched(ims, 0)
    assert len(ims.epcscf.watcher) == 0


async def test_others_may_not_watch(ue) -> None:
    await ue("alice")
    bob = await ue("bob")
    bob.send(bob.request("SUBSCRIBE", ALICE, "Event: reg", f"Contact: {bob.contact}"))
    await bob.expect("SIP/2.0 403")


async def test_a_subscription_outlives_a_restart_of_the_network(tmp_path, make_raw) -> None:
    options = NetworkOptions(directory=tmp_path / "ims", registrar=RegistrarOptions(min_expires=10))
    async with ImsNetwork(options) as ims:
        answers: list[bytes] = []

        def observe(entity, now, direction, data, flow) -> None:
            if entity == "S-CSCF" and data.startswith(b"SIP/2.0 200") and b"NOTIFY" in data:
                answers.append(data)

        ims.on_message(observe)
        ims.add_subscriber("alice", password=Secret("correct horse"))
        alice = await make_raw("alice", ims.ready())
        await alice.registered()
        await subscribe(alice)
        await until(lambda: len(answers) == 2)  # hers and the eP-CSCF's: nothing is on its way
    async with ImsNetwork(options) as ims:
        assert len(ims.scscf.notifier) == 2
