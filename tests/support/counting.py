"""A random source that counts, so that messages have the same tags and branches each time."""

from __future__ import annotations


class CountingSource:
    """Random source that counts its tokens.

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
