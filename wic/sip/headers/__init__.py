"""Header fields of SIP messages: the multimap of a message, and the typed values that are read from it."""

from wic.sip.headers.address import NameAddr
from wic.sip.headers.auth import AuthValue, UnreadableAuth
from wic.sip.headers.fields import Headers
from wic.sip.headers.values import CSeq, EventType, MediaType, Reason, RetryAfter, SubscriptionState
from wic.sip.headers.via import Via

__all__ = [
    "AuthValue",
    "CSeq",
    "EventType",
    "Headers",
    "MediaType",
    "NameAddr",
    "Reason",
    "RetryAfter",
    "SubscriptionState",
    "UnreadableAuth",
    "Via",
]
