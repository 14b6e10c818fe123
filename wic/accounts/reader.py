"""Reader of `accounts.toml`: the file, the table of one account, and its secrets.

Each error is a sentence that names the account and says what to change; none shows a secret.
"""

from __future__ import annotations

import difflib
import logging
import os
import stat
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from wic.accounts.schema import SECRET_FORMS, SECRETS, SETTINGS, AuthScheme, ValueKind, keys_of
from wic.auth.secret import Secret
from wic.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["AccountTable", "default_path", "read_account", "read_secret_file"]

_log = logging.getLogger(__name__)
_T = TypeVar("_T", str, int, bool)
_MAX_SECRET_FILE = 16_384  # access tokens are the longest


def default_path() -> Path:
    """Return the accounts file that is used unless another is named."""
    named = os.environ.get("WIC_ACCOUNTS")
    if named:
        return Path(named).expanduser()
    home = os.environ.get("XDG_CONFIG_HOME") or os.environ.get("APPDATA")
    return (Path(home) if home else Path.home() / ".config") / "wic" / "accounts.toml"


def read_account(file: Path, name: str) -> AccountTable:
    """Return the table `[accounts.NAME]` of a file; logs a warning where other users can read secrets in it.

    Raises:
        ConfigurationError: there is no such file, no such table in it, or the table has unknown keys.
    """
    accounts = _read(file)
    if name not in accounts:
        known = ", ".join(sorted(accounts)) or "none"
        raise ConfigurationError(f"{file} has no account named {name!r}; it has: {known}.")
    values = accounts[name]
    if not isinstance(values, dict):
        raise ConfigurationError(f"In {file}, accounts.{name} must be a table: [accounts.{name}].")
    if not values.keys().isdisjoint(SECRETS):
        _warn_if_shared(file, file.stat().st_mode)
    return AccountTable(name, values, folder=file.parent)


def _read(file: Path) -> Mapping[str, object]:
    try:
        document = tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigurationError(
            f"There is no accounts file {file}; name one with --accounts or $WIC_ACCOUNTS."
        ) from None
    except OSError as error:
        raise ConfigurationError(f"The accounts file {file} cannot be read: {error.strerror}.") from error
    except (ValueError, RecursionError) as error:  # TOML and UTF-8 errors alike, and endlessly nested arrays
        raise ConfigurationError(f"The accounts file {file} is not valid TOML: {error}.") from error
    accounts = document.get("accounts", {})
    if not isinstance(accounts, dict):
        raise ConfigurationError(f"In {file}, `accounts` must be a table: write [accounts.NAME].")
    return accounts


