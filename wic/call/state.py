"""The states of a call and the moves between them."""

from __future__ import annotations

from enum import Enum


class CallState(Enum):
    """Where a call is in its life."""

    CALLING = "calling"
    """Outgoing: INVITE sent, nothing heard but perhaps 100."""
    PROCEEDING = "proceeding"
    """Outgoing: a provisional response above 100 came."""
    CANCELLING = "cancelling"
    """Outgoing: given up here before an answer; the final response is still to come."""
    OFFERED = "offered"
    """Incoming: INVITE received, nothing decided."""
    RINGING = "ringing"
    """Incoming: 180 sent."""
    ACCEPTED = "accepted"
    """Incoming: 2xx sent, the ACK is still to come."""
    CONFIRMED = "confirmed"
    """Both sides know that the call is up."""
    ENDING = "ending"
    """BYE sent, its answer is still to come."""
    ENDED = "ended"
    """Over; nothing more will happen."""


_S = CallState

TRANSITIONS: dict[CallState, frozenset[CallState]] = {
    _S.CALLING: frozenset({_S.PROCEEDING, _S.CONFIRMED, _S.CANCELLING, _S.ENDING, _S.ENDED}),
    _S.PROCEEDING: frozenset({_S.CONFIRMED, _S.CANCELLING, _S.ENDING, _S.ENDED}),
    _S.CANCELLING: frozenset({_S.ENDING, _S.ENDED}),
    _S.OFFERED: frozenset({_S.RINGING, _S.ACCEPTED, _S.ENDED}),
    _S.RINGING: frozenset({_S.ACCEPTED, _S.ENDED}),
    _S.ACCEPTED: frozenset({_S.CONFIRMED, _S.ENDING, _S.ENDED}),
    _S.CONFIRMED: frozenset({_S.ENDING, _S.ENDED}),
    _S.ENDING: frozenset({_S.ENDED}),
    _S.ENDED: frozenset(),
}
"""The moves that exist; any other is a mistake in this package."""
