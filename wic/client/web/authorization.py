"""How an account comes to its access tokens, as settings."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from wic.auth.bearer import BearerForm, checked_token
from wic.errors import ConfigurationError

if TYPE_CHECKING:
    from pathlib import Path

    from wic.auth.secret import Secret


class PoolAccess(enum.Enum):
    """How a WWSF lends identities of its pool to an account (TS 24.371 §6.2.3)."""

    ANONYMOUS = "anonymous"
    """To anybody."""
    SIGNED_IN = "signed-in"
    """To those who have signed in at the WAF."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WebAuthorization:
    """Where an account gets its access tokens, and how it shows them to the network.

    One of these ways, tried in this order: a `token` that was given; an identity out of the `pool` of the
    WWSF; `client_secret`, for programs that nobody signs in for; else what `wic login` left in the store.

    Raises:
        ConfigurationError: a value cannot work, or none of the ways is open; the sentence says what to change.
    """

    account: str
    """What messages and the token store call the account."""
    waf: str = ""
    """Issuer URL of the authorization server (RFC 8414), such as `https://waf.ims.example`."""
    wwsf: str = ""
    """URL of the WWSF; it names its WAF, and the pool's place."""
    client_id: str = ""
    """Name of this program at the WAF; left empty, the one that the WWSF names, else `wic`."""
    client_secret: Secret | None = None
    """Password of a program that gets tokens in its own name (RFC 6749 §4.4)."""
    token: Secret | None = None
    """An access token that came from elsewhere; nobody renews it."""
    form: BearerForm = BearerForm.RFC8898
    """How requests carry the token."""
    everywhere: bool = True
    """Whether all requests carry it, or only REGISTER and those that were challenged."""
    trusted_servers: tuple[str, ...] = ()
    """URLs of further authorization servers that a challenge may name."""
    pool: PoolAccess | None = None
    """Whether the identities come out of the pool of the WWSF; then the account names none."""
    scope: str = "ims"
    """What the tokens have to be good for."""
    ca: Path | None = None
    """A PEM file with further trust anchors, for https."""
    insecure: bool = False
    """Allow `http://`, where anybody on the way can read tokens and passwords."""

    def __post_init__(self) -> None:
        for key in ("waf", "wwsf"):
            _check_url(self, key, getattr(self, key))
        for server in self.trusted_servers:
            _check_url(self, "authz_servers", server)
        if self.token is not None:
            checked_token(self.token)
        _check_ways(self)

    @property
    def trusted(self) -> tuple[str, ...]:
        """The authorization servers that a challenge may name, as far as the settings know them."""
        return ((self.waf,) if self.waf else ()) + self.trusted_servers


def _check_url(settings: WebAuthorization, key: str, url: str) -> None:
    if not url:
        return
    try:
        parts = urlsplit(url)
        usable = bool(parts.hostname) and parts.port != 0 and parts.username is None
    except ValueError:
        usable = False
        parts = urlsplit("")
    if not usable or parts.scheme not in {"http", "https"} or parts.query or parts.fragment or not url.isprintable():
        raise ConfigurationError(
            f"Account {settings.account!r}: {key!r} must look like https://host:port, not {url!r}."
        )
    if parts.scheme == "http" and not settings.insecure:
        raise ConfigurationError(
            f"Account {settings.account!r}: {url} is not encrypted; use https:// or set insecure = true."
        )


def _check_ways(settings: WebAuthorization) -> None:
    if settings.pool is not None and not settings.wwsf:
        raise ConfigurationError(
            f"Account {settings.account!r}: 'pool' needs 'wwsf', the server that lends identities."
        )
    if settings.token is None and not settings.waf and not settings.wwsf:
        raise ConfigurationError(f"Account {settings.account!r} needs one of 'waf', 'wwsf' and 'token'.")
    if settings.client_secret is not None and not settings.client_id:
        raise ConfigurationError(f"Account {settings.account!r}: 'client_secret' needs 'client_id'.")
