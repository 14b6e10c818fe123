"""How to register."""

from __future__ import annotations

from dataclasses import dataclass

from wic.registration.terms import EXTENSIONS, Terms


@dataclass(frozen=True, kw_only=True, slots=True)
class RegistrationOptions:
    """Options of a `Registration`."""

    expires: int = 600000
    """Seconds to ask for (TS 24.229 §5.1.1.2.1)."""
    reg_id: int = 1
    """Number of this flow among those of the device (RFC 5626 §4.2)."""
    outbound: bool = True
    """Ask for several flows and recovery of flows; a registrar without it is told by 420 or 439 as well."""
    keep_alive: bool = True
    """Offer keep-alives by the Via parameter `keep` (RFC 6223 §4.3)."""
    user_agent: str | None = None
    longest_wait: float = 1800.0
    """Most seconds that a Retry-After can make this side wait (RFC 5626 §4.5: max-time)."""

    @property
    def terms(self) -> Terms:
        """What the first REGISTER asks for."""
        terms = Terms(self.expires, EXTENSIONS)
        return terms if self.outbound else terms.without(("outbound",))
