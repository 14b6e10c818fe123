"""Sequence numbers SQN = SEQ || IND, and their freshness (TS 33.102 Annex C)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum

SQN_BITS = 48  # TS 33.102 §6.3.2


class Freshness(Enum):
    """Finding of a USIM about a SQN."""

    FRESH = "fresh"
    USED = "not above the last one accepted for its index"
    TOO_FAR = "too far ahead"
    TOO_OLD = "older than the age limit allows"


@dataclass(frozen=True, kw_only=True, slots=True)
class SequenceRules:
    """The parameters of the scheme."""

    delta: int = 2**28
    """Farthest jump ahead of a SEQ: no wrong SQN can bring the counter near its end (§C.2.1)."""
    age_limit: int | None = None
    """Farthest that a SEQ may be behind the highest one of all indices; None for any distance (§C.2.2)."""


_DEFAULT_RULES = SequenceRules()


@dataclass(frozen=True, slots=True)
class SequenceArray:
    """State of the USIM: the highest SEQ that was accepted for each IND (§C.2.2).

    >>> array = SequenceArray().accepted(0x21)
    >>> array.judge(0x21).name, array.judge(0x20).name, array.judge(0x41).name
    ('USED', 'FRESH', 'FRESH')
    """

    entries: tuple[int, ...] = (0,) * 32
    """A SEQ for each IND; their number is a power of two, 32 for the five bits of IND that §C.3 proposes.

    Raises:
        ValueError: their number is none, or one of them does not fit into a SQN.
    """

    def __post_init__(self) -> None:
        count = len(self.entries)
        if count & (count - 1) or not 1 <= count <= 2**16:
            raise ValueError("a sequence array has 1, 2, 4 … 65536 entries")
        if not all(0 <= seq < 2 ** (SQN_BITS - self.ind_bits) for seq in self.entries):
            raise ValueError("an entry of a sequence array is out of range")

    @property
    def ind_bits(self) -> int:
        """Bits of the IND at the end of a SQN."""
        return len(self.entries).bit_length() - 1

    @property
    def sqn_ms(self) -> int:
        """The highest SQN that was accepted, which an AUTS tells the network (§C.2.2)."""
        highest = max(self.entries)
        return highest << self.ind_bits | self.entries.index(highest)

    def judge(self, sqn: int, rules: SequenceRules = _DEFAULT_RULES) -> Freshness:
        """Return whether a SQN is fresh, or why not."""
        seq, ind = self._split(sqn)
        highest = max(self.entries)
        if seq - highest > rules.delta:  # §C.2.1: else one forged or mistaken SQN could use up all numbers
            return Freshness.TOO_FAR
        if seq <= self.entries[ind]:  # §C.2.2: each index has a row of its own, so that vectors may come out of order
            return Freshness.USED
        if rules.age_limit is not None and highest - seq >= rules.age_limit:
            return Freshness.TOO_OLD  # §C.2.2
        return Freshness.FRESH

    def accepted(self, sqn: int) -> SequenceArray:
        """Return the array after a SQN was accepted."""
        seq, ind = self._split(sqn)
        return replace(self, entries=(*self.entries[:ind], seq, *self.entries[ind + 1 :]))

    def _split(self, sqn: int) -> tuple[int, int]:
        return sqn >> self.ind_bits, sqn & (len(self.entries) - 1)


@dataclass(frozen=True, slots=True)
class SequenceCounter:
    """State of the HSS: a counter that is not tied to time (§C.1.1.1, §C.3.2).

    >>> counter = SequenceCounter().next()
    >>> counter.sqn, counter.next().sqn
    (33, 66)
    """

    sqn: int = 0
    """SQN_HE, the last one that was given out."""
    ind_bits: int = 5

    def next(self) -> SequenceCounter:
        """Return the counter whose `sqn` is for the next vector; its IND is the one after (§C.1.2).

        At its end it begins anew; a USIM that has come so far takes no vector any more (§C.2.1).
        """
        count = 1 << self.ind_bits
        seq = ((self.sqn >> self.ind_bits) + 1) % 2 ** (SQN_BITS - self.ind_bits)
        return replace(self, sqn=seq << self.ind_bits | (self.sqn + 1) % count)

    def resynchronised(self, sqn_ms: int, *, delta: int = SequenceRules().delta) -> SequenceCounter:
        """Return the counter after a USIM has told its SQN_MS (TS 33.102 §6.3.5).

        A counter whose next number the USIM would take stays as it is: the USIM has met an old
        vector, not a lost one.
        """
        ahead = (self.next().sqn >> self.ind_bits) - (sqn_ms >> self.ind_bits)
        return self if 0 < ahead <= delta else replace(self, sqn=sqn_ms)  # TS 33.102 §6.3.5
