"""Pages of the WWSF: the sign-in at the WAF, and the token for the page's WIC (TS 24.371 §6.3.1)."""

from __future__ import annotations

import secrets
from dataclasses import replace
from typing import TYPE_CHECKING

from aiohttp import web

from wic.aio import KeyedLocks
from wic.network.tokens.errors import TokenInvalid, WafUnreachable
from wic.network.web.browser_session import csrf_token, is_csrf_token, new_secret
from wic.network.web.forms import read_form, read_query
from wic.network.web.responses import PageError, csp_source, policy_with_form_action, retry_after, see_other
from wic.network.web.throttle import RateLimit, address_of
from wic.network.wwsf.context import WAF_RETRY, login_required, waf_unreachable
from wic.network.wwsf.store import WwsfSession
from wic.network.wwsf.waf_client import WafRefused
from wic.oauth.pkce import VERIFIER_OCTETS, challenge_of, make_verifier

if TYPE_CHECKING:
    from wic.network.wwsf.context import WwsfContext
    from wic.network.wwsf.waf_client import IssuedToken

SIGN_IN_TIME = 600.0
"""Seconds that a user has for signing in."""
SIGN_INS = 60
"""Sign-ins that an address may begin in a minute."""
RENEW_BEFORE = 300.0
"""Seconds before its expiry at which a token is renewed; a short-lived one at half its life."""


