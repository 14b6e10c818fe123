"""The 2xx of INVITE and its ACK, which travel end to end: resent until the other has come (RFC 3261 §13)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from wic.sip.events import AckTimedOut, Transmit
from wic.sip.timers import Timer

if TYPE_CHECKING:
    from wic.sip.dialog import Dialog
    from wic.sip.flow import Flow
    from wic.sip.message import Message, Request, Response
    from wic.sip.outbox import Outbox
    from wic.sip.timer_queue import ScheduledTimer
    from wic.sip.timers import Timers
    from wic.sip.transaction.server import ServerTransaction

_Key: TypeAlias = tuple[str, str | None, str | None, int]


def _key(message: Message) -> _Key:
    """Return what a 2xx and its ACK have in common: Call-ID, both tags, CSeq number."""
    return (message.call_id, message.from_.tag, message.to.tag, message.cseq.number)


@dataclass(slots=True)
class _Unacknowledged:
    transaction: ServerTransaction
    dialog: Dialog | None
    data: bytes
    until: float
    timer: ScheduledTimer
    attempt: int = 0


class AcceptedCalls:
    """The callee's side: each 2xx to INVITE, sent again and again until its ACK comes."""

    __slots__ = ("_outbox", "_settled", "_timers", "_waiting")

    def __init__(self, *, outbox: Outbox, timers: Timers) -> None:
        self._outbox = outbox
        self._timers = timers
        self._waiting: dict[_Key, _Unacknowledged] = {}
        self._settled: set[_Key] = set()

    def sent(self, transaction: ServerTransaction, response: Response, dialog: Dialog | None, *, now: float) -> None:
        """Resend a 2xx from now on: after T1, doubling up to T2, on any transport (RFC 3261 §13.3.1.4)."""
        key = _key(response)
        if key in self._waiting or key in self._settled:
            return
        until = now + self._timers.timeout
        timer = self._schedule(key, now, attempt=0, until=until)
        self._waiting[key] = _Unacknowledged(transaction, dialog, response.to_bytes(), until, timer)

    def acknowledged(self, ack: Request, *, now: float) -> ServerTransaction | None:
        """Take an ACK; return the INVITE's transaction if it is the first ACK of a 2xx."""
        key = _key(ack)
        waiting = self._waiting.pop(key, None)
        if waiting is None:
            return None
        waiting.timer.cancel()
        self._settled.add(key)
        self._outbox.timers.schedule(now + self._timers.timeout, lambda _: self._forget(key))
        return waiting.transaction

    def is_settled(self, ack: Request) -> bool:
        """Tell whether the same ACK came before."""
        return _key(ack) in self._settled

    def _forget(self, key: _Key) -> None:
        self._settled.remove(key)

    def _schedule(self, key: _Key, now: float, *, attempt: int, until: float) -> ScheduledTimer:
        due = now + self._timers.interval(Timer.G, attempt=attempt)
        return self._outbox.timers.schedule(min(due, until), lambda at: self._expire(key, at))

    def _expire(self, key: _Key, now: float) -> None:
        waiting = self._waiting[key]
        if now >= waiting.until:
            del self._waiting[key]
            self._outbox.tell(AckTimedOut(waiting.transaction, waiting.dialog))
            return
        self._outbox.send(waiting.transaction.reply_flow, waiting.data, "retransmitted")
        waiting.attempt += 1
        waiting.timer = self._schedule(key, now, attempt=waiting.attempt, until=waiting.until)


class Acknowledgements:
    """The caller's side: each 2xx reaches the user once, and its repetition brings the ACK again."""

    __slots__ = ("_known", "_outbox", "_timers")

    def __init__(self, *, outbox: Outbox, timers: Timers) -> None:
        self._outbox = outbox
        self._timers = timers
        self._known: dict[_Key, Transmit | None] = {}

    def received(self, response: Response, *, now: float) -> bool:
        """Take a 2xx to INVITE; False means that it came before and needs nothing more."""
        key = _key(response)
        if key not in self._known:
            self._remember(key, None, now)
            return True
        ack = self._known[key]
        if ack is not None:
            self._outbox.send(ack.flow, ack.data, "retransmitted")
        return False

    def sent(self, ack: Request, flow: Flow, data: bytes, *, now: float) -> None:
        """Keep an ACK for as long as its 2xx may be repeated."""
        key = _key(ack)
        if key in self._known:
            self._known[key] = Transmit(flow, data)
        else:
            self._remember(key, Transmit(flow, data), now)

    def _remember(self, key: _Key, ack: Transmit | None, now: float) -> None:
        self._known[key] = ack
        self._outbox.timers.schedule(now + self._timers.timeout, lambda _: self._forget(key))

    def _forget(self, key: _Key) -> None:
        del self._known[key]
