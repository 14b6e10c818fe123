"""Validation of access tokens by a resource server, such as the eP-CSCF (TS 33.203 Annex X, RFC 9068)."""

from wic.network.tokens.claims import Authorization
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
