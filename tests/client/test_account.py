from __future__ import annotations

from pathlib import Path

import pytest

from wic.auth import BearerForm, Secret
from wic.client import Account, AuthScheme
from wic.client.accounts_file import default_path
from wic.client.web import PoolAccess
from wic.errors import ConfigurationError

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
def file(tmp_path):
    path = tmp_path / "accounts.toml"
    path.write_text(ALICE)
    return path


def write(tmp_path, text):
    path = tmp_path / "accounts.toml"
    path.write_text(text)
    return path


def settings(**changes):
    plain = {"server": "wss://h.example/", "impu": "sip:a@h.example", "impi": "a@h.example"}
    if changes.keys().isdisjoint({"auth", "password_file", "password_env"}):
        plain["password"] = "sesame"
    return {key: value for key, value in (plain | changes).items() if value is not None}


def test_an_account_as_it_is_documented(file, tmp_path):
    account = Account.load("alice", file)
    assert account.name == "alice"
    assert account.auth is AuthScheme.DIGEST
    assert account.password == Secret("sesame")
    assert account.ca == tmp_path / "ca.pem"
    assert account.domain == "ims.example"
    assert account.expires == 600000
    assert not account.insecure
    assert "sesame" not in repr(account)


def test_a_password_that_others_can_read(file, caplog):
    file.chmod(0o600)
    Account.load("alice", file)
    assert not caplog.records
    file.chmod(0o640)
    Account.load("alice", file)
    assert "chmod 600" in caplog.text


def test_the_instance_stays_the_same_and_differs_between_accounts(file):
    one, again = Account.load("alice", file), Account.load("alice", file)
    assert one.instance == again.instance
    assert one.instance.startswith("urn:uuid:")
    other = Account.from_settings("x", settings(), folder=file.parent)
    assert other.instance != one.instance
    chosen = "urn:uuid:00000000-0000-1000-8000-000A95A0E128"
    assert Account.from_settings("x", settings(instance=chosen), folder=file.parent).instance == chosen


def test_where_the_file_is_when_nobody_says(file, monkeypatch, tmp_path):
    monkeypatch.setenv("WIC_ACCOUNTS", str(file))
    assert Account.load("alice").name == "alice"
    monkeypatch.delenv("WIC_ACCOUNTS")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    assert default_path() == tmp_path / "config" / "wic" / "accounts.toml"
    monkeypatch.delenv("XDG_CONFIG_HOME")
    monkeypatch.delenv("APPDATA", raising=False)
    assert default_path() == Path.home() / ".config" / "wic" / "accounts.toml"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("accounts = 5", "must be a table"),
        ("[accounts]\nalice = 5", "must be a table"),
        ("[accounts.bob]\n[accounts.carol]", "it has: bob, carol"),
        ("", "it has: none"),
        ("[accounts", "not valid TOML"),
    ],
)
def test_a_file_that_is_not_right(tmp_path, text, words):
    with pytest.raises(ConfigurationError, match=words):
        Account.load("alice", write(tmp_path, text))


def test_a_file_that_cannot_be_read(tmp_path):
    with pytest.raises(ConfigurationError, match="There is no accounts file"):
        Account.load("alice", tmp_path / "none.toml")
    with pytest.raises(ConfigurationError, match="cannot be read"):
        Account.load("alice", tmp_path)
    (tmp_path / "latin.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigurationError, match="not valid TOML"):
        Account.load("alice", tmp_path / "latin.toml")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"server": None}, "needs 'server'"),
        ({"impu": ""}, "needs 'impu'"),
        ({"impi": 5}, "'impi' must be a text"),
        ({"expires": "soon"}, "'expires' must be a number"),
        ({"expires": True}, "'expires' must be a number"),
        ({"expires": 0}, "at least 1 second"),
        ({"insecure": "yes"}, "must be a boolean"),
        ({"colour": "red"}, "unknown settings: colour"),
        ({"password": None}, "needs 'password', 'password_file' or 'password_env'"),
        ({"auth": "aka"}, "needs 'k', 'k_file' or 'k_env'"),
        ({"auth": "magic"}, "'auth' must be"),
        ({"server": "https://h.example/"}, "must look like wss://"),
        ({"server": "wss:///"}, "must look like wss://"),
        ({"server": "wss://h.example:99999/"}, "must look like wss://"),
        ({"server": "ws://h.example/"}, "set insecure = true"),
        ({"impu": "nonsense"}, "'impu' must look like sip:user@domain, not 'nonsense'"),
        ({"impu": "tel:+49301234"}, "must look like sip:"),
        ({"impi": 'a"b'}, "must look like user@domain"),
        ({"instance": "mine"}, "must look like urn:uuid:"),
        ({"password": "a", "password_env": "B"}, "more than one of password, password_env"),
        ({"password": ""}, "must be a text that is not empty"),
        ({"password_file": 7}, "must be a text that is not empty"),
        ({"password_env": "WIC_TEST_NOT_SET"}, "which is not set"),
        ({"password_file": "none"}, "cannot be read"),
    ],
)
def test_settings_that_cannot_work(tmp_path, changes, words):
    with pytest.raises(ConfigurationError, match=words) as caught:
        Account.from_settings("x", settings(**changes), folder=tmp_path)
    assert "\n" not in str(caught.value)


