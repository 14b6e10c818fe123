"""Sign-in of a user, in a browser on this machine or on another device, and sign-out."""

from __future__ import annotations

import asyncio
import secrets
from dataclasses import replace
from typing import TYPE_CHECKING

from wic.accounts import PoolAccess
from wic.auth.secret import Secret
from wic.client.web.device import poll_until_approved, request_codes
from wic.client.web.discovery import discover_services
from wic.client.web.loopback import LoopbackRedirect
from wic.client.web.store import StoreKey
from wic.client.web.token_client import TokenClient
from wic.errors import ConfigurationError, SignInFailed
from wic.oauth.http import JsonClient
from wic.oauth.metadata import OAuthEndpoint
from wic.oauth.pkce import VERIFIER_OCTETS, challenge_of, make_verifier
from wic.oauth.requests import authorization_url

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from wic.accounts import WebAuthorization
    from wic.client.web.device import UserCode
    from wic.client.web.store import TokenStore
    from wic.oauth.tokens import AccessToken


async def sign_in_by_browser(
    settings: WebAuthorization, store: TokenStore, *, show: Callable[[str], None], timeout: float = 300.0
) -> AccessToken:
    """Sign the user in with a browser on this machine, and store the token (RFC 6749 §4.1, RFC 7636, RFC 8252).

    Args:
        settings: the account's.
        store: where the token is stored.
        show: called once with the URL that the browser has to open.
        timeout: seconds that the user has.

    Raises:
        ConfigurationError: the account needs no sign-in, or the server cannot do this.
        SignInFailed: the user or the server refused, or the user was not in time.
        TransportError: the server cannot be reached.
        RemoteProtocolError: an answer of the server cannot be used.
    """

    async def obtain(client: TokenClient) -> AccessToken:
        server = client.server
        # RFC 8252 §8.1: without PKCE another program of this machine could redeem the code.
        if not server.has(OAuthEndpoint.AUTHORIZATION) or not server.pkce:
            raise ConfigurationError(f"{server.issuer} has no sign-in with PKCE (S256) by browser; try --device.")
        # RFC 6749 §10.12: the state binds the answer to this sign-in; RFC 7636 §4.1: the verifier, the code.
        state, verifier = secrets.token_urlsafe(24), make_verifier(secrets.token_bytes(VERIFIER_OCTETS))
        async with await LoopbackRedirect.open(
            state=Secret(state), issuer=server.issuer, sends_issuer=server.sends_issuer
        ) as redirect:
            url = authorization_url(
                server.url_of(OAuthEndpoint.AUTHORIZATION),
                client_id=client.client_id,
                redirect_uri=redirect.uri,
                state=state,
                challenge=challenge_of(verifier),
                scope=client.scope,
            )
            show(url)  # the listener is up: the browser may come back at once
            try:
                async with asyncio.timeout(timeout):
                    code = await redirect.code()
            except TimeoutError:
                raise SignInFailed(f"the user did not sign in within {timeout:g} s", error="expired") from None
            return await client.redeem_code(code, verifier=verifier, redirect_uri=redirect.uri)

    return await _sign_in(settings, store, obtain)


async def sign_in_by_device(
    settings: WebAuthorization, store: TokenStore, *, show: Callable[[UserCode], None]
) -> AccessToken:
    """Sign the user in on another device, and store the token (RFC 8628).

    Args:
        settings: the account's.
        store: where the token is stored.
        show: called once with the address and the code that the user needs.

    Raises:
        WicError: as for `sign_in_by_browser`.
    """

    async def obtain(client: TokenClient) -> AccessToken:
        if not client.server.has(OAuthEndpoint.DEVICE_AUTHORIZATION):
            raise ConfigurationError(f"{client.server.issuer} has no sign-in on another device.")
        user_code, device_code = await request_codes(client, insecure=settings.insecure)
        show(user_code)
        return await poll_until_approved(client.poll_device_code, device_code)

    return await _sign_in(settings, store, obtain)


async def sign_out(settings: WebAuthorization, store: TokenStore) -> bool:
    """Remove the stored token of an account and revoke it; return whether there was one.

    Raises:
        TransportError: the server cannot be reached; the token is removed all the same.
        SignInFailed: it did not revoke the token, which is removed all the same.
        RemoteProtocolError: an answer of the server cannot be used.
        ConfigurationError: a file cannot be used.
    """
    key = _store_key(settings)
    # Removed before it is revoked: a sign-out takes effect here also while the WAF is away.
    async with store.locked(key):
        token = store.load(key)
        store.remove(key)
    if token is None:
        return False
    async with JsonClient(ca=settings.ca) as http:
        services = await discover_services(http, settings)
        # The WWSF may name another WAF by now: only the issuer of a token can revoke it, and is shown it.
        client = await TokenClient.open(http, replace(services, issuer=token.issuer), settings)
        # RFC 7009 §2.1: with the refresh token, the access tokens made of it are revoked too.
        await client.revoke(token.refresh or token.value)
    return True


async def _sign_in(
    settings: WebAuthorization, store: TokenStore, obtain: Callable[[TokenClient], Awaitable[AccessToken]]
) -> AccessToken:
    key = _store_key(settings)
    if settings.pool is PoolAccess.ANONYMOUS:  # TS 24.371 §6.2.3: no stored token is ever used for it
        raise ConfigurationError(
            f'Account {settings.account!r} has pool = "anonymous" and needs no sign-in;'
            ' where the WWSF asks for one, set pool = "signed-in".'
        )
    async with JsonClient(ca=settings.ca) as http:
        services = await discover_services(http, settings)
        # The lock is not held meanwhile: the user may take minutes, and other processes use the old token.
        token = await obtain(await TokenClient.open(http, services, settings))
    token = replace(token, server=services.server)  # so that a run with a stored token asks the WWSF nothing
    async with store.locked(key):
        store.save(key, token)
    return token


def _store_key(settings: WebAuthorization) -> StoreKey:
    if settings.token is not None or settings.client_secret is not None:
        raise ConfigurationError(
            f"Account {settings.account!r} has its own token or client_secret and needs no sign-in."
        )
    return StoreKey.of(settings)
