"""SIP Digest and AKA over TLS: each message beside the letter of TS 24.371 §6.4.1.2 and §6.4.1.3 that asks for it."""

from __future__ import annotations

import re

import pytest

from tests.support.waiting import until

HOME = 'realm="ims.example", nonce="", uri="sip:ims.example"'
EMPTY = f'Authorization: Digest username="alice@ims.example", {HOME}, response=""'
ANSWERED = EMPTY.replace('response=""', 'response="0123456789abcdef"')
AKA = f"{EMPTY}, algorithm=AKAv2-SHA-256"


def protection(request: str) -> str | None:
    found = re.search(r'integrity-protected="([^"]*)"', request)
    return found[1] if found else None


def lines(message: str | bytes, name: str) -> list[str]:
    text = message if isinstance(message, str) else message.decode()
    return re.findall(rf"^{name}: (.*)\r$", text, re.MULTILINE)


async def registered(edge, wic, *authorization: str, **more) -> str:
    wic.send(wic.register(*authorization, **more))
    request = await edge.core.expect("REGISTER")
    edge.core.grant(request)
    await wic.expect("SIP/2.0 200")
    return request


async def test_digest_letters_a_b_and_c(make_edge):
    for value in ("tls-protected", "tls-yes"):
        edge = await make_edge(integrity_protected=value)
        alice = await edge.wic("alice")
        alice.send(alice.register(EMPTY))
        first = await edge.core.expect("REGISTER")
        assert protection(first) is None  # a)
        edge.core.answer(
            first, "401 Unauthorized", 'WWW-Authenticate: Digest realm="ims.example", nonce="n", qop="auth"'
        )
        await alice.expect("SIP/2.0 401")
        assert protection(await registered(edge, alice, ANSWERED)) == "tls-pending"  # b)
        assert protection(await registered(edge, alice, EMPTY)) == value  # c)
        assert protection(await registered(edge, alice, ANSWERED)) == value  # c)


async def test_letters_d_and_e(edge):
    alice = await edge.wic("alice")
    host, port = alice.address
    alice.send(alice.register(EMPTY))
    via = lines(await edge.core.expect("REGISTER"), "Via")[1]
    assert f";received={host}" in via
    assert f";rport={port}" in via
    alice.send(alice.register(EMPTY, to="<sip:other@ims.example>").replace(";rport", ""))
    via = lines(await edge.core.expect("REGISTER"), "Via")[1]
    assert f";received={host}" in via
    assert "rport" not in via


async def test_the_answer_goes_back_over_the_same_session(edge):
    alice, other = await edge.wic("alice"), await edge.wic("alice")
    other.registration = "another"
    alice.send(alice.register(EMPTY))
    request = await edge.core.expect("REGISTER")
    edge.core.answer(request, "401 Unauthorized", 'WWW-Authenticate: Digest realm="ims.example", nonce="n"')
    await alice.expect("SIP/2.0 401")
    assert other.nothing_came()


@pytest.mark.parametrize(
    "claim",
    [
        EMPTY,
        f'{EMPTY}, integrity-protected="tls-yes"',
        f'{EMPTY}, integrity-protected="auth-done", authorization-entity="https://waf.example"',
    ],
)
async def test_a_stolen_association_is_worth_nothing(edge, claim):
    """Another connection that names the same identities is not within the TLS association."""
    alice, thief = await edge.wic("alice"), await edge.wic("alice")
    await registered(edge, alice, ANSWERED)
    thief.send(thief.register(claim))
    stolen = await edge.core.expect("REGISTER")
    assert protection(stolen) is None
    assert "authorization-entity" not in stolen


async def test_an_association_is_for_its_own_identities_only(edge):
    alice = await edge.wic("alice")
    await registered(edge, alice, ANSWERED)
    for claim in (EMPTY.replace("alice@", "bob@"), EMPTY):
        alice.send(alice.register(claim, to="<sip:bob@ims.example>"))
        request = await edge.core.expect("REGISTER")
        assert protection(request) is None
        edge.core.answer(request, "403 Forbidden")
        await alice.expect("SIP/2.0 403")


async def test_two_sets_of_credentials_do_not_lend_each_other_protection(edge):
    alice = await edge.wic("alice")
    await registered(edge, alice, ANSWERED)
    bob = EMPTY.replace("alice@", "bob@")
    alice.send(alice.register(EMPTY, bob))
    request = await edge.core.expect("REGISTER")
    assert len(lines(request, "Authorization")) == 1
    assert "bob@" not in request


