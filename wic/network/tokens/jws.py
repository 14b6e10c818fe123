"""The outside of a signed token: bounded, and read before anything in it is believed (RFC 7515, RFC 8725)."""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass

from wic.network.tokens.errors import TokenFault, TokenInvalid

MAX_TOKEN = 8192
"""Longest token that is read, in characters: a SIP header field is no place for more."""
MAX_KID = 256
ALGORITHMS = {"ES256": "EC", "RS256": "RSA", "EdDSA": "OKP", "Ed25519": "OKP"}
"""Algorithms that are allowed, with the kind of key that each needs: never `none`, never one with a shared key."""
TYPES = ("at+jwt", "application/at+jwt")
"""RFC 9068 §4: what `typ` must be, so that no other kind of JWT passes for an access token."""


@dataclass(frozen=True, slots=True)
class UnverifiedToken:
    """A token as it came; nothing in it is proven.

    Attributes:
        algorithm: how it says it is signed; one of those allowed.
        kid: the key it names, if it does.
        issuer: who it says has issued it.
    """

    algorithm: str
    kid: str | None
    issuer: str


def is_reference(token: str) -> bool:
    """Tell whether a token is no JWS, so that only who has given it out can read it.

    Raises:
        TokenInvalid: it is too long, or cannot be a token.
    """
    if len(token) > MAX_TOKEN or not token.isascii():
        raise TokenInvalid(TokenFault.MALFORMED, "it is too long, or not of ASCII letters")
    return token.count(".") != 2


def read_token(token: str) -> UnverifiedToken:
    """Read what is needed to find the key of a token.

    Raises:
        TokenInvalid: it is too long, no JWS, of another type, or signed with an algorithm that is not allowed.
    """
    if is_reference(token):
        raise TokenInvalid(TokenFault.MALFORMED, "it is no JWS of three parts")
    parts = token.split(".")
    header, claims = _json_object(parts[0]), _json_object(parts[1])
    algorithm = header.get("alg")
    if not isinstance(algorithm, str) or algorithm not in ALGORITHMS:
        raise TokenInvalid(TokenFault.ALGORITHM)
    if "crit" in header or not _is_access_token(header.get("typ")):
        raise TokenInvalid(TokenFault.MALFORMED, "it is another kind of JWT")
    kid, issuer = header.get("kid"), claims.get("iss")
    if not (kid is None or (isinstance(kid, str) and len(kid) <= MAX_KID)):
        raise TokenInvalid(TokenFault.MALFORMED, "it names its key in a wrong way")
    if not isinstance(issuer, str):
        raise TokenInvalid(TokenFault.MALFORMED, "it names no issuer")
    return UnverifiedToken(algorithm, kid, issuer)


def _is_access_token(kind: object) -> bool:
    return isinstance(kind, str) and kind.lower() in TYPES


def _json_object(part: str) -> dict[str, object]:
    try:
        value = json.loads(base64.b64decode(part + "=" * (-len(part) % 4), altchars=b"-_", validate=True))
    except (binascii.Error, ValueError, RecursionError):
        raise TokenInvalid(TokenFault.MALFORMED) from None
    if not isinstance(value, dict):
        raise TokenInvalid(TokenFault.MALFORMED)
    return value
