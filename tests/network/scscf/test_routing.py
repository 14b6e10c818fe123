"""The S-CSCF by itself, spoken to over UDP in plain text."""

from __future__ import annotations

import pytest

from wic.network.hss import PublicIdentity, SubscriberProfile
from wic.network.scscf.server import Scscf, ScscfOptions
from wic.registration.reg_event.reginfo import ContactEvent

IMPI = "alice@ims.example"
ALICE, BOB = f"sip:{IMPI}", "sip:bob@ims.example"


ASSERTED = f"P-Asserted-Identity: <{ALICE}>"


async def test_a_request_goes_along_the_path_of_the_binding(world):
    world.bind("bob")
    world.send("OPTIONS", BOB)
    got = await world.peer.receive("OPTIONS sip:bob@k.invalid ")
    assert f"Route: <sip:token-k@127.0.0.1:{world.peer.address[1]};lr;ob>" in got
    assert f"P-Called-Party-ID: <{BOB}>" in got
    world.peer.answer(got, "200 OK")
    await world.peer.receive("SIP/2.0 200")


async def test_contacts_are_tried_by_preference(world):
    world.bind("bob", key="first", q=";q=1.0")
    world.bind("bob", key="second", q=";q=0.5")
    world.send("OPTIONS", BOB)
    first = await world.peer.receive("OPTIONS sip:bob@first.invalid ")
    world.peer.answer(first, "486 Busy Here")
    second = await world.peer.receive("OPTIONS sip:bob@second.invalid ")
    world.peer.answer(second, "200 OK")
    await world.peer.receive("SIP/2.0 200")


async def test_a_failed_flow_removes_its_binding(world):
    world.bind("bob")
    world.send("OPTIONS", BOB)
    world.peer.answer(await world.peer.receive("OPTIONS"), "430 Flow Failed")
    await world.peer.receive("SIP/2.0 480")
    assert world.hss.bindings("bob@ims.example", now=0) == []


async def test_expired_bindings_are_removed_in_time(world):
    world.bind("bob", expires_at=1e9 - 1)
    world.scscf._expiry.handle_timeout(now=0)
    assert [binding.impi for binding in world.hss.bindings("bob@ims.example", now=0)] == []
    assert world.scscf._expiry.next_timeout() == 60.0


async def test_an_originating_request_needs_an_asserted_and_registered_identity(world):
    world.bind("bob")
    world.send("OPTIONS", BOB, world.orig)
    await world.peer.receive("SIP/2.0 403")
    world.send("OPTIONS", BOB, world.orig, f"P-Asserted-Identity: <{ALICE}>")
    world.peer.answer(await world.peer.receive("OPTIONS sip:bob@k.invalid"), "200 OK")
    await world.peer.receive("SIP/2.0 200")
    world.hss.change_bindings("alice@ims.example", remove=["k"])
    world.send("OPTIONS", BOB, world.orig, f"P-Asserted-Identity: <{ALICE}>")
    await world.peer.receive("SIP/2.0 504")


async def test_nobody_untrusted_may_originate(world, make_mw_peer):
    world.peer = await make_mw_peer()
    world.send("OPTIONS", BOB, world.orig, ASSERTED)
    await world.peer.receive("SIP/2.0 403")


async def test_a_registered_user_reaches_other_elements_by_address(world):
    host, port = world.peer.address
    world.send("OPTIONS", f"sip:phone@{host}:{port}", world.orig, ASSERTED)
    world.peer.answer(await world.peer.receive(f"OPTIONS sip:phone@{host}:{port} "), "200 OK")
    await world.peer.receive("SIP/2.0 200")
    world.send("OPTIONS", f"sip:phone@{host}:{port};transport=tls", world.orig, ASSERTED)
    await world.peer.receive("SIP/2.0 404")


