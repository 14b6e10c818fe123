"""Common part of client and server transactions: one table of `wic.sip.transaction.tables` at work.

A transaction takes inputs and timers, looks up the row of its state, and carries out the row's actions. What
concerns the wire (`SEND_…`) it does itself; what its user has to learn (`REPORTS`) it leaves to the layer, which
makes an event of it. Nothing here knows the events, the layer's implementation, or the other transactions.
"""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias

from wic.sip.timers import RETRANSMISSION, Timer
from wic.sip.transaction.tables import REPORTS, RESTING, Action, TransactionInput, TransactionState

if TYPE_CHECKING:
    from collections.abc import Callable

    from wic.sip.flow import Flow
    from wic.sip.message import Request
    from wic.sip.timers import ScheduledTimer, TimerQueue, Timers
    from wic.sip.transaction.tables import Row, TransactionTable

logger = logging.getLogger(__name__)


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
"""What an endpoint counts: the fields of `Counters` but for the last."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Counters:
    """Figures of an endpoint since it was made."""

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


class Layer(Protocol):
    """The transaction layer, as far as a transaction needs it."""

    counts: dict[Count, int]
    timers: Timers
    queue: TimerQueue
    uses_timer_c: bool

    def send(self, flow: Flow, data: bytes) -> None:
        """Have bytes sent."""

    def report(self, transaction: Transaction, action: Action) -> None:
        """Tell the user what one of `REPORTS` stands for."""

    def afterwards(self, action: Callable[[], None]) -> None:
        """Do something when the user has dealt with all that was reported so far."""

    def forget(self, transaction: Transaction) -> None:
        """Release a transaction that has terminated."""

    def start_client(
        self, request: Request, flow: Flow, *, branch: str, sent_by: str, now: float, owner: object, quiet: bool
    ) -> Transaction:
        """Send a request, such as a CANCEL, in a transaction of its own."""


class Transaction(ABC):
    """State machine of one transaction."""

    __slots__ = (
        "_layer",
        "_quiet",
        "_running",
        "_state",
        "_table",
        "attempt",
        "flow",
        "id",
        "lost",
        "owner",
        "request",
    )

    def __init__(
        self,
        table: TransactionTable,
        layer: Layer,
        *,
        id: str,
        request: Request,
        flow: Flow,
        owner: object,
        quiet: bool,
    ) -> None:
        self.id = id
        """The branch of the topmost Via."""
        self.request = request
        """The request as it was sent or received."""
        self.flow = flow
        """Flow that it was sent over or came from."""
        self.owner = owner
        """Object of the user's choice, found again on each event; None after the last one."""
        self.attempt = 0
        """Retransmissions so far, paced by Timer A, E or G."""
        self.lost = ""
        """Reason for the end of its flow, if it ended."""
        self._table = table
        self._layer = layer
        self._state = table.initial
        self._quiet = quiet
        self._running: dict[Timer, ScheduledTimer] = {}

    @property
    def state(self) -> TransactionState:
        """State of the machine."""
        return self._state

    @property
    def terminated(self) -> bool:
        """Whether it is over and forgotten."""
        return self._state is TransactionState.TERMINATED

    @property
    def is_invite(self) -> bool:
        """Whether it is one of the INVITE machines."""
        return self.request.method == "INVITE"

    def start(self, now: float) -> None:
        """Do what the table asks for on creation; called once, by the layer."""
        self._carry_out(self._table.actions, self._table.timers, now)

    def take(self, given: TransactionInput | Timer, now: float) -> Row | None:
        """Make the transition that an input asks for.

        Returns:
            The row of the table, or None when the input means nothing in this state.
        """
        row = self._table.by_input.get((self._state, given))
        if row is None:
            return None
        if row.next is not self._state:
            self._move(row.next)
        self._carry_out(row.actions, row.timers, now)
        # A timer of 0 s has made the next transition already, and that one has arranged for the rest.
        if self._state in RESTING and self._state is row.next:
            self._layer.afterwards(self._rest)
        return row

    def flow_lost(self, reason: str, *, now: float) -> None:
        """End because the flow is gone, if the table asks for it."""
        self.lost = reason
        self.take(TransactionInput.FLOW_LOST, now)

    def abandon(self) -> None:
        """End silently, in any state."""
        if not self.terminated:
            self._move(TransactionState.TERMINATED)

    @abstractmethod
    def _perform(self, action: Action, now: float) -> None:
        """Carry out an action of the table that concerns the wire."""

    def _rest(self) -> None:
        """Keep little: a transaction waits for repetitions much longer than it was busy."""
        if self._state in self._table.silent:
            self.owner = None
        if not self.terminated:  # a terminated one is kept by nothing but its user
            self._pack()

    def _pack(self) -> None:
        """Release all that repetitions do not need."""
        self.request.pack()

    def _move(self, state: TransactionState) -> None:
        logger.debug("%s %s: %s -> %s", self._table.name, self.id, self._state, state)
        self._state = state
        if self._running:
            for timer in self._running.keys() - self._table.live[state]:
                self._running.pop(timer).cancel()
        if state is TransactionState.TERMINATED:
            self._layer.forget(self)

    def _carry_out(self, actions: tuple[Action, ...], timers: tuple[Timer, ...], now: float) -> None:
        """Perform the actions of a row, then start its timers, or start them anew."""
        for action in actions:
            if action not in REPORTS:
                self._perform(action, now)
            elif not self._quiet:
                self._layer.report(self, action)
        if not timers:
            return
        reliable = self.flow.reliable
        for timer in timers:
            paces = timer in RETRANSMISSION
            # Reliable transports need no retransmission (RFC 3261 §17.1.1.2, §17.1.2.2, §17.2.1), user agents no Timer C.
            if (paces and reliable) or (timer is Timer.C and not self._layer.uses_timer_c):
                continue
            delay = self._interval(timer) if paces else self._layer.timers.duration(timer, reliable=reliable)
            if delay == 0:  # Timers D, I, J, K of a reliable transport
                self.take(timer, now)
                continue
            if timer in self._running:
                self._stop(timer)
            self._running[timer] = self._layer.queue.schedule(now + delay, partial(self._expire, timer))

    def _interval(self, timer: Timer) -> float:
        return self._layer.timers.interval(timer, attempt=self.attempt)

    def _stop(self, timer: Timer) -> None:
        running = self._running.pop(timer, None)
        if running is not None:
            running.cancel()

    def _expire(self, timer: Timer, now: float) -> None:
        del self._running[timer]
        if timer in RETRANSMISSION:
            self.attempt += 1
        self.take(timer, now)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.request.method} {self.id} {self._state}>"
