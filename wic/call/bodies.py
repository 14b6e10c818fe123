"""Session descriptions in and out of message bodies."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wic.errors import RemoteProtocolError
from wic.sdp.description import SessionDescription
from wic.sip.multipart import find_part

if TYPE_CHECKING:
    from wic.sip.message import Message

__all__ = ["SDP", "read_description"]

SDP = "application/sdp"


def read_description(message: Message) -> SessionDescription | None:
    """Take the session description out of a message; None if it has no body.

    Raises:
        RemoteProtocolError: the body is of another type (status hint 415) or cannot be read.
    """
    if not message.body:
        return None
    content_type = message.content_type
    if content_type is None:
        # RFC 3261 §20.15: a body must have a Content-Type.
        raise RemoteProtocolError("the body has no Content-Type")
    text = find_part(content_type, message.body, SDP)
    if text is None:
        raise RemoteProtocolError(f"the body is {content_type.essence}, not {SDP}", status_hint=415)
    return SessionDescription.parse(text)
