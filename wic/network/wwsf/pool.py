"""Pool endpoint: identities lent for a time (TS 24.371 §6.2.3 and §6.3.2, TS 33.203 Annex X.4).

A lease lasts as long as the token that came with it: by then the eP-CSCF has ended the registration (TS 24.371 §6.4.3),
and the pair may go to another holder. While the next token of a lease is requested, the pair cannot change hands, or the
WAF might hear of the holder before after it has heard of the next one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import web

from wic.aio import KeyedLocks
from wic.auth.secret import Secret
from wic.network.tokens.claims import LEEWAY
from wic.network.tokens.errors import TokenInvalid, WafUnreachable
from wic.network.web.responses import JsonError, retry_after
from wic.network.web.throttle import RateLimit, address_of
from wic.network.wwsf.context import login_required, waf_unreachable
from wic.network.wwsf.waf_client import WafRefused
from wic.oauth.errors import ErrorCode

if TYPE_CHECKING:
    from wic.network.wwsf.context import WwsfContext
    from wic.network.wwsf.options import PoolOptions
    from wic.network.wwsf.store import Pair

RESERVED = 30.0
"""Seconds for which a pair is set aside while its token is requested."""
USER_LEASES = 16
"""Leases of one user who has signed in, in however many tabs, unless the options say otherwise."""
POOL_PATH = "/pool/lease"


class PoolEndpoint:
    """POST /pool/lease, POST and DELETE /pool/lease/LEASE."""

    def __init__(self, context: WwsfContext, options: PoolOptions) -> None:
        self._context = context
        self._options = options
        self._limit = RateLimit(options.rate, 60.0)
        self._locks = KeyedLocks()

    def routes(self) -> list[web.RouteDef]:
        """Return its paths and handlers."""
        return [
            web.post(POOL_PATH, self._lease),
            web.post(POOL_PATH + "/{lease}", self._prolong),
            web.delete(POOL_PATH + "/{lease}", self._give_back),
        ]

    async def _lease(self, request: web.Request) -> web.Response:
        """Lend a free pair, with a token for it."""
        context = self._context
        self._admit(request)
        holder = await self._holder(request)
        # One user or address must not take the whole pool; an address may stand for many users.
        share = max(1, len(context.store.pairs()) // 2)
        most = self._options.leases_each or (min(share, USER_LEASES) if holder.startswith("user ") else share)
        if context.store.leases_of(holder, now=context.now) >= most:
            raise JsonError("too_many_leases", "give one back first", status=429, headers=self._until_next_free())
        reserved = context.store.reserve(holder, now=context.now, until=context.now + RESERVED)
        if reserved is None:  # all pairs are lent, or rest until their token expires
            raise JsonError("pool_exhausted", "all identities are in use", status=503, headers=self._until_next_free())
        name, pair = reserved
        try:
            answer = await self._lend(name, pair)  # TS 24.371 §6.3.2: without the user
            if context.options.on_lent is not None:
                context.options.on_lent(pair.impi)
        # Cancelled requests as well: a reserved pair must not stay out without a holder.
        except BaseException:
            context.store.give_back(name, now=context.now, hold=False)
            raise
        return web.json_response(answer, status=201)

    async def _prolong(self, request: web.Request) -> web.Response:
        """Give the holder the next token."""
        context, name = self._context, request.match_info["lease"]
        self._admit(request)
        async with self._locks.of(name):
            pair = context.store.prolong(name, now=context.now, until=context.now + RESERVED)
            if pair is None:
                raise unknown_lease()
            return web.json_response(await self._lend(name, pair))

    async def _give_back(self, request: web.Request) -> web.Response:
        context, name = self._context, request.match_info["lease"]
        context.check_origin(request)
        async with self._locks.of(name):
            if not context.store.give_back(name, now=context.now, hold=self._options.hold_until_expiry):
                raise unknown_lease()
        return web.Response(status=204)  # RFC 9110 §15.3.5

    def _admit(self, request: web.Request) -> None:
        """Refuse pages of other sites, and an address that asks too often."""
        self._context.check_origin(request)
        wait = self._limit.take(address_of(request), now=self._context.now)
        if wait:
            raise JsonError(
                ErrorCode.SLOW_DOWN, "too many leases from this address", status=429, headers=retry_after(wait)
            )

    async def _holder(self, request: web.Request) -> str:
        """Return who asks: a user by token, a user by session, or an address if users may remain anonymous."""
        context = self._context
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() == "bearer":  # RFC 6750 §2.1
            try:
                authorization = await context.waf.validate(Secret(token.strip()))
            except TokenInvalid as error:
                raise invalid_token(str(error)) from None
            except WafUnreachable:
                raise waf_unreachable() from None
            # The tokens for pairs of the pool are issued to this WWSF: a holder of one is no user.
            if authorization.subject == authorization.client_id == context.options.client_id:
                raise invalid_token("the token is refused: it is one of the pool, and not a user's")
            return f"user {authorization.subject}"
        session = context.store.session(context.cookie.read(request), now=context.now)
        if session is not None:
            return f"user {session.subject}"
        if self._options.anonymous:  # TS 24.371 §6.3.2: the user may remain anonymous
            return f"address {address_of(request)}"
        raise login_required()

    async def _lend(self, name: str, pair: Pair) -> dict[str, object]:
        """Request a token for a reserved or lent pair, and return what the holder gets."""
        context = self._context
        try:
            issued = await context.waf.request_pool_token(pair.impi)
        except WafUnreachable:
            raise waf_unreachable() from None
        except (WafRefused, TokenInvalid) as error:
            raise JsonError("waf_refused", str(error), status=502) from None
        # The WAF may be a third party's: its token has to be for the pair that is lent.
        if issued.authorization.impi != pair.impi:
            raise JsonError("waf_refused", "the WAF issued a token for another identity", status=502)
        ends = issued.authorization.expires_at
        if not context.store.lend(name, now=context.now, expires_at=ends + LEEWAY):
            raise unknown_lease()  # an operator has removed the pair meanwhile
        return {
            "access_token": issued.token.value.reveal(),
            "token_type": "Bearer",
            "expires_in": int(ends - context.now),  # RFC 6749 §5.1
            "impi": pair.impi,
            "impu": pair.impu,
            "lease": name,
            "wss": context.options.wss,
        }

    def _until_next_free(self) -> dict[str, str]:
        """Return the Retry-After for the moment at which a lease expires at the latest."""
        ends = self._context.store.next_free()
        return retry_after(0.0 if ends is None else ends - self._context.now)


def invalid_token(reason: str) -> JsonError:
    """Return the error of a token that stands for no user (RFC 6750 §3.1)."""
    challenge = {"WWW-Authenticate": 'Bearer error="invalid_token"'}
    return JsonError(ErrorCode.INVALID_TOKEN, reason, status=401, headers=challenge)


def unknown_lease() -> JsonError:
    """Return the error of a lease that has no holder any more."""
    return JsonError("unknown_lease", "there is no such lease, or it has expired", status=404)
