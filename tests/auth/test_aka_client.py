from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from wic.auth import AkaClient, AkaUser, AkaVerifier, Milenage, SoftUsim, find_aka_algorithm, make_vector
from wic.auth.aka import DEFAULT_AMF, format_auts, make_auts, make_nonce
from wic.auth.challenge import CREDENTIALS_OF
from wic.auth.digest import DigestInput, make_ha1
from wic.errors import (
    AuthenticationFailed,
    ChallengeUnsupported,
    ConfigurationError,
    NetworkNotTrusted,
    SequenceOutOfRange,
    UsimFailed,
)
from wic.sip.message import Request, Response
from wic.sip.random_source import CountingSource

if TYPE_CHECKING:
    from wic.sip.params import Params

IMPI = "alice@ims.example"
REALM = "ims.example"
FUNCTIONS = Milenage(b"k" * 16, op=b"o" * 16)
OTHERS = Milenage(b"x" * 16, op=b"o" * 16)
ALL = ("AKAv1-MD5", "AKAv2-MD5", "AKAv2-SHA-256", "AKAv2-SHA-512-256")

Ask = Callable[..., Response]


@pytest.fixture
def aka() -> AkaClient:
    return AkaClient(IMPI, SoftUsim(FUNCTIONS), random_source=CountingSource())


def register(client: AkaClient, uri: str = "sip:ims.example", method: str = "REGISTER", body: bytes = b"") -> Request:
    request = Request.build(method, uri, body=body)
    client.authorize(request)
    return request


def sent(request: Request, header: str = "Authorization") -> Params:
    (value,) = request.auth(header)
    return value.params


def nonce_of(sqn: int, functions: Milenage = FUNCTIONS, rand: bytes = b"r" * 16) -> str:
    return make_nonce(rand, make_vector(functions, sqn, DEFAULT_AMF, rand).autn)


def asked(*challenges: str, status: int = 401, header: str = "WWW-Authenticate") -> Response:
    return Response.build(status, headers=[(header, challenge) for challenge in challenges])


def challenge(
    sqn: int = 33, functions: Milenage = FUNCTIONS, algorithm: str = "AKAv2-SHA-256", more: str = ', qop="auth"'
) -> str:
    return f'Digest realm="{REALM}", nonce="{nonce_of(sqn, functions)}", algorithm={algorithm}{more}'


OK = Response.build(200)
FORBIDDEN = Response.build(403)


def test_a_first_register_asks_for_akav2(aka: AkaClient) -> None:
    """TS 24.371 §6.2.1.3, TS 24.229 §5.1.1.2.2; `algorithm` is a token without quotes (RFC 3261 §25.1)."""
    assert register(aka).headers.get("Authorization") == (
        'Digest username="alice@ims.example", realm="ims.example", nonce="", uri="sip:ims.example", response="",'
        " algorithm=AKAv2-SHA-256"
    )
    assert "Authorization" not in register(aka, method="INVITE").headers


def test_another_algorithm_and_realm_may_be_asked_for() -> None:
    client = AkaClient(IMPI, SoftUsim(FUNCTIONS), random_source=CountingSource(), realm="home", algorithm="akav1-md5")
    assert (sent(register(client)).get("realm"), sent(register(client)).get("algorithm")) == ("home", "AKAv1-MD5")


@pytest.mark.parametrize("name", ALL)
def test_a_challenge_is_answered(name: str, aka: AkaClient) -> None:
    aka.challenged(register(aka), asked(challenge(algorithm=name, more=', qop="auth", opaque="o"')))
    params = sent(register(aka))
    assert list(params) == [
        *("username", "realm", "nonce", "uri", "response", "algorithm", "cnonce", "qop", "nc", "opaque")
    ]
    assert (params.get("nonce"), params.get("algorithm"), params.get("nc")) == (nonce_of(33), name, "00000001")
    assert (params.get("qop"), params.get("opaque")) == ("auth", "o")


