"""IMS AKA over TLS (TS 24.229 §5.4.1.2.1 to §5.4.1.2.3, TS 24.371 §6.2.1.3), with messages as text."""

from __future__ import annotations

import base64
import re

import pytest

from wic.auth.aka import make_auts

IMPI = "alice@ims.example"
pytestmark = pytest.mark.usefixtures("with_usim")


def first(desk, algorithm: str = "AKAv2-SHA-256", **more: object) -> str:
    asks = (f"algorithm={algorithm}",) if algorithm else ()
    return desk.register(desk.digest("tls-connected", *asks), **more)


def nonce_of(message: str) -> str:
    return re.search(r'nonce="([^"]*)"', message)[1]


def test_the_challenge_holds_rand_and_autn_and_the_keys_for_the_pcscf(make_desk, card, header) -> None:
    response = first(make_desk())
    assert response.startswith("SIP/2.0 401 ")
    (challenge,) = header(response, "WWW-Authenticate")
    _, ck, ik = card.take(nonce_of(challenge))
    assert challenge == (
        f'Digest realm="ims.example", nonce="{nonce_of(challenge)}", algorithm=AKAv2-SHA-256, qop="auth", '
        f'ik="{ik.hex()}", ck="{ck.hex()}"'
    )
    assert len(base64.b64decode(nonce_of(challenge))) == 32


def test_a_right_answer_registers(make_desk, card, header) -> None:
    desk = make_desk()
    response = desk.register(desk.answer_aka(first(desk), card))
    assert response.startswith("SIP/2.0 200 ")
    assert header(response, "Contact") == ["<sip:alice@host.invalid>;expires=600000"]
    assert header(response, "P-Associated-URI") == ["<sip:alice@ims.example>, <tel:+4930123>"]
    assert header(response, "Service-Route") == ["<sip:orig@scscf.example;lr>"]
    assert header(response, "Path") == ["<sip:token@192.0.2.1;lr;ob>"]
    assert "rspauth=" in header(response, "Authentication-Info")[0]
    assert desk.told == [(IMPI, [("sip:alice@host.invalid", "registered", None)])]


@pytest.mark.parametrize(
    ("asked", "got"),
    [
        ("", "AKAv1-MD5"),
        ("AKAv1-MD5", "AKAv1-MD5"),
        ("AKAv2-MD5", "AKAv2-MD5"),
        ('"AKAv2-SHA-512-256"', "AKAv2-SHA-512-256"),
        ("akav2-sha-256", "AKAv2-SHA-256"),
        ("AKAv3-SHA-3", "AKAv1-MD5"),
        ("SHA-256", "AKAv1-MD5"),
    ],
)
def test_akav2_is_for_those_who_ask_for_it(make_desk, card, asked: str, got: str) -> None:
    desk = make_desk()
    challenged = first(desk, asked)
    assert f"algorithm={got}," in challenged
    assert desk.register(desk.answer_aka(challenged, card)).startswith("SIP/2.0 200 ")


def test_an_unknown_algorithm_may_be_refused(make_desk) -> None:
    desk = make_desk(refuse_unknown_algorithms=True, aka_algorithms=("AKAv2-SHA-256",))
    assert first(desk, "AKAv2-MD5").startswith("SIP/2.0 403 Algorithm Not Supported")
    assert "algorithm=AKAv2-SHA-256" in first(desk)
    assert "algorithm=AKAv1-MD5" in first(desk, "")


def test_no_algorithm_and_no_tls_is_aka_too_for_who_has_no_password(make_desk) -> None:
    desk = make_desk()
    assert "algorithm=AKAv1-MD5" in desk.register()
    assert "algorithm=AKAv1-MD5" in desk.register(desk.digest())


def test_each_challenge_has_a_sqn_of_its_own(make_desk, card) -> None:
    desk = make_desk()
    for _ in range(5):
        card.take(nonce_of(first(desk)))  # the card asserts that the SQN rises


def test_a_wrong_response_ends_the_attempt(make_desk, card) -> None:
    desk = make_desk()
    challenged = first(desk)
    wrong = (b"12345678", b"c" * 16, b"i" * 16)
    assert desk.register(desk.answer_aka(challenged, card, taken=wrong)).startswith("SIP/2.0 403 ")
    # no second guess at the same challenge
    late = desk.register(desk.answer_aka(challenged, card))
    assert late.startswith("SIP/2.0 401 ")
    assert "stale=true" in late
    assert desk.told == []


