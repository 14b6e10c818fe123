"""WWSF on an HTTPS server, alone or with the WAF."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Self

from aiohttp import web

from wic.errors import ConfigurationError
from wic.network.waf.clients import WWSF_CALLBACK
from wic.network.waf.server import Waf
from wic.network.web.server import WebFunction, WebServer
from wic.network.wwsf.context import WwsfContext
from wic.network.wwsf.pool import POOL_PATH, PoolEndpoint
from wic.network.wwsf.sign_in import SignInPages
from wic.network.wwsf.store import WwsfStore
from wic.network.wwsf.waf_client import WafClient
from wic.oauth.requests import NATIVE_CLIENT

if TYPE_CHECKING:
    from wic.network.waf.options import WafOptions
    from wic.network.wwsf.options import WwsfOptions


class Wwsf(WebFunction):
    """The web server where a WIC begins; `open` makes one.

    Args:
        options: its options.
        server: the server that it answers on, which is not started yet.
        waf: a WAF on the same server; it knows the WWSF then.

    Attributes:
        options: its options.
        store: its database.
        waf: the co-located WAF; None if it is elsewhere.

    Raises:
        ConfigurationError: there is no WAF, or the database cannot be used.
    """

    def __init__(self, options: WwsfOptions, server: WebServer, *, waf: Waf | None = None) -> None:
        super().__init__(server)
        self.options = options
        self.waf = waf
        self.issuer = options.issuer or server.url
        if waf is not None:
            waf.store.clients.add_wwsf(options.client_id, options.client_secret, server.url)
        self._waf_client = WafClient(options, issuer=self.issuer, redirect_uri=self.redirect_uri)
        self.store = WwsfStore(options.database)  # the last thing that may fail: a file is open from here on
        context = WwsfContext(options=options, store=self.store, waf=self._waf_client, url=server.url)
        routes = [web.get("/.well-known/wic-configuration", self._get_configuration), *SignInPages(context).routes()]
        if options.pool is not None:
            routes += PoolEndpoint(context, options.pool).routes()
        server.add(routes, sweep=self.sweep)

    @classmethod
    async def open(cls, options: WwsfOptions, *, waf: WafOptions | None = None) -> Self:
        """Listen, with a WAF on the same port if its options are given (TS 24.371 §5.4).

        Args:
            options: its options.
            waf: options of a co-located WAF, whose address and certificate are those of the WWSF.

        Raises:
            ConfigurationError: there is no WAF or there are two, a database cannot be used, the port is taken, or the
                address is not of this machine.
        """
        if (options.issuer is None) == (waf is None):  # TS 24.371 §5.4: co-located or separate
            raise ConfigurationError("a WWSF needs one WAF: the issuer's URL, or one beside it")
        async with AsyncExitStack() as stack:
            server = WebServer(options.host, options.port, options.ssl_context, name=options.name)
            stack.push_async_callback(server.close)
            located = None if waf is None else await stack.enter_async_context(Waf(waf, server))
            wwsf = cls(options, server, waf=located)
            stack.push_async_callback(wwsf.close)
            await server.start()
            stack.pop_all()
        return wwsf

    @property
    def redirect_uri(self) -> str:
        """The redirect URI to which the WAF sends browsers; to be registered there."""
        return f"{self.url}{WWSF_CALLBACK}"

    async def _get_configuration(self, request: web.Request) -> web.Response:
        """Return the configuration for a WIC outside a browser."""
        pool = self.options.pool
        document = {
            "wss": self.options.wss,
            "issuer": self.issuer,
            "client_id": NATIVE_CLIENT,  # RFC 8252 §8.4: a WIC outside a browser is a public client
            "pool": None if pool is None else f"{self.url}{POOL_PATH}",
            "anonymous": pool is not None and pool.anonymous,
        }
        return web.json_response(document, headers={"Cache-Control": "public, max-age=60"})

    def sweep(self) -> int:
        """Remove what has expired; return how many rows there were."""
        return self.store.expire(now=self.options.clock())

    async def close(self) -> None:
        """Stop listening, and close the databases, that of a co-located WAF included."""
        async with AsyncExitStack() as stack:  # each of them also where the caller is cancelled, or another one fails
            if self.waf is not None:
                stack.push_async_callback(self.waf.close)
            stack.callback(self.store.close)
            stack.push_async_callback(self._waf_client.close)
            stack.push_async_callback(self._server.close)
