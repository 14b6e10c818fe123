"""Registration without I/O: bindings made, kept and removed, for one identity or for all of a user."""

from wic.registration.agent import RegistrationAgent
from wic.registration.backoff import Backoff, BackoffOptions, ConnectionBackoff
from wic.registration.binding import Binding, read_binding
from wic.registration.events import (
    AgentEvent,
    BindingLost,
    BindingSuspended,
    DepartureEnded,
    Deregistered,
    IdentitiesChanged,
    Refreshed,
    Registered,
    RegisterFailed,
    RegistrationEvent,
    RegistrationFailure,
)
from wic.registration.identities import NO_IDENTITIES, Identities
from wic.registration.identity import parse_impu
from wic.registration.implicit_set import ImplicitSet
from wic.registration.register_request import MMTEL, Identity, RegistrationOptions, websocket_contact
from wic.registration.registration import Registration
from wic.registration.servers import Servers
from wic.registration.tables import RegistrationState

__all__ = [
    "MMTEL",
    "NO_IDENTITIES",
    "AgentEvent",
    "Backoff",
    "BackoffOptions",
    "Binding",
    "BindingLost",
    "BindingSuspended",
    "ConnectionBackoff",
    "DepartureEnded",
    "Deregistered",
    "Identities",
    "IdentitiesChanged",
    "Identity",
    "ImplicitSet",
    "Refreshed",
    "RegisterFailed",
    "Registered",
    "Registration",
    "RegistrationAgent",
    "RegistrationEvent",
    "RegistrationFailure",
    "RegistrationOptions",
    "RegistrationState",
    "Servers",
    "parse_impu",
    "read_binding",
    "websocket_contact",
]
