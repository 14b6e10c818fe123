"""POST /introspect and /revoke: is a token still good, and an end to it (RFC 7662, RFC 7009)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import web

from wic.network.waf.client_auth import authenticate_client, authenticate_confidential
from wic.network.waf.errors import invalid_request, unauthorized_client
from wic.network.waf.token_endpoint import required
from wic.network.web.forms import read_form

if TYPE_CHECKING:
    from wic.network.waf.clients import OAuthClient
    from wic.network.waf.core import WafCore


class TokenQuestions:
    """Introspection and revocation.

    Args:
        core: the WAF.
    """

    def __init__(self, core: WafCore) -> None:
        self._core = core

    def routes(self) -> list[web.RouteDef]:
        """Return what it answers."""
        return [web.post("/introspect", self._introspect), web.post("/revoke", self._revoke)]

    async def _introspect(self, request: web.Request) -> web.Response:
        form = await read_form(request, invalid_request)
        client = authenticate_confidential(self._core, request, form)
        found = self._describe(required(form, "token"))
        # RFC 7662 §4: who neither is a resource server nor got the token is told nothing.
        if found is None or (client.grants and found["client_id"] != client.id):
            return web.json_response({"active": False})
        return web.json_response({"active": True, **found})

    def _describe(self, token: str) -> dict[str, object] | None:
        """Return what a token says; None if it does not count."""
        store, now = self._core.store, self._core.now
        claims = store.access_tokens.read(token)
        if claims is not None:
            if not store.access_tokens.is_active(str(claims["jti"]), now=now):
                return None
            return {**claims, "token_type": "Bearer", "username": claims["sub"]}
        found = store.refresh_tokens.find(token, now=now)
        if found is None:
            return None
        consent, expires_at = found
        return {
            "iss": self._core.issuer,
            "client_id": consent.client,
            "scope": consent.scope,
            "sub": consent.user,
            "username": consent.user,
            "exp": int(expires_at),
        }

    async def _revoke(self, request: web.Request) -> web.Response:
        """RFC 7009 §2.2: a token that nobody knows is revoked already."""
        form = await read_form(request, invalid_request)
        client = authenticate_client(self._core, request, form)
        token, store = required(form, "token"), self._core.store
        claims = store.access_tokens.read(token)
        if claims is not None:
            _check_owner(client, str(claims["client_id"]))
            store.access_tokens.revoke(str(claims["jti"]))
        elif (found := store.refresh_tokens.find(token, now=self._core.now)) is not None:
            _check_owner(client, found[0].client)
            store.consents.revoke(found[0].id)
        return web.Response(status=200)


def _check_owner(client: OAuthClient, owner: str) -> None:
    if client.id != owner:
        raise unauthorized_client("the token was given to another client (RFC 7009 §2.1)")
