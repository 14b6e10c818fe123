"""The INVITE session as a usage of SIP, without I/O (TS 24.371 §7)."""

from wic.call.agreement import Agreement
from wic.call.errors import CallRedirected, EmergencyCallRefused
from wic.call.events import (
    Accepted,
    CallEndedBy,
    CallEvent,
    Confirmed,
    Ended,
    Failed,
    Modified,
    Progressed,
    Released,
    TokenWanted,
)
from wic.call.in_dialog import options_headers
from wic.call.incoming import IncomingCall, receive_call
from wic.call.outgoing import OutgoingCall
from wic.call.profile import ALLOWED, SUPPORTED, CallProfile
from wic.call.session import CallSession
from wic.call.state import CallState

__all__ = [
    "ALLOWED",
    "SUPPORTED",
    "Accepted",
    "Agreement",
    "CallEndedBy",
    "CallEvent",
    "CallProfile",
    "CallRedirected",
    "CallSession",
    "CallState",
    "Confirmed",
    "EmergencyCallRefused",
    "Ended",
    "Failed",
    "IncomingCall",
    "Modified",
    "OutgoingCall",
    "Progressed",
    "Released",
    "TokenWanted",
    "options_headers",
    "receive_call",
]
