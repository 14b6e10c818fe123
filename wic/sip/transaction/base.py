"""What client and server transactions share: a table, a state, timers and a way out."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from functools import partial
from typing import TYPE_CHECKING, Protocol

from wic.sip.timers import Timer, Timers
from wic.sip.transaction.tables import RESTING, Action, Input, Row, State, Table

if TYPE_CHECKING:
    from wic.sip.events import Event
    from wic.sip.flow import Flow
    from wic.sip.message import Request
    from wic.sip.outbox import Outbox
    from wic.sip.timer_queue import ScheduledTimer
    from wic.sip.transaction.client import ClientTransaction

logger = logging.getLogger(__name__)


class Layer(Protocol):
    """What a transaction needs around itself."""

    outbox: Outbox
    timers: Timers
    uses_timer_c: bool

    def forget(self, transaction: Transaction) -> None:
        """Let go of a transaction that has terminated."""

    def start_cancel(self, invite: ClientTransaction, request: Request, now: float) -> None:
        """Send a CANCEL in a transaction of its own."""


class Transaction(ABC):
    """One machine of `wic.sip.transaction.tables` at work."""

    __slots__ = (
        "_layer",
        "_lost",
        "_quiet",
        "_running",
        "_state",
        "_table",
        "attempt",
        "flow",
        "id",
        "owner",
        "request",
    )

    def __init__(
        self, table: Table, layer: Layer, *, id: str, request: Request, flow: Flow, owner: object, quiet: bool
    ) -> None:
        self.id = id
        """The branch of the topmost Via."""
        self.request = request
        """The request as it was sent or received."""
        self.flow = flow
        """Where it was sent to or came from."""
        self.owner = owner
        """Whatever the user likes to find again when an event arrives; None after the last event."""
        self.attempt = 0
        """Retransmissions so far, paced by Timer A, E or G."""
        self._table = table
        self._layer = layer
        self._state = table.initial
        self._quiet = quiet
        self._lost = ""
        self._running: dict[Timer, ScheduledTimer] = {}

    @property
    def state(self) -> State:
        """Where the machine stands."""
        return self._state

    @property
    def terminated(self) -> bool:
        """Whether it is over and forgotten."""
        return self._state is State.TERMINATED

    @property
    def is_invite(self) -> bool:
        """Whether it is one of the INVITE machines."""
        return self.request.method == "INVITE"

    def start(self, now: float) -> None:
        """Do what the table asks for on creation; called once, by the layer."""
        for action in self._table.actions:
            self._perform(action, now)
        for timer in self._table.timers:
            self._start(timer, now)

    def take(self, given: Input | Timer, now: float) -> Row | None:
        """Make the transition that an input asks for.

        Returns:
            The row of the table, or None when the input means nothing in this state.
        """
        row = self._table.by_input.get((self._state, given))
        if row is None:
            return None
        if row.next is not self._state:
            self._move(row.next)
        for action in row.actions:
            self._perform(action, now)
        for timer in row.timers:
            self._start(timer, now)
        if self._state in RESTING and self._state is row.next:  # else a timer of 0 s has been here already
            self._layer.outbox.afterwards(self._rest)
        return row

    def flow_lost(self, reason: str, *, now: float) -> None:
        """Take note that the flow is gone."""
        self._lost = reason
        self.take(Input.FLOW_LOST, now)

    def abandon(self) -> None:
        """End silently, whatever the state."""
        if not self.terminated:
            self._move(State.TERMINATED)

    @abstractmethod
    def _perform(self, action: Action, now: float) -> None:
        """Carry out one action of the table."""

    def _rest(self) -> None:
        """Keep little: a transaction waits much longer for repetitions than it was busy."""
        if self._state in self._table.silent:
            self.owner = None
        if not self.terminated:  # for else nothing keeps it but its user
            self._pack()

    def _pack(self) -> None:
        """Let go of all that repetitions do not need."""
        self.request.pack()

    def _tell(self, event: Event) -> None:
        if not self._quiet:
            self._layer.outbox.tell(event)

    def _move(self, state: State) -> None:
        logger.debug("%s %s: %s -> %s", self._table.name, self.id, self._state, state)
        self._state = state
        if self._running:
            for timer in self._running.keys() - self._table.live[state]:
                self._running.pop(timer).cancel()
        if state is State.TERMINATED:
            self._layer.forget(self)

    def _start(self, timer: Timer, now: float) -> None:
        """Start a timer, or start it anew; what a reliable transport does without is skipped."""
        timers = self._layer.timers
        reliable = self.flow.reliable
        if timers.retransmits(timer):
            if reliable:
                return
            delay = self._interval(timer)
        elif timer is Timer.C and not self._layer.uses_timer_c:
            return
        else:
            delay = timers.duration(timer, reliable=reliable)
        if delay == 0:
            self.take(timer, now)
            return
        if self._running:
            self._stop(timer)
        self._running[timer] = self._layer.outbox.timers.schedule(now + delay, partial(self._expire, timer))

    def _interval(self, timer: Timer) -> float:
        return self._layer.timers.interval(timer, attempt=self.attempt)

    def _stop(self, timer: Timer) -> None:
        running = self._running.pop(timer, None)
        if running is not None:
            running.cancel()

    def _expire(self, timer: Timer, now: float) -> None:
        del self._running[timer]
        if timer in (Timer.A, Timer.E, Timer.G):
            self.attempt += 1
        self.take(timer, now)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.request.method} {self.id} {self._state.value}>"
