from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wic.auth.challenge import Challenge, explain_challenges, name_challenges, read_challenges
from wic.errors import RemoteProtocolError
from wic.sip.headers import AuthValue
from wic.sip.message import Response


def read(text: str) -> Challenge | None:
    return Challenge.read(AuthValue.parse(text), "Authorization")


def chosen(*lines: tuple[str, str], status: int = 401) -> list[tuple[str, str, str]]:
    response = Response.build(status, headers=lines)
    found = read_challenges(response, lambda challenge: challenge.realm != "unknown")
    return [(challenge.header, challenge.realm, challenge.algorithm.name) for challenge in found]


def test_a_challenge_is_read() -> None:
    challenge = read(
        'digest realm="a, \\"b\\"", nonce="n=", opaque="", qop="auth-int , auth", algorithm=sha-256, stale=TRUE'
    )
    assert challenge is not None
    assert (challenge.realm, challenge.nonce, challenge.opaque, challenge.qop) == ('a, "b"', "n=", "", "auth")
    assert (challenge.algorithm.name, challenge.stale, challenge.algorithm_named) == ("SHA-256", True, True)


def test_a_challenge_of_the_old_form() -> None:
    challenge = read('Digest realm="r", nonce="n"')
    assert challenge is not None
    assert (challenge.qop, challenge.algorithm.name, challenge.algorithm_named) == (None, "MD5", False)
    assert (challenge.opaque, challenge.stale) == (None, False)


@pytest.mark.parametrize("qop", ["", "token", "token,auth-conf", " , ", "auth-conf,"])
def test_a_qop_list_with_nothing_known_is_as_none(qop: str) -> None:
    """RFC 7616 §3.3: unrecognized options are ignored."""
    challenge = read(f'Digest realm="r", nonce="n", qop="{qop}"')
    assert challenge is not None
    assert challenge.qop is None


@pytest.mark.parametrize(
    "text",
    [
        'Bearer realm="r"',
        "Negotiate abc=",
        'Digest realm="r", nonce="n", algorithm=SHA-1',
        'Digest realm="r", nonce="n", algorithm=AKAv1-MD5',
    ],
)
def test_an_unsupported_challenge_is_passed_over(text: str) -> None:
    assert read(text) is None


@pytest.mark.parametrize(
    "text",
    [
        'Digest realm="r"',
        'Digest nonce="n"',
        'Digest realm="r\x01", nonce="n"',
        'Digest realm="r", nonce="\x7f"',
        'Digest realm="r", nonce="n", opaque="\x1b[2J"',
        'Digest realm="r", nonce="' + "n" * 5000 + '"',
    ],
)
def test_a_value_that_no_answer_can_repeat_is_malformed(text: str) -> None:
    with pytest.raises(RemoteProtocolError):
        read(text)


def test_the_topmost_supported_challenge_of_a_realm_is_taken() -> None:
    """RFC 8760 §2.4."""
    assert chosen(
        ("WWW-Authenticate", 'Digest realm="r", nonce="1", qop="auth", algorithm=SHA3-256'),
        ("WWW-Authenticate", 'Digest realm="r", nonce="2", qop="auth", algorithm=SHA-256'),
        ("WWW-Authenticate", 'Digest realm="r", nonce="3", qop="auth", algorithm=MD5'),
    ) == [("Authorization", "r", "SHA-256")]


def test_every_realm_is_answered_with_either_status() -> None:
    """RFC 3261 §16.7 step 7 puts the challenges of all branches into one response."""
    assert chosen(
        ("WWW-Authenticate", 'Digest realm="a", nonce="1"'),
        ("Proxy-Authenticate", 'Digest realm="b", nonce="2", Digest realm="c", nonce="3"'),
        ("Proxy-Authenticate", 'Digest realm="unknown", nonce="4"'),
        status=407,
    ) == [("Authorization", "a", "MD5"), ("Proxy-Authorization", "b", "MD5"), ("Proxy-Authorization", "c", "MD5")]


def test_malformed_challenges_are_passed_over() -> None:
    good = 'Digest realm="r", nonce="1"'
    assert chosen(("WWW-Authenticate", 'Digest realm="r"'), ("WWW-Authenticate", good)) == [
        ("Authorization", "r", "MD5")
    ]
    assert chosen(("WWW-Authenticate", '=="'), ("Proxy-Authenticate", good)) == [("Proxy-Authorization", "r", "MD5")]


