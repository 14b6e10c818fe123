"""Default reason phrases (IANA registry "Response Codes" of SIP parameters), and the causes of telephone networks."""

from __future__ import annotations

from typing import Final

REASONS: Final[dict[int, str]] = {
    100: "Trying",
    180: "Ringing",
    181: "Call Is Being Forwarded",
    182: "Queued",
    183: "Session Progress",
    199: "Early Dialog Terminated",  # RFC 6228
    200: "OK",
    202: "Accepted",  # RFC 6665 §8.3.1
    204: "No Notification",  # RFC 5839
    300: "Multiple Choices",
    301: "Moved Permanently",
    302: "Moved Temporarily",
    305: "Use Proxy",
    380: "Alternative Service",
    400: "Bad Request",
    401: "Unauthorized",
    402: "Payment Required",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    406: "Not Acceptable",
    407: "Proxy Authentication Required",
    408: "Request Timeout",
    410: "Gone",
    412: "Conditional Request Failed",  # RFC 3903
    413: "Request Entity Too Large",
    414: "Request-URI Too Long",
    415: "Unsupported Media Type",
    416: "Unsupported URI Scheme",
    417: "Unknown Resource-Priority",  # RFC 4412
    420: "Bad Extension",
    421: "Extension Required",
    422: "Session Interval Too Small",  # RFC 4028
    423: "Interval Too Brief",
    424: "Bad Location Information",  # RFC 6442
    428: "Use Identity Header",  # RFC 8224
    429: "Provide Referrer Identity",  # RFC 3892
    430: "Flow Failed",  # RFC 5626
    433: "Anonymity Disallowed",  # RFC 5079
    436: "Bad Identity Info",  # RFC 8224
    437: "Unsupported Credential",  # RFC 8224
    438: "Invalid Identity Header",  # RFC 8224
    439: "First Hop Lacks Outbound Support",  # RFC 5626
    440: "Max-Breadth Exceeded",  # RFC 5393
    469: "Bad Info Package",  # RFC 6086
    470: "Consent Needed",  # RFC 5360
    480: "Temporarily Unavailable",
    481: "Call/Transaction Does Not Exist",
    482: "Loop Detected",
    483: "Too Many Hops",
    484: "Address Incomplete",
    485: "Ambiguous",
    486: "Busy Here",
    487: "Request Terminated",
    488: "Not Acceptable Here",
    489: "Bad Event",  # RFC 6665 §8.3.2
    491: "Request Pending",
    493: "Undecipherable",
    494: "Security Agreement Required",  # RFC 3329
    500: "Server Internal Error",
    501: "Not Implemented",
    502: "Bad Gateway",
    503: "Service Unavailable",
    504: "Server Time-out",
    505: "Version Not Supported",
    513: "Message Too Large",
    555: "Push Notification Service Not Supported",  # RFC 8599
    580: "Precondition Failure",  # RFC 3312
    600: "Busy Everywhere",
    603: "Decline",
    604: "Does Not Exist Anywhere",
    606: "Not Acceptable",
    607: "Unwanted",  # RFC 8197
    608: "Rejected",  # RFC 8688
}


def reason_of(status: int) -> str:
    """Return the phrase of a status, or that of its class (RFC 3261 §8.1.3.2: x00)."""
    return REASONS.get(status) or REASONS.get(status // 100 * 100, "Unknown")


Q850_CAUSES: Final[dict[int, str]] = {
    1: "unallocated number",
    2: "no route to the transit network",
    3: "no route to the destination",
    4: "special information tone",
    5: "misdialled trunk prefix",
    6: "channel unacceptable",
    7: "call awarded in an established channel",
    8: "pre-emption",
    9: "pre-emption, circuit reserved",
    14: "ported number",
    16: "normal clearing",
    17: "user busy",
    18: "no user responds",
    19: "no answer from the user",
    20: "subscriber absent",
    21: "call rejected",
    22: "number changed",
    23: "redirection to a new destination",
    24: "call rejected for a feature at the destination",
    25: "exchange routing error",
    26: "cleared as not selected",
    27: "destination out of order",
    28: "invalid number format",
    29: "facility rejected",
    30: "response to a status enquiry",
    31: "normal, unspecified",
    34: "no circuit available",
    38: "network out of order",
    39: "permanent frame mode connection out of service",
    40: "permanent frame mode connection operational",
    41: "temporary failure",
    42: "switching equipment congestion",
    43: "access information discarded",
    44: "requested circuit not available",
    46: "precedence call blocked",
    47: "resource unavailable",
    49: "quality of service not available",
    50: "facility not subscribed",
    53: "outgoing calls barred in the closed user group",
    55: "incoming calls barred in the closed user group",
    57: "bearer capability not authorized",
    58: "bearer capability not available now",
    62: "inconsistent access information",
    63: "service or option not available",
    65: "bearer capability not implemented",
    66: "channel type not implemented",
    69: "facility not implemented",
    70: "only restricted digital information available",
    79: "service or option not implemented",
    81: "invalid call reference",
    82: "channel does not exist",
    83: "another call is suspended",
    84: "call identity in use",
    85: "no call suspended",
    86: "call cleared",
    87: "user not member of the closed user group",
    88: "incompatible destination",
    90: "closed user group does not exist",
    91: "invalid transit network",
    95: "invalid message",
    96: "mandatory information missing",
    97: "message type not known",
    98: "message not compatible with the call state",
    99: "information element not known",
    100: "invalid information element",
    101: "message not compatible with the call state",
    102: "recovery on timer expiry",
    103: "parameter not known, passed on",
    110: "message with unknown parameter discarded",
    111: "protocol error",
    127: "interworking",
}
"""Causes of ITU-T Q.850, as the protocol `Q.850` of a Reason names them (RFC 3326 §2)."""
