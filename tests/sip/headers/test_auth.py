from __future__ import annotations

import pytest

from wic.sip.errors import MalformedHeader
from wic.sip.headers import AuthValue
from wic.sip.params import AuthParams


def test_digest_with_commas_in_quotes() -> None:
    text = 'Digest realm="a, \\"b\\"", qop="auth,auth-int" , algorithm=SHA-256,nonce=""'
    value = AuthValue.parse(text)
    assert value.scheme == "Digest"
    assert list(value.params.items()) == [
        ("realm", 'a, "b"'),
        ("qop", "auth,auth-int"),
        ("algorithm", "SHA-256"),
        ("nonce", ""),
    ]
    assert AuthValue.parse(str(value)) == value


def test_token_and_bare_scheme() -> None:
    assert AuthValue.parse("Bearer a.b-c_d~e+f/g==") == AuthValue("Bearer", token="a.b-c_d~e+f/g==")
    assert str(AuthValue("Bearer", token="abc")) == "Bearer abc"
    assert str(AuthValue.parse("Negotiate")) == "Negotiate"
    assert (
        str(AuthValue("Digest", AuthParams([("nc", "1"), ("uri", "sip:x")], quoted=["uri"])))
        == 'Digest nc=1, uri="sip:x"'
    )


def test_several_challenges_in_one_line() -> None:
    values = AuthValue.parse_list(
        'Digest realm="a, Digest b", nonce="1", Bearer scope="x, y", Digest realm="c",qop="auth"'
    )
    assert [(value.scheme, value.params.get("realm")) for value in values] == [
        ("Digest", "a, Digest b"),
        ("Bearer", None),
        ("Digest", "c"),
    ]
    assert len(AuthValue.parse_list('Digest realm="a"')) == 1


@pytest.mark.parametrize("empty", [",", " ,", ", ", " , ", ",,", " ,, , "])
def test_empty_elements_of_a_list_say_nothing(empty: str) -> None:
    """RFC 9110 §5.6.1.2: wherever in the list, that of one challenge or of all."""
    first, second = 'realm="a, b"', 'nonce="1"'
    only = AuthValue.parse(f"Digest {empty}{first}{empty}{second}{empty}")
    assert [*only.params.items()] == [("realm", "a, b"), ("nonce", "1")]
    assert [*AuthParams.parse(f"{empty}{first}{empty}{second}{empty}").items()] == [*only.params.items()]
    listed = AuthValue.parse_list(f"{empty}Digest {empty}{first}{empty}{second}{empty}Bearer {first}{empty}")
    assert [(each.scheme, dict(each.params.items())) for each in listed] == [
        ("Digest", {"realm": "a, b", "nonce": "1"}),
        ("Bearer", {"realm": "a, b"}),
    ]


@pytest.mark.parametrize(
    "text", ["", "Digest realm=", 'Digest realm="a', "Digest a b", "Digest ,", 'Digest a="1" b="2"']
)
def test_malformed(text: str) -> None:
    if text == "Digest realm=":  # an opaque token may end with "="
        assert AuthValue.parse(text).token == "realm="
        return
    if text == "Digest ,":  # RFC 9110 §5.6.1: an empty element in a list of challenges is none
        assert AuthValue.parse_list(text) == [AuthValue("Digest")]
        return
    with pytest.raises(MalformedHeader):
        AuthValue.parse(text)
    with pytest.raises(MalformedHeader):
        AuthValue.parse_list(text)


@pytest.mark.parametrize("name", ["opaque", "x", "Domain", "title", "integrity-protected"])
def test_octets_that_are_no_text_do_no_harm_where_nothing_is_decided_by_them(name: str) -> None:
    for text in (f'Digest {name}="\ufffd", realm="a", nonce="b"', f'Digest realm="a", nonce="b",{name}="x\ufffd"'):
        (value,) = AuthValue.parse_list(text)
        assert (value.params.get("realm"), value.params.get("nonce"), str(value)) == ("a", "b", text)


@pytest.mark.parametrize(
    "name",
    [
        "username",
        "Realm",
        "nonce",
        "uri",
        "response",
        "algorithm",
        "qop",
        "nc",
        "cnonce",
        "auts",
        "access_token",
        "authorization-entity",
    ],
)
def test_octets_that_are_no_text_are_lost_to_a_proof(name: str) -> None:
    for text in (f'Digest {name}="\ufffd", x="a"', f'Digest x="a", {name}="a", {name}="\ufffd"'):
        with pytest.raises(MalformedHeader):
            AuthValue.parse_list(text)


def test_repr_keeps_secrets() -> None:
    value = AuthValue.parse('Digest username="alice", response="6629fae4"')
    assert repr(value) == "AuthValue('Digest', username, response)"
    assert "secret" not in repr(AuthValue.parse("Bearer secret"))
