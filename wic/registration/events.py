"""What a `Registration` tells: small values, in the past tense."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from wic.errors import AuthenticationFailed, RegistrationFailed
    from wic.registration.binding import Binding


@dataclass(frozen=True, slots=True)
class BindingCreated:
    """The user is registered."""

    binding: Binding


@dataclass(frozen=True, slots=True)
class BindingRefreshed:
    """The registration goes on; routes and identities may have changed."""

    binding: Binding
    anew: bool = False
    """Whether it had to begin anew, by an initial REGISTER; what went along with it at the registrar is gone."""


@dataclass(frozen=True, slots=True)
class BindingRemoved:
    """The user is not registered any more, because this side wanted it so."""

    error: RegistrationFailed | AuthenticationFailed | None = None
    """Why the registrar did not confirm it; the binding then lasts until it expires."""


@dataclass(frozen=True, slots=True)
class BindingSuspended:
    """The flow was lost, or the binding cannot be renewed for now.

    The registrar keeps the binding until it expires, so that sessions may go on; `Registration.register` over a new
    flow takes it along. If nothing helps in time, `BindingLost` follows.
    """

    binding: Binding
    error: RegistrationFailed | AuthenticationFailed
    retry_after: float | None = None
    """Seconds after which the registration tries again by itself, over the flow it has; None = it does not."""
    next_server: bool = False
    """Whether another eP-CSCF should be tried."""


@dataclass(frozen=True, slots=True)
class BindingLost:
    """The user was registered and is not, or cannot be sure to be."""

    error: RegistrationFailed | AuthenticationFailed
    retry_after: float | None = None
    """Seconds after which the registration tries again by itself, over the flow it has; None = it does not."""
    next_server: bool = False
    """Whether another eP-CSCF should be tried."""


@dataclass(frozen=True, slots=True)
class RegisterFailed:
    """The user could not be registered."""

    error: RegistrationFailed | AuthenticationFailed
    retry_after: float | None = None
    """Seconds after which the registration tries again by itself, over the flow it has; None = it does not."""
    next_server: bool = False
    """Whether another eP-CSCF should be tried."""


RegistrationEvent: TypeAlias = (
    BindingCreated | BindingRefreshed | BindingRemoved | BindingSuspended | BindingLost | RegisterFailed
)
