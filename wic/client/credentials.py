"""Credentials of an account: a password, a USIM or access tokens, with the identities that come along."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING

from wic.accounts import AuthScheme, is_registrable
from wic.auth import AkaClient, BearerClient, DigestClient, DigestCredentials
from wic.client.plugged_usim import PluggedUsim
from wic.client.usim_store import StoredUsim
from wic.errors import ConfigurationError
from wic.sip.uri import Uri

if TYPE_CHECKING:
    from collections.abc import Callable

    from wic.accounts import Account, WebAuthorization
    from wic.auth import Authenticator
    from wic.auth.usim import Usim
    from wic.errors import WicError
    from wic.oauth.tokens import AccessToken
    from wic.sip.random_source import RandomSource

__all__ = ["Credentials", "WebCredentials", "open_credentials"]


def _ignore(*_: object) -> None:
    """Do nothing: no connection depends on the credentials yet."""


@dataclass(slots=True, eq=False, repr=False)
class Credentials:
    """Credentials of a user: a password or a USIM, which do not change; access tokens are `WebCredentials`."""

    account: Account
    """The account, completed by the identities and the server that come with access tokens."""
    authenticator: Authenticator
    """Authorizes requests."""
    on_renewed: Callable[[], None] = field(default=_ignore)
    """Is called when there are other credentials than before."""
    on_failed: Callable[[WicError], None] = field(default=_ignore)
    """Is called when the credentials in use will end, and there are no others to be had."""

    async def renew(self) -> None:
        """Get other credentials, because the network refused these.

        Raises:
            WicError: there are none to be had.
        """

    async def close(self) -> None:
        """Give back what was lent."""


class WebCredentials(Credentials):
    """Access tokens of a WAF or WWSF, and the identities that they stand for (TS 24.371 §6.2.2, §6.2.3)."""

    def __init__(self, account: Account, web: WebAuthorization) -> None:
        """Create credentials without a token; `open` gets the first one."""
        from wic.client.web.keeper import TokenKeeper  # an HTTP client, which others need not load

        # RFC 8898 §2.1.1: only the servers that the user named may ask for a token.
        self._bearer = BearerClient(
            form=web.form, everywhere=web.everywhere, trusted_servers=web.trusted, realms=account.realms
        )
        super().__init__(account, self._bearer)
        self._keeper = TokenKeeper(web, on_token=self._replaced, on_failed=lambda error: self.on_failed(error))

    @classmethod
    async def open(cls, account: Account, web: WebAuthorization) -> WebCredentials:
        """Get the first token, and complete the account by what came along with it.

        Raises:
            WicError: there is no token to be had, or it does not complete the account.
        """
        credentials = cls(account, web)
        try:
            credentials.account = with_assigned(account, credentials._use(await credentials._keeper.token()))
        except BaseException:  # a lease of a pool would last without its user
            await credentials.close()
            raise
        return credentials

    async def renew(self) -> None:
        """Get another token."""
        self._use(await self._keeper.renew())

    async def close(self) -> None:
        """Give back what a pool lent (TS 24.371 §6A.3)."""
        await self._keeper.close()

    def _replaced(self, token: AccessToken) -> None:
        self._use(token)
        self.on_renewed()  # TS 24.371 §6.4.3: a REGISTER shows the network the new token

    def _use(self, token: AccessToken) -> AccessToken:
        self._bearer.use(token.value, issuer=token.issuer or None)
        return token


def with_assigned(account: Account, token: AccessToken) -> Account:
    """Complete an account by the identities and the server that came with a token.

    A token may stand for telephone numbers too; those the network registers along with a SIP URI.

    Raises:
        ConfigurationError: something is still missing, or cannot be used.
    """
    assigned = tuple(filter(is_registrable, token.impus))  # the first is the default one
    impu = account.impu or next(iter(assigned), "")
    impi = account.impi or token.impi
    if not impu or not impi:
        raise ConfigurationError(
            f"Account {account.name!r} needs 'impu' and 'impi': the token does not tell the identities it stands for,"
            " or no SIP URI among them."
        )
    return replace(
        account,
        server=account.server or token.server,  # what the user wrote comes first
        impu=impu,
        impi=impi,
        impus=account.impus or _others(impu, assigned),
    )


def _others(impu: str, assigned: tuple[str, ...]) -> tuple[str, ...]:
    """Return the identities to register besides `impu`, each once, however often it is written."""
    found = {Uri.parse(text).aor(): text for text in reversed(assigned)}
    found.pop(Uri.parse(impu).aor(), None)
    return tuple(reversed(found.values()))


async def open_credentials(account: Account, *, random_source: RandomSource, usim: Usim | None) -> Credentials:
    """Return the credentials of an account, ready for the first REGISTER; `usim` replaces the keys in the account.

    Raises:
        ConfigurationError: the account lacks them, or what is stored cannot be used.
        WicError: a web server gives no access token.
    """
    if account.auth is AuthScheme.AKA:  # TS 24.371 §6.2.1.3
        return Credentials(account, _aka(account, usim, random_source))
    if account.web is not None:  # TS 24.371 §6.2.2, §6.2.3
        return await WebCredentials.open(account, account.web)
    # TS 24.371 §6.2.1.2: SIP Digest; the realm is the home domain until a challenge names it.
    digest = DigestCredentials(
        username=account.impi, secret=account.password, realm=account.domain, realms=frozenset(account.realms)
    )
    return Credentials(account, DigestClient(digest, random_source=random_source))


def _aka(account: Account, usim: Usim | None, random_source: RandomSource) -> AkaClient:
    settings = account.aka
    make = partial(AkaClient, account.impi, random_source=random_source, realm=account.domain, realms=account.realms)
    if settings is not None:
        card = StoredUsim(account.impi, settings) if usim is None else PluggedUsim(usim)
        return make(card, algorithm=settings.algorithm, accept=settings.accept)
    if usim is None:
        raise ConfigurationError(f"Account {account.name!r} with auth = \"aka\" needs 'k' and 'opc', or a card reader.")
    return make(PluggedUsim(usim))
