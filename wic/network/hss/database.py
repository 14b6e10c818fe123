"""One SQLite file: opened, brought up to date, changed in transactions."""

from __future__ import annotations

import os
import sqlite3
from contextlib import contextmanager
from typing import TYPE_CHECKING, Self

from wic.errors import ConfigurationError
from wic.network.hss.migrations import MIGRATIONS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from types import TracebackType


class Database:
    """The file behind the tables.

    Args:
        path: the file; made with mode 0600 if it is missing.
        realm: the home network's domain.

    Raises:
        ConfigurationError: the file cannot be opened, is no database or was written by a newer version.
    """

    def __init__(self, path: Path, *, realm: str) -> None:
        self.realm = realm
        self._path = path
        try:
            os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
            self._db = sqlite3.connect(path, timeout=5, isolation_level=None)
        except (OSError, sqlite3.Error) as error:
            raise ConfigurationError(f"cannot open the subscriber database {path}: {error}") from error
        try:
            self._prepare()
        except sqlite3.Error as error:
            self._db.close()
            raise ConfigurationError(f"cannot use the subscriber database {path}: {error}") from error
        except ConfigurationError:
            self._db.close()
            raise

    def _prepare(self) -> None:
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = NORMAL")
        self._db.execute("PRAGMA foreign_keys = ON")
        if self._version() == len(MIGRATIONS):
            return
        # Two processes may open an old file at once: the second one waits, and finds nothing left to do.
        with self.transaction() as db:
            version = self._version()
            if version > len(MIGRATIONS):
                raise ConfigurationError(f"the subscriber database {self._path} was written by a newer version of wic")
            for statements in MIGRATIONS[version:]:
                for statement in statements:
                    db.execute(statement)
            db.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")

    def _version(self) -> int:
        (version,) = self._db.execute("PRAGMA user_version").fetchone()
        return int(version)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def changes_of_others(self) -> int:
        """Return a number that is another one whenever another connection has changed the file."""
        (number,) = self._db.execute("PRAGMA data_version").fetchone()
        return int(number)

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Do what is inside whole or not at all; it is committed when the block has ended."""
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield self._db
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")
