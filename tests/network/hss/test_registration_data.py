"""Temporary subscriber data: bindings and instances."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

import pytest

from wic.errors import ConfigurationError
from wic.network.hss import Hss, PublicIdentity, StoredBinding, SubscriberProfile, UsimKeys, make_profile

if TYPE_CHECKING:
    from pathlib import Path

IMPI = "alice@ims.example"
TWO_SETS = SubscriberProfile(
    IMPI,
    (
        PublicIdentity("sip:alice@ims.example", barred=True),
        PublicIdentity("sip:al@ims.example", display_name="Al"),
        PublicIdentity("sip:work@ims.example", registration_set=1),
    ),
)


def binding(
    key: str = "k",
    *,
    registration_set: int = 0,
    call_id: str = "c",
    instance: str | None = "<i>",
    expires_at: float = 100.0,
) -> StoredBinding:
    return StoredBinding(
        impi=IMPI,
        registration_set=registration_set,
        key=key,
        contact=f"<sip:{key}@host.invalid;transport=ws>",
        path=("<sip:token@127.0.0.1:5070;lr;ob>",),
        call_id=call_id,
        cseq=7,
        expires_at=expires_at,
        instance=instance,
    )


def test_a_public_identity_can_be_shared(hss: Hss) -> None:
    second = make_profile("alice2@ims.example", ["sip:alice@ims.example"])
    hss.add(second, shared=True)
    hss.change_bindings(IMPI, store=[binding("k1")])
    hss.change_bindings(second.impi, store=[binding("k2")])
    assert {b.key for b in hss.reachable("sip:alice@ims.example", now=0)} == {"k1", "k2"}
    assert [b.key for b in hss.reachable("tel:+491234", now=0)] == ["k1"]
    hss.add(second)  # again: with other credentials it keeps what it has
    hss.add_usim(second, UsimKeys.made_up())
    more = make_profile(second.impi, ["sip:alice@ims.example", "tel:+491234"])
    with pytest.raises(ConfigurationError, match=r"tel:\+491234 is an identity of the subscriber"):
        hss.add(more)


def test_expired_bindings_do_not_count(hss: Hss) -> None:
    hss.change_bindings(IMPI, store=[binding("k1", expires_at=10), binding("k2", expires_at=20)])
    assert hss.next_expiry() == 10
    assert [b.key for b in hss.bindings(IMPI, now=10)] == ["k2"]
    assert [b.key for b in hss.expire(now=20)] == ["k1", "k2"]
    assert hss.next_expiry() is None


def test_a_change_of_bindings_is_atomic(hss: Hss) -> None:
    hss.change_bindings(IMPI, store=[binding("k1")])
    with pytest.raises(sqlite3.IntegrityError):
        hss.change_bindings("unknown", store=[binding("k2")], remove=["k1"])
    hss.change_bindings(IMPI, store=[binding("k2")], remove=["k1"])
    assert [b.key for b in hss.bindings(IMPI, now=0)] == ["k2"]


def test_registration_sets_have_separate_bindings(hss: Hss) -> None:
    hss.add(TWO_SETS)
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


def test_the_gruu_key_is_made_once(hss: Hss, tmp_path: Path) -> None:
    key = hss.gruu_key()
    assert len(key) == 64
    with Hss(tmp_path / "hss.db", realm="ims.example") as other:
        assert other.gruu_key() == key
