"""Limit of the lines in a log that a peer can cause: it chooses how many messages it sends."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import Final

_LINES: Final = 5
_SPAN: Final = 10.0


@dataclass(slots=True)
class LineLimit:
    """Five lines in ten seconds at most; the next one says how many were left out."""

    _since: float = -inf
    _lines: int = 0
    _left_out: int = 0

    def admit(self, *, now: float) -> str | None:
        """Return what to add to a line about those that were left out; None if this one is left out as well."""
        if not 0 <= now - self._since < _SPAN:  # a time of day may be set back
            self._since, self._lines = now, 0
        if self._lines >= _LINES:
            self._left_out += 1
            return None
        self._lines += 1
        others = f" (and {self._left_out} more messages, not logged)" if self._left_out else ""
        self._left_out = 0
        return others
