"""Proxied requests (RFC 3261 §16.2, "response context"): one request, its branches, and the responses that go back.

A request is proxied in three steps, each of which may wait for something outside, such as a database or a gateway:

1. `ProxyLogic.route` decides where it goes and calls `ProxyContext.forward` or `reject`.
2. The targets of the highest q are tried together, those of a lower q when they have failed (§16.6).
3. Each response to be sent back is handed to `ProxyLogic.response` first, and held until that releases it. Those
   behind it wait, so that a 200 never overtakes a 183 that is being changed.

Failures are collected until every branch has one, and the best goes back (§16.7 step 6). A 2xx goes back at once
and cancels the other branches; further ones follow it, for each is a dialog of its own (§16.7 step 5).

Once a final response has gone back, or the caller is gone, the context is answered: a late `forward` does nothing.
"""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from itertools import groupby
from typing import TYPE_CHECKING, Final

from wic.sip.message import Response
from wic.sip.proxy.routing import decrement_max_forwards, loop_branch, next_hop_uri
from wic.sip.state_table import MachineEnum, StateTable

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from wic.sip.endpoint import Endpoint
    from wic.sip.flow import Flow
    from wic.sip.headers.address import NameAddr
    from wic.sip.message import Request
    from wic.sip.transaction.client import ClientTransaction
    from wic.sip.transaction.server import ServerTransaction
    from wic.sip.uri import Uri

logger = logging.getLogger(__name__)


class ContextState(MachineEnum):
    """Progress of a proxied request."""

    DECIDING = "deciding"
    """The logic has not said where to."""
    FORWARDED = "forwarded"
    """Branches are out, no final response has gone back."""
    ANSWERED = "answered"
    """A final response has gone back, or there is no caller to get one."""


class ContextInput(MachineEnum):
    """Input of a proxied request that may change its state."""

    FORWARD = "logic forwards"
    FINAL = "final response goes back"
    NO_CALLER = "caller is gone, or waits no longer"


CONTEXT: Final = StateTable(
    name="Proxied request",
    clause="RFC 3261 §16",
    initial=ContextState.DECIDING,
    final=ContextState.ANSWERED,
    rows={
        (ContextState.DECIDING, ContextInput.FORWARD): ContextState.FORWARDED,
        (ContextState.DECIDING, ContextInput.FINAL): ContextState.ANSWERED,
        (ContextState.DECIDING, ContextInput.NO_CALLER): ContextState.ANSWERED,
        (ContextState.FORWARDED, ContextInput.FORWARD): ContextState.FORWARDED,
        (ContextState.FORWARDED, ContextInput.FINAL): ContextState.ANSWERED,
        (ContextState.FORWARDED, ContextInput.NO_CALLER): ContextState.ANSWERED,
    },
)

# RFC 3261 §16.7 step 6: of the 4xx those that tell the caller how to do better.
_HELPFUL: Final = (401, 407, 415, 420, 484)
_CHALLENGES: Final = {401: "WWW-Authenticate", 407: "Proxy-Authenticate"}
# The target did not answer; any other response of the class says more.
_NO_ANSWER: Final = (408, 487, 503)
_ELSEWHERE: Final = 'SIP;cause=200;text="Call completed elsewhere"'
"""Reason of a CANCEL to those that have not answered while another one did (RFC 3326 §3.1)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Place to forward a request to (RFC 3261 §16.5)."""

    uri: Uri | None = None
    """The Request-URI to write; None keeps the one that is there."""
    routes: tuple[NameAddr, ...] = ()
    """Route values to put on top, such as the Path of a binding."""
    flow: Flow | None = None
    """Flow to use; None asks `ProxyLogic.next_hop` for the flow of the topmost Route or the Request-URI."""
    q: float = 1.0
    """Targets of one q are tried together, those of a lower q when they have failed."""
    owner: object = None
    """Object of the logic's choice."""


