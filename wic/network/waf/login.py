"""GET and POST /login: who sits at the browser."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import web

from wic.auth.secret import Secret
from wic.network.waf.authorization import form_action, read_authorization
from wic.network.waf.browser import (
    Alert,
    form_page,
    own_form,
    query_of,
    read_continuation,
    redirect,
    signed_in,
    too_often,
)
from wic.network.waf.errors import bad_page_request
from wic.network.waf.passwords import MAX_PASSWORD
from wic.network.waf.users import MAX_NAME
from wic.network.web.address import origin_of
from wic.network.web.answers import PageRefusal
from wic.network.web.forms import read_query

if TYPE_CHECKING:
    from wic.network.waf.core import WafCore

WRONG = Alert(text="This name and password do not fit together.", status=403)


class Login:
    """The sign-in page.

    Args:
        core: the WAF.
    """

    def __init__(self, core: WafCore) -> None:
        self._core = core

    def routes(self) -> list[web.RouteDef]:
        """Return what it answers."""
        return [web.get("/login", self._show), web.post("/login", self._sign_in)]

    def home(self) -> list[web.RouteDef]:
        """Return the start page, for a WAF that is alone on its port."""
        return [web.get("/", self._home)]

    async def _show(self, request: web.Request) -> web.Response:
        return self._page(request, read_query(request, bad_page_request).get("continue", "/"))

    def _page(
        self, request: web.Request, continuation: str, *, name: str = "", alert: Alert | None = None
    ) -> web.Response:
        core, target = self._core, read_continuation(continuation)
        leads_to, purpose = "", "to go on"
        if target.startswith("/authorize"):
            asked = read_authorization(core, query_of(target))
            leads_to, purpose = form_action(asked), f"to go on to {asked.client.title}"
        return form_page(
            core,
            request,
            "login.html",
            title="Sign in",
            leads_to=leads_to,
            alert=alert,
            purpose=purpose,
            domain=core.options.domain,
            target=target,
            name=name,
        )

    async def _sign_in(self, request: web.Request) -> web.Response:
        form = await own_form(self._core, request)
        name, target = form.get("username", "")[:MAX_NAME], form.get("continue", "/")
        alert = await self._check(request, name, Secret(form.get("password", "")))
        if alert is None:
            return self._signed_in(request, name, target)
        return self._page(request, target, name=name, alert=alert)

    async def _check(self, request: web.Request, name: str, password: Secret) -> Alert | None:
        """Return None if the password is right, and else what to say."""
        core, address = self._core, f"login {origin_of(request)}"
        if core.passwords.is_busy:
            raise PageRefusal(503, "Too many people sign in", "Try again in a moment.", {"Retry-After": "5"})
        wait = core.guard.wait(f"user {name}", address, now=core.now)
        if wait:
            return too_often(wait, "passwords")
        if not await self._is_right(name, password):
            return WRONG
        core.guard.succeeded(f"user {name}", address, forgive=True)
        return None

    async def _is_right(self, name: str, password: Secret) -> bool:
        users, fits = self._core.store.accounts, len(password.reveal()) <= MAX_PASSWORD
        stored = users.password_hash(name) if fits else None
        right = await self._core.passwords.verify(password if fits else Secret(""), stored)
        return right and users.password_hash(name) == stored  # it may have been changed meanwhile

    def _signed_in(self, request: web.Request, name: str, continuation: str) -> web.Response:
        """Begin a session under a new cookie, so that one planted before is worth nothing."""
        core = self._core
        before = core.cookie.read(request)
        assert before is not None, "the form is of this visit"
        core.store.sessions.close(before)
        response = redirect(read_continuation(continuation))
        visit = core.store.sessions.open(name, expires_at=core.now + core.options.lifetimes.session)
        core.cookie.set(response, visit)
        return response

    async def _home(self, request: web.Request) -> web.Response:
        user = signed_in(self._core, request)
        if user is None:
            return redirect("/login")
        return form_page(
            self._core, request, "home.html", title="Signed in", name=user.name, impu=user.impus[0], impi=user.impi
        )
