"""Where the tokens of an account come from without anybody's help: given, stored, or for a client's password."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from wic.client.web.discovery import find_place
from wic.client.web.http import WebClient
from wic.client.web.store import StoreKey
from wic.client.web.token import AccessToken
from wic.client.web.token_endpoint import open_endpoint
from wic.errors import SignInFailed, SignInNeeded

if TYPE_CHECKING:
    from wic.accounts import WebAuthorization
    from wic.client.web.store import TokenStore

_SOON = 30.0


class TokenSource(Protocol):
    """Gives tokens, one after the other."""

    async def obtain(self, current: AccessToken | None) -> AccessToken:
        """Return a token; with `current`, another one than that.

        Raises:
            SignInNeeded: only a person can get one.
            SignInFailed: the server says no.
            TransportError: the server cannot be reached.
            RemoteProtocolError: what it says makes no sense.
            ConfigurationError: a file cannot be used.
        """
        ...

    async def give_back(self, current: AccessToken) -> None:
        """Return what was only lent.

        Raises:
            WicError: as for `obtain`.
        """
        ...


class GivenToken:
    """A token that came from elsewhere."""

    def __init__(self, settings: WebAuthorization) -> None:
        self._settings = settings

    async def obtain(self, current: AccessToken | None) -> AccessToken:
        """Return the token; there is no other."""
        if current is not None or self._settings.token is None:
            raise SignInNeeded(
                f"The access token given for {self._settings.account} is not valid any more; give another."
            )
        return AccessToken(value=self._settings.token, issuer=self._settings.waf, scope=self._settings.scope)

    async def give_back(self, current: AccessToken) -> None:
        """Do nothing: the token is its owner's."""


class ClientCredentials:
    """RandomSource in the program's own name (RFC 6749 §4.4), for those that nobody signs in for."""

    def __init__(self, settings: WebAuthorization) -> None:
        self._settings = settings

    async def obtain(self, current: AccessToken | None) -> AccessToken:
        """Ask for a new token."""
        async with WebClient(ca=self._settings.ca) as web:
            place = await find_place(web, self._settings)
            endpoint = await open_endpoint(web, place, self._settings)
            return replace(await endpoint.with_client_credentials(), server=place.server)

    async def give_back(self, current: AccessToken) -> None:
        """Do nothing: the token ends by itself."""


class SignedIn:
    """What `wic login` left in the store, refreshed as long as the server goes along (RFC 6749 §6)."""

    def __init__(self, settings: WebAuthorization, store: TokenStore) -> None:
        self._settings = settings
        self._store = store

    async def obtain(self, current: AccessToken | None) -> AccessToken:
        """Return the stored token if it is another than `current` and lasts a while, else refresh it."""
        key = StoreKey.of(self._settings)
        async with self._store.locked(key):
            stored = self._store.load(key)
            if stored is not None and _lasts(stored) and (current is None or stored.value != current.value):
                return stored
            if stored is None or stored.refresh is None:
                raise self._needed("Nobody has signed in" if stored is None else "The sign-in has ended")
            try:
                fresh = await self._refreshed(stored)
            except SignInFailed as error:
                if error.error != "invalid_grant":  # RFC 6749 §5.2: expired, revoked, or used by somebody else
                    raise
                self._store.remove(key)
                raise self._needed("The sign-in has ended") from error
            self._store.save(key, fresh)
            return fresh

    async def _refreshed(self, stored: AccessToken) -> AccessToken:
        async with WebClient(ca=self._settings.ca) as web:
            place = await find_place(web, self._settings)
            if place.issuer.rstrip("/") != stored.issuer.rstrip("/"):  # a WAF is shown no token of another
                raise self._needed(f"{place.issuer} gives the tokens now")
            endpoint = await open_endpoint(web, place, self._settings)
            return replace(await endpoint.refreshed(stored), server=place.server or stored.server)

    def _needed(self, why: str) -> SignInNeeded:
        account = self._settings.account
        return SignInNeeded(f"{why} for {account}: run `wic login {account}`.", error="login_required")

    async def give_back(self, current: AccessToken) -> None:
        """Do nothing: the user stays signed in."""


def _lasts(token: AccessToken) -> bool:
    return token.expires_at is None or token.expires_at - time.time() > _SOON
