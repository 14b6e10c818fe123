"""Authentication of a REGISTER: choice of the scheme (TS 33.203 Annex P), Digest, trusted nodes (Annex U), IMS AKA."""

from __future__ import annotations

import base64
import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.subscribers import add_with_password
from wic.auth.aka import make_auts
from wic.network.hss import make_profile
from wic.sip.params import quote

IMPI = "alice@ims.example"
OK, CHALLENGED, REFUSED = "SIP/2.0 200 ", "SIP/2.0 401 ", "SIP/2.0 403 "


@pytest.mark.usefixtures("with_password", "with_usim")
@pytest.mark.parametrize(
    ("protection", "more", "algorithms"),
    [
        ("", (), ["SHA-256", "MD5"]),
        ("tls-pending", ("algorithm=MD5",), ["SHA-256", "MD5"]),
        ("", ("algorithm=AKAv2-SHA-256",), ["AKAv2-SHA-256"]),
        ("tls-connected", (), ["AKAv1-MD5"]),
    ],
)
def test_a_subscriber_with_both_gets_the_scheme_it_asks_for(
    make_registrar, header, protection, more, algorithms
) -> None:
    registrar = make_registrar()
    challenges = header(registrar.register(registrar.digest(protection, *more)), "WWW-Authenticate")
    assert [re.search(r"algorithm=([\w-]+)", each)[1] for each in challenges] == algorithms


@pytest.mark.usefixtures("with_password")
def test_a_subscriber_with_a_password_only_gets_digest(make_registrar) -> None:
    registrar = make_registrar()
    response = registrar.register(registrar.digest("tls-connected", "algorithm=AKAv2-SHA-256"))
    assert response.startswith(CHALLENGED)
    assert "algorithm=SHA-256" in response
    assert "AKA" not in response


@pytest.mark.usefixtures("several_sets")
def test_a_subscriber_without_credentials_needs_a_trusted_node(make_registrar) -> None:
    registrar = make_registrar()
    assert registrar.register(registrar.digest()).startswith(REFUSED)
    assert registrar.register().startswith(REFUSED)
    assert registrar.register(registrar.digest("auth-done")).startswith(OK)


@pytest.mark.usefixtures("with_password")
def test_digest_registers(make_registrar, header) -> None:
    registrar = make_registrar()
    challenge = header(registrar.register(registrar.digest()), "WWW-Authenticate")[0]
    response = registrar.register(registrar.answer(challenge, b"sesame", "tls-pending"))
    assert response.startswith(OK)
    assert registrar.register(registrar.answer(challenge, b"wrong", "tls-pending")).startswith(REFUSED)


@pytest.mark.usefixtures("with_password")
@pytest.mark.parametrize("value", ["tls-yes", "tls-protected"])
def test_an_association_stands_for_a_proof_once_there_is_a_binding(make_registrar, header, value: str) -> None:
    registrar = make_registrar()
    response = registrar.register(registrar.digest(value))
    assert response.startswith(CHALLENGED)
    registrar.register(registrar.answer(header(response, "WWW-Authenticate")[0], b"sesame"))
    assert registrar.register(registrar.digest(value)).startswith(OK)
    assert registrar.register(registrar.digest(value), trusted=False).startswith(CHALLENGED)
    for other in ("tls-pending", "tls-connected", "ip-assoc-yes", "yes", "no", "TLS-YES"):
        assert registrar.register(registrar.digest(other)).startswith(CHALLENGED)


@pytest.mark.usefixtures("with_password")
def test_every_nth_register_is_challenged(make_registrar, header) -> None:
    registrar = make_registrar(challenge_every=3)
    for _ in range(3):
        response = registrar.register(registrar.digest("tls-yes"))
        assert response.startswith(CHALLENGED)
        assert registrar.register(registrar.answer(header(response, "WWW-Authenticate")[0], b"sesame")).startswith(OK)
        assert registrar.register(registrar.digest("tls-yes")).startswith(OK)
        assert registrar.register(registrar.digest("tls-yes")).startswith(OK)


