"""The database as a whole: what survives a crash, a full disk, a locked file, and an older version."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from wic.errors import StorageFailed
from wic.network.hss import MIGRATIONS, CommandAction, CommandOutcome, Hss, UsimKeys, make_profile

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

IMPI = "alice@ims.example"
CHANGES: dict[str, Callable[[Hss], object]] = {
    "a subscriber": lambda hss: hss.remove(IMPI),
    "a password": lambda hss: hss.remove_passwords(IMPI),
    "a USIM": lambda hss: hss.remove_usim(IMPI),
    "a vector": lambda hss: hss.next_vector(IMPI, bytes(16)),
    "bindings": lambda hss: hss.change_bindings(IMPI, remove=["k"]),
    "a command": lambda hss: hss.submit_command(IMPI, CommandAction.DEREGISTER, now=0),
    "abandoned commands": lambda hss: hss.pending_commands(now=0),
    "an outcome": lambda hss: hss.complete_command(1, CommandOutcome.DONE),
    "a command that was executed": lambda hss: hss.delete_command(1),
}


@pytest.fixture
def hss(tmp_path: Path) -> Iterator[Hss]:
    """Database with one subscriber, which does not wait for a lock."""
    with Hss(tmp_path / "hss.db", realm="ims.example") as database:
        database.add_usim(make_profile(IMPI, ["sip:alice@ims.example"]), UsimKeys.made_up())
        with database.transaction() as db:
            db.execute("PRAGMA busy_timeout = 0")
        yield database


@pytest.fixture
def locked(hss: Hss, tmp_path: Path) -> Iterator[None]:
    """Let another connection hold the file."""
    with closing(sqlite3.connect(tmp_path / "hss.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield


def test_acknowledged_bindings_survive_kill_9(tmp_path: Path) -> None:
    script = f"""
import pathlib, sys
from wic.network.hss import Hss, StoredBinding, make_profile
hss = Hss(pathlib.Path({str(tmp_path / "hss.db")!r}), realm="x")
hss.add(make_profile("a", ["sip:a@x"]), {{"MD5": "aa"}})
number = 0
while True:
    hss.change_bindings("a", store=[StoredBinding(impi="a", key=f"k{{number}}", contact="<sip:c>", path=(), call_id="i",
                                            cseq=number, expires_at=1e12)])
    print(number, flush=True)
    number += 1
"""
    process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    for _ in range(200):
        acknowledged = int(process.stdout.readline())
    os.kill(process.pid, signal.SIGKILL)
    rest = process.stdout.read().split("\n")
    process.stdout.close()
    process.wait()
    acknowledged = int(([acknowledged] + [number for number in rest[:-1] if number])[-1])
    with Hss(tmp_path / "hss.db", realm="ims.example") as hss:
        assert hss.subscriber("a") == make_profile("a", ["sip:a@x"])
        keys = {b.key for b in hss.bindings("a", now=0)}
    assert {f"k{number}" for number in range(acknowledged + 1)} <= keys


@pytest.mark.usefixtures("locked")
@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_nothing_is_changed_while_another_process_holds_the_file(hss: Hss, change: Callable[[Hss], object]) -> None:
    with pytest.raises(StorageFailed, match="database is locked"):
        change(hss)
    assert hss.has_usim(IMPI)


def test_migration_keeps_subscribers_and_bindings(tmp_path: Path) -> None:
    old = sqlite3.connect(tmp_path / "hss.db")
    for statement in MIGRATIONS[0]:
        old.execute(statement)
    old.execute("INSERT INTO subscriber VALUES ('a@x')")
    old.execute("INSERT INTO identity VALUES ('a@x', 0, 'sip:a@x')")
    old.execute("INSERT INTO binding VALUES ('a@x', 'k', '<sip:c>', '[]', 'id', 3, 50.0)")
    old.execute("PRAGMA user_version = 1")
    old.commit()
    old.close()
    with Hss(tmp_path / "hss.db", realm="x") as hss:
        assert hss.subscriber("a@x") == make_profile("a@x", ["sip:a@x"])
        (kept,) = hss.reachable("sip:a@x", now=0)
        assert (kept.key, kept.cseq, kept.expires_at, kept.registration_set) == ("k", 3, 50.0, 0)


def test_a_change_that_fills_the_disk_is_rolled_back(hss: Hss) -> None:
    """SQLite rolls back by itself then, which must not hide what has happened."""
    crowd = make_profile("bob@ims.example", [f"sip:bob-{number}@ims.example" for number in range(1000)])
    with hss.transaction() as db:
        db.execute("PRAGMA max_page_count = 1")
    with pytest.raises(StorageFailed, match=r"cannot write the database .*hss\.db: database or disk is full"):
        hss.add(crowd)
    assert [each.impi for each in hss.subscribers()] == [IMPI]
    with hss.transaction() as db:
        db.execute("PRAGMA max_page_count = 100000")
    hss.add(crowd)
    assert hss.subscriber("bob@ims.example") == crowd


def test_several_processes_may_open_a_new_file_at_once(tmp_path: Path) -> None:
    opened: list[int] = []

    def open_it() -> None:
        with Hss(tmp_path / "hss.db", realm="x") as hss:
            opened.append(len(hss.subscribers()))

    threads = [threading.Thread(target=open_it) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert opened == [0] * 8
