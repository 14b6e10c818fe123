"""What a proxy asks its owner: where requests go, and what is changed on the way."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wic.sip.flow import Flow
    from wic.sip.headers.address import NameAddr
    from wic.sip.message import Request
    from wic.sip.proxy.context import ProxyContext
    from wic.sip.proxy.passing import PassingAck, PassingResponse
    from wic.sip.uri import Uri


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One place to forward a request to (RFC 3261 §16.5)."""

    uri: Uri | None = None
    """The Request-URI to write; None keeps the one that is there."""
    routes: tuple[NameAddr, ...] = ()
    """Route values to put on top, such as the Path of a binding."""
    flow: Flow | None = None
    """Where to; None asks `ProxyLogic.next_hop` for the flow of the topmost Route or the Request-URI."""
    q: float = 1.0
    """Targets of one q are tried together, those of a lower q when they have failed."""
    owner: object = None
    """Whatever the logic likes to find again."""


class ProxyLogic(ABC):
    """The decisions of one proxy. Everything has a default but the way to go.

    A hook may act at once or keep what it was given and act later; `now` is then the time of that moment.
    """

    @abstractmethod
    def route(self, context: ProxyContext, *, now: float) -> None:
        """Decide about a new request: `context.forward(...)` or `context.reject(...)`, now or later.

        Until then `context.request` may be changed; what is changed there holds for all targets.
        """

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
        """Take note that the caller gave up, by CANCEL or because its flow is gone; branches are cancelled."""
