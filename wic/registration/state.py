"""Where a registration stands."""

from __future__ import annotations

from enum import Enum


class RegistrationState(Enum):
    """States of a `Registration`."""

    UNREGISTERED = "not registered"
    REGISTERING = "an initial REGISTER is on its way"
    REGISTERED = "registered"
    REFRESHING = "registered, and another REGISTER is on its way"
    SUSPENDED = "registered, but the flow is lost or the registrar does not renew the binding for now"
    WAITING = "not registered, and about to try again"
    REMOVING = "a REGISTER with expires 0 is on its way"

    def __str__(self) -> str:
        return self.name

    @property
    def pending(self) -> bool:
        """Whether a REGISTER is on its way (TS 24.229 §5.1.1.2.1: one at a time)."""
        return self in (RegistrationState.REGISTERING, RegistrationState.REFRESHING, RegistrationState.REMOVING)
