"""The accounts file that an embedded network writes for its subscribers (`accounts.toml`, mode 0600).

It is the only place where a password of the network stays readable; the HSS and the WAF keep hashes. Besides the
accounts of clients it holds the passwords of web users, for people who sign in with a browser.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import tomllib
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, TypeAlias

from wic.errors import ConfigurationError
from wic.files import replace_file

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

Value: TypeAlias = str | bool | int | list[str]
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")


class AccountsFile:
    """An accounts file; each change is made to what is in the file then, for other programs write it too.

    Args:
        path: the file; it need not exist.

    Raises:
        ConfigurationError: it exists and is no accounts file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._accounts: dict[str, dict[str, Value]] = {}
        self._web_users: dict[str, dict[str, Value]] = {}
        self._read()

    def _read(self) -> None:
        path = self.path
        try:
            document = tomllib.loads(path.read_text("utf-8")) if path.exists() else {}
        except (OSError, ValueError, RecursionError) as error:
            raise ConfigurationError(f"cannot read the accounts file {path}: {error}") from error
        self._accounts = self._tables(document, "accounts")
        self._web_users = self._tables(document, "web_users")

    def _tables(self, document: Mapping[str, object], kind: str) -> dict[str, dict[str, Value]]:
        tables = document.get(kind, {})
        if not isinstance(tables, dict):
            raise ConfigurationError(f"{self.path}: {kind} is not a table")
        for name, entry in tables.items():
            if not isinstance(entry, dict):
                raise ConfigurationError(f"{self.path}: {kind}.{name} is not a table")
        return {
            name: {key: value for key, value in entry.items() if isinstance(value, str | bool | int | list)}
            for name, entry in tables.items()
        }

    def names(self) -> list[str]:
        """Return the names of the accounts, in their order."""
        return list(self._accounts)

    def get(self, name: str) -> Mapping[str, Value] | None:
        """Return one account's entries."""
        return self._accounts.get(name)

    def web_password(self, name: str) -> str | None:
        """Return the password of a web user."""
        password = self._web_users.get(name, {}).get("password")
        return password if isinstance(password, str) else None

    def put_web_user(self, name: str, password: str) -> None:
        """Add or replace one web user and write the file."""
        with self._changing():
            self._web_users[name] = {"password": password}

    def remove_web_user(self, name: str) -> None:
        """Remove one web user and write the file."""
        with self._changing():
            self._web_users.pop(name, None)

    def put(self, name: str, entry: Mapping[str, Value]) -> None:
        """Add or replace one account and write the file."""
        with self._changing():
            self._accounts[name] = dict(entry)

    def remove(self, impi: str) -> None:
        """Remove the accounts with this private identity and write the file."""
        with self._changing():
            self._accounts = {name: entry for name, entry in self._accounts.items() if entry.get("impi") != impi}

    def move(self, server: str, *, ca: str | None, web: Mapping[str, str]) -> None:
        """Point every account to the place where the network listens now, and write the file.

        Args:
            server: the eP-CSCF's WebSocket URL.
            ca: file of the trust anchor; None where there is no TLS.
            web: URLs of the web servers, by the key that names them.
        """
        with self._changing():
            for entry in self._accounts.values():
                entry["server"] = server
                entry.update({key: url for key, url in web.items() if key in entry})
                for key, value in (("ca", ca), ("insecure", None if server.startswith("wss:") else True)):
                    if value is None:
                        entry.pop(key, None)
                    else:
                        entry[key] = value

    @contextmanager
    def _changing(self) -> Iterator[None]:
        """Read the file, let it be changed and write it, while no other program does."""
        try:
            lock = os.open(self.path.parent, os.O_RDONLY | os.O_CLOEXEC)  # the directory's: no file stays behind
        except OSError as error:
            raise ConfigurationError(f"cannot write the accounts file {self.path}: {error}") from error
        try:
            with suppress(OSError):  # some file systems of networks lock no directories
                fcntl.flock(lock, fcntl.LOCK_EX)
            self._read()
            yield
            self._write()
        finally:
            os.close(lock)

    def _write(self) -> None:
        tables = [
            "\n".join([f"[{kind}.{_key(name)}]", *(f"{_key(key)} = {_value(entry[key])}" for key in entry)])
            for kind, entries in (("accounts", self._accounts), ("web_users", self._web_users))
            for name, entry in entries.items()
        ]
        try:
            replace_file(self.path, "\n\n".join([*tables, ""]).encode())
        except OSError as error:
            raise ConfigurationError(f"cannot write the accounts file {self.path}: {error}") from error


def _key(name: str) -> str:
    return name if _BARE_KEY.fullmatch(name) else _value(name)


def _value(value: Value) -> str:
    # JSON's strings, integers, booleans and arrays of them are TOML's, but for DEL, which TOML wants escaped.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