async def test_aka_is_marked_in_every_register_and_keys_stay_here(edge):
    alice = await edge.wic("alice")
    alice.send(alice.register(AKA, "Security-Client: sdes-srtp;mediasec"))
    first = await edge.core.expect("REGISTER")
    assert protection(first) == "tls-connected"  # §6.4.1.3 a)
    assert not lines(first, "Security-Client")
    host, port = alice.address
    assert f";received={host};" in f"{lines(first, 'Via')[1]};"  # c)
    assert f";rport={port}" in lines(first, "Via")[1]  # b)
    challenge = 'Digest realm="ims.example", nonce="AAAA", algorithm=AKAv2-SHA-256, qop="auth", ik="0123", ck="4567"'
    edge.core.answer(first, "401 Unauthorized", f"WWW-Authenticate: {challenge}")
    challenged = await alice.expect("SIP/2.0 401")
    assert b"ik=" not in challenged
    assert b"ck=" not in challenged
    assert b"AKAv2-SHA-256" in challenged
    assert protection(await registered(edge, alice, AKA.replace('response=""', 'response="0123"'))) == "tls-connected"
    assert edge.epcscf.registrations == 1
    assert protection(await registered(edge, alice, AKA)) == "tls-connected"


async def test_ipsec_is_refused(edge):
    alice = await edge.wic("alice")
    alice.send(alice.register(AKA, "Security-Client: ipsec-3gpp;alg=hmac-sha-1-96;spi-c=1;spi-s=2;port-c=3;port-s=4"))
    await alice.expect("SIP/2.0 403")
    alice.send(alice.register(AKA, "Proxy-Require: sec-agree"))
    assert b"sec-agree" in await alice.expect("SIP/2.0 420")
    assert edge.core.nothing_came()


async def test_without_tls_no_protection_is_claimed(make_edge):
    edge = await make_edge(secure=False)
    alice = await edge.wic("alice")
    alice.send(alice.register(AKA))
    assert protection(await edge.core.expect("REGISTER")) is None


async def test_a_second_register_while_one_is_pending(edge):
    alice = await edge.wic("alice")
    alice.send(alice.register(EMPTY))
    first = await edge.core.expect("REGISTER")
    alice.send(alice.register(EMPTY))
    refused = await alice.expect("SIP/2.0 500")
    assert lines(refused, "Retry-After")
    assert edge.core.nothing_came()
    edge.core.grant(first)
    await alice.expect("SIP/2.0 200")
    assert edge.epcscf.registrations == 1
    await registered(edge, alice, EMPTY)


async def test_registers_of_other_identities_do_not_wait(edge):
    alice = await edge.wic("alice")
    alice.send(alice.register(EMPTY))
    alice.send(alice.register(EMPTY, to="<sip:alice.two@ims.example>"))
    both = [await edge.core.expect("REGISTER") for _ in range(2)]
    for request in both:
        edge.core.grant(request)
        await alice.expect("SIP/2.0 200")
    assert edge.epcscf.registrations == 2


async def test_keep_alives_are_offered(edge):
    alice = await edge.wic("alice")
    alice.send(alice.register(EMPTY).replace(";rport", ";rport;keep"))
    edge.core.grant(await edge.core.expect("REGISTER"), "Require: outbound")
    granted = await alice.expect("SIP/2.0 200")
    assert ";keep=120" in lines(granted, "Via")[0]
    assert lines(granted, "Flow-Timer") == ["120"]
    alice.send(alice.register(EMPTY))
    edge.core.grant(await edge.core.expect("REGISTER"), "Require: outbound", "Flow-Timer: 77")
    granted = await alice.expect("SIP/2.0 200")
    assert "keep" not in lines(granted, "Via")[0]
    assert lines(granted, "Flow-Timer") == ["77"]


async def test_deregistration_ends_the_association_and_the_idle_connection(edge, time_passes):
    alice = await edge.wic("alice")
    await registered(edge, alice, ANSWERED)
    alice.send(alice.register(EMPTY, expires=0))
    request = await edge.core.expect("REGISTER")
    assert protection(request) == "tls-protected"
    edge.core.grant(request, expires=0)
    await alice.expect("SIP/2.0 200")
    assert edge.epcscf.registrations == 0
    alice.send(alice.request("OPTIONS", "sip:bob@ims.example"))
    await alice.expect("SIP/2.0 403")
    time_passes(edge.epcscf, 31)
    assert not alice.ended.is_set()
    time_passes(edge.epcscf, 33)
    await alice.ended.wait()


async def test_registering_again_keeps_the_connection(edge, time_passes):
    alice = await edge.wic("alice")
    await registered(edge, alice, ANSWERED)
    alice.send(alice.register(EMPTY, expires=0))
    edge.core.grant(await edge.core.expect("REGISTER"), expires=0)
    await alice.expect("SIP/2.0 200")
    await registered(edge, alice, ANSWERED)
    time_passes(edge.epcscf, 100)
    await registered(edge, alice, EMPTY)
    assert not alice.ended.is_set()


