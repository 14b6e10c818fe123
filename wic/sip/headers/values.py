"""Values of header fields that are a token or a number, with parameters.

Each class is one value: `parse` and `str` are inverses, and text that does not follow the grammar raises
`MalformedHeader`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from wic.sip.errors import MalformedHeader
from wic.sip.grammar import PARAMS, TOKEN, WS
from wic.sip.params import Params

if TYPE_CHECKING:
    from collections.abc import Callable

LONGEST_RETRY_DELAY: Final = 1800.0
"""Seconds that a peer can make this side wait: `max-time` of RFC 5626 §4.5, for registrations and subscriptions."""
_SHORTEST_RETRY_DELAY: Final = 1.0

_CSEQ: Final = re.compile(rf"{WS}([0-9]{{1,16}})[ \t]++({TOKEN}){WS}")
_TOKEN: Final = re.compile(rf"{WS}({TOKEN})({PARAMS}){WS}", re.DOTALL)
_MEDIA_TYPE: Final = re.compile(rf"{WS}({TOKEN}){WS}/{WS}({TOKEN})({PARAMS}){WS}", re.DOTALL)
_RETRY_AFTER: Final = re.compile(rf"{WS}([0-9]++){WS}(\([^()]*+\))?({PARAMS}){WS}", re.DOTALL)

_NO_PARAMS: Final = Params()
_ONCE: Final = frozenset({"id", "expires", "reason", "retry-after", "cause", "boundary"})
_FOREVER: Final = 2**32 - 1


def delta_seconds(text: str) -> int:
    """Return a span in seconds; beyond 2**32-1 is 2**32-1 (RFC 3261 §20.19).

    Raises:
        MalformedHeader: it is no number.
    """
    if not (text.isascii() and text.isdigit()):
        raise MalformedHeader(f"no number of seconds: {text[:80]!r}")
    return _FOREVER if len(text) > 16 else min(int(text), _FOREVER)  # longer digits are not converted at all


def number_up_to(highest: int) -> Callable[[str], int]:
    """Return a parser of whole numbers from 0 to `highest`, which raises MalformedHeader for anything else."""

    def parse(text: str) -> int:
        if text.isdigit() and text.isascii() and len(text) <= 16 and (number := int(text)) <= highest:
            return number
        raise MalformedHeader(f"no number up to {highest}: {text[:80]!r}")

    return parse


def _read_token(text: str, what: str) -> tuple[str, Params]:
    """Read a token with parameters."""
    match = _TOKEN.fullmatch(text)
    if match is None:
        raise MalformedHeader(f"malformed {what} {text[:80]!r}")
    return match[1], Params.of_field(match[2], _ONCE) if match[2] else _NO_PARAMS


@dataclass(frozen=True, slots=True)
class CSeq:
    """CSeq (RFC 3261 §20.16): number of a request within its dialog, and its method.

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
        if match is None or (number := int(match[1])) >= 2**31:  # RFC 3261 §8.1.1.5
            raise MalformedHeader(f"malformed CSeq {text[:80]!r}")
        return cls(number, match[2])

    def __str__(self) -> str:
        return f"{self.number} {self.method}"


@dataclass(frozen=True, slots=True)
class EventType:
    """Event (RFC 6665 §8.2.1): an event package, and the subscription it belongs to.

    >>> EventType.parse("reg;id=7").id
    '7'
    """

    package: str
    """Such as `reg`, `dialog`, `conference`; templates follow after a dot."""
    params: Params = _NO_PARAMS
    """`id` and others."""

    @classmethod
    def parse(cls, text: str) -> EventType:
        """Parse the value.

        Raises:
            MalformedHeader: it does not follow the grammar.
        """
        token, params = _read_token(text, "Event")
        return cls(token, params)

    def __str__(self) -> str:
        return f"{self.package}{self.params.text}"

    @property
    def id(self) -> str | None:
        """Identifier that tells subscriptions to the same package within one dialog apart."""
        return self.params.get("id")


