"""Source of an account's access tokens, and the form in which requests carry them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from wic.accounts.reader import check_url
from wic.accounts.schema import DEFAULT_SCOPE, PoolAccess
from wic.auth.bearer import BearerForm, checked_token
from wic.errors import ConfigurationError
from wic.sip.masking import mask_userinfo

if TYPE_CHECKING:
    from pathlib import Path

    from wic.accounts.reader import AccountTable
    from wic.auth.secret import Secret

__all__ = ["WebAuthorization"]


@dataclass(frozen=True, slots=True, kw_only=True)
class WebAuthorization:
    """Source of an account's access tokens, and the form in which requests carry them.

    The source is the first of these that is set: a given `token`; an identity from the `pool` of the WWSF;
    `client_secret`, for programs without a user; else the token that `wic login` stored.

    Raises:
        ConfigurationError: a value cannot work, or no source is set; the sentence says what to change.
    """

    account: str
    """The account's name in error messages and in the token store."""
    waf: str = ""
    """Issuer URL of the authorization server (RFC 8414), such as `https://waf.ims.example`."""
    wwsf: str = ""
    """URL of the WWSF, which names its WAF and the address of its pool."""
    client_id: str = ""
    """Name of this program at the WAF; left empty, the one that the WWSF names, else `wic`."""
    client_secret: Secret | None = None
    """Secret of a program that gets tokens in its own name (RFC 6749 §4.4)."""
    token: Secret | None = None
    """An access token from elsewhere, which is not renewed."""
    form: BearerForm = BearerForm.RFC8898
    """Form of the token in a request."""
    everywhere: bool = True
    """Whether all requests carry it, or only REGISTER and those that were challenged."""
    trusted_servers: tuple[str, ...] = ()
    """URLs of further authorization servers that a challenge may name."""
    pool: PoolAccess | None = None
    """Condition on which the pool of the WWSF lends the identities; None if the account has its own."""
    scope: str = DEFAULT_SCOPE
    """Scope of the tokens."""
    ca: Path | None = None
    """A PEM file with further trust anchors, for https."""
    insecure: bool = False
    """Allow `http://`: every host on the path can then read tokens and passwords."""

    def __post_init__(self) -> None:
        for key, servers in (("waf", (self.waf,)), ("wwsf", (self.wwsf,)), ("authz_servers", self.trusted_servers)):
            for url in filter(None, servers):
                # RFC 8414 §2: the issuer has no query; metadata are fetched from a path below it.
                if "?" in url:
                    raise ConfigurationError(
                        f"Account {self.account!r}: {key!r} must look like https://host:port/, not {mask_userinfo(url)!r}."
                    )
                check_url(url, account=self.account, key=key, schemes=("https", "http"), insecure=self.insecure)
        if self.token is not None:
            checked_token(self.token)  # RFC 6750 §2.1: what may stand in an Authorization header
        if self.pool is not None and not self.wwsf:  # TS 24.371 §6.2.3
            raise ConfigurationError(
                f"Account {self.account!r}: 'pool' needs 'wwsf', the server that lends identities."
            )
        if self.token is None and not self.waf and not self.wwsf:
            raise ConfigurationError(f"Account {self.account!r} needs one of 'waf', 'wwsf' and 'token'.")
        if self.client_secret is not None and not self.client_id:  # RFC 6749 §2.3.1: both authenticate it
            raise ConfigurationError(f"Account {self.account!r}: 'client_secret' needs 'client_id'.")

    @classmethod
    def read(cls, table: AccountTable) -> WebAuthorization:
        """Read the source of an account's access tokens.

        Raises:
            ConfigurationError: something is missing or cannot work.
        """
        pool = table.choice("pool")
        return cls(
            account=table.name,
            waf=table.text("waf"),
            wwsf=table.text("wwsf"),
            client_id=table.text("client_id"),
            client_secret=table.secret("client_secret"),
            token=table.secret("token"),
            form=BearerForm(table.choice("bearer_form")),
            everywhere=table.choice("bearer_in") == "all",
            trusted_servers=table.texts("authz_servers"),
            pool=PoolAccess(pool) if pool else None,
            scope=table.text("scope"),
            ca=table.file("ca"),
            insecure=table.flag("insecure"),
        )

    @property
    def trusted(self) -> tuple[str, ...]:
        """The authorization servers that a challenge may name, as far as the settings name them."""
        return ((self.waf,) if self.waf else ()) + self.trusted_servers
