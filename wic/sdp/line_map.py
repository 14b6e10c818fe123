"""Map between the m-lines of a WIC and those of the core, for the time of a session.

An m-line once described keeps its index (RFC 3264 §8), on each side for itself: a bundle-only line
that the core never sees (TS 24.371 §7.4.2), or a fax line that the WIC never sees, shifts the others.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from itertools import count
from typing import TYPE_CHECKING

from wic.sdp.attributes import ThreeGe2ae
from wic.sdp.profile import DATA_CHANNEL_FORMAT, DATA_PROTOCOLS, PLAIN_PROTOCOLS

if TYPE_CHECKING:
    from wic.sdp.description import MediaDescription, MediaLine, SessionDescription

MSRP = "TCP/MSRP"
_DTLS_SRTP = frozenset({"UDP/TLS/RTP/SAVPF", "TCP/TLS/RTP/SAVPF"})


class Side(Enum):
    """A side of the gateway."""

    WIC = "the WIC, on W2"
    MW = "the core, on Mw"

    @property
    def other(self) -> Side:
        """The opposite side."""
        return Side.MW if self is Side.WIC else Side.WIC


class LineKind(Enum):
    """Treatment of an m-line by the gateway."""

    RTP = "DTLS-SRTP towards the WIC, RTP/AVP towards the core"
    DATA = "data channels towards the WIC, MSRP towards the core"
    DROPPED = "known to one side only: answered with port 0"


@dataclass(frozen=True, kw_only=True, slots=True)
class GatewayPolicy:
    """Policy of an operator about m-lines."""

    require_e2ae: bool = False
    """Refuse a WIC's RTP without `a=3ge2ae:requested` (TS 24.371 §7.4.2 leaves the choice)."""
    msrp: bool = True
    """Join data channels with MSRP (TS 24.371 §8.4.2); if not, they are refused."""
    max_lines: int = 8
    """M-lines of one call that are carried; further ones are answered with port 0, for each takes several sockets."""


DEFAULT_POLICY = GatewayPolicy()


@dataclass(frozen=True, slots=True)
class LinePair:
    """One m-line, with its place in the descriptions of each side."""

    kind: LineKind
    wic: int | None
    """Index at the WIC; None = the WIC does not see it."""
    mw: int | None
    """Index at the core; None = the core does not see it."""
    media_line: MediaLine
    """The `m=` line as it was first offered."""
    mid: str | None
    """Its `a=mid` towards the WIC."""

    def at(self, side: Side) -> int | None:
        """Return the index on one side."""
        return self.wic if side is Side.WIC else self.mw


@dataclass(frozen=True, slots=True)
class LineMap:
    """Every m-line that a session has had so far."""

    pairs: tuple[LinePair, ...] = ()

    def pair(self, side: Side, index: int) -> LinePair | None:
        """Return the m-line with this index on this side."""
        return next((pair for pair in self.pairs if pair.at(side) == index), None)

    def seen_by(self, side: Side) -> tuple[LinePair, ...]:
        """Return the m-lines of one side in their order."""
        found = [(index, pair) for pair in self.pairs for index in [pair.at(side)] if index is not None]
        return tuple(pair for _, pair in sorted(found, key=lambda item: item[0]))

    def usable(self, description: SessionDescription, side: Side) -> tuple[LinePair, ...]:
        """Return the m-lines that `description`, written by `side`, has in use: those that need the eIMS-AGW."""
        return tuple(pair for pair in self.seen_by(side) if line_of(description, pair, side) is not None)


def line_of(description: SessionDescription, pair: LinePair, side: Side) -> MediaDescription | None:
    """Return the m-line of `pair` in a description written by `side`, if it is in use on both sides."""
    index = pair.at(side)
    if index is None or pair.kind is LineKind.DROPPED or index >= len(description.media):
        return None
    media = description.media[index]
    return media if media.port and _kind(media, side, DEFAULT_POLICY) is pair.kind else None


def map_offer(
    offer: SessionDescription, side: Side, previous: LineMap | None = None, policy: GatewayPolicy = DEFAULT_POLICY
) -> LineMap:
    """Decide the treatment of each m-line that `side` offers.

    Args:
        offer: the offer as it came.
        side: its author.
        previous: the map of the session so far, for a later offer.
        policy: of the operator.
    """
    lines = previous or LineMap()
    for index, media in enumerate(offer.media):
        known = lines.pair(side, index)
        kind = _kind(media, side, policy)
        carried = [pair.kind for pair in lines.pairs if pair is not known and pair.kind is not LineKind.DROPPED]
        # A browser takes one SCTP association only.
        if len(carried) >= policy.max_lines or (kind is LineKind.DATA and kind in carried):
            kind = LineKind.DROPPED
        if known is None:
            lines = LineMap((*lines.pairs, _pair(lines, kind, side, index, media)))
        elif known.kind is LineKind.DROPPED and kind is not LineKind.DROPPED:
            # A line that was bundle-only, or of no use, comes into use: the other side gets it as a new one.
            others = tuple(pair for pair in lines.pairs if pair is not known)
            lines = LineMap((*others, _pair(lines, kind, side, index, media)))
    return lines


def _pair(lines: LineMap, kind: LineKind, side: Side, index: int, media: MediaDescription) -> LinePair:
    other = None if kind is LineKind.DROPPED else len(lines.seen_by(side.other))
    if side is Side.WIC:
        return LinePair(kind, index, other, media.media_line, media.mid)
    return LinePair(kind, other, index, media.media_line, None if other is None else _tag(lines, other, media))


def _tag(lines: LineMap, index: int, media: MediaDescription) -> str:
    """Return an `a=mid` for a line from the core: its own if it is free, else a number that is."""
    used = {pair.mid for pair in lines.pairs}
    if media.mid is not None and media.mid not in used:  # RFC 5888 §4: unique in a description
        return media.mid
    return next(str(number) for number in count(index) if str(number) not in used)


def _kind(media: MediaDescription, side: Side, policy: GatewayPolicy) -> LineKind:
    protocol = media.protocol.upper()
    if side is Side.MW:
        # TS 24.371 §7.4.3, §8.4.3: RTP and MSRP of the core have a counterpart on W2; fax, text and others have none.
        if protocol in PLAIN_PROTOCOLS:
            return LineKind.RTP
        return LineKind.DATA if protocol == MSRP and policy.msrp else LineKind.DROPPED
    if media.bundle_only:
        return LineKind.DROPPED  # TS 24.371 §7.4.2: the core knows no BUNDLE
    if protocol in _DTLS_SRTP:
        # TS 24.371 §7.4.2: without 3ge2ae:requested only if the operator permits.
        requested = ThreeGe2ae.parse(media.attribute("3ge2ae") or "") is ThreeGe2ae.REQUESTED
        return LineKind.RTP if requested or not policy.require_e2ae else LineKind.DROPPED
    data = protocol in DATA_PROTOCOLS and DATA_CHANNEL_FORMAT in media.formats
    return LineKind.DATA if data and policy.msrp else LineKind.DROPPED
