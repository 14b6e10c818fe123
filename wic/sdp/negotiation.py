"""Offer and answer (RFC 3264) as functions on values."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from wic.sdp.attributes import MediaDirection, Setup
from wic.sdp.description import MediaDescription
from wic.sdp.errors import AnswerNotValid, NoCommonCodec, OfferNotAcceptable, SdpRefused
from wic.sdp.line import Line, attribute

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wic.sdp.codecs import Codec
    from wic.sdp.description import SessionDescription

NO_CONNECTION = Line("c", "IN IP4 0.0.0.0")
"""Address of an m-line that is not used: RFC 8866 §5.7 wants a `c=` line all the same."""


def common_codecs(offered: Sequence[Codec], supported: Sequence[Codec]) -> tuple[Codec, ...]:
    """Return the codecs of an answer: those offered that are supported, in the offer's order (RFC 3264 §6.1).

    Each has the offer's payload type and the supporting side's parameters. A telephone-event
    stays only with a codec of its clock rate (RFC 4733 §2.1).

    Raises:
        NoCommonCodec: nothing that carries media is left.
    """
    found = [
        own.under(codec.payload_type)
        for codec in offered
        for own in [next((own for own in supported if own.same_as(codec)), None)]
        if own is not None
    ]
    rates = {codec.clock_rate for codec in found if codec.carries_media}
    if not rates:
        raise NoCommonCodec(f"no codec in common with the offered {_names(offered)}")
    return tuple(codec for codec in found if codec.clock_rate in rates)  # RFC 4733 §2.1


def agreed_codecs(offered: Sequence[Codec], answered: Sequence[Codec]) -> tuple[Codec, ...]:
    """Return the codecs an offerer may send after an answer: the answer's, as far as they were offered.

    Raises:
        NoCommonCodec: nothing that carries media is left.
    """
    agreed = tuple(codec for codec in answered if any(codec.same_as(own) for own in offered))
    if not any(codec.carries_media for codec in agreed):
        raise NoCommonCodec(f"the answer chose none of the offered codecs but {_names(answered)}")
    return agreed


def answer_direction(offered: MediaDirection, wanted: MediaDirection) -> MediaDirection:
    """Return the direction of an answer: that wanted, as far as the offer allows (RFC 3264 §6.1).

    >>> answer_direction(MediaDirection.SENDONLY, MediaDirection.SENDRECV)
    <MediaDirection.RECVONLY: 'recvonly'>
    """
    return MediaDirection.of(sends=wanted.sends and offered.receives, receives=wanted.receives and offered.sends)


def answer_setup(offered: Setup) -> Setup:
    """Return the DTLS role of an answerer (RFC 5763 §5: active is recommended where the offer leaves the choice).

    Raises:
        OfferNotAcceptable: the offer says holdconn, which RFC 8842 §5.3 forbids.
    """
    if offered is Setup.HOLDCONN:  # RFC 8842 §5.3
        raise OfferNotAcceptable("the offer holds its DTLS connection")
    return Setup.PASSIVE if offered is Setup.ACTIVE else Setup.ACTIVE  # RFC 4145 §4.1


def dtls_role(*, local: Setup, remote: Setup) -> Setup:
    """Return the role, active or passive, that this side takes after offer and answer.

    Raises:
        AnswerNotValid: the two sides' roles do not fit together.
    """
    # RFC 5763 §5: the answer of an actpass offer decides, and the answerer never says actpass. Peers that do get the
    # role that is left.
    if local is Setup.ACTPASS and remote in (Setup.ACTIVE, Setup.PASSIVE):
        return answer_setup(remote)
    if (local is Setup.ACTIVE and remote in (Setup.PASSIVE, Setup.ACTPASS)) or (
        local is Setup.PASSIVE and remote in (Setup.ACTIVE, Setup.ACTPASS)
    ):
        return local
    raise AnswerNotValid(f"a=setup:{local} here and a=setup:{remote} there name no DTLS client")


def rejected(offered: MediaDescription) -> MediaDescription:
    """Return the answer's m-line for an offered one that is not accepted: port 0 (RFC 3264 §6)."""
    tag = [attribute("mid", offered.mid)] if offered.mid else []
    return MediaDescription.of(replace(offered.media_line, port=0, ports=1), NO_CONNECTION, *tag)


def check_answer(offer: SessionDescription, answer: SessionDescription) -> None:
    """Check that the m-lines of `answer` fit those of `offer` (RFC 3264 §6).

    Raises:
        AnswerNotValid: other m-lines than offered, or one accepted that was not on offer.
    """
    if len(answer.media) != len(offer.media):
        raise AnswerNotValid(f"{len(offer.media)} m-lines were offered, {len(answer.media)} answered")
    for index, (offered, answered) in enumerate(zip(offer.media, answer.media, strict=True)):
        if offered.media != answered.media:  # RFC 3264 §6: the medium of each m-line stays
            raise AnswerNotValid(f"m-line {index} was offered as {offered.media}, answered as {answered.media}")
        # RFC 3264 §6: a stream that was offered with port 0 must be rejected; RFC 9143 §6: bundle-only is another 0.
        if answered.port and not offered.port and not offered.bundle_only:
            raise AnswerNotValid(f"m-line {index} was answered but not offered")
        # RFC 3264 §6: the protocol must be that of the offer. A downgrade from SRTP to RTP is refused; other variants of
        # the name are known of stacks that mean the same.
        if answered.port and _secure(answered) != _secure(offered):
            raise AnswerNotValid(f"m-line {index} was offered as {offered.protocol}, answered as {answered.protocol}")


def check_reoffer(previous: SessionDescription, offer: SessionDescription) -> None:
    """Check that a later offer keeps the m-lines of the session (RFC 3264 §8).

    Raises:
        SdpRefused: m-lines are missing, or a used one has become another medium.
    """
    if len(offer.media) < len(previous.media):
        raise SdpRefused("a later offer must keep every m-line", status_hint=488)
    # RFC 3264 §8.3.3: a medium may change only where the m-line was not in use.
    for before, now in zip(previous.media, offer.media, strict=False):
        if before.port and now.port and before.media != now.media:
            raise SdpRefused("a later offer must keep the medium of an m-line", status_hint=488)


def continued(previous: SessionDescription | None, new: SessionDescription) -> SessionDescription:
    """Give `new` the `o=` line that follows `previous`, both of the same side of one session.

    The version rises by one if anything else changed, and stays if nothing did (RFC 3264 §8).
    """
    if previous is None:
        return new
    same = new.with_origin(previous.origin)
    return same if same == previous else new.with_origin(previous.origin.next())


def _secure(media: MediaDescription) -> bool:
    protocol = media.protocol.upper()
    return "TLS" in protocol or "SAVP" in protocol


def _names(codecs: Sequence[Codec]) -> str:
    return ", ".join(codec.name for codec in codecs[:8]) or "nothing"
