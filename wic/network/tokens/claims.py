"""Access tokens as JWTs (RFC 9068): the header and claims of a JWS, and the authorization information in them.

Nothing is believed before it is proven. `read_unverified` looks at no more than it takes to find the key: size, form,
type, algorithm and issuer. When the signature is verified, `read_claims` checks what the token allows.
"""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from wic.network.tokens.errors import TokenFault, TokenInvalid
from wic.oauth.http import json_object

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wic.network.tokens.issuer import TrustedIssuer

MAX_TOKEN = 8192
"""Longest token that is read, in characters: a SIP header field is no place for more."""
MAX_KID = 256
ALGORITHMS = {"ES256": "EC", "RS256": "RSA", "EdDSA": "OKP", "Ed25519": "OKP"}
"""Algorithms that are allowed, with the type of key that each needs: never `none`, never one with a shared key
(RFC 8725 §3.1, §3.2)."""
TYPES = ("at+jwt", "application/at+jwt")
"""RFC 9068 §4: values of `typ`, so that no other kind of JWT passes for an access token."""
LEEWAY = 30.0
"""Seconds by which the clocks of WAF and eP-CSCF may differ."""
MAX_IDENTITIES = 64
MAX_TEXT = 512


@dataclass(frozen=True, slots=True)
class UnverifiedToken:
    """Header fields and issuer of a token as it came; nothing of it is proven."""

    algorithm: str
    """One of those allowed."""
    kid: str | None
    """The key that it names, if any."""
    issuer: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Authorization:
    """Authorization information of a valid token (TS 24.371 §6.4.2).

    Attributes:
        impi: private user identity that the holder may use.
        impus: public user identities that the holder may use, the default one first.
        issuer: identity of the WAF: its issuer URL.
        wwsf: identity of the WWSF through which the token was issued; None if there was none.
        scope: scope of the token.
        expires_at: when it expires, in seconds of Unix time.
        jti: unique identifier of the token.
        subject: the web user or client that the token stands for.
        client_id: the OAuth client that it was issued to.
        third_party: whether the WAF belongs to a third party, so that the S-CSCF has to be told
            (`authorization-entity`, TS 24.371 §6.4.2).
    """

    impi: str
    impus: tuple[str, ...]
    issuer: str
    wwsf: str | None
    scope: frozenset[str]
    expires_at: float
    jti: str
    subject: str
    client_id: str
    third_party: bool


def is_opaque(token: str) -> bool:
    """Tell whether a token is no JWS, so that only its issuer can read it.

    Raises:
        TokenInvalid: it is too long, or cannot be a token.
    """
    if len(token) > MAX_TOKEN or not token.isascii():
        raise TokenInvalid(TokenFault.MALFORMED, "it is too long, or not of ASCII letters")
    return token.count(".") != 2  # RFC 7515 §7.1


def read_unverified(token: str) -> UnverifiedToken:
    """Read what is needed to find the key of a token (RFC 7515, RFC 8725).

    Raises:
        TokenInvalid: it is too long, no JWS, of another type, or signed with an algorithm that is not allowed.
    """
    if is_opaque(token):
        raise TokenInvalid(TokenFault.MALFORMED, "it is not a JWS of three parts")
    parts = token.split(".")
    header, claims = _json_object(parts[0]), _json_object(parts[1])
    algorithm = header.get("alg")
    if not isinstance(algorithm, str) or algorithm not in ALGORITHMS:
        raise TokenInvalid(TokenFault.ALGORITHM)
    typ = header.get("typ")
    # RFC 7515 §4.1.11: an extension that has to be understood is none that is known here.
    if "crit" in header or not isinstance(typ, str) or typ.lower() not in TYPES:
        raise TokenInvalid(TokenFault.MALFORMED, "it is another kind of JWT")
    # A `kid` is compared with those of the issuer's keys and used for nothing else (RFC 8725 §3.10).
    kid, issuer = header.get("kid"), claims.get("iss")
    if not (kid is None or (isinstance(kid, str) and len(kid) <= MAX_KID)):
        raise TokenInvalid(TokenFault.MALFORMED, "it names its key in a wrong way")
    if not isinstance(issuer, str):
        raise TokenInvalid(TokenFault.MALFORMED, "it names no issuer")
    return UnverifiedToken(algorithm, kid, issuer)


