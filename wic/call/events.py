"""Events of a call session: small values, in the past tense."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from wic.call.agreement import Agreement
    from wic.errors import CallFailed, TokenRefused
    from wic.sdp.description import SessionDescription


class CallEndedBy(Enum):
    """Author of the end of a call."""

    LOCAL = "local"
    """This side."""
    REMOTE = "remote"
    """The other side."""
    NETWORK = "network"
    """Neither side: a time-out, a lost connection, a broken answer."""


@dataclass(frozen=True, slots=True)
class Progressed:
    """A provisional response above 100 came for an outgoing call."""

    status: int
    reason: str
    early_answer: SessionDescription | None
    """The answer of this early dialog, if its SDP has come (RFC 3261 §13.2.1: it will not change)."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """A 2xx came for an outgoing call, with a usable answer; the ACK is on its way."""

    agreement: Agreement


@dataclass(frozen=True, slots=True)
class Confirmed:
    """The ACK came for an incoming call that this side answered."""

    agreement: Agreement


@dataclass(frozen=True, slots=True)
class Modified:
    """The peer changed the session by re-INVITE or UPDATE, and the change holds now."""

    agreement: Agreement


@dataclass(frozen=True, slots=True)
class TokenWanted:
    """The network does not accept the access token of an INVITE; the call waits for `repeat` or `give_up`."""

    error: TokenRefused


@dataclass(frozen=True, slots=True)
class Failed:
    """The call ended before it was established."""

    error: CallFailed


@dataclass(frozen=True, slots=True)
class Ended:
    """An established call ended."""

    by: CallEndedBy
    reason: str
    """The cause, as a text for the user."""
    error: CallFailed | None = None
    """Set when it ended by a fault, not by a user who hung up."""


@dataclass(frozen=True, slots=True)
class Released:
    """Nothing more will be sent for the call; always the last event."""


CallEvent: TypeAlias = Progressed | Accepted | Confirmed | Modified | TokenWanted | Failed | Ended | Released
