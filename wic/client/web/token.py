"""An access token, and what is known of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wic.auth.secret import Secret


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
