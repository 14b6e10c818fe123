"""A person signs in: in a browser on this machine, or on another device; and out again."""

from __future__ import annotations

import asyncio
import secrets
from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from wic.auth.secret import Secret
from wic.client.web import device
from wic.client.web.discovery import find_place
from wic.client.web.http import WebClient
from wic.client.web.loopback import LoopbackRedirect
from wic.client.web.pkce import challenge_of, new_verifier
from wic.client.web.store import StoreKey
from wic.client.web.token_endpoint import open_endpoint
from wic.errors import ConfigurationError, SignInFailed

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from wic.accounts import WebAuthorization
    from wic.client.web.device import UserCode
    from wic.client.web.store import TokenStore
    from wic.client.web.token import AccessToken
    from wic.client.web.token_endpoint import TokenEndpoint


async def sign_in_by_browser(
    settings: WebAuthorization, store: TokenStore, *, show: Callable[[str], None], timeout: float = 300.0
) -> AccessToken:
    """Let a person sign in with a browser on this machine; keep the token (RFC 6749 §4.1, RFC 7636, RFC 8252).

    Args:
        settings: the account's.
        store: where the token is kept.
        show: called once with the URL that the browser has to open.
        timeout: seconds that the person has.

    Raises:
        ConfigurationError: the account needs nobody to sign in, or the server cannot do this.
        SignInFailed: the person or the server said no, or nobody came back in time.
        TransportError: the server cannot be reached.
        RemoteProtocolError: what it says makes no sense.
    """

    async def get(endpoint: TokenEndpoint) -> AccessToken:
        if not endpoint.waf.authorization or not endpoint.waf.pkce:
            raise ConfigurationError(f"{endpoint.waf.issuer} has no sign-in with PKCE (S256) by browser; try --device.")
        return await _by_browser(endpoint, show, timeout)

    return await _sign_in(settings, store, get)


async def sign_in_by_device(
    settings: WebAuthorization, store: TokenStore, *, show: Callable[[UserCode], None]
) -> AccessToken:
    """Let a person sign in on another device; keep the token (RFC 8628).

    Args:
        settings: the account's.
        store: where the token is kept.
        show: called once with the address and the code that the person needs.

    Raises:
        ConfigurationError: the account needs nobody to sign in, or the server cannot do this.
        SignInFailed: the person or the server said no, or nobody came in time.
        TransportError: the server cannot be reached.
        RemoteProtocolError: what it says makes no sense.
    """

    async def get(endpoint: TokenEndpoint) -> AccessToken:
        if not endpoint.waf.device_authorization:
            raise ConfigurationError(f"{endpoint.waf.issuer} has no sign-in on another device.")
        user_code, device_code = await device.begin(endpoint, insecure=settings.insecure)
        show(user_code)
        return await device.wait(endpoint.with_device_code, device_code)

    return await _sign_in(settings, store, get)


async def sign_out(settings: WebAuthorization, store: TokenStore) -> bool:
    """Revoke and forget the token of an account; return whether there was one.

    Raises:
        TransportError: the server cannot be reached; the token is forgotten all the same.
        SignInFailed: it did not revoke the token, which is forgotten all the same.
        RemoteProtocolError: what it says makes no sense.
        ConfigurationError: a file cannot be used.
    """
    key = _key(settings)
    async with store.locked(key):
        token = store.load(key)
        store.remove(key)
    if token is None:
        return False
    async with WebClient(ca=settings.ca) as web:
        place = await find_place(web, settings)
        endpoint = await open_endpoint(web, replace(place, issuer=token.issuer), settings)
        # RFC 7009 §2.1: with the refresh token, the access tokens made of it go too.
        await endpoint.revoke(token.refresh or token.value)
    return True


async def _sign_in(
    settings: WebAuthorization, store: TokenStore, get: Callable[[TokenEndpoint], Awaitable[AccessToken]]
) -> AccessToken:
    key = _key(settings)
    async with WebClient(ca=settings.ca) as web:
        place = await find_place(web, settings)
        endpoint = await open_endpoint(web, place, settings)
        token = replace(await get(endpoint), server=place.server)
        async with store.locked(key):
            store.save(key, token)
    return token


def _key(settings: WebAuthorization) -> StoreKey:
    if settings.token is not None or settings.client_secret is not None:
        raise ConfigurationError(f"Account {settings.account!r} has its own token or client_secret: nobody signs in.")
    return StoreKey.of(settings)


async def _by_browser(endpoint: TokenEndpoint, show: Callable[[str], None], timeout: float) -> AccessToken:
    state, verifier = secrets.token_urlsafe(24), new_verifier()
    waf = endpoint.waf
    async with LoopbackRedirect(state=Secret(state), issuer=waf.issuer, names_itself=waf.names_itself) as redirect:
        query = {
            "response_type": "code",
            "client_id": endpoint.client_id,
            "redirect_uri": redirect.uri,
            "scope": endpoint.scope,
            "state": state,
            "code_challenge": challenge_of(verifier),
            "code_challenge_method": "S256",
        }
        show(f"{waf.authorization}{'&' if '?' in waf.authorization else '?'}{urlencode(query)}")
        try:
            async with asyncio.timeout(timeout):
                code = await redirect.code()
        except TimeoutError:
            raise SignInFailed(f"nobody signed in within {timeout:g} s", error="expired") from None
        return await endpoint.with_code(code, verifier=Secret(verifier), redirect_uri=redirect.uri)
