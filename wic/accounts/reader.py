"""Reader of `accounts.toml`: the file, the table of one account, and its secrets.

Each error is a sentence that names the account and says what to change; none shows a secret.
"""

from __future__ import annotations

import difflib
import logging
import os
import re
import stat
import time
import tomllib
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urlsplit

from wic.accounts.schema import SECRET_FORMS, SECRETS, SETTINGS, AuthScheme, ValueKind, keys_of
from wic.accounts.toml_writer import toml_key
from wic.auth.secret import Secret
from wic.errors import ConfigurationError
from wic.files import open_to_read, read_file
from wic.sip.masking import mask_userinfo

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["AccountTable", "check_url", "default_path", "near_names", "read_account", "read_secret_file"]

_log = logging.getLogger(__name__)
_T = TypeVar("_T", str, int, bool)
_FEW = 8
_SETTLED = 2_000_000_000
"""Nanoseconds after which a change of a file has a time of its own, on any file system."""
_MAX_SECRET_FILE = 16_384  # access tokens are the longest


def default_path() -> Path:
    """Return the accounts file that is used unless another is named."""
    named = os.environ.get("WIC_ACCOUNTS")
    if named:  # set to an empty text, it counts as not set
        return Path(named).expanduser()
    home = os.environ.get("XDG_CONFIG_HOME") or os.environ.get("APPDATA")  # the latter is Windows'
    return (Path(home) if home else Path.home() / ".config") / "wic" / "accounts.toml"


def read_account(file: Path, name: str) -> AccountTable:
    """Return the table `[accounts.NAME]` of a file; logs a warning where other users can read secrets in it.

    Raises:
        ConfigurationError: there is no such file, no such table in it, or the table has unknown keys.
    """
    text, document = _read(file)
    accounts = document.get("accounts", {})
    if not isinstance(accounts, dict):
        raise ConfigurationError(f"In {file}, `accounts` must be a table: write [accounts.NAME].")
    if name not in accounts:
        raise ConfigurationError(f"{file} has no account named {name!r}; {_near_tables(name, document, accounts)}")
    values = accounts[name]
    if not isinstance(values, dict):
        raise ConfigurationError(f"In {file}, accounts.{name} must be a table: [accounts.{name}].")
    if not values.keys().isdisjoint(SECRETS):  # a file that only names other files may be read by all
        warn_if_shared(file, file.stat().st_mode)
    return AccountTable(name, values, folder=file.parent, file_text=text)


def _near_tables(name: str, document: Mapping[str, object], accounts: Mapping[str, object]) -> str:
    """Return the end of a sentence that helps to find an account: the table that was meant for it, or names of others."""
    wanted = f"[accounts.{toml_key(name)}]"
    for kind, tables in document.items():
        if isinstance(tables, dict) and kind not in ("accounts", "web_users"):
            if isinstance(tables.get(name), dict):
                return f"it has [{kind}.{toml_key(name)}]: write {wanted}."
            if kind == name:
                return f"it has [{toml_key(name)}]: write {wanted}."
    first, *rest = name.split(".")
    if rest and isinstance(within := accounts.get(first), dict) and rest[0] in within:
        return f"in a table's name a dot separates: write {wanted}."
    names = [each for each, values in accounts.items() if isinstance(values, dict)]
    if accounts and not names:
        return f"it has settings below [accounts]: write {wanted} above them."
    return near_names(name, names)


def near_names(wanted: str, known: Iterable[str]) -> str:
    """Return the end of a sentence that helps to find a name: all names if they are few, else those that are like it.

    >>> near_names("alcie", ["alice", "bob"])
    'it has: alice, bob.'
    """
    names = sorted(known)
    if len(names) <= _FEW:
        return f"it has: {', '.join(names) or 'none'}."
    if near := difflib.get_close_matches(wanted, names, n=3):
        return f"did you mean {' or '.join(near)}?"
    return f"it has {len(names)}, such as {', '.join(names[:3])}."