def test_a_re_register_carries_the_last_nonce_with_another_count(aka: AkaClient) -> None:
    """TS 24.229 §5.1.1.4.2; a new challenge follows when the network wants one."""
    aka.challenged(register(aka), asked(challenge(33)))
    for count in ("00000001", "00000002", "00000003"):
        request = register(aka)
        assert (sent(request).get("nonce"), sent(request).get("nc")) == (nonce_of(33), count)
        aka.accepted(request, OK)
    aka.challenged(register(aka), asked(challenge(66)))
    params = sent(register(aka))
    assert (params.get("nonce"), params.get("nc")) == (nonce_of(66), "00000001")


def test_a_nonce_that_was_not_accepted_is_not_used_again(aka: AkaClient) -> None:
    """After 403, 503 or no answer the next attempt begins without one: the network may have lost the vector."""
    aka.challenged(register(aka), asked(challenge(33)))
    assert sent(register(aka)).get("nonce") == nonce_of(33)
    assert "Authorization" not in register(aka, method="OPTIONS", uri="sip:bob@ims.example").headers
    assert sent(register(aka)).get("nonce") == ""


def test_a_registration_that_begins_again_begins_without_a_nonce(aka: AkaClient) -> None:
    """TS 24.229 §5.1.1.2.2; what was to be said about a bad challenge is not said either."""
    first = register(aka)
    aka.challenged(first, asked(challenge(33)))
    aka.accepted(register(aka), OK)
    aka.forget()
    assert sent(register(aka)) == sent(first)
    aka.challenged(register(aka), asked(challenge(66, OTHERS)))
    aka.forget()
    assert sent(register(aka)) == sent(first)


def test_without_qop_and_with_auth_int(aka: AkaClient) -> None:
    aka.challenged(register(aka), asked(challenge(33, more="")))
    params = sent(register(aka))
    assert "nc" not in params
    aka.accepted(register(aka), OK)
    aka.challenged(register(aka), asked(challenge(66, more=', qop="auth-int"')))
    one, other = sent(register(aka, body=b"a")), sent(register(aka, body=b"b"))
    assert one.get("qop") == "auth-int"
    assert one.get("response") != other.get("response")


@pytest.mark.parametrize("change", [lambda nonce: nonce.rstrip("="), lambda nonce: nonce + "=="])
def test_a_nonce_goes_back_as_it_came(change: Callable[[str], str], aka: AkaClient) -> None:
    nonce = change(make_nonce(b"r" * 16, make_vector(FUNCTIONS, 33, DEFAULT_AMF, b"r" * 16).autn, b"server data!"))
    aka.challenged(register(aka), asked(f'Digest realm="{REALM}", nonce="{nonce}", algorithm=akav2-md5'))
    params = sent(register(aka))
    assert (params.get("nonce"), params.get("algorithm")) == (nonce, "AKAv2-MD5")


# which challenge


def test_the_strongest_of_those_offered_is_taken(aka: AkaClient) -> None:
    """RFC 4169 §4.1 asks for AKAv2 where both are offered, in either order."""
    aka.challenged(register(aka), asked(*(challenge(algorithm=name) for name in ALL)))
    assert sent(register(aka)).get("algorithm") == "AKAv2-SHA-512-256"


def test_only_what_the_account_accepts_is_taken() -> None:
    client = AkaClient(IMPI, SoftUsim(FUNCTIONS), random_source=CountingSource(), accept=("AKAv2-SHA-256", "AKAv2-MD5"))
    client.challenged(register(client), asked(*(challenge(algorithm=name) for name in ALL)))
    assert sent(register(client)).get("algorithm") == "AKAv2-SHA-256"
    with pytest.raises(ChallengeUnsupported, match="offers AKAv1-MD5, which is not accepted: a downgrade from AKAv2-S"):
        client.challenged(register(client), asked(challenge(algorithm="AKAv1-MD5")))


