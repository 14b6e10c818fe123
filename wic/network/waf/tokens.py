"""Consents, the tokens issued for them, and the keys that sign access tokens.

Every code and every token hangs on one consent: a user's, or the operator's for a client of its own. Revoking the
consent ends them all at once. A refresh token is exchanged for a new one with each use (RFC 9700 §4.14.2); if a used one
comes back, thief and owner cannot be told apart, so the consent is revoked.

An access token is a JWT (RFC 9068) that a resource server can check by itself. Its row in the database makes revocation
possible: introspection looks there.
"""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from joserfc import jws, jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey

from wic.errors import WicError
from wic.network.sqlite_file import read_json
from wic.network.tokens.claims import read_unverified
from wic.network.tokens.errors import TokenInvalid
from wic.network.web.browser_session import fingerprint, new_secret
from wic.oauth.errors import ErrorCode

if TYPE_CHECKING:
    from wic.network.web.database import WebDatabase

ALGORITHM = "ES256"
MAX_CONSENTS = 256
"""Consents of one client for one user, such as of one browser that signs in again and again."""
KEY_ANNOUNCED = 2 * 3600.0
"""Seconds for which a key is published before it signs: longer than resource servers cache the keys."""


class GrantError(WicError):
    """A code or token cannot be exchanged for tokens.

    Attributes:
        error: the error code (RFC 6749 §5.2, RFC 8628 §3.5).
        description: text for the developer of the client.
    """

    def __init__(self, error: ErrorCode, description: str) -> None:
        super().__init__(f"{error}: {description}")
        self.error = error
        self.description = description


@dataclass(frozen=True, slots=True, kw_only=True)
class Consent:
    """Permission of a client to get tokens, for one IMS subscription (TS 33.203 Annex X.4, REQ 3.1)."""

    id: str = field(default_factory=lambda: secrets.token_hex(16))
    """Its name in the database."""
    client: str
    """The client's id."""
    user: str | None
    """The web user who gave it; None for a client in its own name."""
    scope: str
    impi: str
    impus: tuple[str, ...]
    wwsf: str | None
    """Identity of the WWSF in between; None if there is none."""
    expires_at: float
    """Expiry, in seconds of Unix time."""


class Consents:
    """Table of consents."""

    def __init__(self, database: WebDatabase) -> None:
        self._db = database

    def add(self, consent: Consent) -> Consent:
        """Store a new consent, and return it; of too many of one client for one identity the oldest ends."""
        condition = "impi = ? AND client = ? AND user IS ?"
        self._db.make_room("consent", MAX_CONSENTS, condition, consent.impi, consent.client, consent.user)
        identities = (consent.impi, json.dumps(consent.impus), consent.wwsf)
        self._db.change(
            "INSERT INTO consent VALUES (?, ?, ?, ?, ?, ?, ?, 0, ?)",
            *(consent.id, consent.client, consent.user, consent.scope, *identities, consent.expires_at),
        )
        return consent

    def find(self, consent_id: str, *, now: float) -> Consent | None:
        """Return a consent that is neither revoked nor expired."""
        row = self._db.row(
            "SELECT client, user, scope, impi, impus, wwsf, expires_at FROM consent"
            " WHERE id = ? AND NOT revoked AND expires_at > ?",
            consent_id,
            now,
        )
        if row is None:
            return None
        client, user, scope, impi, impus, wwsf, expires_at = row
        return Consent(
            id=consent_id,
            client=str(client),
            user=None if user is None else str(user),
            scope=str(scope),
            impi=str(impi),
            impus=tuple(read_json(str(impus))),
            wwsf=None if wwsf is None else str(wwsf),
            expires_at=float(expires_at or 0.0),
        )

    def revoke(self, consent_id: str) -> None:
        """Revoke a consent, and with it all codes and tokens that hang on it."""
        self._db.change("UPDATE consent SET revoked = 1 WHERE id = ?", consent_id)

    def revoke_pair(self, impi: str) -> None:
        """Revoke the consents without a user for a private identity: a pair of a pool has one holder."""
        self._db.change("UPDATE consent SET revoked = 1 WHERE impi = ? AND user IS NULL", impi)

    def remove_unused(self) -> int:
        """Remove the consents on which nothing hangs any more; return how many there were."""
        return self._db.change(
            "DELETE FROM consent WHERE NOT EXISTS (SELECT 1 FROM code WHERE code.consent = consent.id AND NOT used)"
            " AND NOT EXISTS (SELECT 1 FROM refresh_token WHERE refresh_token.consent = consent.id)"
            " AND NOT EXISTS (SELECT 1 FROM access_token WHERE access_token.consent = consent.id)"
        )


