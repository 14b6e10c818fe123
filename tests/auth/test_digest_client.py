from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from wic.auth import (
    AuthOutcome,
    DigestAlgorithm,
    DigestClient,
    DigestCredentials,
    DigestVerifier,
    Ha1,
    Secret,
    find_algorithm,
    make_ha1,
)
from wic.errors import AuthenticationFailed, ChallengeUnsupported, ConfigurationError, NetworkNotTrusted
from wic.sip.message import Request, Response
from wic.sip.random_source import CountingSource

if TYPE_CHECKING:
    from wic.sip.params import Params

Lookup = Callable[[str, DigestAlgorithm], Secret | None]
Register = Callable[..., Request]
MakeChallenge = Callable[..., Response]


def sent(request: Request, header: str = "Authorization") -> Params:
    return request.auth(header)[0].params


def success(info: str | None = None, header: str = "Authentication-Info") -> Response:
    return Response.build(200, headers=[] if info is None else [(header, info)])


def test_a_first_register_announces_the_user(client: DigestClient, register: Register) -> None:
    """TS 24.229 §5.1.1.2.3."""
    params = sent(register(client))
    assert {name: params.get(name) for name in params} == {
        "username": "alice@ims.example",
        "realm": "ims.example",
        "nonce": "",
        "uri": "sip:ims.example",
        "response": "",
    }
    assert "Authorization" not in register(client, method="INVITE").headers


def test_announcing_may_be_left_out_or_name_another_realm(random_source: CountingSource, register: Register) -> None:
    credentials = DigestCredentials(username="a", secret=Secret("b"), realm="other")
    assert sent(register(DigestClient(credentials, random_source=random_source))).get("realm") == "other"
    assert (
        "Authorization" not in register(DigestClient(credentials, random_source=random_source, announce=False)).headers
    )


def test_a_challenge_is_answered_and_the_nonce_counted(
    client: DigestClient, verifier: DigestVerifier, lookup: Lookup, register: Register, challenge: MakeChallenge
) -> None:
    client.challenged(register(client), challenge(*verifier.make_challenges(now=0)))
    for count in ("00000001", "00000002"):
        request = register(client)
        assert (sent(request).get("nc"), sent(request).get("algorithm")) == (count, "SHA-256")
        verdict = verifier.verify(request, lookup, now=1)
        assert verdict.outcome is AuthOutcome.OK
        client.accepted(request, success(verdict.authentication_info))


def test_a_registration_that_begins_again_begins_without_a_nonce(
    client: DigestClient, register: Register, verifier: DigestVerifier, challenge: MakeChallenge
) -> None:
    """TS 24.229 §5.1.1.2.3."""
    first = register(client)
    client.challenged(first, challenge(*verifier.make_challenges(now=0)))
    client.accepted(register(client), success())
    client.forget()
    assert sent(register(client)) == sent(first)


@pytest.mark.parametrize("qop", ["auth", "auth-int"])
@pytest.mark.parametrize("algorithm", ["MD5", "MD5-sess", "SHA-256", "SHA-256-sess", "SHA-512-256", "SHA-512-256-sess"])
def test_every_algorithm_and_qop(
    algorithm: str, qop: str, client: DigestClient, lookup: Lookup, register: Register, challenge: MakeChallenge
) -> None:
    verifier = DigestVerifier(
        "ims.example", key=b"k" * 16, random_source=CountingSource(), algorithms=(algorithm,), qop=qop
    )
    client.challenged(register(client), challenge(*verifier.make_challenges(now=0)))
    request = register(client, body=b"body")
    assert verifier.verify(request, lookup, now=0).outcome is AuthOutcome.OK
    request.body = b"other"
    assert verifier.verify(request, lookup, now=0).outcome is (
        AuthOutcome.WRONG if qop == "auth-int" else AuthOutcome.REPLAYED
    )


def test_the_old_form_without_qop(client: DigestClient, register: Register, challenge: MakeChallenge) -> None:
    client.challenged(register(client), challenge('Digest realm="r", nonce="n", opaque="o"'))
    params = sent(register(client))
    assert list(params) == ["username", "realm", "nonce", "uri", "response", "opaque"]