def test_two_refused_challenges_are_survived_and_the_third_is_not(make_desk, card) -> None:
    """TS 34.229-1 §9.1: response present and empty, no auts."""
    desk = make_desk()
    challenged = first(desk)
    for _ in range(2):
        refusal = desk.digest("tls-connected", "algorithm=AKAv2-SHA-256", nonce=nonce_of(challenged))
        challenged = desk.register(refusal)
        assert challenged.startswith("SIP/2.0 401 ")
        assert "algorithm=AKAv2-SHA-256" in challenged
    refusal = desk.digest("tls-connected", "algorithm=AKAv2-SHA-256", nonce=nonce_of(challenged))
    assert desk.register(refusal).startswith("SIP/2.0 403 ")
    assert desk.register(desk.answer_aka(first(desk), card)).startswith("SIP/2.0 200 ")


def test_the_count_of_refusals_begins_anew_after_a_right_answer(make_desk, card) -> None:
    desk = make_desk()
    for _ in range(3):
        challenged = first(desk)
        for _ in range(2):
            challenged = desk.register(desk.digest("tls-connected", nonce=nonce_of(challenged)))
        assert desk.register(desk.answer_aka(challenged, card)).startswith("SIP/2.0 200 ")


def test_a_sequence_out_of_range_is_resynchronised(make_desk, card, hss) -> None:
    desk = make_desk()
    sqn_ms = 1000 << 5 | 3
    challenged = first(desk)
    rand = base64.b64decode(nonce_of(challenged))[:16]
    auts = base64.b64encode(make_auts(card.functions, rand, sqn_ms)).decode()
    other = first(desk)
    answer = desk.digest("tls-connected", f'auts="{auts}"', "algorithm=AKAv2-SHA-256", nonce=nonce_of(challenged))
    challenged = desk.register(answer)
    assert challenged.startswith("SIP/2.0 401 ")
    card.sqn = sqn_ms
    answered = desk.answer_aka(challenged, card)  # the card asserts that its SQN is above
    assert desk.register(answered).startswith("SIP/2.0 200 ")
    # what was outstanding before is not good any more
    stale = desk.answer(other, b"whatever", "tls-connected")
    assert desk.register(stale).startswith("SIP/2.0 401 ")


@pytest.mark.parametrize(
    ("auts", "status"),
    [("", 401), ("AAAA", 401), ("!", 401), ("A" * 4000, 401), (base64.b64encode(bytes(14)).decode(), 403)],
)
def test_an_auts_that_no_usim_made_changes_nothing(make_desk, card, auts: str, status: int) -> None:
    desk = make_desk()
    challenged = first(desk)
    answer = desk.digest("tls-connected", f'auts="{auts}"', "algorithm=AKAv2-SHA-256", nonce=nonce_of(challenged))
    refused = desk.register(answer)
    assert refused.startswith(f"SIP/2.0 {status} ")
    assert desk.register(desk.answer_aka(first(desk), card)).startswith("SIP/2.0 200 ")


@pytest.mark.parametrize("nonce", ["x", "A" * 40, "A" * 12_000, "\\\\", base64.b64encode(bytes(32)).decode()])
def test_a_nonce_that_is_none_of_ours_gets_a_new_challenge(make_desk, nonce: str) -> None:
    desk = make_desk()
    got = desk.register(desk.digest("tls-connected", "algorithm=AKAv2-SHA-256", nonce=nonce, response="0" * 64))
    assert got.startswith("SIP/2.0 401 ")
    assert "stale=true" in got


def test_a_challenge_waits_four_minutes_for_its_answer(make_desk, card) -> None:
    desk = make_desk()
    in_time, late = first(desk), first(desk)
    desk.now += 240
    assert desk.register(desk.answer_aka(in_time, card)).startswith("SIP/2.0 200 ")
    desk.now += 1
    again = desk.register(desk.answer_aka(late, card), call_id="c2")
    assert again.startswith("SIP/2.0 401 ")
    assert "stale=true" in again


def test_outstanding_challenges_are_bounded(make_desk, card) -> None:
    desk = make_desk()
    oldest = first(desk)
    for _ in range(32):
        first(desk)
    assert "stale=true" in desk.register(desk.answer_aka(oldest, card))


