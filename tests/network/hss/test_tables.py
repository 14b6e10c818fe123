"""The smaller tables: registration sets, instances, orders, entities, and what an old file becomes."""

from __future__ import annotations

import sqlite3
import threading
from typing import TYPE_CHECKING

import pytest

from wic.network.hss import (
    MIGRATIONS,
    CommandAction,
    CommandOutcome,
    Hss,
    PublicIdentity,
    StoredBinding,
    SubscriberProfile,
    make_profile,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

IMPI = "alice@ims.example"
ALICE = SubscriberProfile(
    IMPI,
    (
        PublicIdentity("sip:alice@ims.example", barred=True),
        PublicIdentity("sip:al@ims.example", display_name="Al"),
        PublicIdentity("sip:work@ims.example", registration_set=1),
    ),
)


def binding(
    *, registration_set: int = 0, key: str = "k", call_id: str = "c", instance: str | None = "<i>"
) -> StoredBinding:
    return StoredBinding(
        impi=IMPI,
        registration_set=registration_set,
        key=key,
        contact="<sip:a@b>",
        path=(),
        call_id=call_id,
        cseq=7,
        expires_at=100.0,
        instance=instance,
    )


@pytest.fixture
def hss(tmp_path: Path) -> Iterator[Hss]:
    with Hss(tmp_path / "hss.db", realm="ims.example") as database:
        database.add(ALICE)
        yield database


def test_a_subscriber_is_read_as_it_was_written(hss: Hss) -> None:
    assert hss.subscriber(IMPI) == ALICE
    assert hss.holders("sip:work@ims.example") == [ALICE]
    assert [each.impu for each in ALICE.associated(0)] == ["sip:al@ims.example"]
    assert ALICE.public_name(ALICE.identities[0]).impu == "sip:al@ims.example"
    assert ALICE.public_name(ALICE.identities[2]).impu == "sip:work@ims.example"
    assert ALICE.identity("sip:bob@ims.example") is None


def test_sets_are_bound_apart(hss: Hss) -> None:
    hss.change_bindings(IMPI, store=[binding(), binding(registration_set=1)])
    hss.change_bindings(IMPI, remove=["k"], registration_set=1)
    assert hss.bindings(IMPI, now=0) == [binding()]
    assert hss.bindings(IMPI, registration_set=1, now=0) == []
    assert hss.reachable("sip:al@ims.example", now=0) == [binding()]
    assert hss.reachable("sip:alice@ims.example", now=0) == []
    assert hss.reachable("sip:work@ims.example", now=0) == []


def test_an_instance_lasts_as_long_as_its_bindings(hss: Hss) -> None:
    hss.change_bindings(IMPI, store=[binding(key="1"), binding(key="2")])
    first = hss.instance_of(IMPI, 0, "<i>")
    assert first is not None
    assert first.first_cseq == 7
    assert hss.instance(first.number) == first
    hss.change_bindings(IMPI, store=[binding(key="1")], remove=["2"])
    assert hss.instance(first.number) == first
    hss.change_bindings(IMPI, remove=["1"])
    assert hss.instance(first.number) is None
    hss.change_bindings(IMPI, store=[binding(key="1")])
    again = hss.instance_of(IMPI, 0, "<i>")
    assert again is not None
    assert again.number > first.number
    assert [each.key for each in hss.expire(now=100.0)] == ["1"]
    assert hss.instance(again.number) is None


def test_another_call_id_is_another_instance(hss: Hss) -> None:
    hss.change_bindings(IMPI, store=[binding()])
    first = hss.instance_of(IMPI, 0, "<i>")
    hss.change_bindings(IMPI, store=[binding(call_id="d")])
    second = hss.instance_of(IMPI, 0, "<i>")
    assert first is not None
    assert second is not None
    assert second.number > first.number
    assert hss.instance(first.number) is None


def test_the_key_of_gruus_is_made_once(hss: Hss, tmp_path: Path) -> None:
    key = hss.gruu_key()
    assert len(key) == 64
    with Hss(tmp_path / "hss.db", realm="ims.example") as other:
        assert other.gruu_key() == key


def test_orders(hss: Hss) -> None:
    number = hss.submit_command(IMPI, CommandAction.DEREGISTER, reason="rejected", now=10.0)
    (order,) = hss.pending_commands(now=70.0)
    assert (order.number, order.impi, order.action, order.reason) == (
        number,
        IMPI,
        CommandAction.DEREGISTER,
        "rejected",
    )
    assert hss.command_outcome(number) is None
    hss.complete_command(number, CommandOutcome.DONE)
    assert hss.command_outcome(number) is CommandOutcome.DONE
    assert hss.pending_commands(now=70.0) == []
    hss.delete_command(number)
    assert hss.command_outcome(number) is None
    hss.submit_command(IMPI, CommandAction.DEREGISTER, reason="rejected", now=9.0)
    assert hss.pending_commands(now=70.0) == []


def test_data_version_are_noticed(hss: Hss, tmp_path: Path) -> None:
    before = hss.data_version()
    hss.change_bindings(IMPI, store=[binding()])
    assert hss.data_version() == before
    with Hss(tmp_path / "hss.db", realm="ims.example") as other:
        other.change_bindings(IMPI, remove=["k"])
    assert hss.data_version() != before


def test_entities_belong_to_a_subscriber(hss: Hss) -> None:
    hss.set_entities(IMPI, allowed=["a"], barred=["b"])
    assert [hss.may_authorize(IMPI, entity) for entity in "abc"] == [True, False, False]
    hss.set_entities(IMPI, barred=["b"])
    assert [hss.may_authorize(IMPI, entity) for entity in "abc"] == [True, False, True]
    hss.remove(IMPI)
    assert hss.may_authorize(IMPI, "b")
    with pytest.raises(sqlite3.IntegrityError):
        hss.set_entities("nobody", barred=["b"])


def test_an_old_file_keeps_what_it_holds(tmp_path: Path) -> None:
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
