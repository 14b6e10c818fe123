"""Reason (RFC 3326)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from wic.sip.errors import MalformedHeader
from wic.sip.grammar import PARAMS, TOKEN, WS
from wic.sip.params import Params

_REASON = re.compile(rf"{WS}({TOKEN})({PARAMS}){WS}", re.DOTALL)
_NONE: Final = Params()


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a request was sent: a protocol with a cause of its number space.

    >>> print(Reason.of("SIP", 200, "Call completed elsewhere"))
    SIP;cause=200;text="Call completed elsewhere"
    """

    protocol: str
    """`SIP`, `Q.850` or another."""
    params: Params = _NONE
    """`cause`, `text` and others."""

    @classmethod
    def of(cls, protocol: str, cause: int, text: str = "") -> Reason:
        """Make a reason from its parts."""
        params = Params([("cause", str(cause))])
        return cls(protocol, params.with_("text", text, quoted=True) if text else params)

    @classmethod
    def parse(cls, text: str) -> Reason:
        """Parse one value.

        Raises:
            MalformedHeader: it does not follow the grammar.
        """
        match = _REASON.fullmatch(text)
        if match is None:
            raise MalformedHeader(f"malformed Reason {text[:80]!r}")
        return cls(match[1], Params.of_checked(match[2]) if match[2] else _NONE)

    def __str__(self) -> str:
        return f"{self.protocol}{self.params}"

    @property
    def cause(self) -> int | None:
        """The cause, or None where it is absent or no number."""
        text = self.params.get("cause", "") or ""
        return int(text) if re.fullmatch(r"[0-9]{1,6}", text) else None

    @property
    def text(self) -> str:
        """The cause in words; empty where there are none."""
        return self.params.get("text", "") or ""
