"""Reasons for which an access token is not accepted."""

from __future__ import annotations

from enum import Enum

from wic.errors import AuthenticationFailed, TransportError


class TokenFault(Enum):
    """Fault of a token, in the words of a log line."""

    MALFORMED = "it is not an access token in the form of RFC 9068"
    ALGORITHM = "it is signed with an algorithm that is not allowed"
    ISSUER = "its issuer is not trusted"
    SIGNATURE = "no key of its issuer has signed it"
    EXPIRED = "it has expired, or is not valid yet"
    AUDIENCE = "it is meant for another audience"
    SCOPE = "it does not allow the use of IMS"
    REVOKED = "its issuer has revoked it"


class TokenInvalid(AuthenticationFailed):
    """The token allows nothing; the answer is 401 with `error="invalid_token"` (RFC 8898 §2.2).

    Attributes:
        reason: its fault.
    """

    def __init__(self, reason: TokenFault, detail: str = "") -> None:
        super().__init__(f"the token is refused: {detail or reason.value}")
        self.reason = reason


class WafUnreachable(TransportError):
    """The WAF gave no usable answer; that says nothing about the token."""
