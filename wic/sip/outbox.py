"""What the machines of one endpoint have to say: bytes, events and deadlines, collected until asked for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from wic.sip.events import Event, MessageDropped, Transmit
from wic.sip.timer_queue import TimerQueue

if TYPE_CHECKING:
    from collections.abc import Callable

    from wic.sip.flow import Flow

Count: TypeAlias = Literal[
    "requests_received",
    "responses_received",
    "requests_sent",
    "responses_sent",
    "retransmitted",
    "absorbed",
    "dropped",
    "refused",
    "overloaded",
    "keep_alives",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Counters:
    """What an endpoint has done so far."""

    requests_received: int = 0
    """Requests that were parsed, retransmissions and ACKs included."""
    responses_received: int = 0
    """Responses that were parsed, retransmissions included."""
    requests_sent: int = 0
    """Requests sent for the first time, ACKs and CANCELs included."""
    responses_sent: int = 0
    """Responses sent for the first time."""
    retransmitted: int = 0
    """Messages sent once more."""
    absorbed: int = 0
    """Messages that came once more and told nothing new."""
    dropped: int = 0
    """Messages that could neither be used nor answered."""
    refused: int = 0
    """Requests answered without a transaction because they were malformed or not allowed."""
    overloaded: int = 0
    """Requests answered 503 because too many transactions were open."""
    keep_alives: int = 0
    """CRLF keep-alives, pings and pongs."""
    transactions: int = 0
    """Transactions that exist now."""


@dataclass(frozen=True, slots=True)
class _Afterwards:
    action: Callable[[], None]


class Outbox:
    """Filled by transactions and endpoint, emptied by the shell.

    Every client has one, and it is empty nearly always: a deque would take 700 bytes for that.
    """

    __slots__ = ("_counts", "_events", "_told", "_transmits", "timers")

    def __init__(self) -> None:
        self._transmits: list[Transmit] = []
        self._events: list[Event | _Afterwards] = []
        self._told = 0
        self.timers = TimerQueue()
        self._counts: dict[str, int] = {}

    def send(self, flow: Flow, data: bytes, count: Count) -> None:
        """Have bytes sent, and count them as what they are."""
        self.count(count)
        self._transmits.append(Transmit(flow, data))

    def to_send(self) -> list[Transmit]:
        """Return, once, what is to be sent."""
        waiting, self._transmits = self._transmits, []
        return waiting

    def tell(self, event: Event) -> None:
        """Report an event."""
        self._events.append(event)

    def afterwards(self, action: Callable[[], None]) -> None:
        """Have something done when the user has dealt with all that was reported so far."""
        self._events.append(_Afterwards(action))

    def next_event(self) -> Event | None:
        """Return, once, the next event; whoever asks for it has dealt with those before."""
        while self._told < len(self._events):
            event = self._events[self._told]
            self._told += 1
            if not isinstance(event, _Afterwards):
                return event
            event.action()
        self._events.clear()
        self._told = 0
        return None

    def drop(self, reason: str, flow: Flow) -> None:
        """Report a message that is of no use."""
        self.count("dropped")
        self.tell(MessageDropped(reason, flow))

    def count(self, what: Count) -> None:
        """Count one of something."""
        self._counts[what] = self._counts.get(what, 0) + 1

    def snapshot(self, transactions: int) -> Counters:
        """Return the figures as they are now."""
        return Counters(transactions=transactions, **self._counts)
