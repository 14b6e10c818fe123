"""Probe of flows: which bindings of a user still lead to a UE (RFC 5626 §5.3.1).

A UE that vanishes without a word leaves its binding behind, for a week with the usual times, and the registrar cannot
see that. Its eP-CSCF can: it answers 430 for a connection that is gone. So the S-CSCF asks by OPTIONS along each Path,
when a new UE needs the place of another one. What they answer counts for a while: a UE that is refused and tries again at
once would have every other one asked each time.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from wic.network.hss import StoredBinding
from wic.sip.errors import MalformedHeader
from wic.sip.events import ResponseReceived, TransportFailed, owner_of
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
    timer: ScheduledTimer
    """End of the wait for answers."""
    failed: list[StoredBinding] = field(default_factory=list)
    answered: list[StoredBinding] = field(default_factory=list)
    gone: list[StoredBinding] | None = None
    """The result, once it is complete."""
    counts_until: float = 0.0

    def covers(self, bindings: Sequence[StoredBinding]) -> bool:
        """Tell whether it has asked all of these; a UE that is new since then, or has come by another flow, it has not."""
        asked = {(each.key, each.path) for each in self.asked}
        return all((each.key, each.path) in asked for each in bindings)


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
        again: seconds after which the UEs of one registration set may be asked once more.
    """

    def __init__(self, node: Node, *, within: float, again: float) -> None:
        self.timers = TimerQueue()
        self._node = node
        self._within = within
        self._again = again
        self._rounds: dict[tuple[str, int], _Round] = {}

    def ask(self, bindings: Sequence[StoredBinding], then: ProbeResult, *, now: float) -> None:
        """Ask the bindings of one registration set, at least one; a round serves all who ask while it runs and soon after."""
        key = bindings[0].impi, bindings[0].registration_set
        last = self._rounds.get(key)
        if last is not None and last.gone is None:
            last.waiting.append(then)
        elif last is not None and last.gone is not None and now < last.counts_until and last.covers(bindings):
            then([each for each in last.gone if each not in last.answered], now)  # one that was silent may be late
        else:
            timer = self.timers.schedule(now + self._within, lambda now: self._finish(key, begun, now))
            begun = self._rounds[key] = _Round(list(bindings), [then], timer)
            for binding in bindings:
                if not self._send(begun, binding, now):
                    begun.failed.append(binding)
            self._settle(begun, now)

    def handle(self, event: Event, *, now: float) -> bool:
        """Take an event of the endpoint; return whether it belonged to a question."""
        question = owner_of(event)
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
        if begun.gone is None and len(begun.failed) + len(begun.answered) == len(begun.asked):
            self._finish((begun.asked[0].impi, begun.asked[0].registration_set), begun, now)

    def _finish(self, key: tuple[str, int], begun: _Round, now: float) -> None:
        """Tell those who wait; answers that come later count for those who come later."""
        begun.timer.cancel()
        silent = [each for each in begun.asked if each not in begun.failed and each not in begun.answered]
        _log.debug("of %d flows of %s %d are gone, %d silent", len(begun.asked), key[0], len(begun.failed), len(silent))
        begun.gone = [*_by_age(begun.failed), *_by_age(silent)]
        begun.counts_until = now + self._again
        self.timers.schedule(begun.counts_until, lambda _: self._forget(key, begun))
        for then in begun.waiting:
            then(begun.gone, now)
        begun.waiting.clear()

    def _forget(self, key: tuple[str, int], begun: _Round) -> None:
        if self._rounds.get(key) is begun:
            del self._rounds[key]


def _by_age(bindings: Sequence[StoredBinding]) -> list[StoredBinding]:
    return sorted(bindings, key=lambda binding: binding.registered_at)
