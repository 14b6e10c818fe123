"""A disk that is full, and a file that another process holds."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from wic.errors import ConfigurationError, StorageFailed
from wic.network.hss import CommandAction, CommandOutcome, Hss, UsimKeys, make_profile

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
    "an order": lambda hss: hss.submit_command(IMPI, CommandAction.DEREGISTER, now=0),
    "old orders": lambda hss: hss.pending_commands(now=0),
    "what came of it": lambda hss: hss.complete_command(1, CommandOutcome.DONE),
    "an order that is done": lambda hss: hss.delete_command(1),
}


@pytest.fixture
def hss(tmp_path: Path) -> Iterator[Hss]:
    with Hss(tmp_path / "hss.db", realm="ims.example") as database:
        database.add_usim(IMPI, ["sip:alice@ims.example"], UsimKeys.made_up())
        database._db.execute("PRAGMA busy_timeout = 0")
        yield database


@pytest.fixture
def locked(hss: Hss, tmp_path: Path) -> Iterator[None]:
    with closing(sqlite3.connect(tmp_path / "hss.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield


def test_what_finds_no_room_is_not_done(hss: Hss) -> None:
    """SQLite rolls back by itself then, which must not hide what has happened."""
    crowd = make_profile("bob@ims.example", [f"sip:bob-{number}@ims.example" for number in range(1000)])
    hss._db.execute("PRAGMA max_page_count = 1")
    with pytest.raises(StorageFailed, match=r"cannot write the database .*hss\.db: database or disk is full"):
        hss.add(crowd)
    assert [each.impi for each in hss.subscribers()] == [IMPI]
    hss._db.execute("PRAGMA max_page_count = 100000")
    hss.add(crowd)
    assert hss.subscriber("bob@ims.example") == crowd


@pytest.mark.usefixtures("locked")
@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_nothing_is_changed_while_somebody_else_holds_the_file(hss: Hss, change: Callable[[Hss], object]) -> None:
    with pytest.raises(StorageFailed, match="database is locked"):
        change(hss)
    assert hss.has_usim(IMPI)


def test_a_commit_that_fails_leaves_nothing_open(hss: Hss) -> None:
    hss._db.execute("CREATE TABLE later (impi TEXT REFERENCES subscriber DEFERRABLE INITIALLY DEFERRED)")
    with pytest.raises(sqlite3.IntegrityError), hss.transaction() as db:
        db.execute("INSERT INTO later VALUES ('nobody')")
    assert hss.remove(IMPI)


def test_a_file_that_is_held_while_it_is_made_new(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wic.network.sqlite_file._BUSY_TIMEOUT", 0.0)
    with closing(sqlite3.connect(tmp_path / "old.db", isolation_level=None)) as other:
        other.execute("PRAGMA journal_mode = WAL")
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(ConfigurationError, match="locked"):
            Hss(tmp_path / "old.db", realm="ims.example")
