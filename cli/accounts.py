"""Find the account that a command line means."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from wic.auth.secret import Secret
from wic.client.account import Account
from wic.client.secret_sources import read_secret_file
from wic.errors import ConfigurationError

if TYPE_CHECKING:
    from .options import AccountOptions

PASSWORD_VARIABLE = "WIC_PASSWORD"


def split_words(
    words: tuple[str, ...], options: AccountOptions, *, expected: tuple[str, ...]
) -> tuple[str | None, list[str]]:
    """Part the command's words into the account's name and the rest.

    With `--server` the options say it all and no account is named.

    Args:
        words: what stood on the command line.
        options: the account options beside them.
        expected: what the rest is, in words, such as `("TARGET",)`.

    Returns:
        The account's name or None, and as many words as were expected.

    Raises:
        click.UsageError: too few or too many words.
    """
    wanted = (() if options.server else ("ACCOUNT",)) + expected
    if len(words) != len(wanted):
        hint = "with --server no ACCOUNT is named" if options.server else "or give --server, --impu and --impi"
        raise click.UsageError(f"Expected {' '.join(wanted) or 'no words'} ({hint}), got {len(words)}.")
    return (None, list(words)) if options.server else (words[0], list(words[1:]))


def find_account(name: str | None, options: AccountOptions) -> Account:
    """Load the account by its name, or build it from the options.

    Args:
        name: the account's name in the accounts file, or None to build it.
        options: where the file is, or what the account is made of.

    Raises:
        ConfigurationError: there is no such account, or something that it needs is missing.
    """
    if name is not None:
        return Account.load(name, options.accounts)
    if not options.impu:
        raise ConfigurationError("--server needs --impu, the public user identity, such as sip:alice@ims.example.")
    settings: dict[str, object] = {
        "server": options.server,
        "impu": options.impu,
        "impi": options.impi or options.impu.partition(":")[2],
        "auth": options.auth,
        "insecure": options.insecure,
    }
    if options.ca:
        settings["ca"] = str(options.ca)
    settings |= _password(options)
    return Account.from_settings("command line", settings, folder=Path.cwd())


def _password(options: AccountOptions) -> dict[str, object]:
    """Say where the password comes from: a file, the environment, or a prompt in a terminal."""
    if options.password_file:
        return {"password_file": str(options.password_file)}
    if os.environ.get(PASSWORD_VARIABLE):
        return {"password_env": PASSWORD_VARIABLE}
    if sys.stdin is not None and sys.stdin.isatty():
        return {"password": click.prompt("Password", hide_input=True, err=True)}
    raise ConfigurationError(f"There is no password: give --password-file or set ${PASSWORD_VARIABLE}.")


def new_password(file: Path | None) -> Secret | None:
    """Read the password for a new subscriber from a file or the environment; None makes one up.

    Args:
        file: the file of `--password-file`, if any.

    Raises:
        ConfigurationError: the file cannot be read.
    """
    if file is not None:
        return read_secret_file(file)
    value = os.environ.get(PASSWORD_VARIABLE)
    return Secret(value) if value else None
