"""Trust at the S-CSCF: which elements on Mw are believed, and what the others may send.

This network's eP-CSCFs are inside the trust domain, all other elements on Mw outside (TS 24.229 §4.4, RFC 3325 §5).
What crosses the boundary is cleaned, and a request of an outsider within a dialog goes only where that dialog goes.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from typing import TYPE_CHECKING

from wic.network.trust_boundary import clean_from_outside, clean_to_outside
from wic.sip.flow import Flow

if TYPE_CHECKING:
    from collections.abc import Iterable

    from wic.sip.headers.address import NameAddr
    from wic.sip.message import Message, Request
    from wic.sip.proxy.core import PassingResponse
    from wic.sip.uri import Uri

Trust = Callable[[Flow], bool]
"""Tells whether a flow comes from an eP-CSCF of this network, which may assert identities."""

_PURPOSE = b"marks of dialogs"
_HALF = 16
"""Hexadecimal digits of each of the two hashes in a mark."""


def next_hop(request: Request) -> Uri:
    """Return the URI of the next hop, once the Route values that led here are off."""
    return request.routes[0].uri if request.routes else request.uri


class TrustBoundary:
    """Cleans the messages that cross the boundary of the trust domain (TS 24.229 §4.4, RFC 3325 §5, §7)."""

    def __init__(self, trust: Trust, flow_to: Callable[[Uri], Flow | None]) -> None:
        self._trust = trust  # tells which flows are inside
        self._flow_to = flow_to

    def enter(self, message: Message, flow: Flow) -> None:
        """Clean a message that has come over a flow."""
        if not self._trust(flow):
            clean_from_outside(message)

    def leave(self, request: Request, flow: Flow | None = None) -> None:
        """Clean a request that is about to be sent; without a flow it goes by its Route and Request-URI."""
        flow = flow or self._flow_to(next_hop(request))
        if flow is None or not self._trust(flow):
            clean_to_outside(request)

    def pass_back(self, passing: PassingResponse) -> None:
        """Clean a response on its way from one side to the other."""
        branch = passing.branch
        if branch is not None and branch.transaction is not None:
            self.enter(passing.response, branch.transaction.flow)
        if not self._trust(passing.context.flow):
            clean_to_outside(passing.response)


class DialogMarks:
    """Marks in the Record-Route of the S-CSCF, by which it knows its dialogs again: it keeps no state of them.

    A mark is two keyed hashes, over Call-ID and address of the element before and of the one behind. An element that
    shows it has seen a dialog of this S-CSCF begin, and gets no further than to these two: the S-CSCF is no open relay.
    """

    def __init__(self, secret: bytes, flow_to: Callable[[Uri], Flow | None]) -> None:
        self._key = hmac.digest(secret, _PURPOSE, "sha256")  # of a secret that outlives a restart, as dialogs do
        self._flow_to = flow_to

    def make(self, request: Request, behind: Uri) -> str:
        """Return the mark of a dialog that is about to begin, by a request that has no Record-Route of our own yet."""
        # The element before is the one that has record-routed last, or the UA itself.
        before = request.record_routes or request.contacts
        return self._half(request, before[0].uri if before else None) + self._half(request, behind)

    def fit(self, taken_routes: Iterable[NameAddr], request: Request) -> bool:
        """Tell whether one of the Route values that led here carries the mark for the next hop of a request."""
        hop = next_hop(request)
        if self._flow_to(hop) is None:
            return False
        wanted = self._half(request, hop).encode()
        marks = [(route.uri.user or "").encode() for route in taken_routes]
        # Requests of either end come here, so that the next hop may be that of either half.
        halves = [half for mark in marks for half in (mark[:_HALF], mark[_HALF:])]
        return any(hmac.compare_digest(half, wanted) for half in halves)

    def _half(self, request: Request, hop: Uri | None) -> str:
        flow = None if hop is None else self._flow_to(hop)
        address = "" if flow is None else flow.remote[0]
        return hmac.digest(self._key, f"{address} {request.call_id}".encode(), "sha256").hex()[:_HALF]
