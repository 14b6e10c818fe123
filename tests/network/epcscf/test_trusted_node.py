"""Access tokens at the eP-CSCF (TS 24.371 §6.4.2, §6.4.3, Annex A.3.2; RFC 8898)."""

from __future__ import annotations

import asyncio
import re

import pytest

from tests.support.waiting import until
from wic.network.epcscf.trusted_node import cap_expiry
from wic.network.tokens import TokenFault, TokenInvalid, WafUnreachable
from wic.sip.message import Request


def lines(message: str | bytes, name: str) -> list[str]:
    text = message if isinstance(message, str) else message.decode()
    return re.findall(rf"^{name}: (.*)\r$", text, re.MULTILINE)


def bearer(token: str) -> str:
    return f"Authorization: Bearer {token}"


async def registered(edge, wic, token: str, **more) -> str:
    wic.send(wic.register(bearer(token), **more))
    request = await edge.core.expect("REGISTER")
    edge.core.grant(request, "P-Associated-URI: <sip:alice@ims.example>")
    await wic.expect("SIP/2.0 200")
    return request


async def refused(edge, wic, *authorization: str) -> str:
    wic.send(wic.register(*authorization))
    answer = await wic.expect("SIP/2.0 401")
    assert edge.core.nothing_came()
    (challenge,) = lines(answer, "WWW-Authenticate")
    return challenge


@pytest.mark.parametrize("form", ["Bearer {}", 'Bearer access_token="{}"', "bearer {}"])
async def test_the_register_to_the_core_is_that_of_the_annex(edge, form):
    token = edge.tokens.give("abc.def")
    guest = await edge.wic("guest")
    guest.send(guest.register(f"Authorization: {form.format(token)}"))
    request = await edge.core.expect("REGISTER")
    (authorization,) = lines(request, "Authorization")
    assert authorization == (
        'Digest username="alice@ims.example", realm="ims.example", nonce="", uri="sip:ims.example", response="", '
        'integrity-protected="auth-done"'
    )
    assert lines(request, "From") == ["<sip:alice@ims.example>;tag=from-guest"]
    assert lines(request, "To") == ["<sip:alice@ims.example>"]
    assert "abc.def" not in request
    assert lines(request, "Expires") == ["500"]  # §6.4.3: no longer than the token
    edge.core.grant(request, "P-Associated-URI: <sip:alice@ims.example>", expires=500)
    granted = await guest.expect("SIP/2.0 200")
    # RFC 3261 §8.2.6.2: the WIC finds its own From and To again.
    assert lines(granted, "From") == ["<sip:guest@ims.example>;tag=from-guest"]
    assert lines(granted, "To") == ["<sip:guest@ims.example>;tag=core"]
    assert lines(granted, "P-Associated-URI") == ["<sip:alice@ims.example>"]
    assert edge.epcscf.registrations == 1


async def test_a_third_party_waf_is_named(edge):
    alice = await edge.wic("alice")
    request = await registered(edge, alice, edge.tokens.give("t", third_party=True))
    assert 'authorization-entity="https://waf.example"' in request


async def test_an_identity_of_the_token_may_be_chosen(edge):
    alice = await edge.wic("alice")
    request = await registered(edge, alice, edge.tokens.give("t"), to="<sip:alice.two@ims.example>")
    assert lines(request, "To") == ["<sip:alice.two@ims.example>"]
    assert lines(request, "From")[0].startswith("<sip:alice.two@ims.example>")


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (TokenFault.EXPIRED, "invalid_token"),
        (TokenFault.AUDIENCE, "invalid_token"),
        (TokenFault.SIGNATURE, "invalid_token"),
        (TokenFault.ALGORITHM, "invalid_token"),
        (TokenFault.ISSUER, "invalid_token"),
        (TokenFault.MALFORMED, "invalid_token"),
        (TokenFault.REVOKED, "invalid_token"),
        (TokenFault.SCOPE, "invalid_scope"),
    ],
)
async def test_an_invalid_token_is_refused(edge, fault, error):
    alice = await edge.wic("alice")
    challenge = await refused(edge, alice, bearer(edge.tokens.refuse("bad", TokenInvalid(fault))))
    assert challenge == f'Bearer realm="ims.example", scope="ims", authz_server="https://waf.example", error="{error}"'
    assert edge.epcscf.registrations == 0


@pytest.mark.parametrize(
    "authorization",
    [
        ("Bearer",),
        ('Bearer token="x"',),
        (f"Bearer {'x' * 9000}",),
        ("Bearer a", "Bearer b"),
        ('Bearer access_token=""',),
    ],
)
async def test_an_unreadable_token_is_refused(edge, authorization):
    alice = await edge.wic("alice")
    challenge = await refused(edge, alice, *(f"Authorization: {each}" for each in authorization))
    assert 'error="invalid_token"' in challenge
    assert edge.tokens.asked == []


