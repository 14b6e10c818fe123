"""RTCP reports of a stream, sent and received."""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING

from wic.media.rtcp import Bye, ReceiverReport, ReportBlock, SenderInfo, SenderReport, pack_rtcp, parse_rtcp

if TYPE_CHECKING:
    from wic.media.reception import ReceptionStatistics

NTP_EPOCH = 2208988800
"""Seconds from 1900, where NTP begins, to 1970."""


class ReportExchange:
    """Writer of the SR and RR of one stream, and reader of those of the peer (RFC 3550 §6.4)."""

    def __init__(self, ssrc: int, cname: str, interval: float, *, now: float) -> None:
        self.rtt: float | None = None
        """Round trip in seconds."""
        self.remote_lost: int | None = None
        self.remote_left = False
        """Whether the peer sent BYE."""
        self.malformed = 0
        self._ssrc = ssrc
        self._cname = cname
        self._interval = interval
        self._last_sr = 0
        self._last_sr_at = 0.0
        # The wall clock is read once: a step of it must not look like a round trip.
        self._wall = time.time() - now + NTP_EPOCH

    def next_delay(self, *, first: bool = False) -> float:
        """Return the seconds until the next report, drawn from 0.5 to 1.5 of the interval (RFC 3550 §6.3.1)."""
        return self._interval * random.uniform(0.5, 1.5) * (0.5 if first else 1.0)  # §6.2: the first one sooner

    def compose(
        self,
        now: float,
        *,
        packets: int,
        octets: int,
        timestamp: int,
        source: int | None,
        reception: ReceptionStatistics,
        bye: bool = False,
    ) -> bytes:
        """Write a compound packet: SR if anything was sent, else RR."""
        blocks = (self._block(source, reception, now),) if source is not None else ()
        if not packets:  # §6.4.2: one that has not sent writes an RR
            return pack_rtcp(ReceiverReport(self._ssrc, blocks), self._cname, bye=bye)
        sender = SenderInfo(self._ntp(now), timestamp, packets & 0xFFFFFFFF, octets)
        return pack_rtcp(SenderReport(self._ssrc, sender, blocks), self._cname, bye=bye)

    def receive(self, compound: bytes, now: float) -> None:
        """Read a compound packet of the peer; what breaks the format is counted and dropped."""
        packets = parse_rtcp(compound)
        if packets is None:
            self.malformed += 1
            return
        for packet in packets:
            if isinstance(packet, Bye):  # §6.6
                self.remote_left = True
                continue
            if isinstance(packet, SenderReport):
                # §6.4.1: the next report gives these back, and the peer computes the round trip from them.
                self._last_sr = packet.sender.ntp >> 16 & 0xFFFFFFFF
                self._last_sr_at = now
            for block in packet.blocks:
                if block.ssrc == self._ssrc:  # others are about streams that the peer hears from elsewhere
                    self._learn(block, now)

    def _learn(self, block: ReportBlock, now: float) -> None:
        self.remote_lost = block.lost
        if block.last_sr:
            # §6.4.1: A - LSR - DLSR, all in 65,536ths of a second.
            trip = ((self._ntp(now) >> 16) - block.last_sr - block.delay_since_last_sr) & 0xFFFFFFFF
            if trip < 1 << 31:  # else the peer's clock or its report is wrong
                self.rtt = trip / 65536.0

    def _block(self, source: int, reception: ReceptionStatistics, now: float) -> ReportBlock:
        delay = int((now - self._last_sr_at) * 65536) if self._last_sr else 0
        return ReportBlock(
            source,
            reception.fraction_lost(),
            reception.lost,
            reception.extended_highest,
            int(reception.jitter),
            self._last_sr,
            delay,
        )

    def _ntp(self, now: float) -> int:
        return int((now + self._wall) * 4294967296.0)
