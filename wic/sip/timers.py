"""The timers of RFC 3261 (its table 4) and RFC 6026 as values derived from T1, T2 and T4."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Timer(Enum):
    """What a transaction can wait for, named as RFC 3261 names it."""

    __hash__ = object.__hash__  # of C; that of Enum is of Python, and these are keys for every message

    A = "Timer A"
    """INVITE request retransmission, on unreliable transports."""
    B = "Timer B"
    """INVITE transaction timeout."""
    C = "Timer C"
    """A proxy's patience with a provisional response (RFC 3261 §16.6 step 11)."""
    D = "Timer D"
    """Wait for retransmissions of a final response to INVITE."""
    E = "Timer E"
    """Non-INVITE request retransmission, on unreliable transports."""
    F = "Timer F"
    """Non-INVITE transaction timeout."""
    G = "Timer G"
    """INVITE response retransmission, on unreliable transports."""
    H = "Timer H"
    """Wait for the ACK of a non-2xx response."""
    I = "Timer I"
    """Wait for retransmissions of an ACK."""
    J = "Timer J"
    """Wait for retransmissions of a non-INVITE request."""
    K = "Timer K"
    """Wait for retransmissions of a response to a non-INVITE request."""
    L = "Timer L"
    """Wait for retransmissions of an accepted INVITE (RFC 6026 §8.7)."""
    M = "Timer M"
    """Wait for retransmitted or further 2xx of an accepted INVITE (RFC 6026 §8.4)."""
    TRYING = "100 due"
    """How long a server transaction lets its user find an answer before it sends 100 (RFC 3261 §17.2.1)."""
    CANCELLED = "CANCEL unheeded"
    """How long a cancelled INVITE may stay without a final response (RFC 3261 §9.1)."""


_RETRANSMISSION = frozenset({Timer.A, Timer.E, Timer.G})
_ABSORPTION = frozenset({Timer.D, Timer.I, Timer.J, Timer.K})


@dataclass(frozen=True, kw_only=True)
class Timers:
    """T1, T2 and T4 in seconds, and everything that follows from them.

    >>> RFC3261.duration(Timer.B, reliable=False)
    32.0
    >>> [RFC3261.interval(Timer.E, attempt=n) for n in range(5)]
    [0.5, 1.0, 2.0, 4.0, 4.0]
    """

    t1: float = 0.5
    """The round trip time estimate."""
    t2: float = 4.0
    """The longest interval between retransmissions of non-INVITE requests and INVITE responses."""
    t4: float = 5.0
    """The longest time a message stays in the network."""
    timer_c: float = 181.0
    """Has to be more than three minutes (RFC 3261 §16.6 step 11)."""
    trying: float = 0.2
    """When an INVITE server transaction sends 100 by itself (RFC 3261 §17.2.1)."""

    @property
    def timeout(self) -> float:
        """Return 64*T1: Timers B, D, F, H, J, L and M."""
        return 64 * self.t1

    def duration(self, timer: Timer, *, reliable: bool) -> float:
        """Return how long a timer runs that runs once; 0 where a reliable transport needs no such wait."""
        if timer in _ABSORPTION and reliable:
            return 0.0
        match timer:
            case Timer.C:
                return self.timer_c
            case Timer.TRYING:
                return self.trying
            case Timer.I | Timer.K:
                return self.t4
            case _:
                return self.timeout

    def interval(self, timer: Timer, *, attempt: int) -> float:
        """Return the wait before retransmission number `attempt` (from 0), for Timers A, E and G.

        It doubles each time; Timers E and G stop growing at T2 (RFC 3261 §17.1.2.2, §17.2.1).
        """
        grown = self.t1 * 2.0 ** min(attempt, 16)
        return grown if timer is Timer.A else min(grown, self.t2)

    @staticmethod
    def retransmits(timer: Timer) -> bool:
        """Tell whether a timer paces retransmissions, which reliable transports do without."""
        return timer in _RETRANSMISSION


RFC3261 = Timers()
"""The values of RFC 3261, for the core network."""

TS24229_UE = Timers(t1=2.0, t2=16.0, t4=17.0)
"""The values of TS 24.229 table 7.7.1 for a UE and for its P-CSCF towards it."""
