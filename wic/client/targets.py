"""Targets of calls as a user writes them."""

from __future__ import annotations

from wic.errors import ConfigurationError
from wic.sip.errors import MalformedUri
from wic.sip.uri import Uri

__all__ = ["parse_target"]


def parse_target(text: str) -> Uri:
    """Read a target: a SIP or tel URI, or `user@domain`.

    Raises:
        ConfigurationError: it is none of these.

    >>> str(parse_target("bob@ims.example"))
    'sip:bob@ims.example'
    """
    written = text.strip()
    # A colon may stand in the user part's password or in the port; a scheme stands before any "@".
    if ":" not in written.partition("@")[0] and "@" in written:
        written = f"sip:{written}"
    try:
        uri = Uri.parse(written)
    except MalformedUri:
        uri = None  # the same words as for another scheme
    if uri is None or uri.scheme not in ("sip", "sips", "tel"):
        raise ConfigurationError(f"{text!r} cannot be called; write sip:user@domain or tel:+number.")
    return uri
