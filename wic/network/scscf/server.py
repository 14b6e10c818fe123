"""S-CSCF as a running entity: its parts, and the events of its node."""

from __future__ import annotations

import secrets
import time
from typing import TYPE_CHECKING, Self

from wic.network.node import Node
from wic.network.peers import Destinations
from wic.network.scscf.assertions import Assertions
from wic.network.scscf.authentication import RegisterAuthenticator
from wic.network.scscf.flow_probe import FlowProbe
from wic.network.scscf.gruu import GruuFactory
from wic.network.scscf.location_service import LocationService
from wic.network.scscf.options import ScscfOptions
from wic.network.scscf.reg_event import RegEventNotifier
from wic.network.scscf.registrar import Registrar
from wic.network.scscf.routing import ORIGINATING, ScscfLogic
from wic.network.scscf.target_lookup import TargetLookup
from wic.network.scscf.timers import BindingExpiry, OperatorCommandPoller
from wic.sip.params import UriParams
from wic.sip.proxy.core import ProxyCore, ProxyOptions

if TYPE_CHECKING:
    from collections.abc import Callable

    from wic.network.hss import Hss
    from wic.network.scscf.trust import Trust
    from wic.sip.events import Event
    from wic.sip.random_source import RandomSource

_CAPABILITIES = (
    ("Allow", "INVITE, ACK, CANCEL, BYE, OPTIONS, REGISTER, SUBSCRIBE, NOTIFY, MESSAGE, REFER, INFO, UPDATE, PUBLISH"),
    ("Accept", "*/*"),  # bodies pass
)
_SIP_PORT = 5060
"""Port of a SIP URI that names none (RFC 3261 §19.1.2)."""


class Scscf:
    """S-CSCF and registrar; made by `open`.

    Attributes:
        location_service: changes bindings, and tells observers.
        notifier: notifies the watchers of registrations.
        expiry: ends the bindings that have expired.
        gruus: makes and reads GRUUs.
    """

    def __init__(
        self, node: Node, hss: Hss, trust: Trust, options: ScscfOptions, wall_clock: Callable[[], float]
    ) -> None:
        domain, random_source, driver = options.domain, node.random_source, node.driver
        self.node = node
        self.gruus = GruuFactory(hss, domain, random_source)
        self.location_service = LocationService(hss)
        self.notifier = RegEventNotifier(node, hss, options.reg_event, self.gruus, wall_clock)
        self.expiry = BindingExpiry(hss, self.location_service, wall_clock, clock=lambda: driver.now)
        commands = OperatorCommandPoller(hss, self.location_service, wall_clock, due=driver.now)
        # The key of Digest nonces is new with each start: those of before are stale then.
        key, algorithms = secrets.token_bytes(32), options.algorithms
        authenticator = RegisterAuthenticator(
            hss, domain, options.registrar, random_source, key=key, algorithms=algorithms
        )
        route, targets = node.mw.uri(ORIGINATING), TargetLookup(hss, self.gruus, domain)
        registrar = Registrar(hss, authenticator, self.location_service, route, self.gruus, options.registrar)
        self._probe = FlowProbe(node, within=options.registrar.probe_within, again=options.registrar.probe_again)
        logic = ScscfLogic(
            node,
            hss,
            registrar,
            targets,
            self.location_service,
            self.notifier,
            domain,
            trust,
            self._probe,
            wall_clock,
            Assertions(hss, options.services),
        )
        # RFC 3261 §16.4: a Route with the domain has reached the element that is responsible for it.
        name = domain.lower()
        served = frozenset({(name, None), (name, _SIP_PORT), (name, node.mw.port)})
        own = frozenset({(node.mw.host, node.mw.port)})
        extensions = ("path", "outbound", "gruu")
        proxy = ProxyOptions(own=own, served=served, extensions=extensions, capabilities=_CAPABILITIES)
        self._core = ProxyCore(node.endpoint, logic, proxy)
        self.location_service.add_observer(self.notifier)
        self.location_service.add_observer(self.expiry)
        for source in (self.expiry, commands, self.notifier.timers, self._probe.timers):
            driver.add_timer_source(source)
        node.serve(self._handle)
        self.notifier.restore(now=driver.now)
        driver.pump()

    @classmethod
    async def open(
        cls,
        hss: Hss,
        *,
        trust: Trust | None = None,
        options: ScscfOptions | None = None,
        random_source: RandomSource | None = None,
        wall_clock: Callable[[], float] = time.time,
    ) -> Self:
        """Listen on Mw and serve.

        Args:
            hss: subscribers and bindings.
            trust: tells flows of this network's eP-CSCFs; None trusts no flow.
            options: addresses, algorithms and limits.
            random_source: source of branches and nonces; None takes the system's.
            wall_clock: seconds of the epoch, in which bindings end.

        Raises:
            ConfigurationError: the port is taken, or the address is not of this machine.
            StorageFailed: the HSS cannot be read or written.
        """
        chosen = options or ScscfOptions()
        destinations = Destinations(chosen.peers)
        for host, port in chosen.edges:
            destinations.add(host, port)  # before subscriptions of an earlier run are notified
        node = await Node.open(
            chosen.host, chosen.port, destinations=destinations, random_source=random_source, timers=chosen.timers
        )
        try:
            return cls(node, hss, trust or (lambda _: False), chosen, wall_clock)
        except BaseException:
            await node.close()
            raise

    @property
    def uri(self) -> str:
        """URI on Mw."""
        return str(self.node.mw.uri(params=UriParams()))

    def _handle(self, event: Event) -> None:
        now = self.node.driver.now
        # Subscriptions are dialogs of the S-CSCF itself, and so are its questions; everything else it only proxies.
        if not self.notifier.handle(event, now=now) and not self._probe.handle(event, now=now):
            self._core.handle(event, now=now)

    async def close(self) -> None:
        """Stop listening, and end every connection."""
        await self.node.close()
