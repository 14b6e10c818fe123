"""Unpredictable tags and Call-IDs, from a source that is handed in."""

from __future__ import annotations

from typing import Final, Protocol

MAGIC_COOKIE: Final = "z9hG4bK"
"""Begins every branch that is a transaction identifier (RFC 3261 §8.1.1.7)."""
TAG_OCTETS: Final = 8
"""Octets of chance in a From or To tag; RFC 3261 §19.3 asks for 32 bits or more."""
CALL_ID_OCTETS: Final = 16
"""Octets of chance in a Call-ID (RFC 3261 §8.1.1.4)."""


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
