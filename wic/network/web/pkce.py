"""Proof Key for Code Exchange, S256 (RFC 7636)."""

from __future__ import annotations

import base64
import hashlib
import re

_VERIFIER = re.compile(r"[A-Za-z0-9._~-]{43,128}")
_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")


def make_challenge(verifier: str) -> str:
    """Return the S256 challenge of a verifier (§4.2).

    >>> make_challenge("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk")  # Appendix B
    'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM'
    """
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")


def is_challenge(text: str) -> bool:
    """Tell whether a text has the form of an S256 challenge."""
    return _CHALLENGE.fullmatch(text) is not None


def is_verifier(text: str) -> bool:
    """Tell whether a text has the form of a verifier (§4.1)."""
    return _VERIFIER.fullmatch(text) is not None
