"""The session description in a message, alone or among other parts (RFC 3261 §7.4, RFC 5621)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wic.sdp.description import SessionDescription
from wic.sdp.errors import SdpRefused
from wic.sip.errors import MalformedBody, MalformedHeader
from wic.sip.multipart import Part, compose_multipart, parse_multipart

if TYPE_CHECKING:
    from wic.sip.message import Message

SDP = "application/sdp"


def read_sdp(message: Message) -> SessionDescription | None:
    """Return the session description of a message, if it has one.

    Raises:
        SdpRefused: it cannot be read.
    """
    if not message.body:
        return None
    try:
        kind = message.content_type
        if kind is None:
            raise SdpRefused("a body without Content-Type")
        if kind.essence == SDP:
            return SessionDescription.parse(message.body)
        if kind.type.lower() != "multipart":
            return None
        parts = parse_multipart(kind, message.body)
        found = next((part for part in parts if part.content_type.essence == SDP), None)
    except (MalformedBody, MalformedHeader) as error:
        raise SdpRefused(str(error)) from error
    return None if found is None else SessionDescription.parse(found.body)


def write_sdp(message: Message, description: SessionDescription) -> None:
    """Put a session description in the place of the one that was read."""
    kind = message.content_type
    if kind is None or kind.essence == SDP:
        message.body = description.to_bytes()
        return
    parts = [_exchanged(part, description) for part in parse_multipart(kind, message.body)]
    _, message.body = compose_multipart(parts, boundary=kind.params.get("boundary") or "")


def remove_body(message: Message) -> None:
    """Leave a message without a body."""
    message.body = b""
    for name in ("Content-Type", "Content-Disposition", "Content-Encoding", "Content-Language"):
        message.headers.remove(name)


def _exchanged(part: Part, description: SessionDescription) -> Part:
    return Part(part.headers, description.to_bytes()) if part.content_type.essence == SDP else part
