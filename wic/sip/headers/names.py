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

_SPELLINGS: Final = (
    "Accept Accept-Encoding Accept-Language Alert-Info Allow Authentication-Info Authorization",  # RFC 3261 §20
    "Call-ID Call-Info Contact Content-Disposition Content-Encoding Content-Language Content-Length Content-Type",
    "CSeq Date Error-Info Expires From In-Reply-To Max-Forwards MIME-Version Min-Expires Organization Priority",
    "Proxy-Authenticate Proxy-Authorization Proxy-Require Record-Route Reply-To Require Retry-After Route",
    "Server Subject Supported Timestamp To Unsupported User-Agent Via Warning WWW-Authenticate",
    "RAck RSeq",  # RFC 3262
    "Privacy P-Asserted-Identity P-Preferred-Identity",  # RFC 3323, RFC 3325
    "Reason",  # RFC 3326
    "Path Service-Route",  # RFC 3327, RFC 3608
    "Security-Client Security-Server Security-Verify",  # RFC 3329
    "Refer-To Referred-By Replaces Join Target-Dialog",  # RFC 3515, RFC 3892, RFC 3891, RFC 3911, RFC 4538
    "Accept-Contact Reject-Contact Request-Disposition",  # RFC 3841
    "SIP-ETag SIP-If-Match",  # RFC 3903
    "Min-SE Session-Expires",  # RFC 4028
    "P-Early-Media",  # RFC 5009
    "Max-Breadth",  # RFC 5393
    "Flow-Timer",  # RFC 5626
    "P-Asserted-Service P-Preferred-Service",  # RFC 6050
    "Recv-Info",  # RFC 6086
    "Geolocation Geolocation-Routing",  # RFC 6442
    "Allow-Events Event Subscription-State",  # RFC 6665
    "Feature-Caps",  # RFC 6809
    "History-Info",  # RFC 7044
    "P-Access-Network-Info P-Associated-URI P-Called-Party-ID P-Visited-Network-ID",  # RFC 7315
    "P-Charging-Function-Addresses P-Charging-Vector",  # RFC 7315
    "Identity Identity-Info",  # RFC 8224, RFC 4474
    "Access-Network-Info Response-Source",
)
_NAMES: Final = [name for line in _SPELLINGS for name in line.split()]

DISPLAY: Final = {name.lower(): name for name in _NAMES}
"""The registered spelling of each key."""

KEYS: Final[dict[str, str]] = {
    **{spelling: name.lower() for name in _NAMES for spelling in (name, name.lower(), name.upper())},
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
