"""Event (RFC 6665 §8.2.1)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from wic.sip.errors import MalformedHeader
from wic.sip.grammar import PARAMS, TOKEN, WS
from wic.sip.params import Params

_EVENT = re.compile(rf"{WS}({TOKEN})({PARAMS}){WS}", re.DOTALL)
_NONE: Final = Params()


@dataclass(frozen=True, slots=True)
class Event:
    """An event package and the subscription it belongs to.

    >>> Event.parse("reg;id=7").id
    '7'
    """

    package: str
    """Such as `reg`, `dialog`, `conference`; templates follow after a dot."""
    params: Params = _NONE
    """`id` and others."""

    @classmethod
    def parse(cls, text: str) -> Event:
        """Parse the value.

        Raises:
            MalformedHeader: it does not follow the grammar.
        """
        match = _EVENT.fullmatch(text)
        if match is None:
            raise MalformedHeader(f"malformed Event {text[:80]!r}")
        return cls(match[1], Params.of_checked(match[2]) if match[2] else _NONE)

    def __str__(self) -> str:
        return f"{self.package}{self.params}"

    @property
    def id(self) -> str | None:
        """Tells subscriptions to the same package within one dialog apart."""
        return self.params.get("id")
