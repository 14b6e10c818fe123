"""What passes through a proxy besides requests: branches, responses and ACKs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wic.sip.proxy.routing import aim, decrement_max_forwards

if TYPE_CHECKING:
    from wic.sip.endpoint import Endpoint
    from wic.sip.flow import Flow
    from wic.sip.headers.address import NameAddr
    from wic.sip.message import Request, Response
    from wic.sip.proxy.context import ProxyContext
    from wic.sip.proxy.logic import ProxyLogic, Target
    from wic.sip.transaction.client import ClientTransaction


class Branch:
    """One target of a request, and what came of it."""

    __slots__ = ("context", "final", "target", "transaction")

    def __init__(self, context: ProxyContext, target: Target) -> None:
        self.context = context
        self.target = target
        self.transaction: ClientTransaction | None = None
        """None where no flow led to the target."""
        self.final: Response | None = None
        """The final response, or what stands in for it; our Via is off."""


class PassingResponse:
    """A response on its way back, in the hands of the logic."""

    __slots__ = ("_dropped", "_released", "branch", "context", "response")

    def __init__(self, context: ProxyContext, branch: Branch | None, response: Response) -> None:
        self.context = context
        self.branch = branch
        """Where it came from; None if the proxy made it."""
        self.response = response
        """To be changed as needed, or exchanged for another."""
        self._released = False
        self._dropped = False

    @property
    def released(self) -> bool:
        """Whether it may go."""
        return self._released

    @property
    def settled(self) -> bool:
        """Whether the logic has decided about it."""
        return self._released or self._dropped

    def release(self, *, now: float) -> None:
        """Let it go back as soon as all that came before it have gone."""
        self._released = True
        self.context.flush(now)

    def drop(self, *, now: float) -> None:
        """Keep it from going back; only for provisional responses, a final one has to be exchanged."""
        self._dropped = True
        self.context.flush(now)


class PassingAck:
    """The ACK of a 2xx on its way, in the hands of the logic (RFC 3261 §16.11, without state)."""

    def __init__(
        self,
        endpoint: Endpoint,
        logic: ProxyLogic,
        request: Request,
        flow: Flow,
        *,
        taken_routes: tuple[NameAddr, ...],
    ) -> None:
        self.request = request
        """What will be forwarded, to be changed by the logic."""
        self.flow = flow
        """Where it came from."""
        self.taken_routes = taken_routes
        """The Route values that led here, taken off."""
        self._endpoint = endpoint
        self._logic = logic

    def forward(self, *, now: float, flow: Flow | None = None) -> None:
        """Send it on, by its Route and Request-URI unless a flow is given; where nothing leads it is lost."""
        decrement_max_forwards(self.request)
        next_hop = aim(self.request)
        flow = flow or self._logic.next_hop(next_hop)
        if flow is not None:
            self._endpoint.send_ack(self.request, flow, now=now)
