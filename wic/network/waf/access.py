"""Access tokens: JWTs of RFC 9068 that carry the IMS identities, and the record of those given out."""

from __future__ import annotations

import json
import secrets
from typing import TYPE_CHECKING

from joserfc import jws
from joserfc.errors import JoseError

from wic.network.tokens.claims import read_unverified
from wic.network.tokens.errors import TokenInvalid
from wic.network.waf.keys import ALGORITHM

if TYPE_CHECKING:
    from wic.network.waf.consents import Consent, Consents
    from wic.network.waf.keys import SigningKeys
    from wic.network.web.database import Database


class AccessTokens:
    """The table of access tokens.

    Args:
        database: the WAF's.
        consents: what they hang on.
        keys: what signs them.
    """

    def __init__(self, database: Database, consents: Consents, keys: SigningKeys) -> None:
        self._db = database
        self._consents = consents
        self._keys = keys

    def issue(self, consent: Consent, *, issuer: str, audience: str, scope: str, now: float, lifetime: float) -> str:
        """Return a new access token (RFC 9068 §2.2)."""
        jti = secrets.token_urlsafe(16)
        expires_at = int(now + lifetime)
        claims: dict[str, object] = {
            "iss": issuer,
            "aud": audience,
            "sub": consent.user or consent.client,
            "client_id": consent.client,
            "iat": int(now),
            "exp": expires_at,
            "jti": jti,
            "scope": scope,
            "impi": consent.impi,
            "impu": list(consent.impus),
        }
        if consent.wwsf is not None:
            claims["wwsf"] = consent.wwsf
        self._db.change("INSERT INTO access_token VALUES (?, ?, 0, ?)", jti, consent.id, expires_at)
        return self._keys.sign(claims, now=now)

    def read(self, token: str) -> dict[str, object] | None:
        """Return the claims of a token that we have signed, whether it still counts or not."""
        try:
            unverified = read_unverified(token)
            key = self._keys.find(unverified.kid or "")
            if key is None:
                return None
            claims = json.loads(jws.deserialize_compact(token, key, algorithms=[ALGORITHM]).payload)
        except (TokenInvalid, JoseError):
            return None
        assert isinstance(claims, dict), "we have signed nothing else"
        return claims

    def is_active(self, jti: str, *, now: float) -> bool:
        """Tell whether a token still counts."""
        row = self._db.row(
            "SELECT consent FROM access_token WHERE jti = ? AND NOT revoked AND expires_at > ?", jti, now
        )
        return row is not None and self._consents.find(str(row[0]), now=now) is not None

    def revoke(self, jti: str) -> None:
        """Take a token back."""
        self._db.change("UPDATE access_token SET revoked = 1 WHERE jti = ?", jti)
