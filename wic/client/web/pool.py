"""Identities lent by the pool of a WWSF, with the token for them (TS 24.371 §6.2.3)."""

from __future__ import annotations

import re
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from wic.client.web.discovery import discover_services
from wic.client.web.sources import TokenSource
from wic.client.web.token_client import refusal
from wic.errors import ConfigurationError, RemoteProtocolError, SignInFailed, SignInNeeded
from wic.oauth.errors import ErrorCode
from wic.oauth.http import JsonClient, bearer
from wic.oauth.tokens import read_token_response

if TYPE_CHECKING:
    from wic.accounts import WebAuthorization
    from wic.client.web.discovery import DiscoveredServices
    from wic.oauth.http import JsonReply
    from wic.oauth.tokens import AccessToken

_LEASE = re.compile(r"[A-Za-z0-9_\-]{1,256}")
_GONE = (404, 410)


class PoolLease(TokenSource):
    """Source of identities and their tokens out of a pool: a lease that is prolonged, and given back.

    A lease that is lost is not replaced by another: other identities would be another user.

    Args:
        settings: the account's.
        user: source of the token that shows the WWSF who borrows; None for an anonymous user.
    """

    def __init__(self, settings: WebAuthorization, *, user: TokenSource | None = None) -> None:
        self._settings = settings
        self._user = user
        self._lease_url = ""  # known with the first token

    async def obtain(self, current: AccessToken | None) -> AccessToken:
        """Borrow identities; with `current`, prolong the lease."""
        wwsf = self._settings.wwsf
        async with JsonClient(ca=self._settings.ca) as http:
            services = await discover_services(http, self._settings)
            if not services.pool:
                raise ConfigurationError(f"{wwsf} has no pool of identities; remove 'pool'.")
            if current is not None:  # prolong it, by the token of the lease itself
                reply = await http.post(self._lease_url, {}, authorization=bearer(current.value))
                if reply.status in _GONE:
                    raise SignInFailed(f"{wwsf} has taken the identities back", error="lease_lost")
                return self._read(reply, services)
            borrower = None if self._user is None else (await self._user.obtain(None)).value
            reply = await http.post(services.pool, {}, authorization=bearer(borrower))
            token, lease = self._read(reply, services), reply.text("lease")
            # The lease becomes a part of a URL, so its characters are checked.
            if not _LEASE.fullmatch(lease) or not token.impi or not token.impus:
                raise RemoteProtocolError(f"{wwsf} lent no identities with a lease", status_hint=None)
            self._lease_url = f"{services.pool}/{lease}"
            return token

    async def give_back(self, current: AccessToken) -> None:
        """Give the identities back; it does not matter if the lease has ended."""
        async with JsonClient(ca=self._settings.ca) as http:
            reply = await http.delete(self._lease_url, authorization=bearer(current.value))
            if not reply.ok and reply.status not in _GONE:  # 404 and 410: it ended by itself
                raise refusal(reply, f"{self._settings.wwsf} did not take the identities back")

    def _read(self, reply: JsonReply, services: DiscoveredServices) -> AccessToken:
        wwsf, account = self._settings.wwsf, self._settings.account
        # RFC 6750 §3: the WWSF wants a token of the user.
        if reply.status == 401:
            raise SignInNeeded(
                f"{wwsf} lends identities only to users who have signed in:"
                f' set pool = "signed-in" for {account} and run `wic login {account}`.',
                error=ErrorCode.LOGIN_REQUIRED,
            )
        if not reply.ok:
            raise refusal(reply, f"{wwsf} lent no identity")
        token = read_token_response(reply.document, issuer=services.issuer, scope=self._settings.scope, now=time.time())
        # The lease, not a refresh token, is what the next token is had for.
        return replace(token, server=reply.text("wss") or services.server, refresh=None)
