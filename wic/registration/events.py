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


@dataclass(frozen=True, slots=True)
class BindingRemoved:
    """The user is not registered any more, because this side wanted it so."""

    error: RegistrationFailed | AuthenticationFailed | None = None
    """Why the registrar did not confirm it; the binding then lasts until it expires."""


@dataclass(frozen=True, slots=True)
class BindingLost:
    """The user was registered and is not, or cannot be sure to be."""

    error: RegistrationFailed | AuthenticationFailed
    retry_after: float | None = None
    """Seconds after which the registration tries again by itself; None = it does not."""


@dataclass(frozen=True, slots=True)
class RegisterFailed:
    """The user could not be registered."""

    error: RegistrationFailed | AuthenticationFailed
    retry_after: float | None = None
    """Seconds after which the registration tries again by itself; None = it does not."""


RegistrationEvent: TypeAlias = BindingCreated | BindingRefreshed | BindingRemoved | BindingLost | RegisterFailed
