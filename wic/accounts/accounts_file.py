"""The accounts file as an embedded network keeps it for its subscribers (`accounts.toml`, mode 0600).

It is the only place where a password of the network stays readable; the HSS and the WAF keep hashes. Besides the accounts
of clients, `[accounts.NAME]`, it holds the passwords of web users, `[web_users.NAME]`. The user and other programs write
into the file too: each change is made to what is in the file at that moment, under a lock, and leaves everything else as
it is, comments and order included.
"""

from __future__ import annotations

import tomllib
from contextlib import contextmanager, suppress
from copy import deepcopy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self, TypeAlias

from wic.accounts.schema import SETTINGS, AuthScheme, is_kept
from wic.accounts.toml_writer import TomlText, Value
from wic.aio import FileLock
from wic.errors import ConfigurationError
from wic.files import replace_file

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

__all__ = ["AccountsChange", "AccountsFile", "Value"]

Tables: TypeAlias = "dict[str, dict[str, object]]"


class AccountsFile:
    """An accounts file that is read and changed.

    Args:
        path: the file; it need not exist.

    Raises:
        ConfigurationError: it exists and is no accounts file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._contents = AccountsChange.read(path)  # without the lock: files are replaced in one step

    def names(self) -> list[str]:
        """Return the names of the accounts, in their order."""
        return list(self._contents.accounts)

    def get(self, name: str) -> Mapping[str, Value] | None:
        """Return one account's entries, as far as the network could have written them."""
        entry = self._contents.accounts.get(name)
        return None if entry is None else _written(entry)

    def web_password(self, name: str) -> str | None:
        """Return the password of a web user."""
        password = self._contents.web_users.get(name, {}).get("password")
        return password if isinstance(password, str) else None

    def put_web_user(self, name: str, password: str) -> None:
        """Add or replace one web user and write the file."""
        with self.changing() as change:
            change.put_web_user(name, password)

    def put(self, name: str, entry: Mapping[str, Value]) -> None:
        """Add one account, or give it another way to register, and write the file."""
        with self.changing() as change:
            change.put(name, entry)

    def move(self, server: str, *, domain: str, ca: str | None, web: Mapping[str, str]) -> None:
        """Point every account of the network to the address where it listens now, and write the file.

        Args:
            server: the eP-CSCF's WebSocket URL.
            domain: the home domain; accounts with private identities of other domains are left alone.
            ca: file of the trust anchor; None where there is no TLS.
            web: URLs of the web servers, by the key that names them.
        """
        with self.changing() as change:
            for entry in change.accounts.values():
                # An account without a private identity borrows one from the pool of this network.
                if str(entry.get("impi", f"@{domain}")).partition("@")[2] != domain:
                    continue
                entry["server"] = server  # with port 0 it differs after each start
                entry.update({key: url for key, url in web.items() if key in entry})
                for key, value in (("ca", ca), ("insecure", None if server.startswith("wss:") else True)):
                    if value is None:
                        entry.pop(key, None)
                    else:
                        entry[key] = value

    @contextmanager
    def changing(self) -> Iterator[AccountsChange]:
        """Read the file, have it changed and write it once, while no other program does; an error changes nothing.

        Raises:
            ConfigurationError: it cannot be read or written.
        """
        try:
            lock = FileLock(self.path.parent, make=False)  # the directory's: no file stays behind
        except OSError as error:
            raise ConfigurationError(f"cannot write the accounts file {self.path}: {error}") from error
        with lock:
            with suppress(OSError):  # some network file systems lock no directories
                lock.acquire()
            change = AccountsChange.read(self.path)  # again: another program may have changed it
            yield change
            change.write()
        self._contents = change


