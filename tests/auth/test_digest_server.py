from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wic.auth import AuthOutcome, DigestAlgorithm, DigestClient, DigestVerifier, Secret, Verdict
from wic.sip.message import Request, Response
from wic.sip.params import AuthParams
from wic.sip.random_source import CountingSource

Lookup = Callable[[str, DigestAlgorithm], Secret | None]
Register = Callable[..., Request]
MakeChallenge = Callable[..., Response]
Check = Callable[..., Verdict]


@pytest.fixture
def good(
    client: DigestClient, verifier: DigestVerifier, register: Register, challenge: MakeChallenge
) -> dict[str, str]:
    """The parameters of right credentials."""
    client.challenged(register(client), challenge(*verifier.make_challenges(now=0)))
    return {name: value or "" for name, value in register(client).auth("Authorization")[0].params.items()}


@pytest.fixture
def check(verifier: DigestVerifier, lookup: Lookup) -> Check:
    def verify(pairs: dict[str, str], uri: str = "sip:ims.example", now: float = 1) -> Verdict:
        value = f"Digest {AuthParams(pairs.items(), quoted=pairs)}"
        return verifier.verify(Request.build("REGISTER", uri, [("Authorization", value)]), lookup, now=now)

    return verify


def test_challenges_are_ordered_and_share_a_nonce(verifier: DigestVerifier) -> None:
    """RFC 8760 §2.3, §2.6."""
    first, second = (value.params for value in verifier.make_challenges(now=0, stale=True))
    assert (first.get("algorithm"), second.get("algorithm")) == ("SHA-256", "MD5")
    assert first.get("nonce") == second.get("nonce")
    assert (first.get("realm"), first.get("qop"), first.get("stale")) == ("ims.example", "auth", "true")
    assert all("stale" not in value.params for value in verifier.make_challenges(now=0))


@pytest.mark.parametrize(
    ("usable", "offered"),
    [({"MD5"}, ["MD5"]), ({"MD5", "SHA-256"}, ["SHA-256", "MD5"]), ({"SHA-1"}, ["SHA-256", "MD5"])],
)
def test_a_user_is_asked_for_what_there_is_a_hash_of(
    usable: set[str], offered: list[str], verifier: DigestVerifier
) -> None:
    challenges = verifier.make_challenges(now=0, usable=lambda algorithm: algorithm.name in usable)
    assert [value.params.get("algorithm") for value in challenges] == offered


@pytest.mark.parametrize("name", ["opaque", "x"])
def test_octets_that_are_no_text_in_an_unused_parameter(name: str, good: dict[str, str], check: Check) -> None:
    assert check({**good, name: "\ufffd"}).outcome is AuthOutcome.OK


def test_right_credentials(good: dict[str, str], check: Check) -> None:
    verdict = check(good)
    assert (verdict.outcome, verdict.username, verdict.stale) == (AuthOutcome.OK, "alice@ims.example", False)
    assert verdict.authentication_info is not None
    assert verdict.authentication_info not in repr(verdict)


def test_a_replay_is_seen(good: dict[str, str], check: Check) -> None:
    check(good)
    verdict = check(good)
    assert (verdict.outcome, verdict.stale) == (AuthOutcome.REPLAYED, True)


def test_an_old_nonce_and_one_of_another_server_are_stale(
    good: dict[str, str], check: Check, register: Register, client: DigestClient, lookup: Lookup
) -> None:
    assert check(good, now=301).outcome is AuthOutcome.STALE
    restarted = DigestVerifier("ims.example", key=b"n" * 16, random_source=CountingSource())
    assert restarted.verify(register(client), lookup, now=1).outcome is AuthOutcome.STALE


