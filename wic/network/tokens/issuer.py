"""Whose tokens are believed, and how they are checked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from wic.errors import ConfigurationError

if TYPE_CHECKING:
    from wic.auth.secret import Secret


@dataclass(frozen=True, slots=True, kw_only=True)
class Introspection:
    """How to ask a WAF about a token (RFC 7662)."""

    client_id: str
    """Name under which the eP-CSCF asks."""
    client_secret: Secret
    """Its secret there."""
    url: str | None = None
    """Where to ask; None takes what the WAF's metadata say."""
    references: bool = False
    """Whether the WAF also gives out tokens that nobody else can read (RFC 8898 §1.3): what is no JWT is then asked
    about, and the answer has to hold the claims that a JWT would have. One WAF at most can be such a one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustedIssuer:
    """A WAF whose tokens are believed.

    Raises:
        ConfigurationError: a URL is not https.
    """

    issuer: str
    """Its issuer URL, exactly as it stands in the tokens."""
    audience: str
    """What its tokens must name as audience, such as `sip:ims.example`."""
    third_party: bool = False
    """Whether it belongs to somebody else (TS 24.371 §6.4.3: `authorization-entity`)."""
    scope: str = "ims"
    """The scope that a token must have."""
    jwks_uri: str | None = None
    """Where its keys are; None takes what its metadata say (RFC 8414)."""
    introspection: Introspection | None = None
    """Whether to ask it about each token as well, so that revocations count at once."""

    def __post_init__(self) -> None:
        asked = self.introspection.url if self.introspection else None
        for url in (self.issuer, self.jwks_uri, asked):
            if url is not None and not url.startswith("https://"):
                raise ConfigurationError(f"{url!r} cannot be trusted: a WAF is reached by https")

    @property
    def metadata_url(self) -> str:
        """Where its metadata are (RFC 8414 §3.1)."""
        scheme, _, rest = self.issuer.partition("://")
        host, _, path = rest.partition("/")
        tail = f"/{path.rstrip('/')}" if path.rstrip("/") else ""
        return f"{scheme}://{host}/.well-known/oauth-authorization-server{tail}"
