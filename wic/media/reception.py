"""Statistics of a received RTP stream: loss, duplicates, jitter (RFC 3550 §6.4.1, A.1, A.3, A.8)."""

from __future__ import annotations

MAX_DROPOUT = 3000
"""Sequence numbers a stream may jump ahead and still be itself."""

MAX_MISORDER = 100
"""Sequence numbers a packet may be behind and still be late."""

_WINDOW = 128
_WINDOW_MASK = (1 << _WINDOW) - 1
_HALF_CLOCK = 1 << 31
_CLOCK = 1 << 32


class ReceptionStatistics:
    """Statistics of one synchronisation source, kept over sequence wraps and restarts."""

    __slots__ = (
        "_base", "_before", "_clock_rate", "_expected_prior", "_highest", "_received_prior", "_restart", "_seen",
        "_transit", "duplicates", "jitter", "received", "reordered",
    )  # fmt: skip

    def __init__(self, clock_rate: int) -> None:
        self.received = 0
        """Packets received, each once."""
        self.duplicates = 0
        self.reordered = 0
        """Packets received after one with a higher sequence number."""
        self.jitter = 0.0
        """Interarrival jitter in units of the RTP clock."""
        self._clock_rate = clock_rate
        self._highest = -1  # extended sequence number
        self._base = 0
        self._before = 0  # packets expected before the sender restarted its numbering
        self._seen = 0  # bit n: the packet n before the highest one came
        self._restart = -1
        self._transit: float | None = None
        self._expected_prior = 0
        self._received_prior = 0

    @property
    def expected(self) -> int:
        """Packets the sender must have sent, by its sequence numbers."""
        return self._before + (self._highest - self._base + 1 if self._highest >= 0 else 0)

    @property
    def lost(self) -> int:
        """Packets that did not come, up to now."""
        return self.expected - self.received

    @property
    def extended_highest(self) -> int:
        """Highest sequence number received, with the number of its cycles above 16 bits."""
        return max(self._highest, 0)

    @property
    def jitter_ms(self) -> float:
        """Interarrival jitter in milliseconds."""
        return 1000.0 * self.jitter / self._clock_rate

    def receive(self, sequence: int, timestamp: int, now: float) -> bool:
        """Count one packet that arrived at `now` (seconds); False for a duplicate or a stray one."""
        ahead = (sequence - self._highest) & 0xFFFF
        # The usual case first: each packet of a call passes here.
        if ahead == 1 and self._highest >= 0:
            self._highest += 1
            self._seen = (self._seen << 1 | 1) & _WINDOW_MASK
        elif not self._place(sequence, ahead):
            return False
        self.received += 1
        # §A.8: the mean deviation of the transit times, in units of the RTP clock, smoothed by 1/16.
        transit = now * self._clock_rate - timestamp
        if self._transit is not None:
            difference = abs(transit - self._transit)
            if difference > _HALF_CLOCK:  # the timestamp wrapped
                difference = abs(_CLOCK - difference)
            self.jitter += (difference - self.jitter) / 16.0
        self._transit = transit
        return True

    def restart(self) -> None:
        """Take the next packet as the first of a new source; the counts go on."""
        self._before = self.expected
        self._highest = -1
        self._transit = None

    def change_clock(self, clock_rate: int) -> None:
        """Go on with timestamps of another rate."""
        self.jitter *= clock_rate / self._clock_rate
        self._clock_rate = clock_rate
        self._transit = None  # transit times of two clocks cannot be compared

    def fraction_lost(self) -> int:
        """Loss since the last call, in 256ths (RFC 3550 A.3)."""
        # Duplicates may make more packets come than were expected: then nothing was lost.
        expected, received = self.expected, self.received
        expected_now, received_now = expected - self._expected_prior, received - self._received_prior
        self._expected_prior, self._received_prior = expected, received
        lost = expected_now - received_now
        return min(255, (lost << 8) // expected_now) if expected_now > 0 and lost > 0 else 0

    def _place(self, sequence: int, ahead: int) -> bool:
        """Find the place of a packet that is not simply the next one."""
        if self._highest < 0:
            self._begin(sequence)
            return True
        if 0 < ahead < MAX_DROPOUT:  # §A.1: the packets between are lost, or late
            self._highest += ahead
            self._seen = (self._seen << ahead | 1) & _WINDOW_MASK
            return True
        behind = (-ahead) & 0xFFFF
        if behind <= MAX_MISORDER:
            return self._late(behind)
        # A.1: two packets in a row with a new numbering mean that the sender restarted.
        if sequence == self._restart:
            self._before = self.expected + 1  # with the packet that announced the restart
            self.received += 1
            self._begin(sequence)
            return True
        self._restart = (sequence + 1) & 0xFFFF
        return False

    def _begin(self, sequence: int) -> None:
        self._highest = self._base = sequence
        self._seen = 1
        self._restart = -1
        self._transit = None

    def _late(self, behind: int) -> bool:
        bit = 1 << behind
        if self._seen & bit or self._highest - behind < self._base:
            self.duplicates += 1
            return False
        self._seen |= bit
        self.reordered += 1
        return True
