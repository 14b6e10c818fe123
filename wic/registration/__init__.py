"""Registration without I/O: bindings made, kept and removed."""

from wic.registration.backoff import Backoff, BackoffOptions
from wic.registration.binding import Binding, read_binding
from wic.registration.events import (
    BindingCreated,
    BindingLost,
    BindingRefreshed,
    BindingRemoved,
    BindingSuspended,
    RegisterFailed,
    RegistrationEvent,
)
from wic.registration.identity import MMTEL, Identity, parse_impu, websocket_contact
from wic.registration.implicit_set import ImplicitSet
from wic.registration.options import RegistrationOptions
from wic.registration.registration import Registration
from wic.registration.registrations import Registrations
from wic.registration.state import RegistrationState

__all__ = [
    "MMTEL",
    "Backoff",
    "BackoffOptions",
    "Binding",
    "BindingCreated",
    "BindingLost",
    "BindingRefreshed",
    "BindingRemoved",
    "BindingSuspended",
    "Identity",
    "ImplicitSet",
    "RegisterFailed",
    "Registration",
    "RegistrationEvent",
    "RegistrationOptions",
    "RegistrationState",
    "Registrations",
    "parse_impu",
    "read_binding",
    "websocket_contact",
]
