"""Identities out of the WWSF's pool, lent for a time (TS 24.371 §6.2.3)."""

from __future__ import annotations

import re
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from wic.client.web.discovery import find_place
from wic.client.web.http import WebClient
from wic.client.web.token import read_token
from wic.client.web.token_endpoint import refusal
from wic.errors import ConfigurationError, RemoteProtocolError, SignInFailed, SignInNeeded

if TYPE_CHECKING:
    from wic.accounts import WebAuthorization
    from wic.client.web.discovery import Place
    from wic.client.web.http import Reply
    from wic.client.web.sources import TokenSource
    from wic.client.web.token import AccessToken

_LEASE = re.compile(r"[A-Za-z0-9_\-]{1,256}")


class PoolLease:
    """Identities and their token from the pool of a WWSF: a lease that is renewed, and given back."""

    def __init__(self, settings: WebAuthorization, *, user: TokenSource | None = None) -> None:
        """Prepare.

        Args:
            settings: the account's.
            user: where the token of the person comes from who borrows; None for an anonymous one.
        """
        self._settings = settings
        self._user = user
        self._lease_url = ""

    async def obtain(self, current: AccessToken | None) -> AccessToken:
        """Borrow identities; with `current`, keep them for longer.

        A lease that is lost is not replaced: other identities would be another user.
        """
        async with WebClient(ca=self._settings.ca) as web:
            place = await find_place(web, self._settings)
            if not place.pool:
                raise ConfigurationError(f"{self._settings.wwsf} has no pool of identities; remove 'pool'.")
            if current is None:
                return await self._borrow(web, place)
            reply = await web.post(self._lease_url, {}, bearer=current.value)
            if reply.status in (404, 410):
                raise SignInFailed(f"{self._settings.wwsf} has taken the identities back", error="lease_lost")
            return self._read(reply, place)

    async def give_back(self, current: AccessToken) -> None:
        """Give the identities back; that they are gone already does not matter."""
        async with WebClient(ca=self._settings.ca) as web:
            reply = await web.delete(self._lease_url, bearer=current.value)
            if not reply.ok and reply.status not in (404, 410):
                raise refusal(reply, f"{self._settings.wwsf} did not take the identities back")

    async def _borrow(self, web: WebClient, place: Place) -> AccessToken:
        person = None if self._user is None else (await self._user.obtain(None)).value
        reply = await web.post(place.pool, {}, bearer=person)
        token = self._read(reply, place)
        lease = reply.text("lease")
        if not _LEASE.fullmatch(lease) or not token.impi or not token.impus:
            raise RemoteProtocolError(f"{self._settings.wwsf} lent no identities with a lease", status_hint=None)
        self._lease_url = f"{place.pool}/{lease}"
        return token

    def _read(self, reply: Reply, place: Place) -> AccessToken:
        wwsf = self._settings.wwsf
        if reply.status == 401:
            account = self._settings.account
            raise SignInNeeded(
                f"{wwsf} lends identities to those only who have signed in:"
                f' set pool = "signed-in" for {account} and run `wic login {account}`.',
                error="login_required",
            )
        if not reply.ok:
            raise refusal(reply, f"{wwsf} lent no identity")
        token = read_token(reply.document, issuer=place.issuer, scope=self._settings.scope, now=time.time())
        return replace(token, server=reply.text("wss") or place.server, refresh=None)