@pytest.mark.usefixtures("with_password")
def test_each_ue_is_challenged_by_itself(make_registrar, header) -> None:
    registrar = make_registrar(challenge_every=2)
    challenge = header(registrar.register(), "WWW-Authenticate")[0]
    other = {"contact": "<sip:alice@other.invalid>", "call_id": "c2"}
    registrar.register(registrar.answer(challenge, b"sesame"))
    registrar.register(registrar.answer(challenge, b"sesame", nc="00000002"), **other)
    assert registrar.register(registrar.digest("tls-yes")).startswith(OK)
    assert registrar.register(registrar.digest("tls-yes")).startswith(CHALLENGED)
    assert registrar.register(registrar.digest("tls-yes"), **other).startswith(OK)


@pytest.mark.usefixtures("with_password")
def test_the_password_of_another_subscriber_is_refused(make_registrar, header, hss) -> None:
    from wic.auth.secret import Secret

    registrar = make_registrar()
    add_with_password(hss, "bob@ims.example", ["sip:bob@ims.example"], Secret("bobs"))
    challenge = header(registrar.register(), "WWW-Authenticate")[0]
    answer = registrar.answer(challenge, b"bobs", impi="bob@ims.example")
    assert registrar.register(answer).startswith("SIP/2.0 403 Identity Not Known")


UNFIT = {
    'uri="sip:alice@ims.example"': "uri of the credentials is not the Request-URI",
    'uri="sip:ims.example:5070"': "uri of the credentials is not the Request-URI",
    'uri=""': "uri of the credentials is not the Request-URI",
    "qop=auth-int": "qop was not offered",
    "qop=": "qop was not offered",
    'cnonce=""': "cnonce missing",
    "nc=1": "nc is not eight hexadecimal digits from 00000001",
    "nc=00000000": "nc is not eight hexadecimal digits from 00000001",
    "nc=0000000g": "nc is not eight hexadecimal digits from 00000001",
    "algorithm=SHA-1": "algorithm was not offered",
    'username=""': "username missing or too long",
}


def with_fault(credentials: str, fault: str) -> str:
    name = fault.partition("=")[0]
    changed, count = re.subn(rf'\b{name}=("[^"]*"|[^,]*)', fault, credentials)
    assert count == 1
    return changed


@pytest.mark.usefixtures("with_password")
@pytest.mark.parametrize("fault", UNFIT)
def test_credentials_that_no_challenge_can_mend_get_none(make_registrar, header, fault: str) -> None:
    """RFC 7616 §3.4.6 for the URI: 400. A client that repeats its fault would be challenged without end."""
    registrar = make_registrar()
    challenge = header(registrar.register(registrar.digest()), "WWW-Authenticate")[0]
    answer = with_fault(registrar.answer(challenge, b"sesame"), fault)
    assert registrar.register(answer).startswith(f"SIP/2.0 400 Bad Credentials: {UNFIT[fault]}\r\n")
    registrar.now += 1000  # the same, with a nonce that has run out: a new one is worth a try, and then it ends
    challenge = header(registrar.register(answer), "WWW-Authenticate")[0]
    answer = with_fault(registrar.answer(challenge, b"sesame"), fault)
    assert registrar.register(answer).startswith("SIP/2.0 400 ")
    assert registrar.register(registrar.answer(challenge, b"sesame")).startswith(OK)


@pytest.mark.usefixtures("with_usim")
@pytest.mark.parametrize("fault", UNFIT)
def test_credentials_of_a_usim_that_no_challenge_can_mend_get_none(make_registrar, card, fault: str) -> None:
    """Each further challenge would cost a sequence number as well."""
    registrar = make_registrar()
    challenged = first(registrar)
    right = registrar.answer_aka(challenged, card)
    refused = registrar.register(with_fault(right, fault))
    words = "username is not the challenged one" if "username" in fault else UNFIT[fault]
    assert refused.startswith(f"SIP/2.0 400 Bad Credentials: {words}\r\n")
    assert registrar.register(right).startswith(OK)  # the challenge is still good


