"""Offer and answer in force, and the answer to a later offer of the peer.

A later offer is answered from the agreement alone, without asking the user: directions are followed, m-lines that were
closed stay closed, added ones are rejected (RFC 3264 §8). An offer that would need another transport, or that leaves out
the codec in use, is refused as a whole, and the session goes on as it was (RFC 3261 §14.2).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from wic.sdp.attributes import MediaDirection, Setup, ThreeGe2ae
from wic.sdp.codecs import Codec, read_codecs
from wic.sdp.errors import OfferNotAcceptable
from wic.sdp.line import attribute
from wic.sdp.negotiation import answer_direction, check_answer, check_reoffer, continued, dtls_role, rejected
from wic.sdp.transport import TransportDescription, read_transport

if TYPE_CHECKING:
    from wic.sdp.description import MediaDescription, SessionDescription

__all__ = ["Agreement"]

_DIRECTIONS = frozenset(direction.value for direction in MediaDirection)


@dataclass(frozen=True, slots=True)
class Agreement:
    """The descriptions in force (RFC 3264)."""

    local: SessionDescription
    """This side's."""
    remote: SessionDescription
    """The peer's."""
    offered_here: bool
    """Whether `local` was the offer and `remote` its answer."""

    @property
    def answer(self) -> SessionDescription:
        """The one of the two that answered the other: its codecs and roles are what holds."""
        return self.remote if self.offered_here else self.local

    @classmethod
    def of(cls, *, offer: SessionDescription, answer: SessionDescription, offered_here: bool) -> Agreement:
        """Join an offer with its answer.

        Raises:
            AnswerNotValid: the answer does not fit the offer.
        """
        check_answer(offer, answer)
        return cls(offer, answer, True) if offered_here else cls(answer, offer, False)

    def renewed(self, offer: SessionDescription) -> Agreement:
        """Answer a later offer of the peer's that keeps transports and codecs: directions and closed m-lines.

        Added m-lines are rejected. What would need a new transport, such as an ICE restart, is not
        acceptable; the session then goes on unchanged (RFC 3261 §14.2).

        Raises:
            OfferNotAcceptable: the offer changes a transport, or leaves out the codec in use.
            SdpRefused: the offer cannot be read, or lacks m-lines of the session.
        """
        check_reoffer(self.remote, offer)
        # RFC 3264 §6: one m-line in the answer for each of the offer, in its order.
        media = tuple(self._answer_media(offer, index) for index in range(len(offer.media)))
        local = continued(self.local, self.local.with_media(*media))
        return Agreement(local, offer, False)

    def offered_again(self) -> SessionDescription:
        """Return the offer to make when the peer asks for one in the middle of the session (RFC 3261 §14.2)."""
        media = tuple(_as_offer(section) for section in self.local.media)
        return continued(self.local, self.local.with_media(*media))

    def answered_again(self, offer: SessionDescription, answer: SessionDescription) -> Agreement:
        """Take the peer's answer to `offered_again`.

        Raises:
            OfferNotAcceptable: the answer changes a transport.
            AnswerNotValid: the answer does not fit the offer.
            SdpRefused: the answer cannot be read.
        """
        check_answer(offer, answer)
        for index, section in enumerate(answer.media):
            if section.port and self._in_use(index):
                self._check_transport(answer, index, answer=True)
        return Agreement(offer, answer, True)

    def _answer_media(self, offer: SessionDescription, index: int) -> MediaDescription:
        offered = offer.media[index]
        if not offered.port or not self._in_use(index):
            # RFC 3264 §8.2, §8.4: closed by the peer, or never in use; a line that was closed is not opened again here.
            return rejected(offered)
        self._check_transport(offer, index, answer=False)
        own = _with_setup(self.local.media[index], self._role(index))
        if offered.media == "application":
            return own
        # RFC 3264 §8.3.2: payload types keep their meaning for the whole session.
        own = _only(own, self._codecs_kept(offered, index))
        # RFC 3264 §6.1: this side wants both directions, so that the answer mirrors the offer.
        direction = answer_direction(offer.direction(index), MediaDirection.SENDRECV)
        return _with_direction(own, direction).without_attributes("3ge2ae")

    def _in_use(self, index: int) -> bool:
        return all(index < len(side.media) and bool(side.media[index].port) for side in (self.local, self.remote))

    def _check_transport(self, description: SessionDescription, index: int, *, answer: bool) -> None:
        # RFC 8839 §4.4.1.1: other ICE credentials mean a restart; RFC 8842 §5.5: another fingerprint or another
        # transport means a new DTLS association. Neither is done here.
        before = read_transport(self.remote, index, answer=self.offered_here)
        now = read_transport(description, index, answer=answer)
        if _identity(before) != _identity(now):
            raise OfferNotAcceptable(f"m-line {index} asks for a new transport, which a running call cannot change")
        # An answer or offer may not swap the DTLS roles of an association that goes on (RFC 8842 §5.5).
        if now.setup is not Setup.ACTPASS and now.setup is self._role(index):
            raise OfferNotAcceptable(f"m-line {index} changes the DTLS role of a running call")

    def _role(self, index: int) -> Setup:
        local = read_transport(self.local, index, answer=not self.offered_here)
        remote = read_transport(self.remote, index, answer=self.offered_here)
        return dtls_role(local=local.setup, remote=remote.setup)

    def _codecs_kept(self, offered: MediaDescription, index: int) -> tuple[Codec, ...]:
        agreed = read_codecs(self.answer.media[index])
        again = read_codecs(offered)
        kept = tuple(
            codec
            for codec in agreed
            if any(codec.payload_type == other.payload_type and codec.same_as(other) for other in again)
        )
        in_use = next((codec for codec in agreed if codec.carries_media), None)
        if in_use not in kept:
            raise OfferNotAcceptable(f"m-line {index} leaves out the codec in use")
        return kept


def _identity(transport: TransportDescription) -> tuple[object, ...]:
    """Return the parameters by which a transport is the same one."""
    where = transport.ice_ufrag or (transport.address, transport.port)
    return (where, transport.ice_pwd, frozenset(transport.fingerprints), transport.sctp_port)


def _as_offer(section: MediaDescription) -> MediaDescription:
    # RFC 8842 §5.5: a later offer is actpass again; the tls-id keeps the association.
    offered = _with_setup(section, Setup.ACTPASS)
    if not section.port or section.media == "application":
        return offered
    # TS 24.371 §7.2.2 c) holds for every offer.
    return _with_direction(offered, MediaDirection.SENDRECV).with_attribute("3ge2ae", ThreeGe2ae.REQUESTED)


def _with_setup(section: MediaDescription, setup: Setup) -> MediaDescription:
    if not section.port or not section.has("setup"):
        return section
    lines = tuple(attribute("setup", setup.value) if line.name == "setup" else line for line in section.lines)
    return replace(section, lines=lines)


def _with_direction(section: MediaDescription, direction: MediaDirection) -> MediaDescription:
    lines = tuple(attribute(direction.value) if line.name in _DIRECTIONS else line for line in section.lines)
    return replace(section, lines=lines)


def _only(section: MediaDescription, codecs: tuple[Codec, ...]) -> MediaDescription:
    """Leave out the formats, with their lines, that are not in `codecs`."""
    kept = {str(codec.payload_type) for codec in codecs}
    formats = tuple(text for text in section.formats if text in kept)
    lines = tuple(
        line
        for line in section.lines
        if line.name not in ("rtpmap", "fmtp") or line.value.partition(":")[2].split(" ", 1)[0] in kept
    )
    return replace(section, lines=lines).with_media_line(replace(section.media_line, formats=formats))
