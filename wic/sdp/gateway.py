"""Changes of the eP-CSCF to the SDP between a WIC and the core (TS 24.371 §7.4.2, §7.4.3, §8.4.2, §8.4.3).

Four pure functions for the four descriptions of an exchange:

    offer of the WIC    → to_mw_offer  →    answer of the core  → to_wic_answer →
    offer of the core   → to_wic_offer →    answer of the WIC   → to_mw_answer  →

Each takes the description, the `LineMap` of the session (see `line_map.map_offer`), the eIMS-AGW's
addresses by the WIC's index of the m-line, and the origin to write: `o=` is the AGW's, not a user's.
A line whose address is missing goes out with port 0. Codecs, payload types and direction stay (§5C.4).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from wic.sdp.attributes import RtcpAddress, ThreeGe2ae
from wic.sdp.description import MediaDescription, MediaLine, SessionDescription
from wic.sdp.errors import AnswerNotValid, SdpRefused
from wic.sdp.line import Line, attribute
from wic.sdp.line_map import MSRP, LineKind, LineMap, LinePair, Side, line_of
from wic.sdp.negotiation import NO_CONNECTION, rejected
from wic.sdp.profile import (
    DATA_CHANNEL,
    DATA_CHANNEL_FORMAT,
    RTP_DTLS,
    RTP_PLAIN,
    answer_transport,
    connection,
    data_channel_media,
)
from wic.sdp.transport import read_transport, transport_lines

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wic.sdp.description import Origin
    from wic.sdp.transport import TransportDescription

# TS 24.371 §7.4.2, §7.4.3: attributes of DTLS, ICE and BUNDLE end at the eIMS-AGW, and so do the RTCP port,
# feedback that only an AVPF profile may use, keys in the SDP, and the numbers of a browser's own bundled RTP
# session.
_ACCESS_ATTRIBUTES = """
    fingerprint setup tls-id connection 3ge2ae bundle-only msid msid-semantic identity
    ice-ufrag ice-pwd ice-options ice-lite ice-pacing ice-mismatch candidate remote-candidates end-of-candidates
    rtcp rtcp-mux rtcp-mux-only rtcp-rsize rtcp-fb crypto
    extmap extmap-allow-mixed ssrc ssrc-group rid simulcast
