"""What the S-CSCF writes into Record-Route to know its dialogs again, since it keeps none."""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING

from wic.network.scscf.boundary import next_hop

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from wic.sip.flow import Flow
    from wic.sip.headers.address import NameAddr
    from wic.sip.message import Request
    from wic.sip.uri import Uri

_PURPOSE = b"marks of dialogs"
_HALF = 16


class DialogMarks:
    """Makes marks, and tells whether a request within a dialog goes where the dialog goes.

    A mark is two keyed hashes, over Call-ID and address of the element before and of the one behind. Whoever shows it
    has seen a dialog of this S-CSCF begin, and gets no further than to these two: the S-CSCF relays for nobody else.

    Args:
        secret: outlives a restart, as dialogs do.
        flow_to: finds the way to the next hop.
    """

    def __init__(self, secret: bytes, flow_to: Callable[[Uri], Flow | None]) -> None:
        self._key = hmac.digest(secret, _PURPOSE, "sha256")
        self._flow_to = flow_to

    def make(self, request: Request, behind: Uri) -> str:
        """Return the mark of a dialog that is about to begin.

        Args:
            request: that begins it, without a Record-Route of our own.
            behind: the next hop.
        """
        before = request.record_routes or request.contacts
        return self._half(request, before[0].uri if before else None) + self._half(request, behind)

    def fit(self, taken_routes: Iterable[NameAddr], request: Request) -> bool:
        """Tell whether one of the Route values that led here carries the mark for where a request is to go."""
        hop = next_hop(request)
        if self._flow_to(hop) is None:
            return False
        wanted = self._half(request, hop).encode()
        marks = [(route.uri.user or "").encode() for route in taken_routes]
        halves = [half for mark in marks for half in (mark[:_HALF], mark[_HALF:])]
        return any(hmac.compare_digest(half, wanted) for half in halves)

    def _half(self, request: Request, hop: Uri | None) -> str:
        flow = None if hop is None else self._flow_to(hop)
        address = "" if flow is None else flow.remote[0]
        return hmac.digest(self._key, f"{address} {request.call_id}".encode(), "sha256").hex()[:_HALF]
