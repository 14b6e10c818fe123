"""Why a token is not believed."""

from __future__ import annotations

from enum import Enum

from wic.errors import AuthenticationFailed, TransportError


class TokenFault(Enum):
    """What is wrong with a token, in the words of a log line."""

    MALFORMED = "it is no access token of the form of RFC 9068"
    ALGORITHM = "it is signed with an algorithm that is not allowed"
    ISSUER = "its issuer is not trusted"
    SIGNATURE = "no key of its issuer has signed it"
    EXPIRED = "its time is over, or has not begun"
    AUDIENCE = "it is meant for somebody else"
    SCOPE = "it does not allow the use of IMS"
    REVOKED = "its issuer has withdrawn it"


class TokenInvalid(AuthenticationFailed):
    """A token that allows nothing; the answer is 401 with `error="invalid_token"` (RFC 8898 §2.1.3).

    Attributes:
        reason: what is wrong with it.
    """

    def __init__(self, reason: TokenFault, detail: str = "") -> None:
        super().__init__(f"the token is refused: {detail or reason.value}")
        self.reason = reason


class WafUnreachable(TransportError):
    """The WAF's keys or its word about a token cannot be had; that says nothing about the token."""