@pytest.mark.parametrize(
    ("uri", "lines", "to", "status"),
    [
        ("sip:x@elsewhere.example", (), f"<{BOB}>", 403),
        (BOB, ("Route: <sip:192.0.2.1;lr>",), f"<{BOB}>", 403),
        (BOB, (), f"<{BOB}>;tag=x", 403),
        ("sip:nobody@ims.example", (), f"<{BOB}>", 404),
        ("tel:+4912", (), f"<{BOB}>", 404),
        (BOB, (), f"<{BOB}>", 480),
        (BOB, ("Route: <<",), f"<{BOB}>", 400),
    ],
)
async def test_who_is_not_let_through(world, uri, lines, to, status):
    world.send("OPTIONS", uri, *lines, to=to)
    await world.peer.receive(f"SIP/2.0 {status}")


async def test_a_request_to_the_scscf_itself_within_a_dialog_belongs_to_none(world):
    mw = world.scscf.node.mw
    world.send("BYE", f"sip:{mw.host}:{mw.port}", f"Route: <sip:{mw.host}:{mw.port};lr>", to=f"<{BOB}>;tag=x")
    await world.peer.receive("SIP/2.0 481")


CONTACT = "Contact: <sip:bob@x.invalid>"
OUTBOUND = 'Contact: <sip:bob@x.invalid>;+sip.instance="<urn:uuid:1>";reg-id='
PROTECTED = (
    'Authorization: Digest username="bob@ims.example", realm="ims.example", nonce="", uri="sip:ims.example", '
    'response="", integrity-protected="tls-yes"'
)


@pytest.mark.parametrize(
    ("lines", "status"),
    [
        (("Contact: *",), 400),
        (("Contact: *", "Expires: 1"), 400),
        ((f"{OUTBOUND}0", "Supported: outbound"), 400),
        ((f"{OUTBOUND}x", "Supported: outbound"), 400),
        ((f"{OUTBOUND}1", "Supported: outbound", "Via: SIP/2.0/WSS a.invalid;branch=z9hG4bK-x"), 439),
        ((CONTACT, "Contact: <sip:bob@y.invalid>", "Contact: <sip:bob@z.invalid>"), 403),
        ((CONTACT, "Expires: 9"), 423),
        ((CONTACT,), 200),
        ((f"{OUTBOUND}1", "Supported: outbound"), 200),
        (("Contact: <<<",), 400),
    ],
)
async def test_what_a_registrar_grants(world, lines, status):
    """Within a TLS association, so that no proof stands between the request and its Contact."""
    world.bind("bob")
    world.send("REGISTER", "sip:ims.example", PROTECTED, *lines)
    await world.peer.receive(f"SIP/2.0 {status}")
    granted = len(world.hss.bindings("bob@ims.example", now=0))
    assert granted == (2 if status == 200 else 1)


async def test_register_for_another_domain_or_without_name(world):
    world.send("REGISTER", "sip:elsewhere.example", CONTACT)
    await world.peer.receive("SIP/2.0 403")
    world.send("REGISTER", "sip:ims.example", CONTACT)
    await world.peer.receive("SIP/2.0 401")
    malformed = PROTECTED.replace('response=""', 'response="0"')
    world.send("REGISTER", "sip:ims.example", malformed, CONTACT)
    await world.peer.receive("SIP/2.0 401")


async def test_a_user_whose_registration_is_lost_is_asked_for_a_new_one(world):
    """TS 24.229 §5.1.2A.1.6: 504 from a URI of the Service-Route, with action initial-registration."""
    world.bind("bob")
    world.hss.change_bindings("alice@ims.example", remove=["k"])
    world.send("OPTIONS", BOB, world.orig, ASSERTED)
    got = await world.peer.receive("SIP/2.0 504")
    mw = world.scscf.node.mw
    assert f"P-Asserted-Identity: <sip:orig@{mw.host}:{mw.port};lr>" in got
    assert "Content-Type: application/3gpp-ims+xml" in got
    assert "<type>restoration</type>" in got
    assert "<action>initial-registration</action>" in got


async def test_a_barred_or_unknown_identity_may_not_call(world):
    barred = SubscriberProfile(IMPI, (PublicIdentity(ALICE, barred=True), PublicIdentity("sip:al@ims.example")))
    world.hss.add(barred)
    world.bind("bob")
    for asserted in (ASSERTED, "P-Asserted-Identity: <sip:nobody@ims.example>"):
        world.send("OPTIONS", BOB, world.orig, asserted)
        await world.peer.receive("SIP/2.0 403")
    world.send("OPTIONS", BOB, world.orig, "P-Asserted-Identity: <sip:al@ims.example>")
    await world.peer.receive("OPTIONS sip:bob@k.invalid")


