"""State machine of a registration (TS 24.229 §5.1.1), as a table.

A binding outlives the connection that it was made over: the registrar keeps it until it expires, and so does this side.
So a connection that ends suspends the binding, and a REGISTER over the next one renews it (RFC 5626 §4.3). One REGISTER
is on its way at a time (TS 24.229 §5.1.1.2.1): REGISTERING, REFRESHING and REMOVING wait for its answer, and a
deregistration that is wanted meanwhile waits with them.

`docs/design/state-machines.md` is drawn from this table.
"""

from __future__ import annotations

from typing import Final

from wic.sip.state_table import MachineEnum, StateTable


class RegistrationState(MachineEnum):
    """State of a `Registration`."""

    UNREGISTERED = "Unregistered"
    REGISTERING = "Registering"
    """An initial REGISTER is on its way."""
    REGISTERED = "Registered"
    REFRESHING = "Refreshing"
    """There is a binding, and a REGISTER that renews it is on its way."""
    SUSPENDED = "Suspended"
    """There is a binding, but the connection is lost, or the registrar does not renew the binding for now."""
    WAITING = "Waiting"
    """There is no binding; an initial REGISTER will be sent by itself."""
    REMOVING = "Removing"
    """A REGISTER with Expires 0 is on its way."""

    @property
    def pending(self) -> bool:
        """Whether a REGISTER is on its way (TS 24.229 §5.1.1.2.1: one at a time)."""
        return self in _PENDING


class RegistrationInput(MachineEnum):
    """Input of the machine of a `Registration`."""

    REGISTER = "send initial REGISTER"
    REFRESH = "send REGISTER"
    REMOVE = "send REGISTER, Expires 0"
    ACCEPTED = "2xx"
    SUSPENDED = "flow lost, or failure for now"
    BINDING_LOST = "expiry, or end by the network"
    """While a REGISTER is on its way."""
    DEFERRED = "failure or loss, to be tried again later"
    ENDED = "removal, refusal, or loss for good"


_S, _I = RegistrationState, RegistrationInput
_PENDING: Final = frozenset({_S.REGISTERING, _S.REFRESHING, _S.REMOVING})

REGISTRATION: Final = StateTable(
    name="Registration",
    clause="TS 24.229 §5.1.1",
    initial=_S.UNREGISTERED,
    final=_S.UNREGISTERED,
    rows={
        (_S.UNREGISTERED, _I.REGISTER): _S.REGISTERING,
        (_S.UNREGISTERED, _I.ENDED): _S.UNREGISTERED,
        (_S.REGISTERING, _I.REGISTER): _S.REGISTERING,
        (_S.REGISTERING, _I.ACCEPTED): _S.REGISTERED,
        (_S.REGISTERING, _I.REMOVE): _S.REMOVING,
        (_S.REGISTERING, _I.SUSPENDED): _S.SUSPENDED,
        (_S.REGISTERING, _I.BINDING_LOST): _S.REGISTERING,
        (_S.REGISTERING, _I.DEFERRED): _S.WAITING,
        (_S.REGISTERING, _I.ENDED): _S.UNREGISTERED,
        (_S.REGISTERED, _I.REFRESH): _S.REFRESHING,
        (_S.REGISTERED, _I.REGISTER): _S.REGISTERING,
        (_S.REGISTERED, _I.REMOVE): _S.REMOVING,
        (_S.REGISTERED, _I.SUSPENDED): _S.SUSPENDED,
        (_S.REGISTERED, _I.DEFERRED): _S.WAITING,
        (_S.REGISTERED, _I.ENDED): _S.UNREGISTERED,
        (_S.REFRESHING, _I.ACCEPTED): _S.REGISTERED,
        (_S.REFRESHING, _I.REGISTER): _S.REGISTERING,
        (_S.REFRESHING, _I.REMOVE): _S.REMOVING,
        (_S.REFRESHING, _I.SUSPENDED): _S.SUSPENDED,
        (_S.REFRESHING, _I.BINDING_LOST): _S.REGISTERING,
        (_S.REFRESHING, _I.ENDED): _S.UNREGISTERED,
        (_S.SUSPENDED, _I.REFRESH): _S.REFRESHING,
        (_S.SUSPENDED, _I.REGISTER): _S.REGISTERING,
        (_S.SUSPENDED, _I.REMOVE): _S.REMOVING,
        (_S.SUSPENDED, _I.SUSPENDED): _S.SUSPENDED,
        (_S.SUSPENDED, _I.DEFERRED): _S.WAITING,
        (_S.SUSPENDED, _I.ENDED): _S.UNREGISTERED,
        (_S.WAITING, _I.REGISTER): _S.REGISTERING,
        (_S.WAITING, _I.ENDED): _S.UNREGISTERED,
        (_S.REMOVING, _I.ENDED): _S.UNREGISTERED,
    },
)
