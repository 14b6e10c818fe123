"""2xx responses to INVITE and their ACKs (RFC 3261 §13), which travel end to end, past the transactions.

The callee repeats a 2xx until its ACK comes, on any transport, because a proxy on the way may forward it over an
unreliable one. The caller repeats the ACK whenever the 2xx comes again. A proxy does neither.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, TypeAlias

from wic.sip.events import AckTimedOut, Transmit
from wic.sip.timers import Timer

if TYPE_CHECKING:
    from wic.sip.dialog import Dialog
    from wic.sip.flow import Flow
    from wic.sip.message import Message, Request, Response
    from wic.sip.timers import ScheduledTimer
    from wic.sip.transaction.layer import TransactionLayer
    from wic.sip.transaction.server import ServerTransaction

_Key: TypeAlias = tuple[str, str | None, str | None, int]


def _key(message: Message) -> _Key:
    """Return what a 2xx and its ACK have in common: Call-ID, both tags, CSeq number."""
    return (message.call_id, message.from_.tag, message.to.tag, message.cseq.number)


@dataclass(slots=True)
class _Unacknowledged:
    """2xx that waits for its ACK."""

    transaction: ServerTransaction
    dialog: Dialog | None
    data: bytes
    until: float
    timer: ScheduledTimer
    attempt: int = 0


@dataclass(slots=True, eq=False, repr=False)
class AcceptedCalls:
    """Accepted calls of a callee: each 2xx is repeated until its ACK comes."""

    layer: TransactionLayer
    _waiting: dict[_Key, _Unacknowledged] = field(default_factory=dict)
    _settled: set[_Key] = field(default_factory=set)

    def __len__(self) -> int:
        return len(self._waiting) + len(self._settled)

    def sent(self, transaction: ServerTransaction, response: Response, dialog: Dialog | None, *, now: float) -> None:
        """Repeat a 2xx from now on: after T1, doubling up to T2, on any transport (RFC 3261 §13.3.1.4)."""
        key = _key(response)
        if key in self._waiting or key in self._settled:  # repeated by the user; ours go on
            return
        timers = self.layer.timers
        timer = self.layer.queue.schedule(now + timers.interval(Timer.G, attempt=0), partial(self._expire, key))
        until = now + timers.timeout
        self._waiting[key] = _Unacknowledged(transaction, dialog, response.to_bytes(), until, timer)

    def acknowledged(self, ack: Request, *, now: float) -> ServerTransaction | None:
        """Take an ACK; return the INVITE's transaction if it is the first ACK of a 2xx."""
        key = _key(ack)
        waiting = self._waiting.pop(key, None)
        if waiting is None:
            return None
        waiting.timer.cancel()
        self._settled.add(key)  # a repeated ACK is absorbed for 64*T1
        self.layer.queue.schedule(now + self.layer.timers.timeout, lambda _: self._settled.remove(key))
        return waiting.transaction

    def is_settled(self, ack: Request) -> bool:
        """Tell whether the same ACK came before."""
        return _key(ack) in self._settled

    def _expire(self, key: _Key, now: float) -> None:
        waiting = self._waiting[key]
        if now >= waiting.until:
            # RFC 3261 §13.3.1.4: after 64*T1 the dialog is confirmed, and the session should be ended by a BYE.
            del self._waiting[key]
            self.layer.tell(AckTimedOut(waiting.transaction, waiting.dialog))
            return
        self.layer.counts["retransmitted"] += 1
        self.layer.send(waiting.transaction.reply_flow, waiting.data)
        waiting.attempt += 1
        due = now + self.layer.timers.interval(Timer.G, attempt=waiting.attempt)
        waiting.timer = self.layer.queue.schedule(min(due, waiting.until), partial(self._expire, key))


@dataclass(slots=True, eq=False, repr=False)
class Acknowledgements:
    """ACKs of a caller: each 2xx reaches the user once, and its repetition brings the ACK again."""

    layer: TransactionLayer
    _acks: dict[_Key, Transmit | None] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self._acks)

    def repeats(self, response: Response) -> bool:
        """Tell whether a 2xx to INVITE came before, and needs nothing more than its ACK again (RFC 3261 §13.2.2.4)."""
        key = _key(response)
        ack = self._acks.get(key)
        if ack is not None:
            self.layer.counts["retransmitted"] += 1
            self.layer.send(ack.flow, ack.data)
        return key in self._acks

    def received(self, response: Response, *, now: float) -> None:
        """Take the first 2xx of a fork; its ACK has to be sent by the user."""
        self._remember(_key(response), None, now)

    def sent(self, ack: Request, flow: Flow, data: bytes, *, now: float) -> None:
        """Keep an ACK for as long as its 2xx may be repeated."""
        key = _key(ack)
        if key in self._acks:
            self._acks[key] = Transmit(flow, data)
        else:
            self._remember(key, Transmit(flow, data), now)

    def _remember(self, key: _Key, ack: Transmit | None, now: float) -> None:
        self._acks[key] = ack
        self.layer.queue.schedule(now + self.layer.timers.timeout, partial(self._forget, key))

    def _forget(self, key: _Key, now: float) -> None:
        del self._acks[key]