class SignInPages:
    """GET /, /wwsf.js, /signin, /callback, /token, and POST /signout."""

    def __init__(self, context: WwsfContext) -> None:
        self._context = context
        self._limit = RateLimit(SIGN_INS, 60.0)
        self._renewals = KeyedLocks()

    def routes(self) -> list[web.RouteDef]:
        """Return its paths and handlers."""
        return [
            web.get("/", self._show_home),
            web.get("/wwsf.js", self._get_script),
            web.get("/signin", self._begin_sign_in),
            web.get("/callback", self._finish_sign_in),
            web.get("/token", self._get_token),
            web.post("/signout", self._sign_out),
        ]

    async def _show_home(self, request: web.Request) -> web.Response:
        context = self._context
        session_id = context.cookie.read(request) or new_secret()
        session = context.store.session(session_id, now=context.now)
        if session is None:
            pool = context.options.pool
            anonymous = context.pages.fragment("anonymous.html") if pool is not None and pool.anonymous else ""
            response = context.pages.page(
                "welcome.html", title="Calls", domain=context.options.domain, anonymous=anonymous
            )
        else:
            response = context.pages.page(
                "home.html",
                title="Calls",
                domain=context.options.domain,
                name=session.subject,
                impu=session.impus[0],
                csrf=csrf_token(session_id),
            )
        context.cookie.set(response, session_id)
        # The script connects to the eP-CSCF; the sign-out form leads to the WAF.
        connect = f"script-src 'self'; connect-src 'self' {csp_source(context.options.wss)}"
        policy = policy_with_form_action(csp_source(context.waf.issuer))
        response.headers["Content-Security-Policy"] = f"{policy}; {connect}"
        return response

    async def _get_script(self, request: web.Request) -> web.Response:
        return self._context.pages.file("wwsf.js", "text/javascript")

    async def _begin_sign_in(self, request: web.Request) -> web.Response:
        """Send the browser to the WAF, with a state that is valid in this browser only (RFC 6749 §10.12)."""
        context = self._context
        wait = self._limit.take(address_of(request), now=context.now)
        if wait:
            raise PageError(429, "Too many sign-ins", "Try again in a minute.", retry_after(wait))
        session_id, state = context.cookie.read(request) or new_secret(), new_secret()
        # RFC 9700 §2.1.1: also from confidential clients.
        verifier = make_verifier(secrets.token_bytes(VERIFIER_OCTETS))
        try:
            url = await context.waf.sign_in_url(state=state, challenge=challenge_of(verifier))
        except WafUnreachable:
            raise waf_unreachable_page() from None
        context.store.begin_sign_in(
            state=state, session_id=session_id, verifier=verifier, expires_at=context.now + SIGN_IN_TIME
        )
        response = see_other(url)
        context.cookie.set(response, session_id)
        return response

    async def _finish_sign_in(self, request: web.Request) -> web.Response:
        """Take the authorization response, and exchange its code for the token of the session."""
        context, answer = self._context, read_query(request, bad_request)
        session_id = context.cookie.read(request)
        verifier = context.store.finish_sign_in(
            state=answer.get("state", ""), session_id=session_id or "", now=context.now
        )
        if session_id is None or verifier is None:  # RFC 6749 §10.12: CSRF, or a page of long ago
            raise PageError(403, "This sign-in has expired", "Start again from the first page.")
        # RFC 9207 §2.4: a response of another server (mix-up attack).
        if answer.get("iss", context.waf.issuer) != context.waf.issuer:
            raise PageError(403, "Another server answered this sign-in", "Start again from the first page.")
        if "code" not in answer:  # RFC 6749 §4.1.2.1
            raise PageError(403, "You are not signed in", "The sign-in was cancelled. You can start again.")
        try:
            issued = await context.waf.redeem(answer["code"], verifier)
        except WafUnreachable:
            raise waf_unreachable_page() from None
        except (WafRefused, TokenInvalid):
            raise PageError(403, "You are not signed in", "The WAF issued no token. You can start again.") from None
        # The session before may be that of another user.
        context.store.end_session(session_id)
        # A new id: the one before could have been planted (session fixation).
        session_id = new_secret()
        expires_at = context.now + context.options.session
        context.store.save_session(session_id, make_session(issued, now=context.now, expires_at=expires_at))
        response = see_other("/")
        context.cookie.set(response, session_id)
        return response

    async def _get_token(self, request: web.Request) -> web.Response:
        """Give token and IMS identities to the page's script."""
        context = self._context
        context.check_origin(request)
        session_id = context.cookie.read(request)
        session = context.store.session(session_id, now=context.now)
        if session is not None and session_id is not None and context.now >= session.renew_at:
            # Two requests at a time must not use one refresh token twice: the second finds the token renewed.
            async with self._renewals.of(session_id):
                session = context.store.session(session_id, now=context.now)
                if session is not None and context.now >= session.renew_at:
                    session = await self._renew(session_id, session)
        if session is None:
            raise login_required()
        document = {
            "access_token": session.access_token.reveal(),
            "token_type": "Bearer",
            "expires_in": int(session.token_expires_at - context.now),
            "subject": session.subject,
            "impi": session.impi,  # TS 24.371 §A.3.2, step 1
            "impu": list(session.impus),
            "wss": context.options.wss,
        }
        return web.json_response(document)

    async def _renew(self, session_id: str, session: WwsfSession) -> WwsfSession | None:
        """Return the session with the next token, or with the one it has if the failure may pass.

        None: the WAF has ended the session's grant.
        """
        context = self._context
        try:
            issued = await context.waf.refresh(session.refresh_token)
        except (WafUnreachable, WafRefused, TokenInvalid) as error:
            if isinstance(error, TokenInvalid) or (isinstance(error, WafRefused) and error.is_final):
                context.store.end_session(session_id)
                return None
            if session.token_expires_at <= context.now:
                raise waf_unreachable() from None
            return session
        renewed = make_session(issued, now=context.now, expires_at=session.expires_at)
        renewed = replace(renewed, subject=session.subject)
        context.store.save_session(session_id, renewed)
        return renewed

    async def _sign_out(self, request: web.Request) -> web.Response:
        """End the session, revoke its tokens, and lead to the sign-out of the WAF."""
        context, form = self._context, await read_form(request, bad_request)
        session_id = context.cookie.read(request)
        if session_id is None or not is_csrf_token(form.get("csrf", ""), session_id):
            raise PageError(403, "This form is out of date", "Go back, reload the page and try again.")
        session = context.store.session(session_id, now=context.now)
        context.store.end_session(session_id)
        target = None
        if session is not None:
            try:
                # RFC 7009 §2.1: the whole grant.
                await context.waf.revoke(session.refresh_token or session.access_token)
                target = await context.waf.sign_out_url()
            except WafUnreachable:
                pass  # the tokens expire by themselves
        response = see_other(target or "/")
        context.cookie.clear(response)
        return response


def make_session(issued: IssuedToken, *, now: float, expires_at: float) -> WwsfSession:
    """Return the session of a user to whom the WAF has issued a token."""
    authorization = issued.authorization
    # Without a refresh token there is no other: the token is used until it expires.
    ahead = 0.0 if issued.token.refresh is None else min(RENEW_BEFORE, (authorization.expires_at - now) / 2)
    return WwsfSession(
        subject=authorization.subject,
        impi=authorization.impi,
        impus=authorization.impus,
        access_token=issued.token.value,
        token_expires_at=authorization.expires_at,
        renew_at=authorization.expires_at - ahead,
        refresh_token=issued.token.refresh,
        expires_at=expires_at,
    )


def bad_request(text: str) -> PageError:
    """Return the error of a request that no page of this server sends."""
    return PageError(400, "This request is not complete", f"Start again from the first page: {text}.")


def waf_unreachable_page() -> PageError:
    """Return the error of a sign-in while the WAF does not answer."""
    return PageError(502, "Signing in is not possible now", "Try again in a moment.", retry_after(WAF_RETRY))