@dataclass(slots=True, repr=False)  # its text is full of secrets
class AccountsChange:
    """An accounts file as it was read, and its tables as they shall be."""

    path: Path
    text: str
    document: dict[str, object]
    accounts: Tables
    web_users: Tables
    draft: str | None = None
    """The text to be written, once it is certain that it says what it shall."""

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a file; one that does not exist is empty.

        Raises:
            ConfigurationError: it cannot be read, or is no accounts file.
        """
        try:
            text = path.read_text("utf-8") if path.exists() else ""
            document = tomllib.loads(text)
        except UnicodeDecodeError:
            raise ConfigurationError(f"the accounts file {path} is not UTF-8 text") from None
        except (OSError, ValueError, RecursionError) as error:
            raise ConfigurationError(f"cannot read the accounts file {path}: {error}") from error
        accounts, web_users = (_tables(path, document, kind) for kind in ("accounts", "web_users"))
        return cls(path, text, document, accounts, web_users)

    def put(self, name: str, entry: Mapping[str, Value]) -> None:
        """Add one account, or give it another way to register."""
        auth = AuthScheme(entry.get("auth", SETTINGS["auth"].default))
        before = self.accounts.get(name, {}).items()  # preferences of the user stay
        kept = {key: value for key, value in before if key in entry or is_kept(key, auth)}
        self.accounts[name] = {**kept, **entry}

    def put_web_user(self, name: str, password: str) -> None:
        """Add or replace one web user."""
        self.web_users[name] = {"password": password}

    def remove(self, impi: str) -> None:
        """Remove the accounts with this private identity."""
        for name in [name for name, entry in self.accounts.items() if entry.get("impi") == impi]:
            del self.accounts[name]

    def forget_web_user(self, name: str, account: str, impi: str) -> None:
        """Remove one web user with the account to sign in with, unless that account is another subscriber's."""
        self.web_users.pop(name, None)
        if self.accounts.get(account, {}).get("impi") == impi:
            del self.accounts[account]

    def prepare(self) -> str:
        """Return the text to be written, once it is proved to say what it shall; nothing may be changed afterwards.

        Raises:
            ConfigurationError: the tables cannot be changed without changing what is beside them.
        """
        if self.draft is not None:
            return self.draft
        wanted = {"accounts": self.accounts, "web_users": self.web_users}
        text = TomlText(self.text)
        try:
            for kind, tables in wanted.items():
                _change(text, kind, before=_tables(self.path, self.document, kind), after=tables)
            draft = str(text)
            # The edit works on the text; only the parsed result proves that it changed what it should and no more.
            if _without_empty(tomllib.loads(draft)) != _without_empty(self.document | wanted):
                raise ValueError  # an entry is in some other place
        except (KeyError, ValueError):
            raise ConfigurationError(
                f"cannot change the accounts file {self.path}: write each account as a table of its own, [accounts.NAME]"
            ) from None
        self.draft = draft
        return draft

    def write(self) -> None:
        """Write the file, unless that is done or nothing has changed.

        Raises:
            ConfigurationError: it cannot be written, or not without changing what is beside the tables.
        """
        draft = self.prepare()
        if draft == self.text:  # the time of the file tells of changes only
            return
        try:
            replace_file(self.path, draft.encode())
        except OSError as error:
            raise ConfigurationError(f"cannot write the accounts file {self.path}: {error}") from error
        self.text = draft


def _tables(path: Path, document: Mapping[str, object], kind: str) -> Tables:
    tables = document.get(kind, {})
    if not isinstance(tables, dict):
        raise ConfigurationError(f"{path}: {kind} is not a table")
    for name, entry in tables.items():
        if not isinstance(entry, dict):
            raise ConfigurationError(f"{path}: {kind}.{name} is not a table")
    return deepcopy(tables)  # changed by the caller, and compared with the document afterwards


def _change(text: TomlText, kind: str, *, before: Tables, after: Tables) -> None:
    """Change the tables of a kind in a document to what they shall be."""
    # Table by table and key by key, so that comments and foreign entries stay where they are.
    for name in before.keys() - after.keys():
        text.drop((kind, name))
    for name, entry in after.items():
        if name not in before:
            text.add((kind, name), _written(entry))
            continue
        for key in before[name].keys() - entry.keys():
            text.remove((kind, name), key)
        for key, value in _written(entry).items():
            if before[name].get(key) != value:
                text.put((kind, name), key, value)


def _without_empty(document: Mapping[str, object]) -> Mapping[str, object]:
    """Return a document without empty tables, which need not be written."""
    return {key: value for key, value in document.items() if value != {}}


def _written(entry: Mapping[str, object]) -> Mapping[str, Value]:
    return {key: value for key, value in entry.items() if isinstance(value, str | bool | int | list)}
