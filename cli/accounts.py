"""Find the account that a command line means."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from wic.accounts import Account, read_secret_file
from wic.auth.secret import Secret
from wic.errors import ConfigurationError

from .described import PASSWORD_VARIABLE, describe_account

if TYPE_CHECKING:
    from .options import AccountOptions


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
        hint = (
            "with --server no ACCOUNT is named"
            if options.server
            else "or give --server and --impu instead of an ACCOUNT"
        )
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
        if options.settings:
            raise ConfigurationError("--set goes with --server; an ACCOUNT has its settings in the accounts file.")
        return Account.load(name, options.accounts)
    return Account.from_settings("command line", describe_account(options), folder=Path.cwd())


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