async def test_a_request_to_a_gruu_goes_to_that_instance(world):
    binding = world.bind("bob", key="phone", instance="<urn:uuid:1>")
    world.bind("bob", key="desk", instance="<urn:uuid:2>")
    gruus = world.scscf.gruus.make(binding, BOB)
    for gruu in (gruus.public, gruus.temporary):
        world.send("OPTIONS", str(gruu))
        got = await world.peer.receive("OPTIONS sip:bob@phone.invalid ")
        assert f"P-Called-Party-ID: <{BOB}>" in got
        world.peer.answer(got, "200 OK")
        await world.peer.receive("SIP/2.0 200")
    world.send("OPTIONS", f"{BOB};gr=urn:uuid:3")
    await world.peer.receive("SIP/2.0 480")
    world.send("OPTIONS", "sip:forged@ims.example;gr")
    await world.peer.receive("SIP/2.0 404")


async def test_a_flow_that_came_back_in_the_meantime_is_kept(world):
    world.bind("bob", path="old")
    world.send("OPTIONS", BOB)
    got = await world.peer.receive("OPTIONS")
    world.bind("bob", path="new")
    world.peer.answer(got, "430 Flow Failed")
    await world.peer.receive("SIP/2.0 480")
    assert len(world.hss.bindings("bob@ims.example", now=0)) == 1


# a database that cannot be written


async def test_a_register_that_cannot_be_stored_gets_an_answer(world):
    """RFC 3261 §21.5.4: for now."""
    world.hss._db.execute("PRAGMA max_page_count = 1")
    for number in range(100):
        world.send(
            "REGISTER", "sip:ims.example", PROTECTED.replace("tls-yes", "auth-done"), f"{CONTACT};x={number:05000}"
        )
        answer = await world.peer.receive("SIP/2.0 ")
        if answer.startswith("SIP/2.0 503 "):
            break
    assert "Retry-After: 10" in answer
    world.hss._db.execute("PRAGMA max_page_count = 10000")
    world.send("REGISTER", "sip:ims.example", PROTECTED.replace("tls-yes", "auth-done"), CONTACT)
    await world.peer.receive("SIP/2.0 200")


async def test_a_failed_flow_is_told_whatever_becomes_of_its_binding(world, hold):
    world.bind("bob")
    world.send("OPTIONS", BOB)
    got = await world.peer.receive("OPTIONS")
    other = hold(world.hss)
    world.peer.answer(got, "430 Flow Failed")
    await world.peer.receive("SIP/2.0 480")
    assert len(world.hss.bindings("bob@ims.example", now=0)) == 1
    other.rollback()


async def test_a_shorter_binding_is_not_overslept(world):
    """What ends while the next look is a minute away is told in time, not when somebody looks by chance."""
    expiry, now = world.scscf._expiry, world.scscf.node.driver.now
    expiry.handle_timeout(now=now)
    assert expiry.next_timeout() == now + 60
    world.send("REGISTER", "sip:ims.example", PROTECTED.replace("tls-yes", "auth-done"), CONTACT, "Expires: 7")
    await world.peer.receive("SIP/2.0 200")
    assert 7 <= expiry.next_timeout() - now < 17
    world.scscf.removals.reauthenticate("bob@ims.example", within=2, now=1e9)
    assert 2 <= expiry.next_timeout() - now < 12
    world.scscf.removals.deregister("bob@ims.example", ContactEvent.REJECTED, now=1e9)
    assert 2 <= expiry.next_timeout() - now < 12


async def test_bindings_end_when_the_database_can_be_written_again(world, hold, caplog):
    world.bind("bob", expires_at=1e9 - 1)
    other = hold(world.hss)
    world.scscf._expiry.handle_timeout(now=0)
    assert world.scscf._expiry.next_timeout() == 5.0
    assert "database is locked" in caplog.text
    other.rollback()
    world.scscf._expiry.handle_timeout(now=5.0)
    assert world.hss.bindings("bob@ims.example", now=0) == []