def test_nobody_pushes_out_what_was_asked_for_over_another_connection(make_desk, card) -> None:
    """The topmost Path is the token that the eP-CSCF gave the connection: nobody can write another one's."""
    desk = make_desk()
    hers = first(desk, path="<sip:hers@192.0.2.1;lr;ob>, <sip:x@192.0.2.9;lr>")
    for number in range(100):
        first(desk, path=f"<sip:his@192.0.2.1;lr;ob>, <sip:x{number}@192.0.2.9;lr>")
    assert desk.register(desk.answer_aka(hers, card)).startswith("SIP/2.0 200 ")


def test_what_a_stranger_writes_as_path_tells_nobody_apart(make_desk, card) -> None:
    desk = make_desk()
    hers = first(desk, path="<sip:hers@192.0.2.1;lr;ob>")
    for number in range(100):
        first(desk, path=f"<sip:token-{number}@192.0.2.1;lr;ob>", trusted=False)
    assert desk.register(desk.answer_aka(hers, card)).startswith("SIP/2.0 200 ")


def test_a_registered_ue_proves_itself_with_the_same_vector(make_desk, card) -> None:
    desk = make_desk()
    challenged = first(desk)
    taken = card.take(nonce_of(challenged))
    assert desk.register(desk.answer_aka(challenged, card, taken=taken)).startswith("SIP/2.0 200 ")
    again = desk.answer_aka(challenged, card, taken=taken, nc="00000002")
    assert desk.register(again).startswith("SIP/2.0 200 ")
    assert desk.told[-1] == (IMPI, [("sip:alice@host.invalid", "refreshed", None)])
    # a replay, and a bare claim over a TLS connection, do not do
    assert desk.register(again).startswith("SIP/2.0 401 ")
    assert first(desk).startswith("SIP/2.0 401 ")


def test_an_initial_registration_needs_a_vector_of_its_own(make_desk, card) -> None:
    desk = make_desk()
    challenged = first(desk)
    taken = card.take(nonce_of(challenged))
    desk.register(desk.answer_aka(challenged, card, taken=taken))
    gone = desk.register(desk.answer_aka(challenged, card, taken=taken, nc="00000002"), "Expires: 0")
    assert gone.startswith("SIP/2.0 200 ")
    anew = desk.register(desk.answer_aka(challenged, card, taken=taken, nc="00000003"))
    assert anew.startswith("SIP/2.0 401 ")
    assert "stale=true" in anew


def test_every_refresh_may_be_challenged(make_desk, card) -> None:
    desk = make_desk(challenge_every=1)
    challenged = first(desk)
    taken = card.take(nonce_of(challenged))
    desk.register(desk.answer_aka(challenged, card, taken=taken))
    again = desk.register(desk.answer_aka(challenged, card, taken=taken, nc="00000002"))
    assert again.startswith("SIP/2.0 401 ")
    assert desk.register(desk.answer_aka(again, card)).startswith("SIP/2.0 200 ")


def test_within_an_association_no_challenge_is_needed(make_desk, card) -> None:
    desk = make_desk()
    assert desk.register(desk.digest("tls-yes")).startswith("SIP/2.0 401 ")
    desk.register(desk.answer_aka(first(desk), card))
    assert desk.register(desk.digest("tls-yes")).startswith("SIP/2.0 200 ")
    assert desk.register(desk.digest("tls-yes"), trusted=False).startswith("SIP/2.0 401 ")


def test_a_usim_that_was_taken_away(make_desk, hss) -> None:
    desk = make_desk()
    hss.remove_usim(IMPI)
    assert first(desk).startswith("SIP/2.0 403 ")


def test_a_usim_that_is_taken_away_during_a_challenge(make_desk, hss, monkeypatch) -> None:
    desk = make_desk()
    monkeypatch.setattr(hss, "next_vector", lambda impi, rand: None)
    assert first(desk).startswith("SIP/2.0 403 ")


def test_the_keys_of_others_do_not_do(make_desk, card) -> None:
    desk = make_desk()
    challenged = first(desk)
    answer = desk.answer_aka(challenged, card).replace('username="alice@', 'username="bob@')
    assert desk.register(answer).startswith("SIP/2.0 403 Identity Not Known")


def test_users_are_forgotten_in_turn(make_desk, card, monkeypatch, hss) -> None:
    monkeypatch.setattr("wic.network.scscf.aka_scheme._MAX_USERS", 1)
    desk = make_desk()
    challenged = first(desk)
    hss.add_usim("bob@ims.example", ["sip:bob@ims.example"], hss.usim(IMPI))
    desk.register(desk.digest("tls-connected", impi="bob@ims.example"), impu="sip:bob@ims.example")
    assert "stale=true" in desk.register(desk.answer_aka(challenged, card))
