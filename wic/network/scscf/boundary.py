"""The boundary of the trust domain at the S-CSCF: this network's eP-CSCFs are within, all others on Mw without."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from wic.network.trust_boundary import clean_from_outside, clean_to_outside
from wic.sip.flow import Flow

if TYPE_CHECKING:
    from wic.sip.message import Message, Request
    from wic.sip.proxy.core import PassingResponse
    from wic.sip.uri import Uri

Trust = Callable[[Flow], bool]
"""Tells whether a flow comes from an eP-CSCF of this network, which may assert identities."""


def next_hop(request: Request) -> Uri:
    """Return where a request is to go, once the Route values that led here are off."""
    return request.routes[0].uri if request.routes else request.uri


class Boundary:
    """Cleans what crosses it (TS 24.229 §4.4, RFC 3325 §5, §7).

    Args:
        trust: tells who is within.
        flow_to: finds the way to the next hop.
    """

    def __init__(self, trust: Trust, flow_to: Callable[[Uri], Flow | None]) -> None:
        self._trust = trust
        self._flow_to = flow_to

    def enter(self, message: Message, flow: Flow) -> None:
        """Take a message that has come over a flow."""
        if not self._trust(flow):
            clean_from_outside(message)

    def leave(self, request: Request, flow: Flow | None = None) -> None:
        """Let a request go; without a flow it goes by its Route and Request-URI."""
        flow = flow or self._flow_to(next_hop(request))
        if flow is None or not self._trust(flow):
            clean_to_outside(request)

    def pass_back(self, passing: PassingResponse) -> None:
        """Take a response from one side, and let it go to the other."""
        branch = passing.branch
        if branch is not None and branch.transaction is not None:
            self.enter(passing.response, branch.transaction.flow)
        if not self._trust(passing.context.flow):
            clean_to_outside(passing.response)
