"""What the WAF says about itself, and its keys (RFC 8414, RFC 7517)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import web

from wic.network.waf.client_auth import METHODS
from wic.network.waf.clients import GRANTS
from wic.network.waf.core import SCOPE
from wic.network.waf.logout import PATH as LOGOUT

if TYPE_CHECKING:
    from wic.network.waf.core import WafCore

PATH = "/.well-known/oauth-authorization-server"
MAX_AGE = "public, max-age=300"


class Metadata:
    """The documents that clients and the eP-CSCF configure themselves from.

    Args:
        core: the WAF.
    """

    def __init__(self, core: WafCore) -> None:
        self._core = core

    def routes(self) -> list[web.RouteDef]:
        """Return what it answers."""
        return [web.get(PATH, self._metadata), web.get("/jwks", self._jwks)]

    async def _metadata(self, request: web.Request) -> web.Response:
        issuer = self._core.issuer
        document = {
            "issuer": issuer,
            "authorization_endpoint": f"{issuer}/authorize",
            "token_endpoint": f"{issuer}/token",
            "device_authorization_endpoint": f"{issuer}/device_authorization",
            "introspection_endpoint": f"{issuer}/introspect",
            "revocation_endpoint": f"{issuer}/revoke",
            "end_session_endpoint": f"{issuer}{LOGOUT}",
            "jwks_uri": f"{issuer}/jwks",
            "scopes_supported": [SCOPE],
            "response_types_supported": ["code"],
            "response_modes_supported": ["query"],
            "grant_types_supported": list(GRANTS),
            "code_challenge_methods_supported": ["S256"],
            "token_endpoint_auth_methods_supported": ["none", *METHODS],
            "revocation_endpoint_auth_methods_supported": ["none", *METHODS],
            "introspection_endpoint_auth_methods_supported": list(METHODS),
            "authorization_response_iss_parameter_supported": True,
        }
        return web.json_response(document, headers={"Cache-Control": MAX_AGE})

    async def _jwks(self, request: web.Request) -> web.Response:
        return web.json_response({"keys": self._core.store.keys.public()}, headers={"Cache-Control": MAX_AGE})
