"""Log of dropped messages: what is neither used nor answered should not vanish without a trace.

Such a message is a fault of the peer, or of this side, that its user would otherwise see as silence only. A peer chooses
how many it sends, so that the lines are limited; all are counted (`Endpoint.counters`).
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING, Final

from wic.sip.masking import masked

if TYPE_CHECKING:
    from wic.sip.flow import Flow

logger = logging.getLogger(__name__)

_LINES: Final = 5
_SPAN: Final = 10.0


@dataclass(slots=True)
class DropLog:
    """Log of what one endpoint drops: five lines in ten seconds at most, the next one with the number left out."""

    _since: float = -inf
    _lines: int = 0
    _left_out: int = 0

    def note(self, reason: str, flow: Flow, *, now: float) -> None:
        """Log that a message was dropped, unless many were a moment ago."""
        if now - self._since >= _SPAN:
            self._since, self._lines = now, 0
        if self._lines >= _LINES:
            self._left_out += 1
            return
        self._lines += 1
        others = f" (and {self._left_out} more messages, not logged)" if self._left_out else ""
        self._left_out = 0
        logger.warning("dropped a message over %s%s: %s", flow, others, masked(reason))