async def test_a_token_within_the_leeway_has_nothing_left(edge):
    alice = await edge.wic("alice")
    assert "invalid_token" in await refused(edge, alice, bearer(edge.tokens.give("t", life=0.5)))


async def test_a_token_that_ends_before_any_registration_could(edge):
    alice = await edge.wic("alice")
    alice.send(alice.register(bearer(edge.tokens.give("t", life=30))))
    edge.core.answer(await edge.core.expect("REGISTER"), "423 Interval Too Brief", "Min-Expires: 60")
    assert "invalid_token" in lines(await alice.expect("SIP/2.0 401"), "WWW-Authenticate")[0]
    alice.send(alice.register(bearer(edge.tokens.give("t", life=300)), expires=30))
    edge.core.answer(await edge.core.expect("REGISTER"), "423 Interval Too Brief", "Min-Expires: 60")
    assert lines(await alice.expect("SIP/2.0 423"), "Min-Expires") == ["60"]


async def test_a_core_that_does_not_trust_the_epcscf(edge):
    alice = await edge.wic("alice")
    alice.send(alice.register(bearer(edge.tokens.give("t"))))
    challenge = 'WWW-Authenticate: Digest realm="ims.example", nonce="n"'
    edge.core.answer(await edge.core.expect("REGISTER"), "401 Unauthorized", challenge)
    assert not lines(await alice.expect("SIP/2.0 403"), "WWW-Authenticate")


async def test_a_waf_that_cannot_be_asked(edge):
    alice = await edge.wic("alice")
    alice.send(alice.register(bearer(edge.tokens.refuse("t", WafUnreachable("it is down")))))
    assert lines(await alice.expect("SIP/2.0 503"), "Retry-After")


async def test_a_register_without_credentials_is_offered_bearer(edge):
    alice = await edge.wic("alice")
    alice.send(alice.register())
    request = await edge.core.expect("REGISTER")
    edge.core.answer(request, "401 Unauthorized", 'WWW-Authenticate: Digest realm="ims.example", nonce="n"')
    offered = lines(await alice.expect("SIP/2.0 401"), "WWW-Authenticate")
    assert offered == [
        'Bearer realm="ims.example", scope="ims", authz_server="https://waf.example"',
        'Digest realm="ims.example", nonce="n"',
    ]


async def test_an_epcscf_that_takes_no_tokens_lets_the_core_challenge(make_edge):
    edge = await make_edge(tokens=False)
    alice = await edge.wic("alice")
    alice.send(alice.register(bearer("abc")))
    request = await edge.core.expect("REGISTER")
    assert not lines(request, "Authorization")
    edge.core.answer(request, "401 Unauthorized", 'WWW-Authenticate: Digest realm="ims.example", nonce="n"')
    assert len(lines(await alice.expect("SIP/2.0 401"), "WWW-Authenticate")) == 1


async def test_the_association_ends_with_the_token(edge):
    alice = await edge.wic("alice")
    await registered(edge, alice, edge.tokens.give("t", life=100))  # the core grants 600 s all the same
    driver = edge.epcscf.node.driver
    (association,) = edge.associations()
    assert association.expires_at <= driver.now + 100


async def test_a_newer_token_goes_on(edge):
    alice = await edge.wic("alice")
    await registered(edge, alice, edge.tokens.give("t", life=100))
    request = await registered(edge, alice, edge.tokens.give("newer", life=400))
    assert lines(request, "Expires") == ["400"]
    assert edge.epcscf.registrations == 1


async def test_a_token_of_another_user_does_not_take_over(edge):
    alice = await edge.wic("alice")
    await registered(edge, alice, edge.tokens.give("t"))
    alice.send(alice.register(bearer(edge.tokens.give("u", "bob"))))
    request = await edge.core.expect("REGISTER")
    assert lines(request, "To") == ["<sip:bob@ims.example>"]
    edge.core.answer(request, "403 Forbidden")
    await alice.expect("SIP/2.0 403")
    (association,) = edge.associations()
    assert (association.impi, association.impu) == ("alice@ims.example", "sip:alice@ims.example")
    alice.send(alice.request("OPTIONS", "sip:x@ims.example", bearer("u")))
    await alice.expect("SIP/2.0 403")


async def test_requests_with_a_token_go_on_without_it(edge):
    alice = await edge.wic("alice")
    await registered(edge, alice, edge.tokens.give("t"))
    digest = 'Digest username="alice", realm="elsewhere"'
    alice.send(
        alice.request(
            "OPTIONS", "sip:x@ims.example", bearer("t"), f"Authorization: {digest}", f"Proxy-{bearer('t')}", call_id="o"
        )
    )
    # The Service-Route of this core leads nowhere, so that the request is looked at here.
    seen = await asyncio.wait_for(observed(edge, b"OPTIONS"), 10)
    assert b"Bearer" not in seen
    assert lines(seen, "Authorization") == [digest]
    assert lines(seen, "P-Asserted-Identity") == ["<sip:alice@ims.example>"]