@dataclass(frozen=True, slots=True)
class MediaType:
    """Media type of Content-Type, or with `*` a range of them in Accept (RFC 3261 §20.15, §20.1).

    >>> MediaType.parse('multipart/mixed; boundary="a b"').params.get("boundary")
    'a b'
    """

    type: str
    """In lower case."""
    subtype: str
    """In lower case."""
    params: Params = _NO_PARAMS
    """`boundary`, `charset`, `q` and others."""

    @classmethod
    def parse(cls, text: str) -> MediaType:
        """Parse one value.

        Raises:
            MalformedHeader: it does not follow the grammar.
        """
        match = _MEDIA_TYPE.fullmatch(text)
        if match is None:
            raise MalformedHeader(f"malformed media type {text[:80]!r}")
        return cls(match[1].lower(), match[2].lower(), Params.of_field(match[3], _ONCE) if match[3] else _NO_PARAMS)

    def __str__(self) -> str:
        return f"{self.type}/{self.subtype}{self.params.text}"

    @property
    def essence(self) -> str:
        """Type and subtype without parameters, such as `application/sdp`."""
        return f"{self.type}/{self.subtype}"

    def accepts(self, essence: str) -> bool:
        """Whether this range of an Accept header field covers a type such as `application/sdp`."""
        major, _, minor = essence.lower().partition("/")
        return self.type in ("*", major) and self.subtype in ("*", minor)


@dataclass(frozen=True, slots=True)
class Reason:
    """Reason (RFC 3326) of a request: a protocol with a cause of its number space.

    >>> print(Reason.of("SIP", 200, "Call completed elsewhere"))
    SIP;cause=200;text="Call completed elsewhere"
    """

    protocol: str
    """`SIP`, `Q.850` or another."""
    params: Params = _NO_PARAMS
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
        token, params = _read_token(text, "Reason")
        return cls(token, params)

    def __str__(self) -> str:
        return f"{self.protocol}{self.params.text}"

    @property
    def cause(self) -> int | None:
        """The cause, or None where it is absent or no number."""
        text = self.params.get("cause", "") or ""
        return int(text) if re.fullmatch(r"[0-9]{1,6}", text) else None

    @property
    def text(self) -> str:
        """The cause in words; empty where there are none."""
        return self.params.get("text", "") or ""


@dataclass(frozen=True, slots=True)
class RetryAfter:
    """Retry-After (RFC 3261 §20.33): the wait before the next attempt.

    >>> RetryAfter.parse("18000 (in a meeting);duration=3600").seconds
    18000
    """

    seconds: int
    """From now; at most 2**32-1."""
    params: Params = _NO_PARAMS
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
        return cls(delta_seconds(match[1]), Params.of_field(match[3], _ONCE) if match[3] else _NO_PARAMS)

    def __str__(self) -> str:
        return f"{self.seconds}{self.params.text}"

    def delay(self, *, longest: float = LONGEST_RETRY_DELAY) -> float:
        """Return the wait in seconds: at least one, so that `Retry-After: 0` makes no loop, and at most `longest`."""
        return max(_SHORTEST_RETRY_DELAY, min(float(self.seconds), longest))


@dataclass(frozen=True, slots=True)
class SubscriptionState:
    """Subscription-State (RFC 6665 §8.2.3): state of a subscription, as its notifier tells it.

    >>> state = SubscriptionState.parse("terminated;reason=probation;retry-after=30")
    >>> state.state, state.reason, state.retry_after
    ('terminated', 'probation', 30)
    """

    state: str
    """`pending`, `active`, `terminated` or an extension, in lower case."""
    params: Params = _NO_PARAMS
    """`expires`, `reason`, `retry-after` and others."""

    @classmethod
    def active(cls, expires: int) -> SubscriptionState:
        """Make the state of a subscription that stands, for so many seconds."""
        return cls("active", Params([("expires", str(expires))]))

    @classmethod
    def terminated(cls, reason: str, retry_after: int | None = None) -> SubscriptionState:
        """Make the state of a subscription that is over, with the seconds before the next attempt."""
        params = Params([("reason", reason)])
        return cls("terminated", params if retry_after is None else params.with_("retry-after", str(retry_after)))

    @classmethod
    def parse(cls, text: str) -> SubscriptionState:
        """Parse the value.

        Raises:
            MalformedHeader: it does not follow the grammar.
        """
        token, params = _read_token(text, "Subscription-State")
        return cls(token.lower(), params)

    def __str__(self) -> str:
        return f"{self.state}{self.params.text}"

    @property
    def reason(self) -> str | None:
        """The reason for its end, in lower case (RFC 6665 §4.1.3)."""
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
