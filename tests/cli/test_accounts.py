from __future__ import annotations

import io
import os
import pty
import sys
from pathlib import Path

import click
import pytest

from wic.accounts import PoolAccess
from wic.accounts.schema import SECRETS, environment_variable
from wic.client import AuthScheme
from wic.errors import ConfigurationError
from wic_cli.accounts import find_account, new_password, read_settings, split_words
from wic_cli.options import AccountOptions

K = "465b5ce8b199b49faa5f0a2ee238a6bc"
OPC = "cd63cb71954a9f4e48a5994e37a02baf"
SERVER = "wss://pcscf.example/"
ALICE = {"server": SERVER, "impu": "sip:alice@ims.example"}


def options(*settings: str, **changes: object) -> AccountOptions:
    """Make the account options of a command line; `settings` are the values of --set."""
    none = dict.fromkeys(("accounts", "server", "impu", "impi", "auth", "password_file", "ca"))
    return AccountOptions(**{**none, "insecure": False, "settings": settings, **changes})


@pytest.fixture(autouse=True)
def _no_secrets_around(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take away environment variables with secrets, and the terminal."""
    for secret in SECRETS:
        monkeypatch.delenv(environment_variable(secret), raising=False)
    monkeypatch.setattr(sys, "stdin", io.StringIO())


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The user's answers to prompts in a terminal; each is replaced by its question, behind the rest."""
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


def test_words_are_an_account_and_the_rest() -> None:
    assert split_words(("alice", "bob"), options(), expected=("TARGET",)) == ("alice", ["bob"])
    assert split_words(("alice",), options(), expected=()) == ("alice", [])


def test_with_a_server_there_is_no_account_name() -> None:
    assert split_words(("bob",), options(**ALICE), expected=("TARGET",)) == (None, ["bob"])
    assert split_words((), options(**ALICE), expected=()) == (None, [])


@pytest.mark.parametrize(
    ("words", "chosen", "told"),
    [
        ((), options(), "Missing arguments: expected ACCOUNT TARGET, or --server and --impu instead of ACCOUNT"),
        (("alice",), options(), "Missing arguments: expected ACCOUNT TARGET"),
        ((), options(**ALICE), "Missing arguments: expected TARGET.$"),
        (("alice", "bob", "carol"), options(), "Unexpected argument 'carol': expected ACCOUNT TARGET"),
        (("alice", "bob"), options(**ALICE), "Unexpected argument 'alice': give either ACCOUNT or --server, not both"),
    ],
)
def test_missing_and_unexpected_arguments_are_named(words, chosen, told) -> None:
    with pytest.raises(click.UsageError, match=told):
        split_words(words, chosen, expected=("TARGET",))


def test_an_account_is_loaded_from_the_file(tmp_path: Path) -> None:
    file = tmp_path / "accounts.toml"
    file.write_text(
        '[accounts.a]\nserver = "wss://x/"\nimpu = "sip:a@b"\nimpi = "a@b"\nauth = "digest"\npassword = "p"\n'
    )
    assert find_account("a", options(accounts=file)).impu == "sip:a@b"


def test_a_password_comes_from_a_file(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("sesame\n")
    secret.chmod(0o600)
    ca = tmp_path / "ca.pem"
    account = find_account(None, options(**ALICE, password_file=secret, ca=ca))
    assert (account.impi, account.auth, account.ca) == ("alice@ims.example", AuthScheme.DIGEST, ca)
    assert account.password.reveal() == "sesame"
    assert "sesame" not in repr(account)


def test_a_password_comes_from_the_environment(monkeypatch) -> None:
    monkeypatch.setenv("WIC_PASSWORD", "from the environment")
    account = find_account(None, options(**ALICE, impi="other@ims.example"))
    assert account.impi == "other@ims.example"
    assert account.password.reveal() == "from the environment"
    assert new_password(None).reveal() == "from the environment"


def test_a_password_comes_from_a_prompt(monkeypatch, capfd) -> None:
    """It is asked for on standard error and not echoed."""
    ours, theirs = pty.openpty()
    os.write(ours, b"typed\n")
    monkeypatch.setattr(sys, "stdin", os.fdopen(theirs, encoding="utf-8"))
    monkeypatch.setattr("click.termui.hidden_prompt_func", lambda _: sys.stdin.readline().strip())
    assert find_account(None, options(**ALICE)).password.reveal() == "typed"
    sys.stdin.close()
    os.close(ours)
    assert capfd.readouterr().out == ""


@pytest.mark.parametrize("stdin", [None, io.StringIO()])
def test_a_missing_password_is_named(monkeypatch, stdin) -> None:
    monkeypatch.setattr(sys, "stdin", stdin)
    with pytest.raises(ConfigurationError, match=r"--password-file or set \$WIC_PASSWORD"):
        find_account(None, options(**ALICE))
    assert new_password(None) is None


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (options(**ALICE | {"server": "http://x/"}), "'server' must look like wss://"),
        (options(**ALICE | {"server": "ws://x/"}), "is not encrypted"),
        (options(**ALICE | {"server": "wss://u:hush@x/"}), "not 'wss://[*]{3}@x/'"),
        (options(**ALICE | {"impu": "nonsense"}), "'impu' must look like"),
        (options("expires=soon", **ALICE), "'expires' must be a number"),
        (options("expires=-5", **ALICE), "'expires' must be from 1 to"),
        (options(f"expires={'9' * 5000}", **ALICE), "'expires' must be a number"),
        (options("colour=red", **ALICE), "unknown settings: colour"),
        (options("usim=tuak", auth="aka", **ALICE | {"server": "x"}), "'server' must look like"),
        (options("client_id=bot", auth="bearer", server=SERVER), "needs one of 'waf', 'wwsf' and 'token'"),
    ],
)
def test_no_secret_is_asked_for_if_something_else_is_wrong(typed: list[str], given, sentence: str) -> None:
    with pytest.raises(ConfigurationError, match=sentence) as refused:
        find_account(None, given)
    assert typed == []
    assert "hush" not in str(refused.value)


