"""Session description of a SIP message: reading it, writing it, taking it out.

It may be the whole body, or one part of a multipart body however deep (RFC 3261 §7.4, RFC 5621 §3). There is one reader
and one writer for user agents and proxies alike: two that disagree about where a description may stand would let one
pass that the other never sees. A message is taken to have one description. Of several the first is read, and all are
replaced, so that none crosses a gateway as its sender wrote it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from wic.sdp.description import SessionDescription
from wic.sdp.errors import SdpRefused
from wic.sip.errors import MalformedBody, MalformedHeader
from wic.sip.multipart import find_part, replace_parts

if TYPE_CHECKING:
    from wic.sip.headers import MediaType
    from wic.sip.message import Message

__all__ = ["SDP", "expect_sdp", "read_sdp", "remove_body", "remove_sdp", "write_sdp"]

SDP: Final = "application/sdp"

_BODY_HEADERS = ("Content-Type", "Content-Disposition", "Content-Encoding", "Content-Language")


def read_sdp(message: Message) -> SessionDescription | None:
    """Read the session description of a message, as a proxy does; None if it has none.

    Raises:
        SdpRefused: the description, or the body it may be in, cannot be read.
    """
    if not message.body:
        return None
    content_type = _content_type(message)
    if content_type.essence == SDP:
        return SessionDescription.parse(message.body)
    try:
        text = find_part(content_type, message.body, SDP)
    except MalformedBody as error:
        raise SdpRefused(str(error), status_hint=error.status_hint) from error
    return None if text is None else SessionDescription.parse(text)


def expect_sdp(message: Message) -> SessionDescription | None:
    """Read the session description of a message, as a user agent does that understands no other body.

    Returns:
        The description; None if the message has no body.

    Raises:
        SdpRefused: the description cannot be read, or the body holds none (status hint 415).
    """
    description = read_sdp(message)
    if description is None and message.body:
        # RFC 3261 §8.2.3: a body of a type that is not understood is refused with 415.
        raise SdpRefused(f"the body is {_content_type(message).essence}, not {SDP}", status_hint=415)
    return description


def write_sdp(message: Message, description: SessionDescription) -> None:
    """Put a session description into a message: in place of the one that was read, or as its body if it has none."""
    content = description.to_bytes()
    if not message.body:
        message.headers.set("Content-Type", SDP)
        message.body = content
    else:
        # No line of a description begins with "--", so no boundary can occur in it.
        message.body = replace_parts(_content_type(message), message.body, SDP, content)


def remove_sdp(message: Message) -> None:
    """Take the body out of a message that holds a session description, or may hold one that cannot be found."""
    try:
        found = read_sdp(message) is not None
    except SdpRefused:
        found = True
    if found:
        remove_body(message)


def remove_body(message: Message) -> None:
    """Take the body out of a message, with the header fields that describe it."""
    message.body = b""
    for name in _BODY_HEADERS:
        message.headers.remove(name)


def _content_type(message: Message) -> MediaType:
    try:
        content_type = message.content_type
    except MalformedHeader as error:
        raise SdpRefused(str(error), status_hint=error.status_hint) from error
    if content_type is None:
        # RFC 3261 §20.15: a body must have a Content-Type.
        raise SdpRefused("the body has no Content-Type")
    return content_type
