"""Which scheme a REGISTER falls under (TS 33.203 Annex P), Digest, and trusted nodes (Annex U)."""

from __future__ import annotations

import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from wic.sip.grammar import quote

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
def test_who_has_both_is_asked_for_what_it_can_do(make_desk, header, protection, more, algorithms) -> None:
    desk = make_desk()
    challenges = header(desk.register(desk.digest(protection, *more)), "WWW-Authenticate")
    assert [re.search(r"algorithm=([\w-]+)", each)[1] for each in challenges] == algorithms


@pytest.mark.usefixtures("with_password")
def test_who_has_a_password_only_gets_digest_whatever_it_asks_for(make_desk) -> None:
    desk = make_desk()
    response = desk.register(desk.digest("tls-connected", "algorithm=AKAv2-SHA-256"))
    assert response.startswith(CHALLENGED)
    assert "algorithm=SHA-256" in response
    assert "AKA" not in response


@pytest.mark.usefixtures("several_sets")
def test_who_has_neither_needs_a_trusted_node(make_desk) -> None:
    desk = make_desk()
    assert desk.register(desk.digest()).startswith(REFUSED)
    assert desk.register().startswith(REFUSED)
    assert desk.register(desk.digest("auth-done")).startswith(OK)


@pytest.mark.usefixtures("with_password")
def test_digest_registers(make_desk, header) -> None:
    desk = make_desk()
    challenge = header(desk.register(desk.digest()), "WWW-Authenticate")[0]
    response = desk.register(desk.answer(challenge, b"sesame", "tls-pending"))
    assert response.startswith(OK)
    assert desk.register(desk.answer(challenge, b"wrong", "tls-pending")).startswith(REFUSED)


@pytest.mark.usefixtures("with_password")
@pytest.mark.parametrize("value", ["tls-yes", "tls-protected"])
def test_an_association_stands_for_a_proof_once_there_is_a_binding(make_desk, header, value: str) -> None:
    desk = make_desk()
    response = desk.register(desk.digest(value))
    assert response.startswith(CHALLENGED)
    desk.register(desk.answer(header(response, "WWW-Authenticate")[0], b"sesame"))
    assert desk.register(desk.digest(value)).startswith(OK)
    assert desk.register(desk.digest(value), trusted=False).startswith(CHALLENGED)
    for other in ("tls-pending", "tls-connected", "ip-assoc-yes", "yes", "no", "TLS-YES"):
        assert desk.register(desk.digest(other)).startswith(CHALLENGED)


@pytest.mark.usefixtures("with_password")
def test_a_new_proof_every_now_and_then(make_desk, header) -> None:
    desk = make_desk(challenge_every=3)
    for _ in range(3):
        response = desk.register(desk.digest("tls-yes"))
        assert response.startswith(CHALLENGED)
        assert desk.register(desk.answer(header(response, "WWW-Authenticate")[0], b"sesame")).startswith(OK)
        assert desk.register(desk.digest("tls-yes")).startswith(OK)
        assert desk.register(desk.digest("tls-yes")).startswith(OK)


@pytest.mark.usefixtures("with_password")
def test_another_ue_is_asked_by_itself(make_desk, header) -> None:
    desk = make_desk(challenge_every=2)
    challenge = header(desk.register(), "WWW-Authenticate")[0]
    other = {"contact": "<sip:alice@other.invalid>", "call_id": "c2"}
    desk.register(desk.answer(challenge, b"sesame"))
    desk.register(desk.answer(challenge, b"sesame", nc="00000002"), **other)
    assert desk.register(desk.digest("tls-yes")).startswith(OK)
    assert desk.register(desk.digest("tls-yes")).startswith(CHALLENGED)
    assert desk.register(desk.digest("tls-yes"), **other).startswith(OK)