class ProxyLogic(ABC):
    """Decisions of one proxy. Each has a default, except the way of a request.

    A hook may act at once or keep what it was given and act later; `now` is then the time of that moment.
    """

    @abstractmethod
    def route(self, context: ProxyContext, *, now: float) -> None:
        """Decide on a new request: `context.forward(...)` or `context.reject(...)`, now or later.

        Until then `context.request` may be changed; the changes hold for all targets.
        """

    def is_recipient(self, request: Request) -> bool:
        """Tell whether a request ends at this element, as at a registrar; the core itself knows of OPTIONS to its address."""
        return False

    @abstractmethod
    def next_hop(self, uri: Uri) -> Flow | None:
        """Return the flow that leads to a URI, or None if nothing does."""

    def record_route(self, context: ProxyContext, target: Target) -> Sequence[str]:
        """Return Record-Route values to put on top of a request, topmost first."""
        return ()

    def rewrite_request(  # noqa: B027 - most logics leave it alone
        self, context: ProxyContext, request: Request, target: Target
    ) -> None:
        """Change the copy of a request that goes to one target; its Via is still to come."""

    def response(self, passing: PassingResponse, *, now: float) -> None:
        """Change a response, then `passing.release(...)` it, now or later; those behind it wait for it."""
        passing.release(now=now)

    def ack(self, ack: PassingAck, *, now: float) -> None:
        """Change the ACK of a 2xx, then `ack.forward(...)`, now or later."""
        ack.forward(now=now)

    def cancelled(self, context: ProxyContext, *, now: float) -> None:  # noqa: B027 - most logics leave it alone
        """Release what the caller waited for: it sent CANCEL or its flow is gone, and the branches are cancelled."""


@dataclass(slots=True, eq=False, repr=False)
class Branch:
    """Target that was tried, with its transaction and its final response."""

    context: ProxyContext
    target: Target
    transaction: ClientTransaction | None = None
    """None where no flow led to the target."""
    final: Response | None = None
    """The final response, or what stands in for it, without our Via."""


@dataclass(slots=True, eq=False, repr=False)
class PassingResponse:
    """Response on its way back, held by the logic until it is released."""

    context: ProxyContext
    branch: Branch | None
    """Branch that it came from; None if the proxy made it."""
    response: Response
    """The response, which the logic may change or exchange."""
    _released: bool = False
    _dropped: bool = False

    @property
    def released(self) -> bool:
        """Whether it may go."""
        return self._released

    @property
    def settled(self) -> bool:
        """Whether the logic has released or dropped it."""
        return self._released or self._dropped

    def release(self, *, now: float) -> None:
        """Let it go back as soon as all that came before it have gone."""
        self._released = True
        self.context.flush(now)

    def drop(self, *, now: float) -> None:
        """Keep it from going back; only for provisional responses, a final one has to be exchanged."""
        self._dropped = True
        self.context.flush(now)


