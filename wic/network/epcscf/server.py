"""The eP-CSCF as a running entity: WebSocket towards the WICs, UDP and TCP towards the core."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Self

from wic.aio import TaskSet
from wic.errors import ConfigurationError
from wic.network.epcscf.associations import Associations
from wic.network.epcscf.charging import Charging
from wic.network.epcscf.dialogs import Dialogs
from wic.network.epcscf.flow_tokens import FlowTokens
from wic.network.epcscf.newcomers import Newcomers
from wic.network.epcscf.origins import allowed_origins
from wic.network.epcscf.parts import Parts
from wic.network.epcscf.reg_event import RegEventWatcher
from wic.network.epcscf.registering import RegisterHandler
from wic.network.epcscf.routing import EPcscfLogic
from wic.network.epcscf.sessions import Sessions
from wic.network.epcscf.survival import Survival
from wic.network.epcscf.throttle import Throttle
from wic.network.epcscf.trusted_node import TrustedNode
from wic.network.node import LR, Node, address_of, sip_uri
from wic.sip.events import FlowClosed
from wic.sip.proxy.core import ProxyCore, ProxyOptions
from wic.sip.uri import Uri
from wic.transport.websocket import serve_websocket

if TYPE_CHECKING:
    from collections.abc import Callable

    from wic.network.agw.gateway import Agw
    from wic.network.epcscf.options import EPcscfOptions
    from wic.network.epcscf.trusted_node import Validator
    from wic.sip.events import Event
    from wic.sip.flow import Flow
    from wic.sip.message import Message
    from wic.sip.random_source import RandomSource
    from wic.transport.base import Listener


_GRACE = 2.0
"""Seconds that the ends of calls may take when the entity stops."""
_DIALOGS_PER_SESSION = 4
"""Forks, subscriptions and what has just ended, for each call that a WIC may have and one more."""


class EPcscf:
    """P-CSCF enhanced for WebRTC.

    Args:
        node: its node on Mw, listening; closed together with it.
        agw: the eIMS-AGW that it controls; started and closed by its owner.
        options: how it runs.
        validator: knows which access tokens are good; None takes no tokens.
        wall_clock: seconds of the epoch, in which tokens end.
    """

    def __init__(
        self,
        node: Node,
        agw: Agw,
        options: EPcscfOptions,
        *,
        validator: Validator | None = None,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self._agw = agw
        self._options = options
        self._tasks = TaskSet()
        self._trusted: TrustedNode | None = None
        if validator is not None:
            self._trusted = TrustedNode(
                validator,
                domain=options.domain,
                authz_server=options.authz_server,
                scope=options.scope,
                wall_clock=wall_clock,
            )
        self._throttle = Throttle(options.requests_per_second, options.requests_at_once)
        self._web: Listener | None = None
        self.node = node

    @property
    def url(self) -> str:
        """Where WICs connect."""
        address, port = self._address
        host = self._options.name or address
        scheme = "ws" if self._options.ssl_context is None else "wss"
        return f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}/"

    @property
    def port(self) -> int:
        """The WebSocket port."""
        return self._address[1]

    @property
    def calls(self) -> int:
        """How many calls there are."""
        return len(self._sessions)

    @property
    def registrations(self) -> int:
        """How many registrations over open connections there are."""
        return len(self._parts.associations)

    @classmethod
    async def open(
        cls,
        agw: Agw,
        options: EPcscfOptions,
        random_source: RandomSource | None = None,
        *,
        validator: Validator | None = None,
        wall_clock: Callable[[], float] = time.time,
    ) -> Self:
        """Listen on both sides.

        Args:
            agw: the eIMS-AGW that it controls; started and closed by its owner.
            options: how it runs.
            random_source: source of branches, flow tokens and identifiers; None takes the system's.
            validator: knows which access tokens are good; None takes no tokens.
            wall_clock: seconds of the epoch, in which tokens end.

        Raises:
            ConfigurationError: a port is taken, an address is not of this machine, or the core is no SIP URI.
        """
        node = await Node.open(options.mw_host, options.mw_port, random_source=random_source, timers=options.timers)
        epcscf = cls(node, agw, options, validator=validator, wall_clock=wall_clock)
        try:
            await epcscf._start()
        except BaseException:
            await epcscf.close()
            raise
        return epcscf

    async def _start(self) -> None:
        options = self._options
        core = await self._core_flow(options.core)
        parts = self._parts = Parts(
            node=self.node,
            options=options,
            tasks=self._tasks,
            associations=Associations(),
            tokens=FlowTokens(self.node.random_source),
            dialogs=Dialogs(_DIALOGS_PER_SESSION * (options.max_sessions_per_flow + 1)),
            charging=Charging(self.node.random_source, options.domain, self.node.mw.host),
            core=core,
            trusted=self._trusted,
        )
        self._sessions = Sessions(self.node, self._agw, self._tasks, options, parts.dialogs, self._flow_of)
        self.watcher = RegEventWatcher(self.node, core, parts.charging, self._deregistered)
        self._survival = Survival(parts, self._sessions, self.watcher if options.reg_event else None)
        self.node.driver.add_timer_source(self._survival)
        self.node.driver.add_timer_source(self.watcher)
        self._web = await serve_websocket(
            options.host,
            options.port,
            handler=Newcomers(self.node.driver, self._opened),
            ssl_context=options.ssl_context,
            options=replace(options.websocket, origins=allowed_origins(options)),
        )
        self._address = self._web.address
        w2 = Uri("sip", host=self._address[0], port=self._address[1], params=LR)
        self._registers = RegisterHandler(parts, self._survival)
        logic = EPcscfLogic(parts, w2, self._survival, self._registers, self._sessions, self._throttle)
        own = frozenset({(self.node.mw.host, self.node.mw.port), self._address})
        self._core = ProxyCore(self.node.endpoint, logic, ProxyOptions(own=own))
        self.node.serve(self._handle)

    def _flow_of(self, message: Message) -> Flow:
        """Return the way of a request of our own to the core."""
        routes = message.routes
        return (self.node.flow_to(routes[0].uri) if routes else None) or self._parts.core

    async def _core_flow(self, text: str) -> Flow:
        uri = sip_uri(text)
        flow = self.node.flow_to(uri.replace(host=await address_of(uri.host)))
        if flow is None:
            raise ConfigurationError(f"the core {text!r} cannot be reached by UDP or TCP; change its transport")
        return flow

    def _opened(self, flow: Flow) -> None:
        self._survival.opened(flow, now=self.node.driver.now)

    def _deregistered(self, impi: str, impu: str, contacts: list[Uri]) -> None:
        self._survival.terminated(impi, impu, contacts, now=self.node.driver.now)

    def _handle(self, event: Event) -> None:
        now = self.node.driver.now
        if self.watcher.handle(event, now=now) or self._core.handle(event, now=now):
            return
        if isinstance(event, FlowClosed) and event.flow.transport in ("WS", "WSS"):
            # With the connection goes the TLS association; its transactions have failed already.
            self._throttle.forget(event.flow)
            self._registers.flow_closed(event.flow)
            self._survival.flow_closed(event.flow, now=self.node.driver.now)

    async def close(self) -> None:
        """Stop listening, and end every connection and every call's media."""
        if self._web is not None:
            await self._web.close()
        await self._tasks.close(grace=_GRACE)
        await self.node.close()
