"""States of a call, and the tables of its two machines: one for each side of the INVITE.

A call has one end for its user and a later one for the network: `Failed` or `Ended` is told at once, `Released` follows
when nothing more will be sent. In between lie the 487 after a CANCEL, the 200 that crossed it and gets ACK and BYE, the
ACK that a BYE has to wait for (RFC 3261 §15), and the answer to a BYE; each of them ends by an answer, a timer or the end
of the flow, so that every state leads to ENDED.
"""

from __future__ import annotations

from enum import Enum
from typing import Final

from wic.sip.state_table import StateTable


class CallState(Enum):
    """State of a call."""

    CALLING = "calling"
    """Outgoing: INVITE sent, no response but perhaps 100."""
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
    """Over; nothing more will be sent or told."""


class CallInput(Enum):
    """Input of a call's machine."""

    PROGRESS = "1xx above 100"
    CANCEL = "hang up before an answer"
    ANSWERED = "2xx with a usable answer"
    RING = "send 180"
    ACCEPT = "send 2xx"
    ACKED = "ACK"
    BYE = "send BYE"
    OVER = "refusal, BYE of the peer, answer to BYE, time-out, or end of the flow"


_S, _I = CallState, CallInput

OUTGOING_CALL: Final = StateTable(
    name="Outgoing call",
    clause="RFC 3261 §13.2, §9.1, §15.1.1",
    initial=CallState.CALLING,
    final=CallState.ENDED,
    rows={
        (_S.CALLING, _I.PROGRESS): CallState.PROCEEDING,
        (_S.CALLING, _I.ANSWERED): CallState.CONFIRMED,
        (_S.CALLING, _I.CANCEL): CallState.CANCELLING,
        (_S.CALLING, _I.BYE): CallState.ENDING,  # of a 2xx that cannot be used
        (_S.CALLING, _I.OVER): CallState.ENDED,
        (_S.PROCEEDING, _I.ANSWERED): CallState.CONFIRMED,
        (_S.PROCEEDING, _I.CANCEL): CallState.CANCELLING,
        (_S.PROCEEDING, _I.BYE): CallState.ENDING,
        (_S.PROCEEDING, _I.OVER): CallState.ENDED,
        (_S.CANCELLING, _I.BYE): CallState.ENDING,  # a 2xx crossed the CANCEL
        (_S.CANCELLING, _I.OVER): CallState.ENDED,
        (_S.CONFIRMED, _I.BYE): CallState.ENDING,
        (_S.CONFIRMED, _I.OVER): CallState.ENDED,
        (_S.ENDING, _I.OVER): CallState.ENDED,
    },
)

INCOMING_CALL: Final = StateTable(
    name="Incoming call",
    clause="RFC 3261 §13.3, §15.1.2",
    initial=CallState.OFFERED,
    final=CallState.ENDED,
    rows={
        (_S.OFFERED, _I.RING): CallState.RINGING,
        (_S.OFFERED, _I.ACCEPT): CallState.ACCEPTED,
        (_S.OFFERED, _I.OVER): CallState.ENDED,
        (_S.RINGING, _I.ACCEPT): CallState.ACCEPTED,
        (_S.RINGING, _I.OVER): CallState.ENDED,
        (_S.ACCEPTED, _I.ACKED): CallState.CONFIRMED,
        (_S.ACCEPTED, _I.BYE): CallState.ENDING,
        (_S.ACCEPTED, _I.OVER): CallState.ENDED,
        (_S.CONFIRMED, _I.BYE): CallState.ENDING,
        (_S.CONFIRMED, _I.OVER): CallState.ENDED,
        (_S.ENDING, _I.OVER): CallState.ENDED,
    },
)
"""Tables of a call. An input without a row does not occur in that state: it is a mistake in this package."""
