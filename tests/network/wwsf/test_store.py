"""Database of the WWSF."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from wic.auth.secret import Secret
from wic.errors import ConfigurationError
from wic.network.web.browser_session import fingerprint
from wic.network.web.database import WebDatabase
from wic.network.wwsf import WwsfStore
from wic.network.wwsf.store import MIGRATIONS, WwsfSession

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def test_the_pool_of_the_operator(tmp_path: Path) -> None:
    with WwsfStore(tmp_path / "wwsf.sqlite") as store:
        store.add_pool_pair("a@ims.example", "sip:a@ims.example")
        store.add_pool_pair("a@ims.example", "sip:a2@ims.example")
        store.add_pool_pair("b@ims.example", "sip:b@ims.example")
        assert [pair.impu for pair in store.pairs()] == ["sip:a2@ims.example", "sip:b@ims.example"]
        with pytest.raises(ConfigurationError, match="in the pool already"):
            store.add_pool_pair("c@ims.example", "sip:b@ims.example")
        for impi, impu in (("", "sip:x@y"), ("c@ims.example", "c@ims.example")):
            with pytest.raises(ConfigurationError, match="not a pair"):
                store.add_pool_pair(impi, impu)
        assert store.reserve("user carol", now=0, until=60) is not None
        assert store.remove_pool_pair("a@ims.example")
        assert not store.remove_pool_pair("a@ims.example")
        assert store.next_free() is None


def test_a_pool_without_pairs(tmp_path: Path) -> None:
    with WwsfStore(tmp_path / "wwsf.sqlite") as store:
        assert store.reserve("user carol", now=0, until=60) is None
        assert store.leases_of("user carol", now=0) == 0


@pytest.fixture
def store(tmp_path: Path) -> Iterator[WwsfStore]:
    with WwsfStore(tmp_path / "wwsf.sqlite") as opened:
        opened.add_pool_pair("a@ims.example", "sip:a@ims.example")
        yield opened


def reserve(store: WwsfStore) -> str:
    reserved = store.reserve("user carol", now=0, until=30)
    assert reserved is not None
    return reserved[0]


def test_a_reserved_pair_is_lent_when_its_token_is_issued(store: WwsfStore) -> None:
    name = reserve(store)
    assert store.prolong(name, now=10, until=40) is None  # its name is not known to a holder yet
    assert store.lend(name, now=10, expires_at=100)
    assert store.next_free() == 100
    assert store.prolong(name, now=90, until=120) is not None
    assert store.next_free() == 120
    assert store.prolong(name, now=90, until=95) is not None
    assert store.next_free() == 120
    assert store.leases_of("user carol", now=90) == 1


def test_a_reservation_expires(store: WwsfStore) -> None:
    name = reserve(store)
    assert store.reserve("user dave", now=29, until=60) is None
    assert not store.lend(name, now=30, expires_at=100)
    assert store.reserve("user dave", now=30, until=60) is not None


def test_a_pair_that_is_held_takes_no_further_input(store: WwsfStore) -> None:
    name = reserve(store)
    assert not store.give_back(name, now=0, hold=True)  # nothing was lent that could be held
    assert store.lend(name, now=0, expires_at=100)
    assert store.give_back(name, now=10, hold=True)
    assert not store.give_back(name, now=10, hold=True)
    assert not store.give_back(name, now=10, hold=False)
    assert not store.lend(name, now=10, expires_at=200)
    assert store.leases_of("user carol", now=10) == 1  # or one user could take the whole pool, pair by pair
    assert store.reserve("user dave", now=99, until=130) is None
    assert store.reserve("user dave", now=100, until=130) is not None


def test_leases_of_an_older_file(tmp_path: Path) -> None:
    old = WebDatabase(tmp_path / "old.sqlite", MIGRATIONS[:1])
    for name, given_back in (("lent", 0), ("returned", 1)):
        old.change("INSERT INTO pair (impi, impu) VALUES (?, ?)", name, f"sip:{name}@ims.example")
        old.change("INSERT INTO lease VALUES (?, ?, 'user carol', ?, 100)", fingerprint(name), name, given_back)
    old.close()
    with WwsfStore(tmp_path / "old.sqlite") as store:
        assert store.leases_of("user carol", now=0) == 2
        assert store.prolong("lent", now=0, until=200) is not None
        assert store.prolong("returned", now=0, until=200) is None
        assert store.remove_pool_pair("lent")
        assert store.leases_of("user carol", now=0) == 1


def test_sessions_of_one_user_are_bounded(store: WwsfStore, monkeypatch) -> None:
    monkeypatch.setattr("wic.network.wwsf.store.MAX_SESSIONS", 3)

    def sign_in(id: str, subject: str, end: float) -> None:
        token = Secret("t")
        made = WwsfSession(
            subject=subject,
            impi="i",
            impus=(),
            access_token=token,
            token_expires_at=end,
            renew_at=end,
            refresh_token=None,
            expires_at=end,
        )
        store.save_session(id, made)

    sign_in("dave's", "dave", 1)
    for number in range(5):
        sign_in(f"carol's {number}", "carol", 10 + number)
    sign_in("carol's 2", "carol", 12)  # renewed
    left = [id for id in ("dave's", *(f"carol's {n}" for n in range(5))) if store.session(id, now=0)]
    assert left == ["dave's", "carol's 2", "carol's 3", "carol's 4"]