@dataclass(slots=True, eq=False, repr=False)
class ProxyContext:
    """Request that is being proxied."""

    endpoint: Endpoint
    logic: ProxyLogic
    transaction: ServerTransaction
    """The server transaction; its `request` is as it came."""
    request: Request
    """Request to forward: a copy without the Route values that led here, to be changed by the logic.

    Once nothing is forwarded any more, the request as it came.
    """
    taken_routes: tuple[NameAddr, ...]
    """Those Route values."""
    loop_digest: str
    """Mark of this request in the branches of its copies (RFC 3261 §16.6 step 8)."""
    owner: object = None
    """Object of the logic's choice."""
    branches: list[Branch] = field(default_factory=list)
    """The targets tried so far."""
    _state: ContextState = CONTEXT.initial
    _waiting: list[Target] = field(default_factory=list)
    _passing: list[PassingResponse] = field(default_factory=list)
    _successes: dict[str | None, PassingResponse] = field(default_factory=dict)
    _chosen: bool = False

    @property
    def state(self) -> ContextState:
        """Progress of the request."""
        return self._state

    @property
    def flow(self) -> Flow:
        """Flow that the request came from."""
        return self.transaction.flow

    @property
    def in_dialog(self) -> bool:
        """Whether the request came within a dialog."""
        return self.transaction.request.to.tag is not None

    # commands of the logic

    def forward(self, targets: Iterable[Target] = (Target(),), *, now: float) -> None:
        """Send the request on: to all targets of the highest q at once, to the others when those have failed.

        Without targets it follows its Route and Request-URI; with an empty list it is answered 480. After
        a final response or the end of the caller, nothing happens.
        """
        if self._state is ContextState.ANSWERED:
            return
        self._take(ContextInput.FORWARD)
        self._waiting = sorted([*self._waiting, *targets], key=lambda target: -target.q)  # §16.6
        self._settle(now)

    def reject(
        self,
        status: int,
        reason: str | None = None,
        *,
        now: float,
        headers: Iterable[tuple[str, object]] = (),
        body: bytes = b"",
    ) -> None:
        """Answer in the proxy's own name; with a final status all branches are cancelled."""
        response = Response.answer(
            self.transaction.request, status, reason, to_tag=self.transaction.tag, headers=headers, body=body
        )
        self.respond(response, now=now)

    def respond(self, response: Response, *, now: float) -> None:
        """Answer with a response that the logic made, ahead of those that are held."""
        if self._state is ContextState.ANSWERED:
            return
        if response.status >= 200:
            self.cancel(now=now)
            self._chosen = True
            self._take(ContextInput.FINAL)
        self.endpoint.respond(self.transaction, response, now=now)

    def cancel(self, *, now: float, reason: str | None = None) -> None:
        """Cancel what is pending and try no further targets (RFC 3261 §16.10).

        Args:
            now: the time.
            reason: value of a Reason header field for the CANCELs (RFC 3326).
        """
        self._waiting.clear()
        for branch in self.branches:  # §16.10: a CANCEL each
            if branch.final is None and branch.transaction is not None and branch.transaction.is_invite:
                self.endpoint.cancel(branch.transaction, now=now, reason=reason)

    # input from the proxy core

    def caller_cancelled(self, reason: str | None, *, now: float) -> None:
        """Take the caller's CANCEL."""
        if self._state is ContextState.DECIDING:
            self.reject(487, now=now)  # RFC 3261 §16.10
        else:
            self.cancel(now=now, reason=reason)
        self.logic.cancelled(self, now=now)

    def caller_lost(self, *, now: float) -> None:
        """Give up the request: the flow of its caller is gone."""
        self.cancel(now=now)
        self._take(ContextInput.NO_CALLER)
        self.logic.cancelled(self, now=now)

    def received(self, branch: Branch, response: Response, *, now: float) -> None:
        """Take a response of a branch (RFC 3261 §16.7)."""
        if response.status == 100:
            return  # RFC 3261 §16.7 step 5: a 100 goes no further than one hop
        response = response.copy()
        response.headers.remove_first("Via")  # §16.7 step 3
        if "Via" not in response.headers:
            return  # RFC 3261 §16.7 step 3: it is for this element, which sent no such request
        if response.status < 200:
            if not self._chosen:
                self._pass(branch, response, now)
        elif response.status < 300:
            branch.final = response
            self._success(branch, response, now)  # §16.7 step 5: at once
        else:
            self.failed(branch, response, now=now)

    def failed(self, branch: Branch, response: Response, *, now: float) -> None:
        """End a branch by a final response that is no success, or by one that stands in for it."""
        branch.final = response
        if response.status >= 600:
            self.cancel(now=now)  # RFC 3261 §16.7 step 5: no target will accept it
        self._settle(now)

    def failed_with(self, branch: Branch, status: int, *, now: float) -> None:
        """End a branch that timed out (408) or lost its flow (503): RFC 3261 §16.8, §16.9."""
        self.failed(branch, Response.answer(self.transaction.request, status, to_tag=self.transaction.tag), now=now)

    def flush(self, now: float) -> None:
        """Send back what has been released, in order."""
        while self._passing and self._passing[0].settled:
            passing = self._passing.pop(0)
            if passing.released:
                self._send_back(passing.response, now)

    def _success(self, branch: Branch, response: Response, now: float) -> None:
        """Forward a 2xx, also after another one (RFC 3261 §16.7 step 5); its repetitions go the way the first one went."""
        tag = response.to.tag
        known = self._successes.get(tag)
        if known is not None:
            if known.released:
                self.endpoint.respond(self.transaction, known.response, now=now)
            return
        self._chosen = True
        self.cancel(now=now, reason=_ELSEWHERE)
        self._successes[tag] = self._pass(branch, response, now)

    def _settle(self, now: float) -> None:
        """Go on when no branch is pending: the next targets, or the best response."""
        while not self._chosen and all(branch.final is not None for branch in self.branches):
            if not self._waiting:
                self._answer(now)
                return
            highest, group = next(groupby(self._waiting, key=lambda target: target.q))
            targets = list(group)
            logger.debug("forwarding to %d targets of q %s", len(targets), highest)
            del self._waiting[: len(targets)]
            for target in targets:
                self._start(target, now)

    def _start(self, target: Target, now: float) -> None:
        branch = Branch(self, target)
        self.branches.append(branch)
        request = self.request.copy()  # §16.6 step 1
        if target.uri is not None:
            request.uri = target.uri  # §16.6 step 2
        decrement_max_forwards(request)  # §16.6 step 3
        for hop in reversed(target.routes):
            request.headers.prepend("Route", hop)
        for value in reversed(self.logic.record_route(self, target)):
            request.headers.prepend("Record-Route", value)  # §16.6 step 4
        self.logic.rewrite_request(self, request, target)
        next_hop = next_hop_uri(request)  # §16.6 steps 6 and 7
        flow = target.flow or self.logic.next_hop(next_hop)
        if flow is None:
            # RFC 3261 §16.9: as if a 503 had come. `_settle` goes on from here.
            branch.final = Response.answer(self.transaction.request, 503, to_tag=self.transaction.tag)
            return
        via_branch = loop_branch(self.endpoint.random_source, self.loop_digest)  # §16.6 step 8
        branch.transaction = self.endpoint.send_request(request, flow, now=now, owner=branch, branch=via_branch)

    def _answer(self, now: float) -> None:
        """Send back the best of the final responses (RFC 3261 §16.7 step 6)."""
        request, tag = self.transaction.request, self.transaction.tag
        finals = [branch.final for branch in self.branches if branch.final is not None]
        if not finals:
            self.reject(480, now=now)  # §16.5: an empty target set
            return
        self._chosen = True
        chosen = best_response(finals)
        if chosen.status == 503:
            # RFC 3261 §16.7 step 6: the other element's overload is not this one's; its end matters all the same.
            overload, chosen = chosen, Response.answer(request, 500, to_tag=tag)
            chosen.headers.copy_from(overload.headers, "Retry-After")
        merge_challenges(chosen, finals)  # §16.7 step 7
        if chosen.status == 408 and not self.transaction.is_invite:
            # RFC 4320 §4.2: the client has given up by itself; a 408 now would only be a stray.
            self._take(ContextInput.NO_CALLER)
            self.transaction.abandon()
            return
        branch = next((branch for branch in self.branches if branch.final is chosen), None)
        self._pass(branch, chosen, now)

    def _pass(self, branch: Branch | None, response: Response, now: float) -> PassingResponse:
        passing = PassingResponse(self, branch, response)
        self._passing.append(passing)
        self.logic.response(passing, now=now)
        return passing

    def _send_back(self, response: Response, now: float) -> None:
        if response.status >= 200:
            self._take(ContextInput.FINAL)
        self.endpoint.respond(self.transaction, response, now=now)

    def _take(self, given: ContextInput) -> None:
        following = CONTEXT.rows.get((self._state, given))
        if following is not None and following is not self._state:
            self._move(following)

    def _move(self, state: ContextState) -> None:
        logger.debug("proxy context %s: %s -> %s", self.transaction.id, self._state, state)
        self._state = state
        if state is ContextState.ANSWERED:
            self.request = self.transaction.request


