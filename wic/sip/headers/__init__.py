"""Typed values of SIP header fields, one kind a file."""

from wic.sip.headers.address import NameAddr
from wic.sip.headers.auth import AuthValue
from wic.sip.headers.cseq import CSeq
from wic.sip.headers.event import Event
from wic.sip.headers.media_type import MediaType
from wic.sip.headers.reason import Reason
from wic.sip.headers.retry_after import RetryAfter
from wic.sip.headers.subscription_state import SubscriptionState
from wic.sip.headers.via import Via

__all__ = ["AuthValue", "CSeq", "Event", "MediaType", "NameAddr", "Reason", "RetryAfter", "SubscriptionState", "Via"]
