"""Error codes of OAuth 2.0 and its extensions."""

from __future__ import annotations

from enum import StrEnum


class ErrorCode(StrEnum):
    """Value of the parameter `error` in an answer."""

    # RFC 6749 §4.1.2.1 and §5.2
    INVALID_REQUEST = "invalid_request"
    INVALID_CLIENT = "invalid_client"
    INVALID_GRANT = "invalid_grant"
    INVALID_SCOPE = "invalid_scope"
    UNAUTHORIZED_CLIENT = "unauthorized_client"
    UNSUPPORTED_GRANT_TYPE = "unsupported_grant_type"
    UNSUPPORTED_RESPONSE_TYPE = "unsupported_response_type"
    ACCESS_DENIED = "access_denied"
    SERVER_ERROR = "server_error"
    TEMPORARILY_UNAVAILABLE = "temporarily_unavailable"
    # RFC 8628 §3.5
    AUTHORIZATION_PENDING = "authorization_pending"
    SLOW_DOWN = "slow_down"
    EXPIRED_TOKEN = "expired_token"
    # RFC 6750 §3.1
    INVALID_TOKEN = "invalid_token"
    # OpenID Connect Core 1.0 §3.1.2.6
    LOGIN_REQUIRED = "login_required"


TEMPORARY = frozenset({ErrorCode.TEMPORARILY_UNAVAILABLE, ErrorCode.SERVER_ERROR, ErrorCode.SLOW_DOWN})
"""The errors after which the same request may succeed later."""