@given(st.text(st.characters(exclude_characters="\r\n\0"), max_size=120))
def test_any_text_is_read_or_passed_over(text: str) -> None:
    good = ("WWW-Authenticate", 'Digest realm="good", nonce="1"')
    for line in (text, f"Digest {text}", f'Digest realm="{text}", nonce="{text}"'):
        assert ("Authorization", "good", "MD5") in chosen(("WWW-Authenticate", line), good)


@pytest.mark.parametrize(
    ("lines", "named"),
    [
        ((), "something that cannot be read"),
        (["=,="], "something that cannot be read"),
        (['Digest realm="r", nonce="n", algorithm=AKAv1-MD5'] * 2, "Digest AKAv1-MD5"),
        (['Bearer realm="r"', 'Digest realm="r", nonce="n"'], "Bearer or Digest"),
        (["X" * 100 + ' realm="r"'], "X" * 40),
    ],
)
def test_challenges_have_a_name(lines, named) -> None:
    response = Response.build(401, headers=[("WWW-Authenticate", line) for line in lines])
    assert name_challenges(response) == named


GOOD = 'Digest realm="good", nonce="1", qop="auth"'
FAULTS = {
    'Digest realm="bad" nonce="2" qop="auth"': "the challenge of realm bad cannot be read: a comma is missing",
    'Digest nonce="2"': "a challenge cannot be read: it has no realm",
    'Digest realm="bad"': "the challenge of realm bad cannot be read: it has no nonce",
    'Digest realm="bad", nonce="\x07"': (
        "the challenge of realm bad cannot be read: its nonce is too long or holds control characters"
    ),
    'Digest realm="bad", nonce="2", opaque="\ufffd"': (
        "the challenge of realm bad cannot be read: its opaque has octets that are not UTF-8"
    ),
    'Digest realm="b\x07", nonce="2", @': "a challenge cannot be read: it is no list of parameters",
    "=": "a challenge cannot be read: it is no list of parameters",
    'Digest realm="' + "b" * 90 + '" nonce="2"': "a challenge cannot be read: a comma is missing",
}


@pytest.mark.parametrize("header", ["WWW-Authenticate", "Proxy-Authenticate"])
@pytest.mark.parametrize("bad", FAULTS)
@pytest.mark.parametrize(
    "lines",
    [("{bad}", "{good}"), ("{good}", "{bad}"), ("{bad}", "{good}", "{bad}"), ("{good}, {bad}",), ("{bad}, {good}",)],
    ids=["before", "after", "around", "in the line after", "in the line before"],
)
def test_an_unreadable_challenge_hides_none_beside_it(lines: tuple[str, ...], bad: str, header: str) -> None:
    written = [(header, line.format(bad=bad, good=GOOD)) for line in lines]
    if bad == "=" and lines == ("{good}, {bad}",):
        return  # what stands behind a challenge, and begins none, is a part of it
    assert [realm for _, realm, _ in chosen(*written)] == ["good"]


@pytest.mark.parametrize("bad", FAULTS)
def test_the_fault_of_a_challenge_is_explained(bad: str) -> None:
    response = Response.build(401, headers=[("WWW-Authenticate", bad)])
    assert explain_challenges(response, "else") == FAULTS[bad]
    response.headers.add("Proxy-Authenticate", 'Bearer realm="r"')
    assert explain_challenges(response, "else") == f"{FAULTS[bad]}; else"
    assert explain_challenges(Response.build(401), "else") == "else"


def test_an_open_quote_hides_what_follows_in_its_line_only() -> None:
    open_quote = 'Digest realm="bad, nonce=2'
    lines = [
        ("WWW-Authenticate", f"{GOOD}, {open_quote}"),
        ("Proxy-Authenticate", open_quote),
        ("Proxy-Authenticate", GOOD),
    ]
    assert [header for header, _, _ in chosen(*lines)] == ["Authorization", "Proxy-Authorization"]
    response = Response.build(401, headers=lines[1:2])
    assert explain_challenges(response, "") == "a challenge cannot be read: a quote is not closed"


@pytest.mark.parametrize("text", ["{},", "{} , ", ",{}", "{},,", 'Digest realm="good",,nonce="1", , qop="auth",'])
def test_empty_elements_are_passed_over(text: str) -> None:
    """RFC 9110 §5.6.1."""
    assert [realm for _, realm, _ in chosen(("WWW-Authenticate", text.format(GOOD)))] == ["good"]