async def test_credentials_that_cannot_be_read_are_no_token_and_go_no_further(edge):
    """RFC 3261 §16.3 step 1; a token could be in there all the same (TS 33.203 §X.3)."""
    alice = await edge.wic("alice")
    await registered(edge, alice, edge.tokens.give("t"))
    alice.send(alice.request("OPTIONS", "sip:x@ims.example", 'Authorization: Bearer "t', call_id="o"))
    seen = await asyncio.wait_for(observed(edge, b"OPTIONS"), 10)
    assert not lines(seen, "Authorization")
    assert lines(seen, "P-Asserted-Identity") == ["<sip:alice@ims.example>"]


async def observed(edge, start: bytes) -> bytes:
    """Wait for a message that the eP-CSCF sends to the core."""
    found: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    def observe(now, direction, data, flow):
        if flow.transport == "UDP" and data.startswith(start) and not found.done():
            found.set_result(data)

    edge.epcscf.node.driver.add_observer(observe)
    return await found


async def test_a_bad_token_in_another_request(edge):
    alice = await edge.wic("alice")
    await registered(edge, alice, edge.tokens.give("t"))
    edge.tokens.refuse("old", TokenInvalid(TokenFault.EXPIRED))
    alice.send(alice.request("OPTIONS", "sip:x@ims.example", bearer("old")))
    assert "invalid_token" in lines(await alice.expect("SIP/2.0 401"), "WWW-Authenticate")[0]


async def test_a_caller_who_gives_up_while_the_token_is_checked(edge):
    alice = await edge.wic("alice")
    await registered(edge, alice, edge.tokens.give("t"))
    edge.tokens.hold = asyncio.Event()
    invite = alice.request("INVITE", "sip:x@ims.example", bearer("t"), f"Contact: {alice.contact}", branch="z9hG4bK-i")
    alice.send(invite)
    alice.send(alice.request("CANCEL", "sip:x@ims.example", cseq=alice.cseq, branch="z9hG4bK-i"))
    await alice.expect("SIP/2.0 200")
    await alice.expect("SIP/2.0 487")
    edge.tokens.hold.set()
    await settled(edge)
    assert edge.epcscf.calls == 0
    assert edge.core.nothing_came()


async def settled(edge) -> None:
    """Wait until every check is over."""
    await until(lambda: not edge.epcscf.pending_tasks)


async def test_a_connection_that_goes_while_the_token_is_checked(edge):
    alice = await edge.wic("alice")
    edge.tokens.give("t")
    edge.tokens.hold = asyncio.Event()
    alice.send(alice.register(bearer("t")))
    await until(lambda: edge.tokens.asked)
    driver = edge.epcscf.node.driver
    alice.cut()
    await until(lambda: not driver.connections)
    edge.tokens.hold.set()
    await settled(edge)
    assert edge.core.nothing_came()


async def test_a_good_token_after_a_bad_one(edge):
    alice = await edge.wic("alice")
    await refused(edge, alice, bearer(edge.tokens.refuse("bad", TokenInvalid(TokenFault.EXPIRED))))
    await registered(edge, alice, edge.tokens.give("good"))
    assert edge.epcscf.registrations == 1


async def test_headers_that_cannot_be_read_behind_a_good_token(edge):
    alice = await edge.wic("alice")
    edge.tokens.give("t")
    alice.send(alice.register(bearer("t")).replace("Expires: 3600", "Expires: soon"))
    await alice.expect("SIP/2.0 400")
    await registered(edge, alice, "t")
    invite = alice.request("INVITE", "sip:x@ims.example", bearer("t"), f"Contact: {alice.contact}")
    alice.send(invite.replace("Contact: <sip:", "Contact: <<<"))
    await alice.expect("SIP/2.0 400")
    assert edge.core.nothing_came()


@pytest.mark.parametrize(
    ("contacts", "expires", "capped", "left"),
    [
        (["<sip:a@h>"], None, ["<sip:a@h>"], "90"),
        (["<sip:a@h>"], 600, ["<sip:a@h>"], "90"),
        (["<sip:a@h>"], 60, ["<sip:a@h>"], "60"),
        (["<sip:a@h>"], 0, ["<sip:a@h>"], "0"),
        (["<sip:a@h>;expires=600", "<sip:b@h>;expires=5"], 7, ["<sip:a@h>;expires=90", "<sip:b@h>;expires=5"], "7"),
        (["<sip:a@h>;expires=0"], None, ["<sip:a@h>;expires=0"], "90"),
        (["*"], 0, ["*"], "0"),
    ],
)
def test_a_registration_ends_with_its_token(contacts, expires, capped, left):
    request = Request.build("REGISTER", "sip:x", [("Contact", value) for value in contacts])
    if expires is not None:
        request.headers.add("Expires", expires)
    cap_expiry(request, 90)
    assert request.headers.get_all("Contact") == capped
    assert request.headers.get("Expires") == left