class RefreshTokens:
    """Table of refresh tokens."""

    def __init__(self, database: WebDatabase, consents: Consents) -> None:
        self._db = database
        self._consents = consents

    def issue(self, consent: Consent, *, expires_at: float) -> str:
        """Return a new refresh token; it expires with its consent at the latest."""
        token = new_secret()
        self._db.change(
            "INSERT INTO refresh_token VALUES (?, ?, 0, ?)",
            fingerprint(token),
            consent.id,
            min(expires_at, consent.expires_at),
        )
        return token

    def check(self, token: str, client: str, *, now: float) -> Consent:
        """Return the consent of a refresh token of a client; `use` it with the tokens that are issued for it.

        Raises:
            GrantError: it is worthless; a second use revokes the consent.
        """
        row = self._db.row(
            "SELECT consent, used FROM refresh_token WHERE hash = ? AND expires_at > ?", fingerprint(token), now
        )
        consent = None if row is None else self._consents.find(str(row[0]), now=now)
        if row is None or consent is None or consent.client != client:
            raise GrantError(
                ErrorCode.INVALID_GRANT, "there is no such refresh token for this client, or it has expired"
            )
        # RFC 9700 §4.14.2: the token was stolen, before or after the first use.
        if row[1]:
            self._consents.revoke(consent.id)
            raise GrantError(
                ErrorCode.INVALID_GRANT, "the refresh token was used before; all tokens that came from it are revoked"
            )
        return consent

    def use(self, token: str) -> None:
        """Mark a refresh token as used."""
        self._db.change("UPDATE refresh_token SET used = 1 WHERE hash = ?", fingerprint(token))

    def find(self, token: str, *, now: float) -> tuple[Consent, float] | None:
        """Return the consent of an unused refresh token, and when the token expires."""
        row = self._db.row(
            "SELECT consent, expires_at FROM refresh_token WHERE hash = ? AND NOT used AND expires_at > ?",
            fingerprint(token),
            now,
        )
        if row is None or (consent := self._consents.find(str(row[0]), now=now)) is None:
            return None
        return consent, float(row[1] or 0.0)


