"""One SQLite file that several processes may use at a time.

WAL mode, one transaction for each change, committed before the method that made it returns: what was
acknowledged survives `kill -9`. (A power cut may lose the last commits, never the file.)
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeAlias

from wic.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

Value: TypeAlias = "str | int | float | None"

BUSY_TIMEOUT = 5.0
"""Seconds to wait for another process."""


class Database:
    """A database file with a schema that is brought up to date when it is opened.

    Args:
        path: the file; made with mode 0600 if it is missing.
        migrations: one script per schema version; the file's `user_version` says how many it has seen.

    Raises:
        ConfigurationError: the file cannot be opened, is no database or was written by a newer version.
    """

    def __init__(self, path: Path, migrations: Sequence[str]) -> None:
        self._path = path
        try:
            os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
            self._db = sqlite3.connect(path, timeout=BUSY_TIMEOUT, isolation_level=None)
        except (OSError, sqlite3.Error) as error:
            raise ConfigurationError(f"cannot open the database {path}: {error}") from error
        try:
            self._prepare(migrations)
        except sqlite3.Error as error:
            self._db.close()
            raise ConfigurationError(f"cannot use the database {path}: {error}") from error
        except ConfigurationError:
            self._db.close()
            raise

    def _prepare(self, migrations: Sequence[str]) -> None:
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = NORMAL")
        self._db.execute("PRAGMA foreign_keys = ON")
        with self.transaction():
            (version,) = self._db.execute("PRAGMA user_version").fetchone()
            if version > len(migrations):
                raise ConfigurationError(f"the database {self._path} was written by a newer version of wic")
            for script in migrations[version:]:
                for statement in filter(str.strip, script.split(";")):
                    self._db.execute(statement)
            self._db.execute(f"PRAGMA user_version = {len(migrations)}")

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Make the changes within the block together, or none of them."""
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    def change(self, statement: str, *values: Value) -> int:
        """Run a statement that changes rows; return how many."""
        return self._db.execute(statement, values).rowcount

    def row(self, query: str, *values: Value) -> tuple[Value, ...] | None:
        """Return the first row of a query."""
        found: tuple[Value, ...] | None = self._db.execute(query, values).fetchone()
        return found

    def rows(self, query: str, *values: Value) -> list[tuple[Value, ...]]:
        """Return all rows of a query."""
        return self._db.execute(query, values).fetchall()

    def close(self) -> None:
        """Close the file."""
        self._db.close()
