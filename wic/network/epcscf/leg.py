"""Call leg: one call of one UE, as it passes through the eP-CSCF."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, TypeAlias

from wic.network.epcscf.dialogs import OWN_RECORD_ROUTES
from wic.network.epcscf.tables import LEG, LegInput, LegState
from wic.sdp.line_map import Side
from wic.sip.headers.values import CSeq
from wic.sip.message import Message, Request
from wic.sip.proxy.core import ContextState
from wic.sip.routing import route

if TYPE_CHECKING:
    from wic.network.epcscf.leg_negotiator import LegNegotiator, OfferExchange
    from wic.sip.headers.address import NameAddr
    from wic.sip.message import Response
    from wic.sip.proxy.core import ProxyContext

_log = logging.getLogger(__name__)

LEG_PARAM: Final = "leg"
"""Parameter of our Record-Route on W2 that says which call a request belongs to."""

AckKey: TypeAlias = "tuple[CSeq, str | None, str | None]"
"""CSeq and tags of an ACK: both sides and every fork may have the same number."""


@dataclass(slots=True, eq=False)
class Leg:
    """A call, with what is needed to end it on behalf of either side (TS 24.229 §5.2.8.1).

    It belongs to its UE, and moves with it; so it knows no connection.
    """

    id: str
    """Value of `LEG_PARAM` in our Record-Route on W2."""
    origin: Side
    """The side that the INVITE came from."""
    context: ProxyContext
    """Of the INVITE."""
    negotiator: LegNegotiator
    success: Response | None = None
    """The 2xx as it came, before anything was rewritten."""
    exchanges: dict[ProxyContext, OfferExchange] = field(default_factory=dict)
    """The offers of requests that may still be answered; the INVITE's is kept, since forks may answer it in turn."""
    offering: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held while an offer gets its lines: another one may want the same."""
    pending: OfferExchange | None = None
    """An offer that came in a response and waits for its answer in ACK or PRACK."""
    ack_answer: tuple[AckKey, bytes] | None = None
    """The rewritten body of the ACK that answered: the ACK comes again with each repetition of the 2xx."""
    spoilt: str = ""
    """Reason to end the call as soon as it is confirmed; empty if there is none."""
    cseqs: dict[Side, int] = field(default_factory=dict)
    """The highest CSeq that has come from each side."""
    _state: LegState = field(default=LEG.initial, init=False)

    @property
    def state(self) -> LegState:
        """Current state."""
        return self._state

    @property
    def waiting_offers(self) -> int:
        """Offers within the dialog without an answer as yet."""
        return len(self.exchanges) - (self.context in self.exchanges)

    def take_unanswered(self) -> list[OfferExchange]:
        """Take out the offers within the dialog that will have no answer: of a 2xx without one, or of silence."""
        over = [
            each
            for each in self.exchanges
            if each is not self.context
            and each.state is ContextState.ANSWERED
            and all(branch.final is not None for branch in each.branches)
        ]
        return [self.exchanges.pop(each) for each in over]

    def take(self, given: LegInput) -> None:
        """Move to the state that the table names for an input."""
        following = LEG.rows.get((self._state, given))
        if following is not None:
            _log.debug("leg %s: %s -> %s (%s)", self.id, self._state.value, following.value, given.value)
            self._state = following

    def count(self, origin: Side, request: Request) -> None:
        """Note the CSeq of a request within the dialog: a BYE in the name of its sender has to be above it."""
        self.cseqs[origin] = max(self.cseqs.get(origin, 0), request.cseq.number)

    def bye(self, origin: Side, *reasons: object) -> Request:
        """Build a BYE in the name of one side, for the other."""
        request = self._request("BYE", origin, self.cseqs.get(origin, 0) + 1)
        for reason in reasons:
            request.headers.add("Reason", reason)
        return request

    def ack(self) -> Request:
        """Build the ACK of the 2xx, in the name of a caller who will not send it."""
        return self._request("ACK", self.origin, self.context.transaction.request.cseq.number)

    def _request(self, method: str, origin: Side, number: int) -> Request:
        """Build a request within the dialog that the 2xx has confirmed (RFC 3261 §12.2.1.1)."""
        invite, success = self.context.transaction.request, self.success
        assert success is not None, "a dialog has begun with a 2xx"
        caller, called = invite.from_, success.to
        forward = origin is self.origin
        sender, receiver = (caller, called) if forward else (called, caller)
        # A side may have written what cannot be read, and still has a call to be ended.
        contacts = (success if forward else invite).usable(Message.contacts)
        target = contacts[0].uri if contacts else receiver.uri
        routes: tuple[NameAddr, ...] = ()  # towards the WIC, whose connection is known
        if origin is Side.WIC:
            # Towards the core the route set from here on, without the eP-CSCF's own values.
            own = self.origin is Side.WIC
            recorded = (success if own else invite).usable(Message.record_routes)
            routes = recorded[::-1][OWN_RECORD_ROUTES:] if own else recorded
        uri, hops = route(target, routes)
        request = Request.build(method, uri)
        for hop in hops:
            request.headers.add("Route", hop)
        request.headers.add("From", sender)
        request.headers.add("To", receiver)
        request.headers.add("Call-ID", invite.call_id)
        request.headers.add("CSeq", CSeq(number, method))
        return request
