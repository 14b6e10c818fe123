"""Events of a client's connection and registrations: small values, in the past tense."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from wic.registration import Deregistered, IdentitiesChanged, Refreshed, Registered

if TYPE_CHECKING:
    from wic.errors import WicError
    from wic.sip.uri import Uri

__all__ = [
    "ClientEvent",
    "ConnectionLost",
    "ConnectionRestored",
    "Deregistered",
    "IdentitiesChanged",
    "Refreshed",
    "Registered",
    "RegistrationLost",
]


@dataclass(frozen=True, slots=True)
class RegistrationLost:
    """A public identity is not registered any more, or not for now."""

    impu: Uri
    error: WicError
    final: bool
    """Whether the client does not try again by itself."""
    next_try: float | None = None
    """Seconds from now; None if it comes with another connection, or not at all."""


@dataclass(frozen=True, slots=True)
class ConnectionLost:
    """The connection to the server ended; calls go on, and so does the search for a connection."""

    server: str
    error: WicError
    next_try: float | None
    """Seconds from now; None if no other connection is looked for."""


@dataclass(frozen=True, slots=True)
class ConnectionRestored:
    """The user is registered over a new connection, and calls use it."""

    server: str


ClientEvent: TypeAlias = (
    Registered | Refreshed | RegistrationLost | Deregistered | ConnectionLost | ConnectionRestored | IdentitiesChanged
)
