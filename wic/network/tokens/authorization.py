"""What a valid token says (TS 24.371 §6.4.3), read from its claims."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from wic.network.tokens.errors import TokenFault, TokenInvalid

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wic.network.tokens.issuer import TrustedIssuer

LEEWAY = 30.0
"""Seconds by which the clocks of WAF and eP-CSCF may differ."""
MAX_IDENTITIES = 64
MAX_TEXT = 512


@dataclass(frozen=True, slots=True, kw_only=True)
class Authorization:
    """The authorization information that goes with a token.

    Attributes:
        impi: private user identity that the holder may use.
        impus: public user identities that the holder may use, the default one first.
        issuer: identity of the WAF: its issuer URL.
        wwsf: identity of the WWSF through which the token was given out; None if there was none.
        scope: what the token is good for.
        expires_at: when it ends, in seconds of the epoch.
        jti: the token's own name.
        subject: the web user or client that the token stands for.
        client_id: the OAuth client that got it.
        third_party: whether the WAF belongs to somebody else, so that the S-CSCF has to be told
            (`authorization-entity`, TS 24.371 §6.4.3).
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


def read_claims(claims: Mapping[str, object], issuer: TrustedIssuer, *, now: float) -> Authorization:
    """Check the claims of a token whose origin is proven, and return what they allow (RFC 9068 §4).

    Args:
        claims: the payload of the token.
        issuer: who has signed it; found by the claim `iss`.
        now: seconds of the epoch.

    Raises:
        TokenInvalid: they allow nothing.
    """
    if issuer.audience not in _audiences(claims.get("aud")):
        raise TokenInvalid(TokenFault.AUDIENCE)
    expires_at = _check_times(claims, now)
    scope = frozenset(_text(claims, "scope", required=False).split())
    if issuer.scope not in scope:
        raise TokenInvalid(TokenFault.SCOPE)
    return Authorization(
        impi=_text(claims, "impi"),
        impus=_identities(claims.get("impu")),
        issuer=issuer.issuer,
        wwsf=_text(claims, "wwsf", required=False) or None,
        scope=scope,
        expires_at=expires_at,
        jti=_text(claims, "jti"),
        subject=_text(claims, "sub"),
        client_id=_text(claims, "client_id"),
        third_party=issuer.third_party,
    )


def _check_times(claims: Mapping[str, object], now: float) -> float:
    expires_at = _moment(claims, "exp")
    if now >= expires_at + LEEWAY:
        raise TokenInvalid(TokenFault.EXPIRED, "its time is over")
    begins = max(_moment(claims, "iat"), _moment(claims, "nbf") if "nbf" in claims else 0.0)
    if now < begins - LEEWAY:
        raise TokenInvalid(TokenFault.EXPIRED, "its time has not begun")
    return expires_at


def _moment(claims: Mapping[str, object], name: str) -> float:
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < 2**53:
        raise TokenInvalid(TokenFault.MALFORMED, f"its {name} is no time")
    return float(value)


def _text(claims: Mapping[str, object], name: str, *, required: bool = True) -> str:
    value = claims.get(name, None if required else "")
    if not isinstance(value, str) or len(value) > MAX_TEXT or (required and not value) or not _is_clean(value):
        raise TokenInvalid(TokenFault.MALFORMED, f"its {name} is missing or no text")
    return value


def _is_clean(text: str) -> bool:
    """Tell whether a text can go into a header field: no controls, no line ends."""
    return text.isprintable()


def _audiences(value: object) -> list[object]:
    return value if isinstance(value, list) else [value]


def _identities(value: object) -> tuple[str, ...]:
    identities = value if isinstance(value, list) else [value]
    if not 1 <= len(identities) <= MAX_IDENTITIES:
        raise TokenInvalid(TokenFault.MALFORMED, "its public identities are missing or too many")
    for each in identities:
        if not isinstance(each, str) or not each.startswith(("sip:", "sips:", "tel:")):
            raise TokenInvalid(TokenFault.MALFORMED, "it has a public identity that is no SIP or tel URI")
        if len(each) > MAX_TEXT or not _is_clean(each):
            raise TokenInvalid(TokenFault.MALFORMED, "it has a public identity that cannot be one")
    return tuple(identities)
