"""The S-CSCF as a running entity."""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

from wic.auth.aka_server import AkaVerifier
from wic.auth.digest_server import DigestVerifier
from wic.network.hss import DIGEST_ALGORITHMS
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
    algorithms: tuple[str, ...] = DIGEST_ALGORITHMS
    """Digest algorithms to challenge with, most preferred first (RFC 8760 §2.3)."""
    registrar: RegistrarOptions = field(default_factory=RegistrarOptions)
    reg_event: RegEventNotifierOptions = field(default_factory=RegEventNotifierOptions)
    timers: Timers = RFC3261
    """SIP timers."""


class Scscf:
    """S-CSCF and registrar; made by `open`.

    Args:
        node: its node on Mw, listening; closed together with it.
        hss: subscribers and bindings.
        trust: tells flows of this network's eP-CSCFs; None trusts no flow.
        options: addresses, algorithms and limits.
        wall_clock: seconds of the epoch, in which bindings end.

    Attributes:
        gruus: makes and reads GRUUs.
        observers: are told of every change to a binding.
        removals: changes bindings on behalf of the network.
        notifier: notifies the subscribers to registration state.
    """

    def __init__(
        self,
        node: Node,
        hss: Hss,
        *,
        trust: Trust | None = None,
        options: ScscfOptions | None = None,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self.node = node
        self._hss = hss
        self._options = options or ScscfOptions()
        domain, driver = self._options.domain, node.driver
        self.gruus = GruuFactory(hss, domain, node.random_source)
        self.observers = Observers()
        self.removals = Removals(hss, self.observers)
        self.notifier = RegEventNotifier(
            node.endpoint,
            hss,
            contact=node.mw.uri(params=UriParams()),
            flow_to=node.flow_to,
            clock=lambda: driver.now,
            wall_clock=wall_clock,
            gruus=self.gruus.make,
            options=self._options.reg_event,
        )
        logic = ScscfLogic(
            node,
            hss,
            self._registrar(),
            Callees(hss, self.gruus, domain),
            self.removals,
            self.notifier,
            domain=domain,
            trust=trust or _trusts_none,
            wall_clock=wall_clock,
        )
        self._core = ProxyCore(node.endpoint, logic, ProxyOptions(own=frozenset({(node.mw.host, node.mw.port)})))
        self._expiry = Expiry(hss, self.removals, wall_clock, clock=lambda: driver.now)
        self._orders = OrderBook(hss, self.removals, wall_clock, due=driver.now)
        self.observers.add(self.notifier)
        self.observers.add(self._expiry)
        for source in (self._expiry, self._orders, self.notifier):
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
        """
        chosen = options or ScscfOptions()
        node = await Node.open(chosen.host, chosen.port, random_source=random_source, timers=chosen.timers)
        return cls(node, hss, trust=trust, options=chosen, wall_clock=wall_clock)

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
        """Stop listening, and end every connection."""
        await self.node.close()


def _trusts_none(_: Flow) -> bool:
    return False
