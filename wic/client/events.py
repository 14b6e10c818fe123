"""What a client tells of its way to the network: small values, in the past tense."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from wic.client.identities import Identities
    from wic.errors import WicError
    from wic.registration import Binding
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
class Registered:
    """A public identity is registered, for the first time or again after it was lost."""

    impu: Uri
    binding: Binding


@dataclass(frozen=True, slots=True)
class Refreshed:
    """A registration goes on; the registrar may have changed what it grants."""

    impu: Uri
    binding: Binding


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
class Deregistered:
    """A public identity was deregistered by this side."""

    impu: Uri
    error: WicError | None = None
    """Why the network did not confirm it; it then keeps the registration until that ends by itself."""


@dataclass(frozen=True, slots=True)
class ConnectionLost:
    """The connection to the server ended; calls go on, and so does what looks for a connection."""

    server: str
    error: WicError
    next_try: float | None
    """Seconds from now; None if no other connection is looked for."""


@dataclass(frozen=True, slots=True)
class ConnectionRestored:
    """The user is registered over a new connection, and calls use it."""

    server: str


@dataclass(frozen=True, slots=True)
class IdentitiesChanged:
    """The network registers other public identities than before."""

    identities: Identities


ClientEvent: TypeAlias = (
    Registered | Refreshed | RegistrationLost | Deregistered | ConnectionLost | ConnectionRestored | IdentitiesChanged
)