def test_a_wrong_password_ends_after_one_honest_retry(
    random_source: CountingSource, verifier: DigestVerifier, register: Register, challenge: MakeChallenge
) -> None:
    client = DigestClient(DigestCredentials(username="bob", secret=Secret("wrong")), random_source=random_source)
    client.challenged(register(client), challenge(*verifier.make_challenges(now=0)))
    with pytest.raises(AuthenticationFailed) as failed:
        client.challenged(register(client), challenge(*verifier.make_challenges(now=0)))
    assert str(failed.value) == "the network does not accept the password of bob for ims.example"
    assert "wrong" not in str(failed.value)
    assert sent(register(client)).get("nonce") == ""  # another attempt begins anew


def test_stale_nonces_are_replaced_without_asking(
    client: DigestClient, verifier: DigestVerifier, lookup: Lookup, register: Register, challenge: MakeChallenge
) -> None:
    client.challenged(register(client), challenge(*verifier.make_challenges(now=0)))
    late = register(client)
    verdict = verifier.verify(late, lookup, now=1000)
    assert verdict.stale
    client.challenged(late, challenge(*verifier.make_challenges(now=1000, stale=True)))
    assert verifier.verify(register(client), lookup, now=1001).outcome is AuthOutcome.OK


def test_nonces_that_end_between_attempts_are_no_reason_to_give_up(client, register, verifier, lookup, challenge):
    """A registrar that answers 503 for hours takes the credentials and proves no nonce."""
    client.challenged(register(client), challenge(*verifier.make_challenges(now=0)))
    for hour in range(1, 10):
        register(client)  # 503
        late = register(client)
        client.challenged(late, challenge(*verifier.make_challenges(now=3600 * hour, stale=True)))
    assert verifier.verify(register(client), lookup, now=3600 * 9 + 1).outcome is AuthOutcome.OK


def test_a_network_that_calls_every_nonce_stale_is_given_up(
    client: DigestClient, verifier: DigestVerifier, register: Register, challenge: MakeChallenge
) -> None:
    client.challenged(register(client), challenge(*verifier.make_challenges(now=0)))
    for _ in range(2):
        client.challenged(register(client), challenge(*verifier.make_challenges(now=0, stale=True)))
    with pytest.raises(AuthenticationFailed, match="every nonce stale"):
        client.challenged(register(client), challenge(*verifier.make_challenges(now=0, stale=True)))


def test_a_proved_nonce_that_is_rejected_later_gets_another_try(
    client: DigestClient, verifier: DigestVerifier, register: Register, challenge: MakeChallenge
) -> None:
    """Registrars that forget stale=true, or that restarted, do not look like a wrong password."""
    client.challenged(register(client), challenge(*verifier.make_challenges(now=0)))
    for _ in range(2):
        client.accepted(register(client), success())
    client.challenged(register(client), challenge(*verifier.make_challenges(now=9)))
    with pytest.raises(AuthenticationFailed):
        client.challenged(register(client), challenge(*verifier.make_challenges(now=9)))


def test_a_proved_nonce_that_is_given_out_again_gets_one_answer_more(
    client: DigestClient, register: Register, challenge: MakeChallenge
) -> None:
    """A registrar whose nonces last, and whose user has another password now, is not asked until the attempt ends."""
    again = 'Digest realm="r", nonce="n", qop="auth"'
    client.challenged(register(client), challenge(again))
    for _ in range(2):  # an answer that is accepted proves the nonce anew
        client.accepted(register(client), success())
        client.challenged(register(client), challenge(again))
    with pytest.raises(AuthenticationFailed, match="does not accept the password"):
        client.challenged(register(client), challenge(again))


@pytest.mark.parametrize(("qop", "hope"), [(', qop="auth"', True), ("", False)])
def test_requests_on_their_way_when_a_proved_nonce_is_given_out_again_get_one_answer_more_each(
    client: DigestClient, register: Register, challenge: MakeChallenge, qop: str, hope: bool
) -> None:
    """Their challenges say no more than the first one; without qop there is no nc to tell them by."""
    again = f'Digest realm="r", nonce="n"{qop}'
    client.challenged(register(client), challenge(again))
    client.accepted(register(client), success())
    first, second, third = (register(client) for _ in range(3))
    client.challenged(first, challenge(again))
    repeated = [register(client)]
    for late in (second, third) if hope else ():
        client.challenged(late, challenge(again))
        repeated.append(register(client))
    with pytest.raises(AuthenticationFailed, match="does not accept the password"):
        client.challenged(repeated[-1] if hope else second, challenge(again))


