"""Sources of an account's tokens that need no user at the keyboard: configured, stored, or in the program's own name."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from wic.client.web.discovery import discover_services
from wic.client.web.store import StoreKey
from wic.client.web.token_client import TokenClient
from wic.errors import SignInFailed, SignInNeeded
from wic.oauth.errors import ErrorCode
from wic.oauth.http import JsonClient
from wic.oauth.tokens import AccessToken

if TYPE_CHECKING:
    from wic.accounts import WebAuthorization
    from wic.auth.secret import Secret
    from wic.client.web.store import TokenStore

_MIN_REMAINING = 30.0
"""Seconds that a stored token must last to be used without a refresh."""


class TokenSource(Protocol):
    """Supplier of tokens, one after the other."""

    async def obtain(self, current: AccessToken | None) -> AccessToken:
        """Return a token; with `current`, another one than that.

        Raises:
            SignInNeeded: the user has to sign in.
            SignInFailed: the server refuses.
            TransportError: the server cannot be reached.
            RemoteProtocolError: an answer of the server cannot be used.
            ConfigurationError: a file cannot be used.
        """
        ...

    async def give_back(self, current: AccessToken) -> None:
        """Return what was lent with the token, which in most cases is nothing.

        Raises:
            WicError: as for `obtain`.
        """
        return


class ConfiguredToken(TokenSource):
    """The token that stands in the settings of the account."""

    def __init__(self, settings: WebAuthorization, token: Secret) -> None:
        self._settings = settings
        self._token = token

    async def obtain(self, current: AccessToken | None) -> AccessToken:
        """Return the token; there is no other."""
        if current is not None:  # the network refused it, or it expired
            raise SignInNeeded(
                f"The access token given for {self._settings.account} is not valid, or has expired; give another one."
            )
        # Its expiry and identities are not known: the account has to name the identities.
        return AccessToken(value=self._token, issuer=self._settings.waf, scope=self._settings.scope)


class ClientCredentials(TokenSource):
    """Tokens in the program's own name (RFC 6749 §4.4)."""

    def __init__(self, settings: WebAuthorization) -> None:
        self._settings = settings

    async def obtain(self, current: AccessToken | None) -> AccessToken:
        """Request a new token."""
        async with JsonClient(ca=self._settings.ca) as http:
            services = await discover_services(http, self._settings)
            client = await TokenClient.open(http, services, self._settings)
            # RFC 6749 §4.4.3: there is no refresh token, so each token is requested anew.
            return replace(await client.request_own_token(), server=services.server)


class StoredToken(TokenSource):
    """The token that `wic login` left in the store, refreshed while the server allows it (RFC 6749 §6)."""

    def __init__(self, settings: WebAuthorization, store: TokenStore) -> None:
        self._settings = settings
        self._store = store

    async def obtain(self, current: AccessToken | None) -> AccessToken:
        """Return the stored token if it differs from `current` and lasts a while, else refresh it.

        The lock is held from reading the old token to writing the next: a refresh token that two processes use at a
        time looks stolen to the server (RFC 9700 §4.14.2).
        """
        key = StoreKey.of(self._settings)
        async with self._store.locked(key):
            stored = self._store.load(key)
            if stored is None:
                raise self._sign_in_needed("Not signed in")
            # Another process may have refreshed it while this one waited for the lock.
            is_other = current is None or stored.value != current.value
            if is_other and not stored.expires_within(_MIN_REMAINING, now=time.time()):
                return stored
            if stored.refresh is None:  # RFC 6749 §5.1: a server need not issue one
                raise self._sign_in_needed("The sign-in has ended")
            try:
                fresh = await self._refresh(stored, stored.refresh)
            except SignInFailed as error:
                if error.error != ErrorCode.INVALID_GRANT:
                    raise
                # RFC 6749 §5.2: the refresh token has expired, was revoked, or was used before.
                self._store.remove(key)
                raise self._sign_in_needed("The sign-in has ended") from error
            self._store.save(key, fresh)
            return fresh

    async def _refresh(self, stored: AccessToken, refresh_token: Secret) -> AccessToken:
        async with JsonClient(ca=self._settings.ca) as http:
            services = await discover_services(http, self._settings)
            if services.issuer.rstrip("/") != stored.issuer.rstrip("/"):  # a WAF is shown no token of another
                raise self._sign_in_needed(f"{services.issuer} issues the tokens now")
            client = await TokenClient.open(http, services, self._settings)
            fresh = await client.refresh(stored, refresh_token)
            return replace(fresh, server=services.server or stored.server)

    def _sign_in_needed(self, reason: str) -> SignInNeeded:
        account = self._settings.account
        return SignInNeeded(f"{reason} for {account}: run `wic login {account}`.", error=ErrorCode.LOGIN_REQUIRED)
