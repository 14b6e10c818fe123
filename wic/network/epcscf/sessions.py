"""The calls that go through an eP-CSCF: their session descriptions, their media, and their end."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from wic.errors import MediaFailed, NegotiationFailed
from wic.network.epcscf.dialogs import OWN_RECORD_ROUTES
from wic.network.epcscf.exchange import Media
from wic.network.epcscf.leg import Leg, LegState
from wic.network.epcscf.passage import Passage, Way
from wic.sdp.body import read_sdp, remove_body, write_sdp
from wic.sdp.errors import SdpRefused
from wic.sdp.line_map import Side
from wic.sip.headers.values import Reason
from wic.sip.proxy.core import ContextState

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    from wic.aio import TaskSet
    from wic.network.agw.gateway import Agw
    from wic.network.epcscf.dialogs import Dialogs
    from wic.network.epcscf.exchange import Exchange
    from wic.network.epcscf.flow_tokens import Owner
    from wic.network.epcscf.options import EPcscfOptions
    from wic.network.node import Node
    from wic.sdp.description import SessionDescription
    from wic.sip.flow import Flow
    from wic.sip.headers.address import NameAddr
    from wic.sip.message import Message, Request
    from wic.sip.proxy.core import PassingAck, PassingResponse, ProxyContext, Target

_log = logging.getLogger(__name__)

LEG = "leg"
"""Parameter of our Record-Route on W2: which call a request belongs to."""
CONNECTION_LOST = "Connection Lost"
RETURN_PAUSE = 5
"""Seconds after which a request to an absent WIC may be tried again."""
_WITH_OFFERS = frozenset({"INVITE", "UPDATE", "PRACK"})
_GONE = "the connection of the WIC is gone"
_REFUSALS = (SdpRefused, NegotiationFailed, MediaFailed)


class Sessions:
    """Keeps a `Leg` for every call of every WIC.

    Args:
        node: the eP-CSCF's shell.
        agw: the eIMS-AGW.
        tasks: owns what takes time.
        options: limits and policy.
        dialogs: are told of calls that the eP-CSCF ends.
        core_flow: finds the way to an element of the core.
    """

    def __init__(
        self,
        node: Node,
        agw: Agw,
        tasks: TaskSet,
        options: EPcscfOptions,
        dialogs: Dialogs,
        core_flow: Callable[[Message], Flow],
    ) -> None:
        self._node = node
        self._agw = agw
        self._tasks = tasks
        self._options = options
        self._dialogs = dialogs
        self._core_flow = core_flow
        self._legs: dict[str, Leg] = {}
        self._hung_up: dict[Owner, list[Request]] = {}

    def __len__(self) -> int:
        return len(self._legs)

    def over(self, flow: Flow) -> int:
        """Return how many calls there are over a connection."""
        return sum(leg.flow == flow for leg in self._legs.values())

    def find(self, taken: Iterable[NameAddr], flow: Flow) -> Leg | None:
        """Return the call that our Record-Route values name, if the WIC at the end of `flow` takes part in it."""
        for value in taken:
            leg = self._legs.get(value.uri.params.get(LEG) or "")
            if leg is not None and leg.flow == flow:
                return leg
        return None

    # requests

    def request(self, context: ProxyContext, passage: Passage, target: Target, *, now: float) -> None:
        """Forward a request, at once or when the eIMS-AGW has made room for what it offers."""
        request, leg = context.request, self._legs.get(passage.leg)
        if context.in_dialog and leg is not None:
            leg.saw(passage.way, request.cseq.number)
        if request.method == "BYE":
            context.forward([target], now=now)
            self._end(leg)
        elif request.method not in _WITH_OFFERS:
            context.forward([target], now=now)
        elif context.in_dialog and leg is None:
            context.reject(481, now=now)
        elif context.in_dialog or request.method != "INVITE" or self._begin(context, passage, now):
            self._carry(context, passage, target, now)

    def _begin(self, context: ProxyContext, passage: Passage, now: float) -> bool:
        """Make the leg of a new call; return whether there is room for it."""
        if self.over(passage.flow) >= self._options.max_sessions_per_flow:
            context.reject(486, "Too Many Calls", now=now)
            return False
        number = self._node.random_source.hex(8)
        try:
            media = Media(
                self._agw.context(lambda reason: self._media_lost(number, reason)),
                self._options.policy,
                int.from_bytes(number.encode()[-7:], "big"),
                self._options.mw_host,
            )
        except MediaFailed as error:
            context.reject(503, str(error), now=now)
            return False
        leg = Leg(number, passage.wic, passage.way, context, media, OWN_RECORD_ROUTES)
        leg.saw(passage.way, context.request.cseq.number)
        self._legs[number] = leg
        passage.leg = number
        return True

    def _carry(self, context: ProxyContext, passage: Passage, target: Target, now: float) -> None:
        leg = self._legs.get(passage.leg)
        try:
            description = read_sdp(context.request)
            if description is None or leg is None:
                context.forward([target], now=now)
            elif leg.pending is not None and leg.pending.side is not _offerer(passage.way):
                self._answer_in(context.request, leg, description)
                context.forward([target], now=now)
            else:
                self._tasks.start(self._offer(context, passage, leg, description, target))
        except _REFUSALS as error:
            self._refuse(context, passage, error, now)

    async def _offer(
        self, context: ProxyContext, passage: Passage, leg: Leg, description: SessionDescription, target: Target
    ) -> None:
        try:
            leg.exchanges[context], rewritten = await leg.media.offer(description, _offerer(passage.way))
        except _REFUSALS as error:
            self._refuse(context, passage, error, self._node.driver.now)
        else:
            write_sdp(context.request, rewritten)
            context.forward([target], now=self._node.driver.now)
        self._node.driver.pump()

    def _refuse(self, context: ProxyContext, passage: Passage, error: Exception, now: float) -> None:
        status = 500 if isinstance(error, MediaFailed) else getattr(error, "status_hint", None) or 488
        _log.info("an offer was refused with %d: %s", status, error)
        # RFC 3261 §20.43: 304 "one or more media formats not available", 399 for all else.
        context.reject(status, now=now, headers=[("Warning", f'399 {self._options.host} "{_quotable(str(error))}"')])
        if not context.in_dialog:
            self._end(self._legs.get(passage.leg))

    # responses

    def response(self, passing: PassingResponse, passage: Passage, *, now: float) -> None:
        """Send a response back, its session description rewritten."""
        leg, response = self._legs.get(passage.leg), passing.response
        request = passing.context.transaction.request
        if leg is None or request.method not in _WITH_OFFERS:
            passing.release(now=now)
            return
        initial = leg.context is passing.context
        if response.status >= 300:
            self._failed(leg, passing.context, initial=initial)
            passing.release(now=now)
            return
        if initial and response.status >= 200:
            leg.answered(response.copy())
        try:
            description = read_sdp(response)
            if description is None:
                passing.release(now=now)
            elif (exchange := leg.exchanges.get(passing.context)) is not None:
                self._answered(passing, leg, exchange, description, now)
            else:
                self._tasks.start(self._offered_back(passing, leg, passage, description))
        except _REFUSALS as error:
            self._spoil(passing, leg, error, now)

    def _failed(self, leg: Leg, context: ProxyContext, *, initial: bool) -> None:
        if initial:
            self._end(leg)
        elif (exchange := leg.exchanges.pop(context, None)) is not None:
            self._tasks.start(leg.media.rollback(exchange))

    def _answered(
        self, passing: PassingResponse, leg: Leg, exchange: Exchange, description: SessionDescription, now: float
    ) -> None:
        write_sdp(passing.response, leg.media.answer(exchange, description))
        if passing.response.status >= 200:
            self._tasks.start(leg.media.commit(exchange, description))
            if leg.context is not passing.context:
                del leg.exchanges[passing.context]
        passing.release(now=now)

    async def _offered_back(
        self, passing: PassingResponse, leg: Leg, passage: Passage, description: SessionDescription
    ) -> None:
        """Rewrite an offer that came in a response: the request had none (RFC 3264 §4, RFC 3261 §13.2.1)."""
        try:
            leg.pending, rewritten = await leg.media.offer(description, _offerer(passage.way.back))
        except _REFUSALS as error:
            self._spoil(passing, leg, error, self._node.driver.now)
        else:
            write_sdp(passing.response, rewritten)
            passing.release(now=self._node.driver.now)
        self._node.driver.pump()

    def _spoil(self, passing: PassingResponse, leg: Leg, error: Exception, now: float) -> None:
        """Let a response go on without its session description; a call that it began is ended after the ACK."""
        _log.info("a session description in a %d cannot be used: %s", passing.response.status, error)
        remove_body(passing.response)
        if passing.response.status >= 200:
            leg.spoilt = str(error)
        passing.release(now=now)

    # ACK, CANCEL

    def ack(self, ack: PassingAck, flow: Flow, way: Way, *, now: float) -> None:
        """Pass an ACK, with the answer that it may carry."""
        leg = self.find(ack.taken_routes, flow)
        if leg is not None:
            self._acknowledged(ack, leg)
        ack.forward(now=now, flow=flow if way is Way.TO_WIC else None)
        if leg is not None and leg.spoilt:
            self.release(leg, leg.spoilt)

    def _acknowledged(self, ack: PassingAck, leg: Leg) -> None:
        if leg.state is LegState.ANSWERED:
            leg.state = LegState.CONFIRMED
        try:
            description = read_sdp(ack.request)
            if description is not None and leg.pending is not None:
                self._answer_in(ack.request, leg, description)
        except _REFUSALS as error:
            _log.info("the answer in an ACK cannot be used: %s", error)
            remove_body(ack.request)
            leg.spoilt = str(error)

    def _answer_in(self, message: Message, leg: Leg, description: SessionDescription) -> None:
        exchange, leg.pending = leg.pending, None
        assert exchange is not None
        write_sdp(message, leg.media.answer(exchange, description))
        self._tasks.start(leg.media.commit(exchange, description))

    def cancelled(self, context: ProxyContext, passage: Passage) -> None:
        """Take note that the caller gave up; unless nothing was forwarded, a final response still comes."""
        leg = self._legs.get(passage.leg)
        if context.state is ContextState.ANSWERED and leg is not None and leg.context is context:
            self._end(leg)

    # connections that come and go

    def flow_closed(self, flow: Flow, awaited: Collection[str]) -> None:
        """End the calls over a connection that is gone, but for those of WICs that may come back.

        A call without ACK is ended in any case: its transactions went with the connection.
        """
        for leg in [leg for leg in self._legs.values() if leg.flow == flow]:
            if leg.owner.impi not in awaited or leg.state is not LegState.CONFIRMED:
                self.release(leg, _GONE)

    def absent(self, context: ProxyContext, leg: Leg | None, *, now: float) -> None:
        """Answer a request within a dialog of a WIC that is being waited for."""
        request = context.request
        if leg is not None and request.method == "BYE":
            # The far end has hung up: the WIC hears of it when it is back.
            self._hung_up.setdefault(leg.owner, []).append(leg.bye(Way.TO_WIC, *request.headers.get_all("Reason")))
            self._end(leg)
            context.reject(200, now=now)
        else:
            # RFC 5057 §5.1: a 500 ends the transaction only.
            context.reject(500, CONNECTION_LOST, now=now, headers=[("Retry-After", RETURN_PAUSE)])

    def move(self, old: Owner, new: Owner, *, now: float) -> None:
        """Let the calls of a WIC go on over another connection, and pass on what it has missed."""
        for leg in self._legs.values():
            if leg.owner == old:
                leg.owner = new
        for bye in self._hung_up.pop(old, []):
            self._node.endpoint.send_request(bye, new.flow, now=now)

    def abandon(self, wic: Owner) -> None:
        """End the calls of a WIC that did not come back."""
        self._hung_up.pop(wic, None)
        for leg in [leg for leg in self._legs.values() if leg.owner == wic]:
            self.release(leg, _GONE)

    # the end

    def _media_lost(self, number: str, reason: str) -> None:
        leg = self._legs.get(number)
        if leg is not None:
            self.release(leg, reason)
            self._node.driver.pump()

    def release(self, leg: Leg, reason: str) -> None:
        """End a call in the name of both sides, or refuse one that is not answered (TS 24.229 §5.2.8.1)."""
        now = self._node.driver.now
        _log.info("a call is released: %s", reason)
        self._end(leg)
        if leg.success is None:
            leg.context.reject(500, "Media Lost", now=now)
            return
        ways = [way for way in Way if way is Way.TO_CORE or self._node.is_open(leg.flow)]
        if leg.state is LegState.ANSWERED and leg.way in ways:
            ack = leg.ack()
            self._node.endpoint.send_ack(ack, self._flow(leg, leg.way, ack), now=now)
        for way in ways:
            bye = leg.bye(way, Reason.of("SIP", 503, reason))
            dialog = self._dialogs.find(leg.owner, bye, way, now=now)
            if dialog is not None:
                dialog.passed(bye, way, now=now)
            self._node.endpoint.send_request(bye, self._flow(leg, way, bye), now=now)

    def _flow(self, leg: Leg, way: Way, message: Message) -> Flow:
        return leg.flow if way is Way.TO_WIC else self._core_flow(message)

    def _end(self, leg: Leg | None) -> None:
        if leg is not None and self._legs.pop(leg.id, None) is not None:
            self._tasks.start(leg.media.context.close())


def _offerer(way: Way) -> Side:
    return Side.WIC if way is Way.TO_CORE else Side.MW


def _quotable(text: str) -> str:
    return text.replace("\\", " ").replace('"', "'")[:200]
