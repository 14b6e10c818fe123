"""eP-CSCF as a running entity: WebSocket towards the WICs (W2), UDP and TCP towards the core (Mw)."""

from __future__ import annotations

import time
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import TYPE_CHECKING, Self

from wic.aio import TaskSet
from wic.errors import ConfigurationError
from wic.network.epcscf.call_legs import CallLegs
from wic.network.epcscf.context import EPcscfContext
from wic.network.epcscf.flow_recovery import FlowRecovery
from wic.network.epcscf.origins import allowed_origins
from wic.network.epcscf.reg_event import RegEventWatcher
from wic.network.epcscf.register import RegisterHandler
from wic.network.epcscf.routing import EPcscfLogic
from wic.network.epcscf.trusted_node import TrustedNode
from wic.network.epcscf.ue import UeIndex
from wic.network.node import LR, Node, address_of, sip_uri
from wic.network.peers import Destinations
from wic.sip.events import FlowClosed
from wic.sip.proxy.core import ProxyCore, ProxyOptions
from wic.sip.routing import port_of
from wic.sip.uri import Uri
from wic.transport.websocket import serve_websocket

if TYPE_CHECKING:
    from collections.abc import Callable

    from wic.network.agw.gateway import Agw
    from wic.network.epcscf.options import EPcscfOptions
    from wic.network.epcscf.trusted_node import Validator
    from wic.sip.events import Event
    from wic.sip.flow import Flow
    from wic.sip.random_source import RandomSource
    from wic.transport.base import Connection, Listener

_GRACE = 2.0
"""Seconds that the ends of calls may take when the entity stops."""


class EPcscf:
    """P-CSCF enhanced for WebRTC; made by `open`."""

    def __init__(
        self,
        context: EPcscfContext,
        listener: Listener,
        ues: UeIndex,
        legs: CallLegs,
        watcher: RegEventWatcher,
        recovery: FlowRecovery,
    ) -> None:
        self._context = context
        self._listener = listener
        self.node = context.node
        self.ues = ues
        self.legs = legs
        self.watcher = watcher
        self.recovery = recovery
        mw, (host, port) = self.node.mw, listener.address
        w2 = Uri("sip", host=host, port=port, params=LR)
        logic = EPcscfLogic(context, ues, legs, RegisterHandler(context, ues, recovery), recovery, w2)
        own = frozenset({(mw.host, mw.port), (host, port)})
        served = frozenset({((context.options.name or host).lower(), port)})
        proxy = ProxyOptions(own=own, served=served, extensions=("path", "outbound"))
        self._core = ProxyCore(self.node.endpoint, logic, proxy)
        for timers in (recovery.timers, watcher.timers):
            self.node.driver.add_timer_source(timers)
        self.node.serve(self._handle)

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
        """Listen on both sides and serve.

        Args:
            agw: the eIMS-AGW that it controls; closed by its owner.
            options: addresses, limits and policy.
            random_source: source of branches, flow tokens and identifiers; None takes the system's.
            validator: knows which access tokens are good; None accepts no tokens.
            wall_clock: seconds of the epoch, in which tokens end.

        Raises:
            ConfigurationError: a port is taken, an address is not of this machine, or the core is no SIP URI.
        """
        async with AsyncExitStack() as opened:
            node = await Node.open(
                options.mw_host,
                options.mw_port,
                destinations=Destinations(options.peers),
                random_source=random_source,
                timers=options.timers,
            )
            opened.push_async_callback(node.close)
            context = EPcscfContext(
                node=node,
                options=options,
                tasks=TaskSet(),
                core=await _core_flow(node, options.core),
                trusted=None if validator is None else TrustedNode(validator, options, wall_clock),
            )
            ues = UeIndex(node.random_source, options)
            legs = CallLegs(context, ues, agw)
            watcher = RegEventWatcher(context)
            recovery = FlowRecovery(context, ues, legs, watcher if options.reg_event else None)
            # Its address, which is free to choose, is needed to know our own routes: until then Mw is answered with 503.
            listener = await serve_websocket(
                options.host,
                options.port,
                handler=W2Handler(node, recovery),
                ssl_context=options.ssl_context,
                options=replace(options.websocket, origins=allowed_origins(options)),
            )
            opened.pop_all()
            return cls(context, listener, ues, legs, watcher, recovery)

    @property
    def url(self) -> str:
        """The URL that WICs connect to."""
        address, port = self._listener.address
        options = self._context.options
        host = options.name or address
        scheme = "ws" if options.ssl_context is None else "wss"
        return f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}/"

    @property
    def port(self) -> int:
        """The WebSocket port."""
        return self._listener.address[1]

    @property
    def calls(self) -> int:
        """Number of calls, those of absent UEs included."""
        return sum(len(ue.legs) for ue in self.ues)

    @property
    def registrations(self) -> int:
        """Number of registrations over open connections."""
        return sum(len(ue.associations) for ue in self.ues)

    @property
    def pending_tasks(self) -> int:
        """Number of checks, preparations and ends that are under way."""
        return len(self._context.tasks)

    def _handle(self, event: Event) -> None:
        now = self.node.driver.now
        if self.watcher.handle(event, now=now):
            while (ended := self.watcher.next_event()) is not None:
                self.recovery.contacts_ended(ended, now=now)
        elif not self._core.handle(event, now=now) and isinstance(event, FlowClosed):
            # With the connection goes the TLS association; its transactions have failed already.
            self.recovery.flow_closed(event.flow, now=now)

    async def close(self) -> None:
        """Stop listening, and end every connection and every call's media."""
        grace = 0.0  # where the caller is cancelled, all ends at once
        try:
            await self._listener.close()
            grace = _GRACE
        finally:
            try:
                await self._context.tasks.close(grace=grace)
            finally:
                await self.node.close()


class W2Handler:
    """`FlowHandler` of the WebSocket side: the driver's, which also has each new connection looked after."""

    def __init__(self, node: Node, recovery: FlowRecovery) -> None:
        self.node = node
        self._recovery = recovery
        self.received = node.driver.received
        self.closed = node.driver.closed

    def opened(self, connection: Connection) -> None:
        """Take a connection that has opened."""
        driver = self.node.driver
        driver.opened(connection)
        self._recovery.opened(connection.flow, now=driver.now)
        driver.pump()


async def _core_flow(node: Node, text: str) -> Flow:
    """Return the flow to the core that the options name."""
    uri = sip_uri(text)
    uri = uri.replace(host=await address_of(uri.host))
    node.destinations.add(uri.host, port_of(uri))
    flow = node.flow_to(uri)
    if flow is None:
        raise ConfigurationError(f"the core {text!r} cannot be reached by UDP or TCP; change its transport")
    return flow
