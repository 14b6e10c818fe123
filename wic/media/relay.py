"""Relay between two transports, packet by packet, without looking into the media."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wic.media.rtp_transport import PacketHandler, RtpTransport


class Relay:
    """Relay of RTP and RTCP between `a` and `b` until it is stopped; sequence numbers and SSRCs stay."""

    def __init__(self, a: RtpTransport, b: RtpTransport) -> None:
        self._a, self._b = a, b
        self.from_b = 0
        """Packets from `b`, RTCP included: an end has fallen silent when it stays as it was."""
        a.on_rtp, a.on_rtcp = b.send_rtp, b.send_rtcp
        b.on_rtp, b.on_rtcp = self._counted(a.send_rtp), self._counted(a.send_rtcp)

    def stop(self) -> None:
        """Disconnect the two; they stay open."""
        for transport in (self._a, self._b):
            transport.on_rtp = transport.on_rtcp = None

    def _counted(self, send: PacketHandler) -> PacketHandler:
        def forward(packet: bytes) -> None:
            self.from_b += 1
            send(packet)

        return forward
