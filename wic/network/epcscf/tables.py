"""State machines of the eP-CSCF, as tables: a registered UE, and one of its call legs.

An input that has no row in a state changes nothing. `docs/design/state-machines.md` is drawn from these tables.
"""

from __future__ import annotations

from enum import Enum
from typing import Final

from wic.sip.state_table import StateTable


class UeState(Enum):
    """State of a UE at the eP-CSCF."""

    REGISTERED = "Registered"
    DEREGISTERED = "Deregistered"
    """Nothing is registered any more. Its connection stands, and its calls and subscriptions may go on."""
    ABSENT = "Absent"
    """Its connection is lost. Dialogs and confirmed calls wait for it to come back over another one."""
    GONE = "Gone"


class UeInput(Enum):
    """Input of the UE's machine."""

    REGISTERED = "200 to REGISTER"
    DEREGISTERED = "last registration ended or expired"
    LOST = "connection lost, to be recognised by instance and reg-id"
    DROPPED = "connection lost, not to be recognised"
    GRACE_OVER = "grace over"
    MERGED = "another UE of the user takes over"
    FINISHED = "last call and last dialog over"


UE: Final = StateTable(
    name="UE at the eP-CSCF",
    clause="TS 24.371 §6.4, TS 24.229 §5.2.2, §5.2.5, RFC 5626 §6",
    initial=UeState.REGISTERED,
    final=UeState.GONE,
    rows={
        (UeState.REGISTERED, UeInput.REGISTERED): UeState.REGISTERED,
        (UeState.REGISTERED, UeInput.DEREGISTERED): UeState.DEREGISTERED,
        (UeState.REGISTERED, UeInput.LOST): UeState.ABSENT,
        (UeState.REGISTERED, UeInput.DROPPED): UeState.GONE,
        (UeState.REGISTERED, UeInput.MERGED): UeState.GONE,
        (UeState.DEREGISTERED, UeInput.REGISTERED): UeState.REGISTERED,
        (UeState.DEREGISTERED, UeInput.DROPPED): UeState.GONE,
        (UeState.DEREGISTERED, UeInput.FINISHED): UeState.GONE,
        (UeState.ABSENT, UeInput.REGISTERED): UeState.REGISTERED,
        (UeState.ABSENT, UeInput.GRACE_OVER): UeState.GONE,
        (UeState.ABSENT, UeInput.MERGED): UeState.GONE,
    },
)


class LegState(Enum):
    """State of a call leg."""

    EARLY = "Early"
    """The INVITE has no final response."""
    ANSWERED = "Answered"
    """A 2xx has passed, its ACK has not."""
    CONFIRMED = "Confirmed"
    ENDED = "Ended"


class LegInput(Enum):
    """Input of the leg's machine."""

    SUCCESS = "2xx to the INVITE"
    ACK = "ACK of the 2xx"
    END = "BYE, refusal, or release by the eP-CSCF"


LEG: Final = StateTable(
    name="Call leg at the eP-CSCF",
    clause="RFC 3261 §13, TS 24.229 §5.2.8.1",
    initial=LegState.EARLY,
    final=LegState.ENDED,
    rows={
        (LegState.EARLY, LegInput.SUCCESS): LegState.ANSWERED,
        (LegState.EARLY, LegInput.END): LegState.ENDED,
        (LegState.ANSWERED, LegInput.ACK): LegState.CONFIRMED,
        (LegState.ANSWERED, LegInput.END): LegState.ENDED,
        (LegState.CONFIRMED, LegInput.END): LegState.ENDED,
    },
)
