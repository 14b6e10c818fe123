"""Validation of access tokens: what the eP-CSCF does with a Bearer token (TS 33.203 Annex X, RFC 9068)."""

from wic.network.tokens.authorization import Authorization
from wic.network.tokens.errors import TokenFault, TokenInvalid, WafUnreachable
from wic.network.tokens.issuer import Introspection, TrustedIssuer
from wic.network.tokens.validator import TokenValidator

__all__ = [
    "Authorization",
    "Introspection",
    "TokenFault",
    "TokenInvalid",
    "TokenValidator",
    "TrustedIssuer",
    "WafUnreachable",
]
