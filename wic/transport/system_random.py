"""Random source of a running program."""

from __future__ import annotations

import os


class SystemRandomSource:
    """Source of branches, tags and Call-IDs from the system's random source."""

    __slots__ = ()

    def hex(self, octets: int) -> str:
        """Return `octets` random octets as hexadecimal digits (RFC 3261 §19.3 asks for at least 32 bits)."""
        return os.urandom(octets).hex()
