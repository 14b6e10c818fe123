"""Routing of the S-CSCF, spoken to over UDP in plain text."""

from __future__ import annotations

import pytest

from wic.network.hss import PublicIdentity, SubscriberProfile

IMPI = "alice@ims.example"
ALICE, BOB = f"sip:{IMPI}", "sip:bob@ims.example"
ASSERTED = f"P-Asserted-Identity: <{ALICE}>"


def limit_pages(hss, number: int) -> None:
    """Leave the database room for so many pages, or for those that it has."""
    with hss.transaction() as db:
        db.execute(f"PRAGMA max_page_count = {number}")


CONTACT = "Contact: <sip:bob@x.invalid>"
OUTBOUND = 'Contact: <sip:bob@x.invalid>;+sip.instance="<urn:uuid:1>";reg-id='
PROTECTED = (
    'Authorization: Digest username="bob@ims.example", realm="ims.example", nonce="", uri="sip:ims.example", '
    'response="", integrity-protected="tls-yes"'
)


async def test_a_request_goes_along_the_path_of_the_binding(running):
    running.bind("bob")
    running.send("OPTIONS", BOB)
    got = await running.peer.expect("OPTIONS sip:bob@k.invalid ")
    assert f"Route: <sip:token-k@127.0.0.1:{running.peer.address[1]};lr;ob>" in got
    assert f"P-Called-Party-ID: <{BOB}>" in got
    running.peer.answer(got, "200 OK")
    await running.peer.expect("SIP/2.0 200")


async def test_contacts_are_tried_by_preference(running):
    running.bind("bob", key="first", q=";q=1.0")
    running.bind("bob", key="second", q=";q=0.5")
    running.send("OPTIONS", BOB)
    first = await running.peer.expect("OPTIONS sip:bob@first.invalid ")
    running.peer.answer(first, "486 Busy Here")
    second = await running.peer.expect("OPTIONS sip:bob@second.invalid ")
    running.peer.answer(second, "200 OK")
    await running.peer.expect("SIP/2.0 200")


async def test_a_failed_flow_removes_its_binding(running):
    running.bind("bob")
    running.send("OPTIONS", BOB)
    running.peer.answer(await running.peer.expect("OPTIONS"), "430 Flow Failed")
    await running.peer.expect("SIP/2.0 480")
    assert running.hss.bindings("bob@ims.example", now=0) == []


async def test_an_originating_request_needs_an_asserted_and_registered_identity(running):
    running.bind("bob")
    running.send("OPTIONS", BOB, running.orig)
    await running.peer.expect("SIP/2.0 403")
    running.send("OPTIONS", BOB, running.orig, f"P-Asserted-Identity: <{ALICE}>")
    running.peer.answer(await running.peer.expect("OPTIONS sip:bob@k.invalid"), "200 OK")
    await running.peer.expect("SIP/2.0 200")
    running.hss.change_bindings("alice@ims.example", remove=["k"])
    running.send("OPTIONS", BOB, running.orig, f"P-Asserted-Identity: <{ALICE}>")
    await running.peer.expect("SIP/2.0 504")


async def test_an_untrusted_element_may_not_originate(running, outsider):
    running.send("OPTIONS", BOB, running.orig, ASSERTED, peer=outsider)
    await outsider.expect("SIP/2.0 403")


async def test_a_registered_user_reaches_peers_by_address_and_domain(running, outsider):
    host, port = outsider.address
    for uri in (f"sip:phone@{host}:{port}", "sip:phone@peer.example"):
        running.send("OPTIONS", uri, running.orig, ASSERTED)
        outsider.answer(await outsider.expect(f"OPTIONS {uri} "), "200 OK")
        await running.peer.expect("SIP/2.0 200")
    running.send("OPTIONS", f"sip:phone@{host}:{port};transport=tls", running.orig, ASSERTED)
    await running.peer.expect("SIP/2.0 403")
    running.send("OPTIONS", "sip:phone@elsewhere.example", running.orig, ASSERTED)
    await running.peer.expect("SIP/2.0 404")


async def test_an_element_of_the_network_is_no_place_to_call(running):
    host, port = running.peer.address
    running.send("OPTIONS", f"sip:phone@{host}:{port}", running.orig, ASSERTED)
    await running.peer.expect("SIP/2.0 403 Destination Not Allowed")


