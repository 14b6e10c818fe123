from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wic.auth import (
    AkaClient,
    AkaUser,
    AkaVerifier,
    AuthOutcome,
    Milenage,
    SoftUsim,
    Verdict,
    find_aka_algorithm,
    make_vector,
    verify_auts,
)
from wic.auth.aka import DEFAULT_AMF, AkaAlgorithm
from wic.sip.message import Request, Response
from wic.sip.params import AuthParams
from wic.sip.random_source import CountingSource

IMPI = "alice@ims.example"
REALM = "ims.example"
FUNCTIONS = Milenage(b"k" * 16, op=b"o" * 16)

Pairs = dict[str, str]
Check = Callable[..., Verdict]


def algorithm(name: str = "AKAv2-SHA-256") -> AkaAlgorithm:
    found = find_aka_algorithm(name)
    assert found is not None
    return found


ALGORITHM = algorithm()


@pytest.fixture
def user() -> AkaUser:
    return AkaUser(IMPI)


@pytest.fixture
def verifier() -> AkaVerifier:
    return AkaVerifier(REALM)


@pytest.fixture
def aka() -> AkaClient:
    return AkaClient(IMPI, SoftUsim(FUNCTIONS), random_source=CountingSource())


def ask(
    verifier: AkaVerifier,
    user: AkaUser,
    sqn: int = 33,
    *,
    now: float = 0,
    name: str = ALGORITHM.name,
    source: str = "",
) -> Response:
    vector = make_vector(FUNCTIONS, sqn, DEFAULT_AMF, sqn.to_bytes(16))
    value = verifier.challenge(user, vector, algorithm(name), now=now, source=source)
    return Response.build(401, headers=[("WWW-Authenticate", value)])


def register(client: AkaClient) -> Request:
    request = Request.build("REGISTER", "sip:ims.example")
    client.authorize(request)
    return request


@pytest.fixture
def good(verifier: AkaVerifier, user: AkaUser, aka: AkaClient) -> Pairs:
    """The parameters of a right answer."""
    aka.challenged(register(aka), ask(verifier, user))
    return {name: value or "" for name, value in register(aka).auth("Authorization")[0].params.items()}


@pytest.fixture
def check(verifier: AkaVerifier, user: AkaUser) -> Check:
    def verify(pairs: Pairs, now: float = 1) -> Verdict:
        value = f"Digest {AuthParams(pairs.items(), quoted=pairs)}"
        return verifier.verify(Request.build("REGISTER", "sip:ims.example", [("Authorization", value)]), user, now=now)

    return verify


def test_a_challenge_with_keys_for_the_p_cscf(verifier: AkaVerifier, user: AkaUser) -> None:
    """TS 24.229 §5.4.1.2.1A: ik and ck in hexadecimal, in quotes."""
    vector = make_vector(FUNCTIONS, 33, DEFAULT_AMF, b"r" * 16)
    text = str(verifier.challenge(user, vector, ALGORITHM, now=0, keys=True))
    assert text.startswith('Digest realm="ims.example", nonce="cnJy')
    assert ', algorithm=AKAv2-SHA-256, qop="auth", ' in text
    assert text.endswith(f'ik="{vector.ik.hex()}", ck="{vector.ck.hex()}"')


def test_a_challenge_with_stale(verifier: AkaVerifier, user: AkaUser) -> None:
    vector = make_vector(FUNCTIONS, 33, DEFAULT_AMF, b"r" * 16)
    params = verifier.challenge(user, vector, ALGORITHM, now=0, stale=True, keys=True).params
    assert list(params) == ["realm", "nonce", "algorithm", "qop", "stale", "ik", "ck"]


def test_a_challenge_has_no_keys_unless_they_are_asked_for(verifier: AkaVerifier, user: AkaUser) -> None:
    vector = make_vector(FUNCTIONS, 33, DEFAULT_AMF, b"r" * 16)
    assert list(verifier.challenge(user, vector, ALGORITHM, now=0).params) == ["realm", "nonce", "algorithm", "qop"]


def test_a_right_answer_and_its_refreshes(verifier: AkaVerifier, user: AkaUser, aka: AkaClient) -> None:
    aka.challenged(register(aka), ask(verifier, user))
    for now in (1, 3600, 300_000):
        request = register(aka)
        verdict = verifier.verify(request, user, now=now)
        assert (verdict.outcome, verdict.username, verdict.stale) == (AuthOutcome.OK, IMPI, False)
        assert verdict.authentication_info is not None
        headers = [("Authentication-Info", verdict.authentication_info)]
        aka.accepted(request, Response.build(200, headers=headers))
        assert verifier.verify(request, user, now=now).outcome is AuthOutcome.REPLAYED


