"""Probe of flows: which bindings of a user still lead to a UE (RFC 5626 §5.3.1).

A UE that vanishes without a word leaves its binding behind, for a week with the usual times, and the registrar cannot
see that. Its eP-CSCF can: it answers 430 for a connection that is gone. So the S-CSCF asks by OPTIONS along each Path,
when a new UE needs the place of another one.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, TypeAlias

from wic.network.hss import StoredBinding
from wic.sip.errors import MalformedHeader
from wic.sip.events import ResponseReceived, TransactionTimedOut, TransportFailed
from wic.sip.headers.address import NameAddr
from wic.sip.message import Request
from wic.sip.proxy.routing import next_hop_uri
from wic.sip.random_source import CALL_ID_OCTETS, TAG_OCTETS
from wic.sip.timers import TimerQueue

if TYPE_CHECKING:
    from wic.network.node import Node
    from wic.sip.events import Event
    from wic.sip.timers import ScheduledTimer

_log = logging.getLogger(__name__)

ProbeResult: TypeAlias = Callable[[Sequence[StoredBinding], float], None]
"""Called with the bindings that lead to no UE, and the time: first those whose flow is gone, then the silent ones."""


@dataclass(slots=True, eq=False)
class _Round:
    """Questions to all bindings of one registration set."""

    asked: list[StoredBinding]
    waiting: list[ProbeResult]
    failed: list[StoredBinding] = field(default_factory=list)
    answered: list[StoredBinding] = field(default_factory=list)
    deadline: ScheduledTimer | None = None

    @property
    def is_complete(self) -> bool:
        return len(self.failed) + len(self.answered) == len(self.asked)


@dataclass(frozen=True, slots=True)
class _Question:
    """OPTIONS to one binding; the owner of its transaction."""

    round: _Round
    binding: StoredBinding


class FlowProbe:
    """Asks the UEs behind bindings whether they are there; its `timers` are a timer source of the driver.

    Args:
        node: sends the questions.
        within: seconds in which a UE has to answer.
    """

    def __init__(self, node: Node, *, within: float) -> None:
        self.timers = TimerQueue()
        self._node = node
        self._within = within
        self._rounds: dict[tuple[str, int], _Round] = {}

    def ask(self, bindings: Sequence[StoredBinding], then: ProbeResult, *, now: float) -> None:
        """Ask the bindings of one registration set, at least one; a round that is under way serves all who wait for it."""
        key = bindings[0].impi, bindings[0].registration_set
        running = self._rounds.get(key)
        if running is not None:
            running.waiting.append(then)
            return
        begun = self._rounds[key] = _Round(list(bindings), [then])
        begun.deadline = self.timers.schedule(now + self._within, partial(self._finish, key, begun))
        for binding in bindings:
            if not self._send(begun, binding, now):
                begun.failed.append(binding)
        self._settle(begun, now)

    def handle(self, event: Event, *, now: float) -> bool:
        """Take an event of the endpoint; return whether it belonged to a question."""
        match event:
            case ResponseReceived(transaction) | TransactionTimedOut(transaction) | TransportFailed(transaction):
                question = transaction.owner
            case _:
                return False
        if not isinstance(question, _Question):
            return False
        begun, binding = question.round, question.binding
        if isinstance(event, TransportFailed):
            begun.failed.append(binding)
        elif isinstance(event, ResponseReceived) and event.response.is_final:
            # RFC 5626 §11.5: 430 says that the flow is gone; with any other answer there is one.
            (begun.failed if event.response.status == 430 else begun.answered).append(binding)
        self._settle(begun, now)
        return True

    def _send(self, begun: _Round, binding: StoredBinding, now: float) -> bool:
        """Send a question; return False where nothing leads."""
        node = self._node
        try:
            contact = NameAddr.parse(binding.contact).uri
            headers = [
                *(("Route", path) for path in binding.path),
                ("From", f"<{node.mw.uri()}>;tag={node.random_source.hex(TAG_OCTETS)}"),
                ("To", f"<{contact}>"),
                ("Call-ID", node.random_source.hex(CALL_ID_OCTETS)),
                ("CSeq", "1 OPTIONS"),
            ]
            request = Request.build("OPTIONS", contact, headers)
            flow = node.flow_to(next_hop_uri(request))
        except MalformedHeader:
            return False  # of a version that stored what cannot be read any more
        if flow is not None:
            node.endpoint.send_request(request, flow, now=now, owner=_Question(begun, binding))
        return flow is not None

    def _settle(self, begun: _Round, now: float) -> None:
        key = begun.asked[0].impi, begun.asked[0].registration_set
        if begun.is_complete and self._rounds.get(key) is begun:
            self._finish(key, begun, now)

    def _finish(self, key: tuple[str, int], begun: _Round, now: float) -> None:
        """Tell those who wait; answers that come later change nothing."""
        del self._rounds[key]
        if begun.deadline is not None:
            begun.deadline.cancel()
        silent = [each for each in begun.asked if each not in begun.failed and each not in begun.answered]
        _log.debug("of %d flows of %s %d are gone, %d silent", len(begun.asked), key[0], len(begun.failed), len(silent))
        oldest_first = [*_by_age(begun.failed), *_by_age(silent)]
        for then in begun.waiting:
            then(oldest_first, now)


def _by_age(bindings: Sequence[StoredBinding]) -> list[StoredBinding]:
    return sorted(bindings, key=lambda binding: binding.registered_at)
