"""WAF on an HTTPS server, with its metadata and keys."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Self

from aiohttp import web

from wic.network.waf.authorization import AuthorizationEndpoint
from wic.network.waf.context import CLIENT_AUTH_METHODS, WafContext
from wic.network.waf.device_authorization import DeviceAuthorizationEndpoint
from wic.network.waf.introspection import IntrospectionEndpoint
from wic.network.waf.login import LOGOUT_PATH, LoginPages
from wic.network.waf.store import WafStore
from wic.network.waf.token_endpoint import TokenEndpoint
from wic.network.waf.users import COST, PasswordVerifier
from wic.network.web.server import WebFunction, WebServer
from wic.oauth.metadata import WELL_KNOWN_PATH, OAuthEndpoint
from wic.oauth.pkce import METHOD
from wic.oauth.requests import SCOPE, GrantType

if TYPE_CHECKING:
    from wic.network.waf.options import WafOptions

KEY_OVERLAP = 300.0
"""Seconds for which an old key is published after its last token has expired."""
CACHEABLE = {"Cache-Control": "public, max-age=300"}
_PATHS = {
    OAuthEndpoint.AUTHORIZATION: "/authorize",
    OAuthEndpoint.TOKEN: "/token",
    OAuthEndpoint.DEVICE_AUTHORIZATION: "/device_authorization",
    OAuthEndpoint.INTROSPECTION: "/introspect",
    OAuthEndpoint.REVOCATION: "/revoke",
    OAuthEndpoint.END_SESSION: LOGOUT_PATH,
    OAuthEndpoint.JWKS: "/jwks",
}


class Waf(WebFunction):
    """The authorization server of an IMS domain; `open` makes one.

    Args:
        options: its options.
        server: the server that it answers on, which is not started yet.
        password_cost: scrypt's N for new passwords.

    Attributes:
        options: its options.
        store: its database.

    Raises:
        ConfigurationError: the database cannot be used.
    """

    def __init__(self, options: WafOptions, server: WebServer, *, password_cost: int = COST) -> None:
        super().__init__(server)
        self.options = options
        self.store = WafStore(options.database, password_cost=password_cost)
        # Every database has the public client of all WICs, and a key that signs.
        self.store.clients.add_native()
        self.store.keys.rotate_when_due(now=options.clock(), lifetime=options.lifetimes.key)
        passwords = PasswordVerifier(cost=password_cost)
        context = WafContext(options=options, store=self.store, issuer=server.url, passwords=passwords)
        self._login = LoginPages(context)
        parts = (
            self._login,
            AuthorizationEndpoint(context),
            DeviceAuthorizationEndpoint(context),
            TokenEndpoint(context),
            IntrospectionEndpoint(context),
        )
        own = [web.get(WELL_KNOWN_PATH, self._get_metadata), web.get("/jwks", self._get_keys)]
        server.add([*own, *(route for part in parts for route in part.routes())], sweep=self.sweep)

    @classmethod
    async def open(cls, options: WafOptions, *, password_cost: int = COST) -> Self:
        """Listen on a port of its own.

        Args:
            options: its options.
            password_cost: scrypt's N for new passwords.

        Raises:
            ConfigurationError: the database cannot be used, the port is taken, or the address is not of this machine.
        """
        async with AsyncExitStack() as stack:
            server = WebServer(options.host, options.port, options.ssl_context, name=options.name)
            stack.push_async_callback(server.close)
            waf = cls(options, server, password_cost=password_cost)
            stack.push_async_callback(waf.close)
            server.add(waf._login.home_routes())
            await server.start()
            stack.pop_all()
        return waf

    async def _get_metadata(self, request: web.Request) -> web.Response:
        """Return the metadata, by which clients and eP-CSCF configure themselves (RFC 8414)."""
        methods = list(CLIENT_AUTH_METHODS)
        document = {
            "issuer": self.url,
            **{name.value: f"{self.url}{path}" for name, path in _PATHS.items()},
            "scopes_supported": [SCOPE],
            "response_types_supported": ["code"],  # RFC 9700 §2.1.2: no implicit grant
            "response_modes_supported": ["query"],
            "grant_types_supported": list(GrantType),
            "code_challenge_methods_supported": [METHOD],  # RFC 9700 §2.1.1: published for clients to see
            "token_endpoint_auth_methods_supported": ["none", *methods],
            "revocation_endpoint_auth_methods_supported": ["none", *methods],
            "introspection_endpoint_auth_methods_supported": methods,  # RFC 7662 §2.1: not for public clients
            "authorization_response_iss_parameter_supported": True,  # RFC 9207 §3
        }
        return web.json_response(document, headers=CACHEABLE)

    async def _get_keys(self, request: web.Request) -> web.Response:
        """Return the JWK set (RFC 7517)."""
        return web.json_response({"keys": self.store.keys.public()}, headers=CACHEABLE)

    def sweep(self) -> int:
        """Remove what has expired, and make the next key if it is due; return how many rows were removed."""
        now, lifetimes = self.options.clock(), self.options.lifetimes
        self.store.keys.rotate_when_due(now=now, lifetime=lifetimes.key)
        return self.store.expire(now=now, key_lifetime=lifetimes.access + KEY_OVERLAP)

    async def close(self) -> None:
        """Stop listening, and close the database."""
        try:
            await self._server.close()
        finally:  # also where the caller is cancelled
            self.store.close()
