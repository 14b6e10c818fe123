"""A bound for the sources of one direction of an SRTP session."""

from __future__ import annotations

__all__ = ["MAX_SOURCES", "SourceLimit"]

MAX_SOURCES = 256
"""SSRCs of one direction; a call that goes through many hands has a few."""


class SourceLimit:
    """Knows which SSRCs there are, and for how many more there is room.

    The SRTP library keeps state for each SSRC as long as the session lasts and looks through all of it for
    every packet, so a peer that takes a new one for each packet would be served ever more slowly.

    >>> limit = SourceLimit(1)
    >>> limit.note(b"one.")
    >>> limit.admits(b"one."), limit.admits(b"two.")
    (True, False)
    """

    __slots__ = ("_known", "_most")

    def __init__(self, most: int = MAX_SOURCES) -> None:
        self._known: set[bytes] = set()
        self._most = most

    def admits(self, ssrc: bytes) -> bool:
        """Tell whether packets of this source may pass."""
        return len(self._known) < self._most or ssrc in self._known

    def note(self, ssrc: bytes) -> None:
        """Take note of a source whose packet is genuine."""
        self._known.add(ssrc)
