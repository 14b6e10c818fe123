"""Registration through eP-CSCF and S-CSCF, written and read as text."""

from __future__ import annotations

import pytest

from wic.network.scscf.options import RegistrarOptions


def registers(mw):
    return [message for message in mw if message.startswith(b"REGISTER")]


@pytest.mark.parametrize("limits", [{"web": True}])
async def test_challenges_are_offered_strongest_first(ue):
    alice = await ue("alice", register=False)
    alice.send(alice.register())
    challenged = await alice.expect("SIP/2.0 401")
    offered = [alice.parameter(each, "algorithm") for each in alice.headers(challenged, "WWW-Authenticate")]
    assert offered == ["", "SHA-512-256", "SHA-256", "MD5"]  # the first one asks for a token, which would do as well


@pytest.mark.parametrize("algorithm", ["MD5", "SHA-256", "SHA-512-256"])
async def test_each_algorithm_registers(ue, algorithm):
    alice = await ue("alice", register=False)
    granted = await alice.registered(algorithm=algorithm)
    assert alice.header(granted, "P-Associated-URI") == "<sip:alice@ims.example>"
    assert alice.header(granted, "Service-Route").startswith("<sip:orig@127.0.0.1:")
    assert "expires=3600" in alice.header(granted, "Contact")
    assert "outbound" in alice.header(granted, "Require")
    assert not alice.headers(granted, "P-Charging-Vector")


async def test_header_fields_that_the_epcscf_adds_on_mw(ue, mw, ims):
    alice = await ue("alice")
    first, second = registers(mw)
    # TS 24.371 §6.4.1.2 1 a: no challenge response, no association: no parameter.
    assert b"integrity-protected" not in first
    # b: a challenge response.
    assert b'integrity-protected="tls-pending"' in second
    # d and e: source address and port of the connection.
    assert f"Via: SIP/2.0/WSS {alice.host};" in second.decode()
    assert b";received=127.0.0.1" in second
    assert b";rport=" in second
    path = alice.header(second, "Path")
    assert path.endswith(f"@127.0.0.1:{ims.epcscf.node.mw.port};lr;ob>")
    assert "path" in alice.header(second, "Require")
    assert alice.header(second, "P-Visited-Network-ID") == '"ims.example"'
    assert 'orig-ioi="Type 1ims.example"' in alice.header(second, "P-Charging-Vector")


async def test_within_the_tls_association_no_new_proof_is_wanted(ue, mw):
    alice = await ue("alice")
    mw.clear()
    own = 'Authorization: Digest username="alice@ims.example", realm="ims.example", nonce="", uri="sip:ims.example", response=""'
    alice.send(alice.register(own))
    await alice.expect("SIP/2.0 200")
    # c: the REGISTER maps to an association.
    assert b'integrity-protected="tls-protected"' in registers(mw)[0]


async def test_another_connection_is_no_part_of_the_association(ue, mw):
    await ue("alice")
    other = await ue("alice", register=False)
    own = 'Authorization: Digest username="alice@ims.example", realm="ims.example", nonce="", uri="sip:ims.example", response=""'
    other.send(other.register(own))
    await other.expect("SIP/2.0 401")
    assert b"integrity-protected" not in registers(mw)[-1]


async def test_a_wic_cannot_say_that_it_is_protected(ue, mw):
    alice = await ue("alice", register=False)
    lie = (
        'Authorization: Digest username="alice@ims.example", realm="ims.example", nonce="", uri="sip:ims.example", '
        'response="", integrity-protected="tls-yes"'
    )
    alice.send(alice.register(lie, "P-Asserted-Identity: <sip:bob@ims.example>", "P-Charging-Vector: icid-value=x"))
    await alice.expect("SIP/2.0 401")
    assert b"integrity-protected" not in mw[0]
    assert b"sip:bob@ims.example" not in mw[0]
    assert b"icid-value=x" not in mw[0]


async def test_a_wrong_password_is_refused(ue):
    alice = await ue("alice", register=False)
    alice.send(alice.register())
    challenge = alice.challenge(await alice.expect("SIP/2.0 401"))
    alice.send(alice.register(alice.credentials(challenge, "wrong")))
    await alice.expect("SIP/2.0 403")


async def test_a_replayed_response_is_challenged_as_stale(ue, ims):
    alice = await ue("alice", register=False)
    alice.send(alice.register())
    challenge = alice.challenge(await alice.expect("SIP/2.0 401"))
    credentials = alice.credentials(challenge)
    alice.send(alice.register(credentials))
    await alice.expect("SIP/2.0 200")
    other = await ue("alice", register=False)
    other.send(other.register(credentials, cseq=90))
    assert b"stale=true" in await other.expect("SIP/2.0 401")


async def test_unknown_users_are_refused(ue):
    mallory = await ue("mallory", register=False)
    mallory.send(mallory.register())
    await mallory.expect("SIP/2.0 403")


async def test_an_identity_of_another_subscriber_is_refused(ue):
    alice = await ue("alice", register=False)
    alice.send(alice.register())
    challenge = alice.challenge(await alice.expect("SIP/2.0 401"))
    alice.send(alice.register(alice.credentials(challenge), to="<sip:bob@ims.example>"))
    await alice.expect("SIP/2.0 403")