def test_calls_that_are_challenged_side_by_side_do_not_disturb_each_other(
    client: DigestClient, verifier: DigestVerifier, register: Register, challenge: MakeChallenge
) -> None:
    def ask() -> Response:
        return challenge(*verifier.make_challenges(now=0), status=407, header="Proxy-Authenticate")

    client.challenged(register(client), challenge(*verifier.make_challenges(now=0)))
    client.accepted(register(client), success())
    first, second = (register(client, f"sip:{name}@ims.example", "INVITE") for name in ("bob", "carol"))
    client.challenged(first, ask())
    client.challenged(second, ask())
    again = register(client, "sip:bob@ims.example", "INVITE")
    assert sent(again, "Proxy-Authorization").get("nc") == "00000001"
    client.accepted(again, success())


def test_nextnonce_is_used_next(
    client: DigestClient, verifier: DigestVerifier, register: Register, challenge: MakeChallenge
) -> None:
    client.challenged(register(client), challenge(*verifier.make_challenges(now=0)))
    client.accepted(register(client), success('nextnonce="fresh"'))
    request = register(client)
    assert (sent(request).get("nonce"), sent(request).get("nc")) == ("fresh", "00000001")
    client.challenged(request, challenge(*verifier.make_challenges(now=0)))  # it had expired: no wrong password


@pytest.mark.parametrize(
    "info", ['nextnonce="\x07"', 'nextnonce=""', 'nextnonce="' + "n" * 5000 + '"', '="', "rspauth"]
)
def test_an_authentication_info_that_cannot_be_used_is_passed_over(
    info: str, client: DigestClient, register: Register, challenge: MakeChallenge
) -> None:
    client.challenged(register(client), challenge('Digest realm="r", nonce="n"'))
    client.accepted(register(client), success(info))
    assert sent(register(client)).get("nonce") == "n"


def test_a_network_that_does_not_know_the_password_is_not_trusted(
    client: DigestClient, verifier: DigestVerifier, register: Register, challenge: MakeChallenge
) -> None:
    client.challenged(register(client), challenge(*verifier.make_challenges(now=0)))
    with pytest.raises(NetworkNotTrusted):
        client.accepted(register(client), success(f'rspauth="{"0" * 64}"'))


def test_a_proxy_proves_itself_in_its_own_header(
    client: DigestClient, verifier: DigestVerifier, register: Register, challenge: MakeChallenge
) -> None:
    asked = challenge(*verifier.make_challenges(now=0), status=407, header="Proxy-Authenticate")
    client.challenged(register(client), asked)
    with pytest.raises(NetworkNotTrusted):
        client.accepted(register(client), success('rspauth="00"', "Proxy-Authentication-Info"))


def test_an_acceptance_without_credentials_says_nothing(client: DigestClient, register: Register) -> None:
    client.accepted(register(client), success('nextnonce="x"'))
    client.accepted(Request.build("OPTIONS", "sip:a"), success('nextnonce="x"'))
    assert sent(register(client)).get("nonce") == ""


def test_several_realms_at_once(client: DigestClient, register: Register) -> None:
    """401 and 407 together, with two proxies (RFC 3261 §22.3)."""
    asked = Response.build(
        407,
        headers=[
            ("WWW-Authenticate", 'Digest realm="home", nonce="1", qop="auth"'),
            ("Proxy-Authenticate", 'Digest realm="p1", nonce="2", qop="auth"'),
            ("Proxy-Authenticate", 'Digest realm="p2", nonce="3", qop="auth"'),
        ],
    )
    client.challenged(register(client), asked)
    request = register(client)
    assert [value.params.get("realm") for value in request.auth("Proxy-Authorization")] == ["p1", "p2"]
    assert sent(request).get("realm") == "home"
    elsewhere = register(client, "sip:bob@ims.example", "INVITE")
    assert "Authorization" not in elsewhere.headers  # RFC 3261 §22.1: another Request-URI, another space
    assert len(elsewhere.auth("Proxy-Authorization")) == 2


def test_a_success_proves_only_the_nonces_that_its_request_carried(
    client: DigestClient, register: Register, challenge: MakeChallenge
) -> None:
    asked = challenge('Digest realm="home", nonce="1"')
    asked.headers.add("Proxy-Authenticate", 'Digest realm="p", nonce="3"')
    client.challenged(register(client), asked)
    client.accepted(register(client, "sip:bob@ims.example", "INVITE"), success())
    with pytest.raises(AuthenticationFailed, match="home"):
        client.challenged(register(client), asked)


def test_a_wrong_password_at_one_of_two_realms(
    client: DigestClient, register: Register, challenge: MakeChallenge
) -> None:
    client.challenged(
        register(client), challenge('Digest realm="a", nonce="1"', status=407, header="Proxy-Authenticate")
    )
    second = challenge('Digest realm="b", nonce="2"', status=407, header="Proxy-Authenticate")
    client.challenged(register(client), second)
    with pytest.raises(AuthenticationFailed, match="for b"):
        client.challenged(register(client), second)


def test_realms_without_end_do_not_fill_the_memory(
    client: DigestClient, register: Register, challenge: MakeChallenge
) -> None:
    for number in range(40):
        client.challenged(
            register(client), challenge(f'Digest realm="{number}", nonce="n"', header="Proxy-Authenticate")
        )
    assert len(register(client).auth("Proxy-Authorization")) == 16


@pytest.mark.parametrize("value", ['Bearer realm="r"', 'Digest realm="r", nonce="n", algorithm=AKAv1-MD5', ""])
def test_challenges_that_cannot_be_answered(
    value: str, client: DigestClient, register: Register, challenge: MakeChallenge
) -> None:
    with pytest.raises(ChallengeUnsupported, match="see the account's 'auth'"):
        client.challenged(register(client), challenge(value))


def test_a_hash_instead_of_a_password(
    random_source: CountingSource, register: Register, challenge: MakeChallenge
) -> None:
    sha = find_algorithm("SHA-256")
    assert sha is not None
    ha1 = Ha1("SHA-256", "r", make_ha1(sha, "alice", "r", Secret("pw")))
    client = DigestClient(DigestCredentials(username="alice", secret=ha1), random_source=random_source)
    asked = challenge(
        'Digest realm="r", nonce="n", algorithm=MD5', 'Digest realm="r", nonce="n", algorithm=SHA-256-sess'
    )
    client.challenged(register(client), asked)
    assert sent(register(client)).get("algorithm") == "SHA-256-sess"
    with pytest.raises(ChallengeUnsupported):
        client.challenged(register(client), challenge('Digest realm="other", nonce="n", algorithm=SHA-256'))
    broken = DigestCredentials(username="alice", secret=Ha1("SHA-0", "r", Secret("")))
    assert not broken.fit(sha, "r")


@pytest.mark.parametrize(("username", "realm"), [("alice\r\nX: 1", None), ("alice", "r\0")])
def test_names_that_no_header_can_carry_are_refused(username: str, realm: str | None) -> None:
    with pytest.raises(ConfigurationError, match="control characters"):
        DigestCredentials(username=username, secret=Secret(""), realm=realm)


def test_quotes_in_a_realm_do_not_break_out(client: DigestClient, register: Register, challenge: MakeChallenge) -> None:
    client.challenged(register(client), challenge('Digest realm="a\\", username=\\"mallory", nonce="n\\\\"'))
    params = sent(register(client))
    assert (params.get("username"), params.get("realm")) == ("alice@ims.example", 'a", username="mallory')
    assert params.get("nonce") == "n\\"


def test_nothing_secret_is_shown(client: DigestClient) -> None:
    shown = [getattr(client, name) for name in DigestClient.__slots__]
    assert "horse" not in repr(shown)


def test_advice_blames_the_password_only_when_it_was_used(
    client: DigestClient, verifier: DigestVerifier, register: Register, challenge: MakeChallenge
) -> None:
    forbidden = Response.build(403)
    assert client.advice(register(client), forbidden) == (
        "check that the network knows alice@ims.example together with the public identity"
    )
    client.challenged(register(client), challenge(*verifier.make_challenges(now=0)))
    assert client.advice(register(client), forbidden) == "check the private identity and the password"
    assert client.advice(register(client), Response.build(503)) == ""


