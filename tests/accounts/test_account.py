from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import wic
import wic.client
from wic.accounts import Account, AuthScheme
from wic.auth import Secret
from wic.errors import ConfigurationError

if TYPE_CHECKING:
    from pathlib import Path

ALICE = """
[accounts.alice]
server = "wss://127.0.0.1:8443/"
impu = "sip:alice@ims.example"
impi = "alice@ims.example"
auth = "digest"
password = "sesame"
ca = "ca.pem"
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "accounts.toml"
    path.write_text(ALICE)
    return path


def test_the_class_has_its_public_names() -> None:
    assert wic.Account is wic.client.Account is Account
    assert wic.client.AuthScheme is AuthScheme


def test_the_documented_account_is_loaded(file: Path, tmp_path: Path) -> None:
    account = Account.load("alice", file)
    assert account.name == "alice"
    assert account.auth is AuthScheme.DIGEST
    assert account.password == Secret("sesame")
    assert account.ca == tmp_path / "ca.pem"
    assert account.domain == "ims.example"
    assert account.expires == 600000
    assert not account.insecure
    assert "sesame" not in repr(account)


def test_the_file_of_the_environment_is_the_default(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WIC_ACCOUNTS", str(file))
    assert Account.load("alice").name == "alice"


def test_the_instance_stays_the_same_and_differs_between_accounts(file: Path, digest_settings) -> None:
    one, again = Account.load("alice", file), Account.load("alice", file)
    assert one.instance == again.instance
    assert one.instance.startswith("urn:uuid:")
    other = Account.from_settings("x", digest_settings(), folder=file.parent)
    assert other.instance != one.instance
    chosen = "urn:uuid:00000000-0000-1000-8000-000A95A0E128"
    account = Account.from_settings("x", digest_settings(instance=chosen), folder=file.parent)
    assert account.instance == chosen


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"server": None}, "needs 'server'"),
        ({"impu": ""}, "needs 'impu'"),
        ({"expires": 0}, "from 1 to 4294967295 seconds"),
        ({"expires": -5}, "from 1 to 4294967295 seconds"),
        ({"expires": 1 << 32}, "from 1 to 4294967295 seconds"),
        ({"password": None}, "needs 'password', 'password_file' or 'password_env'"),
        ({"auth": "aka"}, "needs 'k', 'k_file' or 'k_env'"),
        ({"server": "https://h.example/"}, "must look like wss://"),
        ({"server": "wss:///"}, "must look like wss://"),
        ({"server": "wss://h.example:99999/"}, "must look like wss://"),
        ({"server": "wss://h.example@evil.example/"}, "must look like wss://"),
        ({"server": "wss://h.example/#ws"}, "must look like wss://"),
        ({"server": "ws://h.example/"}, "set insecure = true"),
        ({"impu": "nonsense"}, "'impu' must look like sip:user@domain, not 'nonsense'"),
        ({"impu": "tel:+49301234"}, "must look like sip:"),
        ({"impi": 'a"b'}, "must look like user@domain"),
        ({"instance": "mine"}, "must look like urn:uuid:"),
    ],
)
def test_settings_that_cannot_work_are_refused(tmp_path: Path, digest_settings, changes, words) -> None:
    with pytest.raises(ConfigurationError, match=words) as caught:
        Account.from_settings("x", digest_settings(**changes), folder=tmp_path)
    assert "\n" not in str(caught.value)


def test_an_account_made_in_python_is_checked_too() -> None:
    with pytest.raises(ConfigurationError, match="needs 'impi'"):
        Account(server="wss://h/", impu="sip:a@h.example", impi="")
    with pytest.raises(ConfigurationError, match="needs 'server'"):
        Account(impu="sip:a@h.example", impi="a@h.example")
    with pytest.raises(ConfigurationError, match="needs 'waf', 'wwsf' or 'token'"):
        Account(server="wss://h/", auth=AuthScheme.BEARER)


def test_an_insecure_server_is_allowed_on_demand(tmp_path: Path, digest_settings) -> None:
    settings = digest_settings(server="ws://h.example/", insecure=True)
    assert Account.from_settings("x", settings, folder=tmp_path).insecure


def test_several_servers_keep_their_order(tmp_path: Path, digest_settings) -> None:
    several = digest_settings(servers=["wss://b.example/", "wss://h.example/", "wss://c.example/"])
    account = Account.from_settings("x", several, folder=tmp_path)
    assert account.servers == ("wss://h.example/", "wss://b.example/", "wss://c.example/")
    settings = digest_settings(server=None, servers=["wss://b.example/"])
    assert Account.from_settings("x", settings, folder=tmp_path).server == "wss://b.example/"
    for servers in (["wss://b/", "http://c/"], ["ws://b/"]):
        with pytest.raises(ConfigurationError, match=r"'server' must look|not encrypted"):
            Account.from_settings("x", digest_settings(servers=servers), folder=tmp_path)


def test_further_identities_are_checked(tmp_path: Path, digest_settings) -> None:
    account = Account.from_settings("x", digest_settings(impus=["sip:work@h.example"]), folder=tmp_path)
    assert account.impus == ("sip:work@h.example",)
    with pytest.raises(ConfigurationError, match="'impus' must look like sip:user@domain"):
        Account.from_settings("x", digest_settings(impus=["work"]), folder=tmp_path)


def test_a_pool_assigns_server_and_identities(tmp_path: Path, bearer_settings) -> None:
    lent = bearer_settings(waf=None, wwsf="https://w.example", pool="anonymous", server=None, impu=None, impi=None)
    guest = Account.from_settings("x", lent, folder=tmp_path)
    assert (guest.servers, guest.impu, guest.instance) == ((), "", "")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"wwsf": "https://w.example", "pool": "anonymous"}, "the WWSF assigns the identities"),
        ({"server": None}, "needs 'server'"),
        ({"waf": None, "token": "abc", "impu": None}, "needs 'impu'"),
    ],
)
def test_web_users_that_cannot_work_are_refused(tmp_path: Path, bearer_settings, changes, words) -> None:
    with pytest.raises(ConfigurationError, match=words):
        Account.from_settings("x", bearer_settings(**changes), folder=tmp_path)


def test_no_secret_is_in_the_text_of_an_account(tmp_path: Path, aka_settings, bearer_settings) -> None:
    alice = aka_settings()
    assert alice["k"] not in repr(Account.from_settings("x", alice, folder=tmp_path))
    assert alice["opc"] not in repr(Account.from_settings("x", alice, folder=tmp_path))
    bot = bearer_settings(client_id="bot", client_secret="hush-hush-hush")
    assert "hush" not in repr(Account.from_settings("x", bot, folder=tmp_path))
