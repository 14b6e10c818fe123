"""The account that a command line names or describes.

Settings may stand on the command line, secrets never: other users can read it. A secret comes from a file, from an
environment variable, or from a prompt in a terminal.
"""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from wic.accounts import Account, AuthScheme, UsimKind, read_secret_file
from wic.accounts.schema import SECRET_FORMS, SECRETS, SETTINGS, ValueKind, environment_variable
from wic.auth.secret import Secret
from wic.errors import ConfigurationError
from wic.sip.masking import mask_userinfo

from .help import unexpected

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import TypeAlias

    from .options import AccountOptions

    Asking: TypeAlias = Callable[[str, str, str], str]

_NUMBER = re.compile(r"-?[0-9]{1,20}")
PASSWORD_VARIABLE = environment_variable("password")
_DESCRIPTION = ("impu", "impi", "auth", "password_file", "ca", "insecure", "settings")
"""Fields of `AccountOptions` that describe an account beside `--server`."""


def split_words(
    words: tuple[str, ...], options: AccountOptions, *, expected: tuple[str, ...]
) -> tuple[str | None, list[str]]:
    """Split the command's arguments into the account's name and the rest.

    With `--server` the options describe the account, and no name is given.

    Args:
        words: the arguments.
        options: the account options beside them.
        expected: names of the rest, such as `("TARGET",)`.

    Returns:
        The account's name or None, and as many words as were expected.

    Raises:
        click.UsageError: too few or too many arguments.
    """
    wanted = (() if options.server else ("ACCOUNT",)) + expected
    if len(words) < len(wanted):
        instead = "" if options.server else ", or --server and --impu instead of ACCOUNT"
        raise click.UsageError(f"Missing arguments: expected {' '.join(wanted)}{instead}.")
    if len(words) > len(wanted):
        if options.server:
            raise click.UsageError(f"Unexpected argument {words[0]!r}: give either ACCOUNT or --server, not both.")
        raise unexpected(click.get_current_context(silent=True), words[len(wanted)], expected=" ".join(wanted))
    return (None, list(words)) if options.server else (words[0], list(words[1:]))


def find_account(name: str | None, options: AccountOptions) -> Account:
    """Load the account by its name, or build it from the options.

    Args:
        name: the account's name in the accounts file, or None to build it.
        options: the file, or the description of the account.

    Raises:
        ConfigurationError: there is no such account, something that it needs is missing, or it is named and described.
    """
    if name is not None:
        # Half an account from each place: which of the two counts would be a guess.
        for described in _DESCRIPTION:
            if getattr(options, described):
                flag = "set" if described == "settings" else described.replace("_", "-")
                raise ConfigurationError(
                    f"--{flag} goes with --server; an ACCOUNT has its settings in the accounts file."
                )
        return Account.load(name, options.accounts)
    named_by = options.impu or mask_userinfo(options.server or "")  # the name in error messages

    def account(ask: Asking) -> Account:
        return Account.from_settings(named_by, describe_account(options, ask), folder=Path.cwd())

    # Everything else that is wrong is said before the user has to type a secret.
    asked: list[str] = []

    def placeholder(key: str, _prompt: str, _hint: str) -> str:
        asked.append(key)
        return "0" * _digits(key, options)

    checked = account(placeholder)
    return account(_prompted) if asked else checked


def new_password(file: Path | None) -> Secret | None:
    """Read the password for a new subscriber from a file or the environment; None lets one be generated.

    Args:
        file: the file of `--password-file`, if any.

    Raises:
        ConfigurationError: the file cannot be read.
    """
    if file is not None:
        return read_secret_file(file)
    value = os.environ.get(PASSWORD_VARIABLE)  # no prompt: a script that adds a thousand would hang
    return Secret(value) if value else None


def describe_account(options: AccountOptions, ask: Asking) -> dict[str, object]:
    """Return the settings that an accounts file would have for this account.

    Args:
        options: the description.
        ask: returns a secret that has no other source, by its key, the words of a prompt, and those of a refusal.

    Raises:
        ConfigurationError: something that the account needs is missing, or a secret is on the command line.
    """
    auth = AuthScheme(options.auth or SETTINGS["auth"].default)
    settings: dict[str, object] = {"server": options.server, "auth": auth.value, "insecure": options.insecure}
    if options.impu:
        settings |= {"impu": options.impu, "impi": options.impi or options.impu.split(":", 1)[-1]}
    elif auth is not AuthScheme.BEARER:  # a token says the identities it stands for
        raise ConfigurationError("--server needs --impu, the public user identity, such as sip:alice@ims.example.")
    # Paths become texts, as an accounts file would have them: one reader checks both.
    if options.ca:
        settings["ca"] = str(options.ca)
    if options.password_file:
        settings["password_file"] = str(options.password_file)
    settings |= read_settings(options.settings)
    return settings | _find_secrets(auth, settings, ask)