def _read(file: Path) -> tuple[str, Mapping[str, object]]:
    """Return a file as text and as a document; for a fleet of accounts it is parsed once, as long as it is the same."""
    try:
        status = file.stat()
        version = status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns
        # Times of files are coarse: two changes at once may leave the same, so that a file just written is not kept.
        settled = time.time_ns() - status.st_ctime_ns > _SETTLED
        return _parse(file, version) if settled else _parse.__wrapped__(file, version)
    except FileNotFoundError:
        raise ConfigurationError(
            f"There is no accounts file {file}; name one with --accounts or $WIC_ACCOUNTS."
        ) from None
    except OSError as error:
        raise ConfigurationError(f"The accounts file {file} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError:
        raise ConfigurationError(f"The accounts file {file} is not UTF-8 text.") from None
    except (ValueError, RecursionError) as error:  # the latter of endlessly nested arrays
        raise ConfigurationError(f"The accounts file {file} is not valid TOML: {error}.") from error


@lru_cache(maxsize=2)  # its texts have secrets: no more than a fleet, and its peers, need
def _parse(file: Path, _version: tuple[int, ...]) -> tuple[str, Mapping[str, object]]:
    text = read_file(file).decode()
    return text, tomllib.loads(text)


def _line_of(key: str, name: str, text: str) -> int | None:
    """Return the number of the line with a key of an account; None if the account is not written as a table of its own."""
    quoted = rf"(?:{re.escape(name)}|\"{re.escape(name)}\"|'{re.escape(name)}')"
    inside = False
    for number, line in enumerate(text.split("\n"), start=1):
        if re.match(r"\s*\[", line):
            inside = re.match(rf"\s*\[\s*accounts\s*\.\s*{quoted}\s*\]", line) is not None
        elif inside and re.match(rf"\s*[\"']?{re.escape(key)}[\"']?\s*[.=]", line):
            return number
    return None


class AccountTable:
    """The settings of one account, read by kind; a missing one has the default of the schema.

    Every method that returns a value raises `ConfigurationError` if the value in the table is of another kind.

    Args:
        name: the account's name in error messages.
        values: the table.
        folder: the directory at which relative file names start.
        file_text: the file, whose lines error messages name.

    Raises:
        ConfigurationError: a key is unknown, or belongs to another scheme than `auth` names.
    """

    __slots__ = ("_values", "auth", "folder", "name")

    def __init__(self, name: str, values: Mapping[str, object], *, folder: Path, file_text: str = "") -> None:
        self.name = name
        self.folder = folder
        self._values = values
        self.auth = AuthScheme(self.choice("auth"))  # first: it says which other keys there may be
        self._refuse_unknown_keys(file_text)

    def __contains__(self, key: str) -> bool:
        return key in self._values

    def text(self, key: str) -> str:
        """Return a text."""
        return self._typed(key, str)

    def choice(self, key: str) -> str:
        """Return a text of those that the schema allows; an empty one counts as missing."""
        setting = SETTINGS[key]
        value = self.text(key) or str(setting.default)
        if value and value not in setting.choices:  # "" where the key is optional
            *most, last = (f'"{each}"' for each in setting.choices)
            raise ConfigurationError(
                f"Account {self.name!r}: {key!r} must be {', '.join(most)} or {last}, not {value!r}."
            )
        return value

    def number(self, key: str) -> int:
        """Return a whole number."""
        return self._typed(key, int)

    def flag(self, key: str) -> bool:
        """Return true or false."""
        return self._typed(key, bool)

    def texts(self, key: str) -> tuple[str, ...]:
        """Return a list of texts; an empty one counts as missing."""
        value = self._values.get(key, [])
        if not isinstance(value, list) or not all(isinstance(each, str) and each for each in value):
            raise ConfigurationError(f'Account {self.name!r}: {key!r} must be a list of texts, such as ["…", "…"].')
        default = SETTINGS[key].default
        return tuple(value) or (default if isinstance(default, tuple) else ())

    def file(self, key: str) -> Path | None:
        """Return the path of a file, if it is set."""
        value = self.text(key)
        return self.folder / Path(value).expanduser() if value else None  # an absolute path replaces the folder

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
            if not os.environ.get(value):
                raise ConfigurationError(f"Account {self.name!r} takes its {key} from ${value}, which is not set.")
            return Secret(os.environ[value])
        return Secret(value)

    def _typed(self, key: str, kind: type[_T]) -> _T:
        # bool is a subclass of int, but `expires = true` is a mistake.
        value = self._values.get(key, SETTINGS[key].default)
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            wanted = {str: ValueKind.TEXT, int: ValueKind.NUMBER, bool: ValueKind.FLAG}[kind]
            raise ConfigurationError(f"Account {self.name!r}: {key!r} must be a {wanted.value}.")
        return value

    def _refuse_unknown_keys(self, file_text: str) -> None:
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
            named = ", ".join(_misspelt(key, known, _line_of(key, self.name, file_text)) for key in unknown)
            raise ConfigurationError(f"Account {self.name!r} has unknown settings: {named}.")


def _misspelt(key: str, known: Iterable[str], line: int | None) -> str:
    near = difflib.get_close_matches(key, sorted(known), n=1, cutoff=0.75)
    hints = [] if line is None else [f"line {line}"]
    hints += [f"did you mean {near[0]!r}?"] if near else []
    return f"{key} ({', '.join(hints)})" if hints else key


def check_url(url: str, *, account: str, key: str, schemes: tuple[str, str], insecure: bool) -> None:
    """Refuse the URL of a server that cannot be used.

    Args:
        url: the URL, as the user has written it.
        account: the account's name in error messages.
        key: the setting that names the server.
        schemes: the scheme with TLS, and the one without.
        insecure: whether the one without may be used.

    Raises:
        ConfigurationError: it cannot be used.
    """
    secure, plain = schemes
    scheme = _scheme(url)
    if scheme not in schemes:
        shown = mask_userinfo(url)
        raise ConfigurationError(f"Account {account!r}: {key!r} must look like {secure}://host:port/, not {shown!r}.")
    if scheme == plain and not insecure:
        raise ConfigurationError(
            f"Account {account!r}: {url} is not encrypted; use {secure}:// or set insecure = true."
        )


@lru_cache(maxsize=64)  # thousands of accounts have few servers
def _scheme(url: str) -> str:
    """Return the scheme of a server's URL; empty if the URL cannot be used."""
    try:
        parts = urlsplit(url)
        # RFC 6455 §3, RFC 6749 §3.1: no fragment. A user name would make one host look like another.
        usable = bool(parts.hostname) and parts.port != 0 and parts.username is None and not parts.fragment
    except ValueError:  # a port that is no number, an IPv6 address without its end
        return ""
    return parts.scheme if usable and url.isprintable() else ""


def read_secret_file(path: Path, *, what: str = "password") -> Secret:
    """Read the first line of a file as a secret; logs a warning where other users can read the file.

    Args:
        path: the file.
        what: the secret's name in error messages.

    Raises:
        ConfigurationError: the file cannot be read, or its first line is empty.
    """
    try:
        with open_to_read(path) as file:
            mode = os.fstat(file.fileno()).st_mode  # of this very file: the path may lead elsewhere by now
            data = file.read(_MAX_SECRET_FILE + 1)
            text = data.decode()
    except OSError as error:
        raise ConfigurationError(f"The {what} file {path} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError:
        raise ConfigurationError(f"The {what} file {path} is not UTF-8 text.") from None
    warn_if_shared(path, mode)
    # A file given by mistake, such as a WAV file or a disk, is refused rather than sent.
    if len(data) > _MAX_SECRET_FILE:
        raise ConfigurationError(f"The {what} file {path} has more than {_MAX_SECRET_FILE} octets.")
    secret = text.split("\n", 1)[0].rstrip("\r")  # editors end a line, some with CR LF; other blanks count
    if not secret:
        raise ConfigurationError(f"The {what} file {path} has an empty first line.")
    return Secret(secret)


def warn_if_shared(path: Path, mode: int) -> None:
    """Log a warning where a file of this mode, with secrets in it, can be read by other users."""
    # Elsewhere, and of a device or a pipe, the mode says nothing about secrets.
    if stat.S_ISREG(mode) and mode & (stat.S_IRGRP | stat.S_IROTH) and os.name == "posix":
        _log.warning("other users can read the secrets in %s; chmod 600 it", path)
