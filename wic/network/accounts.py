"""The accounts file that an embedded network writes for its subscribers (`accounts.toml`, mode 0600).

It is the only place where a password of the network stays readable; the HSS and the WAF keep hashes. Besides the
accounts of clients it holds the passwords of web users, for people who sign in with a browser. Whatever else somebody
has written into it stays as it is.
"""

from __future__ import annotations

import re
import tomllib
from contextlib import contextmanager, suppress
from copy import deepcopy
from typing import TYPE_CHECKING, TypeAlias

from wic.aio import FileLock
from wic.errors import ConfigurationError
from wic.files import replace_file
from wic.network.toml_text import TomlText, Value

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

__all__ = ["AccountsFile", "Value"]

Tables: TypeAlias = "dict[str, dict[str, object]]"

# What says who registers where and how, and goes when an account gets something else of the kind.
_REGISTRATION = re.compile(
    r"server|ca|insecure|imp[iu]|impus|usim|amf|algorithm|accept|waf|wwsf|client_id|pool"
    r"|(password|k|opc?|client_secret|token)(_file|_env)?"
)


class AccountsFile:
    """An accounts file; each change is made to what is in the file then, for other programs write it too.

    Args:
        path: the file; it need not exist.

    Raises:
        ConfigurationError: it exists and is no accounts file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._text = ""
        self._document: dict[str, object] = {}
        self._read()

    def _read(self) -> None:
        path = self.path
        try:
            self._text = path.read_text("utf-8") if path.exists() else ""
            self._document = tomllib.loads(self._text)
        except (OSError, ValueError, RecursionError) as error:
            raise ConfigurationError(f"cannot read the accounts file {path}: {error}") from error
        self._accounts = self._tables("accounts")
        self._web_users = self._tables("web_users")

    def _tables(self, kind: str) -> Tables:
        tables = self._document.get(kind, {})
        if not isinstance(tables, dict):
            raise ConfigurationError(f"{self.path}: {kind} is not a table")
        for name, entry in tables.items():
            if not isinstance(entry, dict):
                raise ConfigurationError(f"{self.path}: {kind}.{name} is not a table")
        return deepcopy(tables)

    def names(self) -> list[str]:
        """Return the names of the accounts, in their order."""
        return list(self._accounts)

    def get(self, name: str) -> Mapping[str, Value] | None:
        """Return one account's entries, as far as the network could have written them."""
        entry = self._accounts.get(name)
        return None if entry is None else _written(entry)

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
        """Add one account, or let it register in another way, and write the file."""
        with self._changing():
            kept = self._accounts.get(name, {}).items()
            others = {key: value for key, value in kept if key in entry or not _REGISTRATION.fullmatch(key)}
            self._accounts[name] = {**others, **entry}

    def remove(self, impi: str) -> None:
        """Remove the accounts with this private identity and write the file."""
        with self._changing():
            self._accounts = {name: entry for name, entry in self._accounts.items() if entry.get("impi") != impi}

    def move(self, server: str, *, domain: str, ca: str | None, web: Mapping[str, str]) -> None:
        """Point every account of the network to the place where it listens now, and write the file.

        Args:
            server: the eP-CSCF's WebSocket URL.
            domain: the home domain; accounts with private identities of others are somebody else's.
            ca: file of the trust anchor; None where there is no TLS.
            web: URLs of the web servers, by the key that names them.
        """
        with self._changing():
            for entry in self._accounts.values():
                if str(entry.get("impi", f"@{domain}")).partition("@")[2] != domain:
                    continue
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
            lock = FileLock(self.path.parent)  # the directory's: no file stays behind
        except OSError as error:
            raise ConfigurationError(f"cannot write the accounts file {self.path}: {error}") from error
        with lock:
            with suppress(OSError):  # some network file systems lock no directories
                lock.acquire()
            self._read()
            yield
            self._write()

    def _write(self) -> None:
        text = TomlText(self._text)
        try:
            for kind, tables in self._own.items():
                self._change(text, kind, tables)
            written = str(text)
            if _filled(tomllib.loads(written)) != _filled(self._document | self._own):
                raise ValueError  # an entry is in some other place
        except (KeyError, ValueError):
            raise ConfigurationError(
                f"cannot change the accounts file {self.path}: write each account as a table of its own, [accounts.NAME]"
            ) from None
        if written == self._text:
            return
        try:
            replace_file(self.path, written.encode())
        except OSError as error:
            raise ConfigurationError(f"cannot write the accounts file {self.path}: {error}") from error
        self._text = written

    @property
    def _own(self) -> dict[str, Tables]:
        return {"accounts": self._accounts, "web_users": self._web_users}

    def _change(self, text: TomlText, kind: str, tables: Tables) -> None:
        before = self._tables(kind)
        for name in before.keys() - tables.keys():
            text.drop((kind, name))
        for name, entry in tables.items():
            if name not in before:
                text.add((kind, name), _written(entry))
                continue
            for key in before[name].keys() - entry.keys():
                text.remove((kind, name), key)
            for key, value in _written(entry).items():
                if before[name].get(key) != value:
                    text.put((kind, name), key, value)


def _filled(document: Mapping[str, object]) -> Mapping[str, object]:
    """Return a document without empty tables, which need not be written."""
    return {key: value for key, value in document.items() if value != {}}


def _written(entry: Mapping[str, object]) -> Mapping[str, Value]:
    return {key: value for key, value in entry.items() if isinstance(value, str | bool | int | list)}