@pytest.mark.usefixtures("with_password")
def test_a_comma_at_the_end_of_credentials_is_passed_over(make_registrar, header) -> None:
    registrar = make_registrar()
    challenge = header(registrar.register(registrar.digest()), "WWW-Authenticate")[0]
    assert registrar.register(registrar.answer(challenge, b"sesame") + " , ").startswith(OK)


@pytest.mark.usefixtures("with_password")
def test_the_word_of_a_trusted_node_is_enough(make_registrar, header) -> None:
    """TS 24.371 §A.3.2: the messages of Table A.3.2-2."""
    registrar = make_registrar()
    credentials = registrar.digest("auth-done", 'authorization-entity="webrtc_authserver1@waf.example"')
    response = registrar.register(credentials)
    assert response.startswith(OK)
    assert header(response, "Authentication-Info") == []
    assert registrar.told == [(IMPI, [("sip:alice@host.invalid", "registered", None)])]


@pytest.mark.usefixtures("with_password")
def test_the_word_of_another_element_is_not(make_registrar) -> None:
    registrar = make_registrar()
    assert registrar.register(registrar.digest("auth-done"), trusted=False).startswith(CHALLENGED)
    assert registrar.told == []


@pytest.mark.usefixtures("with_password")
@pytest.mark.parametrize(
    ("entity", "allowed", "barred", "status"),
    [
        ("https://waf.example", (), (), OK),
        ("https://waf.example", (), ("https://waf.example",), REFUSED),
        ("https://waf.example", ("https://waf.example",), (), OK),
        ("https://waf.example", ("https://other.example",), (), REFUSED),
        ("https://everywhere.barred", ("https://everywhere.barred",), (), REFUSED),
        ("", ("https://other.example",), (), OK),
    ],
)
def test_authorization_entities(make_registrar, hss, entity, allowed, barred, status) -> None:
    hss.set_entities(IMPI, allowed=allowed, barred=barred)
    registrar = make_registrar(barred_entities=("https://everywhere.barred",))
    more = (f'authorization-entity="{entity}"',) if entity else ()
    response = registrar.register(registrar.digest("auth-done", *more))
    assert response.startswith(status)
    assert ("Authorization Entity Barred" in response) == (status == REFUSED)


@pytest.mark.usefixtures("with_password", "with_usim")
@pytest.mark.parametrize(
    "credentials",
    [
        "Digest",
        "Bearer abc",
        'Digest username=""',
        'Digest username="alice@ims.example"',
        'Digest username="alice@ims.example", realm="other", nonce="x", response="y"',
        'Digest username="alice@ims.example", realm="ims.example", nonce="x", response="\\"", algorithm=""',
        'Digest username="alice@ims.example", realm="ims.example", algorithm=AKAv2-SHA-256, nc=zz, nonce="é"',
        f'Digest username="alice@ims.example", realm="ims.example", algorithm={"A" * 9000}',
        'Digest username="alice@ims.example", realm="ims.example", integrity-protected="\x01"',
    ],
)
def test_odd_credentials_are_challenged(make_registrar, hss, credentials: str) -> None:
    registrar = make_registrar()
    for trusted in (True, False):
        assert registrar.register(credentials, trusted=trusted).startswith(CHALLENGED)
    assert hss.bindings(IMPI, now=0) == []


@pytest.mark.usefixtures("with_password", "with_usim")
@pytest.mark.parametrize("name", ["a" * 9000, "alice@ims.example\u2028", "alice", "sip:alice@ims.example"])
def test_odd_names_are_not_known(make_registrar, name: str) -> None:
    registrar = make_registrar()
    refused = registrar.register(f'Digest username="{name}", realm="ims.example"')
    assert refused.startswith("SIP/2.0 403 Identity Not Known")


@pytest.mark.usefixtures("with_usim")
@pytest.mark.parametrize(
    "other",
    ['Digest username="alice@ims.example", realm="other", nc=zz', 'Digest username="x", realm="other"', "Bearer abc"],
)
def test_credentials_for_another_realm_are_passed_over(make_registrar, card, other: str) -> None:
    """Those that are checked are those that are read, wherever they stand."""
    registrar = make_registrar()
    challenged = registrar.register(registrar.digest("tls-connected"))
    answer = registrar.answer_aka(challenged, card)
    assert registrar.register(other, f"Authorization: {answer}").startswith("SIP/2.0 200 ")


