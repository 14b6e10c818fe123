from __future__ import annotations

import io
import os
import pty
import sys
from typing import TYPE_CHECKING

import click
import pytest

from wic.client import AuthScheme
from wic.errors import ConfigurationError
from wic_cli.accounts import find_account, new_password, split_words
from wic_cli.options import AccountOptions

if TYPE_CHECKING:
    from pathlib import Path


def options(**changes: object) -> AccountOptions:
    none = dict.fromkeys(("accounts", "server", "impu", "impi", "password_file", "ca"))
    return AccountOptions(**{**none, "auth": "digest", "insecure": False, **changes})


SERVER = {"server": "wss://pcscf.example/", "impu": "sip:alice@ims.example"}


def test_words_are_an_account_and_the_rest() -> None:
    assert split_words(("alice", "bob"), options(), expected=("TARGET",)) == ("alice", ["bob"])
    assert split_words(("alice",), options(), expected=()) == ("alice", [])


def test_with_a_server_no_account_is_named() -> None:
    assert split_words(("bob",), options(**SERVER), expected=("TARGET",)) == (None, ["bob"])
    assert split_words((), options(**SERVER), expected=()) == (None, [])


@pytest.mark.parametrize(
    ("words", "chosen", "told"),
    [
        ((), options(), "Expected ACCOUNT TARGET .or give --server"),
        (("alice",), options(), "got 1"),
        (("alice", "bob", "carol"), options(), "got 3"),
        (("alice", "bob"), options(**SERVER), "with --server no ACCOUNT is named"),
    ],
)
def test_the_wrong_number_of_words(words, chosen, told) -> None:
    with pytest.raises(click.UsageError, match=told):
        split_words(words, chosen, expected=("TARGET",))


def test_an_account_of_the_file(tmp_path: Path) -> None:
    file = tmp_path / "accounts.toml"
    file.write_text(
        '[accounts.a]\nserver = "wss://x/"\nimpu = "sip:a@b"\nimpi = "a@b"\nauth = "digest"\npassword = "p"\n'
    )
    assert find_account("a", options(accounts=file)).impu == "sip:a@b"


def test_an_account_of_options_with_a_password_file(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("sesame\n")
    secret.chmod(0o600)
    ca = tmp_path / "ca.pem"
    account = find_account(None, options(**SERVER, password_file=secret, ca=ca))
    assert (account.impi, account.auth, account.ca) == ("alice@ims.example", AuthScheme.DIGEST, ca)
    assert account.password.reveal() == "sesame"
    assert "sesame" not in repr(account)


def test_a_password_of_the_environment(monkeypatch) -> None:
    monkeypatch.setenv("WIC_PASSWORD", "from the environment")
    account = find_account(None, options(**SERVER, impi="other@ims.example"))
    assert account.impi == "other@ims.example"
    assert account.password.reveal() == "from the environment"
    assert new_password(None).reveal() == "from the environment"


def test_a_password_of_a_prompt(monkeypatch, capfd) -> None:
    """It is asked for on standard error and not echoed."""
    monkeypatch.delenv("WIC_PASSWORD", raising=False)
    ours, theirs = pty.openpty()
    os.write(ours, b"typed\n")
    monkeypatch.setattr(sys, "stdin", os.fdopen(theirs, encoding="utf-8"))
    monkeypatch.setattr("click.termui.hidden_prompt_func", lambda _: sys.stdin.readline().strip())
    assert find_account(None, options(**SERVER)).password.reveal() == "typed"
    sys.stdin.close()
    os.close(ours)
    assert capfd.readouterr().out == ""


@pytest.mark.parametrize("stdin", [None, io.StringIO()])
def test_no_password_anywhere(monkeypatch, stdin) -> None:
    monkeypatch.delenv("WIC_PASSWORD", raising=False)
    monkeypatch.setattr(sys, "stdin", stdin)
    with pytest.raises(ConfigurationError, match=r"--password-file or set \$WIC_PASSWORD"):
        find_account(None, options(**SERVER))
    assert new_password(None) is None


def test_a_server_without_identity() -> None:
    with pytest.raises(ConfigurationError, match="--server needs --impu"):
        find_account(None, options(server="wss://x/"))


def test_a_new_password_of_a_file(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("sesame")
    assert new_password(file).reveal() == "sesame"
