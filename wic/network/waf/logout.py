"""GET and POST /logout: the end of a browser's session (OpenID Connect RP-Initiated Logout 1.0 §2)."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from aiohttp import web

from wic.network.waf.browser import form_page, own_form, redirect, signed_in
from wic.network.waf.errors import bad_page_request
from wic.network.web.answers import csp_source
from wic.network.web.forms import read_query

if TYPE_CHECKING:
    from wic.network.waf.core import WafCore

PATH = "/logout"


class Logout:
    """The page where somebody signs out; a WWSF sends its users there, or the next one would find them signed in.

    Args:
        core: the WAF.
    """

    def __init__(self, core: WafCore) -> None:
        self._core = core

    def routes(self) -> list[web.RouteDef]:
        """Return what it answers."""
        return [web.get(PATH, self._ask), web.post(PATH, self._sign_out)]

    async def _ask(self, request: web.Request) -> web.Response:
        """Ask first: a page of somebody else may have sent the browser here."""
        client = read_query(request, bad_page_request).get("client_id", "")
        user, back = signed_in(self._core, request), self._way_back(client)
        if user is None:
            return redirect(back)
        return form_page(
            self._core,
            request,
            "logout.html",
            title="Sign out?",
            leads_to="" if back.startswith("/") else csp_source(back),
            domain=self._core.options.domain,
            name=user.name,
            client=client,
        )

    async def _sign_out(self, request: web.Request) -> web.Response:
        form = await own_form(self._core, request)
        visit = self._core.cookie.read(request)
        assert visit is not None, "the form is of this visit"
        self._core.store.sessions.close(visit)
        response = redirect(self._way_back(form.get("client_id", "")))
        self._core.cookie.clear(response)
        return response

    def _way_back(self, client_id: str) -> str:
        """Return the first page of an operator's own WWSF, or the sign-in page."""
        client = self._core.store.clients.find(client_id)
        if client is None or client.wwsf is None or not client.redirect_uris:
            return "/login"
        parts = urlsplit(client.redirect_uris[0])
        return f"{parts.scheme}://{parts.netloc}/"
