"""One REGISTER, as far as authentication has to know it, and which scheme it falls under (TS 33.203 Annex P)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Protocol

from wic.auth.aka import find_aka_algorithm

if TYPE_CHECKING:
    from wic.network.hss import Hss, PublicIdentity, StoredBinding, SubscriberProfile
    from wic.sip.message import Request
    from wic.sip.params import Params


class Protection(Enum):
    """What `integrity-protected` says, from an eP-CSCF that is to be believed (TS 24.229 §7.2A.2)."""

    NONE = "nothing protects it"
    ASSOCIATION = "a TLS association: the user proved its identity on this connection before"
    CONNECTED = "a TLS connection that nobody has proved an identity on, as far as is known"
    DONE = "the eP-CSCF has authenticated the user itself"


_PROTECTION = {
    "tls-yes": Protection.ASSOCIATION,  # TS 24.229 §7.2A.2
    "tls-protected": Protection.ASSOCIATION,  # TS 24.371 §6.4.1.2
    "tls-connected": Protection.CONNECTED,
    "auth-done": Protection.DONE,
}
"""Other values, `tls-pending` among them, need a proof like a request without any."""


def read_protection(credentials: Params | None, *, trusted: bool) -> Protection:
    """Return what the sender of a REGISTER says about its protection; nothing if it is not to be believed."""
    value = credentials.get("integrity-protected") if trusted and credentials is not None else None
    return _PROTECTION.get(value or "", Protection.NONE)


class Scheme(Enum):
    """How a subscriber proves its identity."""

    DIGEST = "SIP Digest"
    AKA = "IMS AKA"
    TRUSTED_NODE = "trusted-node authentication"


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """A REGISTER of a subscriber."""

    request: Request
    credentials: Params | None
    """Of Digest, for our realm: those that a scheme checks."""
    protection: Protection
    subscriber: SubscriberProfile
    identity: PublicIdentity
    """Which of its public identities is to be registered."""
    bindings: tuple[StoredBinding, ...]
    """Those of the implicit registration set that the identity belongs to."""
    now: float
    """Seconds of the epoch."""
    source: str = ""
    """The connection of a WIC, as its eP-CSCF calls it in Path; for all who come past an eP-CSCF the same."""

    @property
    def algorithm(self) -> str | None:
        """What the UE asks for, or answers with."""
        return None if self.credentials is None else self.credentials.get("algorithm")

    def needs_proof(self, every: int | None) -> bool:
        """Tell whether the subscriber has to prove anew who it is, although it is registered.

        Args:
            every: challenge every Nth REGISTER; None leaves it to orders of the operator.
        """
        own = [binding for binding in self.bindings if binding.call_id == self.request.call_id] or self.bindings
        return any(binding.prove or (every is not None and binding.unproved + 1 >= every) for binding in own)

    def may_go_unproved(self, every: int | None) -> bool:
        """Tell whether the TLS association stands for a proof (TS 24.229 §5.4.1.2.2)."""
        return self.protection is Protection.ASSOCIATION and bool(self.bindings) and not self.needs_proof(every)


@dataclass(frozen=True, slots=True)
class Passed:
    """The subscriber is who it says."""

    proved: bool = True
    """Whether this REGISTER proves it, or only an earlier one."""
    authentication_info: str | None = None
    """Value of Authentication-Info for the 200."""


class Authentication(Protocol):
    """One scheme."""

    def authenticate(self, attempt: Attempt) -> Passed:
        """Check who sends a REGISTER.

        Raises:
            Refused: it has to be proved first (401), or cannot be (403).
        """
        ...


def choose_scheme(attempt: Attempt, hss: Hss) -> Scheme | None:
    """Return the scheme for a REGISTER; None if the subscriber has no credentials for any."""
    if attempt.protection is Protection.DONE:
        return Scheme.TRUSTED_NODE
    impi = attempt.subscriber.impi
    has_password = bool(hss.algorithms(impi))
    asks_for_aka = attempt.protection is Protection.CONNECTED or find_aka_algorithm(attempt.algorithm) is not None
    if (asks_for_aka or not has_password) and hss.has_usim(impi):
        return Scheme.AKA
    return Scheme.DIGEST if has_password else None
