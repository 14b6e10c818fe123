"""Log of dropped messages: what is neither used nor answered should not vanish without a trace.

Such a message is a fault of the peer, or of this side, that its user would otherwise see as silence only. All are counted
(`Endpoint.counters`).
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from wic.sip.line_limit import LineLimit
from wic.sip.masking import masked

if TYPE_CHECKING:
    from wic.sip.flow import Flow

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class DropLog:
    """Log of what one endpoint drops."""

    _limit: LineLimit = field(default_factory=LineLimit)

    def note(self, reason: str, flow: Flow, *, now: float) -> None:
        """Log that a message was dropped, unless many were a moment ago."""
        others = self._limit.admit(now=now)
        if others is not None:
            logger.warning("dropped a message over %s%s: %s", flow, others, masked(reason))
