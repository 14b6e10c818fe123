"""Offers and answers of one call leg, rewritten between WIC and core, with the media that they ask for.

An offer reserves what it needs at the eIMS-AGW before it goes on, so that it can name addresses. Its answer connects the
media; the final one commits the exchange and frees the lines that are not in use any more. A refused offer is rolled
back to what was agreed before (RFC 3264 §8).
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

    side: Side
    """The side that offered."""
    offer: SessionDescription
    """As it came."""
    lines: LineMap
    """The m-lines, should the offer be accepted."""
    added: frozenset[int]
    """The lines that the eIMS-AGW has reserved for it."""


class LegNegotiator:
    """Session descriptions of one call leg and the eIMS-AGW's context behind them.

    Args:
        context: the media of the leg.
        policy: what the operator allows.
        session_id: for the `o=` lines, which are the gateway's (TS 24.371 §7.4.2 b).
        address: of the gateway, for the same.
    """

    def __init__(self, context: AgwContext, policy: GatewayPolicy, session_id: int, address: str) -> None:
        self.context = context
        self._policy = policy
        self._origin = Origin("-", session_id, 1, address)
        self._lines = LineMap()
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
        lines = map_offer(offer, side, self._lines, self._policy)
        usable = lines.usable(offer, side)
        if not usable:
            raise OfferNotAcceptable("no m-line of the offer can be carried")
        if side is Side.WIC:
            self._check_transports(offer, usable)
        added = set()
        for pair in usable:
            if pair.wic is not None and pair.wic not in self.context.lines:
                added.add(pair.wic)
                await self._reserve(pair.kind, pair.wic, offerer=side is Side.WIC)
        if side is Side.WIC:
            rewritten = to_mw_offer(offer, lines, self._places(), self._origin)
        else:
            rewritten = to_wic_offer(offer, lines, self._transports(answering=False), self._origin)
        return OfferExchange(side, offer, lines, frozenset(added)), self._next(rewritten, side.other)

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
                raise OfferNotAcceptable("an m-line without fingerprint or ICE credentials")
            answer_setup(transport.setup)
            if self._ufrags.get(pair.wic, transport.ice_ufrag) != transport.ice_ufrag:
                raise OfferNotAcceptable("ICE cannot be restarted here")

    async def _reserve(self, kind: LineKind, index: int, *, offerer: bool) -> None:
        if kind is LineKind.DATA:
            await self.context.add_data(index, offerer=offerer)
        else:
            await self.context.add_rtp(index)

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
        line = self.context.lines[pair.wic]
        wic_offered = exchange.side is Side.WIC
        of_wic, of_mw = (exchange.offer, answer) if wic_offered else (answer, exchange.offer)
        if isinstance(line, RtpLine):
            awaited = of_mw.direction(pair.mw).sends and of_wic.direction(pair.wic).receives
            line.connect_core(read_transport(of_mw, pair.mw), awaited=awaited)
        elif isinstance(line, DataLine):
            line.connect_core(read_msrp(of_mw, pair.mw))
        remote = read_transport(of_wic, pair.wic)
        if not remote.secure:
            raise MediaFailed("the WIC announced no certificate fingerprint")
        # RFC 5763 §5: offers of the gateway say actpass, so the WIC's answer decides.
        role = self._roles.setdefault(pair.wic, answer_setup(remote.setup))
        self._ufrags[pair.wic] = remote.ice_ufrag
        self.context.connect_access(pair.wic, remote, controlling=not wic_offered, role=_role(role))

    def _accepted(self, exchange: OfferExchange, answer: SessionDescription) -> list[LinePair]:
        offered = exchange.lines.usable(exchange.offer, exchange.side)
        answered = exchange.lines.usable(answer, exchange.side.other)
        return [pair for pair in offered if pair in answered and pair.wic in self.context.lines]

    async def commit(self, exchange: OfferExchange, answer: SessionDescription) -> None:
        """Take an exchange as final, and free the lines that are not in use any more."""
        self._lines = exchange.lines
        accepted = {pair.wic for pair in self._accepted(exchange, answer)}
        for index in self.context.lines.keys() - accepted:
            await self._remove(index)

    async def rollback(self, exchange: OfferExchange) -> None:
        """Free what an offer asked for that was refused."""
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
        return {
            index: replace(line.access, setup=roles.get(index, Setup.ACTPASS))
            for index, line in self.context.lines.items()
        }

    def _next(self, description: SessionDescription, towards: Side) -> SessionDescription:
        self._sent[towards] = continued(self._sent.get(towards), description)
        return self._sent[towards]


def _role(setup: Setup) -> Literal["active", "passive"]:
    return "passive" if setup is Setup.PASSIVE else "active"
