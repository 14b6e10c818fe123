"""Errors of session descriptions, with the SIP status that answers them."""

from __future__ import annotations

from typing import ClassVar

from wic.errors import NegotiationFailed, RemoteProtocolError


class SdpRefused(RemoteProtocolError):
    """The text is not a session description that this side can read.

    The status hint is 400 where the grammar of RFC 8866 is broken and 488 where the description
    is well-formed but larger than this side is willing to handle.
    """


class OfferNotAcceptable(NegotiationFailed):
    """No part of the offer can be accepted (RFC 3261 §13.3.1.3: answer 488)."""

    status_hint: ClassVar[int] = 488


class NoCommonCodec(OfferNotAcceptable):
    """The two sides have no codec in common (RFC 3264 §6.1)."""


class AnswerNotValid(NegotiationFailed):
    """The answer does not fit the offer (RFC 3264 §6)."""
