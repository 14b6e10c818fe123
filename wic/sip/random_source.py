"""Unpredictable tags and Call-IDs, from a source that is handed in."""

from __future__ import annotations

from typing import Protocol

MAGIC_COOKIE = "z9hG4bK"
"""Begins every branch that is a transaction identifier (RFC 3261 §8.1.1.7)."""


class RandomSource(Protocol):
    """Source of unpredictable strings, as SIP tokens (RFC 3261 §25.1)."""

    def hex(self, octets: int) -> str:
        """Return a token that carries `octets` octets of chance and is made of token characters only."""
        ...


class CountingSource:
    """Random source that counts, for tests and for the replay of a trace.

    >>> random_source = CountingSource()
    >>> random_source.hex(8), random_source.hex(8)
    ('t1', 't2')
    """

    def __init__(self, prefix: str = "t") -> None:
        self._prefix = prefix
        self._count = 0

    def hex(self, octets: int) -> str:
        """Return the prefix and the next number; the length asked for does not matter."""
        self._count += 1
        return f"{self._prefix}{self._count}"


def tag(random_source: RandomSource) -> str:
    """Return a new From or To tag; RFC 3261 §19.3 asks for 32 random bits or more."""
    return random_source.hex(8)


def call_id(random_source: RandomSource) -> str:
    """Return a new Call-ID (RFC 3261 §8.1.1.4)."""
    return random_source.hex(16)
