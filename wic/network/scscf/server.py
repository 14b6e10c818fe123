"""The S-CSCF as a running entity."""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from wic.auth.aka_server import AkaVerifier
from wic.auth.server import DigestVerifier
from wic.network.hss import ALGORITHMS
from wic.network.node import Node
from wic.network.scscf.aka_scheme import AkaScheme
from wic.network.scscf.attempt import Scheme
from wic.network.scscf.changes import Observers
from wic.network.scscf.digest_scheme import DigestScheme
from wic.network.scscf.gruu import GruuFactory
from wic.network.scscf.network_deregistration import Removals
from wic.network.scscf.options import RegistrarOptions
from wic.network.scscf.reg_event import RegEventNotifier, RegEventNotifierOptions
from wic.network.scscf.registrar import Registrar
from wic.network.scscf.routing import ORIGINATING, ScscfLogic
from wic.network.scscf.target_lookup import Callees
from wic.network.scscf.timers import Expiry, OrderBook
from wic.network.scscf.trusted_node import TrustedNodeScheme
from wic.sip.params import UriParams
from wic.sip.proxy.core import ProxyCore, ProxyOptions
from wic.sip.timers import RFC3261, Timers
from wic.transport.system_random import SystemRandomSource

if TYPE_CHECKING:
    from collections.abc import Callable

    from wic.network.hss import Hss
    from wic.network.scscf.boundary import Trust
    from wic.sip.events import Event
    from wic.sip.flow import Flow
    from wic.sip.random_source import RandomSource


@dataclass(frozen=True, slots=True, kw_only=True)
class ScscfOptions:
    """How an S-CSCF runs."""

    domain: str = "ims.example"
    """Home domain; the realm of its challenges as well."""
    host: str = "127.0.0.1"
    """Address on Mw."""
    port: int = 0
    """Port on Mw; 0 takes a free one."""
    algorithms: tuple[str, ...] = ALGORITHMS
    """Digest algorithms to challenge with, most preferred first (RFC 8760 §2.3)."""
    registrar: RegistrarOptions = field(default_factory=RegistrarOptions)
    reg_event: RegEventNotifierOptions = field(default_factory=RegEventNotifierOptions)
    timers: Timers = RFC3261
    """SIP timers."""


class Scscf:
    """S-CSCF and registrar.

    Args:
        hss: subscribers and bindings.
        trust: tells flows of this network's eP-CSCFs; None trusts nobody.
        options: how it runs.
        random_source: source of branches and nonces.
        wall_clock: seconds of the epoch, in which bindings end.
    """

    def __init__(
        self,
        hss: Hss,
        *,
        trust: Trust | None = None,
        options: ScscfOptions | None = None,
        random_source: RandomSource | None = None,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self._hss = hss
        self._trust = trust or _nobody
        self._options = options or ScscfOptions()
        self._wall_clock = wall_clock
        self.observers = Observers()
        """Are told of every change to a binding; add to them what watches registrations."""
        self.node = Node(random_source or SystemRandomSource(), self._handle, self._options.timers)

    async def start(self) -> None:
        """Listen on Mw.

        Raises:
            ConfigurationError: the port is taken, or the address is not of this machine.
        """
        options = self._options
        await self.node.listen(options.host, options.port)
        self.gruus = GruuFactory(self._hss, options.domain, self.node.random_source)
        removals = self.removals = Removals(self._hss, self.observers)
        driver = self.node.driver
        self.notifier = RegEventNotifier(
            self.node.endpoint,
            self._hss,
            contact=self.node.mw.uri(params=UriParams()),
            flow_to=self.node.flow_to,
            clock=lambda: driver.now,
            wall_clock=self._wall_clock,
            gruus=self.gruus.make,
            options=options.reg_event,
        )
        self.observers.add(self.notifier)
        logic = ScscfLogic(
            self.node,
            self._hss,
            self._registrar(),
            Callees(self._hss, self.gruus, options.domain),
            removals,
            self.notifier,
            domain=options.domain,
            trust=self._trust,
            wall_clock=self._wall_clock,
        )
        own = ProxyOptions(own=frozenset({(self.node.mw.host, self.node.mw.port)}))
        self._core = ProxyCore(self.node.endpoint, logic, own)
        self._expiry = Expiry(self._hss, removals, self._wall_clock, clock=lambda: driver.now)
        self.observers.add(self._expiry)
        self._orders = OrderBook(self._hss, removals, self._wall_clock, due=driver.now)
        driver.add_timer_source(self._expiry)
        driver.add_timer_source(self._orders)
        driver.add_timer_source(self.notifier)
        self.notifier.restore(now=driver.now)
        driver.pump()

    def _registrar(self) -> Registrar:
        options, random_source = self._options.registrar, self.node.random_source
        domain, every = self._options.domain, options.challenge_every
        digest = DigestVerifier(
            domain, key=secrets.token_bytes(32), random_source=random_source, algorithms=self._options.algorithms
        )
        aka = AkaVerifier(domain, answer_within=options.answer_within)
        return Registrar(
            self._hss,
            {
                Scheme.DIGEST: DigestScheme(self._hss, digest, challenge_every=every),
                Scheme.AKA: AkaScheme(self._hss, aka, random_source, options),
                Scheme.TRUSTED_NODE: TrustedNodeScheme(self._hss, barred=options.barred_entities),
            },
            self.node.mw.uri(ORIGINATING),
            gruus=self.gruus,
            observer=self.observers,
            options=options,
        )

    def _handle(self, event: Event) -> None:
        now = self.node.driver.now
        if not self.notifier.handle(event, now=now):
            self._core.handle(event, now=now)

    async def close(self) -> None:
        """Stop."""
        await self.node.close()


def _nobody(_: Flow) -> bool:
    return False
