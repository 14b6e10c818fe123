"""Public user identities as a user writes them."""

from __future__ import annotations

from functools import lru_cache

from wic.errors import ConfigurationError
from wic.sip.errors import MalformedUri
from wic.sip.uri import Uri


@lru_cache(maxsize=256)  # an account's is asked for again and again
def parse_impu(text: str) -> Uri:
    """Read a public user identity that a user wrote.

    Raises:
        ConfigurationError: neither a SIP nor a tel URI.
    """
    try:
        uri = Uri.parse(text)
    except MalformedUri:
        uri = None
    if uri is None or uri.scheme.lower() not in ("sip", "sips", "tel"):
        raise ConfigurationError(f"{text!r} is not a public user identity: write it like sip:alice@ims.example")
    return uri
