"""Theft of TLS associations, tokens and identities at the eP-CSCF: each attempt is refused or has no effect."""

from __future__ import annotations

import pytest

from tests.support.subscribers import add_with_password
from wic.auth import Secret

from .conftest import WITH_WEB

ALICE, BOB = "sip:alice@ims.example", "sip:bob@ims.example"

pytestmark = pytest.mark.usefixtures("well_behaved")


def claim(user: str, *extra: str) -> str:
    """Write credentials without a proof."""
    given = [
        f'username="{user}@ims.example"',
        'realm="ims.example"',
        'nonce=""',
        'uri="sip:ims.example"',
        'response=""',
    ]
    return "Authorization: Digest " + ", ".join([*given, *extra])


async def test_the_same_register_over_another_connection(intrude, on_mw):
    alice, mallory = await intrude("alice"), await intrude("alice")
    await alice.registered()
    mallory.call_id = alice.call_id
    mallory._cseq = 10
    on_mw.clear()
    await mallory.send(mallory.register(claim("alice")))
    await mallory.expect(401)
    assert all("integrity-protected" not in str(each) for each in on_mw)
    await mallory.send(mallory.write("OPTIONS", BOB))
    await mallory.expect(403)
    await alice.send(alice.register(claim("alice")))
    await alice.expect(200)


@pytest.mark.parametrize(
    "smuggled",
    [
        'integrity-protected="auth-done"',
        "integrity-protected=auth-done",
        'INTEGRITY-PROTECTED="auth-done"',
        'integrity-protected = "auth-done"',
        r'integrity-protected="auth\-done"',
        '\r\n integrity-protected="auth-done"',
        'integrity-protected="auth-done", authorization-entity="https://waf.invalid"',
        "auth-done",
    ],
)
async def test_integrity_protected_written_by_the_wic(intrude, on_mw, smuggled):
    mallory = await intrude("alice")
    await mallory.send(mallory.register(claim("alice", smuggled)))
    await mallory.expect(401)
    assert all("auth-done" not in str(each).lower() and "entity" not in str(each) for each in on_mw)


@pytest.mark.parametrize(
    "again",
    [
        'username="bob@ims.example"',
        'USERNAME="bob@ims.example"',
        'realm="elsewhere"',
        "response=x",
        'integrity-protected="tls-yes", integrity-protected="auth-done"',
    ],
)
async def test_repeated_credential_parameters(intrude, on_mw, again):
    """The core behind an eP-CSCF may read the last one where the eP-CSCF reads the first."""
    mallory = await intrude("alice")
    await mallory.send(mallory.register(claim("alice", again)))
    await mallory.expect(400)
    assert on_mw == []


@WITH_WEB
@pytest.mark.parametrize("first", ["Bearer x", "bearer x", 'Bearer access_token="x"', "Bearer"])
@pytest.mark.parametrize("swapped", [False, True])
async def test_a_token_beside_digest_credentials(intrude, on_mw, first, swapped):
    """An invalid token does not make the eP-CSCF assert the user that the Digest credentials name."""
    mallory = await intrude("alice")
    lines = [f"Authorization: {first}", claim("alice")]
    await mallory.send(mallory.register(*(lines[::-1] if swapped else lines)))
    refused = await mallory.expect(401)
    assert 'error="invalid_token"' in refused.one("WWW-Authenticate")
    assert on_mw == []


@pytest.mark.parametrize("first", ["Bearer x", 'Bearer access_token="x"'])
async def test_a_token_without_a_waf(ims, intrude, on_mw, first):
    """An eP-CSCF without a WAF never writes auth-done."""
    mallory = await intrude("alice")
    await mallory.send(mallory.register(f"Authorization: {first}", claim("alice")))
    await mallory.expect(401)
    assert all("auth-done" not in str(each) for each in on_mw)
    assert ims.hss.bindings("alice@ims.example", now=0) == []


@pytest.mark.parametrize(
    "lines",
    [
        ["t: <sip:bob@ims.example>"],
        ["f: <sip:bob@ims.example>;tag=1"],
        ["To: <sip:bob@ims.example>"],
        ["From: <sip:bob@ims.example>;tag=1"],
        ["i: another"],
    ],
)
async def test_repeated_single_value_headers(intrude, on_mw, lines):
    mallory = await intrude("alice")
    await mallory.send(mallory.register(*lines))
    await mallory.expect(400)
    assert on_mw == []


