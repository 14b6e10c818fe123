"""The stateful proxy core (RFC 3261 §16) over an `Endpoint` in the proxy role.

    shell --event--> ProxyCore.handle --context--> ProxyLogic: where to?
                                      <--forward, reject, release-- ProxyLogic, now or later

The endpoint keeps the timers, Timer C included, so that a proxy needs no other shell than a user agent.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from wic.errors import ConfigurationError
from wic.sip.endpoint_options import Role
from wic.sip.events import (
    AckReceived,
    AckTimedOut,
    CancelReceived,
    RequestReceived,
    ResponseReceived,
    TransactionTimedOut,
    TransportFailed,
)
from wic.sip.proxy.context import (
    Branch,
    ContextState,
    PassingAck,
    PassingResponse,
    ProxyContext,
    ProxyLogic,
    Target,
)
from wic.sip.proxy.routing import ProxyOptions, has_looped, loop_digest, take_own_routes
from wic.sip.validate import check_request

if TYPE_CHECKING:
    from wic.sip.endpoint import Endpoint
    from wic.sip.events import Event
    from wic.sip.transaction.server import ServerTransaction

__all__ = [
    "Branch",
    "ContextState",
    "PassingAck",
    "PassingResponse",
    "ProxyContext",
    "ProxyCore",
    "ProxyLogic",
    "ProxyOptions",
    "Target",
]


class ProxyCore:
    """Stateful proxy: forwards the requests and responses that an endpoint reports."""

    def __init__(self, endpoint: Endpoint, logic: ProxyLogic, options: ProxyOptions) -> None:
        """Make the proxy.

        Raises:
            ConfigurationError: the endpoint is not in the proxy role.
        """
        if endpoint.options.role is not Role.PROXY:
            raise ConfigurationError("a proxy core needs an endpoint in the proxy role")
        self._endpoint = endpoint
        self._logic = logic
        self._options = options
        self._salt = endpoint.random_source.hex(8)

    def handle(self, event: Event, *, now: float) -> bool:
        """Take an event of the endpoint.

        Returns:
            Whether it concerned the proxy; other events are those of requests that the shell sent itself,
            of dialogs that it takes part in, of flows, and of what was dropped.
        """
        match event:
            case RequestReceived(transaction, dialog=None) if transaction.owner is None:
                self._request(transaction, now)
            case AckReceived():
                self._ack(event, now)
            case ResponseReceived(transaction, response) if isinstance(transaction.owner, Branch):
                transaction.owner.context.received(transaction.owner, response, now=now)
            case TransactionTimedOut(transaction) if isinstance(transaction.owner, Branch):
                transaction.owner.context.failed_with(transaction.owner, 408, now=now)  # §16.8
            case TransportFailed(transaction) if isinstance(transaction.owner, Branch):
                transaction.owner.context.failed_with(transaction.owner, 503, now=now)  # §16.9
            case TransportFailed(transaction) if isinstance(transaction.owner, ProxyContext):
                transaction.owner.caller_lost(now=now)
            case CancelReceived(transaction, cancel) if isinstance(transaction.owner, ProxyContext):
                transaction.owner.caller_cancelled(cancel.headers.get("Reason"), now=now)
            case AckTimedOut(transaction) if isinstance(transaction.owner, ProxyContext):
                pass  # the caller vanished after a failure: there is nothing to undo
            case _:
                return False
        return True

    def _request(self, transaction: ServerTransaction, now: float) -> None:
        """Take the Route values that led here, answer what is for this element itself, and ask the logic about the rest.

        RFC 3261 §16.3, §16.4; §8.2 for the requests that end here.
        """
        request = transaction.request
        digest = loop_digest(request, self._salt)
        if has_looped(request, digest):  # RFC 3261 §16.3 step 4
            self._endpoint.reply(transaction, 482, "Loop Detected", now=now)
            return
        forwarded = request.copy()
        taken = take_own_routes(forwarded, self._options)  # §16.4
        to_itself = self._options.is_addressed(forwarded)
        is_ping = to_itself and request.method == "OPTIONS"
        is_recipient = is_ping or self._logic.is_recipient(forwarded)
        if (to_itself or is_recipient) and request.to.tag is not None and request.method != "REGISTER":
            # §12.2.2: the endpoint knows the dialogs of this element. For a REGISTER a tag means nothing (§10.2).
            self._endpoint.reply(transaction, 481, now=now)
            return
        if is_recipient:
            # §8.2, §10.3 step 2: what ends here is checked as by a user agent server, Require included.
            refusal = check_request(request, extensions=self._options.extensions)
            if refusal is not None:
                self._endpoint.reply(transaction, refusal.status, refusal.reason, headers=refusal.headers, now=now)
                return
        elif request.max_forwards == 0:  # §16.3 step 3: a request for this element itself goes no further anyway
            self._endpoint.reply(transaction, 483, now=now)
            return
        if is_ping:  # §11.2
            supported = ("Supported", ", ".join(self._options.extensions))
            self._endpoint.reply(transaction, 200, headers=(*self._options.capabilities, supported), now=now)
            return
        context = ProxyContext(
            self._endpoint, self._logic, transaction, forwarded, taken_routes=taken, loop_digest=digest
        )
        transaction.owner = context
        self._logic.route(context, now=now)

    def _ack(self, event: AckReceived, now: float) -> None:
        """Pass on the ACK of a 2xx (RFC 3261 §16.11)."""
        request = event.request.copy()
        if request.max_forwards == 0:
            return  # §16.3 step 3; an ACK has no answer
        taken = take_own_routes(request, self._options)
        ack = PassingAck(self._endpoint, self._logic, request, event.flow, taken_routes=taken)
        self._logic.ack(ack, now=now)