"""
_ACCESS_ONLY = frozenset(_ACCESS_ATTRIBUTES.split())


@dataclass(frozen=True, kw_only=True, slots=True)
class RtpPlace:
    """Address at which the eIMS-AGW takes RTP from the core."""

    address: str
    port: int
    rtcp_port: int | None = None
    """If it is not the port after RTP."""


@dataclass(frozen=True, kw_only=True, slots=True)
class MsrpPlace:
    """Address at which one side takes MSRP (RFC 4975 §8)."""

    address: str
    port: int
    path: str
    """An MSRP URI: `msrp://<address>:<port>/<session>;tcp`."""
    accept_types: str = "*"


MwPlace = RtpPlace | MsrpPlace


def to_mw_offer(
    offer: SessionDescription, lines: LineMap, places: Mapping[int, MwPlace], origin: Origin
) -> SessionDescription:
    """Rewrite an offer of the WIC for the core (TS 24.371 §7.4.2, §8.4.2)."""
    sections = []
    for pair in lines.seen_by(Side.MW):
        media = line_of(offer, pair, Side.WIC)
        place = None if pair.wic is None else places.get(pair.wic)
        sections.append(_mw_media(media, place, media.mid) if media and place else _unused(pair, Side.MW))
    return _session(offer, origin, sections)


def to_wic_answer(
    offer: SessionDescription,
    answer: SessionDescription,
    lines: LineMap,
    transports: Mapping[int, TransportDescription],
    origin: Origin,
) -> SessionDescription:
    """Rewrite the core's answer to an offer of the WIC (TS 24.371 §7.4.2, §8.4.2).

    Every m-line of `offer`, the WIC's own, is answered at its index: those that the core has not
    seen, and bundle-only ones, with port 0.

    Raises:
        AnswerNotValid: the core answered another number of m-lines than it was offered.
    """
    _check_count(answer, lines, Side.MW)  # RFC 3264 §6
    sections = []
    for index, offered in enumerate(offer.media):
        pair = lines.pair(Side.WIC, index)
        media = line_of(answer, pair, Side.MW) if pair and line_of(offer, pair, Side.WIC) else None
        if media is None or index not in transports:
            sections.append(rejected(offered))  # TS 24.371 §7.4.2: bundle-only among them
            continue
        transport = answer_transport(read_transport(offer, index), transports[index])
        sections.append(_wic_media(media, transport, offered.mid, protocol=offered.protocol))
    return _session(answer, origin, sections)


def to_wic_offer(
    offer: SessionDescription, lines: LineMap, transports: Mapping[int, TransportDescription], origin: Origin
) -> SessionDescription:
    """Rewrite an offer of the core for the WIC (TS 24.371 §7.4.3, §8.4.3).

    The `a=sctp-port` that §8.4.3 puts "in the SDP answer" goes into this offer: RFC 8841 §10.2.
    """
    sections = []
    for pair in lines.seen_by(Side.WIC):
        media = line_of(offer, pair, Side.MW)
        transport = None if pair.wic is None else transports.get(pair.wic)
        if media is None or transport is None:
            sections.append(_unused(pair, Side.WIC))
        else:
            indicator = attribute("3ge2ae", ThreeGe2ae.APPLIED)  # TS 24.371 §7.4.3
            protocol = DATA_CHANNEL if pair.kind is LineKind.DATA else RTP_DTLS
            sections.append(_wic_media(media, transport, pair.mid, indicator, protocol=protocol))
    return _session(offer, origin, sections)


def to_mw_answer(
    offer: SessionDescription, answer: SessionDescription, lines: LineMap, places: Mapping[int, MwPlace], origin: Origin
) -> SessionDescription:
    """Rewrite the WIC's answer to an offer of the core (TS 24.371 §7.4.3, §8.4.3).

    Raises:
        AnswerNotValid: the WIC answered another number of m-lines than it was offered.
    """
    _check_count(answer, lines, Side.WIC)  # RFC 3264 §6
    sections = []
    for index, offered in enumerate(offer.media):
        pair = lines.pair(Side.MW, index)
        media = line_of(answer, pair, Side.WIC) if pair and line_of(offer, pair, Side.MW) else None
        place = places.get(pair.wic) if pair and pair.wic is not None else None
        accepted = media and place and _mw_media(media, place, offered.mid, protocol=offered.protocol)
        sections.append(accepted or rejected(offered))
    return _session(answer, origin, sections)


def read_msrp(description: SessionDescription, index: int) -> MsrpPlace:
    """Read the address at which the peer takes MSRP, from the m-line at `index` (RFC 4975 §8.1).

    Raises:
        SdpRefused: there is no path.
    """
    media = description.media[index]
    path = media.attribute("path")
    if not path:
        raise SdpRefused("the message m-line has no a=path", status_hint=488)
    types = media.attribute("accept-types") or "*"  # RFC 4975 §8.6
    return MsrpPlace(address=description.address(index), port=media.port, path=path, accept_types=types)


def _check_count(answer: SessionDescription, lines: LineMap, side: Side) -> None:
    offered = len(lines.seen_by(side))
    if len(answer.media) != offered:
        raise AnswerNotValid(f"{offered} m-lines were offered, {len(answer.media)} answered")


def _session(source: SessionDescription, origin: Origin, media: list[MediaDescription]) -> SessionDescription:
    # TS 24.371 §5C.4: the session's lines cross as they are, but for the address and keys, and the group of BUNDLE.
    own = source.with_origin(origin).without_kinds("ck").without_attributes(*_ACCESS_ONLY)
    lines = tuple(line for line in own.lines if not line.value.startswith("group:BUNDLE"))
    return SessionDescription(lines, tuple(media))


def _kept(media: MediaDescription) -> tuple[list[Line], list[Line]]:
    """Return the lines of an m-line that cross the gateway: its title, and the rest without the connection."""
    own = media.without_kinds("mck").without_attributes("mid", *_ACCESS_ONLY)
    return [line for line in own.lines if line.kind == "i"], [line for line in own.lines if line.kind != "i"]


def _mid(tag: str | None) -> list[Line]:
    return [] if tag is None else [attribute("mid", tag)]


def _mw_media(
    media: MediaDescription, place: MwPlace, mid: str | None, *, protocol: str = RTP_PLAIN
) -> MediaDescription:
    where = connection(place.address)  # TS 24.371 §7.4.2 b): the eIMS-AGW's
    if isinstance(place, MsrpPlace):
        # TS 24.371 §8.4.2: the data channels of the WIC are one MSRP session on Mw.
        line = MediaLine("message", place.port, MSRP, ("*",))
        types, path = attribute("accept-types", place.accept_types), attribute("path", place.path)
        return MediaDescription.of(line, where, *_mid(mid), types, path)
    line = MediaLine(media.media, place.port, protocol, media.formats)
    title, rest = _kept(media)
    if place.rtcp_port is not None:
        rest.append(attribute("rtcp", str(RtcpAddress(place.rtcp_port, place.address))))  # RFC 3605 §2.1
    return MediaDescription.of(line, *title, where, *rest, *_mid(mid))


def _wic_media(
    media: MediaDescription, transport: TransportDescription, mid: str | None, *indicator: Line, protocol: str
) -> MediaDescription:
    if transport.sctp_port is not None:  # TS 24.371 §8.4.3
        return data_channel_media(transport, *_mid(mid), protocol=protocol)
    line = MediaLine(media.media, transport.port, protocol, media.formats)
    title, rest = _kept(media)
    extra = (*_mid(mid), *indicator, *transport_lines(transport))
    return MediaDescription.of(line, *title, connection(transport.address), *rest, *extra)


def _unused(pair: LinePair, side: Side) -> MediaDescription:
    """Return the m-line that keeps an index occupied on one side (RFC 3264 §8.2)."""
    line = replace(pair.media_line, port=0, ports=1)
    # Each side sees the kind of line that it had, or would have had.
    if pair.kind is LineKind.RTP:
        line = replace(line, protocol=RTP_DTLS if side is Side.WIC else RTP_PLAIN)
    elif pair.kind is LineKind.DATA and side is Side.WIC:
        line = MediaLine("application", 0, DATA_CHANNEL, (DATA_CHANNEL_FORMAT,))
    elif pair.kind is LineKind.DATA:
        line = MediaLine("message", 0, MSRP, ("*",))
    return MediaDescription.of(line, NO_CONNECTION, *_mid(pair.mid if side is Side.WIC else None))
