"""What an account may say of its tokens."""

from __future__ import annotations

import pytest

from wic.auth import BearerForm, Secret
from wic.client.web import PoolAccess, WebAuthorization
from wic.errors import ConfigurationError

WAF = "https://waf.ims.example"


def test_defaults() -> None:
    settings = WebAuthorization(account="carol", waf=WAF)
    assert settings.form is BearerForm.RFC8898
    assert settings.everywhere
    assert settings.trusted == (WAF,)
    assert settings.scope == "ims"


def test_a_given_token_needs_no_server() -> None:
    settings = WebAuthorization(account="carol", token=Secret("abc"), trusted_servers=(WAF,))
    assert settings.trusted == (WAF,)
    assert "abc" not in repr(settings)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"waf": ""}, "needs one of 'waf', 'wwsf' and 'token'"),
        ({"pool": PoolAccess.ANONYMOUS}, "'pool' needs 'wwsf'"),
        ({"client_secret": Secret("x")}, "'client_secret' needs 'client_id'"),
        ({"token": Secret("a b")}, "access token"),
        ({"waf": "http://waf.ims.example"}, "is not encrypted; use https:// or set insecure = true"),
        ({"waf": "waf.ims.example"}, "'waf' must look like https://host:port"),
        ({"wwsf": "https://"}, "'wwsf' must look like"),
        ({"wwsf": "https://a:0"}, "'wwsf' must look like"),
        ({"wwsf": "https://a:x"}, "'wwsf' must look like"),
        ({"wwsf": "https://me:pw@a"}, "'wwsf' must look like"),
        ({"wwsf": "https://a?b"}, "'wwsf' must look like"),
        ({"wwsf": "https://a#b"}, "'wwsf' must look like"),
        ({"wwsf": "https://a\x07"}, "'wwsf' must look like"),
        ({"trusted_servers": ("ftp://a",)}, "'authz_servers' must look like"),
    ],
)
def test_what_cannot_work_is_said(changes: dict[str, object], sentence: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        WebAuthorization(**{"account": "carol", "waf": WAF} | changes)
    assert sentence in str(refused.value)
    assert str(refused.value).isprintable()


def test_without_tls_only_if_that_is_said() -> None:
    assert WebAuthorization(account="carol", waf="http://127.0.0.1:9", insecure=True).trusted == ("http://127.0.0.1:9",)
