"""Proof Key for Code Exchange with the method S256 (RFC 7636).

A public client has no secret that proves who redeems an authorization code. It sends the hash of a random verifier with
the authorization request and the verifier itself with the token request: a code alone, stolen on its way through the
browser, is worth nothing. The method `plain` protects from less and is not offered (RFC 9700 §2.1.1).
"""

from __future__ import annotations

import hashlib
import re
from base64 import urlsafe_b64encode

METHOD = "S256"
VERIFIER_OCTETS = 32
"""Random octets in a verifier (RFC 7636 §4.1 recommends 256 bits)."""

_VERIFIER = re.compile(r"[A-Za-z0-9._~-]{43,128}")
_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")


def make_verifier(random_octets: bytes) -> str:
    """Return the code verifier made of `VERIFIER_OCTETS` random octets (RFC 7636 §4.1).

    >>> make_verifier(bytes(32))
    'AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA'
    """
    return _base64url(random_octets)


def challenge_of(verifier: str) -> str:
    """Return the code challenge of a verifier (RFC 7636 §4.2).

    >>> challenge_of("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk")  # Appendix B
    'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM'
    """
    return _base64url(hashlib.sha256(verifier.encode("ascii")).digest())


def is_verifier(text: str) -> bool:
    """Tell whether a text has the form of a code verifier (RFC 7636 §4.1)."""
    return _VERIFIER.fullmatch(text) is not None


def is_challenge(text: str) -> bool:
    """Tell whether a text has the form of an S256 code challenge."""
    return _CHALLENGE.fullmatch(text) is not None


def _base64url(octets: bytes) -> str:
    return urlsafe_b64encode(octets).rstrip(b"=").decode("ascii")  # RFC 7636 Appendix A: without padding