def test_an_answer_comes_in_time(check: Check, good: Pairs) -> None:
    """Reg-await-auth (TS 24.229 §7.8); a clock that was set back makes no nonce last longer."""
    assert check(good, now=-1).outcome is AuthOutcome.STALE
    assert check(good, now=240.1).outcome is AuthOutcome.STALE
    assert check(good, now=240).outcome is AuthOutcome.OK
    assert check(good | {"nc": "00000002"}, now=1000).outcome is AuthOutcome.WRONG  # in use, and looked at


@pytest.mark.parametrize(
    ("changes", "outcome"),
    [
        ({"realm": "elsewhere"}, AuthOutcome.MISSING),
        ({"nonce": ""}, AuthOutcome.MISSING),
        ({"nonce": "other"}, AuthOutcome.STALE),
        ({"nonce": "A" * 10_000}, AuthOutcome.STALE),
        ({"username": "mallory"}, AuthOutcome.MALFORMED),
        ({"username": ""}, AuthOutcome.MALFORMED),
        ({"response": "0" * 64}, AuthOutcome.WRONG),
        ({"response": "é"}, AuthOutcome.WRONG),
        ({"cnonce": "other"}, AuthOutcome.WRONG),
        ({"response": ""}, AuthOutcome.MAC_FAILURE),
        ({"algorithm": "AKAv1-MD5"}, AuthOutcome.MALFORMED),
        ({"algorithm": "MD5"}, AuthOutcome.MALFORMED),
        ({"algorithm": "AKAv2-SHA-1"}, AuthOutcome.MALFORMED),
        ({"qop": "auth-int"}, AuthOutcome.MALFORMED),
        ({"cnonce": ""}, AuthOutcome.MALFORMED),
        ({"nc": "1"}, AuthOutcome.MALFORMED),
        ({"uri": "sip:other.example"}, AuthOutcome.MALFORMED),
        ({"auts": ""}, AuthOutcome.MALFORMED),
        ({"auts": "AAAA"}, AuthOutcome.MALFORMED),
        ({"auts": "A" * 24}, AuthOutcome.MALFORMED),
        ({"auts": "*" * 20}, AuthOutcome.MALFORMED),
        ({"auts": "A" * 8000}, AuthOutcome.MALFORMED),
    ],
)
def test_credentials_that_are_not_right(changes: Pairs, outcome: AuthOutcome, good: Pairs, check: Check) -> None:
    verdict = check(good | changes)
    assert verdict.outcome is outcome
    assert verdict.stale == (outcome is AuthOutcome.STALE)


def test_a_missing_algorithm_is_md5_and_no_aka(good: Pairs, check: Check) -> None:
    del good["algorithm"]
    assert check(good).outcome is AuthOutcome.MALFORMED


def test_requests_without_credentials(verifier: AkaVerifier, user: AkaUser, aka: AkaClient) -> None:
    def outcome(*lines: tuple[str, str]) -> AuthOutcome:
        return verifier.verify(Request.build("REGISTER", "sip:ims.example", lines), user, now=0).outcome

    assert outcome() is AuthOutcome.MISSING
    assert outcome(("Authorization", "Bearer abc")) is AuthOutcome.MISSING
    assert outcome(("Authorization", '="')) is AuthOutcome.MALFORMED
    verdict = verifier.verify(register(aka), user, now=0)
    assert (verdict.outcome, verdict.username) == (AuthOutcome.MISSING, IMPI)


def test_a_wrong_response_is_the_only_guess(good: Pairs, check: Check) -> None:
    """A RES may have 32 bits only."""
    assert check(good | {"response": "0" * 64}).outcome is AuthOutcome.WRONG
    assert check(good).outcome is AuthOutcome.STALE


def test_a_wrong_response_does_not_spoil_a_challenge_in_use(good: Pairs, check: Check) -> None:
    assert check(good).outcome is AuthOutcome.OK
    assert check(good | {"response": "0" * 64}).outcome is AuthOutcome.WRONG
    assert check(good).outcome is AuthOutcome.REPLAYED


