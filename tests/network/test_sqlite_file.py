"""Database file: opening, migration, transactions, and other processes."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from wic.errors import ConfigurationError
from wic.network.sqlite_file import SqliteFile

if TYPE_CHECKING:
    from pathlib import Path

MIGRATIONS = (("CREATE TABLE item (name TEXT PRIMARY KEY)",), ("ALTER TABLE item ADD COLUMN number INTEGER DEFAULT 0",))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "items.db"


def add(file: SqliteFile, name: str) -> None:
    with file.transaction() as db:
        db.execute("INSERT INTO item VALUES (?, 0)", (name,))


def names(file: SqliteFile) -> list[str]:
    with file.transaction() as db:
        return [name for (name,) in db.execute("SELECT name FROM item ORDER BY name")]


def test_files_are_for_the_owner_only(path: Path, tmp_path: Path) -> None:
    with SqliteFile(path, MIGRATIONS) as file:
        add(file, "a")
        files = list(tmp_path.iterdir())
        assert {each.name for each in files} == {"items.db", "items.db-wal", "items.db-shm"}
        assert [each.stat().st_mode & 0o077 for each in files] == [0, 0, 0]


def test_the_target_of_a_link_is_for_the_owner_only(path: Path, tmp_path: Path) -> None:
    path.symlink_to(tmp_path / "elsewhere.db")
    with SqliteFile(path, MIGRATIONS) as file:
        add(file, "a")
        assert {each.stat().st_mode & 0o077 for each in tmp_path.iterdir()} == {0}


def test_a_file_that_cannot_be_written_is_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    SqliteFile(path, MIGRATIONS).close()
    path.chmod(0o400)
    # To root any file can be written, and root may run the tests.
    monkeypatch.setattr("os.access", lambda path, mode: not mode & os.W_OK)
    with pytest.raises(ConfigurationError, match="Permission denied"):
        SqliteFile(path, MIGRATIONS)


def test_another_process_leaves_the_log_of_two_connections(path: Path) -> None:
    """The second connection of a process must not end the locks of its first."""
    with SqliteFile(path, MIGRATIONS) as file:
        add(file, "a")
        SqliteFile(path, MIGRATIONS).close()
        other = f"import sqlite3; db = sqlite3.connect({str(path)!r}); print(*db.execute('SELECT name FROM item')); db.close()"
        shown = subprocess.run([sys.executable, "-c", other], capture_output=True, text=True, timeout=30, check=True)
        assert shown.stdout == "('a',)\n"
        assert path.with_name("items.db-wal").exists()
        add(file, "b")
        with closing(sqlite3.connect(path)) as database:
            assert database.execute("SELECT name FROM item ORDER BY name").fetchall() == [("a",), ("b",)]


def test_an_older_schema_is_brought_up_to_date(path: Path) -> None:
    with SqliteFile(path, MIGRATIONS[:1]) as old, old.transaction() as db:
        db.execute("INSERT INTO item VALUES ('a')")
    with SqliteFile(path, MIGRATIONS) as new, new.transaction() as db:
        assert db.execute("SELECT * FROM item").fetchall() == [("a", 0)]


def test_a_newer_schema_is_refused(path: Path) -> None:
    with closing(sqlite3.connect(path)) as database:
        database.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
    with pytest.raises(ConfigurationError, match="newer version"):
        SqliteFile(path, MIGRATIONS)


def test_a_file_that_is_no_database_is_refused(path: Path, tmp_path: Path) -> None:
    path.write_bytes(b"no database" * 100)
    with pytest.raises(ConfigurationError, match="cannot use"):
        SqliteFile(path, MIGRATIONS)
    with pytest.raises(ConfigurationError, match="cannot open"):
        SqliteFile(tmp_path / "missing" / "items.db", MIGRATIONS)


def test_a_file_that_is_locked_while_it_is_migrated_is_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wic.network.sqlite_file._BUSY_TIMEOUT", 0.0)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("PRAGMA journal_mode = WAL")
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(ConfigurationError, match="locked"):
            SqliteFile(path, MIGRATIONS)


def test_the_data_version_tells_changes_of_other_connections(path: Path) -> None:
    with SqliteFile(path, MIGRATIONS) as file, SqliteFile(path, MIGRATIONS) as other:
        before = file.data_version()
        add(file, "a")
        assert file.data_version() == before
        add(other, "b")
        assert file.data_version() != before


def test_an_exception_rolls_back(path: Path) -> None:
    with SqliteFile(path, MIGRATIONS) as file:
        add(file, "a")
        with pytest.raises(sqlite3.IntegrityError), file.transaction() as db:
            db.executemany("INSERT INTO item VALUES (?, 0)", [("b",), ("a",)])
        assert names(file) == ["a"]


def test_a_failed_commit_leaves_no_transaction_open(path: Path) -> None:
    deferred = ("CREATE TABLE part (item TEXT REFERENCES item DEFERRABLE INITIALLY DEFERRED)",)
    with SqliteFile(path, (*MIGRATIONS, deferred)) as file:
        with pytest.raises(sqlite3.IntegrityError), file.transaction() as db:
            db.execute("INSERT INTO part VALUES ('missing')")
        add(file, "a")
        assert names(file) == ["a"]


def test_a_transaction_within_another_belongs_to_it(path: Path) -> None:
    with SqliteFile(path, MIGRATIONS) as file, SqliteFile(path, MIGRATIONS) as other:
        with file.transaction():
            add(file, "a")
            assert names(file) == ["a"]
            with closing(sqlite3.connect(path)) as reader:
                assert reader.execute("SELECT name FROM item").fetchall() == []
        assert names(other) == ["a"]

        def fail() -> None:
            with file.transaction():
                add(file, "b")
                raise KeyError

        with pytest.raises(KeyError):
            fail()
        assert names(other) == ["a"]