def test_the_fault_of_a_challenge_is_told(client: DigestClient, register: Register, challenge: MakeChallenge) -> None:
    with pytest.raises(ChallengeUnsupported) as failed:
        client.challenged(register(client), challenge('Digest realm="r" nonce="n"'))
    assert str(failed.value) == "the challenge of realm r cannot be read: a comma is missing"


# RFC 7616 §3.4: nc counts the requests sent with a nonce


def counts(request: Request) -> list[tuple[str | None, str | None]]:
    return [
        (value.params.get("nonce"), value.params.get("nc"))
        for header in ("Authorization", "Proxy-Authorization")
        for value in request.auth(header)
        if value.params.get("nonce")
    ]


@pytest.mark.parametrize(
    ("between", "count"), [("nothing", 4), ("stale", 4), ("another nonce", 4), ("a new registration", 3)]
)
def test_a_nonce_that_is_given_out_again_counts_on(
    between: str, count: int, client: DigestClient, register: Register, challenge: MakeChallenge
) -> None:
    def ask(nonce: str, more: str = "") -> Response:
        return challenge(f'Digest realm="r", nonce="{nonce}", qop="auth"{more}')

    client.challenged(register(client), ask("a"))
    for _ in range(2):
        client.accepted(register(client), success())
    if between == "another nonce":
        client.challenged(register(client), ask("b"))  # the request that was challenged carried "a" a third time
        client.accepted(register(client), success())
    elif between == "a new registration":
        client.forget()
    client.challenged(register(client), ask("a", ", stale=true" if between == "stale" else ""))
    assert counts(register(client)) == [("a", f"{count:08x}")]


def test_no_count_of_a_nonce_is_sent_twice(client: DigestClient, register: Register, challenge: MakeChallenge) -> None:
    """In any order of challenges, successes and new registrations."""
    seen: list[tuple[str | None, str | None]] = []
    for turn, nonce in enumerate("aabacabbcaab"):
        client.challenged(register(client), challenge(f'Digest realm="r", nonce="{nonce}", qop="auth", stale=true'))
        for _ in range(2):
            request = register(client)
            seen += counts(request)
            client.accepted(request, success())
        if turn % 4 == 3:
            client.forget()
    assert len(seen) == len(set(seen)) == 24
    last = {nonce: max(int(nc or "", 16) for each, nc in seen if each == nonce) for nonce in "abc"}
    assert last["a"] > last["b"] > last["c"] > 3


def test_counts_go_on_across_kinds_of_requests(
    client: DigestClient, register: Register, challenge: MakeChallenge
) -> None:
    asked = challenge('Digest realm="r", nonce="n", qop="auth"', status=407, header="Proxy-Authenticate")
    client.challenged(register(client), asked)
    methods = ("REGISTER", "SUBSCRIBE", "INVITE", "BYE", "MESSAGE", "REGISTER")
    sent_counts = [counts(register(client, "sip:ims.example", method)) for method in methods]
    assert sent_counts == [[("n", f"{number:08x}")] for number in range(1, 7)]


def test_counts_of_nonces_without_end_do_not_fill_the_memory(
    client: DigestClient, register: Register, challenge: MakeChallenge
) -> None:
    for number in range(100):
        client.challenged(register(client), challenge(f'Digest realm="r", nonce="{number}", qop="auth", stale=true'))
        client.accepted(register(client), success())
    client.challenged(register(client), challenge('Digest realm="r", nonce="0", qop="auth"'))
    assert counts(register(client)) == [("0", "00000001")]  # forgotten, as are all but the last 32


# challenges of strangers: a password can be guessed from the answer

METHODS = ("INVITE", "BYE", "UPDATE", "INFO", "MESSAGE", "SUBSCRIBE", "OPTIONS", "REFER")
KINDS = {401: "WWW-Authenticate", 407: "Proxy-Authenticate"}
HOME, EDGE, STRANGE = "ims.example", "edge.example", "evil.example"


@pytest.fixture
def registered(
    random_source: CountingSource, register: Register, challenge: MakeChallenge
) -> Callable[..., DigestClient]:
    """Make a client whose registration has proved two realms, that of the registrar and that of an outbound proxy."""

    def make(*realms: str) -> DigestClient:
        credentials = DigestCredentials(username="alice", secret=Secret("pw"), realms=frozenset(realms))
        client = DigestClient(credentials, random_source=random_source)
        client.challenged(register(client), challenge(f'Digest realm="{HOME}", nonce="h", qop="auth"'))
        proxy = challenge(f'Digest realm="{EDGE}", nonce="e", qop="auth"', status=407, header="Proxy-Authenticate")
        client.challenged(register(client), proxy)
        client.accepted(register(client), success())
        return client

    return make


