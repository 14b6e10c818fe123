from __future__ import annotations

import hashlib
import os
import signal
import sqlite3
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from wic.auth.secret import Secret
from wic.errors import ConfigurationError
from wic.network.hss import MIGRATIONS, Hss, StoredBinding, make_profile

if TYPE_CHECKING:
    from pathlib import Path

ALICE = make_profile("alice@ims.example", ["sip:alice@ims.example", "tel:+491234"])


def binding(key: str, *, expires_at: float = 100.0, cseq: int = 1) -> StoredBinding:
    return StoredBinding(
        impi=ALICE.impi,
        key=key,
        contact=f"<sip:{key}@host.invalid;transport=ws>",
        path=("<sip:token@127.0.0.1:5070;lr;ob>",),
        call_id="c1",
        cseq=cseq,
        expires_at=expires_at,
    )


@pytest.fixture
def hss(tmp_path: Path) -> Hss:
    with Hss(tmp_path / "hss.db", realm="ims.example") as database:
        database.add(ALICE, {"MD5": "aa", "SHA-256": "bb"})
        yield database


def test_subscriber_is_found_by_each_identity(hss: Hss) -> None:
    assert hss.subscriber(ALICE.impi) == ALICE
    assert hss.holders("tel:+491234") == [ALICE]
    assert hss.subscribers() == [ALICE]
    assert hss.ha1(ALICE.impi, "SHA-256") == "bb"
    assert hss.algorithms(ALICE.impi) == {"MD5", "SHA-256"}


def test_unknown_ones_are_not_found(hss: Hss) -> None:
    assert hss.subscriber("nobody") is None
    assert hss.holders("sip:nobody@ims.example") == []
    assert hss.ha1(ALICE.impi, "SHA-512-256") is None
    assert hss.remove("nobody") is False


def test_adding_again_replaces_identities_and_keeps_bindings(hss: Hss) -> None:
    hss.change_bindings(ALICE.impi, store=[binding("k1")])
    hss.add(make_profile(ALICE.impi, ["sip:alicia@ims.example"]), {"MD5": "cc"})
    assert hss.holders("tel:+491234") == []
    assert hss.reachable("sip:alicia@ims.example", now=0) == [binding("k1")]


def test_removing_takes_everything_along(hss: Hss) -> None:
    hss.change_bindings(ALICE.impi, store=[binding("k1")])
    assert hss.remove(ALICE.impi) is True
    assert hss.bindings(ALICE.impi, now=0) == []
    assert hss.ha1(ALICE.impi, "MD5") is None


def test_a_public_identity_can_be_shared(hss: Hss) -> None:
    second = make_profile("alice2@ims.example", ["sip:alice@ims.example"])
    hss.add(second, {"MD5": "dd"})
    hss.change_bindings(ALICE.impi, store=[binding("k1")])
    hss.change_bindings(second.impi, store=[binding("k2")])
    assert {b.key for b in hss.reachable("sip:alice@ims.example", now=0)} == {"k1", "k2"}
    assert [b.key for b in hss.reachable("tel:+491234", now=0)] == ["k1"]


def test_expired_bindings_do_not_count(hss: Hss) -> None:
    hss.change_bindings(ALICE.impi, store=[binding("k1", expires_at=10), binding("k2", expires_at=20)])
    assert hss.next_expiry() == 10
    assert [b.key for b in hss.bindings(ALICE.impi, now=10)] == ["k2"]
    assert [b.key for b in hss.expire(now=20)] == ["k1", "k2"]
    assert hss.next_expiry() is None


def test_a_change_is_made_whole_or_not_at_all(hss: Hss) -> None:
    hss.change_bindings(ALICE.impi, store=[binding("k1")])
    with pytest.raises(sqlite3.IntegrityError):
        hss.change_bindings("nobody", store=[binding("k2")], remove=["k1"])
    hss.change_bindings(ALICE.impi, store=[binding("k2")], remove=["k1"])
    assert [b.key for b in hss.bindings(ALICE.impi, now=0)] == ["k2"]


def test_files_are_for_the_owner_only(hss: Hss, tmp_path: Path) -> None:
    hss.change_bindings(ALICE.impi, store=[binding("k1")])
    files = list(tmp_path.iterdir())
    assert {file.name for file in files} == {"hss.db", "hss.db-wal", "hss.db-shm"}
    assert [file.stat().st_mode & 0o077 for file in files] == [0, 0, 0]


def test_what_is_acknowledged_survives_kill_9(tmp_path: Path) -> None:
    script = f"""
import pathlib, sys
from wic.network.hss import StoredBinding, Hss
from wic.network.hss import make_profile
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


def test_newer_schema_is_refused(tmp_path: Path) -> None:
    database = sqlite3.connect(tmp_path / "hss.db")
    database.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
    database.close()
    with pytest.raises(ConfigurationError, match="newer version"):
        Hss(tmp_path / "hss.db", realm="ims.example")


def test_other_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "hss.db").write_bytes(b"no database" * 100)
    with pytest.raises(ConfigurationError, match="cannot use"):
        Hss(tmp_path / "hss.db", realm="ims.example")
    with pytest.raises(ConfigurationError, match="cannot open"):
        Hss(tmp_path / "missing" / "hss.db", realm="ims.example")


def test_passwords_are_hashed_with_each_algorithm(hss: Hss, tmp_path: Path) -> None:
    bob = hss.add_subscriber("bob@ims.example", ["sip:bob@IMS.example:5060", "tel:+49-30-1"], Secret("Circle of Life"))
    assert bob.impus == ("sip:bob@ims.example", "tel:+49301")
    expected = hashlib.md5(b"bob@ims.example:ims.example:Circle of Life", usedforsecurity=False).hexdigest()
    assert hss.ha1("bob@ims.example", "MD5") == expected
    assert hss.algorithms("bob@ims.example") == {"MD5", "SHA-256", "SHA-512-256"}
    assert all(b"Circle of Life" not in file.read_bytes() for file in tmp_path.iterdir())


@pytest.mark.parametrize(
    ("impi", "impus", "algorithms"),
    [
        ("", ["sip:a@x"], ["MD5"]),
        ("a@x", [], ["MD5"]),
        ("a@x", ["mailto:a@x"], ["MD5"]),
        ("a@x", ["alice"], ["MD5"]),
        ("a@x", ["sip:a@x"], ["SHA-1"]),
    ],
)
def test_identities_that_cannot_be_are_refused(hss: Hss, impi: str, impus: list[str], algorithms: list[str]) -> None:
    with pytest.raises(ConfigurationError):
        hss.add_subscriber(impi, impus, Secret("x"), algorithms=algorithms)