_VALUES = st.one_of(
    st.sampled_from(
        ["", "alice@ims.example", "ims.example", "auth", "auth-done", "tls-yes", "tls-connected", "00000001"]
    ),
    st.sampled_from(["AKAv2-SHA-256", "AKAv1-MD5", "SHA-256", "sip:ims.example", "A" * 44]),
    st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), max_size=30),
)
_NAMES = ["realm", "nonce", "uri", "response", "algorithm", "qop", "nc", "cnonce", "auts", "integrity-protected"]


@pytest.mark.usefixtures("with_password", "with_usim")
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(parameters=st.dictionaries(st.sampled_from(_NAMES), _VALUES))
def test_no_credentials_break_the_registrar(make_registrar, hss, parameters: dict[str, str]) -> None:
    pairs = {"username": IMPI} | parameters
    text = ", ".join(f"{name}={quote(value)}" for name, value in pairs.items())
    response = make_registrar().register(f"Digest {text}", trusted=False)
    assert response[:12] in {"SIP/2.0 400 ", CHALLENGED, REFUSED}
    assert hss.bindings(IMPI, now=0) == []


# IMS AKA over TLS (TS 24.229 §5.4.1.2.1 to §5.4.1.2.3, TS 24.371 §6.2.1.3)


def first(registrar, algorithm: str = "AKAv2-SHA-256", **more: object) -> str:
    asks = (f"algorithm={algorithm}",) if algorithm else ()
    return registrar.register(registrar.digest("tls-connected", *asks), **more)


def nonce_of(message: str) -> str:
    return re.search(r'nonce="([^"]*)"', message)[1]


@pytest.mark.usefixtures("with_usim")
def test_the_challenge_holds_rand_and_autn_and_the_keys_for_the_pcscf(make_registrar, card, header) -> None:
    response = first(make_registrar())
    assert response.startswith("SIP/2.0 401 ")
    (challenge,) = header(response, "WWW-Authenticate")
    _, ck, ik = card.take(nonce_of(challenge))
    assert challenge == (
        f'Digest realm="ims.example", nonce="{nonce_of(challenge)}", algorithm=AKAv2-SHA-256, qop="auth", '
        f'ik="{ik.hex()}", ck="{ck.hex()}"'
    )
    assert len(base64.b64decode(nonce_of(challenge))) == 32


@pytest.mark.usefixtures("with_usim")
def test_the_keys_are_for_an_epcscf_of_the_trust_domain(make_registrar, header) -> None:
    """TS 33.203 §6.1.1: any other element on Mw gets the challenge without them."""
    (challenge,) = header(first(make_registrar(), trusted=False), "WWW-Authenticate")
    assert "algorithm=AKAv2-SHA-256" in challenge
    assert not re.search(r"\b[ic]k=", challenge)


@pytest.mark.usefixtures("with_usim")
def test_a_right_answer_registers(make_registrar, card, header) -> None:
    registrar = make_registrar()
    response = registrar.register(registrar.answer_aka(first(registrar), card))
    assert response.startswith("SIP/2.0 200 ")
    assert header(response, "Contact") == ["<sip:alice@host.invalid>;expires=600000"]
    assert header(response, "P-Associated-URI") == ["<sip:alice@ims.example>, <tel:+4930123>"]
    assert header(response, "Service-Route") == ["<sip:orig@scscf.example;lr>"]
    assert header(response, "Path") == ["<sip:token@192.0.2.1;lr;ob>"]
    assert "rspauth=" in header(response, "Authentication-Info")[0]
    assert registrar.told == [(IMPI, [("sip:alice@host.invalid", "registered", None)])]


@pytest.mark.usefixtures("with_usim")
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
def test_akav2_is_for_a_ue_that_asks_for_it(make_registrar, card, asked: str, got: str) -> None:
    registrar = make_registrar()
    challenged = first(registrar, asked)
    assert f"algorithm={got}," in challenged
    assert registrar.register(registrar.answer_aka(challenged, card)).startswith("SIP/2.0 200 ")