def _json_object(part: str) -> dict[str, object]:
    try:
        value = json_object(base64.b64decode(part + "=" * (-len(part) % 4), altchars=b"-_", validate=True))
    except ValueError:
        value = None
    if value is None:
        raise TokenInvalid(TokenFault.MALFORMED)
    return value


def read_claims(claims: Mapping[str, object], issuer: TrustedIssuer, *, now: float) -> Authorization:
    """Check the claims of a token whose origin is proven, and return what they allow (RFC 9068 §4).

    Args:
        claims: the payload of the token.
        issuer: the issuer that signed it, which is that of the claim `iss`.
        now: seconds of Unix time.

    Raises:
        TokenInvalid: they allow nothing.
    """
    audience = claims.get("aud")
    # RFC 9068 §4: a token for another resource server must not be accepted here.
    if issuer.audience not in (audience if isinstance(audience, list) else [audience]):
        raise TokenInvalid(TokenFault.AUDIENCE)
    expires_at = _moment(claims, "exp")
    if now >= expires_at + LEEWAY:  # RFC 7519 §4.1.4
        raise TokenInvalid(TokenFault.EXPIRED, "it has expired")
    # RFC 7519 §4.1.5: `nbf` is optional, and counts with the same leeway.
    begins = max(_moment(claims, "iat"), _moment(claims, "nbf") if "nbf" in claims else 0.0)
    if now < begins - LEEWAY:
        raise TokenInvalid(TokenFault.EXPIRED, "it is not valid yet")
    scope = frozenset(_text(claims, "scope", required=False).split())
    # TS 24.371 §6.4.2: the token has to allow the use of IMS.
    if issuer.scope not in scope:
        raise TokenInvalid(TokenFault.SCOPE)
    return Authorization(
        impi=_text(claims, "impi"),  # TS 33.203 Annex X.4, REQ 3.1
        impus=_identities(claims.get("impu")),
        issuer=issuer.issuer,
        wwsf=_text(claims, "wwsf", required=False) or None,  # TS 24.371 §6.4.2: the WWSF identity
        scope=scope,
        expires_at=expires_at,
        jti=_text(claims, "jti"),
        subject=_text(claims, "sub"),  # RFC 9068 §2.2
        client_id=_text(claims, "client_id"),
        third_party=issuer.third_party,
    )


def _moment(claims: Mapping[str, object], name: str) -> float:
    value = claims.get(name)
    if isinstance(value, str) and re.fullmatch(r"[0-9]{1,16}", value):
        value = int(value)  # RFC 7519 §2 has a number; so deployed servers write it in answers to an introspection
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < 2**53:
        raise TokenInvalid(TokenFault.MALFORMED, f"its {name} is not a time")
    return float(value)


def _text(claims: Mapping[str, object], name: str, *, required: bool = True) -> str:
    """Return a claim that can stand in a header field: bounded, without control characters and line ends."""
    value = claims.get(name, None if required else "")
    if not isinstance(value, str) or len(value) > MAX_TEXT or (required and not value) or not value.isprintable():
        raise TokenInvalid(TokenFault.MALFORMED, f"its {name} is missing or no text")
    return value


def _identities(value: object) -> tuple[str, ...]:
    identities = value if isinstance(value, list) else [value]
    if not 1 <= len(identities) <= MAX_IDENTITIES:
        raise TokenInvalid(TokenFault.MALFORMED, "its public identities are missing or too many")
    for each in identities:
        if not isinstance(each, str) or not each.startswith(("sip:", "sips:", "tel:")):
            raise TokenInvalid(TokenFault.MALFORMED, "it has a public identity that is not a SIP or tel URI")
        if len(each) > MAX_TEXT or not each.isprintable():
            raise TokenInvalid(TokenFault.MALFORMED, "it has a public identity that cannot be one")
    return tuple(identities)
