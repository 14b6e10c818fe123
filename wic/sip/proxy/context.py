"""The response context (RFC 3261 §16.2): one request, its branches, and the responses that go back."""

from __future__ import annotations

import logging
from enum import Enum
from itertools import groupby
from typing import TYPE_CHECKING

from wic.sip.message import Response
from wic.sip.proxy.logic import Target
from wic.sip.proxy.passing import Branch, PassingResponse
from wic.sip.proxy.responses import best, merge_challenges
from wic.sip.proxy.routing import aim, decrement_max_forwards, loop_branch

if TYPE_CHECKING:
    from collections.abc import Iterable

    from wic.sip.endpoint import Endpoint
    from wic.sip.flow import Flow
    from wic.sip.headers.address import NameAddr
    from wic.sip.message import Request
    from wic.sip.proxy.logic import ProxyLogic
    from wic.sip.transaction.server import ServerTransaction

logger = logging.getLogger(__name__)


class ContextState(Enum):
    """How far a proxied request is."""

    DECIDING = "deciding"
    """The logic has not said where to."""
    FORWARDED = "forwarded"
    """Branches are out, no final response has gone back."""
    ANSWERED = "answered"
    """A final response has gone back, or nobody is there to get one."""


class ProxyContext:
    """A request that is being proxied."""

    __slots__ = (
        "_chosen",
        "_endpoint",
        "_logic",
        "_loop_digest",
        "_passing",
        "_state",
        "_successes",
        "_waiting",
        "branches",
        "owner",
        "request",
        "taken_routes",
        "transaction",
    )

    def __init__(
        self,
        endpoint: Endpoint,
        logic: ProxyLogic,
        transaction: ServerTransaction,
        request: Request,
        *,
        taken_routes: tuple[NameAddr, ...],
        loop_digest: str,
    ) -> None:
        self.transaction = transaction
        """The server transaction; its `request` is as it came."""
        self.request = request
        """What will be forwarded: a copy without the Route values that led here, to be changed by the logic.

        Once nothing is forwarded any more, the request as it came.
        """
        self.taken_routes = taken_routes
        """Those Route values."""
        self.owner: object = None
        """Whatever the logic likes to keep here."""
        self.branches: list[Branch] = []
        """The targets tried so far."""
        self._endpoint = endpoint
        self._logic = logic
        self._loop_digest = loop_digest
        self._state = ContextState.DECIDING
        self._waiting: list[Target] = []
        self._passing: list[PassingResponse] = []
        self._successes: dict[str | None, PassingResponse] = {}
        self._chosen = False

    @property
    def state(self) -> ContextState:
        """How far it is."""
        return self._state

    @property
    def flow(self) -> Flow:
        """Where the request came from."""
        return self.transaction.flow

    @property
    def in_dialog(self) -> bool:
        """Whether the request came within a dialog."""
        return self.transaction.request.to.tag is not None

    # what the logic decides

    def forward(self, targets: Iterable[Target] = (Target(),), *, now: float) -> None:
        """Send the request on: to all targets of the highest q at once, to the others when those have failed.

        Without targets it follows its Route and Request-URI; with an empty list it is answered 480. After
        the caller has given up, nothing happens.
        """
        if self._state is ContextState.ANSWERED:
            return
        if self._state is ContextState.DECIDING:
            self._move(ContextState.FORWARDED)
        self._waiting = sorted([*self._waiting, *targets], key=lambda target: -target.q)
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
        """Answer with a response of the logic's making, past all that is held back."""
        if self._state is ContextState.ANSWERED:
            return
        if response.status >= 200:
            self.cancel(now=now)
            self._chosen = True
            self._move(ContextState.ANSWERED)
        self._endpoint.respond(self.transaction, response, now=now)

    def cancel(self, *, now: float, reason: str | None = None) -> None:
        """Cancel what is pending and try no further targets (RFC 3261 §16.10).

        Args:
            now: the time.
            reason: value of a Reason header field for the CANCELs (RFC 3326).
        """
        self._waiting.clear()
        for branch in self.branches:
            if branch.final is None and branch.transaction is not None and branch.transaction.is_invite:
                self._endpoint.cancel(branch.transaction, now=now, reason=reason)

    # what the proxy core brings

    def caller_cancelled(self, reason: str | None, *, now: float) -> None:
        """Take the caller's CANCEL."""
        if self._state is ContextState.DECIDING:
            self.reject(487, now=now)
        else:
            self.cancel(now=now, reason=reason)
        self._logic.cancelled(self, now=now)

    def caller_lost(self, *, now: float) -> None:
        """Take note that nobody waits for an answer any more."""
        self.cancel(now=now)
        self._move(ContextState.ANSWERED)
        self._logic.cancelled(self, now=now)

    def received(self, branch: Branch, response: Response, *, now: float) -> None:
        """Take a response of a branch (RFC 3261 §16.7)."""
        if response.status == 100:
            return
        response = response.copy()
        response.headers.remove_first("Via")
        if "Via" not in response.headers:
            return  # RFC 3261 §16.7 step 3: it was meant for this element, which asked nothing
        if response.status < 200:
            if not self._chosen:
                self._pass(branch, response, now)
        elif response.status < 300:
            branch.final = response
            self._success(branch, response, now)
        else:
            self.failed(branch, response, now=now)

    def failed(self, branch: Branch, response: Response, *, now: float) -> None:
        """Take a final response that is no success, or one that stands in for it."""
        branch.final = response
        if response.status >= 600:
            self.cancel(now=now)
        self._settle(now)

    def failed_with(self, branch: Branch, status: int, *, now: float) -> None:
        """Take note that a branch timed out (408) or lost its flow (503): RFC 3261 §16.8, §16.9."""
        self.failed(branch, Response.answer(self.transaction.request, status, to_tag=self.transaction.tag), now=now)

    def flush(self, now: float) -> None:
        """Send back what has been released, in order."""
        while self._passing and self._passing[0].settled:
            passing = self._passing.pop(0)
            if passing.released:
                self._send_back(passing.response, now)

    def _success(self, branch: Branch, response: Response, now: float) -> None:
        """Forward a 2xx whatever came before; its repetitions go the way the first one went."""
        tag = response.to.tag
        known = self._successes.get(tag)
        if known is not None:
            if known.released:
                self._endpoint.respond(self.transaction, known.response, now=now)
            return
        self._chosen = True
        self.cancel(now=now)
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
        request = self.request.copy()
        if target.uri is not None:
            request.uri = target.uri
        decrement_max_forwards(request)
        for hop in reversed(target.routes):
            request.headers.prepend("Route", hop)
        for value in reversed(self._logic.record_route(self, target)):
            request.headers.prepend("Record-Route", value)
        self._logic.rewrite_request(self, request, target)
        next_hop = aim(request)
        flow = target.flow or self._logic.next_hop(next_hop)
        if flow is None:
            # RFC 3261 §16.9: as if a 503 had come. `_settle` goes on from here.
            branch.final = Response.answer(self.transaction.request, 503, to_tag=self.transaction.tag)
            return
        via_branch = loop_branch(self._endpoint.random_source, self._loop_digest)
        branch.transaction = self._endpoint.send_request(request, flow, now=now, owner=branch, branch=via_branch)

    def _answer(self, now: float) -> None:
        """Send back the best of the final responses (RFC 3261 §16.7 step 6)."""
        request, tag = self.transaction.request, self.transaction.tag
        finals = [branch.final for branch in self.branches if branch.final is not None]
        if not finals:
            self.reject(480, now=now)
            return
        self._chosen = True
        chosen = best(finals)
        if chosen.status == 503:
            # RFC 3261 §16.7 step 6: the other element's overload is none of this one's; its end matters all the same.
            overload, chosen = chosen, Response.answer(request, 500, to_tag=tag)
            chosen.headers.copy_from(overload.headers, "Retry-After")
        merge_challenges(chosen, finals)
        if chosen.status == 408 and not self.transaction.is_invite:
            # RFC 4320 §4.2: the client has given up by itself; a 408 now would only be a stray.
            self._move(ContextState.ANSWERED)
            self.transaction.abandon()
            return
        branch = next((branch for branch in self.branches if branch.final is chosen), None)
        self._pass(branch, chosen, now)

    def _pass(self, branch: Branch | None, response: Response, now: float) -> PassingResponse:
        passing = PassingResponse(self, branch, response)
        self._passing.append(passing)
        self._logic.response(passing, now=now)
        return passing

    def _send_back(self, response: Response, now: float) -> None:
        if response.status >= 200 and self._state is not ContextState.ANSWERED:
            self._move(ContextState.ANSWERED)
        self._endpoint.respond(self.transaction, response, now=now)

    def _move(self, state: ContextState) -> None:
        logger.debug("proxy context %s: %s -> %s", self.transaction.id, self._state.value, state.value)
        self._state = state
        if state is ContextState.ANSWERED:
            self.request = self.transaction.request
