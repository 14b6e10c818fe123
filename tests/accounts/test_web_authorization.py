from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from wic.accounts import Account, PoolAccess, WebAuthorization
from wic.auth import BearerForm, Secret
from wic.errors import ConfigurationError

if TYPE_CHECKING:
    from pathlib import Path

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
def test_values_that_cannot_work_are_refused(changes: dict[str, object], sentence: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        WebAuthorization(**{"account": "carol", "waf": WAF} | changes)
    assert sentence in str(refused.value)
    assert str(refused.value).isprintable()


def test_a_server_without_tls_is_allowed_on_demand() -> None:
    assert WebAuthorization(account="carol", waf="http://127.0.0.1:9", insecure=True).trusted == ("http://127.0.0.1:9",)


def test_the_settings_of_a_web_user_are_read(tmp_path: Path, bearer_settings) -> None:
    chosen = bearer_settings(
        bearer_form="annex-a", bearer_in="register", authz_servers=["https://b.example"], scope="ims voice"
    )
    web = Account.from_settings("x", chosen, folder=tmp_path).web
    assert web is not None
    assert (web.form, web.everywhere) == (BearerForm.ANNEX_A, False)
    assert (web.trusted, web.scope) == (("https://waf.example", "https://b.example"), "ims voice")
    lent = bearer_settings(waf=None, wwsf="https://w.example", pool="anonymous", server=None, impu=None, impi=None)
    guest = Account.from_settings("x", lent, folder=tmp_path)
    assert guest.web is not None
    assert guest.web.pool is PoolAccess.ANONYMOUS


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"waf": None}, "needs one of 'waf', 'wwsf' and 'token'"),
        ({"waf": "http://waf.example"}, "not encrypted"),
        ({"bearer_form": "jwt"}, '\'bearer_form\' must be "rfc8898" or "annex-a"'),
        ({"bearer_in": "invite"}, "'bearer_in' must be"),
        ({"pool": "yes"}, "'pool' must be"),
    ],
)
def test_settings_that_cannot_work_are_refused(tmp_path: Path, bearer_settings, changes, words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        Account.from_settings("x", bearer_settings(**changes), folder=tmp_path)
