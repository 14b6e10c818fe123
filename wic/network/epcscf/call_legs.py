"""Call legs in transit: their offers and answers, their media, and their end.

Each request with an offer waits until the eIMS-AGW has made room for it; the proxy core keeps the messages behind it in
order. An answer connects what was reserved, and is rewritten at once. A description that cannot be carried is refused in
a request; in a response it is taken out, and the call is released after its ACK, for a response cannot be refused.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING

from wic.errors import MediaFailed, NegotiationFailed
from wic.network.epcscf.leg import Leg
from wic.network.epcscf.leg_negotiator import LegNegotiator
from wic.network.epcscf.tables import LegInput, LegState
from wic.sdp.body import read_sdp, remove_body, remove_sdp, write_sdp
from wic.sdp.errors import SdpRefused
from wic.sdp.line_map import Side
from wic.sip.headers.values import Reason
from wic.sip.proxy.core import ContextState

if TYPE_CHECKING:
    from wic.network.agw.gateway import Agw
    from wic.network.epcscf.context import EPcscfContext, RequestContext
    from wic.network.epcscf.leg_negotiator import OfferExchange
    from wic.network.epcscf.ue import RegisteredUe, UeIndex
    from wic.sdp.description import SessionDescription
    from wic.sip.flow import Flow
    from wic.sip.message import Message
    from wic.sip.proxy.core import PassingAck, PassingResponse, ProxyContext, Target

_log = logging.getLogger(__name__)

CONNECTION_LOST = "Connection Lost"
RETURN_PAUSE = 5
"""Seconds after which a request to an absent UE may be tried again."""
_MAX_OFFERS = 8
"""Offers within the dialogs of a call, with all its forks, that wait for their answers."""
_OFFER_PAUSE = 5
"""Seconds after which one more may be tried."""
_WITH_OFFERS = frozenset({"INVITE", "UPDATE", "PRACK"})
_ABOUT_MEDIA = _WITH_OFFERS | {"OPTIONS"}
"""Methods whose messages describe media of their sender (RFC 3261 §11.2); elsewhere a description is a text like others."""
_REFUSALS = (SdpRefused, NegotiationFailed, MediaFailed)


class CallLegs:
    """Relay of the requests, responses and ACKs of calls, each of which has a `Leg` at its UE."""

    def __init__(self, context: EPcscfContext, ues: UeIndex, agw: Agw) -> None:
        self._context = context
        self._ues = ues
        self._agw = agw

    # requests

    def request(self, context: ProxyContext, owner: RequestContext, target: Target, *, now: float) -> None:
        """Forward a request, at once or when the eIMS-AGW has made room for what it offers."""
        request, leg = context.request, owner.leg
        if context.in_dialog and leg is not None:
            leg.count(owner.origin, request)
        if request.method == "BYE":
            # RFC 3261 §15: the call is over for its sender, so that the answer makes no difference.
            context.forward([target], now=now)
            self._end(owner.ue, leg)
            return
        if request.method not in _WITH_OFFERS:
            context.forward([target], now=now)
            return
        if leg is None and (context.in_dialog or owner.ue is None):
            # RFC 3261 §12.2.2: there is no such call any more, and no media that the offer could be about.
            context.reject(481, now=now)
            return
        if request.method == "INVITE" and leg is None:
            leg = self._begin(context, owner, now)
            if leg is None:
                return
        try:
            description = read_sdp(request)
            if description is None or leg is None:
                # RFC 3261 §13.2.1: without an offer here, it comes in the response.
                context.forward([target], now=now)
            elif leg.pending is not None and leg.pending.side is not owner.origin:
                # RFC 3262 §5: an offer in a reliable provisional response has its answer in the PRACK.
                self._answer_in(request, leg, leg.pending, description)
                context.forward([target], now=now)
            else:
                self._context.tasks.start(self._offer(context, owner, leg, description, target))
        except _REFUSALS as error:
            self._refuse(context, owner, error, now)

    def _begin(self, context: ProxyContext, owner: RequestContext, now: float) -> Leg | None:
        """Make the leg of a new call; without room for it, refuse the INVITE and return None."""
        ue = owner.ue
        if ue is None or owner.connection.calls >= self._context.options.max_sessions_per_flow:
            context.reject(486, "Too Many Calls", now=now)  # RFC 3261 §21.4.24: this user cannot take one more
            return None
        id, token = self._context.node.random_source.hex(8), self._ues.token(ue)
        try:
            media = self._agw.context(lambda reason: self._media_lost(token, id, reason))
        except MediaFailed as error:
            context.reject(503, str(error), now=now)  # RFC 3261 §21.5.4: there may be room later
            return None
        # TS 24.371 §7.4.2 b: the o= lines are the gateway's.
        session_id = int.from_bytes(id.encode()[-7:], "big")
        negotiator = LegNegotiator(media, self._context.options.policy, session_id, self._context.node.mw.host)
        leg = ue.legs[id] = Leg(id, owner.origin, context, negotiator)
        leg.count(owner.origin, context.request)
        owner.leg_id = id
        return leg

    async def _offer(
        self, context: ProxyContext, owner: RequestContext, leg: Leg, description: SessionDescription, target: Target
    ) -> None:
        driver = self._context.node.driver
        try:
            async with leg.offering:
                for unanswered in leg.take_unanswered():
                    await leg.negotiator.rollback(unanswered)
                if leg.waiting_offers < _MAX_OFFERS:
                    leg.exchanges[context], rewritten = await leg.negotiator.offer(description, owner.origin)
                    write_sdp(context.request, rewritten)
                    context.forward([target], now=driver.now)
                else:  # RFC 3311 §5.2
                    context.reject(500, "Too Many Offers", now=driver.now, headers=[("Retry-After", _OFFER_PAUSE)])
        except _REFUSALS as error:
            self._refuse(context, owner, error, driver.now)
        driver.pump()

    def _refuse(self, context: ProxyContext, owner: RequestContext, error: Exception, now: float) -> None:
        status = 500 if isinstance(error, MediaFailed) else getattr(error, "status_hint", None) or 488
        _log.info("an offer was refused with %d: %s", status, error)
        # RFC 3261 §20.43: 304 "one or more media formats not available", 399 for all else.
        text = str(error).replace("\\", " ").replace('"', "'")[:200]
        warning = f'399 {self._context.options.host} "{text}"'
        context.reject(status, now=now, headers=[("Warning", warning)])
        # RFC 3261 §14.1: a later offer that is refused leaves the call as it was.
        if not context.in_dialog:
            self._end(owner.ue, owner.leg)

    # responses

    def response(self, passing: PassingResponse, owner: RequestContext, *, now: float) -> None:
        """Send a response back, its session description rewritten or, if it belongs to no offer, taken out."""
        leg, response, context = owner.leg, passing.response, passing.context
        method = context.transaction.request.method
        # What a side can do (RFC 3261 §11.2, §21.4.26) is not what the gateway can do: its fingerprints, ICE candidates
        # and addresses end here, as they do in an offer (TS 24.371 §7.4.2).
        if method in _ABOUT_MEDIA and (leg is None or method not in _WITH_OFFERS or response.status >= 300):
            remove_sdp(response)
        if leg is None or method not in _WITH_OFFERS:
            passing.release(now=now)
            return
        initial = leg.context is context
        if response.status >= 300:
            if initial:
                self._end(owner.ue, leg)
            # RFC 3264 §4: a later offer that is refused leaves the session as it was.
            elif (refused := leg.exchanges.pop(context, None)) is not None:
                self._context.tasks.start(leg.negotiator.rollback(refused))
            passing.release(now=now)
            return
        if initial and response.status >= 200:
            leg.success = response.copy()  # before it is rewritten: requests of our own follow it
            leg.take(LegInput.SUCCESS)
        exchange = leg.exchanges.get(context)
        try:
            description = read_sdp(response)
            if exchange is not None:
                self._answered(passing, leg, exchange, description, now)
            elif description is None:
                passing.release(now=now)
            else:
                self._context.tasks.start(self._offered_back(passing, leg, owner, description))
        except _REFUSALS as error:
            self._spoil(passing, leg, error, now)

    def _answered(
        self,
        passing: PassingResponse,
        leg: Leg,
        exchange: OfferExchange,
        description: SessionDescription | None,
        now: float,
    ) -> None:
        context, final, fork = passing.context, passing.response.status >= 200, passing.response.to.tag
        if description is not None:
            write_sdp(passing.response, leg.negotiator.answer(exchange, description))
            if not final:
                leg.exchanges[context] = replace(exchange, answer=description, fork=fork)
        elif fork == exchange.fork:  # RFC 3262 §5: a reliable provisional response may have had the answer
            description = exchange.answer
        if final and description is not None:
            self._context.tasks.start(leg.negotiator.commit(exchange, description))
            # Of the INVITE another fork may answer the same offer (RFC 3261 §13.2.2.4).
            if leg.context is not context:
                del leg.exchanges[context]
        passing.release(now=now)

    async def _offered_back(
        self, passing: PassingResponse, leg: Leg, owner: RequestContext, description: SessionDescription
    ) -> None:
        """Rewrite an offer that came in a response: the request had none (RFC 3264 §4, RFC 3261 §13.2.1)."""
        driver = self._context.node.driver
        try:
            async with leg.offering:
                leg.pending, rewritten = await leg.negotiator.offer(description, owner.origin.other)
        except _REFUSALS as error:
            self._spoil(passing, leg, error, driver.now)
        else:
            write_sdp(passing.response, rewritten)
            passing.release(now=driver.now)
        driver.pump()

    def _spoil(self, passing: PassingResponse, leg: Leg, error: Exception, now: float) -> None:
        """Let a response go on without its session description; a call that it began is ended after the ACK."""
        _log.info("a session description in a %d cannot be used: %s", passing.response.status, error)
        remove_body(passing.response)
        if passing.response.status >= 200:
            leg.spoilt = str(error)
        passing.release(now=now)

    # ACK, CANCEL

    def ack(self, ack: PassingAck, ue: RegisteredUe, flow: Flow | None, *, now: float) -> None:
        """Pass an ACK about a call of a UE, with the answer that it may carry; without a flow it follows its Route."""
        leg, request = ue.leg(ack.taken_routes), ack.request
        key = request.cseq, request.from_.tag, request.to.tag
        if leg is not None and leg.ack_answer is not None and leg.ack_answer[0] == key:
            request.body = leg.ack_answer[1]  # RFC 3261 §13.2.2.4: the same ACK again
        elif leg is None or leg.pending is None:
            remove_sdp(request)  # RFC 3264 §5: no offer waits for it
        else:
            try:
                description = read_sdp(request)
                if description is not None:
                    self._answer_in(request, leg, leg.pending, description)
                    leg.ack_answer = (key, request.body)
            except _REFUSALS as error:
                _log.info("the answer in an ACK cannot be used: %s", error)
                remove_body(request)
                leg.spoilt = str(error)
        if leg is not None:
            leg.take(LegInput.ACK)
        ack.forward(now=now, flow=flow)
        if leg is not None and leg.spoilt:
            self.release(ue, leg, leg.spoilt)

    def _answer_in(self, message: Message, leg: Leg, exchange: OfferExchange, description: SessionDescription) -> None:
        """Rewrite an answer that came in an ACK or PRACK."""
        leg.pending = None
        write_sdp(message, leg.negotiator.answer(exchange, description))
        self._context.tasks.start(leg.negotiator.commit(exchange, description))

    def cancelled(self, context: ProxyContext, owner: RequestContext) -> None:
        """Take note that the caller gave up; unless nothing was forwarded, a final response still comes."""
        leg = owner.leg
        if context.state is ContextState.ANSWERED and leg is not None and leg.context is context:
            self._end(owner.ue, leg)

    # absence and end

    def answer_for_absent(self, context: ProxyContext, ue: RegisteredUe, *, now: float) -> None:
        """Answer a request within a dialog of an absent UE."""
        request, leg = context.request, ue.leg(context.taken_routes)
        if leg is not None and request.method == "BYE":
            # The far end has hung up: the UE gets the BYE when it is back.
            ue.missed_byes.append(leg.bye(Side.MW, *request.headers.get_all("Reason")))
            self._end(ue, leg)
            context.reject(200, now=now)
        else:
            # RFC 5057 §5.1: a 500 ends the transaction only.
            context.reject(500, CONNECTION_LOST, now=now, headers=[("Retry-After", RETURN_PAUSE)])

    def _media_lost(self, token: str, id: str, reason: str) -> None:
        ue, _ = self._ues.resolve(token)
        if ue is not None and id in ue.legs:
            self.release(ue, ue.legs[id], reason)
            self._context.node.driver.pump()

    def release(self, ue: RegisteredUe, leg: Leg, reason: str) -> None:
        """End a call in the name of both sides, or refuse one that is not answered (TS 24.229 §5.2.8.1)."""
        node = self._context.node
        now = node.driver.now
        unacknowledged = leg.state is LegState.ANSWERED
        _log.info("a call is released: %s", reason)
        self._end(ue, leg)
        if leg.success is None:
            # There is no dialog yet: a response ends the INVITE.
            leg.context.reject(500, "Media Lost", now=now)
            return
        if unacknowledged:
            # RFC 3261 §13.2.2.4: the far end waits for the ACK before it takes a BYE.
            ack = leg.ack()
            flow = self._flow(ue, leg.origin, ack)
            if flow is not None:
                node.endpoint.send_ack(ack, flow, now=now)
        for origin in Side:
            bye = leg.bye(origin, Reason.of("SIP", 503, reason))
            flow = self._flow(ue, origin, bye)
            if flow is None:
                continue
            dialog = ue.dialogs.find(bye, origin, now=now)
            if dialog is not None:
                dialog.passed(bye, origin, now=now)
            node.endpoint.send_request(bye, flow, now=now)

    def _flow(self, ue: RegisteredUe, origin: Side, message: Message) -> Flow | None:
        """Return the flow for a message of our own in the name of one side; None if the UE cannot be reached."""
        if origin is Side.WIC:
            return self._context.core_flow(message)
        connection = ue.connection
        return connection.flow if connection is not None and self._context.node.is_open(connection.flow) else None

    def _end(self, ue: RegisteredUe | None, leg: Leg | None) -> None:
        if ue is not None and leg is not None and ue.legs.pop(leg.id, None) is not None:
            leg.take(LegInput.END)
            self._context.tasks.start(leg.negotiator.context.close())