def read_settings(words: Sequence[str]) -> dict[str, object]:
    """Read the values of `--set`.

    Args:
        words: texts such as `waf=https://waf.ims.example`; the items of a list are separated by commas.

    Raises:
        ConfigurationError: one is no setting, or a secret.
    """
    settings: dict[str, object] = {}
    for word in words:
        key, _, value = word.partition("=")
        if key in SECRETS:
            raise ConfigurationError(
                f"Other users can read a command line: write --set {key}_file=FILE, or set ${environment_variable(key)}."
            )
        if not key or not value:
            raise ConfigurationError(f"--set takes KEY=VALUE, such as waf=https://waf.ims.example, not {word!r}.")
        kind = SETTINGS[key].kind if key in SETTINGS else ValueKind.TEXT
        if kind is ValueKind.LIST:
            settings[key] = value.split(",")  # no URL or identity of these lists has a comma
        else:
            # A longer one stays a text, which is refused as any other: Python reads no number of thousands of digits.
            settings[key] = int(value) if kind is ValueKind.NUMBER and _NUMBER.fullmatch(value) else value
    return settings


def _find_secrets(auth: AuthScheme, settings: dict[str, object], ask: Asking) -> dict[str, object]:
    """Return settings that name the source of each secret which an account needs, beside those that name theirs.

    Raises:
        ConfigurationError: a secret has no source.
    """
    if auth is AuthScheme.DIGEST:
        hint = f"There is no password: give --password-file or set ${PASSWORD_VARIABLE}."
        return _secret(settings, "password", ask, prompt="Password", hint=hint)
    if auth is AuthScheme.AKA:
        k = _secret(settings, "k", ask, prompt="K", hint="There is no key K: write --set k_file=FILE or set $WIC_K.")
        # OPc is the default: OP is asked for only where its variable is set and OPc is not named.
        op = None if _has_source(settings, "opc") else _source(settings, "op")
        if op is not None:
            return k | op
        hint = "There is no OPc: write --set opc_file=FILE or set $WIC_OPC (or with op: OP)."
        return k | _secret(settings, "opc", ask, prompt="OPc", hint=hint)
    token = _source(settings, "token")
    if token is not None:  # the order of `WebAuthorization`
        return token
    if "client_id" in settings:
        hint = "There is no client_secret: write --set client_secret_file=FILE or set $WIC_CLIENT_SECRET."
        return _secret(settings, "client_secret", ask, prompt="Client secret", hint=hint)
    if settings.get("pool") == "anonymous":  # TS 24.371 §6.3.2: lent without a proof
        return {}
    raise ConfigurationError(
        "--auth bearer needs $WIC_TOKEN, or --set client_id=NAME with its secret, or --set pool=anonymous;"
        " to sign in yourself, write an accounts file and use `wic login`."
    )


def _has_source(settings: dict[str, object], key: str) -> bool:
    return any(key + form in settings for form in SECRET_FORMS)


def _source(settings: dict[str, object], key: str) -> dict[str, object] | None:
    """Return an empty dict if the settings name the source of a secret, its variable if that is set, else None."""
    if _has_source(settings, key):
        return {}
    variable = environment_variable(key)
    return {f"{key}_env": variable} if os.environ.get(variable) else None


def _secret(settings: dict[str, object], key: str, ask: Asking, *, prompt: str, hint: str) -> dict[str, object]:
    """Return the source of a secret; one that has none is asked for."""
    found = _source(settings, key)
    return {key: ask(key, prompt, hint)} if found is None else found


def _prompted(_key: str, prompt: str, hint: str) -> str:
    """Ask the user for a secret in a terminal.

    Raises:
        ConfigurationError: there is no terminal.
    """
    if sys.stdin is not None and sys.stdin.isatty():  # a pipe or a service gets the hint instead
        return str(click.prompt(prompt, hide_input=True, err=True))
    raise ConfigurationError(hint)


def _digits(key: str, options: AccountOptions) -> int:
    """Return the number of digits of a secret that is checked like one of the user."""
    tuak = f"usim={UsimKind.TUAK.value}" in options.settings
    return 64 if tuak and key == "opc" else 32
