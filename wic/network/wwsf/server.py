"""The WWSF as a server, alone or with the WAF."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import web

from wic.errors import ConfigurationError
from wic.network.waf.clients import NATIVE_CLIENT
from wic.network.waf.store import WWSF_CALLBACK
from wic.network.web.function import WebFunction
from wic.network.web.server import WebServer
from wic.network.wwsf.core import WwsfCore
from wic.network.wwsf.pool import PATH, Pool
from wic.network.wwsf.sign_in import SignIn
from wic.network.wwsf.store import WwsfStore
from wic.network.wwsf.waf_client import WafClient

if TYPE_CHECKING:
    from wic.network.waf.server import Waf
    from wic.network.wwsf.options import WwsfOptions


class Wwsf(WebFunction):
    """The web server where a WIC begins.

    Args:
        options: where it listens and what it hands out.
        waf: a WAF that is not started yet, to be co-located on the same port; it knows the WWSF then.

    Raises:
        ConfigurationError: there is no WAF, or the database cannot be used.
    """

    def __init__(self, options: WwsfOptions, *, waf: Waf | None = None) -> None:
        if (options.issuer is None) == (waf is None):
            raise ConfigurationError("a WWSF needs one WAF: the issuer's URL, or one beside it")
        super().__init__()
        self.options = options
        self.store = WwsfStore(options.database)
        self._waf = waf
        self._client: WafClient | None = None

    @property
    def redirect_uri(self) -> str:
        """Where browsers come back to from the WAF; to be registered there."""
        return f"{self.url}{WWSF_CALLBACK}"

    async def start(self) -> None:
        """Listen, with the WAF beside it if there is one.

        Raises:
            ConfigurationError: the port is taken, or the address is not of this machine.
        """
        options = self.options
        server = self._server = WebServer(options.host, options.port, options.ssl_context, name=options.name)
        if self._waf is not None:
            self._waf.join(server)
            self._waf.store.add_wwsf(options.client_id, options.client_secret, server.url)
        self._client = WafClient(options, issuer=options.issuer or server.url, redirect_uri=self.redirect_uri)
        core = WwsfCore(options=options, store=self.store, waf=self._client, url=server.url)
        server.add([web.get("/.well-known/wic-configuration", self._configuration)])
        server.add(SignIn(core).routes())
        if options.pool is not None:
            server.add(Pool(core, options.pool).routes())
        self._keep_clean()
        await server.start()

    async def _configuration(self, request: web.Request) -> web.Response:
        """Tell a WIC that is no page all that it needs to begin."""
        pool = self.options.pool
        document = {
            "wss": self.options.wss,
            "issuer": self.options.issuer or self.url,
            "client_id": NATIVE_CLIENT,
            "pool": None if pool is None else f"{self.url}{PATH}",
            "anonymous": pool is not None and pool.anonymous,
        }
        return web.json_response(document, headers={"Cache-Control": "public, max-age=60"})

    def sweep(self) -> int:
        """Remove what is over; return how many rows there were."""
        return self.store.expire(now=self.options.clock())

    async def close(self) -> None:
        """Stop listening, close the databases, and the WAF beside it."""
        await self._tasks.close()
        if self._server is not None:
            await self._server.close()
        if self._client is not None:
            await self._client.close()
        if self._waf is not None:
            await self._waf.close()
        self.store.close()
