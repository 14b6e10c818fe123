"""What a call was like, in figures that people and scripts read."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from enum import StrEnum

__all__ = ["CallOutcome", "CallReport", "ChannelReport", "MediaReport"]


class CallOutcome(StrEnum):
    """How a call ended, or that it has not."""

    ACTIVE = "active"
    """It goes on, or still waits for its answer."""
    COMPLETED = "completed"
    """It was answered, and one of the two hung up."""
    REJECTED = "rejected"
    """The called side or the network refused it."""
    CANCELLED = "cancelled"
    """The caller gave up."""
    FAILED = "failed"
    """Something broke; `reason` says what."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaReport:
    """Figures of one audio stream, both ways."""

    kind: str
    codec: str
    sent: int
    """Packets."""
    received: int
    """Packets."""
    lost: int
    """Packets that the peer sent and that did not come."""
    jitter_ms: float
    rtt_ms: float | None
    """Round trip, once RTCP has measured it."""
    mos: float | None
    """1 to 4.5; None if nothing was received."""
    mos_basis: str | None
    """How `mos` was estimated."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelReport:
    """Figures of one data channel."""

    label: str
    protocol: str
    sent: int
    """Messages."""
    received: int
    """Messages."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallReport:
    """One call; times are in milliseconds, None where the thing did not happen."""

    outcome: CallOutcome
    status: int | None
    """The SIP status that decided, 200 for an answered call."""
    reason: str
    """Why it ended, for people."""
    call_id: str
    direction: str
    """`outgoing` or `incoming`."""
    peer: str
    """The other side's URI."""
    timings: dict[str, float | None]
    """`invite_to_ringing_ms`, `invite_to_answer_ms`, `invite_to_first_media_ms`, `duration_ms`."""
    media: tuple[MediaReport, ...]
    channels: tuple[ChannelReport, ...]
    emergency: bool = False
    """Whether the network took it for an emergency call; this version does not look for that."""

    def to_dict(self) -> dict[str, object]:
        """Return plain values, ready for JSON."""
        return asdict(self)

    def to_json(self) -> str:
        """Return one line of JSON."""
        return json.dumps(self.to_dict())
