"""CSeq (RFC 3261 §20.16)."""

from __future__ import annotations

import re
from dataclasses import dataclass

from wic.sip.errors import MalformedHeader
from wic.sip.grammar import TOKEN, WS

_CSEQ = re.compile(rf"{WS}([0-9]{{1,16}})[ \t]++({TOKEN}){WS}")


@dataclass(frozen=True, slots=True)
class CSeq:
    """The number of a request within its dialog, and its method.

    >>> print(CSeq.parse("0009  INVITE"))
    9 INVITE
    """

    number: int
    """Below 2**31 (RFC 3261 §8.1.1.5)."""
    method: str
    """Case-sensitive, like every method."""

    @classmethod
    def parse(cls, text: str) -> CSeq:
        """Parse the value.

        Raises:
            MalformedHeader: it does not follow the grammar or the number is too large.
        """
        match = _CSEQ.fullmatch(text)
        if match is None or (number := int(match[1])) >= 2**31:
            raise MalformedHeader(f"malformed CSeq {text[:80]!r}")
        return cls(number, match[2])

    def __str__(self) -> str:
        return f"{self.number} {self.method}"