async def test_a_watcher_is_told_whatever_becomes_of_its_subscription(world, hold, caplog):
    """What cannot be written down is made anew after a restart."""
    other = hold(world.hss)
    contact = f"Contact: <sip:{world.peer.address[0]}:{world.peer.address[1]}>"
    world.send("SUBSCRIBE", ALICE, ASSERTED, "Event: reg", "Expires: 3600", contact)
    await world.peer.receive("SIP/2.0 200")
    world.peer.answer(await world.peer.receive("NOTIFY"), "481 Gone")
    world.send("OPTIONS", "sip:nobody@ims.example")
    await world.peer.receive("SIP/2.0 404")
    assert len(world.scscf.notifier) == 0
    assert "database is locked" in caplog.text
    other.rollback()


# the boundary of the trust domain

NETWORK_ONLY = ("P-Charging-Vector: icid-value=1", "P-Access-Network-Info: IEEE-802.11;network-provided")


def names(message: str) -> set[str]:
    return {line.partition(":")[0] for line in message.split("\r\n")[1:]}


@pytest.fixture
async def stranger(world, make_mw_peer):
    """Somebody on Mw who is no eP-CSCF of this network."""
    return await make_mw_peer()


async def test_nobody_untrusted_asserts_anything(world, stranger):
    """TS 24.229 §4.4.2, RFC 3325 §5: what an element outside says of identities does not reach a user."""
    world.bind("bob")
    eyes, world.peer = world.peer, stranger
    world.send("OPTIONS", BOB, "P-Asserted-Identity: <sip:police@ims.example>", *NETWORK_ONLY)
    got = await eyes.receive("OPTIONS sip:bob@k.invalid ")
    assert not {"P-Asserted-Identity", "P-Charging-Vector", "P-Access-Network-Info"} & names(got)
    eyes.answer(got, "200 OK", ASSERTED, *NETWORK_ONLY)
    answer = await stranger.receive("SIP/2.0 200")
    assert "P-Asserted-Identity" in names(answer)
    assert not {"P-Charging-Vector", "P-Access-Network-Info"} & names(answer)


async def test_an_element_of_this_network_asserts(world):
    world.bind("bob")
    world.send("OPTIONS", BOB, world.orig, ASSERTED, "Privacy: id", *NETWORK_ONLY)
    got = await world.peer.receive("OPTIONS sip:bob@k.invalid ")
    assert {"P-Asserted-Identity", "P-Charging-Vector", "P-Access-Network-Info"} <= names(got)
    world.peer.answer(got, "200 OK", f"P-Asserted-Identity: <{BOB}>", "Privacy: id", *NETWORK_ONLY)
    answer = await world.peer.receive("SIP/2.0 200")
    assert {"P-Asserted-Identity", "P-Charging-Vector", "P-Access-Network-Info"} <= names(answer)


@pytest.mark.parametrize("private", [True, False])
async def test_what_is_the_networks_stays_there(world, stranger, private):
    """RFC 3325 §7: a private identity does not leave the trust domain, and nothing of the network's own does."""
    host, port = stranger.address
    privacy = ["Privacy: critical;id"] if private else []
    world.send("OPTIONS", f"sip:phone@{host}:{port}", world.orig, ASSERTED, *privacy, *NETWORK_ONLY)
    got = await stranger.receive("OPTIONS sip:phone")
    assert not {"P-Charging-Vector", "P-Access-Network-Info"} & names(got)
    assert ("P-Asserted-Identity" in names(got)) is not private
    stranger.answer(got, "200 OK", f"P-Asserted-Identity: <{BOB}>", *NETWORK_ONLY)
    answer = await world.peer.receive("SIP/2.0 200")
    assert not {"P-Asserted-Identity", "P-Charging-Vector", "P-Access-Network-Info"} & names(answer)


