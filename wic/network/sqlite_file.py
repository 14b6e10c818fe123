"""SQLite file that several processes may use at a time: opening, schema migration, transactions.

Every store of the network is one: HSS, WAF and WWSF. WAL mode, one transaction for each change, committed before the
method that made it returns: what was acknowledged survives `kill -9`. (A power cut may lose the last commits, never the
file.)

Files are damaged, and operators delete them. Each read and write that SQLite refuses is a `StorageFailed`, whose message
says what to do. A file that was deleted goes on without its name, and SQLite does not notice: so every change looks first
whether the file is still there, and nothing is acknowledged that would be lost with the process.
"""

from __future__ import annotations

import errno
import json
import os
import sqlite3
import time
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any, Self, TypeAlias

from wic.errors import ConfigurationError, StorageFailed

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

__all__ = ["SqliteFile", "Value", "read_json"]

Value: TypeAlias = "str | int | float | None"

_BUSY_TIMEOUT = 5.0
"""Seconds to wait for another process."""
_BUSY_PAUSE = 0.02
"""Seconds between two attempts where SQLite does not wait itself."""
_LOG_BEGINS = (b"\x37\x7f\x06\x82", b"\x37\x7f\x06\x83")
"""First octets of a write-ahead log, by the byte order of its checksums (SQLite file format §4.1)."""


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
            self._target, self._identity = target, _identity(os.stat(target))
            self._log: tuple[int, int] | None = None  # identity of the write-ahead log, once there is one
            self._log_file: int | None = None  # it has no locks, which the end of any descriptor would end (fcntl(2))
            self._seen: tuple[int, int] | None = None  # time and size of the file when it was looked at last
        except (OSError, sqlite3.Error) as error:
            raise ConfigurationError(f"cannot open the database {path}: {error}") from error
        try:
            self._prepare(migrations)
            opened = os.stat(target)
            self._seen = opened.st_mtime_ns, opened.st_size
        except StorageFailed as error:
            self.close()
            raise ConfigurationError(str(error)) from error
        except BaseException:
            self.close()
            raise

    def _prepare(self, migrations: Sequence[Sequence[str]]) -> None:
        with self._guarded("use"):
            self._write_ahead()
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

    def _write_ahead(self) -> None:
        """Turn WAL on: readers go on while another process writes; with NORMAL a commit does not wait for the disk."""
        until = time.monotonic() + _BUSY_TIMEOUT
        while True:
            try:
                self._db.execute("PRAGMA journal_mode = WAL")
                return
            except sqlite3.OperationalError as error:
                # SQLite does not wait here for another process that turns it on as well, as several do with a new file.
                if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() >= until:
                    raise
            time.sleep(_BUSY_PAUSE)

    def _version(self) -> int:
        (version,) = self._db.execute("PRAGMA user_version").fetchone()
        return int(version)

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Run a block as one transaction, which is committed at its end and rolled back by an exception.

        A block within another one belongs to the outer transaction.

        Raises:
            StorageFailed: the disk is full or fails, another process holds the file, or it is damaged or was deleted.
        """
        if self._db.in_transaction:
            yield self._db
            return
        self._check_file()
        with self._guarded("write"):
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
    def _guarded(self, what: str) -> Iterator[None]:
        try:
            yield
        except (sqlite3.IntegrityError, sqlite3.ProgrammingError):  # of the statement, not of the file
            raise
        except sqlite3.OperationalError as error:
            raise StorageFailed(f"cannot {what} the database {self._path}: {error}") from error
        except sqlite3.DatabaseError as error:
            raise StorageFailed(
                f"cannot {what} the database {self._path}: {error}; stop what uses it, and restore a copy of the file"
            ) from error

    def _check_file(self, *, to_read: bool = False) -> None:
        """Look whether the file is still there and still a database; SQLite may have all that it needs in memory.

        What a deleted file holds can still be read, but not beside another one of its name: the two would share one
        write-ahead log.

        Raises:
            StorageFailed: it was deleted or replaced, or is no database any more.
        """
        found, log = _status(self._target), _status(f"{self._target}-wal")
        there = found is not None and _identity(found) == self._identity
        # SQLite makes the log with the first change, and removes it with the last connection only.
        try:
            if log is not None and self._log is None:
                self._log_file = os.open(f"{self._target}-wal", os.O_RDONLY)
                self._log = _identity(log)
            begin = b"" if self._log_file is None or to_read else os.pread(self._log_file, 4, 0)
        except OSError as error:
            raise StorageFailed(f"cannot use the database {self._path}: {error}") from error
        log_is_there = self._log is None or (log is not None and _identity(log) == self._log)
        if not (there and log_is_there) and not (found is None and to_read):
            raise StorageFailed(
                f"the database {self._path} was deleted or replaced while it was in use: stop what uses it,"
                " restore a copy of the file, and start again"
            )
        # SQLite reads the beginning of the log at the next start only, and would find nothing of what was committed.
        if begin and begin not in _LOG_BEGINS:
            raise StorageFailed(
                f"cannot use the database {self._path}: its write-ahead log is damaged; stop what uses it, and restore a copy"
                " of the file"
            )
        # With a write-ahead log only a checkpoint, of any process, changes the file: few changes are looked at.
        if found is not None and self._seen is not None and (found.st_mtime_ns, found.st_size) != self._seen:
            self._check_content()
            self._seen = found.st_mtime_ns, found.st_size

    def _check_content(self) -> None:
        with self._guarded("use"), closing(sqlite3.connect(self._path, timeout=_BUSY_TIMEOUT)) as fresh:
            (version,) = fresh.execute("PRAGMA user_version").fetchone()
        if not version:
            raise StorageFailed(
                f"cannot use the database {self._path}: it was emptied; stop what uses it, and restore a copy of the file"
            )

    def change(self, statement: str, *values: Value) -> int:
        """Run a statement that changes rows; return how many.

        Raises:
            StorageFailed: as of `transaction`.
        """
        self._check_file()
        with self._guarded("write"):
            return self._db.execute(statement, values).rowcount

    def row(self, query: str, *values: Value) -> tuple[Any, ...] | None:
        """Return the first row of a query.

        Raises:
            StorageFailed: the file is damaged, was replaced, or cannot be read.
        """
        self._check_file(to_read=True)
        with self._guarded("read"):
            found: tuple[Any, ...] | None = self._db.execute(query, values).fetchone()
            return found

    def rows(self, query: str, *values: Value) -> list[tuple[Any, ...]]:
        """Return all rows of a query.

        Raises:
            StorageFailed: the file is damaged, was replaced, or cannot be read.
        """
        self._check_file(to_read=True)
        with self._guarded("read"):
            return self._db.execute(query, values).fetchall()

    def data_version(self) -> int:
        """Return a number that changes whenever another connection has changed the file; it costs microseconds.

        Raises:
            StorageFailed: the file is damaged, or was deleted.
        """
        self._check_file()
        with self._guarded("read"):
            (number,) = self._db.execute("PRAGMA data_version").fetchone()
        return int(number)

    def close(self) -> None:
        """Close the file."""
        self._db.close()
        if self._log_file is not None:
            os.close(self._log_file)
            self._log_file = None

    def __enter__(self) -> Self:
        """Return the open file."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the file."""
        self.close()


def read_json(text: str) -> Any:
    """Read a JSON document that a row holds.

    Raises:
        StorageFailed: it is none.
    """
    try:
        return json.loads(text)
    except ValueError as error:
        raise StorageFailed(f"a row of the database is damaged: {error}; restore a copy of the file") from error


def _status(path: str) -> os.stat_result | None:
    try:
        return os.stat(path)
    except OSError:
        return None


def _identity(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino
