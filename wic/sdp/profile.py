"""Rules of TS 24.371 for the SDP of a WIC: writing offers and answers, and reading those of the peer.

Each m-line has its own transport, BUNDLE is never asked for and never granted (§7.4.2), RTP goes
over DTLS-SRTP with `a=3ge2ae:requested` (§7.2.2), data channels over SCTP over DTLS (§8.2.2).
Plain RTP is written and read as well, for peers on the core side.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from wic.sdp.attributes import MediaDirection, Setup, ThreeGe2ae, address_type
from wic.sdp.codecs import AUDIO_CODECS, Codec, codec_lines, read_codecs
from wic.sdp.description import MediaDescription, MediaLine, Origin, SessionDescription
from wic.sdp.errors import OfferNotAcceptable, SdpRefused
from wic.sdp.line import Line, attribute
from wic.sdp.negotiation import answer_direction, answer_setup, common_codecs, rejected
from wic.sdp.transport import TransportDescription, read_transport, transport_lines

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

RTP_DTLS = "UDP/TLS/RTP/SAVPF"  # RFC 5764
RTP_PLAIN = "RTP/AVP"  # RFC 3551
DATA_CHANNEL = "UDP/DTLS/SCTP"  # RFC 8841 §4
DATA_CHANNEL_FORMAT = "webrtc-datachannel"

DATA_PROTOCOLS = frozenset({DATA_CHANNEL, "TCP/DTLS/SCTP"})
_DTLS_PROTOCOLS = frozenset({RTP_DTLS, "UDP/TLS/RTP/SAVP", "TCP/TLS/RTP/SAVPF", "RTP/SAVPF", "RTP/SAVP"})
PLAIN_PROTOCOLS = frozenset({RTP_PLAIN, "RTP/AVPF"})
_SUPPORTED: Mapping[str, Sequence[Codec]] = {"audio": AUDIO_CODECS}


@dataclass(frozen=True, kw_only=True)
class MediaOffer:
    """One m-line that this side wants to offer."""

    media: str
    """`audio`, `video`, or `application` for data channels."""
    transport: TransportDescription
    """With fingerprints: DTLS-SRTP, or data channels; without: plain RTP."""
    codecs: tuple[Codec, ...] = ()
    """Preferred first; none for data channels."""
    direction: MediaDirection = MediaDirection.SENDRECV


@dataclass(frozen=True, kw_only=True)
class MediaAnswer:
    """Acceptance of one offered m-line by this side."""

    transport: TransportDescription
    """A setup of actpass stands for the role that fits the offer."""
    codecs: tuple[Codec, ...] = ()
    direction: MediaDirection = MediaDirection.SENDRECV


@dataclass(frozen=True, kw_only=True)
class RemoteMedia:
    """One m-line of the peer, read."""

    index: int
    media: str
    transport: TransportDescription
    codecs: tuple[Codec, ...]
    direction: MediaDirection
    """As the peer wrote it, seen from the peer."""


@dataclass(frozen=True, kw_only=True)
class AnswerPlan:
    """Possible acceptance of one offered m-line: enough to set up its transport."""

    index: int
    remote: RemoteMedia
    codecs: tuple[Codec, ...]
    direction: MediaDirection
    setup: Setup
    """This side's DTLS role."""


def build_offer(origin: Origin, media: Sequence[MediaOffer]) -> SessionDescription:
    """Write an offer (TS 24.371 §7.2.2, §8.2.2)."""
    sections = []
    for index, offer in enumerate(media):
        protocol = RTP_DTLS if offer.transport.secure else RTP_PLAIN
        if offer.media == "application":
            protocol = DATA_CHANNEL  # TS 24.371 §8.2.2
        extra = [attribute("mid", str(index))]
        if protocol == RTP_DTLS:
            # TS 24.371 §7.2.2 c): every RTP m-line asks for end-to-access-edge protection.
            extra.append(attribute("3ge2ae", ThreeGe2ae.REQUESTED))
        sections.append(_media(offer.media, protocol, offer.transport, offer.codecs, offer.direction, extra))
    return empty_session(origin).with_media(*sections)


def build_answer(
    offer: SessionDescription, origin: Origin, choices: Sequence[MediaAnswer | None]
) -> SessionDescription:
    """Write the answer to `offer`, with one choice for each of its m-lines; None rejects.

    A group BUNDLE is not repeated, and an m-line offered as bundle-only is rejected (RFC 9143 §6).
    """
    sections = []
    for offered, choice in zip(offer.media, choices, strict=True):
        if choice is None or not offered.port:  # RFC 3264 §6; with port 0 a bundle-only m-line too (RFC 9143 §6)
            sections.append(rejected(offered))
            continue
        index = len(sections)
        transport = answer_transport(read_transport(offer, index), choice.transport)
        extra = [attribute("mid", offered.mid)] if offered.mid else []  # RFC 5888 §9.1: the offer's, or none
        sections.append(_media(offered.media, offered.protocol, transport, choice.codecs, choice.direction, extra))
    return empty_session(origin).with_media(*sections)


def plan_answer(
    offer: SessionDescription,
    *,
    supported: Mapping[str, Sequence[Codec]] = _SUPPORTED,
) -> tuple[AnswerPlan | None, ...]:
    """Plan the acceptance of each m-line of `offer`; None where it cannot be accepted.

    Args:
        offer: the peer's.
        supported: codecs for each kind of RTP medium; a kind that is missing is rejected.

    Raises:
        NoCommonCodec: media are offered, but no codec is supported.
        OfferNotAcceptable: nothing else in the offer can be accepted.
        SdpRefused: an m-line that could be accepted is malformed.
    """
    plans: list[AnswerPlan | None] = []
    failure = OfferNotAcceptable("no m-line of the offer can be accepted")
    for index in range(len(offer.media)):
        plans.append(None)
        remote = read_remote(offer, index)
        if remote is None:
            continue
        data = remote.transport.sctp_port is not None
        if not (data or (remote.media in supported and remote.transport.secure)):
            continue
        try:
            plans[index] = AnswerPlan(
                index=index,
                remote=remote,
                codecs=() if data else common_codecs(remote.codecs, supported[remote.media]),
                direction=answer_direction(remote.direction, MediaDirection.SENDRECV),
                setup=answer_setup(remote.transport.setup),
            )
        except OfferNotAcceptable as error:
            # Other m-lines may still be accepted; if none is, this tells more than that nothing was.
            failure = error
    if not any(plans):
        raise failure
    return tuple(plans)


def read_remote(description: SessionDescription, index: int, *, answer: bool = False) -> RemoteMedia | None:
    """Read the peer's m-line at `index`; None if it is not used or of a kind unknown here.

    Args:
        description: the peer's.
        index: of the m-line.
        answer: whether it is an answer; the default of `a=setup` depends on it (RFC 4145 §4.1).

    Raises:
        SdpRefused: it is malformed, or lacks the fingerprint or the sctp-port it needs.
    """
    media = description.media[index]
    protocol = media.protocol.upper()
    data = protocol in DATA_PROTOCOLS and DATA_CHANNEL_FORMAT in media.formats
    # RFC 3264 §5.1: port 0 offers nothing; RFC 3264 §6: nor does it accept anything.
    if not media.port or not (data or protocol in _DTLS_PROTOCOLS | PLAIN_PROTOCOLS):
        return None
    transport = read_transport(description, index, answer=answer)
    if protocol not in PLAIN_PROTOCOLS and not transport.secure:
        if "TLS" not in protocol:
            return None  # keys in the description itself (RFC 4568): not spoken here
        # RFC 8122 §5: without a fingerprint nothing binds the DTLS peer to the description.
        raise SdpRefused(f"the {media.media} m-line has no fingerprint", status_hint=488)
    if data and transport.sctp_port is None:
        raise SdpRefused("the data channel m-line has no a=sctp-port", status_hint=488)  # RFC 8841 §5
    return RemoteMedia(
        index=index,
        media=media.media,
        transport=transport,
        codecs=() if data else read_codecs(media),
        direction=description.direction(index),
    )


def answer_transport(offered: TransportDescription, own: TransportDescription) -> TransportDescription:
    """Return this side's transport for an answer: role, tls-id and multiplexing as the offer allows."""
    if not offered.secure:
        return replace(own, rtcp_mux=own.rtcp_mux and offered.rtcp_mux)
    return replace(
        own,
        setup=answer_setup(offered.setup) if own.setup is Setup.ACTPASS else own.setup,  # RFC 8842 §5.3
        # RFC 8842 §5.3: no tls-id in the answer to an offer without one.
        tls_id=own.tls_id if offered.tls_id is not None else None,
        rtcp_mux=own.rtcp_mux and offered.rtcp_mux,  # RFC 5761 §5.1.1
    )


def empty_session(origin: Origin) -> SessionDescription:
    """Return an empty description: the lines that RFC 8866 §5 requires."""
    return SessionDescription((Line("v", "0"), Line("o", str(origin)), Line("s", "-"), Line("t", "0 0")))


def connection(address: str) -> Line:
    """Return the `c=` line for an address."""
    return Line("c", f"IN {address_type(address)} {address}")


def data_channel_media(transport: TransportDescription, *extra: Line, protocol: str = DATA_CHANNEL) -> MediaDescription:
    """Write the m-line of data channels (RFC 8841 §4)."""
    line = MediaLine("application", transport.port, protocol, (DATA_CHANNEL_FORMAT,))
    return MediaDescription.of(line, connection(transport.address), *extra, *transport_lines(transport))


def _media(
    media: str,
    protocol: str,
    transport: TransportDescription,
    codecs: Sequence[Codec],
    direction: MediaDirection,
    extra: Sequence[Line],
) -> MediaDescription:
    if protocol.upper() in DATA_PROTOCOLS:
        return data_channel_media(transport, *extra, protocol=protocol)
    line = MediaLine(media, transport.port, protocol, tuple(str(codec.payload_type) for codec in codecs))
    lines = (connection(transport.address), *extra, *codec_lines(codecs), attribute(direction))
    return MediaDescription.of(line, *lines, *transport_lines(transport))
