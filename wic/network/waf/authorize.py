"""GET and POST /authorize: a signed-in user lets a client have a code (RFC 6749 §3.1)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import web

from wic.network.waf.authorization import form_action, granted, read_authorization, refused
from wic.network.waf.browser import form_page, own_form, query_of, signed_in, to_sign_in
from wic.network.waf.errors import bad_page_request, foreign_form
from wic.network.waf.minting import open_consent
from wic.network.web.forms import read_query

if TYPE_CHECKING:
    from wic.network.waf.authorization import AuthorizationRequest
    from wic.network.waf.core import WafCore
    from wic.network.waf.errors import RedirectAnswer
    from wic.network.waf.users import WebUser


class Authorize:
    """The authorization endpoint.

    Args:
        core: the WAF.
    """

    def __init__(self, core: WafCore) -> None:
        self._core = core

    def routes(self) -> list[web.RouteDef]:
        """Return what it answers."""
        return [web.get("/authorize", self._ask), web.post("/authorize", self._decide)]

    async def _ask(self, request: web.Request) -> web.Response:
        asked = read_authorization(self._core, read_query(request, bad_page_request))
        user = signed_in(self._core, request)
        if user is None:
            return to_sign_in(request)
        if not asked.client.consent:
            raise self._grant(asked, user)
        return form_page(
            self._core,
            request,
            "consent.html",
            title="Allow access?",
            leads_to=form_action(asked),
            client=asked.client.title,
            name=user.name,
            impu=user.impus[0],
            query=request.rel_url.raw_query_string,
        )

    async def _decide(self, request: web.Request) -> web.Response:
        form = await own_form(self._core, request)
        user = signed_in(self._core, request)
        if user is None:
            raise foreign_form()
        asked = read_authorization(self._core, query_of(f"?{form.get('query', '')}"))
        if form.get("decision") != "approve":
            raise refused(self._core, asked.redirect_uri, asked.state, "access_denied", "the user has said no")
        raise self._grant(asked, user)

    def _grant(self, asked: AuthorizationRequest, user: WebUser) -> RedirectAnswer:
        core = self._core
        with core.store.database.transaction():
            consent = open_consent(core, asked.client, user, asked.scope)
            code = core.store.codes.issue(
                consent,
                redirect_uri=asked.named_uri,
                challenge=asked.challenge,
                expires_at=core.now + core.options.lifetimes.code,
            )
        return granted(core, asked, code)