@pytest.mark.parametrize(
    ("uri", "lines", "to", "status"),
    [
        ("sip:x@elsewhere.example", (), f"<{BOB}>", 403),
        (BOB, ("Route: <sip:192.0.2.1;lr>",), f"<{BOB}>", 403),
        (BOB, (), f"<{BOB}>;tag=x", 403),
        ("sip:ims.example", (), f"<{BOB}>;tag=x", 481),
        ("sip:ims.example", ("Require: path, sec-agree",), f"<{BOB}>", 420),
        ("sip:unknown@ims.example", (), f"<{BOB}>", 404),
        ("tel:+4912", (), f"<{BOB}>", 404),
        (BOB, (), f"<{BOB}>", 480),
        (BOB, ("Route: <<",), f"<{BOB}>", 400),
    ],
)
async def test_refused_requests(running, uri, lines, to, status):
    running.send("OPTIONS", uri, *lines, to=to)
    await running.peer.expect(f"SIP/2.0 {status}")


@pytest.mark.parametrize("max_forwards", [70, 1, 0])
@pytest.mark.parametrize(
    "uri",
    ["sip:{mw.host}:{mw.port}", "sip:{mw.host}:{mw.port};transport=udp", "sip:ims.example", "sip:IMS.example.:5060"],
)
async def test_options_for_the_scscf_itself(running, outsider, header, uri, max_forwards):
    """RFC 3261 §11, §16.3 step 3: monitors ask so, any element on Mw and any registered user."""
    for peer, lines in ((outsider, ()), (running.peer, (running.orig, ASSERTED))):
        running.send("OPTIONS", uri.format(mw=running.mw), *lines, peer=peer, max_forwards=max_forwards)
        answer = await peer.expect("SIP/2.0 200 OK")
        assert "OPTIONS" in header(answer, "Allow")[0].split(", ")
        assert header(answer, "Accept") == ["*/*"]
        assert "path" in header(answer, "Supported")[0]


@pytest.mark.parametrize(
    ("method", "uri", "lines"),
    [
        ("OPTIONS", "sip:ims.example", ()),
        ("REGISTER", "sip:ims.example", (CONTACT,)),
        ("SUBSCRIBE", ALICE, ("Event: reg", "Contact: <sip:alice@192.0.2.1>", ASSERTED)),
    ],
)
async def test_extensions_that_the_scscf_itself_has_not(running, header, method, uri, lines):
    """RFC 3261 §8.2.2.3, §10.3 step 2."""
    running.send(method, uri, *lines, "Require: path, sec-agree")
    assert header(await running.peer.expect("SIP/2.0 420"), "Unsupported") == ["sec-agree"]


async def test_a_subscription_that_is_unknown(running):
    """RFC 6665 §4.2.1: 481 has the watcher subscribe anew; one that goes along a Route is of another notifier."""
    subscribe = ("Event: reg", "Contact: <sip:alice@192.0.2.1>", ASSERTED)
    running.send("SUBSCRIBE", ALICE, *subscribe, to=f"<{ALICE}>;tag=x")
    await running.peer.expect("SIP/2.0 481")
    running.send("SUBSCRIBE", ALICE, *subscribe, "Route: <sip:192.0.2.1;lr>", to=f"<{ALICE}>;tag=x")
    await running.peer.expect("SIP/2.0 403")


async def test_max_forwards_ends_the_way_of_what_would_go_on(running):
    running.bind("bob")
    for method in ("OPTIONS", "MESSAGE", "INVITE"):
        running.send(method, BOB, running.orig, ASSERTED, max_forwards=0)
        await running.peer.expect("SIP/2.0 483")
    running.send("REGISTER", "sip:ims.example", CONTACT, max_forwards=0)
    await running.peer.expect("SIP/2.0 401")
    contact = f"Contact: <sip:alice@{running.mw.host}:{running.peer.port}>"
    running.send("SUBSCRIBE", ALICE, "Event: reg", contact, ASSERTED, max_forwards=0)
    await running.peer.expect("SIP/2.0 200")


@pytest.mark.parametrize(
    "route",
    [
        "sip:ims.example;lr",
        "sip:IMS.EXAMPLE;lr",
        "sip:ims.example:5060;lr",
        "sip:ims.example",
        "sip:ims.example:{port};lr",
    ],
)
async def test_a_route_with_the_own_domain_is_taken(running, route):
    """RFC 3261 §16.4: it has reached the element that is responsible for the domain."""
    running.bind("bob")
    running.send("OPTIONS", BOB, f"Route: <{route.format(port=running.mw.port)}>")
    got = await running.peer.expect("OPTIONS sip:bob@k.invalid ")
    assert "ims.example;lr" not in got
    running.send("OPTIONS", BOB, "Route: <sip:ims.example:9;lr>")
    await running.peer.expect("SIP/2.0 403")


async def test_a_request_to_the_scscf_itself_within_a_dialog_belongs_to_none(running):
    mw = running.mw
    running.send("BYE", f"sip:{mw.host}:{mw.port}", f"Route: <sip:{mw.host}:{mw.port};lr>", to=f"<{BOB}>;tag=x")
    await running.peer.expect("SIP/2.0 481")


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
async def test_contacts_that_are_granted_and_refused(running, lines, status):
    """Within a TLS association, so that no proof stands between the request and its Contact."""
    running.bind("bob")
    running.send("REGISTER", "sip:ims.example", PROTECTED, *lines)
    await running.peer.expect(f"SIP/2.0 {status}")
    granted = len(running.hss.bindings("bob@ims.example", now=0))
    assert granted == (2 if status == 200 else 1)


