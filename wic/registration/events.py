"""Events of registrations: small values, in the past tense.

`Registration` tells of one identity, `RegistrationAgent` of all identities of a user. `wic.client` passes on to the user
what is news to the user as it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, TypeAlias

from wic.registration.recovery import Failure

if TYPE_CHECKING:
    from wic.errors import WicError
    from wic.registration.binding import Binding
    from wic.registration.identities import Identities
    from wic.sip.uri import Uri


@dataclass(frozen=True, slots=True)
class Registered:
    """A public identity is registered, for the first time or again after it was lost."""

    impu: Uri
    binding: Binding


@dataclass(frozen=True, slots=True)
class Refreshed:
    """A registration goes on; the registrar may have changed what it grants."""

    impu: Uri
    binding: Binding
    anew: bool = False
    """Whether it had to begin anew, by an initial REGISTER; what went along with it at the registrar is gone."""


@dataclass(frozen=True, slots=True)
class Deregistered:
    """A public identity was deregistered by this side."""

    impu: Uri
    error: WicError | None = None
    """Reason why it is not confirmed; the network then keeps the registration until that ends by itself."""


@dataclass(frozen=True, slots=True)
class RegistrationFailure(Failure):
    """A registration was not made, or not renewed, or is gone."""

    impu: Uri
    loses_binding: ClassVar[bool] = False
    """Whether there was a binding, and is none any more."""
    keeps_binding: ClassVar[bool] = False
    """Whether there still is a binding."""

    @property
    def retry_after(self) -> float | None:
        """Seconds after which the registration tries again by itself, over the flow it has; None = it does not."""
        return self.recovery.after


@dataclass(frozen=True, slots=True)
class RegisterFailed(RegistrationFailure):
    """The user could not be registered."""


@dataclass(frozen=True, slots=True)
class BindingSuspended(RegistrationFailure):
    """The flow was lost, or the binding cannot be renewed for now.

    The registrar keeps the binding until it expires, so that sessions may go on; `Registration.register` over a new
    flow takes it along. If nothing helps in time, `BindingLost` follows.
    """

    binding: Binding
    keeps_binding: ClassVar[bool] = True


@dataclass(frozen=True, slots=True)
class BindingLost(RegistrationFailure):
    """The user was registered and is not, or cannot be sure to be."""

    loses_binding: ClassVar[bool] = True


@dataclass(frozen=True, slots=True)
class IdentitiesChanged:
    """The network registers other public identities than before."""

    identities: Identities


@dataclass(frozen=True, slots=True)
class DepartureEnded:
    """The network has said its last word on an identity that left, or on the subscription to its state."""


RegistrationEvent: TypeAlias = Registered | Refreshed | Deregistered | RegistrationFailure
"""Event of a `Registration`."""
AgentEvent: TypeAlias = RegistrationEvent | IdentitiesChanged | DepartureEnded
"""Event of a `RegistrationAgent`."""