async def test_acknowledgements_cross_the_boundary_alike(world, stranger, dialog):
    inside = world.peer
    for sender, receiver in ((inside, stranger), (stranger, inside)):
        world.peer = sender
        host, port = receiver.address
        routes = f"Route: {dialog}, <sip:{host}:{port};lr>"
        world.send("ACK", "sip:x@elsewhere.invalid", routes, *NETWORK_ONLY, to=f"<{BOB}>;tag=x", call_id="call")
        got = await receiver.receive("ACK sip:x@elsewhere.invalid ")
        assert not {"P-Charging-Vector", "P-Access-Network-Info"} & names(got)


# within a dialog


@pytest.fixture
async def dialog(world, stranger, header):
    """A dialog of a stranger with bob: the Record-Route of the S-CSCF."""
    world.bind("bob")
    inside, world.peer = world.peer, stranger
    host, port = stranger.address
    world.send("INVITE", BOB, f"Contact: <sip:stranger@{host}:{port}>", call_id="call")
    got = await inside.receive("INVITE")
    inside.answer(got, "200 OK", "Contact: <sip:bob@k.invalid>")
    await stranger.receive("SIP/2.0 200")
    world.peer = inside
    return header(got, "Record-Route")[0]


async def test_a_dialog_is_followed_both_ways(world, stranger, dialog):
    inside = world.peer
    for sender, receiver in ((inside, stranger), (stranger, inside)):
        world.peer = sender
        host, port = receiver.address
        world.send("BYE", f"sip:x@{host}:{port}", f"Route: {dialog}", to=f"<{BOB}>;tag=x", call_id="call")
        receiver.answer(await receiver.receive("BYE"), "200 OK")
        await sender.receive("SIP/2.0 200")


@pytest.mark.parametrize(
    ("route", "call_id", "target"),
    [
        ("{dialog}", "call", "sip:x@127.0.0.2:5060"),
        ("{dialog}, <sip:127.0.0.2:5060;lr>", "call", BOB),
        ("{dialog}, <sip:{host}:{port};maddr=127.0.0.2;lr>", "call", BOB),
        ("{dialog}", "call", "sip:x@name.invalid"),
        ("{dialog}", "other", "sip:x@{host}:{port}"),
        ("<sip:{mw.host}:{mw.port};lr>", "call", "sip:x@{host}:{port}"),
        ("<sip:%E9@{mw.host}:{mw.port};lr>", "call", "sip:x@{host}:{port}"),
        ("<sip:00000000000000000000000000000000@{mw.host}:{mw.port};lr>", "call", "sip:x@{host}:{port}"),
    ],
)
async def test_nobody_is_led_past_the_ends_of_a_dialog(world, stranger, dialog, route, call_id, target):
    """An element that is not of this network cannot let the S-CSCF send to whom it likes."""
    inside, world.peer = world.peer, stranger
    host, port = inside.address
    given = {"dialog": dialog, "mw": world.scscf.node.mw, "host": host, "port": port}
    where = {"to": f"<{BOB}>;tag=x", "call_id": call_id}
    world.send("ACK", target.format(**given), f"Route: {route.format(**given)}", **where)
    world.send("INFO", target.format(**given), f"Route: {route.format(**given)}", **where)
    await stranger.receive("SIP/2.0 403")
    assert inside.nothing_came()


async def test_a_dialog_is_followed_after_a_restart(world, stranger, dialog):
    await world.scscf.close()
    options = ScscfOptions(port=world.scscf.node.mw.port)
    world.scscf = await Scscf.open(world.hss, options=options, wall_clock=lambda: 1e9)
    inside, world.peer = world.peer, stranger
    host, port = inside.address
    world.send("BYE", f"sip:x@{host}:{port}", f"Route: {dialog}", to=f"<{BOB}>;tag=x", call_id="call")
    await inside.receive("BYE")
    await world.scscf.close()


async def test_an_invite_without_contact_is_led_to_nobody(world, stranger, header):
    world.bind("bob")
    inside, world.peer = world.peer, stranger
    world.send("INVITE", BOB, call_id="call")
    mark = header(await inside.receive("INVITE"), "Record-Route")[0]
    world.send("INFO", "sip:x@127.0.0.2:5060", f"Route: {mark}", to=f"<{BOB}>;tag=x", call_id="call")
    await stranger.receive("SIP/2.0 403")