@pytest.mark.usefixtures("with_usim")
def test_an_unknown_algorithm_may_be_refused(make_registrar) -> None:
    registrar = make_registrar(refuse_unknown_algorithms=True, aka_algorithms=("AKAv2-SHA-256",))
    assert first(registrar, "AKAv2-MD5").startswith("SIP/2.0 403 Algorithm Not Supported")
    assert "algorithm=AKAv2-SHA-256" in first(registrar)
    assert "algorithm=AKAv1-MD5" in first(registrar, "")


@pytest.mark.usefixtures("with_usim")
def test_without_a_password_aka_is_used_without_being_asked_for(make_registrar) -> None:
    registrar = make_registrar()
    assert "algorithm=AKAv1-MD5" in registrar.register()
    assert "algorithm=AKAv1-MD5" in registrar.register(registrar.digest())


@pytest.mark.usefixtures("with_usim")
def test_each_challenge_has_a_sqn_of_its_own(make_registrar, card) -> None:
    registrar = make_registrar()
    numbers = []
    for _ in range(5):
        card.take(nonce_of(first(registrar)))
        numbers.append(card.sqn)
    assert sorted(set(numbers)) == numbers


@pytest.mark.usefixtures("with_usim")
def test_a_wrong_response_ends_the_attempt(make_registrar, card) -> None:
    registrar = make_registrar()
    challenged = first(registrar)
    wrong = (b"12345678", b"c" * 16, b"i" * 16)
    assert registrar.register(registrar.answer_aka(challenged, card, taken=wrong)).startswith("SIP/2.0 403 ")
    # no second guess at the same challenge
    late = registrar.register(registrar.answer_aka(challenged, card))
    assert late.startswith("SIP/2.0 401 ")
    assert "stale=true" in late
    assert registrar.told == []


@pytest.mark.usefixtures("with_usim")
def test_two_refused_challenges_are_survived_and_the_third_is_not(make_registrar, card) -> None:
    """TS 34.229-1 §9.1: response present and empty, no auts."""
    registrar = make_registrar()
    challenged = first(registrar)
    for _ in range(2):
        refusal = registrar.digest("tls-connected", "algorithm=AKAv2-SHA-256", nonce=nonce_of(challenged))
        challenged = registrar.register(refusal)
        assert challenged.startswith("SIP/2.0 401 ")
        assert "algorithm=AKAv2-SHA-256" in challenged
    refusal = registrar.digest("tls-connected", "algorithm=AKAv2-SHA-256", nonce=nonce_of(challenged))
    assert registrar.register(refusal).startswith("SIP/2.0 403 ")
    assert registrar.register(registrar.answer_aka(first(registrar), card)).startswith("SIP/2.0 200 ")


@pytest.mark.usefixtures("with_usim")
def test_the_count_of_refusals_begins_anew_after_a_right_answer(make_registrar, card) -> None:
    registrar = make_registrar()
    for _ in range(3):
        challenged = first(registrar)
        for _ in range(2):
            challenged = registrar.register(registrar.digest("tls-connected", nonce=nonce_of(challenged)))
        assert registrar.register(registrar.answer_aka(challenged, card)).startswith("SIP/2.0 200 ")


@pytest.mark.usefixtures("with_usim")
def test_a_sequence_out_of_range_is_resynchronised(make_registrar, card, hss) -> None:
    registrar = make_registrar()
    sqn_ms = 1000 << 5 | 3
    challenged = first(registrar)
    rand = base64.b64decode(nonce_of(challenged))[:16]
    auts = base64.b64encode(make_auts(card.functions, rand, sqn_ms)).decode()
    other = first(registrar)
    answer = registrar.digest("tls-connected", f'auts="{auts}"', "algorithm=AKAv2-SHA-256", nonce=nonce_of(challenged))
    challenged = registrar.register(answer)
    assert challenged.startswith("SIP/2.0 401 ")
    card.sqn = sqn_ms
    answered = registrar.answer_aka(challenged, card)  # the card asserts that its SQN is above
    assert registrar.register(answered).startswith("SIP/2.0 200 ")
    # what was outstanding before is not good any more
    stale = registrar.answer(other, b"any answer", "tls-connected")
    assert registrar.register(stale).startswith("SIP/2.0 401 ")


@pytest.mark.usefixtures("with_usim")
@pytest.mark.parametrize(
    ("auts", "status"),
    [("", 400), ("AAAA", 400), ("!", 400), ("A" * 4000, 400), (base64.b64encode(bytes(14)).decode(), 403)],
)
def test_a_forged_auts_changes_nothing(make_registrar, card, auts: str, status: int) -> None:
    registrar = make_registrar()
    challenged = first(registrar)
    answer = registrar.digest("tls-connected", f'auts="{auts}"', "algorithm=AKAv2-SHA-256", nonce=nonce_of(challenged))
    refused = registrar.register(answer)
    assert refused.startswith(f"SIP/2.0 {status} ")
    assert registrar.register(registrar.answer_aka(first(registrar), card)).startswith("SIP/2.0 200 ")


@pytest.mark.usefixtures("with_usim")
@pytest.mark.parametrize("nonce", ["x", "A" * 40, "A" * 12_000, "\\\\", base64.b64encode(bytes(32)).decode()])
def test_an_unknown_nonce_gets_a_new_challenge(make_registrar, nonce: str) -> None:
    registrar = make_registrar()
    got = registrar.register(
        registrar.digest("tls-connected", "algorithm=AKAv2-SHA-256", nonce=nonce, response="0" * 64)
    )
    assert got.startswith("SIP/2.0 401 ")
    assert "stale=true" in got


@pytest.mark.usefixtures("with_usim")
def test_a_challenge_waits_four_minutes_for_its_answer(make_registrar, card) -> None:
    registrar = make_registrar()
    in_time, late = first(registrar), first(registrar)
    registrar.now += 240
    assert registrar.register(registrar.answer_aka(in_time, card)).startswith("SIP/2.0 200 ")
    registrar.now += 1
    again = registrar.register(registrar.answer_aka(late, card), call_id="c2")
    assert again.startswith("SIP/2.0 401 ")
    assert "stale=true" in again


@pytest.mark.usefixtures("with_usim")
def test_outstanding_challenges_are_bounded(make_registrar, card) -> None:
    registrar = make_registrar()
    oldest = first(registrar)
    for _ in range(32):
        first(registrar)
    assert "stale=true" in registrar.register(registrar.answer_aka(oldest, card))


@pytest.mark.usefixtures("with_usim")
def test_challenges_of_one_connection_do_not_replace_those_of_another(make_registrar, card) -> None:
    """The topmost Path is the token that the eP-CSCF gave the connection: a WIC cannot write that of another one."""
    registrar = make_registrar()
    hers = first(registrar, path="<sip:hers@192.0.2.1;lr;ob>, <sip:x@192.0.2.9;lr>")
    for number in range(100):
        first(registrar, path=f"<sip:his@192.0.2.1;lr;ob>, <sip:x{number}@192.0.2.9;lr>")
    assert registrar.register(registrar.answer_aka(hers, card)).startswith("SIP/2.0 200 ")


@pytest.mark.usefixtures("with_usim")
def test_the_path_of_an_untrusted_element_names_no_connection(make_registrar, card) -> None:
    registrar = make_registrar()
    hers = first(registrar, path="<sip:hers@192.0.2.1;lr;ob>")
    for number in range(100):
        first(registrar, path=f"<sip:token-{number}@192.0.2.1;lr;ob>", trusted=False)
    assert registrar.register(registrar.answer_aka(hers, card)).startswith("SIP/2.0 200 ")


