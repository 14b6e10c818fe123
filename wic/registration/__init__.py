"""Registration without I/O: bindings made, kept and removed."""

from wic.registration.binding import Binding, read_binding
from wic.registration.events import (
    BindingCreated,
    BindingLost,
    BindingRefreshed,
    BindingRemoved,
    RegisterFailed,
    RegistrationEvent,
)
from wic.registration.identity import MMTEL, Identity, parse_impu, websocket_contact
from wic.registration.registration import Registration, RegistrationOptions, RegistrationState

__all__ = [
    "MMTEL",
    "Binding",
    "BindingCreated",
    "BindingLost",
    "BindingRefreshed",
    "BindingRemoved",
    "Identity",
    "RegisterFailed",
    "Registration",
    "RegistrationEvent",
    "RegistrationOptions",
    "RegistrationState",
    "parse_impu",
    "read_binding",
    "websocket_contact",
]
