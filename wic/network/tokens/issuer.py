"""Options of a token validator: the issuers that are trusted, and how their tokens are checked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from wic.errors import ConfigurationError
from wic.oauth.requests import SCOPE
from wic.oauth.urls import is_usable_url
from wic.sip.masking import mask_userinfo

if TYPE_CHECKING:
    from wic.auth.secret import Secret


@dataclass(frozen=True, slots=True, kw_only=True)
class Introspection:
    """Introspection of tokens at the WAF that issued them (RFC 7662)."""

    client_id: str
    """Name of the eP-CSCF at the WAF."""
    client_secret: Secret
    """Its secret there."""
    url: str | None = None
    """The introspection endpoint; None takes that of the WAF's metadata."""
    references: bool = False
    """Whether the WAF also issues opaque tokens, which only the WAF can read (RFC 8898 §1.3): a token that is no JWT is
    then introspected, and the answer has to hold the claims that a JWT would have. One WAF at most can have this."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustedIssuer:
    """A WAF whose tokens are accepted.

    Raises:
        ConfigurationError: a URL is not https.
    """

    issuer: str
    """Its issuer URL, exactly as it stands in the tokens."""
    audience: str
    """The audience that its tokens must name, such as `sip:ims.example`."""
    third_party: bool = False
    """Whether it belongs to a third party (TS 24.371 §6.4.2: `authorization-entity`)."""
    scope: str = SCOPE
    """The scope that a token must have."""
    jwks_uri: str | None = None
    """URL of its keys; None takes that of its metadata (RFC 8414)."""
    introspection: Introspection | None = None
    """Whether each token is introspected as well, so that revocations count at once."""

    def __post_init__(self) -> None:
        check_issuer(self.issuer)
        for url in (self.jwks_uri, self.introspection.url if self.introspection else None):
            if url is not None:
                _check_url(url)


def check_issuer(url: str) -> None:
    """Refuse a text that cannot be the issuer of tokens.

    Raises:
        ConfigurationError: it is no https URL, or has a query or a fragment (RFC 8414 §2).
    """
    _check_url(url, without="?#")


def _check_url(url: str, *, without: str = "#") -> None:
    if not is_usable_url(url) or any(each in url for each in without):
        shown = mask_userinfo(url)
        raise ConfigurationError(f"{shown!r} is not the URL of a WAF: write https://HOST or https://HOST/PATH")
