"""Introspection and revocation endpoints (RFC 7662, RFC 7009)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import web

from wic.network.waf.context import invalid_request, required
from wic.network.web.forms import read_form
from wic.network.web.responses import JsonError
from wic.oauth.errors import ErrorCode

if TYPE_CHECKING:
    from wic.network.waf.clients import OAuthClient
    from wic.network.waf.context import WafContext


class IntrospectionEndpoint:
    """POST /introspect and POST /revoke."""

    def __init__(self, context: WafContext) -> None:
        self._context = context

    def routes(self) -> list[web.RouteDef]:
        """Return its paths and handlers."""
        return [web.post("/introspect", self._introspect), web.post("/revoke", self._revoke)]

    async def _introspect(self, request: web.Request) -> web.Response:
        form = await read_form(request, invalid_request)
        client = self._context.authenticate_client(request, form, confidential=True)
        # RFC 7662 §2.1: `token_type_hint` only speeds up a search, which needs none here.
        found = self._describe(required(form, "token"))
        # RFC 7662 §4: only a resource server, which has no grants, learns about the tokens of other clients.
        if found is None or (client.grants and found["client_id"] != client.id):
            return web.json_response({"active": False})  # RFC 7662 §2.2: and no reason
        return web.json_response({"active": True, **found})

    def _describe(self, token: str) -> dict[str, object] | None:
        """Return what an active token stands for; None if it is not active."""
        store, now = self._context.store, self._context.now
        claims = store.access_tokens.read(token)
        if claims is not None:
            # RFC 7662 §2.2: an inactive token is described no further.
            if not store.access_tokens.is_active(str(claims["jti"]), now=now):
                return None
            return {**claims, "token_type": "Bearer", "username": claims["sub"]}  # RFC 7662 §2.2
        found = store.refresh_tokens.find(token, now=now)
        if found is None:
            return None
        consent, expires_at = found
        return {
            "iss": self._context.issuer,
            "client_id": consent.client,
            "scope": consent.scope,
            "sub": consent.user,
            "username": consent.user,
            "exp": int(expires_at),
        }

    async def _revoke(self, request: web.Request) -> web.Response:
        form = await read_form(request, invalid_request)
        client = self._context.authenticate_client(request, form)
        token, store = required(form, "token"), self._context.store
        claims = store.access_tokens.read(token)
        if claims is not None:
            _check_owner(client, str(claims["client_id"]))
            store.access_tokens.revoke(str(claims["jti"]))
        elif (found := store.refresh_tokens.find(token, now=self._context.now)) is not None:
            consent, _ = found
            _check_owner(client, consent.client)
            store.consents.revoke(consent.id)  # RFC 7009 §2.1: the access tokens of the same grant too
        return web.Response(status=200)  # RFC 7009 §2.2: also for an unknown token


def _check_owner(client: OAuthClient, owner: str) -> None:
    if client.id != owner:  # RFC 7009 §2.1
        raise JsonError(ErrorCode.UNAUTHORIZED_CLIENT, "the token was issued to another client (RFC 7009 §2.1)")
