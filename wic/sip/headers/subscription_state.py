"""Subscription-State (RFC 6665 §8.2.3)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from wic.sip.errors import MalformedHeader
from wic.sip.grammar import PARAMS, TOKEN, WS
from wic.sip.headers.retry_after import delta_seconds
from wic.sip.params import Params

_SUBSCRIPTION_STATE = re.compile(rf"{WS}({TOKEN})({PARAMS}){WS}", re.DOTALL)
_NONE: Final = Params()


@dataclass(frozen=True, slots=True)
class SubscriptionState:
    """How a subscription stands, as its notifier says.

    >>> state = SubscriptionState.parse("terminated;reason=probation;retry-after=30")
    >>> state.state, state.reason, state.retry_after
    ('terminated', 'probation', 30)
    """

    state: str
    """`pending`, `active`, `terminated` or an extension, in lower case."""
    params: Params = _NONE
    """`expires`, `reason`, `retry-after` and others."""

    @classmethod
    def active(cls, expires: int) -> SubscriptionState:
        """Say that it stands, and for how many seconds."""
        return cls("active", Params([("expires", str(expires))]))

    @classmethod
    def terminated(cls, reason: str, retry_after: int | None = None) -> SubscriptionState:
        """Say that it is over, and when to try again, in seconds."""
        params = Params([("reason", reason)])
        return cls("terminated", params if retry_after is None else params.with_("retry-after", str(retry_after)))

    @classmethod
    def parse(cls, text: str) -> SubscriptionState:
        """Parse the value.

        Raises:
            MalformedHeader: it does not follow the grammar.
        """
        match = _SUBSCRIPTION_STATE.fullmatch(text)
        if match is None:
            raise MalformedHeader(f"malformed Subscription-State {text[:80]!r}")
        return cls(match[1].lower(), Params.of_checked(match[2]) if match[2] else _NONE)

    def __str__(self) -> str:
        return f"{self.state}{self.params}"

    @property
    def reason(self) -> str | None:
        """Why it is over, in lower case (RFC 6665 §4.1.3)."""
        reason = self.params.get("reason")
        return None if reason is None else reason.lower()

    @property
    def expires(self) -> int | None:
        """Seconds that are left.

        Raises:
            MalformedHeader: it is no number.
        """
        return self._seconds("expires")

    @property
    def retry_after(self) -> int | None:
        """Seconds before another attempt makes sense.

        Raises:
            MalformedHeader: it is no number.
        """
        return self._seconds("retry-after")

    def _seconds(self, name: str) -> int | None:
        text = self.params.get(name)
        return None if text is None else delta_seconds(text)
