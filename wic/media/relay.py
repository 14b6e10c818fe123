"""Relay between two transports, packet by packet, without looking into the media."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wic.media.rtp_transport import PacketHandler, RtpTransport


@dataclass(frozen=True, slots=True)
class RelayCounters:
    """Packets that went one way through a relay."""

    rtp_packets: int
    rtp_octets: int
    rtcp_packets: int


class _Way:
    """One kind of packet in one direction."""

    __slots__ = ("_send", "octets", "packets")

    def __init__(self, send: PacketHandler) -> None:
        self._send = send
        self.packets = 0
        self.octets = 0

    def forward(self, packet: bytes) -> None:
        self.packets += 1
        self.octets += len(packet)
        self._send(packet)


class Relay:
    """Relay of RTP and RTCP between `a` and `b` until it is stopped; sequence numbers and SSRCs stay.

    To notice that an end has fallen silent, compare `a_to_b` and `b_to_a` at intervals.
    """

    def __init__(self, a: RtpTransport, b: RtpTransport) -> None:
        self._a, self._b = a, b
        self._rtp = _Way(b.send_rtp), _Way(a.send_rtp)
        self._rtcp = _Way(b.send_rtcp), _Way(a.send_rtcp)
        a.on_rtp, b.on_rtp = (way.forward for way in self._rtp)
        a.on_rtcp, b.on_rtcp = (way.forward for way in self._rtcp)

    @property
    def a_to_b(self) -> RelayCounters:
        """Counters of the packets from `a` to `b`."""
        return _counters(self._rtp[0], self._rtcp[0])

    @property
    def b_to_a(self) -> RelayCounters:
        """Counters of the packets from `b` to `a`."""
        return _counters(self._rtp[1], self._rtcp[1])

    def stop(self) -> None:
        """Disconnect the two; they stay open."""
        for transport in (self._a, self._b):
            transport.on_rtp = transport.on_rtcp = None


def _counters(rtp: _Way, rtcp: _Way) -> RelayCounters:
    return RelayCounters(rtp.packets, rtp.octets, rtcp.packets)