@pytest.mark.usefixtures("with_usim")
def test_a_registered_ue_proves_itself_with_the_same_vector(make_registrar, card) -> None:
    registrar = make_registrar()
    challenged = first(registrar)
    taken = card.take(nonce_of(challenged))
    assert registrar.register(registrar.answer_aka(challenged, card, taken=taken)).startswith("SIP/2.0 200 ")
    again = registrar.answer_aka(challenged, card, taken=taken, nc="00000002")
    assert registrar.register(again).startswith("SIP/2.0 200 ")
    assert registrar.told[-1] == (IMPI, [("sip:alice@host.invalid", "refreshed", None)])
    # a replay, and a bare claim over a TLS connection, do not do
    assert registrar.register(again).startswith("SIP/2.0 401 ")
    assert first(registrar).startswith("SIP/2.0 401 ")


@pytest.mark.usefixtures("with_usim")
def test_an_initial_registration_needs_a_vector_of_its_own(make_registrar, card) -> None:
    registrar = make_registrar()
    challenged = first(registrar)
    taken = card.take(nonce_of(challenged))
    registrar.register(registrar.answer_aka(challenged, card, taken=taken))
    gone = registrar.register(registrar.answer_aka(challenged, card, taken=taken, nc="00000002"), "Expires: 0")
    assert gone.startswith("SIP/2.0 200 ")
    anew = registrar.register(registrar.answer_aka(challenged, card, taken=taken, nc="00000003"))
    assert anew.startswith("SIP/2.0 401 ")
    assert "stale=true" in anew


@pytest.mark.usefixtures("with_usim")
def test_every_refresh_may_be_challenged(make_registrar, card) -> None:
    registrar = make_registrar(challenge_every=1)
    challenged = first(registrar)
    taken = card.take(nonce_of(challenged))
    registrar.register(registrar.answer_aka(challenged, card, taken=taken))
    again = registrar.register(registrar.answer_aka(challenged, card, taken=taken, nc="00000002"))
    assert again.startswith("SIP/2.0 401 ")
    assert registrar.register(registrar.answer_aka(again, card)).startswith("SIP/2.0 200 ")


@pytest.mark.usefixtures("with_usim")
def test_within_an_association_no_challenge_is_needed(make_registrar, card) -> None:
    registrar = make_registrar()
    assert registrar.register(registrar.digest("tls-yes")).startswith("SIP/2.0 401 ")
    registrar.register(registrar.answer_aka(first(registrar), card))
    assert registrar.register(registrar.digest("tls-yes")).startswith("SIP/2.0 200 ")
    assert registrar.register(registrar.digest("tls-yes"), trusted=False).startswith("SIP/2.0 401 ")


@pytest.mark.usefixtures("with_usim")
def test_a_usim_that_was_taken_away(make_registrar, hss) -> None:
    registrar = make_registrar()
    hss.remove_usim(IMPI)
    assert first(registrar).startswith("SIP/2.0 403 ")


@pytest.mark.usefixtures("with_usim")
def test_a_usim_that_is_taken_away_during_a_challenge(make_registrar, hss, monkeypatch) -> None:
    registrar = make_registrar()
    monkeypatch.setattr(hss, "next_vector", lambda impi, rand: None)
    assert first(registrar).startswith("SIP/2.0 403 ")


@pytest.mark.usefixtures("with_usim")
def test_the_answer_of_another_subscriber_is_refused(make_registrar, card) -> None:
    registrar = make_registrar()
    challenged = first(registrar)
    answer = registrar.answer_aka(challenged, card).replace('username="alice@', 'username="bob@')
    assert registrar.register(answer).startswith("SIP/2.0 403 Identity Not Known")


@pytest.mark.usefixtures("with_usim")
def test_the_oldest_record_gives_way(make_registrar, card, monkeypatch, hss) -> None:
    monkeypatch.setattr("wic.network.scscf.authentication._MAX_AKA_USERS", 1)
    registrar = make_registrar()
    challenged = first(registrar)
    hss.add_usim(make_profile("bob@ims.example", ["sip:bob@ims.example"]), hss.usim(IMPI))
    registrar.register(registrar.digest("tls-connected", impi="bob@ims.example"), impu="sip:bob@ims.example")
    assert "stale=true" in registrar.register(registrar.answer_aka(challenged, card))