def test_a_malformed_challenge_does_not_hide_a_good_one(aka: AkaClient) -> None:
    short = f'Digest realm="{REALM}", nonce="AAAA", algorithm=AKAv2-SHA-512-256'
    aka.challenged(register(aka), asked(short, challenge()))
    assert sent(register(aka)).get("algorithm") == "AKAv2-SHA-256"


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (
            'Digest realm="r", nonce="n", algorithm=MD5',
            r"asks for a password \(MD5\) where AKAv2-SHA-256 .* a downgrade",
        ),
        ('Digest realm="r", nonce="n"', r"password \(MD5\) .* or alice@ims.example has no USIM in the network"),
        ('Digest realm="r", nonce="n", algorithm=SHA-256', r"password \(SHA-256\)"),
        ('Digest realm="r", nonce="n", algorithm=AKAv3-MD5', "that is not AKA"),
        ('Digest realm="r", nonce="n", algorithm=AKAv1-SHA-1', "that is not AKA"),
        ('Bearer realm="r"', "that is not AKA, where AKAv2-SHA-256 was asked for"),
        ("=,=", "a challenge cannot be read: it is no list of parameters"),
        ('Digest realm="r", nonce="", algorithm=AKAv2-SHA-256', "cannot be read: a nonce of 0 octets"),
        ('Digest realm="r", nonce="AAAA", algorithm=AKAv2-SHA-256', "cannot be read: a nonce of 3 octets"),
        ('Digest realm="r", nonce="A*", algorithm=AKAv2-SHA-256', "not Base64, so no RAND and AUTN"),
        (f'Digest realm="r", nonce="{"A" * 1_000_000}", algorithm=AKAv2-SHA-256', "that is not AKA"),
        (f'Digest realm="{"r" * 5000}", nonce="{nonce_of(33)}", algorithm=AKAv2-SHA-256', "that is not AKA"),
    ],
)
def test_challenges_that_are_not_for_a_usim_are_refused(line: str, words: str, aka: AkaClient) -> None:
    with pytest.raises(ChallengeUnsupported, match=words):
        aka.challenged(register(aka), asked(line))
    assert sent(register(aka)).get("nonce") == ""


def test_a_password_offered_beside_aka_is_not_looked_at(aka: AkaClient) -> None:
    aka.challenged(register(aka), asked('Digest realm="ims.example", nonce="n", algorithm=SHA-256', challenge()))
    assert sent(register(aka)).get("algorithm") == "AKAv2-SHA-256"


# invalid challenges


def test_a_wrong_mac_gets_an_empty_response(aka: AkaClient) -> None:
    """TS 24.229 §5.1.1.5.3 a): no AUTS, and an empty response."""
    aka.challenged(register(aka), asked(challenge(33, OTHERS, more=', qop="auth", opaque="o"')))
    params = sent(register(aka))
    assert dict(params.items()) == {
        "username": IMPI,
        "realm": REALM,
        "nonce": nonce_of(33, OTHERS),
        "uri": "sip:ims.example",
        "response": "",
        "algorithm": "AKAv2-SHA-256",
        "opaque": "o",
    }
    aka.challenged(register(aka), asked(challenge(33, OTHERS)))
    assert "opaque" not in sent(register(aka))


@pytest.mark.parametrize("name", ALL)
def test_a_used_sequence_number_gets_an_auts(name: str, aka: AkaClient) -> None:
    """TS 24.229 §5.1.1.5.3 b), RFC 3310 §3.4; the same AUTN once more is such a number."""
    aka.challenged(register(aka), asked(challenge(33)))
    aka.accepted(register(aka), OK)
    aka.challenged(register(aka), asked(challenge(33, algorithm=name)))
    request = register(aka)
    params = {key: value or "" for key, value in sent(request).items()}
    assert params["auts"] == format_auts(make_auts(FUNCTIONS, b"r" * 16, 33))
    assert f'auts="{params["auts"]}"' in str(request.headers.get("Authorization"))
    algorithm = find_aka_algorithm(name)
    assert algorithm is not None
    fields = {key: params[key] for key in ("nonce", "uri", "qop", "nc", "cnonce")}
    parts = DigestInput(algorithm=algorithm, method="REGISTER", **fields)
    assert params["response"] == parts.response(make_ha1(algorithm, IMPI, REALM, b""))