@pytest.mark.parametrize(
    ("changes", "outcome"),
    [
        ({"response": ""}, AuthOutcome.MISSING),
        ({"realm": "elsewhere"}, AuthOutcome.MISSING),
        ({"response": "0" * 64}, AuthOutcome.WRONG),
        ({"response": "é"}, AuthOutcome.WRONG),
        ({"username": "mallory"}, AuthOutcome.WRONG),
        ({"cnonce": "other"}, AuthOutcome.WRONG),
        ({"nonce": "other"}, AuthOutcome.WRONG),
        ({"username": ""}, AuthOutcome.MALFORMED),
        ({"username": "x" * 300}, AuthOutcome.MALFORMED),
        ({"algorithm": "SHA-512-256"}, AuthOutcome.MALFORMED),
        ({"algorithm": "SHA-1"}, AuthOutcome.MALFORMED),
        ({"qop": "auth-int"}, AuthOutcome.MALFORMED),
        ({"cnonce": ""}, AuthOutcome.MALFORMED),
        ({"nc": "1"}, AuthOutcome.MALFORMED),
        ({"nc": "0000000g"}, AuthOutcome.MALFORMED),
        ({"nc": "00000000"}, AuthOutcome.MALFORMED),
        ({"uri": "sip:other.example"}, AuthOutcome.MALFORMED),
        ({"uri": "nonsense"}, AuthOutcome.MALFORMED),
    ],
)
def test_credentials_that_are_not_right(
    changes: dict[str, str], outcome: AuthOutcome, good: dict[str, str], check: Check
) -> None:
    assert check(good | changes).outcome is outcome


def test_the_uri_is_compared_as_a_uri(good: dict[str, str], check: Check) -> None:
    assert check(good, uri="sip:IMS.example").outcome is AuthOutcome.OK


def test_requests_without_credentials(verifier: DigestVerifier, lookup: Lookup) -> None:
    def outcome(*lines: tuple[str, str]) -> AuthOutcome:
        return verifier.verify(Request.build("REGISTER", "sip:ims.example", lines), lookup, now=0).outcome

    assert outcome() is AuthOutcome.MISSING
    assert outcome(("Authorization", "Bearer abc")) is AuthOutcome.MISSING
    assert outcome(("Authorization", '="')) is AuthOutcome.MALFORMED
    assert outcome(("Authorization", 'Digest realm="ims.example", username="a", Username="b"')) is AuthOutcome.MALFORMED


def test_an_announced_user_is_known_but_not_proved(
    verifier: DigestVerifier, client: DigestClient, lookup: Lookup, register: Register
) -> None:
    verdict = verifier.verify(register(client), lookup, now=0)
    assert (verdict.outcome, verdict.username) == (AuthOutcome.MISSING, "alice@ims.example")


def test_a_stranger_costs_as_many_hashes_as_a_subscriber(
    good: dict[str, str], check: Check, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No measured time: the same computations run for both."""
    hashed: list[object] = []
    original = DigestAlgorithm.hash

    def count(algorithm: DigestAlgorithm, data: bytes | str) -> str:
        hashed.append(data)
        return original(algorithm, data)

    monkeypatch.setattr(DigestAlgorithm, "hash", count)
    check(good | {"response": "0" * 64})
    subscriber = len(hashed)
    check(good | {"username": "mallory"})
    # The lookup of the test makes H(A1) out of a password, a hash that a real HSS has stored.
    assert len(hashed) - subscriber == subscriber


def test_unknown_algorithms_are_a_mistake_of_the_caller() -> None:
    with pytest.raises(ValueError, match="SHA-1"):
        DigestVerifier("r", key=b"k" * 16, random_source=CountingSource(), algorithms=("SHA-1",))


@given(st.dictionaries(st.sampled_from(["username", "nonce", "nc", "qop", "uri", "response", "algorithm"]), st.text()))
def test_any_credentials_get_a_verdict(pairs: dict[str, str]) -> None:
    verifier = DigestVerifier("r", key=b"k" * 16, random_source=CountingSource())
    filled = {"realm": "r", "cnonce": "c"} | pairs
    value = f"Digest {AuthParams(filled.items(), quoted=filled)}"
    request = Request.build("REGISTER", "sip:r", [("Authorization", value)])
    assert verifier.verify(request, lambda _user, _algorithm: None, now=0).outcome is not AuthOutcome.OK
