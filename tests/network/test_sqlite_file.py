"""Database file: opening, migration, transactions, and other processes."""

from __future__ import annotations

import errno
import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from tests.support.subscribers import add_with_password
from wic.auth.secret import Secret
from wic.errors import ConfigurationError, StorageFailed
from wic.network.hss import Hss
from wic.network.sqlite_file import SqliteFile, read_json
from wic.network.waf.store import WafStore
from wic.network.wwsf.store import WwsfStore

if TYPE_CHECKING:
    from collections.abc import Callable
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
    before = os.listdir("/proc/self/fd")
    with pytest.raises(ConfigurationError, match="newer version"):
        SqliteFile(path, MIGRATIONS)
    assert os.listdir("/proc/self/fd") == before


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


def test_several_processes_make_one_new_file(path: Path) -> None:
    """SQLite does not wait by itself where two of them turn WAL on."""
    code = (
        "import sys; from pathlib import Path; from wic.network.sqlite_file import SqliteFile\n"
        "sys.stdin.read(1)\n"
        f"with SqliteFile(Path({str(path)!r}), {MIGRATIONS!r}) as file: file.change('INSERT INTO item VALUES (?, 0)', sys.argv[1])"
    )
    processes = [
        subprocess.Popen([sys.executable, "-c", code, str(number)], stdin=subprocess.PIPE, stderr=subprocess.PIPE)
        for number in range(4)
    ]
    for process in processes:
        assert process.stdin is not None
        process.stdin.write(b"!")
        process.stdin.flush()
    ends = [process.communicate(timeout=60) for process in processes]
    assert [(process.returncode, end[1]) for process, end in zip(processes, ends, strict=True)] == [(0, b"")] * 4
    with SqliteFile(path, MIGRATIONS) as file:
        assert names(file) == ["0", "1", "2", "3"]


