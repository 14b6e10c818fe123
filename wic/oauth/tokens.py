"""Access tokens as their client knows them, and the responses that bring them (RFC 6749 §5.1)."""

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
_MAX_NUMBER = 2**53
_DECIMAL = re.compile(r"[0-9]{1,16}(?:\.[0-9]{0,16})?")
_REFRESH_TOKEN = re.compile(r"[\x20-\x7e]{1,8192}")  # RFC 6749 §A.17


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessToken:
    """Access token, shown to the network instead of a password, with the identities that it stands for."""

    value: Secret
    issuer: str = ""
    """The authorization server that issued it; empty for a token that was configured."""
    expires_at: float | None = None
    """Expiry, in seconds of Unix time; None if that is not known."""
    scope: str = ""
    """Scope that was granted."""
    impi: str = ""
    """The private user identity that goes with it; empty if it is not known."""
    impus: tuple[str, ...] = ()
    """The public user identities that go with it, the default one first; empty if they are not known."""
    server: str = ""
    """The W2 address that the WWSF named, `wss://…`; empty if it named none."""
    refresh: Secret | None = None
    """The refresh token for the next one (RFC 6749 §6)."""

    def expires_within(self, seconds: float, *, now: float) -> bool:
        """Tell whether the token has expired `seconds` from now."""
        return self.expires_at is not None and self.expires_at <= now + seconds


def read_token_response(document: Mapping[str, object], *, issuer: str, scope: str, now: float) -> AccessToken:
    """Read a successful token response (RFC 6749 §5.1).

    The members `impi` and `impu` tell the identities that the token stands for: a client is not meant to read the token
    itself (RFC 9068 §6).

    Args:
        document: the JSON object.
        issuer: the authorization server that sent it.
        scope: what was asked for, which holds where the response names none.
        now: the time, Unix seconds.

    Raises:
        RemoteProtocolError: it is no such response.
    """
    # RFC 6749 §7.1: a client must not use a token of a type that it does not know.
    if _text(document, "token_type").lower() != "bearer":
        raise RemoteProtocolError(f"{issuer} issued a token that is not a bearer token", status_hint=None)
    value = Secret(_text(document, "access_token", longest=MAX_TOKEN))
    try:
        checked_token(value)
    except ConfigurationError as error:
        raise RemoteProtocolError(f"{issuer} issued a token that no header can carry", status_hint=None) from error
    lifetime = document.get("expires_in")
    seconds = read_seconds(lifetime)
    if lifetime is not None and (seconds is None or seconds > _MAX_LIFETIME):  # RFC 6749 §5.1: recommended only
        raise RemoteProtocolError(f"{issuer} issued a token with an impossible lifetime", status_hint=None)
    refresh = document.get("refresh_token")
    return AccessToken(
        value=value,
        issuer=issuer,
        expires_at=None if seconds is None else now + seconds,
        scope=_text(document, "scope") or scope,  # RFC 6749 §5.1: optional where it is what was asked
        impi=_text(document, "impi"),
        impus=_identities(document.get("impu")),
        refresh=Secret(refresh) if isinstance(refresh, str) and _REFRESH_TOKEN.fullmatch(refresh) else None,
    )


def read_seconds(value: object) -> int | None:
    """Read a number of seconds, at least one, of a JSON document; None if it is none.

    RFC 6749 §5.1 and RFC 8628 §3.2 have a number; deployed servers write texts and fractions as well.

    >>> read_seconds(3600), read_seconds("3600"), read_seconds(3599.0), read_seconds("soon")
    (3600, 3600, 3599, None)
    """
    if isinstance(value, str):
        value = float(value) if _DECIMAL.fullmatch(value) else None
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 1 <= value < _MAX_NUMBER:
        return None
    return int(value)


def _text(document: Mapping[str, object], name: str, *, longest: int = _MAX_TEXT) -> str:
    value = document.get(name)
    return value if isinstance(value, str) and value.isprintable() and len(value) <= longest else ""


def _identities(value: object) -> tuple[str, ...]:
    """Read one identity or a list; a value that is no identity is left out."""
    values = value[:_MAX_IDENTITIES] if isinstance(value, list) else [value]
    return tuple(each for each in values if isinstance(each, str) and each.isprintable() and 0 < len(each) <= _MAX_TEXT)