@pytest.mark.parametrize(
    ("changes", "outcome"),
    [({"response": ""}, AuthOutcome.MAC_FAILURE), ({"auts": "A" * 19 + "="}, AuthOutcome.OUT_OF_SYNC)],
)
def test_a_challenge_that_the_usim_refused_is_used_up(
    changes: Pairs, outcome: AuthOutcome, good: Pairs, check: Check
) -> None:
    assert check(good | changes).outcome is outcome
    assert check(good | changes).outcome is AuthOutcome.STALE
    assert check(good).outcome is AuthOutcome.STALE


def test_a_resynchronisation_carries_what_the_hss_needs(verifier: AkaVerifier, user: AkaUser, aka: AkaClient) -> None:
    aka.challenged(register(aka), ask(verifier, user, 2**40))
    verdict = verifier.verify(register(aka), user, now=1)
    assert verdict.outcome is AuthOutcome.OUT_OF_SYNC
    assert verdict.auts is not None
    assert verdict.rand == (2**40).to_bytes(16)
    assert verify_auts(FUNCTIONS, verdict.rand, verdict.auts) == 0


def test_asking_for_challenges_does_not_push_out_one_in_use(
    verifier: AkaVerifier, user: AkaUser, aka: AkaClient
) -> None:
    aka.challenged(register(aka), ask(verifier, user))
    request = register(aka)
    assert verifier.verify(request, user, now=0).outcome is AuthOutcome.OK
    aka.accepted(request, Response.build(200))
    for sqn in range(64, 64 + 32 * 50, 32):
        ask(verifier, user, sqn)
    assert len(user) == 32
    assert verifier.verify(register(aka), user, now=0).outcome is AuthOutcome.OK


@pytest.mark.parametrize("others", [1, 3, 30])
def test_the_source_that_asks_for_most_challenges_loses_its_own(
    verifier: AkaVerifier, user: AkaUser, aka: AkaClient, others: int
) -> None:
    asked = ask(verifier, user, source="hers")
    for number in range(200):
        ask(verifier, user, 66 + number, source=f"his {number % others}")
    aka.challenged(register(aka), asked)
    assert verifier.verify(register(aka), user, now=0).outcome is AuthOutcome.OK
    assert len(user) == 32


def test_of_many_who_ask_once_the_first_one_loses(verifier: AkaVerifier, aka: AkaClient) -> None:
    user = AkaUser(IMPI, capacity=2)
    asked = [ask(verifier, user, 33 + number, source=str(number)) for number in range(3)]
    nonces = [response.auth("WWW-Authenticate")[0].params.get("nonce") or "" for response in asked]
    assert [user.find(nonce) is not None for nonce in nonces] == [False, True, True]


def test_a_user_with_many_challenges_in_use_loses_the_oldest(verifier: AkaVerifier, aka: AkaClient) -> None:
    user = AkaUser(IMPI, capacity=2)
    requests = []
    for sqn in (33, 66, 99):
        aka.challenged(register(aka), ask(verifier, user, sqn))
        request = register(aka)
        assert verifier.verify(request, user, now=0).outcome is AuthOutcome.OK
        aka.accepted(request, Response.build(200))
        requests.append(request)
    outcomes = [verifier.verify(request, user, now=0).outcome for request in requests]
    assert outcomes == [AuthOutcome.STALE, AuthOutcome.REPLAYED, AuthOutcome.REPLAYED]


def test_a_user_whose_challenges_are_forgotten_is_asked_again(good: Pairs, check: Check, user: AkaUser) -> None:
    """Network-initiated re-authentication, and what a restart comes to."""
    assert check(good).outcome is AuthOutcome.OK
    user.forget()
    assert check(good).stale


@given(st.dictionaries(st.sampled_from(["username", "nonce", "nc", "qop", "uri", "response", "auts"]), st.text()))
def test_any_credentials_get_a_verdict(pairs: Pairs) -> None:
    verifier, user = AkaVerifier(REALM), AkaUser(IMPI)
    nonce = ask(verifier, user).auth("WWW-Authenticate")[0].params.get("nonce") or ""
    filled = {"realm": REALM, "username": IMPI, "nonce": nonce, "cnonce": "c", "algorithm": ALGORITHM.name} | pairs
    value = f"Digest {AuthParams(filled.items(), quoted=filled)}"
    request = Request.build("REGISTER", "sip:ims.example", [("Authorization", value)])
    assert verifier.verify(request, user, now=0).outcome is not AuthOutcome.OK
