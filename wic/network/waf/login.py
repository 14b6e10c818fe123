"""Sign-in and sign-out pages of the WAF, and its start page."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from aiohttp import web

from wic.auth.secret import Secret
from wic.network.waf.authorization import read_authorization_request
from wic.network.waf.browser import (
    Alert,
    bad_page_request,
    form_page,
    query_of,
    read_continuation,
    read_own_form,
    signed_in_user,
    too_many_guesses,
)
from wic.network.waf.users import MAX_NAME, MAX_PASSWORD
from wic.network.web.forms import read_query
from wic.network.web.responses import PageError, csp_source, retry_after, see_other
from wic.network.web.throttle import address_of

if TYPE_CHECKING:
    from wic.network.waf.context import WafContext

LOGOUT_PATH = "/logout"
BUSY_RETRY = 5.0
WRONG_PASSWORD = Alert(text="User name and password do not match.", status=403)


class LoginPages:
    """GET and POST /login and /logout."""

    def __init__(self, context: WafContext) -> None:
        self._context = context

    def routes(self) -> list[web.RouteDef]:
        """Return its paths and handlers."""
        return [
            web.get("/login", self._show_login),
            web.post("/login", self._sign_in),
            web.get(LOGOUT_PATH, self._show_logout),
            web.post(LOGOUT_PATH, self._sign_out),
        ]

    def home_routes(self) -> list[web.RouteDef]:
        """Return the start page, for a WAF that is alone on its port."""
        return [web.get("/", self._show_home)]

    async def _show_home(self, request: web.Request) -> web.Response:
        user = signed_in_user(self._context, request)
        if user is None:
            return see_other("/login")
        return form_page(
            self._context, request, "home.html", title="Signed in", name=user.name, impu=user.impus[0], impi=user.impi
        )

    async def _show_login(self, request: web.Request) -> web.Response:
        return self._login_page(request, read_query(request, bad_page_request).get("continue", "/"))

    def _login_page(
        self, request: web.Request, continuation: str, *, name: str = "", alert: Alert | None = None
    ) -> web.Response:
        """Return the sign-in page; where it leads to a client, it names the client, and the policy lets the form."""
        context, target = self._context, read_continuation(continuation)
        form_action, purpose = "", "to continue"
        if target.startswith("/authorize"):
            asked = read_authorization_request(context, query_of(target))
            form_action, purpose = asked.form_action, f"to continue to {asked.client.title}"
        return form_page(
            context,
            request,
            "login.html",
            title="Sign in",
            form_action=form_action,
            alert=alert,
            purpose=purpose,
            domain=context.options.domain,
            target=target,
            name=name,
        )

    async def _sign_in(self, request: web.Request) -> web.Response:
        context = self._context
        session_id, form = await read_own_form(context, request)
        name, target = form.get("username", "")[:MAX_NAME], form.get("continue", "/")
        alert = await self._check_password(request, name, Secret(form.get("password", "")))
        if alert is not None:
            return self._login_page(request, target, name=name, alert=alert)
        # Signing in again ends the session before, also that of another user.
        context.store.sessions.close(session_id)
        response = see_other(read_continuation(target))
        expires_at = context.now + context.options.lifetimes.session
        # A new id: session fixation.
        context.cookie.set(response, context.store.sessions.open(name, expires_at=expires_at))
        return response

    async def _check_password(self, request: web.Request, name: str, password: Secret) -> Alert | None:
        """Return None if the password is right, and else the message."""
        context, address = self._context, f"login {address_of(request)}"
        # Turned away before the attempt is counted: the user has not guessed.
        if context.passwords.is_busy:  # RFC 9110 §15.6.4
            raise PageError(503, "Too many sign-ins", "Try again in a moment.", retry_after(BUSY_RETRY))
        wait = context.attempts.wait(f"user {name}", address, now=context.now)
        if wait:
            return too_many_guesses(wait, "passwords")
        # A password that is too long to hash costs the same time as a wrong one.
        users, fits = context.store.users, len(password.reveal()) <= MAX_PASSWORD
        stored = users.password_hash(name) if fits else None
        right = await context.passwords.verify(password if fits else Secret(""), stored)
        if not right or users.password_hash(name) != stored:  # it may have been changed meanwhile
            return WRONG_PASSWORD
        # The user has proved to know the password, so the failures before count as typing errors.
        context.attempts.succeeded(f"user {name}", address, forgive=True)
        return None

    async def _show_logout(self, request: web.Request) -> web.Response:
        """Ask whether to sign out, since any page may have sent the browser here (RP-Initiated Logout 1.0 §2).

        A WWSF sends its users here, or the next user of the browser would still be signed in.
        """
        client_id = read_query(request, bad_page_request).get("client_id", "")
        user, target = signed_in_user(self._context, request), self._after_logout(client_id)
        if user is None:
            return see_other(target)
        return form_page(
            self._context,
            request,
            "logout.html",
            title="Sign out?",
            form_action="" if target.startswith("/") else csp_source(target),
            domain=self._context.options.domain,
            name=user.name,
            client=client_id,
        )

    async def _sign_out(self, request: web.Request) -> web.Response:
        session_id, form = await read_own_form(self._context, request)
        self._context.store.sessions.close(session_id)
        response = see_other(self._after_logout(form.get("client_id", "")))
        self._context.cookie.clear(response)
        return response

    def _after_logout(self, client_id: str) -> str:
        """Return the start page of an operator's own WWSF, or the sign-in page."""
        client = self._context.store.clients.find(client_id)
        if client is None or client.wwsf is None or not client.redirect_uris:
            return "/login"
        parts = urlsplit(client.redirect_uris[0])
        return f"{parts.scheme}://{parts.netloc}/"
