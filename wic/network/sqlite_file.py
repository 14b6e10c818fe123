"""SQLite file that several processes may use at a time: opening, schema migration, transactions.

Every store of the network is one: HSS, WAF and WWSF. WAL mode, one transaction for each change, committed before the
method that made it returns: what was acknowledged survives `kill -9`. (A power cut may lose the last commits, never the
file.)
"""

from __future__ import annotations

import errno
import os
import sqlite3
from contextlib import contextmanager
from typing import TYPE_CHECKING, Self

from wic.errors import ConfigurationError, StorageFailed

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

__all__ = ["SqliteFile"]

_BUSY_TIMEOUT = 5.0
"""Seconds to wait for another process."""


class SqliteFile:
    """Database file, as a context manager; its schema is brought up to date when it is opened.

    Args:
        path: the file; made with mode 0600 if it is missing.
        migrations: the statements of each schema version; the file's `user_version` says how many it has seen.

    Raises:
        ConfigurationError: the file cannot be opened, is no database or was written by a newer version.
    """

    def __init__(self, path: Path, migrations: Sequence[Sequence[str]]) -> None:
        self._path = path
        try:
            # SQLite would make the file with the umask; its -wal and -shm files take the mode of the file itself. A file
            # that is there is not opened: POSIX ends all locks of a process on a file with the first descriptor that it
            # closes, and then another process would remove the log that this one writes.
            target = os.path.realpath(path)  # O_EXCL follows no link
            try:
                os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
            except FileExistsError:
                if not os.access(path, os.R_OK | os.W_OK):  # SQLite would open it to read, and each change would fail
                    raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path)) from None
            self._db = sqlite3.connect(path, timeout=_BUSY_TIMEOUT, isolation_level=None)
        except (OSError, sqlite3.Error) as error:
            raise ConfigurationError(f"cannot open the database {path}: {error}") from error
        try:
            self._prepare(migrations)
        except (sqlite3.Error, StorageFailed) as error:
            self._db.close()
            raise ConfigurationError(f"cannot use the database {path}: {error}") from error
        except ConfigurationError:
            self._db.close()
            raise

    def _prepare(self, migrations: Sequence[Sequence[str]]) -> None:
        # WAL lets readers go on while another process writes; with NORMAL a commit does not wait for the disk.
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = NORMAL")
        self._db.execute("PRAGMA foreign_keys = ON")
        if self._version() == len(migrations):
            return
        # Two processes may open an old file at once: the second one waits for the first, and finds it up to date.
        with self.transaction() as db:
            version = self._version()
            if version > len(migrations):
                raise ConfigurationError(f"the database {self._path} was written by a newer version of wic")
            for statements in migrations[version:]:
                for statement in statements:
                    db.execute(statement)
            db.execute(f"PRAGMA user_version = {len(migrations)}")

    def _version(self) -> int:
        (version,) = self._db.execute("PRAGMA user_version").fetchone()
        return int(version)

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Run a block as one transaction, which is committed at its end and rolled back by an exception.

        A block within another one belongs to the outer transaction.

        Raises:
            StorageFailed: the disk is full or fails, or another process holds the file.
        """
        if self._db.in_transaction:
            yield self._db
            return
        with self._writing():
            # IMMEDIATE takes the lock for writing at once: a transaction that has read first could not wait for it.
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
                self._db.execute("COMMIT")
            except BaseException:
                # After some errors, such as a full disk, SQLite has rolled back by itself.
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.OperationalError as error:
            raise StorageFailed(f"cannot write the database {self._path}: {error}") from error

    def data_version(self) -> int:
        """Return a number that changes whenever another connection has changed the file; it costs microseconds."""
        (number,) = self._db.execute("PRAGMA data_version").fetchone()
        return int(number)

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def __enter__(self) -> Self:
        """Return the open file."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the file."""
        self.close()
