"""One call of one WIC, as the eP-CSCF sees it go by."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING

from wic.network.epcscf.passage import Way
from wic.sip.headers.values import CSeq
from wic.sip.message import Request
from wic.sip.routing import route

if TYPE_CHECKING:
    from wic.network.epcscf.exchange import Exchange, Media
    from wic.network.epcscf.flow_tokens import Owner
    from wic.sip.flow import Flow
    from wic.sip.headers.address import NameAddr
    from wic.sip.message import Response
    from wic.sip.proxy.core import ProxyContext


class LegState(Enum):
    """How far a call is."""

    EARLY = "the INVITE has no final response"
    ANSWERED = "a 2xx has gone by, its ACK not yet"
    CONFIRMED = "the ACK has gone by"


@dataclass(slots=True, eq=False)
class Leg:
    """A call, with what is needed to end it on behalf of either side (TS 24.229 §5.2.8.1)."""

    id: str
    owner: Owner
    """The WIC, and its connection at present."""
    way: Way
    """The direction of the INVITE."""
    context: ProxyContext
    """Of the INVITE."""
    media: Media
    own_routes: int
    """How many Record-Route values are the eP-CSCF's."""
    state: LegState = LegState.EARLY
    success: Response | None = None
    """The 2xx as it came, before anything was rewritten."""
    exchanges: dict[ProxyContext, Exchange] = field(default_factory=dict)
    """The offers of requests that may still be answered; the INVITE's is kept, since forks may answer it in turn."""
    pending: Exchange | None = None
    """An offer that came in a response and waits for its answer in ACK or PRACK."""
    spoilt: str = ""
    """Why the call has to end as soon as it is confirmed."""
    cseqs: dict[Way, int] = field(default_factory=dict)
    """The highest CSeq that has gone each way."""

    @property
    def flow(self) -> Flow:
        """The WIC's connection."""
        return self.owner.flow

    def saw(self, way: Way, number: int) -> None:
        """Note the CSeq of a request within the dialog."""
        self.cseqs[way] = max(self.cseqs.get(way, 0), number)

    def answered(self, response: Response) -> None:
        """Take note of a 2xx to the INVITE."""
        self.success = response
        if self.state is LegState.EARLY:
            self.state = LegState.ANSWERED

    def bye(self, way: Way, *reasons: object) -> Request:
        """Build a BYE for one side, in the name of the other."""
        request = self._request("BYE", way, self.cseqs.get(way, 0) + 1)
        for reason in reasons:
            request.headers.add("Reason", reason)
        return request

    def ack(self) -> Request:
        """Build the ACK of the 2xx, in the name of a caller who will not send it."""
        return self._request("ACK", self.way, self.context.transaction.request.cseq.number)

    def _request(self, method: str, way: Way, number: int) -> Request:
        invite, success = self.context.transaction.request, self.success
        assert success is not None, "a dialog has begun with a 2xx"
        caller, called = invite.from_, success.to
        forward = way is self.way
        sender, receiver = (caller, called) if forward else (called, caller)
        contacts = success.contacts if forward else invite.contacts
        target = contacts[0].uri if contacts else receiver.uri
        uri, routes = route(target, self._routes(way))
        request = Request.build(method, uri)
        for hop in routes:
            request.headers.add("Route", hop)
        request.headers.add("From", sender)
        request.headers.add("To", receiver)
        request.headers.add("Call-ID", invite.call_id)
        request.headers.add("CSeq", CSeq(number, method))
        return request

    def _routes(self, way: Way) -> tuple[NameAddr, ...]:
        """Return the route set from here on: none towards the WIC, whose connection is known."""
        if way is Way.TO_WIC or self.success is None:
            return ()
        if self.way is Way.TO_CORE:
            return self.success.record_routes[::-1][self.own_routes :]
        return self.context.transaction.request.record_routes