def test_long_keys_come_from_prompts(typed: list[str]) -> None:
    typed += [K, OPC * 2]
    account = find_account(None, options("usim=tuak", auth="aka", **ALICE))
    assert account.aka is not None
    assert typed == ["K", "OPc"]


def test_a_server_needs_an_identity() -> None:
    with pytest.raises(ConfigurationError, match="--server needs --impu"):
        find_account(None, options(server="wss://x/"))


def test_a_new_password_comes_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("sesame")
    assert new_password(file).reveal() == "sesame"


def test_settings_have_the_keys_of_the_accounts_file(monkeypatch) -> None:
    monkeypatch.setenv("WIC_PASSWORD", "sesame")
    words = ("expires=60", "impus=sip:a@b,sip:c@d", "instance=urn:uuid:6f7f2f3c-5a0e-5d0b-9c0e-2d8f7c1f3a11")
    account = find_account(None, options(*words, **ALICE))
    assert (account.expires, account.impus) == (60, ("sip:a@b", "sip:c@d"))
    assert account.password.reveal() == "sesame"


def test_keys_of_a_usim_come_from_the_environment(monkeypatch) -> None:
    monkeypatch.setenv("WIC_K", K)
    monkeypatch.setenv("WIC_OPC", OPC)
    account = find_account(None, options("algorithm=AKAv2-SHA-512-256", auth="aka", **ALICE))
    assert account.auth is AuthScheme.AKA
    assert account.aka is not None
    assert (account.aka.k.reveal(), account.aka.algorithm) == (K, "AKAv2-SHA-512-256")


def test_keys_of_a_usim_come_from_files(tmp_path, monkeypatch) -> None:
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


def test_keys_of_a_usim_come_from_prompts(typed: list[str]) -> None:
    typed += [K, OPC]
    account = find_account(None, options(auth="aka", **ALICE))
    assert account.aka is not None
    assert account.aka.opc is not None
    assert typed == ["K", "OPc"]


def test_a_token_comes_from_the_environment(monkeypatch) -> None:
    monkeypatch.setenv("WIC_TOKEN", "abc")
    account = find_account(
        None, options("bearer_form=annex-a", "authz_servers=https://a,https://b", auth="bearer", **ALICE)
    )
    assert account.web is not None
    assert account.web.token is not None
    assert account.web.token.reveal() == "abc"
    assert account.web.trusted == ("https://a", "https://b")