def test_an_account_made_by_hand_is_checked_too():
    with pytest.raises(ConfigurationError, match="needs 'impi'"):
        Account(server="wss://h/", impu="sip:a@h.example", impi="")
    with pytest.raises(ConfigurationError, match="needs 'server'"):
        Account(impu="sip:a@h.example", impi="a@h.example")


def test_an_insecure_server_by_intention(tmp_path):
    account = Account.from_settings("x", settings(server="ws://h.example/", insecure=True), folder=tmp_path)
    assert account.insecure


def test_a_password_from_a_file(tmp_path, caplog):
    file = tmp_path / "secret"
    file.write_text("sesame\r\nand more\n")
    file.chmod(0o600)
    assert Account.from_settings("x", settings(password_file="secret"), folder=tmp_path).password == Secret("sesame")
    assert not caplog.records
    file.chmod(0o644)
    Account.from_settings("x", settings(password_file=str(file)), folder=tmp_path)
    assert "chmod 600" in caplog.text
    assert "sesame" not in caplog.text


@pytest.mark.parametrize(
    ("content", "words"), [(b"\n", "empty first line"), (b"\xff\n", "not UTF-8"), (b"x" * 16_385, "more than")]
)
def test_a_password_file_without_a_password(tmp_path, content, words):
    (tmp_path / "secret").write_bytes(content)
    (tmp_path / "secret").chmod(0o600)
    with pytest.raises(ConfigurationError, match=words):
        Account.from_settings("x", settings(password_file="secret"), folder=tmp_path)


def test_a_password_from_the_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("WIC_TEST_PASSWORD", "sesame")
    account = Account.from_settings("x", settings(password_env="WIC_TEST_PASSWORD"), folder=tmp_path)
    assert account.password == Secret("sesame")


K = "465b5ce8b199b49faa5f0a2ee238a6bc"
OPC = "cd63cb71954a9f4e48a5994e37a02baf"


def aka(**changes):
    return settings(**({"auth": "aka", "k": K, "opc": OPC} | changes))


def test_an_account_with_a_usim(tmp_path):
    account = Account.from_settings("x", aka(), folder=tmp_path)
    assert account.auth is AuthScheme.AKA
    assert account.aka.algorithm == "AKAv2-SHA-256"
    assert account.aka.accept == ("AKAv2-SHA-512-256", "AKAv2-SHA-256", "AKAv2-MD5", "AKAv1-MD5")
    assert account.aka.functions().name == "MILENAGE"
    assert K not in repr(account)
    assert OPC not in repr(account)
    (tmp_path / "k").write_text(K + "\n")
    (tmp_path / "k").chmod(0o600)
    chosen = aka(k=None, k_file="k", opc=None, op=OPC, amf="0000", algorithm="AKAv1-MD5", accept=["AKAv1-MD5"])
    account = Account.from_settings("x", chosen, folder=tmp_path)
    assert account.aka.key == bytes.fromhex(K)
    assert account.aka.accept == ("AKAv1-MD5",)
    tuak = Account.from_settings("x", aka(usim="tuak", opc=None, op="ab" * 32), folder=tmp_path)
    assert tuak.aka.functions().name == "TUAK"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"k": K[:-2]}, "k has 32 hexadecimal digits, not 30"),
        ({"k": "z" * 32}, "k has to be written in hexadecimal digits"),
        ({"opc": "ab"}, "opc has 32 hexadecimal digits"),
        ({"opc": None}, "either 'op' or 'opc'"),
        ({"op": OPC}, "either 'op' or 'opc'"),
        ({"usim": "tuak"}, "opc has 64 hexadecimal digits"),
        ({"usim": "sim"}, '\'usim\' must be "milenage" or "tuak"'),
        ({"algorithm": "MD5"}, "'algorithm' takes AKAv2-SHA-512-256"),
        ({"accept": ["SHA-256"]}, "'accept' takes .* not 'SHA-256'"),
        ({"accept": "AKAv1-MD5"}, "'accept' must be a list of texts"),
        ({"accept": [""]}, "'accept' must be a list of texts"),
        ({"amf": "80"}, "'amf' must be four hexadecimal digits"),
        ({"k_env": "X"}, "more than one of k, k_env"),
        ({"password": "x"}, 'auth = "aka", but password is for auth = "digest"'),
        ({"token": "x"}, 'token is for auth = "bearer"'),
        ({"auth": "digest"}, 'auth = "digest", but k, opc is for auth = "aka"'),
    ],
)
def test_usims_that_cannot_work(tmp_path, changes, words):
    with pytest.raises(ConfigurationError, match=words) as caught:
        Account.from_settings("x", aka(**changes), folder=tmp_path)
    assert "\n" not in str(caught.value)
    assert K not in str(caught.value)
    assert OPC not in str(caught.value)