def request_to(target: str, method: str, to: str = "<sip:bob@ims.example>") -> Request:
    return Request.build(method, target, [("From", "<sip:alice@ims.example>;tag=a"), ("To", to)])


@pytest.mark.parametrize("named", [False, True])
@pytest.mark.parametrize("realm", [HOME, EDGE, STRANGE])
@pytest.mark.parametrize("status", KINDS)
@pytest.mark.parametrize("method", METHODS)
def test_only_the_network_of_the_registration_gets_an_answer(
    method: str, status: int, realm: str, named: bool, registered, challenge: MakeChallenge
) -> None:
    client = registered(*[realm] if named else [])
    asked = challenge(f'Digest realm="{realm}", nonce="new", qop="auth"', status=status, header=KINDS[status])
    request = request_to("sip:bob@ims.example", method)
    client.authorize(request)
    answered = named or realm != STRANGE
    if answered:
        client.challenged(request, asked)
    else:
        with pytest.raises(
            ChallengeUnsupported, match=rf"a server asks .* realm '{realm}', .* account: realms = \['{realm}'\]"
        ):
            client.challenged(request, asked)
    again = request_to("sip:bob@ims.example", method)
    client.authorize(again)
    shown = [value.params for header in ("Authorization", "Proxy-Authorization") for value in again.auth(header)]
    assert ("new" in [params.get("nonce") for params in shown]) is answered


@pytest.mark.parametrize("status", KINDS)
def test_strangers_beside_the_home_network_are_passed_over(status: int, registered, challenge: MakeChallenge) -> None:
    """A forking proxy gathers the challenges of all branches (RFC 3261 §16.7)."""
    client = registered()
    asked = Response.build(status)
    for realm in (STRANGE, HOME, "other.example", EDGE):
        for header in KINDS.values():
            asked.headers.add(header, f'Digest realm="{realm}", nonce="new", qop="auth"')
    client.challenged(request_to("sip:bob@ims.example", "INVITE"), asked)
    again = request_to("sip:bob@ims.example", "INVITE")
    client.authorize(again)
    for header in ("Authorization", "Proxy-Authorization"):
        assert sorted(value.params.get("realm") or "" for value in again.auth(header)) == [EDGE, HOME]


def test_a_realm_is_proved_by_a_success_only(
    client: DigestClient, register: Register, challenge: MakeChallenge
) -> None:
    client.challenged(register(client), challenge(f'Digest realm="{HOME}", nonce="h"'))
    register(client)  # which is not answered by a 200
    asked = challenge(f'Digest realm="{HOME}", nonce="n"', status=407, header="Proxy-Authenticate")
    with pytest.raises(ChallengeUnsupported):
        client.challenged(request_to("sip:bob@ims.example", "INVITE"), asked)


def test_a_proved_realm_lasts_while_the_registration_is_made_anew(registered, challenge: MakeChallenge) -> None:
    client = registered()
    client.forget()
    asked = challenge(f'Digest realm="{HOME}", nonce="n"', status=407, header="Proxy-Authenticate")
    client.challenged(request_to("sip:bob@ims.example", "BYE"), asked)
    again = request_to("sip:bob@ims.example", "BYE")
    client.authorize(again)
    assert [value.params.get("nonce") for value in again.auth("Proxy-Authorization")] == ["n"]


def test_proved_realms_without_end_do_not_fill_the_memory(
    client: DigestClient, register: Register, challenge: MakeChallenge
) -> None:
    def ask(realm: int) -> Response:
        return challenge(f'Digest realm="{realm}", nonce="n"', status=407, header="Proxy-Authenticate")

    for realm in range(20):
        client.challenged(register(client), ask(realm))
        client.accepted(register(client), success())
    client.challenged(request_to("sip:bob@ims.example", "INVITE"), ask(19))
    with pytest.raises(ChallengeUnsupported):
        client.challenged(request_to("sip:bob@ims.example", "INVITE"), ask(0))
