"""The asyncio face of a WIC: Client and Call."""

from wic.accounts import Account, AuthScheme
from wic.client.call import Call
from wic.client.call_stats import CallOutcome, CallReport, ChannelReport, MediaReport
from wic.client.client import Client
from wic.client.options import ClientOptions

__all__ = [
    "Account",
    "AuthScheme",
    "Call",
    "CallOutcome",
    "CallReport",
    "ChannelReport",
    "Client",
    "ClientOptions",
    "MediaReport",
]