def test_a_refusal_goes_out_once_and_with_the_request_that_was_challenged(aka: AkaClient) -> None:
    aka.challenged(register(aka), asked(challenge(33, OTHERS)))
    assert "Authorization" not in register(aka, method="INVITE").headers
    assert sent(register(aka)).get("nonce") == nonce_of(33, OTHERS)
    assert sent(register(aka)).get("nonce") == ""


def test_two_invalid_challenges_are_survived(aka: AkaClient) -> None:
    aka.challenged(register(aka), asked(challenge(33, OTHERS)))
    aka.challenged(register(aka), asked(challenge(2**40)))
    aka.challenged(register(aka), asked(challenge(33)))
    assert sent(register(aka)).get("response")


def test_the_third_wrong_mac_ends_the_attempt(aka: AkaClient) -> None:
    for _ in range(2):
        aka.challenged(register(aka), asked(challenge(33, OTHERS)))
    with pytest.raises(NetworkNotTrusted, match="compare first K and then OP"):
        aka.challenged(register(aka), asked(challenge(33, OTHERS)))
    assert sent(register(aka)).get("nonce") == ""


def test_the_third_bad_sequence_number_ends_the_attempt(aka: AkaClient) -> None:
    for _ in range(2):
        aka.challenged(register(aka), asked(challenge(2**40)))
    with pytest.raises(SequenceOutOfRange, match="does not take the resynchronisation: the network's SQN 010000000000"):
        aka.challenged(register(aka), asked(challenge(2**40)))


def test_invalid_challenges_count_only_in_a_row(aka: AkaClient) -> None:
    for sqn in (33, 66, 99):
        for _ in range(2):
            aka.challenged(register(aka), asked(challenge(sqn, OTHERS)))
        aka.challenged(register(aka), asked(challenge(sqn)))
        answered = register(aka)
        assert sent(answered).get("response")
        aka.accepted(answered, OK)


def test_a_new_attempt_begins_with_a_new_count(aka: AkaClient) -> None:
    """A registration that timed out amid invalid challenges starts with an announcement again."""
    for _ in range(2):
        aka.challenged(register(aka), asked(challenge(33, OTHERS)))
    register(aka)
    aka.challenged(register(aka), asked(challenge(33, OTHERS)))
    assert sent(register(aka)).get("response") == ""


def test_an_invalid_challenge_to_a_registered_user_replaces_the_nonce_in_use(aka: AkaClient) -> None:
    aka.challenged(register(aka), asked(challenge(33)))
    aka.accepted(register(aka), OK)
    aka.challenged(register(aka), asked(challenge(66, OTHERS)))
    assert (sent(register(aka)).get("nonce"), sent(register(aka)).get("nonce")) == (nonce_of(66, OTHERS), "")


# what becomes of an answer


def test_a_refused_response_is_not_the_fault_of_the_keys() -> None:
    usim = SoftUsim(FUNCTIONS)
    client = AkaClient(IMPI, usim, random_source=CountingSource())
    client.challenged(register(client), asked(challenge(33)))
    with pytest.raises(AuthenticationFailed) as failed:
        client.challenged(register(client), asked(challenge(66)))
    assert sent(register(client)).get("nonce") == ""
    assert str(failed.value) == (
        "the network does not accept the response of alice@ims.example, although its MAC was right, so K and OP or OPc"
        " fit: see how the network makes the password of AKAv2-SHA-256 (RFC 3310 §3.3, RFC 4169 §2.1)"
        " and how long its XRES is"
    )
    assert usim.state.sequence.sqn_ms == 33


