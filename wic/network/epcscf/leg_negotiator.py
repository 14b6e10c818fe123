"""Offers and answers of one call leg, rewritten between WIC and core, with the media that they ask for.

An offer reserves what it needs at the eIMS-AGW before it goes on, so that it can name addresses. Its answer connects the
media; the final one commits the exchange and frees the lines that are not in use any more. A refused offer is rolled
back to what was agreed before (RFC 3264 §4).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from wic.errors import MediaFailed
from wic.network.agw.lines import DataLine, RtpLine
from wic.sdp.attributes import Setup
from wic.sdp.description import Origin, SessionDescription
from wic.sdp.errors import OfferNotAcceptable
from wic.sdp.gateway import MwPlace, read_msrp, to_mw_answer, to_mw_offer, to_wic_answer, to_wic_offer
from wic.sdp.line_map import GatewayPolicy, LineKind, LineMap, LinePair, Side, map_offer
from wic.sdp.negotiation import answer_setup, continued
from wic.sdp.transport import TransportDescription, read_transport

if TYPE_CHECKING:
    from wic.network.agw.gateway import AgwContext


@dataclass(frozen=True, slots=True)
class OfferExchange:
    """An offer that waits for its answer."""

    number: int
    """Its place among the offers of the leg."""
    side: Side
    """The side that offered."""
    offer: SessionDescription
    """As it came."""
    lines: LineMap
    """The m-lines, should the offer be accepted."""
    added: frozenset[int]
    """The lines that the eIMS-AGW has reserved for it."""
    answer: SessionDescription | None = None
    """The answer that came last in a provisional response."""
    fork: str | None = None
    """The To tag of that response."""


class LegNegotiator:
    """Session descriptions of one call leg and the eIMS-AGW's context behind them."""

    def __init__(self, context: AgwContext, policy: GatewayPolicy, session_id: int, address: str) -> None:
        self.context = context
        self._policy = policy
        self._origin = Origin("-", session_id, 1, address)  # TS 24.371 §7.4.2 b: the `o=` lines are the gateway's
        self._lines = LineMap()
        self._offers = self._committed = 0  # number of the last offer, and of the last one that was committed
        self._sent: dict[Side, SessionDescription] = {}
        self._ufrags: dict[int, str] = {}
        self._roles: dict[int, Setup] = {}

    async def offer(self, offer: SessionDescription, side: Side) -> tuple[OfferExchange, SessionDescription]:
        """Reserve what an offer needs and rewrite it for the other side.

        Raises:
            OfferNotAcceptable: nothing of it can be carried (488).
            SdpRefused: it cannot be read.
            MediaFailed: the eIMS-AGW has no room.
        """
        # RFC 3264 §8: an m-line keeps its index for as long as the session lasts, so the map only grows.
        lines = map_offer(offer, side, self._lines, self._policy)
        usable = lines.usable(offer, side)
        if not usable:
            raise OfferNotAcceptable("no m-line of the offer can be carried")
        if side is Side.WIC:
            # Before anything is reserved; an offer of the core has no transports of W3 yet.
            self._check_transports(offer, usable)
        added = set()
        for pair in usable:
            if pair.wic is not None and pair.wic not in self.context.lines:
                added.add(pair.wic)
                if pair.kind is LineKind.DATA:
                    # RFC 4975 §5.4: the offerer of an MSRP session is the active side, unless it says otherwise.
                    await self.context.add_data(pair.wic, offerer=side is Side.WIC)
                else:
                    await self.context.add_rtp(pair.wic)
        if side is Side.WIC:
            rewritten = to_mw_offer(offer, lines, self._places(), self._origin)
        else:
            rewritten = to_wic_offer(offer, lines, self._transports(answering=False), self._origin)
        self._offers += 1
        return OfferExchange(self._offers, side, offer, lines, frozenset(added)), self._next(rewritten, side.other)

    def _check_transports(self, offer: SessionDescription, usable: tuple[LinePair, ...]) -> None:
        """Refuse an offer now whose transports no answer could connect.

        Raises:
            OfferNotAcceptable: it has no fingerprint or ICE credentials, or would restart ICE.
        """
        for pair in usable:
            if pair.wic is None:
                continue
            transport = read_transport(offer, pair.wic)
            if not transport.secure or not transport.ice_ufrag:
                # RFC 8827 §6.5: media of a WIC are DTLS-SRTP, and run over ICE.
                raise OfferNotAcceptable("an m-line without fingerprint or ICE credentials")
            answer_setup(transport.setup)
            # RFC 8839 §4.4.1.1.1: another ufrag restarts ICE, for which the eIMS-AGW has no second transport.
            if self._ufrags.get(pair.wic, transport.ice_ufrag) != transport.ice_ufrag:
                raise OfferNotAcceptable("ICE cannot be restarted here")

    def answer(self, exchange: OfferExchange, answer: SessionDescription) -> SessionDescription:
        """Rewrite an answer and connect the media; several answers may follow one offer that was forked.

        Raises:
            AnswerNotValid: it does not fit the offer.
            SdpRefused: it cannot be read.
            MediaFailed: the peer's address cannot be used.
        """
        offer, lines = exchange.offer, exchange.lines
        if exchange.side is Side.WIC:
            rewritten = to_wic_answer(offer, answer, lines, self._transports(answering=True), self._origin)
        else:
            rewritten = to_mw_answer(offer, answer, lines, self._places(), self._origin)
        for pair in self._accepted(exchange, answer):
            self._connect(pair, exchange, answer)
        return self._next(rewritten, exchange.side)

    def _connect(self, pair: LinePair, exchange: OfferExchange, answer: SessionDescription) -> None:
        if pair.wic is None or pair.mw is None:
            return
        # Towards the core: where its description says it is.
        line = self.context.lines[pair.wic]
        wic_offered = exchange.side is Side.WIC
        of_wic, of_mw = (exchange.offer, answer) if wic_offered else (answer, exchange.offer)
        if isinstance(line, RtpLine):
            # On hold (RFC 3264 §8.4) silence does not mean that the core's media are lost.
            awaited = of_mw.direction(pair.mw).sends and of_wic.direction(pair.wic).receives
            line.connect_core(read_transport(of_mw, pair.mw), awaited=awaited)
        elif isinstance(line, DataLine):
            line.connect_core(read_msrp(of_mw, pair.mw))
        # Towards the WIC: by ICE and DTLS.
        remote = read_transport(of_wic, pair.wic)
        if not remote.secure:
            raise MediaFailed("the WIC announced no certificate fingerprint")
        # RFC 5763 §5: offers of the gateway say actpass, so the WIC's answer decides.
        setup = self._roles.setdefault(pair.wic, answer_setup(remote.setup))
        role: Literal["active", "passive"] = "passive" if setup is Setup.PASSIVE else "active"
        self._ufrags[pair.wic] = remote.ice_ufrag
        # RFC 8445 §6.1.1: the side that offered controls.
        self.context.connect_access(pair.wic, remote, controlling=not wic_offered, role=role)

    def _accepted(self, exchange: OfferExchange, answer: SessionDescription) -> list[LinePair]:
        offered = exchange.lines.usable(exchange.offer, exchange.side)
        answered = exchange.lines.usable(answer, exchange.side.other)
        return [pair for pair in offered if pair in answered and pair.wic in self.context.lines]

    async def commit(self, exchange: OfferExchange, answer: SessionDescription) -> None:
        """Take an exchange as final, and free the lines that are not in use any more, unless a later one was final before.

        RFC 3311 §5.1: with its answer in a reliable provisional response, an UPDATE may follow before the 2xx.
        """
        if exchange.number < self._committed:
            return
        self._committed = exchange.number
        self._lines = exchange.lines
        # RFC 3264 §6, §8.2: a line whose port is zero, in the offer or in the answer, is out of use.
        accepted = {pair.wic for pair in self._accepted(exchange, answer)}
        for index in self.context.lines.keys() - accepted:
            await self._remove(index)

    async def rollback(self, exchange: OfferExchange) -> None:
        """Free what an offer asked for that was refused."""
        if exchange.number > self._committed:  # else a later one has kept what it uses
            for index in exchange.added:
                await self._remove(index)

    async def _remove(self, index: int) -> None:
        self._roles.pop(index, None)
        self._ufrags.pop(index, None)
        await self.context.remove(index)

    def _places(self) -> dict[int, MwPlace]:
        return {index: line.place for index, line in self.context.lines.items()}

    def _transports(self, *, answering: bool) -> dict[int, TransportDescription]:
        # RFC 8842 §5: every offer says actpass, and an answer keeps the role that an association has.
        roles = self._roles if answering else {}
        lines = self.context.lines.items()
        return {index: replace(line.access, setup=roles.get(index, Setup.ACTPASS)) for index, line in lines}

    def _next(self, description: SessionDescription, towards: Side) -> SessionDescription:
        """Number a description towards one side: the version of `o=` rises when it changes (RFC 3264 §8)."""
        self._sent[towards] = continued(self._sent.get(towards), description)
        return self._sent[towards]