async def test_register_for_another_domain_or_without_name(running):
    running.send("REGISTER", "sip:elsewhere.example", CONTACT)
    await running.peer.expect("SIP/2.0 403")
    running.send("REGISTER", "sip:ims.example", CONTACT)
    await running.peer.expect("SIP/2.0 401")
    malformed = PROTECTED.replace('response=""', 'response="0"')
    running.send("REGISTER", "sip:ims.example", malformed, CONTACT)
    await running.peer.expect("SIP/2.0 401")


async def test_a_user_whose_registration_is_lost_is_asked_for_a_new_one(running):
    """TS 24.229 §5.1.2A.1.6: 504 from a URI of the Service-Route, with action initial-registration."""
    running.bind("bob")
    running.hss.change_bindings("alice@ims.example", remove=["k"])
    running.send("OPTIONS", BOB, running.orig, ASSERTED)
    got = await running.peer.expect("SIP/2.0 504")
    mw = running.mw
    assert f"P-Asserted-Identity: <sip:orig@{mw.host}:{mw.port};lr>" in got
    assert "Content-Type: application/3gpp-ims+xml" in got
    assert "<type>restoration</type>" in got
    assert "<action>initial-registration</action>" in got


async def test_a_barred_or_unknown_identity_may_not_call(running):
    barred = SubscriberProfile(IMPI, (PublicIdentity(ALICE, barred=True), PublicIdentity("sip:al@ims.example")))
    running.hss.add(barred)
    running.bind("bob")
    for asserted in (ASSERTED, "P-Asserted-Identity: <sip:unknown@ims.example>"):
        running.send("OPTIONS", BOB, running.orig, asserted)
        await running.peer.expect("SIP/2.0 403")
    running.send("OPTIONS", BOB, running.orig, "P-Asserted-Identity: <sip:al@ims.example>")
    await running.peer.expect("OPTIONS sip:bob@k.invalid")


async def test_a_request_to_a_gruu_goes_to_that_instance(running):
    binding = running.bind("bob", key="phone", instance="<urn:uuid:1>")
    running.bind("bob", key="registrar", instance="<urn:uuid:2>")
    gruus = running.scscf.gruus.make(binding, BOB)
    for gruu in (gruus.public, gruus.temporary):
        running.send("OPTIONS", str(gruu))
        got = await running.peer.expect("OPTIONS sip:bob@phone.invalid ")
        assert f"P-Called-Party-ID: <{BOB}>" in got
        running.peer.answer(got, "200 OK")
        await running.peer.expect("SIP/2.0 200")
    running.send("OPTIONS", f"{BOB};gr=urn:uuid:3")
    await running.peer.expect("SIP/2.0 480")
    running.send("OPTIONS", "sip:forged@ims.example;gr")
    await running.peer.expect("SIP/2.0 404")


async def test_a_flow_that_came_back_in_the_meantime_is_kept(running):
    running.bind("bob", path="old")
    running.send("OPTIONS", BOB)
    got = await running.peer.expect("OPTIONS")
    running.bind("bob", path="new")
    running.peer.answer(got, "430 Flow Failed")
    await running.peer.expect("SIP/2.0 480")
    assert len(running.hss.bindings("bob@ims.example", now=0)) == 1


async def test_a_register_that_cannot_be_stored_gets_an_answer(running):
    """RFC 3261 §21.5.4: for now."""
    limit_pages(running.hss, 1)
    for number in range(100):
        running.send(
            "REGISTER", "sip:ims.example", PROTECTED.replace("tls-yes", "auth-done"), f"{CONTACT};x={number:05000}"
        )
        answer = await running.peer.expect("SIP/2.0 ")
        if answer.startswith("SIP/2.0 503 "):
            break
    assert "Retry-After: 10" in answer
    limit_pages(running.hss, 10_000)
    running.send("REGISTER", "sip:ims.example", PROTECTED.replace("tls-yes", "auth-done"), CONTACT)
    await running.peer.expect("SIP/2.0 200")


async def test_a_failed_flow_is_reported_while_the_database_is_locked(running, hold):
    running.bind("bob")
    running.send("OPTIONS", BOB)
    got = await running.peer.expect("OPTIONS")
    other = hold(running.hss)
    running.peer.answer(got, "430 Flow Failed")
    await running.peer.expect("SIP/2.0 480")
    assert len(running.hss.bindings("bob@ims.example", now=0)) == 1
    other.rollback()