def test_a_stale_challenge_gets_another_answer_but_not_for_ever(aka: AkaClient) -> None:
    for sqn in (33, 66, 99):
        aka.challenged(register(aka), asked(challenge(sqn, more=', qop="auth", stale=true')))
    with pytest.raises(AuthenticationFailed, match="every nonce stale"):
        aka.challenged(register(aka), asked(challenge(132, more=', qop="auth", stale=true')))


def test_a_network_that_does_not_know_xres_is_not_trusted(aka: AkaClient) -> None:
    aka.challenged(register(aka), asked(challenge(33)))
    with pytest.raises(NetworkNotTrusted, match="could not prove"):
        aka.accepted(register(aka), Response.build(200, headers=[("Authentication-Info", f'rspauth="{"0" * 64}"')]))


def test_a_late_acceptance_of_an_older_nonce_is_not_checked_with_the_newer_password(aka: AkaClient) -> None:
    aka.challenged(register(aka), asked(challenge(33)))
    late = register(aka)
    aka.accepted(register(aka), OK)
    aka.challenged(register(aka), asked(challenge(66)))
    aka.accepted(late, Response.build(200, headers=[("Authentication-Info", 'rspauth="00"')]))
    assert sent(register(aka)).get("nonce") == nonce_of(66)


def test_a_nextnonce_that_is_a_challenge_is_used(aka: AkaClient) -> None:
    aka.challenged(register(aka), asked(challenge(33)))
    info = f'nextnonce="{nonce_of(66)}"'
    aka.accepted(register(aka), Response.build(200, headers=[("Authentication-Info", info)]))
    request = register(aka)
    assert (sent(request).get("nonce"), sent(request).get("nc")) == (nonce_of(66), "00000001")
    aka.challenged(request, asked(challenge(99)))  # it was not wanted after all: no wrong response


@pytest.mark.parametrize("nonce", ["", "fresh", "A" * 5000, nonce_of(33), nonce_of(66, OTHERS), nonce_of(2**40)])
def test_a_nextnonce_that_is_no_good_challenge_is_passed_over(nonce: str, aka: AkaClient) -> None:
    aka.challenged(register(aka), asked(challenge(33)))
    aka.accepted(register(aka), Response.build(200, headers=[("Authentication-Info", f'nextnonce="{nonce}"')]))
    assert (sent(register(aka)).get("nonce"), sent(register(aka)).get("nc")) == (nonce_of(33), "00000003")


def test_a_usim_that_fails_at_a_nextnonce_undoes_no_success(aka: AkaClient, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: object) -> None:
        raise UsimFailed("the USIM did not answer")

    aka.challenged(register(aka), asked(challenge(33)))
    monkeypatch.setattr(SoftUsim, "authenticate", away)
    info = f'nextnonce="{nonce_of(66)}"'
    aka.accepted(register(aka), Response.build(200, headers=[("Authentication-Info", info)]))
    assert sent(register(aka)).get("nonce") == nonce_of(33)


def test_a_proxy_may_ask_as_well(aka: AkaClient) -> None:
    aka.challenged(register(aka), asked(challenge(32)))
    aka.accepted(register(aka), Response.build(200))
    invite = register(aka, "sip:bob@ims.example", "INVITE")
    aka.challenged(invite, asked(challenge(33), status=407, header="Proxy-Authenticate"))
    again = register(aka, "sip:bob@ims.example", "INVITE")
    assert sent(again, "Proxy-Authorization").get("response")
    aka.challenged(register(aka), asked(challenge(33, OTHERS)))
    assert sent(register(aka)).get("response") == ""