def test_servers_in_their_order(tmp_path):
    several = settings(servers=["wss://b.example/", "wss://h.example/", "wss://c.example/"])
    account = Account.from_settings("x", several, folder=tmp_path)
    assert account.servers == ("wss://h.example/", "wss://b.example/", "wss://c.example/")
    account = Account.from_settings("x", settings(server=None, servers=["wss://b.example/"]), folder=tmp_path)
    assert account.server == "wss://b.example/"
    for servers in (["wss://b/", "http://c/"], ["ws://b/"]):
        with pytest.raises(ConfigurationError, match=r"'server' must look|not encrypted"):
            Account.from_settings("x", settings(servers=servers), folder=tmp_path)


def test_further_identities(tmp_path):
    account = Account.from_settings("x", settings(impus=["sip:work@h.example"]), folder=tmp_path)
    assert account.impus == ("sip:work@h.example",)
    with pytest.raises(ConfigurationError, match="'impus' must look like sip:user@domain"):
        Account.from_settings("x", settings(impus=["work"]), folder=tmp_path)


def bearer(**changes):
    return settings(**({"auth": "bearer", "waf": "https://waf.example"} | changes))


def test_an_account_of_a_web_user(tmp_path):
    chosen = bearer(bearer_form="annex-a", bearer_in="register", authz_servers=["https://b.example"], scope="ims voice")
    web = Account.from_settings("x", chosen, folder=tmp_path).web
    assert (web.form, web.everywhere) == (BearerForm.ANNEX_A, False)
    assert (web.trusted, web.scope) == (("https://waf.example", "https://b.example"), "ims voice")
    bot = Account.from_settings("x", bearer(client_id="bot", client_secret="hush-hush-hush"), folder=tmp_path)
    assert "hush" not in repr(bot)
    lent = bearer(waf=None, wwsf="https://w.example", pool="anonymous", server=None, impu=None, impi=None)
    guest = Account.from_settings("x", lent, folder=tmp_path)
    assert guest.web.pool is PoolAccess.ANONYMOUS
    assert (guest.servers, guest.impu, guest.instance) == ((), "", "")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"waf": None}, "needs one of 'waf', 'wwsf' and 'token'"),
        ({"waf": "http://waf.example"}, "not encrypted"),
        ({"bearer_form": "jwt"}, '\'bearer_form\' must be "rfc8898" or "annex-a"'),
        ({"bearer_in": "invite"}, "'bearer_in' must be"),
        ({"pool": "yes"}, "'pool' must be"),
        ({"wwsf": "https://w.example", "pool": "anonymous"}, "the WWSF assigns the identities"),
        ({"server": None}, "needs 'server'"),
        ({"waf": None, "token": "abc", "impu": None}, "needs 'impu'"),
    ],
)
def test_web_users_that_cannot_work(tmp_path, changes, words):
    with pytest.raises(ConfigurationError, match=words):
        Account.from_settings("x", bearer(**changes), folder=tmp_path)


def test_a_web_user_made_by_hand():
    with pytest.raises(ConfigurationError, match="needs 'waf', 'wwsf' or 'token'"):
        Account(server="wss://h/", auth=AuthScheme.BEARER)
