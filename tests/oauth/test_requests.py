"""Requests to an authorization server."""

from __future__ import annotations

import base64
from urllib.parse import parse_qs, urlsplit

import pytest

from wic.auth import Secret
from wic.oauth.requests import authorization_url, read_basic_credentials, write_basic_credentials


def test_an_authorization_request() -> None:
    url = authorization_url(
        "https://waf.example/authorize?tenant=1",
        client_id="wic",
        redirect_uri="http://127.0.0.1:7777/callback",
        state="st&te",
        challenge="ch",
    )
    assert url.startswith("https://waf.example/authorize?tenant=1&")
    assert parse_qs(urlsplit(url).query) == {
        "tenant": ["1"],
        "response_type": ["code"],
        "client_id": ["wic"],
        "redirect_uri": ["http://127.0.0.1:7777/callback"],
        "scope": ["ims"],
        "state": ["st&te"],
        "code_challenge": ["ch"],
        "code_challenge_method": ["S256"],
    }


@pytest.mark.parametrize(
    ("client_id", "secret", "value"),
    [
        ("b:ot", "p%ss", "Basic YiUzQW90OnAlMjVzcw=="),  # RFC 6749 §2.3.1: form-encoded before base64
        ("ep:cscf", "a secret & more", f"Basic {base64.b64encode(b'ep%3Acscf:a+secret+%26+more').decode()}"),
        ("é", "", f"Basic {base64.b64encode(b'%C3%A9:').decode()}"),
    ],
)
def test_credentials_are_written_and_read(client_id: str, secret: str, value: str) -> None:
    assert write_basic_credentials(client_id, Secret(secret)) == value
    assert read_basic_credentials(value) == (client_id, secret)
    assert read_basic_credentials(value.replace("Basic ", "basic  ")) == (client_id, secret)


@pytest.mark.parametrize(
    "value",
    [
        "",
        "Bearer abc",
        "Basic",
        "Basic !",
        "Basic Ym90",  # no colon
        "Basic /w==",  # no UTF-8
        "Basic " + "A" * 2000,
    ],
    ids=lambda value: value[:12],
)
def test_values_that_hold_no_credentials(value: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - the message does not matter
        read_basic_credentials(value)
