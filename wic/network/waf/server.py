"""The WAF as a server."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Self

from wic.network.tasks import Tasks
from wic.network.waf.authorize import Authorize
from wic.network.waf.core import WafCore
from wic.network.waf.device_pages import DevicePages
from wic.network.waf.login import Login
from wic.network.waf.metadata import Metadata
from wic.network.waf.passwords import COST, PasswordCheck
from wic.network.waf.store import WafStore
from wic.network.waf.token_endpoint import TokenEndpoint
from wic.network.waf.token_questions import TokenQuestions
from wic.network.web.server import WebServer

if TYPE_CHECKING:
    from types import TracebackType

    from wic.network.waf.options import WafOptions

SWEEP = 60.0
"""Seconds between two rounds of removing what is over."""
KEY_OVERLAP = 300.0
"""Seconds for which an old key is shown after its last token is over."""


class Waf:
    """The authorization server of an IMS domain.

    Args:
        options: where it listens, and how long things are good.

    Raises:
        ConfigurationError: the database cannot be used.
    """

    def __init__(self, options: WafOptions, *, password_cost: int = COST) -> None:
        self.options = options
        self.store = WafStore(options.database, password_cost=password_cost)
        self.store.clients.add_native()
        self.store.keys.ensure(now=options.clock())
        self._passwords = PasswordCheck(cost=password_cost)
        self._server: WebServer | None = None
        self._own = False
        self._tasks = Tasks()

    @property
    def url(self) -> str:
        """The issuer URL, which is the WAF's identity."""
        assert self._server is not None, "the WAF is running"
        return self._server.url

    @property
    def port(self) -> int:
        """Where it listens."""
        assert self._server is not None, "the WAF is running"
        return self._server.port

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
        parts = (Metadata(core), login, Authorize(core), TokenEndpoint(core), TokenQuestions(core), DevicePages(core))
        for part in parts:
            server.add(part.routes())
        if alone:
            server.add(login.home())
        self._tasks.start(self._keep_clean())

    def rotate_keys(self) -> str:
        """Sign with a new key from now on; return its name."""
        return self.store.rotate_key(now=self.options.clock())

    def sweep(self) -> int:
        """Remove what is over; return how many rows there were."""
        key_lifetime = self.options.lifetimes.access + KEY_OVERLAP
        return self.store.expire(now=self.options.clock(), key_lifetime=key_lifetime)

    async def _keep_clean(self) -> None:
        while True:
            self.sweep()
            await asyncio.sleep(SWEEP)

    async def close(self) -> None:
        """Stop listening, and close the database."""
        await self._tasks.close()
        if self._server is not None and self._own:
            await self._server.close()
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