class AccountTable:
    """The settings of one account, read by kind; a missing one has the default of the schema.

    Args:
        name: the account's name in error messages.
        values: the table.
        folder: the directory at which relative file names start.

    Raises:
        ConfigurationError: a key is unknown, or belongs to another scheme than `auth` names.
    """

    __slots__ = ("_values", "auth", "folder", "name")

    def __init__(self, name: str, values: Mapping[str, object], *, folder: Path) -> None:
        self.name = name
        self.folder = folder
        self._values = values
        self.auth = AuthScheme(self.choice("auth"))
        self._refuse_unknown_keys()

    def __contains__(self, key: str) -> bool:
        return key in self._values

    def text(self, key: str) -> str:
        """Return a text.

        Raises:
            ConfigurationError: the value is of another kind.
        """
        return self._typed(key, str)

    def choice(self, key: str) -> str:
        """Return a text of those that the schema allows.

        Raises:
            ConfigurationError: the value is another.
        """
        value, setting = self.text(key), SETTINGS[key]
        if value not in setting.choices and value != setting.default:
            *most, last = (f'"{each}"' for each in setting.choices)
            raise ConfigurationError(
                f"Account {self.name!r}: {key!r} must be {', '.join(most)} or {last}, not {value!r}."
            )
        return value

    def number(self, key: str) -> int:
        """Return a whole number.

        Raises:
            ConfigurationError: the value is of another kind.
        """
        return self._typed(key, int)

    def flag(self, key: str) -> bool:
        """Return true or false.

        Raises:
            ConfigurationError: the value is of another kind.
        """
        return self._typed(key, bool)

    def texts(self, key: str) -> tuple[str, ...]:
        """Return a list of texts; an empty one counts as missing.

        Raises:
            ConfigurationError: the value is of another kind.
        """
        value = self._values.get(key, [])
        if not isinstance(value, list) or not all(isinstance(each, str) and each for each in value):
            raise ConfigurationError(f'Account {self.name!r}: {key!r} must be a list of texts, such as ["…", "…"].')
        default = SETTINGS[key].default
        return tuple(value) or (default if isinstance(default, tuple) else ())

    def file(self, key: str) -> Path | None:
        """Return the path of a file, if it is set.

        Raises:
            ConfigurationError: the value is of another kind.
        """
        value = self.text(key)
        return self.folder / Path(value).expanduser() if value else None

    def secret(self, key: str) -> Secret | None:
        """Return the secret that one of `key`, `key_file` and `key_env` gives; None if none of them is set.

        Raises:
            ConfigurationError: two of them are set, or the one that is set gives nothing.
        """
        # Two sources may differ, and which of them counts would be a guess.
        given = [key + form for form in SECRET_FORMS if key + form in self._values]
        if not given:
            return None
        if len(given) > 1:
            raise ConfigurationError(f"Account {self.name!r} has more than one of {', '.join(given)}; keep one.")
        source, value = given[0], self._values[given[0]]
        if not isinstance(value, str) or not value:
            raise ConfigurationError(f"Account {self.name!r}: {source!r} must be a text that is not empty.")
        if source == f"{key}_file":
            return read_secret_file(self.folder / Path(value).expanduser(), what=key)
        if source == f"{key}_env":
            return self._from_environment(value, what=key)
        return Secret(value)

    def _from_environment(self, variable: str, *, what: str) -> Secret:
        value = os.environ.get(variable)
        if not value:
            raise ConfigurationError(f"Account {self.name!r} takes its {what} from ${variable}, which is not set.")
        return Secret(value)

    def _typed(self, key: str, kind: type[_T]) -> _T:
        # bool is a subclass of int, but `expires = true` is a mistake.
        value = self._values.get(key, SETTINGS[key].default)
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            wanted = {str: ValueKind.TEXT, int: ValueKind.NUMBER, bool: ValueKind.FLAG}[kind]
            raise ConfigurationError(f"Account {self.name!r}: {key!r} must be a {wanted.value}.")
        return value

    def _refuse_unknown_keys(self) -> None:
        known = keys_of(None) | keys_of(self.auth)
        unknown = sorted(self._values.keys() - known)
        # A key of another scheme is a likelier mistake than an unknown one: most often `auth` was forgotten.
        for other in AuthScheme:
            if foreign := [key for key in unknown if key in keys_of(other)]:
                raise ConfigurationError(
                    f'Account {self.name!r} has auth = "{self.auth.value}", but {", ".join(foreign)} '
                    f'is for auth = "{other.value}".'
                )
        if unknown:
            named = ", ".join(key + _suggestion(key, known) for key in unknown)
            raise ConfigurationError(f"Account {self.name!r} has unknown settings: {named}.")


def _suggestion(key: str, known: frozenset[str]) -> str:
    near = difflib.get_close_matches(key, sorted(known), n=1, cutoff=0.75)
    return f" (did you mean {near[0]!r}?)" if near else ""


def read_secret_file(path: Path, *, what: str = "password") -> Secret:
    """Read the first line of a file as a secret; logs a warning where other users can read the file.

    Args:
        path: the file.
        what: the secret's name in error messages.

    Raises:
        ConfigurationError: the file cannot be read, or its first line is empty.
    """
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode  # of this very file: the path may lead elsewhere by now
            data = file.read(_MAX_SECRET_FILE + 1)
            text = data.decode()
    except OSError as error:
        raise ConfigurationError(f"The {what} file {path} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError:
        raise ConfigurationError(f"The {what} file {path} is not UTF-8 text.") from None
    _warn_if_shared(path, mode)
    if len(data) > _MAX_SECRET_FILE:
        raise ConfigurationError(f"The {what} file {path} has more than {_MAX_SECRET_FILE} octets.")
    secret = text.split("\n", 1)[0].rstrip("\r")
    if not secret:
        raise ConfigurationError(f"The {what} file {path} has an empty first line.")
    return Secret(secret)


def _warn_if_shared(path: Path, mode: int) -> None:
    if mode & (stat.S_IRGRP | stat.S_IROTH) and os.name == "posix":
        _log.warning("other users can read the secrets in %s; chmod 600 it", path)
