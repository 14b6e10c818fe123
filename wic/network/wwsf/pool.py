"""/pool/lease: identities from the pool, for a time (TS 24.371 §6.2.3 and §6.3.2, TS 33.203 Annex X.4)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import web

from wic.auth.secret import Secret
from wic.network.tokens.claims import LEEWAY
from wic.network.tokens.errors import TokenInvalid, WafUnreachable
from wic.network.web.address import origin_of
from wic.network.web.answers import JsonRefusal
from wic.network.web.locks import Locks
from wic.network.web.throttle import RateLimit
from wic.network.wwsf.core import unavailable
from wic.network.wwsf.sign_in import login_required
from wic.network.wwsf.waf_client import WafRefused

if TYPE_CHECKING:
    from wic.network.wwsf.core import WwsfCore
    from wic.network.wwsf.options import PoolOptions
    from wic.network.wwsf.store import Pair
    from wic.network.wwsf.waf_client import IssuedToken

RESERVED = 30.0
"""Seconds for which a pair is set aside while its token is fetched."""
PATH = "/pool/lease"


class Pool:
    """The pool's endpoints.

    A lease lasts as long as the token that came with it: by then the eP-CSCF has ended the registration
    (TS 24.371 §6.4.3), and the pair may go to somebody else.

    Args:
        core: the WWSF.
        options: how identities are given out.
    """

    def __init__(self, core: WwsfCore, options: PoolOptions) -> None:
        self._core = core
        self._options = options
        self._limit = RateLimit(options.rate, 60.0)
        self._locks = Locks()

    def routes(self) -> list[web.RouteDef]:
        """Return what it answers."""
        return [
            web.post(PATH, self._lease),
            web.post(PATH + "/{lease}", self._prolong),
            web.delete(PATH + "/{lease}", self._give_back),
        ]

    async def _lease(self, request: web.Request) -> web.Response:
        core = self._core
        self._admit(request)
        holder = await self._holder(request)
        if core.store.leases_of(holder, now=core.now) >= self._options.leases_each:
            raise JsonRefusal(429, "too_many_leases", "give one back first", {"Retry-After": self._wait()})
        leased = core.store.lease(holder, now=core.now, expires_at=core.now + RESERVED)
        if leased is None:
            raise JsonRefusal(503, "pool_exhausted", "all identities are in use", {"Retry-After": self._wait()})
        name, pair = leased
        try:
            given = await self._token(pair)
            if core.options.on_lent is not None:
                core.options.on_lent(pair.impi)
            return self._answer(name, pair, given, status=201)
        except BaseException:
            core.store.give_back(name, now=core.now, hold=False)
            raise

    async def _prolong(self, request: web.Request) -> web.Response:
        """Give the holder the next token; until it is there nobody else gets the pair, or there were two holders."""
        core, name = self._core, request.match_info["lease"]
        self._admit(request)
        async with self._locks.of(name):
            pair = core.store.reserve(name, now=core.now, until=core.now + RESERVED)
            if pair is None:
                raise no_lease()
            return self._answer(name, pair, await self._token(pair), status=200)

    async def _give_back(self, request: web.Request) -> web.Response:
        core, name = self._core, request.match_info["lease"]
        core.check_origin(request)
        async with self._locks.of(name):
            if not core.store.give_back(name, now=core.now, hold=self._options.hold_until_expiry):
                raise no_lease()
        return web.Response(status=204)

    def _admit(self, request: web.Request) -> None:
        self._core.check_origin(request)
        wait = self._limit.take(origin_of(request), now=self._core.now)
        if wait:
            raise JsonRefusal(
                429, "slow_down", "too many leases from this address", {"Retry-After": str(int(wait) + 1)}
            )

    async def _holder(self, request: web.Request) -> str:
        """Return who asks: a user by token, a user by session, or an address if users may remain anonymous."""
        core = self._core
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            return f"user {await self._user(token.strip())}"
        session = core.store.session(core.cookie.read(request), now=core.now)
        if session is not None:
            return f"user {session.subject}"
        if self._options.anonymous:
            return f"address {origin_of(request)}"
        raise login_required()

    async def _user(self, token: str) -> str:
        """Return whom a token stands for: never ourselves, as whom we get the tokens of the pool."""
        core = self._core
        try:
            authorization = await core.waf.validate(Secret(token))
        except TokenInvalid as error:
            raise bad_token(str(error)) from None
        except WafUnreachable:
            raise unavailable() from None
        if authorization.subject == authorization.client_id == core.options.client_id:
            raise bad_token("the token is refused: it is of the pool, and no user's")
        return authorization.subject

    async def _token(self, pair: Pair) -> IssuedToken:
        try:
            given = await self._core.waf.request_pool_token(pair.impi)
        except WafUnreachable:
            raise unavailable() from None
        except (WafRefused, TokenInvalid) as error:
            raise JsonRefusal(502, "waf_refused", str(error)) from None
        if given.authorization.impi != pair.impi:
            raise JsonRefusal(502, "waf_refused", "the WAF gave a token for another identity")
        return given

    def _answer(self, name: str, pair: Pair, given: IssuedToken, *, status: int) -> web.Response:
        core, ends = self._core, given.authorization.expires_at
        if not core.store.prolong(name, expires_at=ends + LEEWAY):
            raise no_lease()  # an operator has removed the pair meanwhile
        document = {
            "access_token": given.token.value.reveal(),
            "token_type": "Bearer",
            "expires_in": int(ends - core.now),
            "impi": pair.impi,
            "impu": pair.impu,
            "lease": name,
            "wss": core.options.wss,
        }
        return web.json_response(document, status=status)

    def _wait(self) -> str:
        """Return how long it takes until a lease ends at the latest, for Retry-After."""
        ends = self._core.store.next_free()
        return str(max(1, int((ends or self._core.now) - self._core.now) + 1))


def bad_token(why: str) -> JsonRefusal:
    """The token shows no user."""
    return JsonRefusal(401, "invalid_token", why, {"WWW-Authenticate": 'Bearer error="invalid_token"'})


def no_lease() -> JsonRefusal:
    """Nobody has such a lease any more."""
    return JsonRefusal(404, "unknown_lease", "there is no such lease, or its time is over")