def test_the_secret_of_a_program_comes_from_prompt_or_environment(monkeypatch, typed: list[str]) -> None:
    words = ("waf=https://waf.ims.example", "client_id=bot")
    typed += ["typed"]
    account = find_account(None, options(*words, auth="bearer", server=SERVER))
    assert account.web is not None
    assert account.web.client_secret is not None
    assert (account.impu, account.web.client_secret.reveal(), typed) == ("", "typed", ["Client secret"])
    monkeypatch.setenv("WIC_CLIENT_SECRET", "sesame")
    account = find_account(None, options(*words, auth="bearer", server=SERVER))
    assert account.web is not None
    assert account.web.client_secret is not None
    assert account.web.client_secret.reveal() == "sesame"


def test_errors_name_the_described_account_by_its_identity(monkeypatch) -> None:
    monkeypatch.setenv("WIC_PASSWORD", "sesame")
    with pytest.raises(ConfigurationError, match=r"Account 'sip:alice@ims\.example' has unknown settings: colour"):
        find_account(None, options("colour=red", **ALICE))


def test_an_identity_without_its_scheme(monkeypatch) -> None:
    monkeypatch.setenv("WIC_PASSWORD", "sesame")
    with pytest.raises(ConfigurationError, match=r"'impu' must look like sip:user@domain, not 'alice@ims\.example'"):
        find_account(None, options(server=SERVER, impu="alice@ims.example"))


def test_a_pool_needs_no_identity_and_no_secret() -> None:
    account = find_account(
        None, options("wwsf=https://wwsf.ims.example", "pool=anonymous", auth="bearer", server=SERVER)
    )
    assert account.web is not None
    assert account.web.pool is PoolAccess.ANONYMOUS


@pytest.mark.parametrize("secret", SECRETS)
def test_a_secret_on_the_command_line_is_refused(secret: str) -> None:
    with pytest.raises(ConfigurationError, match=f"--set {secret}_file=FILE, or set .WIC_{secret.upper()}") as refused:
        read_settings([f"{secret}=hush"])
    assert "hush" not in str(refused.value)


@pytest.mark.parametrize("word", ["", "waf", "=x", "waf="])
def test_a_setting_needs_key_and_value(word: str) -> None:
    with pytest.raises(ConfigurationError, match="--set takes KEY=VALUE"):
        read_settings([word])


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (options("expires=soon", "password_env=HOME", **ALICE), "'expires' must be a number"),
        (options(auth="aka", **ALICE), "There is no key K: write --set k_file=FILE"),
        (options("k_env=K", auth="aka", **ALICE), "There is no OPc"),
        (options("client_id=bot", "waf=https://waf", auth="bearer", server=SERVER), "There is no client_secret"),
        (options("waf=https://waf.ims.example", auth="bearer", server=SERVER), "use `wic login`"),
        (options(auth="aka", server=SERVER), "--server needs --impu"),
        (options("token_env=HOME", auth="bearer", server=SERVER), "needs 'impu'"),
    ],
)
def test_a_missing_or_wrong_setting_is_named(monkeypatch, given: AccountOptions, sentence: str) -> None:
    monkeypatch.setenv("K", K)
    with pytest.raises(ConfigurationError) as refused:
        find_account(None, given)
    assert sentence in str(refused.value)


@pytest.mark.parametrize(
    ("given", "flag"),
    [
        (options("waf=https://a"), "--set"),
        (options(impu="sip:bob@ims.example"), "--impu"),
        (options(impi="bob@ims.example"), "--impi"),
        (options(auth="digest"), "--auth"),
        (options(password_file=Path("secret")), "--password-file"),
        (options(ca=Path("ca.pem")), "--ca"),
        (options(insecure=True), "--insecure"),
    ],
)
def test_a_named_account_is_not_described_by_options(given: AccountOptions, flag: str) -> None:
    with pytest.raises(ConfigurationError, match=f"^{flag} goes with --server; an ACCOUNT has its settings in"):
        find_account("alice", given)
