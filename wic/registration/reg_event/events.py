"""Events of a `RegEventSubscription`: small values, in the past tense."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from wic.errors import AuthenticationFailed
    from wic.sip.subscription.events import SubscriptionFailed
    from wic.sip.uri import Uri


class Termination(Enum):
    """Reason for the end of the registration of our contact (RFC 3680 §4.7.1, TS 24.229 §5.1.1.7)."""

    DEACTIVATED = "deactivated"
    """Register anew, at once."""
    PROBATION = "probation"
    """Register anew after a while."""
    REJECTED = "rejected"
    """Do not come back."""
    UNREGISTERED = "unregistered"
    EXPIRED = "expired"
    REPLACED = "another client has registered as the same device (instance)"
    """Do not come back: its binding took the place of ours (RFC 5626 §6), and would be replaced in turn."""


@dataclass(frozen=True, slots=True)
class RegEventActive:
    """The subscription is active: the network reports changes of the registration from now on."""


@dataclass(frozen=True, slots=True)
class RegEventFailed:
    """The subscription could not be made, or has ended: the network reports no changes."""

    error: SubscriptionFailed | AuthenticationFailed | None
    """The fault; None where the network ended the subscription."""
    reason: str | None = None
    """The network's reason for its end (RFC 6665 §4.1.3)."""
    retry_after: float | None = None
    """Seconds after which it is tried again by itself; None = it is not."""


@dataclass(frozen=True, slots=True)
class RegistrationTerminated:
    """Our contact is not registered any more for some identities."""

    reason: Termination
    retry_after: float | None
    """Seconds to wait before another REGISTER; for `probation` only."""
    aors: tuple[Uri, ...]
    """The public user identities concerned."""
    last: bool
    """Whether none is left for this contact."""


@dataclass(frozen=True, slots=True)
class RegistrationShortened:
    """The network wants us to authenticate again, and has shortened the registration (TS 24.229 §5.1.1.5A)."""

    expires: int
    """Seconds that are left; the REGISTER is due after half of them."""


@dataclass(frozen=True, slots=True)
class RegisteredIdentity:
    """A public user identity that our contact is registered for."""

    uri: Uri
    public_gruu: Uri | None = None
    temporary_gruu: Uri | None = None
    implicit: bool = False
    """Registered along with another one, without a REGISTER of its own."""


@dataclass(frozen=True, slots=True)
class IdentitiesReported:
    """The identities of our contact, or their GRUUs, are others than before."""

    identities: tuple[RegisteredIdentity, ...]
    """All of them, in the network's order."""


RegEventEvent: TypeAlias = (
    RegEventActive | RegEventFailed | RegistrationTerminated | RegistrationShortened | IdentitiesReported
)