@pytest.mark.usefixtures("with_password")
def test_the_password_of_another_subscriber_does_not_do(make_desk, header, hss) -> None:
    from wic.auth.secret import Secret

    desk = make_desk()
    hss.add_subscriber("bob@ims.example", ["sip:bob@ims.example"], Secret("bobs"))
    challenge = header(desk.register(), "WWW-Authenticate")[0]
    answer = desk.answer(challenge, b"bobs", impi="bob@ims.example")
    assert desk.register(answer).startswith("SIP/2.0 403 Identity Not Known")


# trusted nodes


@pytest.mark.usefixtures("with_password")
def test_a_trusted_node_has_done_it(make_desk, header) -> None:
    """TS 24.371 §A.3.2: the messages of Table A.3.2-2."""
    desk = make_desk()
    credentials = desk.digest("auth-done", 'authorization-entity="webrtc_authserver1@waf.example"')
    response = desk.register(credentials)
    assert response.startswith(OK)
    assert header(response, "Authentication-Info") == []
    assert desk.told == [(IMPI, [("sip:alice@host.invalid", "registered", None)])]


@pytest.mark.usefixtures("with_password")
def test_nobody_else_has(make_desk) -> None:
    desk = make_desk()
    assert desk.register(desk.digest("auth-done"), trusted=False).startswith(CHALLENGED)
    assert desk.told == []


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
def test_who_may_vouch(make_desk, hss, entity, allowed, barred, status) -> None:
    hss.set_entities(IMPI, allowed=allowed, barred=barred)
    desk = make_desk(barred_entities=("https://everywhere.barred",))
    more = (f'authorization-entity="{entity}"',) if entity else ()
    response = desk.register(desk.digest("auth-done", *more))
    assert response.startswith(status)
    assert ("Authorization Entity Barred" in response) == (status == REFUSED)


@pytest.mark.usefixtures("with_password")
def test_the_life_of_a_token_may_be_short(make_desk) -> None:
    """TS 24.371 §6.4.3."""
    desk = make_desk()
    assert ";expires=7" in desk.register(desk.digest("auth-done"), "Expires: 7")
    assert desk.register(desk.digest("tls-yes"), "Expires: 7").startswith("SIP/2.0 423 ")


# hostile REGISTERs


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
def test_odd_credentials_are_challenged(make_desk, hss, credentials: str) -> None:
    desk = make_desk()
    for trusted in (True, False):
        assert desk.register(credentials, trusted=trusted).startswith(CHALLENGED)
    assert hss.bindings(IMPI, now=0) == []


@pytest.mark.usefixtures("with_password", "with_usim")
@pytest.mark.parametrize("name", ["a" * 9000, "alice@ims.example\u2028", "alice", "sip:alice@ims.example"])
def test_odd_names_are_not_known(make_desk, name: str) -> None:
    desk = make_desk()
    refused = desk.register(f'Digest username="{name}", realm="ims.example"')
    assert refused.startswith("SIP/2.0 403 Identity Not Known")


@pytest.mark.usefixtures("with_usim")
@pytest.mark.parametrize(
    "other",
    ['Digest username="alice@ims.example", realm="other", nc=zz', 'Digest username="x", realm="other"', "Bearer abc"],
)
def test_credentials_for_somebody_else_beside_ours(make_desk, card, other: str) -> None:
    """Those that are checked are those that are read, wherever they stand."""
    desk = make_desk()
    challenged = desk.register(desk.digest("tls-connected"))
    answer = desk.answer_aka(challenged, card)
    assert desk.register(other, f"Authorization: {answer}").startswith("SIP/2.0 200 ")


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
def test_no_credentials_break_the_registrar(make_desk, hss, parameters: dict[str, str]) -> None:
    pairs = {"username": IMPI} | parameters
    text = ", ".join(f"{name}={quote(value)}" for name, value in pairs.items())
    response = make_desk().register(f"Digest {text}", trusted=False)
    assert response[:12] in {"SIP/2.0 400 ", CHALLENGED, REFUSED}
    assert hss.bindings(IMPI, now=0) == []
