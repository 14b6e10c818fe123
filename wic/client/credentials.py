"""What an account proves its identity with, and the identities that come with it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from wic.accounts import AuthScheme, is_registrable
from wic.auth import AkaClient, BearerClient, DigestClient, DigestCredentials
from wic.client.plugged_usim import PluggedUsim
from wic.client.usim_store import StoredUsim
from wic.errors import ConfigurationError
from wic.sip.uri import Uri

if TYPE_CHECKING:
    from collections.abc import Callable

    from wic.accounts import Account
    from wic.auth import Authenticator
    from wic.auth.usim import Usim
    from wic.client.web import AccessToken, WebAuthorization
    from wic.errors import WicError
    from wic.sip.random_source import RandomSource

__all__ = ["Credentials", "KnownCredentials", "WebCredentials", "open_credentials"]


class Credentials(Protocol):
    """Got ready before the first REGISTER, and closed after the last."""

    @property
    def authenticator(self) -> Authenticator:
        """What requests are authorized with."""
        ...

    async def prepare(self) -> Account:
        """Get ready, and return the account with the identities and servers that it is to use.

        Raises:
            WicError: there are no credentials to be had.
        """
        ...

    async def renew(self) -> None:
        """Get other credentials, because the network refused these.

        Raises:
            WicError: there are none to be had.
        """
        ...

    async def close(self) -> None:
        """Give back what was lent."""
        ...


class KnownCredentials:
    """A password or a USIM: they are there, and do not change."""

    __slots__ = ("_account", "authenticator")

    def __init__(self, account: Account, authenticator: Authenticator) -> None:
        self._account = account
        self.authenticator = authenticator

    async def prepare(self) -> Account:
        """Return the account as it is."""
        return self._account

    async def renew(self) -> None:
        """Do nothing: there are no others."""

    async def close(self) -> None:
        """Do nothing: nothing was lent."""


class WebCredentials:
    """Access tokens of a WAF or WWSF, and the identities that they stand for (TS 24.371 §6.2.2, §6.2.3)."""

    def __init__(
        self,
        account: Account,
        web: WebAuthorization,
        *,
        on_renewed: Callable[[], None],
        on_failed: Callable[[WicError], None],
    ) -> None:
        """Prepare to ask for tokens.

        Args:
            account: what is to be registered, as far as it is known.
            web: where the tokens come from.
            on_renewed: called when a token was replaced before its end.
            on_failed: called when the token will end and there is no other to be had.
        """
        self._account = account
        self._on_renewed = on_renewed
        from wic.client.web import TokenKeeper  # an HTTP client, which others need not load

        self._keeper = TokenKeeper(web, on_token=self._replaced, on_failed=on_failed)
        self.authenticator = BearerClient(form=web.form, everywhere=web.everywhere, trusted_servers=web.trusted)

    async def prepare(self) -> Account:
        """Get a token, and return the account with what came along with it."""
        token = await self._keeper.token()
        self._use(token)
        return with_assigned(self._account, token)

    async def renew(self) -> None:
        """Get another token."""
        self._use(await self._keeper.renew())

    async def close(self) -> None:
        """Give back what a pool lent (TS 24.371 §6A.2)."""
        await self._keeper.close()

    def _replaced(self, token: AccessToken) -> None:
        self._use(token)
        self._on_renewed()

    def _use(self, token: AccessToken) -> None:
        self.authenticator.use(token.value, issuer=token.issuer or None)


def with_assigned(account: Account, token: AccessToken) -> Account:
    """Complete an account by the identities and the server that came with a token.

    A token may stand for telephone numbers too; those the network registers along with a SIP URI.

    Raises:
        ConfigurationError: something is still missing, or cannot be used.
    """
    assigned = tuple(filter(is_registrable, token.impus))
    impu = account.impu or next(iter(assigned), "")
    impi = account.impi or token.impi
    if not impu or not impi:
        raise ConfigurationError(
            f"Account {account.name!r} needs 'impu' and 'impi': the token does not tell the identities it stands for,"
            " or no SIP URI among them."
        )
    return replace(
        account,
        server=account.server or token.server,
        impu=impu,
        impi=impi,
        impus=account.impus or _others(impu, assigned),
    )


def _others(impu: str, assigned: tuple[str, ...]) -> tuple[str, ...]:
    """What is to be registered besides `impu`: each identity once, however often it is written."""
    found = {Uri.parse(text).aor(): text for text in reversed(assigned)}
    found.pop(Uri.parse(impu).aor(), None)
    return tuple(reversed(found.values()))


def open_credentials(
    account: Account,
    *,
    random_source: RandomSource,
    usim: Usim | None,
    on_renewed: Callable[[], None],
    on_failed: Callable[[WicError], None],
) -> Credentials:
    """Return the credentials of an account.

    Args:
        account: the account.
        random_source: source of what nobody can guess.
        usim: a card reader, instead of the keys in the account.
        on_renewed: called when there are other credentials than before.
        on_failed: called when those in use will end and there are no others.

    Raises:
        ConfigurationError: the account lacks them, or what is stored cannot be used.
    """
    if account.auth is AuthScheme.AKA:
        return KnownCredentials(account, _aka(account, usim, random_source))
    if account.web is not None:
        return WebCredentials(account, account.web, on_renewed=on_renewed, on_failed=on_failed)
    digest = DigestCredentials(username=account.impi, secret=account.password, realm=account.domain)
    return KnownCredentials(account, DigestClient(digest, random_source=random_source))


def _aka(account: Account, usim: Usim | None, random_source: RandomSource) -> AkaClient:
    settings = account.aka
    if settings is None:
        if usim is None:
            raise ConfigurationError(
                f"Account {account.name!r} with auth = \"aka\" needs 'k' and 'opc', or a card reader."
            )
        return AkaClient(account.impi, PluggedUsim(usim), random_source=random_source, realm=account.domain)
    return AkaClient(
        account.impi,
        StoredUsim(account.impi, settings) if usim is None else PluggedUsim(usim),
        random_source=random_source,
        realm=account.domain,
        algorithm=settings.algorithm,
        accept=settings.accept,
    )
