"""Errors for values of the peer that do not follow their grammar; each says how to answer."""

from __future__ import annotations

from wic.errors import RemoteProtocolError


class MalformedHeader(RemoteProtocolError):
    """Header field that is missing, or whose value does not follow its grammar."""


class MalformedUri(MalformedHeader):
    """URI that does not follow the grammar of its scheme (RFC 3261 §19.1, RFC 3966)."""


class MalformedBody(RemoteProtocolError):
    """Body that does not follow the grammar of its media type (RFC 2046 for multipart types)."""
