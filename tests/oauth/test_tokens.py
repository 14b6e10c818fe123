"""Token responses, good and bad ones."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wic.auth import Secret
from wic.auth.bearer import MAX_TOKEN
from wic.errors import RemoteProtocolError
from wic.oauth.tokens import AccessToken, read_token_response

GOOD = {"access_token": "abc", "token_type": "Bearer"}
WAF = "https://waf.ims.example"


def read(document: dict[str, object]) -> AccessToken:
    return read_token_response(document, issuer=WAF, scope="ims", now=1000.0)


def test_the_least_that_a_response_says() -> None:
    assert read(GOOD) == AccessToken(value=Secret("abc"), issuer=WAF, scope="ims")


def test_all_that_a_response_says() -> None:
    more = {"token_type": "bearer", "expires_in": 60, "refresh_token": "r", "scope": "ims calls", "impi": "c@x"}
    assert read(GOOD | more | {"impu": ["sip:c@x", 7, "", "a\nb", "tel:+1"]}) == AccessToken(
        value=Secret("abc"),
        issuer=WAF,
        expires_at=1060.0,
        scope="ims calls",
        impi="c@x",
        impus=("sip:c@x", "tel:+1"),
        refresh=Secret("r"),
    )


@pytest.mark.parametrize("lifetime", [60, 60.0, 60.9, "60", "60.0", "60.", "060"])
def test_lifetimes_as_deployed_servers_write_them(lifetime: object) -> None:
    """RFC 6749 §5.1 has a number."""
    assert read(GOOD | {"expires_in": lifetime}).expires_at == 1060.0


def test_a_single_identity_is_a_list_too() -> None:
    assert read(GOOD | {"impu": "sip:c@x"}).impus == ("sip:c@x",)
    assert len(read(GOOD | {"impu": ["sip:c@x"] * 1000}).impus) == 64


def test_texts_that_are_too_long_are_left_out() -> None:
    token = read(GOOD | {"impi": "x" * 1025, "impu": ["sip:" + "x" * 1021, "sip:c@x"], "scope": "x" * 1025})
    assert (token.impi, token.impus, token.scope) == ("", ("sip:c@x",), "ims")


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"token_type": "mac"}, "not a bearer token"),
        ({"token_type": None}, "not a bearer token"),
        ({"access_token": ""}, "no header can carry"),
        ({"access_token": 7}, "no header can carry"),
        ({"access_token": "a\r\nVia: b"}, "no header can carry"),
        ({"access_token": "x" * (MAX_TOKEN + 1)}, "no header can carry"),
        ({"expires_in": 0}, "lifetime"),
        ({"expires_in": -1}, "lifetime"),
        ({"expires_in": True}, "lifetime"),
        ({"expires_in": "an hour"}, "lifetime"),
        ({"expires_in": "-3600"}, "lifetime"),
        ({"expires_in": ""}, "lifetime"),
        ({"expires_in": "9" * 5000}, "lifetime"),
        ({"expires_in": 0.5}, "lifetime"),
        ({"expires_in": float("nan")}, "lifetime"),
        ({"expires_in": float("inf")}, "lifetime"),
        ({"expires_in": [3600]}, "lifetime"),
        ({"expires_in": 10**400}, "lifetime"),
    ],
)
def test_responses_that_bring_no_token(changes: dict[str, object], sentence: str) -> None:
    with pytest.raises(RemoteProtocolError, match=sentence):
        read(GOOD | changes)


@pytest.mark.parametrize("refresh", ["", 7, "a\nb", "é", "x" * 9000])
def test_a_malformed_refresh_token_is_left_out(refresh: object) -> None:
    assert read(GOOD | {"refresh_token": refresh}).refresh is None


def test_expiry() -> None:
    token = AccessToken(value=Secret("abc"), expires_at=100.0)
    assert [token.expires_within(30.0, now=now) for now in (69.9, 70.0, 200.0)] == [False, True, True]
    assert not AccessToken(value=Secret("abc")).expires_within(1e9, now=0.0)


def test_no_secret_is_shown() -> None:
    shown = repr(read(GOOD | {"access_token": "sesame", "refresh_token": "open-it"}))
    assert "sesame" not in shown
    assert "open-it" not in shown


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@given(st.fixed_dictionaries({}, optional=dict.fromkeys(("access_token", "token_type", "expires_in", "refresh_token", "scope", "impi", "impu"), json_values)))  # fmt: skip
def test_any_response_brings_a_token_or_an_error(document: dict[str, object]) -> None:
    try:
        token = read(GOOD | document)
    except RemoteProtocolError:
        return
    assert token.value.reveal()
    assert token.expires_at is None or token.expires_at > 1000.0
