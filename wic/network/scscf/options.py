"""Options of the S-CSCF, its registrar and its reg-event notifier."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from wic.auth.aka import AKA_ALGORITHMS
from wic.network.hss import DIGEST_ALGORITHMS
from wic.option_checks import NumericOptions
from wic.sip.timers import RFC3261, Timers

if TYPE_CHECKING:
    from wic.network.peers import Peer
    from wic.sip.flow import Address


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistrarOptions(NumericOptions):
    """Limits and demands of a registrar; times in seconds."""

    may_be_zero: ClassVar = ("min_expires", "probe_within", "probe_again", "answer_within")
    min_expires: int = 60
    """Shorter registrations get 423, unless a trusted node asks for them: a token may have less time left."""
    max_expires: int = 600_000
    """Longest registration, and the one for a REGISTER without a time (TS 24.229 §5.1.1.2.1)."""
    max_bindings: int = 16
    """Bindings of one implicit registration set at a time; for another one the oldest that leads to no UE gives way."""
    probe_within: float = 3.0
    """Time in which a registered UE has to show that it is there when another one needs its place."""
    probe_again: float = 10.0
    """Time for which what the UEs showed counts for further ones that need a place, before they are asked once more."""
    challenge_every: int | None = None
    """Challenge every Nth REGISTER of a registered UE; 1 challenges every one, None only those that an operator's command
    demands, or that neither a TLS association nor an answer to the last challenge protects."""
    answer_within: float = 240.0
    """Time in which a challenge of AKA has to be answered: the timer reg-await-auth (TS 24.229 §7.8)."""
    aka_algorithms: tuple[str, ...] = tuple(algorithm.name for algorithm in AKA_ALGORITHMS)
    """Those a UE may ask for; one that asks for another gets AKAv1-MD5."""
    refuse_unknown_algorithms: bool = False
    """Whether a UE that asks for another algorithm gets 403 instead."""
    barred_entities: tuple[str, ...] = ()
    """Authorization entities (WAFs of third parties) that may vouch for no subscriber (TS 24.371 §A.3.2 step 6)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RegEventNotifierOptions(NumericOptions):
    """Limits of the reg-event notifier; times in seconds."""

    may_be_zero: ClassVar = ("min_expires", "interval")
    min_expires: int = 60
    """Shorter subscriptions get 423."""
    max_expires: int = 600_000
    """Longest subscription."""
    interval: float = 5.0
    """Between two NOTIFYs of one subscription, unless the second reports an end (RFC 3680 §4)."""
    max_subscriptions: int = 16
    """Of one watcher to one registration; another one ends the oldest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScscfOptions(NumericOptions):
    """Addresses, algorithms and limits of an S-CSCF."""

    domain: str = "ims.example"
    """Home domain; the realm of its challenges as well."""
    host: str = "127.0.0.1"
    """Address on Mw."""
    port: int = 0
    """Port on Mw; 0 takes a free one."""
    edges: tuple[Address, ...] = ()
    """Addresses on Mw of this network's eP-CSCFs, as far as they are known before these run."""
    peers: tuple[Peer, ...] = ()
    """Other networks that requests may go to; their addresses are IP addresses."""
    algorithms: tuple[str, ...] = DIGEST_ALGORITHMS
    """Digest algorithms to challenge with, most preferred first (RFC 8760 §2.3)."""
    services: tuple[str, ...] = (
        "urn:urn-7:3gpp-service.ims.icsi.mmtel",
        "urn:urn-7:3gpp-service.ims.icsi.mcvideo",
    )
    """Services that every subscriber has, with their parts: those that a UE may have asserted (RFC 6050)."""
    registrar: RegistrarOptions = field(default_factory=RegistrarOptions)
    reg_event: RegEventNotifierOptions = field(default_factory=RegEventNotifierOptions)
    timers: Timers = RFC3261
    """SIP timers."""