async def test_removing_the_contact_of_another_device_leaves_the_own_one(edge):
    alice = await edge.wic("alice")
    await registered(edge, alice, ANSWERED)
    alice.send(alice.register(EMPTY, contact="<sip:alice@lost.invalid>", expires=0))
    request = await edge.core.expect("REGISTER")
    edge.core.answer(request, "200 OK", f"Contact: {alice.contact};expires=600")
    await alice.expect("SIP/2.0 200")
    assert edge.epcscf.registrations == 1


async def test_the_association_ends_with_the_last_of_its_contacts(edge):
    alice = await edge.wic("alice")
    first, second = alice.contact, "<sip:alice@second.invalid>"
    alice.send(alice.register(ANSWERED, contact=f"{first}, {second}"))
    request = await edge.core.expect("REGISTER")
    edge.core.answer(request, "200 OK", f"Contact: {first};expires=600", f"Contact: {second};expires=600")
    await alice.expect("SIP/2.0 200")
    for gone, left in ((first, [second]), (second, [])):
        alice.send(alice.register(EMPTY, contact=gone, expires=0))
        listed = [f"Contact: {each};expires=600" for each in left]
        edge.core.answer(await edge.core.expect("REGISTER"), "200 OK", *listed)
        await alice.expect("SIP/2.0 200")
        assert edge.epcscf.registrations == len(left)


async def test_pending_transactions_outlive_a_deregistration(edge):
    """TS 24.229 §5.2.5.1: what is pending over the connection is let through."""
    alice = await edge.wic("alice")
    request = await registered(edge, alice, ANSWERED)
    path = lines(request, "Path")[0]
    port = edge.core.port
    edge.core.send(
        f"OPTIONS sip:alice@{alice.host} SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:{port};branch=z9hG4bK-o\r\n"
        f"Route: {path}\r\nFrom: <sip:bob@ims.example>;tag=b\r\nTo: <sip:alice@ims.example>\r\nCall-ID: o\r\n"
        "CSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n",
        (edge.epcscf.node.mw.host, edge.epcscf.node.mw.port),
    )
    asked = await alice.expect("OPTIONS")
    alice.send(alice.register(EMPTY, expires=0))
    edge.core.grant(await edge.core.expect("REGISTER"), expires=0)
    await alice.expect("SIP/2.0 200")
    alice.send(alice.respond(asked, "200 OK"))
    assert "<sip:alice@ims.example>" in lines(await edge.core.expect("SIP/2.0 200"), "P-Asserted-Identity")[0]


async def test_an_unreadable_200_registers_nothing(edge):
    alice = await edge.wic("alice")
    alice.send(alice.register(EMPTY))
    edge.core.answer(await edge.core.expect("REGISTER"), "200 OK", "Contact: <<<")
    await alice.expect("SIP/2.0 200")
    assert edge.epcscf.registrations == 0


async def lose(edge, wic) -> None:
    wic.cut()
    await until(lambda: all(each.flow.transport != "WSS" for each in edge.epcscf.node.driver.connections))


async def settled(edge) -> None:
    """Wait until the eP-CSCF has taken what was sent to it on Mw."""
    address = (edge.epcscf.node.mw.host, edge.epcscf.node.mw.port)
    edge.core.send(
        f"OPTIONS sip:unknown@{address[0]}:{address[1]} SIP/2.0\r\n"
        f"Via: SIP/2.0/UDP 127.0.0.1:{edge.core.port};branch=z9hG4bK-settled\r\nFrom: <sip:core>;tag=c\r\n"
        "To: <sip:unknown>\r\nCall-ID: settled\r\nCSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n",
        address,
    )
    await edge.core.expect("SIP/2.0 404")


async def test_a_200_after_the_connection_has_closed_registers_nothing(make_edge):
    edge = await make_edge(reg_event=True)
    alice = await edge.wic("alice")
    alice.send(alice.register(EMPTY))
    request = await edge.core.expect("REGISTER")
    await lose(edge, alice)
    edge.core.grant(request)
    await settled(edge)  # and no SUBSCRIBE came
    assert edge.epcscf.registrations == len(edge.epcscf.watcher) == 0


async def test_a_late_200_does_not_take_the_registration_away_from_the_next_connection(edge):
    first = await edge.wic("alice")
    first.send(first.register(EMPTY))
    late = await edge.core.expect("REGISTER")
    await lose(edge, first)
    second = await edge.wic("alice")
    await registered(edge, second, EMPTY)
    edge.core.grant(late)
    await settled(edge)
    assert edge.epcscf.registrations == 1
    await registered(edge, second, EMPTY)
