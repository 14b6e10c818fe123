"""What a stream has to say about itself."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["StreamReport"]


@dataclass(frozen=True, kw_only=True)
class StreamReport:
    """Figures of one audio stream, both ways, from its start until now."""

    kind: str = "audio"
    codec: str
    """Encoding name as in SDP."""
    sent: int
    """Packets sent."""
    received: int
    """Packets received, each once."""
    lost: int
    """Packets that the peer sent and that did not come (RFC 3550 §6.4.1)."""
    duplicates: int
    reordered: int
    late: int
    """Packets that came too late to be heard; 0 unless a sink wants PCM."""
    discarded: int
    """Packets that were no RTP, strays of another numbering, or not of the codec."""
    jitter_ms: float
    """Interarrival jitter (RFC 3550 §A.8)."""
    rtt_ms: float | None
    """Round trip as measured by RTCP; None before the first report came back."""
    remote_lost: int | None
    """Packets sent that the peer missed, by its last report."""
    mos: float | None
    """What a listener here would say, 1 to 4.5; None if nothing was received."""
    mos_basis: str | None
    """How `mos` was estimated."""
