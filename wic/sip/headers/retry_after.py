"""Retry-After (RFC 3261 §20.33)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from wic.sip.errors import MalformedHeader
from wic.sip.grammar import PARAMS, WS
from wic.sip.params import Params

_RETRY_AFTER = re.compile(rf"{WS}([0-9]++){WS}(\([^()]*+\))?({PARAMS}){WS}", re.DOTALL)
_NONE: Final = Params()
_FOREVER: Final = 2**32 - 1


@dataclass(frozen=True, slots=True)
class RetryAfter:
    """When to try again.

    >>> RetryAfter.parse("18000 (in a meeting);duration=3600").seconds
    18000
    """

    seconds: int
    """From now; at most 2**32-1."""
    params: Params = _NONE
    """`duration` and others."""

    @classmethod
    def parse(cls, text: str) -> RetryAfter:
        """Parse the value; a comment is read over.

        Raises:
            MalformedHeader: it does not follow the grammar.
        """
        match = _RETRY_AFTER.fullmatch(text)
        if match is None:
            raise MalformedHeader(f"malformed Retry-After {text[:80]!r}")
        return cls(delta_seconds(match[1]), Params.of_checked(match[3]) if match[3] else _NONE)

    def __str__(self) -> str:
        return f"{self.seconds}{self.params}"


def delta_seconds(text: str) -> int:
    """Return a span in seconds; beyond 2**32-1 is 2**32-1 (RFC 3261 §20.19).

    Raises:
        MalformedHeader: it is no number.
    """
    if not (text.isascii() and text.isdigit()):
        raise MalformedHeader(f"no number of seconds: {text[:80]!r}")
    return _FOREVER if len(text) > 16 else min(int(text), _FOREVER)