@pytest.mark.parametrize("method", ["INVITE", "BYE", "SUBSCRIBE", "MESSAGE"])
@pytest.mark.parametrize(("status", "header"), [(401, "WWW-Authenticate"), (407, "Proxy-Authenticate")])
def test_a_stranger_gets_no_word_of_the_usim(aka: AkaClient, method: str, status: int, header: str) -> None:
    """What a USIM says to a challenge tells its sequence number, and who it is."""
    usim = SoftUsim(FUNCTIONS)
    client = AkaClient(IMPI, usim, random_source=CountingSource(), realms=["named"])
    request = Request.build(method, "sip:bob@ims.example", [("From", "<sip:a@b>"), ("To", "<sip:bob@ims.example>")])
    with pytest.raises(ChallengeUnsupported, match="add this to the account: realms = "):
        client.challenged(request, asked(challenge(33), status=status, header=header))
    client.authorize(request)
    assert not request.auth(CREDENTIALS_OF[header])
    named = challenge(33).replace(REALM, "named")  # the same vector: the USIM has not seen it
    client.challenged(request, asked(named, status=status, header=header))
    client.authorize(request)
    assert any(value.params.get("response") for value in request.auth(CREDENTIALS_OF[header]))


# advice


def test_advice_before_any_answer(aka: AkaClient) -> None:
    assert aka.advice(register(aka), FORBIDDEN) == (
        "check that the network knows alice@ims.example together with the public identity, and its USIM"
    )


def test_advice_after_a_wrong_mac(aka: AkaClient) -> None:
    """Many networks answer 403 to an empty response, so the third challenge never comes."""
    aka.challenged(register(aka), asked(challenge(33, Milenage(b"k" * 16, opc=b"o" * 16))))
    assert aka.advice(register(aka), FORBIDDEN) == (
        "the network's MAC fits if the value given as OP is the OPc: correct that in the account"
    )


def test_advice_after_an_auts(aka: AkaClient) -> None:
    aka.challenged(register(aka), asked(challenge(2**40)))
    assert "does not take the resynchronisation" in aka.advice(register(aka), FORBIDDEN)


def test_advice_after_a_response(aka: AkaClient) -> None:
    aka.challenged(register(aka), asked(challenge(33, algorithm="AKAv1-MD5")))
    assert "the password of AKAv1-MD5" in aka.advice(register(aka), FORBIDDEN)


def test_no_advice_where_authentication_is_not_the_matter(aka: AkaClient) -> None:
    assert aka.advice(register(aka), Response.build(503)) == ""
    assert aka.advice(register(aka, method="INVITE"), FORBIDDEN) == ""


# configuration


@pytest.mark.parametrize("settings", [{"algorithm": "MD5"}, {"accept": ("AKAv2-SHA-256", "SHA-256")}])
def test_algorithms_that_are_not_of_aka_are_refused(settings: dict[str, str]) -> None:
    with pytest.raises(ConfigurationError, match="choose among AKAv2-SHA-512-256, AKAv2-SHA-256"):
        AkaClient(IMPI, SoftUsim(FUNCTIONS), random_source=CountingSource(), **settings)


@pytest.mark.parametrize(("impi", "realm"), [("alice\r\nX: 1", None), ("alice", "r\0")])
def test_names_that_no_header_can_carry_are_refused(impi: str, realm: str | None) -> None:
    with pytest.raises(ConfigurationError, match="control characters"):
        AkaClient(impi, SoftUsim(FUNCTIONS), random_source=CountingSource(), realm=realm)


def test_the_algorithm_asked_for_is_accepted_in_any_case() -> None:
    client = AkaClient(IMPI, SoftUsim(FUNCTIONS), random_source=CountingSource(), accept=())
    client.challenged(register(client), asked(challenge()))
    assert sent(register(client)).get("response")


def test_nothing_secret_is_shown(aka: AkaClient) -> None:
    verifier, user = AkaVerifier(REALM), AkaUser(IMPI)
    algorithm = find_aka_algorithm("AKAv1-MD5")
    assert algorithm is not None
    vector = make_vector(FUNCTIONS, 33, DEFAULT_AMF, b"r" * 16)
    value = verifier.challenge(user, vector, algorithm, now=0)
    aka.challenged(register(aka), asked(str(value)))
    issued = user.find(str(value.params.get("nonce")))
    shown = f"{vars(aka)!r} {value!r} {issued!r}"
    for secret in (vector.ck, vector.ik, vector.xres):
        assert secret.hex() not in shown
        assert repr(secret) not in shown