class SigningKeys:
    """Table of signing keys: one that signs, and those before it, which are published as long as their tokens live.

    Every process that opens the database sees the same keys: a rotation from the command line takes effect at once.
    """

    def __init__(self, database: WebDatabase) -> None:
        self._db = database
        self._parsed: dict[str, ECKey] = {}

    def rotate(self, *, at: float) -> str:
        """Make a key that signs from a moment on, and is published at once; return its name."""
        key = ECKey.generate_key("P-256")
        kid = key.thumbprint()
        with self._db.transaction():
            # Retired keys stay published until their last token has expired.
            self._db.change("UPDATE signing_key SET retired_at = ? WHERE retired_at IS NULL", at)
            jwk = json.dumps(key.as_dict(private=True))
            self._db.change("INSERT INTO signing_key VALUES (?, ?, ?, NULL)", kid, jwk, at)
        return kid

    def rotate_when_due(self, *, now: float, lifetime: float) -> None:
        """Make the first key, and each further one early enough for resource servers to see it before it signs."""
        newest = self._db.row("SELECT begins_at FROM signing_key WHERE retired_at IS NULL")
        if newest is None:
            self.rotate(at=now)
        elif float(newest[0] or 0.0) + lifetime <= now + KEY_ANNOUNCED:
            self.rotate(at=now + KEY_ANNOUNCED)

    def remove_retired(self, *, before: float) -> int:
        """Remove the keys that were retired before a moment; return how many there were."""
        return self._db.change("DELETE FROM signing_key WHERE retired_at <= ?", before)

    def sign(self, claims: dict[str, object], *, now: float) -> str:
        """Return a signed access token (RFC 9068 §2.1)."""
        rows = self._db.rows(
            "SELECT kid, jwk, begins_at FROM signing_key ORDER BY begins_at DESC, retired_at IS NOT NULL"
        )
        assert rows, "rotate_when_due() comes first"
        # The newest key that signs already; the oldest one where the clock was set back before them all.
        kid, jwk, _ = next((row for row in rows if float(row[2] or 0.0) <= now), rows[-1])
        header = {"alg": ALGORITHM, "typ": "at+jwt", "kid": str(kid)}  # RFC 9068 §2.1
        return jwt.encode(header, claims, self._key(str(kid), str(jwk)), algorithms=[ALGORITHM])

    def public(self) -> list[dict[str, object]]:
        """Return the public keys as they stand in the JWK set (RFC 7517), the newest first."""
        rows = self._db.rows("SELECT kid, jwk FROM signing_key ORDER BY retired_at IS NOT NULL, begins_at DESC")
        return [
            {**self._key(str(kid), str(jwk)).as_dict(private=False), "kid": str(kid), "use": "sig", "alg": ALGORITHM}
            for kid, jwk in rows
        ]

    def find(self, kid: str) -> ECKey | None:
        """Return a key by its name."""
        row = self._db.row("SELECT jwk FROM signing_key WHERE kid = ?", kid)
        return None if row is None else self._key(kid, str(row[0]))

    def _key(self, kid: str, jwk: str) -> ECKey:
        if kid not in self._parsed:
            self._parsed[kid] = ECKey.import_key(read_json(jwk))
        return self._parsed[kid]


class AccessTokens:
    """Table of access tokens."""

    def __init__(self, database: WebDatabase, consents: Consents, keys: SigningKeys) -> None:
        self._db = database
        self._consents = consents
        self._keys = keys

    def issue(self, consent: Consent, *, issuer: str, audience: str, scope: str, now: float, lifetime: float) -> str:
        """Return a new access token, which expires after `lifetime` seconds (RFC 9068 §2.2)."""
        jti = secrets.token_urlsafe(16)  # RFC 7519 §4.1.7: never given twice
        expires_at = int(now + lifetime)
        claims: dict[str, object] = {
            "iss": issuer,
            "aud": audience,
            # RFC 9068 §2.2: the resource owner, or the client itself where no user takes part.
            "sub": consent.user or consent.client,
            "client_id": consent.client,
            "iat": int(now),
            "exp": expires_at,
            "jti": jti,
            "scope": scope,  # RFC 9068 §2.2.3
            "impi": consent.impi,
            "impu": list(consent.impus),
        }
        if consent.wwsf is not None:
            claims["wwsf"] = consent.wwsf
        self._db.change("INSERT INTO access_token VALUES (?, ?, 0, ?)", jti, consent.id, expires_at)
        return self._keys.sign(claims, now=now)

    def read(self, token: str) -> dict[str, object] | None:
        """Return the claims of a token that this WAF has signed, active or not."""
        try:
            # A `kid` of another WAF is unknown here; so is one whose key was removed after its last token.
            key = self._keys.find(read_unverified(token).kid or "")
            if key is None:
                return None
            claims = json.loads(jws.deserialize_compact(token, key, algorithms=[ALGORITHM]).payload)
        except (TokenInvalid, JoseError):
            return None
        assert isinstance(claims, dict), "nothing else was ever signed"
        return claims

    def is_active(self, jti: str, *, now: float) -> bool:
        """Tell whether a token is neither revoked nor expired."""
        row = self._db.row(
            "SELECT consent FROM access_token WHERE jti = ? AND NOT revoked AND expires_at > ?", jti, now
        )
        return row is not None and self._consents.find(str(row[0]), now=now) is not None

    def revoke(self, jti: str) -> None:
        """Revoke a token."""
        self._db.change("UPDATE access_token SET revoked = 1 WHERE jti = ?", jti)
