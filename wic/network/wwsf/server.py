"""The WWSF as a server, alone or with the WAF."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Self

from aiohttp import web

from wic.errors import ConfigurationError
from wic.network.tasks import Tasks
from wic.network.waf.clients import NATIVE_CLIENT
from wic.network.waf.store import WWSF_CALLBACK
from wic.network.web.server import WebServer
from wic.network.wwsf.core import WwsfCore
from wic.network.wwsf.pool import PATH, Pool
from wic.network.wwsf.sign_in import SignIn
from wic.network.wwsf.store import WwsfStore
from wic.network.wwsf.waf_client import WafClient

if TYPE_CHECKING:
    from types import TracebackType

    from wic.network.waf.server import Waf
    from wic.network.wwsf.options import WwsfOptions

SWEEP = 60.0
"""Seconds between two rounds of removing what is over."""


class Wwsf:
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
        self.options = options
        self.store = WwsfStore(options.database)
        self._waf = waf
        self._server: WebServer | None = None
        self._client: WafClient | None = None
        self._tasks = Tasks()

    @property
    def url(self) -> str:
        """Where its page is, without a slash in the end."""
        assert self._server is not None, "the WWSF is running"
        return self._server.url

    @property
    def port(self) -> int:
        """Where it listens."""
        assert self._server is not None, "the WWSF is running"
        return self._server.port

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
        self._tasks.start(self._keep_clean())
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

    async def _keep_clean(self) -> None:
        while True:
            self.store.expire(now=self.options.clock())
            await asyncio.sleep(SWEEP)

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

    async def __aenter__(self) -> Self:
        """Start."""
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close."""
        await self.close()