def test_a_new_file_that_another_process_holds(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The rollback journal, which WAL is to replace, has one lock for all."""
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("CREATE TABLE x (y)")
        other.execute("BEGIN EXCLUSIVE")
        monkeypatch.setattr("wic.network.sqlite_file._BUSY_TIMEOUT", 0.1)
        with pytest.raises(ConfigurationError, match="database is locked"):
            SqliteFile(path, MIGRATIONS)


# Files that are damaged or gone


def open_hss(path: Path) -> tuple[SqliteFile, list[Callable[[], object]], list[Callable[[], object]]]:
    hss = Hss(path, realm="ims.example")
    reads = [
        hss.subscribers,
        lambda: hss.subscriber("a"),
        lambda: hss.holders("sip:a@b"),
        lambda: hss.ha1("a", "MD5"),
        lambda: hss.algorithms("a"),
        lambda: hss.usim("a"),
        lambda: hss.has_usim("a"),
        lambda: hss.may_authorize("a", "b"),
        lambda: hss.bindings("a", now=0),
        lambda: hss.reachable("sip:a@b", now=0),
        hss.next_expiry,
        lambda: hss.instance(1),
        lambda: hss.instance_of("a", 0, "i"),
        lambda: hss.command_outcome(1),
    ]
    writes = [
        lambda: add_with_password(hss, "a@ims.example", ["sip:a@ims.example"], Secret("s")),
        lambda: hss.change_bindings("a", remove=["x"]),
        lambda: hss.expire(now=0),
        lambda: hss.next_vector("a", bytes(16)),
    ]
    return hss, reads, writes


def open_waf(path: Path) -> tuple[SqliteFile, list[Callable[[], object]], list[Callable[[], object]]]:
    waf = WafStore(path)
    reads = [waf.users.all, lambda: waf.users.find("a"), lambda: waf.clients.find("a")]
    return waf.database, reads, [lambda: waf.expire(now=0, key_lifetime=0), lambda: waf.users.remove("a")]


def open_wwsf(path: Path) -> tuple[SqliteFile, list[Callable[[], object]], list[Callable[[], object]]]:
    wwsf = WwsfStore(path)
    reads = [wwsf.pairs, wwsf.next_free, lambda: wwsf.session("a", now=0)]
    writes = [lambda: wwsf.add_pool_pair("a", "sip:a@b"), lambda: wwsf.reserve("a", now=0, until=1)]
    return wwsf.database, reads, writes


STORES = {"HSS": open_hss, "WAF": open_waf, "WWSF": open_wwsf}


@pytest.mark.parametrize("store", STORES)
@pytest.mark.parametrize("harm", ["overwritten", "truncated"])
def test_a_file_that_is_damaged_while_it_is_open(store: str, harm: str, path: Path) -> None:
    """Each read and each write says so in one sentence; none of SQLite's own exceptions comes out."""
    file, reads, writes = STORES[store](path)
    with closing(sqlite3.connect(path)) as operator:  # without it all is in the write-ahead log, and nothing is lost
        operator.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    reads[0]()  # SQLite has the pages in memory from now on
    content = b"" if harm == "truncated" else b"\xff" * path.stat().st_size
    with open(path, "r+b") as damaged:  # the same file, as a bad disk leaves it
        damaged.truncate(0)
        damaged.write(content)
    for call in (*reads, *writes):
        with pytest.raises(StorageFailed, match=f"cannot use the database {path}: "):
            call()
    file.close()


@pytest.mark.parametrize("store", STORES)
@pytest.mark.parametrize("replaced", [False, True])
def test_a_file_that_is_deleted_while_it_is_open(store: str, replaced: bool, path: Path) -> None:
    """SQLite would go on with it, and all that was acknowledged would end with the process."""
    file, reads, writes = STORES[store](path)
    path.unlink()
    if replaced:
        STORES[store](path)[0].close()
    for call in (*writes, file.data_version):
        with pytest.raises(StorageFailed, match="was deleted or replaced while it was in use: stop what uses it"):
            call()
    for call in reads:  # what is known can still be told, but two files would share one write-ahead log
        if replaced:
            with pytest.raises(StorageFailed, match="was deleted or replaced"):
                call()
        else:
            call()
    file.close()


def test_a_log_that_is_deleted_while_it_is_open(path: Path) -> None:
    """It holds what was committed last."""
    with SqliteFile(path, MIGRATIONS) as file:
        add(file, "a")
        path.with_name("items.db-wal").unlink()
        with pytest.raises(StorageFailed, match="was deleted or replaced"):
            add(file, "b")


@pytest.mark.parametrize("store", STORES)
@pytest.mark.parametrize("file_too", [False, True])
def test_a_log_that_is_damaged_while_it_is_open(store: str, file_too: bool, path: Path) -> None:
    """What it holds would be gone with the process: SQLite itself reads it from memory until then."""
    file, _, writes = STORES[store](path)
    log = path.with_name(f"{path.name}-wal")
    assert log.stat().st_size
    for damaged in (log, path) if file_too else (log,):
        with open(damaged, "r+b") as content:
            content.write(b"\xff" * min(damaged.stat().st_size, 8000))
    # Some read first, which looks at the file only.
    words = "(file is not a database|its write-ahead log is damaged)" if file_too else "its write-ahead log is damaged"
    for call in (*writes, file.data_version):
        with pytest.raises(StorageFailed, match=f"cannot use the database {path}: {words}; stop"):
            call()
    file.close()


@pytest.mark.parametrize("call", ["open", "pread"])
def test_a_log_that_cannot_be_read(call: str, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*arguments: object) -> None:
        raise OSError(errno.EIO, "Input/output error")

    SqliteFile(path, MIGRATIONS).close()
    with SqliteFile(path, MIGRATIONS) as file:
        with monkeypatch.context() as broken:
            broken.setattr(f"wic.network.sqlite_file.os.{call}", fail)
            with pytest.raises(StorageFailed, match=f"cannot use the database {path}: .*Input/output error"):
                add(file, "a")
        add(file, "b")


def test_checkpoints_are_no_damage(path: Path) -> None:
    with SqliteFile(path, MIGRATIONS) as file, SqliteFile(path, MIGRATIONS) as other:
        for name in "abcd":
            add(file, name)
            with closing(sqlite3.connect(path)) as operator:
                operator.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            add(other, name + name)
        assert len(names(file)) == 8


@pytest.mark.parametrize("store", STORES)
def test_a_file_that_was_damaged_before(store: str, path: Path) -> None:
    STORES[store](path)[0].close()
    path.write_bytes(b"SQLite format 3\0" + b"\xff" * 8000)
    with pytest.raises(ConfigurationError, match=f"cannot use the database {path}: ") as refused:
        STORES[store](path)
    assert "restore a copy of the file" in str(refused.value)


@pytest.mark.parametrize("text", ["", "[", "\udcff"])
def test_a_row_that_is_damaged(text: str) -> None:
    with pytest.raises(StorageFailed, match="a row of the database is damaged"):
        read_json(text)