@dataclass(slots=True, eq=False, repr=False)
class PassingAck:
    """ACK of a 2xx on its way, held by the logic until it is forwarded (RFC 3261 §16.11, without state)."""

    endpoint: Endpoint
    logic: ProxyLogic
    request: Request
    """ACK to forward, to be changed by the logic."""
    flow: Flow
    """Flow that it came from."""
    taken_routes: tuple[NameAddr, ...]
    """The Route values that led here, taken off."""

    def forward(self, *, now: float, flow: Flow | None = None) -> None:
        """Send it on, by its Route and Request-URI unless a flow is given; it is lost where no flow leads."""
        decrement_max_forwards(self.request)
        next_hop = next_hop_uri(self.request)
        flow = flow or self.logic.next_hop(next_hop)
        if flow is not None:
            self.endpoint.send_ack(self.request, flow, now=now)


def best_response(responses: Sequence[Response]) -> Response:
    """Return the response to forward: a 6xx if there is one, else the best of the lowest class."""
    return min(responses, key=_rank)


def _rank(response: Response) -> tuple[int, int, int]:
    status = response.status
    family = 0 if status >= 600 else status // 100
    if status in _HELPFUL:
        return (family, 0, _HELPFUL.index(status))
    return (family, 2 if status in _NO_ANSWER else 1, 0)


def merge_challenges(chosen: Response, responses: Sequence[Response]) -> None:
    """Add the challenges of the other 401 and 407 responses to a chosen one (RFC 3261 §16.7 step 7)."""
    if chosen.status not in _CHALLENGES:
        return
    for other in responses:
        if other is not chosen and other.status in _CHALLENGES:
            chosen.headers.copy_from(other.headers, *_CHALLENGES.values())