async def test_deregistration_ends_the_association(ue, ims):
    alice = await ue("alice")
    assert ims.epcscf.registrations == 1
    granted = await alice.registered(expires=0)
    assert not alice.headers(granted, "Contact")
    assert ims.epcscf.registrations == 0
    assert ims.hss.bindings("alice@ims.example", now=0) == []


async def test_contact_star_removes_every_binding(ue, ims):
    await ue("alice")
    second = await ue("alice", register=False)
    second.host = "second.invalid"
    await second.registered(contact="<sip:alice@second.invalid;transport=ws>")
    assert len(ims.hss.bindings("alice@ims.example", now=0)) == 2
    await second.registered(contact="*", expires=0)
    assert ims.hss.bindings("alice@ims.example", now=0) == []


async def test_a_register_without_contact_changes_nothing(ue, ims):
    alice = await ue("alice")
    text = alice.register().split("\r\n")
    alice.send("\r\n".join(line for line in text if not line.startswith("Contact")))
    challenge = alice.challenge(await alice.expect("SIP/2.0 401"))
    text = alice.register(alice.credentials(challenge)).split("\r\n")
    alice.send("\r\n".join(line for line in text if not line.startswith("Contact")))
    granted = await alice.expect("SIP/2.0 200")
    assert "alice-host.invalid" in alice.header(granted, "Contact")
    assert ims.epcscf.registrations == 1


async def test_too_short_a_time_gets_423(ue):
    alice = await ue("alice")
    alice.send(alice.register(expires=5))
    challenge = alice.challenge(await alice.expect("SIP/2.0 401"))
    alice.send(alice.register(alice.credentials(challenge), expires=5))
    refused = await alice.expect("SIP/2.0 423")
    assert alice.header(refused, "Min-Expires") == "10"


async def test_one_instance_keeps_one_binding_over_a_new_connection(ue, ims):
    await ue("alice")
    again = await ue("alice", register=False)
    again.host = "new.invalid"
    again.contact = "<sip:alice@new.invalid;transport=ws>"
    await again.registered()
    (binding,) = ims.hss.bindings("alice@ims.example", now=0)
    assert "new.invalid" in binding.contact


async def test_requests_out_of_order_change_nothing(ue, ims):
    await ue("alice")
    again = await ue("alice", register=False)
    again.registration = "other"
    await again.registered()
    again.send(again.register(cseq=1))
    challenge = again.challenge(await again.expect("SIP/2.0 401"))
    again.send(again.register(again.credentials(challenge), cseq=1, branch="z9hG4bK-late", expires=0))
    await again.expect("SIP/2.0 500")
    assert len(ims.hss.bindings("alice@ims.example", now=0)) == 1


async def test_a_client_that_says_little_gets_what_it_needs(ue, mw):
    alice = await ue("alice", register=False)
    alice.host = "127.0.0.1"
    text = alice.register().replace("Supported: path, outbound\r\n", "").replace(";rport", "")
    alice.send(text)
    await alice.expect("SIP/2.0 401")
    request = registers(mw)[0]
    assert alice.header(request, "Supported") == "path"
    assert "received=127.0.0.1" in alice.headers(request, "Via")[1]


@pytest.mark.parametrize("leaver", [0, 1])
async def test_a_user_with_a_contact_left_is_registered(ue, leaver):
    alice, bob = await ue("alice", register=False), await ue("bob")
    contacts = [f"<sip:alice@{each}.invalid;transport=ws>" for each in ("first", "second")]
    for each in contacts:
        await alice.registered(contact=each)
    await alice.registered(contact=contacts[leaver], expires=0)
    alice.send(alice.request("OPTIONS", "sip:bob@ims.example"))
    bob.send(bob.respond(await bob.expect("OPTIONS"), "200 OK"))
    await alice.expect("SIP/2.0 200")
    bob.send(bob.request("OPTIONS", "sip:alice@ims.example"))
    left = contacts[1 - leaver].strip("<>")
    assert (await alice.expect("OPTIONS")).startswith(f"OPTIONS {left} ".encode())


@pytest.mark.parametrize("limits", [{"registrar": RegistrarOptions(min_expires=10, max_bindings=2)}])
async def test_ues_that_vanished_lock_no_user_out(ims, ue):
    """Pages that are closed leave their bindings behind; the phone that is there stays registered."""
    phone = await ue("alice")
    for number in range(4):
        page = await ue("alice", register=False)
        page.registration = f"page-{number}"
        contact = f'<sip:alice@page{number}.invalid;transport=ws>;reg-id=1;+sip.instance="<urn:uuid:{number}>"'
        page.send(page.register(contact=contact))
        challenge = page.challenge(await page.expect("SIP/2.0 401"))
        page.send(page.register(page.credentials(challenge), contact=contact))
        if number:
            asked = await phone.expect("OPTIONS")
            phone.send(phone.respond(asked, "200 OK"))
        await page.expect("SIP/2.0 200")
        await page.close()
    kept = [each.instance for each in ims.hss.bindings("alice@ims.example", now=0)]
    assert sorted(kept) == ["<urn:uuid:3>", "<urn:uuid:alice>"]
