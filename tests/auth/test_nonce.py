from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wic.auth.nonce import NonceFactory, ReplayGuard

FACTORY = NonceFactory(b"k" * 16, lifetime=10)


def test_a_nonce_is_good_for_its_lifetime() -> None:
    nonce = FACTORY.make("a", now=100.0)
    assert FACTORY.issued(nonce, now=100.0) == 100.0
    assert FACTORY.issued(nonce, now=110.0) == 100.0
    assert FACTORY.issued(nonce, now=110.1) is None
    assert FACTORY.issued(nonce, now=90.0) is None


def test_nonces_of_one_moment_differ() -> None:
    assert FACTORY.make("a", now=1) != FACTORY.make("b", now=1)


def test_a_clock_before_its_epoch_makes_nonces_too() -> None:
    assert FACTORY.issued(FACTORY.make("a", now=-5.0), now=0.0) == 0.0


@given(st.text(max_size=60))
def test_a_foreign_nonce_is_recognised(text: str) -> None:
    assert FACTORY.issued(text, now=0) is None


def test_a_changed_octet_is_seen() -> None:
    octets = bytearray(base64.b64decode(FACTORY.make("a", now=1)))
    octets[3] ^= 1
    assert FACTORY.issued(base64.b64encode(octets).decode(), now=1) is None
    assert NonceFactory(b"x" * 16).issued(FACTORY.make("a", now=1), now=1) is None


def test_a_short_key_is_refused() -> None:
    with pytest.raises(ValueError, match="16 octets"):
        NonceFactory(b"short")


@given(st.lists(st.integers(1, 200), max_size=60))
def test_no_count_is_taken_twice(counts: list[int]) -> None:
    guard = ReplayGuard()
    highest, taken = 0, set()
    for count in counts:
        free = count not in taken and count > highest - 64
        assert guard.use("n", count, 0.0) is free
        taken.add(count)
        highest = max(highest, count)


def test_memory_is_bounded_and_what_was_forgotten_counts_as_used() -> None:
    guard = ReplayGuard(capacity=2)
    for issued, nonce in enumerate(["a", "b", "c"]):
        assert guard.use(nonce, 1, float(issued))
    assert not guard.use("a", 1, 0.0)
    assert not guard.use("a", 2, 0.0)
    assert guard.use("b", 2, 1.0)
    assert guard.use("d", 1, 3.0)
