"""The WAF as a server."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wic.network.waf.authorize import Authorize
from wic.network.waf.core import WafCore
from wic.network.waf.device_pages import DevicePages
from wic.network.waf.introspection import TokenQuestions
from wic.network.waf.login import Login
from wic.network.waf.logout import Logout
from wic.network.waf.metadata import Metadata
from wic.network.waf.passwords import COST, PasswordCheck
from wic.network.waf.store import WafStore
from wic.network.waf.token_endpoint import TokenEndpoint
from wic.network.web.function import WebFunction
from wic.network.web.server import WebServer

if TYPE_CHECKING:
    from wic.network.waf.options import WafOptions

KEY_OVERLAP = 300.0
"""Seconds for which an old key is shown after its last token is over."""


class Waf(WebFunction):
    """The authorization server of an IMS domain.

    Args:
        options: where it listens, and how long things are good.

    Raises:
        ConfigurationError: the database cannot be used.
    """

    def __init__(self, options: WafOptions, *, password_cost: int = COST) -> None:
        super().__init__()
        self.options = options
        self.store = WafStore(options.database, password_cost=password_cost)
        self.store.clients.add_native()
        self.store.keys.ensure(now=options.clock(), lifetime=options.lifetimes.key)
        self._passwords = PasswordCheck(cost=password_cost)
        self._own = False

    async def start(self) -> None:
        """Listen on a port of its own.

        Raises:
            ConfigurationError: the port is taken, or the address is not of this machine.
        """
        options = self.options
        server = WebServer(options.host, options.port, options.ssl_context, name=options.name)
        self._own = True
        self.join(server, alone=True)
        await server.start()

    def join(self, server: WebServer, *, alone: bool = False) -> None:
        """Answer on a server that somebody else starts: WAF and WWSF co-located (TS 24.371 §5.4).

        Args:
            server: the server; not started yet.
            alone: whether the start page is the WAF's.
        """
        self._server = server
        core = WafCore(options=self.options, store=self.store, issuer=server.url, passwords=self._passwords)
        login = Login(core)
        pages = (login, Logout(core), Authorize(core), DevicePages(core))
        for part in (*pages, Metadata(core), TokenEndpoint(core), TokenQuestions(core)):
            server.add(part.routes())
        if alone:
            server.add(login.home())
        self._keep_clean()

    def rotate_keys(self) -> str:
        """Sign with a new key from now on; return its name."""
        return self.store.rotate_key(now=self.options.clock())

    def sweep(self) -> int:
        """Remove what is over, and change the key if it is time; return how many rows there were."""
        now, lifetimes = self.options.clock(), self.options.lifetimes
        self.store.keys.ensure(now=now, lifetime=lifetimes.key)
        return self.store.expire(now=now, key_lifetime=lifetimes.access + KEY_OVERLAP)

    async def close(self) -> None:
        """Stop listening, and close the database."""
        await self._tasks.close()
        if self._server is not None and self._own:
            await self._server.close()
        self.store.close()
