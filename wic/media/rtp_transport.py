"""Interface of what carries the RTP packets of a stream or a relay."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

PacketHandler = Callable[[bytes], None]
"""Called with each packet received, unprotected, from the event loop."""


class RtpTransport(Protocol):
    """Carrier of RTP and RTCP: `MediaTransport` over DTLS-SRTP, `PlainRtp` over UDP."""

    on_rtp: PacketHandler | None
    """Takes RTP packets; None = they are dropped."""
    on_rtcp: PacketHandler | None
    """Takes compound RTCP packets; None = they are dropped."""

    def send_rtp(self, packet: bytes) -> None:
        """Send one RTP packet; without a way to the peer it is dropped and counted."""

    def send_rtcp(self, packet: bytes) -> None:
        """Send one compound RTCP packet, as `send_rtp` does."""
