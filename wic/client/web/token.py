"""An access token, and what is known of it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from wic.auth.bearer import MAX_TOKEN, checked_token
from wic.auth.secret import Secret
from wic.errors import ConfigurationError, RemoteProtocolError

if TYPE_CHECKING:
    from collections.abc import Mapping

_MAX_IDENTITIES = 64
_MAX_TEXT = 1024
_MAX_LIFETIME = 10 * 366 * 86_400
_REFRESH_TOKEN = re.compile(r"[\x20-\x7e]{1,8192}")  # RFC 6749 §A.17


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessToken:
    """What the network is shown instead of a password, with the identities it stands for."""

    value: Secret
    issuer: str = ""
    """The authorization server that gave it; empty for a token that came from elsewhere."""
    expires_at: float | None = None
    """When it ends, in seconds of Unix time; None if nobody said."""
    scope: str = ""
    """What it is good for."""
    impi: str = ""
    """The private user identity that goes with it; empty if nobody said."""
    impus: tuple[str, ...] = ()
    """The public user identities that go with it, the default one first; empty if nobody said."""
    server: str = ""
    """The W2 address that the WWSF named, `wss://…`; empty if it named none."""
    refresh: Secret | None = None
    """What the next token is had for (RFC 6749 §6)."""


def read_token(document: Mapping[str, object], *, issuer: str, scope: str, now: float) -> AccessToken:
    """Read a successful token response (RFC 6749 §5.1).

    The members `impi` and `impu` tell the identities that the token stands for, so that nobody has to look into it.

    Args:
        document: the JSON object.
        issuer: who sent it.
        scope: what was asked for, which holds where the response names none.
        now: the time, Unix seconds.

    Raises:
        RemoteProtocolError: it is no such response.
    """
    if _text(document, "token_type").lower() != "bearer":
        raise RemoteProtocolError(f"{issuer} gave a token that is no bearer token", status_hint=None)
    value = Secret(_text(document, "access_token", most=MAX_TOKEN))
    try:
        checked_token(value)
    except ConfigurationError as error:
        raise RemoteProtocolError(f"{issuer} gave a token that no header can carry", status_hint=None) from error
    lifetime = document.get("expires_in")
    usable = isinstance(lifetime, int) and not isinstance(lifetime, bool) and 0 < lifetime <= _MAX_LIFETIME
    if lifetime is not None and not usable:
        raise RemoteProtocolError(f"{issuer} gave a token with a lifetime that makes no sense", status_hint=None)
    return AccessToken(
        value=value,
        issuer=issuer,
        expires_at=now + lifetime if isinstance(lifetime, int) else None,
        scope=_text(document, "scope") or scope,
        impi=_text(document, "impi"),
        impus=_identities(document.get("impu")),
        refresh=_refresh_token(document),
    )


def _text(document: Mapping[str, object], name: str, *, most: int = _MAX_TEXT) -> str:
    value = document.get(name)
    return value if isinstance(value, str) and value.isprintable() and len(value) <= most else ""


def _identities(value: object) -> tuple[str, ...]:
    """Read one identity or a list; what is none is left out."""
    values = value[:_MAX_IDENTITIES] if isinstance(value, list) else [value]
    return tuple(each for each in values if isinstance(each, str) and each.isprintable() and 0 < len(each) <= _MAX_TEXT)


def _refresh_token(document: Mapping[str, object]) -> Secret | None:
    value = document.get("refresh_token")
    return Secret(value) if isinstance(value, str) and _REFRESH_TOKEN.fullmatch(value) else None