@pytest.mark.parametrize(
    "line",
    [
        "P-Asserted-Identity: <sip:bob@ims.example>",
        "P-ASSERTED-IDENTITY:<sip:bob@ims.example>",
        "P-Asserted-Identity : <sip:bob@ims.example>",
        "P-Asserted-Identity\t:\r\n <sip:bob@ims.example>",
        "Path: <sip:bob@evil.invalid;lr>",
        "path: <sip:bob@evil.invalid;lr;ob>",
        "Route: <sip:bob@127.0.0.1:9;lr>",
        "Service-Route: <sip:bob@evil.invalid;lr>",
        'P-Visited-Network-ID: "bob"',
        "P-Charging-Vector: icid-value=bob",
        "P-Associated-URI: <sip:bob@ims.example>",
        "P-Served-User: <sip:bob@ims.example>",
        "Restoration-Info: bob",
        "Security-Client: bob",
    ],
)
async def test_headers_reserved_to_the_network(intrude, on_mw, line):
    """They are removed from REGISTER and other requests, in every spelling."""
    alice = await intrude("alice")
    await alice.registered(line)
    await alice.send(alice.write("OPTIONS", "sip:unknown@ims.example", line))
    await alice.expect(404)
    assert len(on_mw) >= 3
    assert all("bob" not in str(each) and "evil" not in str(each) for each in on_mw)


@WITH_WEB
async def test_digest_does_not_extend_a_token_registration(ims, intrude, on_mw, token_of):
    """A registration by token ends with the token (TS 24.371 §6.4.3), even if the user has a password as well."""
    add_with_password(ims.hss, "carol@ims.example", ["sip:carol@ims.example"], Secret("unknown to mallory"))
    mallory = await intrude("carol")
    await mallory.send(mallory.register(f"Authorization: Bearer {await token_of('carol')}"))
    await mallory.expect(200)
    (before,) = ims.hss.bindings("carol@ims.example", now=0)
    await mallory.send(mallory.register(claim("carol"), expires=600_000))
    await mallory.expect(401)
    assert "integrity-protected" not in str(on_mw[-1])
    assert ims.hss.bindings("carol@ims.example", now=0) == [before]


@WITH_WEB
async def test_a_token_with_the_name_of_another_user(ims, intrude, token_of):
    """Over carol's connection, with her token, alice can be neither registered nor deregistered."""
    alice, carol = await intrude("alice"), await intrude("carol")
    await alice.registered()
    bearer = f"Authorization: Bearer {await token_of('carol')}"
    await carol.send(carol.register(bearer))
    await carol.expect(200)
    kept = ims.hss.bindings("alice@ims.example", now=0)
    await carol.send(carol.register(bearer, claim("alice"), impu=ALICE))
    granted = await carol.expect(200)
    assert granted.one("P-Associated-URI") == "<sip:carol@ims.example>"
    await carol.send(carol.register(bearer, impu=ALICE, expires=0))
    await carol.expect(200)
    await carol.send(carol.register(claim("alice"), impu=ALICE))
    await carol.expect(401)
    assert ims.hss.bindings("alice@ims.example", now=0) == kept


async def test_a_challenge_of_another_connection(intrude, on_mw):
    """Another connection cannot use the challenge, neither before nor after its answer."""
    alice, mallory = await intrude("alice"), await intrude("alice")
    await alice.send(alice.register())
    challenged = await alice.expect(401)
    await mallory.send(mallory.register(claim("alice")))
    await mallory.expect(401)
    await alice.send(alice.register(alice.proof(challenged)))
    await mallory.send(mallory.register(claim("alice")))
    await alice.expect(200)
    await mallory.expect(401)
    await mallory.send(mallory.register(alice.proof(challenged)))  # replayed
    assert "stale=true" in str(await mallory.expect(401))
    await mallory.send(mallory.write("OPTIONS", BOB))
    await mallory.expect(403)


async def test_a_second_register_while_one_is_pending(intrude, on_mw):
    """It is refused, and harms neither the first REGISTER nor later ones."""
    alice = await intrude("alice")
    await alice.send(alice.register())
    await alice.send(alice.register())
    refused = await alice.expect(500)
    assert int(refused.one("Retry-After")) >= 1
    challenged = await alice.expect(401)
    assert len(on_mw) == 1
    await alice.send(alice.register(alice.proof(challenged)))
    await alice.expect(200)


async def test_instance_and_reg_id_of_another_user(ims, intrude):
    """They name a device of the authenticated user only."""
    alice, bob = await intrude("alice"), await intrude("bob")
    await alice.registered()
    kept = ims.hss.bindings("alice@ims.example", now=0)
    bob.instance, bob.call_id = alice.instance, alice.call_id
    await bob.registered()
    assert ims.hss.bindings("alice@ims.example", now=0) == kept
    await bob.send(bob.write("OPTIONS", ALICE))
    asked = await alice.expect(0)
    await alice.send(asked.answer("200 OK"))
    await bob.expect(200)
