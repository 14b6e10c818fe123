"""Requests to an authorization server: grant types, the authorization request, client authentication (RFC 6749)."""

from __future__ import annotations

from base64 import b64decode, b64encode
from enum import StrEnum
from typing import TYPE_CHECKING
from urllib.parse import quote_plus, unquote_plus

from wic.oauth.pkce import METHOD
from wic.oauth.urls import add_query

if TYPE_CHECKING:
    from wic.auth.secret import Secret

SCOPE = "ims"
"""Scope of a token for the use of IMS with the identities that it names."""
NATIVE_CLIENT = "wic"
"""Client id of every WIC outside a browser: a public client (RFC 8252)."""
MAX_CREDENTIALS = 1024


class GrantType(StrEnum):
    """Value of the parameter `grant_type`."""

    AUTHORIZATION_CODE = "authorization_code"
    REFRESH_TOKEN = "refresh_token"
    CLIENT_CREDENTIALS = "client_credentials"
    DEVICE_CODE = "urn:ietf:params:oauth:grant-type:device_code"
    """RFC 8628 §3.4."""


def authorization_url(
    endpoint: str, *, client_id: str, redirect_uri: str, state: str, challenge: str, scope: str = SCOPE
) -> str:
    """Return the URL that a browser opens to ask its user for an authorization code (RFC 6749 §4.1.1)."""
    return add_query(
        endpoint,
        {
            "response_type": "code",  # RFC 9700 §2.1.2
            "client_id": client_id,
            "redirect_uri": redirect_uri,
            "scope": scope,
            "state": state,  # RFC 6749 §10.12: the response repeats it, which that of another sign-in cannot
            "code_challenge": challenge,  # RFC 7636 §4.3
            "code_challenge_method": METHOD,
        },
    )


def write_basic_credentials(client_id: str, secret: Secret) -> str:
    """Return the Authorization value of a confidential client; both parts are form-encoded first (RFC 6749 §2.3.1)."""
    pair = f"{quote_plus(client_id)}:{quote_plus(secret.reveal())}"
    return f"Basic {b64encode(pair.encode()).decode()}"


def read_basic_credentials(value: str) -> tuple[str, str]:
    """Return client id and secret of an Authorization value.

    Raises:
        ValueError: it is of another scheme, malformed or too long.

    >>> read_basic_credentials("Basic YiUzQW90OnAlMjVzcw==")
    ('b:ot', 'p%ss')
    """
    scheme, _, encoded = value.partition(" ")
    if scheme.lower() != "basic" or len(encoded) > MAX_CREDENTIALS:
        raise ValueError("no Basic credentials, or too long ones")
    client_id, colon, secret = b64decode(encoded.strip(), validate=True).decode().partition(":")
    if not colon:  # RFC 7617 §2
        raise ValueError("credentials without a colon")
    return unquote_plus(client_id), unquote_plus(secret)
