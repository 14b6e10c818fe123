"""GET /, /signin, /callback, /token and POST /signout: a browser gets a token (TS 24.371 §6.3.1)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from aiohttp import web

from wic.network.tokens.errors import TokenInvalid, WafUnreachable
from wic.network.web.address import origin_of
from wic.network.web.answers import JsonRefusal, PageRefusal, csp_source, policy_with
from wic.network.web.browser_session import csrf_token, is_own_form, new_secret
from wic.network.web.forms import read_form, read_query
from wic.network.web.locks import Locks
from wic.network.web.throttle import RateLimit
from wic.network.wwsf.core import unavailable, waf_silent
from wic.network.wwsf.store import Session
from wic.network.wwsf.waf_client import WafRefused
from wic.oauth.pkce import challenge_of

if TYPE_CHECKING:
    from wic.network.wwsf.core import WwsfCore
    from wic.network.wwsf.waf_client import IssuedToken

SIGN_IN_TIME = 600.0
"""Seconds that a user has for signing in."""
SIGN_INS = 60
"""Sign-ins that an address may begin in a minute."""
RENEW_BEFORE = 300.0
"""Seconds before its end that a token is renewed; one that is short-lived, at half its time."""


def bad_request(text: str) -> PageRefusal:
    """A browser came with something that no page of ours sends."""
    return PageRefusal(400, "This request is not complete", f"Start again from the first page: {text}.")


class SignIn:
    """The page, and how its user signs in.

    Args:
        core: the WWSF.
    """

    def __init__(self, core: WwsfCore) -> None:
        self._core = core
        self._limit = RateLimit(SIGN_INS, 60.0)
        self._renewing = Locks()

    def routes(self) -> list[web.RouteDef]:
        """Return what it answers."""
        return [
            web.get("/", self._page),
            web.get("/wwsf.js", self._script),
            web.get("/signin", self._begin),
            web.get("/callback", self._finish),
            web.get("/token", self._token),
            web.post("/signout", self._sign_out),
        ]

    async def _page(self, request: web.Request) -> web.Response:
        core = self._core
        visit = core.cookie.read(request) or new_secret()
        session = core.store.session(visit, now=core.now)
        if session is None:
            pool = core.options.pool
            anonymous = core.pages.fragment("anonymous.html") if pool is not None and pool.anonymous else ""
            response = core.pages.page("welcome.html", title="Calls", domain=core.options.domain, anonymous=anonymous)
        else:
            response = core.pages.page(
                "home.html",
                title="Calls",
                domain=core.options.domain,
                name=session.subject,
                impu=session.impus[0],
                csrf=csrf_token(visit),
            )
        core.cookie.set(response, visit)
        connect = f"script-src 'self'; connect-src 'self' {csp_source(core.options.wss)}"
        response.headers["Content-Security-Policy"] = f"{policy_with(csp_source(core.waf.issuer))}; {connect}"
        return response

    async def _script(self, request: web.Request) -> web.Response:
        return self._core.pages.file("wwsf.js", "text/javascript")

    async def _begin(self, request: web.Request) -> web.Response:
        """Send the browser to the WAF, with a state that is good in this browser only."""
        core = self._core
        wait = self._limit.take(origin_of(request), now=core.now)
        if wait:
            raise PageRefusal(429, "Too many sign-ins", "Try again in a minute.", {"Retry-After": "60"})
        visit, state, verifier = core.cookie.read(request) or new_secret(), new_secret(), new_secret()
        try:
            url = await core.waf.sign_in_url(state=state, challenge=challenge_of(verifier))
        except WafUnreachable:
            raise waf_silent() from None
        core.store.begin_sign_in(state=state, visit=visit, verifier=verifier, expires_at=core.now + SIGN_IN_TIME)
        response = web.Response(status=303, headers={"Location": url})
        core.cookie.set(response, visit)
        return response

    async def _finish(self, request: web.Request) -> web.Response:
        core, answer = self._core, read_query(request, bad_request)
        visit = core.cookie.read(request)
        verifier = core.store.finish_sign_in(state=answer.get("state", ""), visit=visit or "", now=core.now)
        if visit is None or verifier is None:
            raise PageRefusal(403, "This sign-in is out of date", "Start again from the first page.")
        if answer.get("iss", core.waf.issuer) != core.waf.issuer:  # RFC 9207 §2.4: a mix-up
            raise PageRefusal(403, "This sign-in was mixed up", "Start again from the first page.")
        if "code" not in answer:
            raise PageRefusal(403, "You are not signed in", "The sign-in was broken off. You can start again.")
        given = await self._redeem(answer["code"], verifier)
        core.store.end_session(visit)
        session = new_secret()
        core.store.keep_session(session, _session(given, now=core.now, expires_at=core.now + core.options.session))
        response = web.Response(status=303, headers={"Location": "/"})
        core.cookie.set(response, session)
        return response

    async def _redeem(self, code: str, verifier: str) -> IssuedToken:
        try:
            return await self._core.waf.redeem(code, verifier)
        except WafUnreachable:
            raise waf_silent() from None
        except (WafRefused, TokenInvalid):
            raise PageRefusal(403, "You are not signed in", "The WAF gave no token. You can start again.") from None

    async def _token(self, request: web.Request) -> web.Response:
        """Hand the token and the IMS identities to the page's script."""
        core = self._core
        core.check_origin(request)
        visit = core.cookie.read(request)
        session = core.store.session(visit, now=core.now)
        if session is None or visit is None:
            raise login_required()
        session = await self._fresh(visit, session)
        document = {
            "access_token": session.access_token,
            "token_type": "Bearer",
            "expires_in": int(session.token_expires_at - core.now),
            "subject": session.subject,
            "impi": session.impi,
            "impu": list(session.impus),
            "wss": core.options.wss,
        }
        return web.json_response(document)

    async def _fresh(self, visit: str, session: Session) -> Session:
        """Return a session whose token is good for a while; two requests at a time renew it once."""
        core = self._core
        if core.now < session.renew_at:
            return session
        async with self._renewing.of(visit):
            current = core.store.session(visit, now=core.now)
            if current is None:
                raise login_required()
            return current if core.now < current.renew_at else await self._renew(visit, current)

    async def _renew(self, visit: str, session: Session) -> Session:
        core = self._core
        try:
            given = await core.waf.refresh(session.refresh_token)
        except (WafUnreachable, WafRefused, TokenInvalid) as error:
            if isinstance(error, TokenInvalid) or (isinstance(error, WafRefused) and error.is_final):
                core.store.end_session(visit)
                raise login_required() from None
            if session.token_expires_at <= core.now:
                raise unavailable() from None
            return session  # it may go better the next time
        renewed = replace(_session(given, now=core.now, expires_at=session.expires_at), subject=session.subject)
        core.store.keep_session(visit, renewed)
        return renewed

    async def _sign_out(self, request: web.Request) -> web.Response:
        core, form = self._core, await read_form(request, bad_request)
        visit = core.cookie.read(request)
        if visit is None or not is_own_form(visit, form.get("csrf", "")):
            raise PageRefusal(403, "This form is out of date", "Go back, reload the page and try again.")
        session = core.store.session(visit, now=core.now)
        core.store.end_session(visit)
        leads_to = None if session is None else await self._sign_out_of_waf(session)
        response = web.Response(status=303, headers={"Location": leads_to or "/"})
        core.cookie.clear(response)
        return response

    async def _sign_out_of_waf(self, session: Session) -> str | None:
        """Take back what the session had, and return where its user signs out of the WAF, if that can be."""
        waf = self._core.waf
        try:
            await waf.revoke(session.refresh_token or session.access_token)
        except WafUnreachable:
            return None  # the tokens end by themselves
        return await waf.sign_out_url()


def login_required() -> JsonRefusal:
    """Nobody has signed in with this browser."""
    return JsonRefusal(401, "login_required", "sign in first", {"WWW-Authenticate": "Bearer"})


def _session(given: IssuedToken, *, now: float, expires_at: float) -> Session:
    authorization = given.authorization
    lifetime = authorization.expires_at - now
    ahead = 0.0 if given.token.refresh is None else min(RENEW_BEFORE, lifetime / 2)
    return Session(
        subject=authorization.subject,
        impi=authorization.impi,
        impus=authorization.impus,
        access_token=given.token.value.reveal(),
        token_expires_at=authorization.expires_at,
        renew_at=authorization.expires_at - ahead,
        refresh_token=None if given.token.refresh is None else given.token.refresh.reveal(),
        expires_at=expires_at,
    )
