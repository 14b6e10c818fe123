"""The settings of an account that options describe; its secrets come from a file, a variable or a prompt."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import click

from wic.accounts.schema import SECRETS, SETTINGS, ValueKind, environment_variable
from wic.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .options import AccountOptions

PASSWORD_VARIABLE = environment_variable("password")

_ELSEWHERE = ("_file", "_env")


def describe_account(options: AccountOptions) -> dict[str, object]:
    """Return the settings that an accounts file would have for this account.

    Raises:
        ConfigurationError: something that the account needs is missing, or stands where it must not.
    """
    settings: dict[str, object] = {"server": options.server, "auth": options.auth, "insecure": options.insecure}
    if options.impu:
        settings |= {"impu": options.impu, "impi": options.impi or options.impu.partition(":")[2]}
    elif options.auth != "bearer":  # a token tells the identities it stands for
        raise ConfigurationError("--server needs --impu, the public user identity, such as sip:alice@ims.example.")
    if options.ca:
        settings["ca"] = str(options.ca)
    if options.password_file:
        settings["password_file"] = str(options.password_file)
    settings |= read_settings(options.settings)
    return settings | _SECRETS_OF[options.auth](settings)


def read_settings(words: Sequence[str]) -> dict[str, object]:
    """Read what `--set` was given.

    Args:
        words: texts such as `waf=https://waf.ims.example`; lists have commas in them.

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
        settings[key] = _value(key, value)
    return settings


def _value(key: str, text: str) -> object:
    kind = SETTINGS[key].kind if key in SETTINGS else ValueKind.TEXT
    if kind is ValueKind.LIST:
        return text.split(",")
    return int(text) if kind is ValueKind.NUMBER and text.isdecimal() else text


def _digest(settings: dict[str, object]) -> dict[str, object]:
    hint = f"There is no password: give --password-file or set ${PASSWORD_VARIABLE}."
    return _secret(settings, "password", prompt="Password", hint=hint)


def _aka(settings: dict[str, object]) -> dict[str, object]:
    k = _secret(settings, "k", prompt="K", hint="There is no key K: write --set k_file=FILE or set $WIC_K.")
    op = None if _is_given(settings, "opc") else _elsewhere(settings, "op")
    if op is not None:
        return k | op
    hint = "There is no OPc: write --set opc_file=FILE or set $WIC_OPC (or with op: OP)."
    return k | _secret(settings, "opc", prompt="OPc", hint=hint)


def _bearer(settings: dict[str, object]) -> dict[str, object]:
    token = _elsewhere(settings, "token")
    if token is not None:
        return token
    if "client_id" in settings:
        hint = "There is no client_secret: write --set client_secret_file=FILE or set $WIC_CLIENT_SECRET."
        return _secret(settings, "client_secret", prompt="Client secret", hint=hint)
    if settings.get("pool") == "anonymous":
        return {}
    raise ConfigurationError(
        "--auth bearer needs $WIC_TOKEN, or --set client_id=NAME with its secret, or --set pool=anonymous;"
        " to sign in yourself, write an accounts file and use `wic login`."
    )


_SECRETS_OF = {"digest": _digest, "aka": _aka, "bearer": _bearer}


def _is_given(settings: dict[str, object], key: str) -> bool:
    return any(key + form in settings for form in _ELSEWHERE)


def _elsewhere(settings: dict[str, object], key: str) -> dict[str, object] | None:
    """Return nothing if the settings say where a secret is, its variable if that is set, else None."""
    if _is_given(settings, key):
        return {}
    return {f"{key}_env": environment_variable(key)} if os.environ.get(environment_variable(key)) else None


def _secret(settings: dict[str, object], key: str, *, prompt: str, hint: str) -> dict[str, object]:
    """Say where a secret comes from; ask for it in a terminal if nobody has said."""
    found = _elsewhere(settings, key)
    if found is not None:
        return found
    if sys.stdin is not None and sys.stdin.isatty():
        return {key: click.prompt(prompt, hide_input=True, err=True)}
    raise ConfigurationError(hint)
