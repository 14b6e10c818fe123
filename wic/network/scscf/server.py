"""The S-CSCF as a running entity."""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from wic.auth.server import DigestVerifier
from wic.network.hss import ALGORITHMS
from wic.network.node import Node
from wic.network.scscf.options import RegistrarOptions
from wic.network.scscf.registrar import Registrar
from wic.network.scscf.routing import ORIGINATING, ScscfLogic, Trust
from wic.sip.proxy import ProxyCore, ProxyOptions
from wic.sip.timers import RFC3261, Timers
from wic.transport.tokens import RandomTokens

if TYPE_CHECKING:
    from collections.abc import Callable

    from wic.network.hss import Hss
    from wic.sip.events import Event
    from wic.sip.flow import Flow
    from wic.sip.tokens import Tokens


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
    timers: Timers = RFC3261
    """SIP timers."""


class Scscf:
    """S-CSCF and registrar.

    Args:
        hss: subscribers and bindings.
        trust: tells flows of this network's eP-CSCFs; None trusts nobody.
        options: how it runs.
        tokens: source of branches and nonces.
        wall_clock: seconds of the epoch, in which bindings end.
    """

    def __init__(
        self,
        hss: Hss,
        *,
        trust: Trust | None = None,
        options: ScscfOptions | None = None,
        tokens: Tokens | None = None,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self._hss = hss
        self._trust = trust or _nobody
        self._options = options or ScscfOptions()
        self._wall_clock = wall_clock
        self.node = Node(tokens or RandomTokens(), self._handle, self._options.timers)

    async def start(self) -> None:
        """Listen on Mw.

        Raises:
            ConfigurationError: the port is taken, or the address is not of this machine.
        """
        options = self._options
        await self.node.listen(options.host, options.port)
        verifier = DigestVerifier(
            options.domain, key=secrets.token_bytes(32), tokens=self.node.tokens, algorithms=options.algorithms
        )
        registrar = Registrar(self._hss, verifier, self.node.mw.uri(ORIGINATING), options.registrar)
        logic = ScscfLogic(
            self.node, self._hss, registrar, options.domain, trust=self._trust, wall_clock=self._wall_clock
        )
        own = ProxyOptions(own=frozenset({(self.node.mw.host, self.node.mw.port)}))
        self._core = ProxyCore(self.node.endpoint, logic, own)
        self._expiry = _Expiry(self._hss, self._wall_clock, due=self.node.driver.now)
        self.node.driver.add_timer_source(self._expiry)

    def _handle(self, event: Event) -> None:
        self._core.handle(event, now=self.node.driver.now)

    async def close(self) -> None:
        """Stop."""
        await self.node.close()


class _Expiry:
    """Removes bindings whose time is over; a timer source of the driver.

    The HSS may be changed by another process, so it is looked at again after a minute at most.
    """

    def __init__(self, hss: Hss, wall_clock: Callable[[], float], *, due: float) -> None:
        self._hss = hss
        self._wall_clock = wall_clock
        self._due = due

    def next_timeout(self) -> float | None:
        return self._due

    def handle_timeout(self, *, now: float) -> None:
        wall = self._wall_clock()
        self._hss.expire(now=wall)
        following = self._hss.next_expiry()
        self._due = now + (60.0 if following is None else min(60.0, max(0.1, following - wall)))


def _nobody(_: Flow) -> bool:
    return False
