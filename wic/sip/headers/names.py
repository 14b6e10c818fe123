"""Names of header fields: one key for all spellings of a name, and the spelling that goes out."""

from __future__ import annotations

from typing import Final

from wic.sip.grammar import is_token

COMPACT: Final = {
    "a": "accept-contact",  # RFC 3841
    "b": "referred-by",  # RFC 3892
    "c": "content-type",
    "d": "request-disposition",  # RFC 3841
    "e": "content-encoding",
    "f": "from",
    "i": "call-id",
    "j": "reject-contact",  # RFC 3841
    "k": "supported",
    "l": "content-length",
    "m": "contact",
    "n": "identity-info",  # RFC 4474
    "o": "event",  # RFC 6665
    "r": "refer-to",  # RFC 3515
    "s": "subject",
    "t": "to",
    "u": "allow-events",  # RFC 6665
    "v": "via",
    "x": "session-expires",  # RFC 4028
    "y": "identity",  # RFC 8224
}
"""The compact forms of RFC 3261 §7.3.3 and its extensions."""

_SPELLINGS: Final = [
    "Accept",
    "Accept-Contact",
    "Accept-Encoding",
    "Accept-Language",
    "Access-Network-Info",
    "Alert-Info",
    "Allow",
    "Allow-Events",
    "Authentication-Info",
    "Authorization",
    "Call-ID",
    "Call-Info",
    "Contact",
    "Content-Disposition",
    "Content-Encoding",
    "Content-Language",
    "Content-Length",
    "Content-Type",
    "CSeq",
    "Date",
    "Error-Info",
    "Event",
    "Expires",
    "Feature-Caps",
    "Flow-Timer",
    "From",
    "Geolocation",
    "Geolocation-Routing",
    "History-Info",
    "Identity",
    "Identity-Info",
    "In-Reply-To",
    "Join",
    "Max-Breadth",
    "Max-Forwards",
    "MIME-Version",
    "Min-Expires",
    "Min-SE",
    "Organization",
    "P-Access-Network-Info",
    "P-Asserted-Identity",
    "P-Asserted-Service",
    "P-Associated-URI",
    "P-Called-Party-ID",
    "P-Charging-Function-Addresses",
    "P-Charging-Vector",
    "P-Early-Media",
    "P-Preferred-Identity",
    "P-Preferred-Service",
    "P-Visited-Network-ID",
    "Path",
    "Priority",
    "Privacy",
    "Proxy-Authenticate",
    "Proxy-Authorization",
    "Proxy-Require",
    "RAck",
    "Reason",
    "Record-Route",
    "Recv-Info",
    "Refer-To",
    "Referred-By",
    "Reject-Contact",
    "Replaces",
    "Reply-To",
    "Request-Disposition",
    "Require",
    "Response-Source",
    "Retry-After",
    "Route",
    "RSeq",
    "Security-Client",
    "Security-Server",
    "Security-Verify",
    "Server",
    "Service-Route",
    "Session-Expires",
    "SIP-ETag",
    "SIP-If-Match",
    "Subject",
    "Subscription-State",
    "Supported",
    "Target-Dialog",
    "Timestamp",
    "To",
    "Unsupported",
    "User-Agent",
    "Via",
    "Warning",
    "WWW-Authenticate",
]

DISPLAY: Final = {name.lower(): name for name in _SPELLINGS}
"""The registered spelling of each key."""

KEYS: Final[dict[str, str]] = {
    **{spelling: name.lower() for name in _SPELLINGS for spelling in (name, name.lower(), name.upper())},
    **{spelling: full for compact, full in COMPACT.items() for spelling in (compact, compact.upper())},
}
"""Keys of the usual spellings, for a quick look-up; `key_of` finds the key of any other."""


def key_of(name: str) -> str | None:
    """Return the key of a header name: the full form in lower case; None if it is no token.

    >>> key_of("m"), key_of("VIA"), key_of("X-Thing"), key_of("not a name")
    ('contact', 'via', 'x-thing', None)
    """
    key = KEYS.get(name)
    if key is None and is_token(name):
        key = name.lower()
        return COMPACT.get(key, key)
    return key


def display_name(key: str, spelling: str) -> str:
    """Return the name that goes out: the registered spelling, or that of an unknown header as it was given."""
    return DISPLAY.get(key, spelling)
