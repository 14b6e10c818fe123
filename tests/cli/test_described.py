"""Accounts that options describe: settings on the command line, secrets anywhere but there."""

from __future__ import annotations

import io
import sys

import pytest

from wic.accounts.schema import SECRETS, environment_variable
from wic.client import AuthScheme
from wic.client.web import PoolAccess
from wic.errors import ConfigurationError
from wic_cli.accounts import find_account
from wic_cli.described import read_settings
from wic_cli.options import AccountOptions

K = "465b5ce8b199b49faa5f0a2ee238a6bc"
OPC = "cd63cb71954a9f4e48a5994e37a02baf"
ALICE = {"impu": "sip:alice@ims.example"}


def options(*settings: str, **changes: object) -> AccountOptions:
    none = dict.fromkeys(("accounts", "impu", "impi", "password_file", "ca"))
    given = {"server": "wss://pcscf.example/", "auth": "digest", "insecure": False, "settings": settings}
    return AccountOptions(**{**none, **given, **changes})


@pytest.fixture(autouse=True)
def nothing_around(monkeypatch: pytest.MonkeyPatch) -> None:
    for secret in SECRETS:
        monkeypatch.delenv(environment_variable(secret), raising=False)
    monkeypatch.setattr(sys, "stdin", io.StringIO())


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What a person in a terminal answers; the questions come after that."""
    answers: list[str] = []

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    def prompt(question: str, *, hide_input: bool, err: bool) -> str:
        assert hide_input
        assert err
        answers.append(question)
        return answers.pop(0)

    monkeypatch.setattr(sys, "stdin", Terminal())
    monkeypatch.setattr("click.prompt", prompt)
    return answers


def test_settings_are_those_of_the_accounts_file(monkeypatch) -> None:
    monkeypatch.setenv("WIC_PASSWORD", "sesame")
    words = ("expires=60", "impus=sip:a@b,sip:c@d", "instance=urn:uuid:6f7f2f3c-5a0e-5d0b-9c0e-2d8f7c1f3a11")
    account = find_account(None, options(*words, **ALICE))
    assert (account.expires, account.impus) == (60, ("sip:a@b", "sip:c@d"))
    assert account.password.reveal() == "sesame"


def test_a_usim_of_variables(monkeypatch) -> None:
    monkeypatch.setenv("WIC_K", K)
    monkeypatch.setenv("WIC_OPC", OPC)
    account = find_account(None, options("algorithm=AKAv2-SHA-512-256", auth="aka", **ALICE))
    assert account.auth is AuthScheme.AKA
    assert account.aka is not None
    assert (account.aka.k.reveal(), account.aka.algorithm) == (K, "AKAv2-SHA-512-256")


def test_a_usim_of_files(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("WIC_OP", OPC)
    for name, text in (("k", K), ("opc", OPC)):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o600)
    account = find_account(None, options(f"k_file={tmp_path}/k", f"opc_file={tmp_path}/opc", auth="aka", **ALICE))
    assert account.aka is not None
    assert account.aka.op is None
    account = find_account(None, options(f"k_file={tmp_path}/k", auth="aka", **ALICE))
    assert account.aka is not None
    assert account.aka.opc is None


def test_a_usim_that_is_typed(typed: list[str]) -> None:
    typed += [K, OPC]
    account = find_account(None, options(auth="aka", **ALICE))
    assert account.aka is not None
    assert account.aka.opc is not None
    assert typed == ["K", "OPc"]


def test_a_token_of_a_variable(monkeypatch) -> None:
    monkeypatch.setenv("WIC_TOKEN", "abc")
    account = find_account(
        None, options("bearer_form=annex-a", "authz_servers=https://a,https://b", auth="bearer", **ALICE)
    )
    assert account.web is not None
    assert account.web.token is not None
    assert account.web.token.reveal() == "abc"
    assert account.web.trusted == ("https://a", "https://b")


def test_a_program_with_a_secret(monkeypatch, typed: list[str]) -> None:
    words = ("waf=https://waf.ims.example", "client_id=bot")
    typed += ["typed"]
    account = find_account(None, options(*words, auth="bearer"))
    assert account.web is not None
    assert account.web.client_secret is not None
    assert (account.impu, account.web.client_secret.reveal(), typed) == ("", "typed", ["Client secret"])
    monkeypatch.setenv("WIC_CLIENT_SECRET", "sesame")
    account = find_account(None, options(*words, auth="bearer"))
    assert account.web is not None
    assert account.web.client_secret is not None
    assert account.web.client_secret.reveal() == "sesame"


def test_identities_of_a_pool() -> None:
    account = find_account(None, options("wwsf=https://wwsf.ims.example", "pool=anonymous", auth="bearer"))
    assert account.web is not None
    assert account.web.pool is PoolAccess.ANONYMOUS


@pytest.mark.parametrize("secret", SECRETS)
def test_no_secret_on_the_command_line(secret: str) -> None:
    with pytest.raises(ConfigurationError, match=f"--set {secret}_file=FILE, or set .WIC_{secret.upper()}") as refused:
        read_settings([f"{secret}=hush"])
    assert "hush" not in str(refused.value)


@pytest.mark.parametrize("word", ["", "waf", "=x", "waf="])
def test_what_is_no_setting(word: str) -> None:
    with pytest.raises(ConfigurationError, match="--set takes KEY=VALUE"):
        read_settings([word])


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (options("expires=soon", "password_env=HOME", **ALICE), "'expires' must be a number"),
        (options(auth="aka", **ALICE), "There is no key K: write --set k_file=FILE"),
        (options("k_env=HOME", auth="aka", **ALICE), "There is no OPc"),
        (options("client_id=bot", auth="bearer"), "There is no client_secret"),
        (options("waf=https://waf.ims.example", auth="bearer"), "use `wic login`"),
        (options(auth="aka"), "--server needs --impu"),
        (options("token_env=HOME", auth="bearer"), "needs 'impu'"),
    ],
)
def test_what_is_missing_or_wrong(given: AccountOptions, sentence: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        find_account(None, given)
    assert sentence in str(refused.value)


def test_settings_go_with_a_server() -> None:
    with pytest.raises(ConfigurationError, match="--set goes with --server"):
        find_account("alice", options("waf=https://a", server=None))
