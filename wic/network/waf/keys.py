"""The keys that sign access tokens, and their rotation."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from joserfc import jwt
from joserfc.jwk import ECKey

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wic.network.web.database import Database

ALGORITHM = "ES256"
ANNOUNCED = 2 * 3600.0
"""Seconds for which a key is shown before it signs: longer than those who check signatures keep what they have seen."""


class SigningKeys:
    """One key that signs, and those before it, which are shown as long as a token of theirs may live.

    Every process that opens the database sees the same keys: a rotation from the command line counts at once.

    Args:
        database: the WAF's.
    """

    def __init__(self, database: Database) -> None:
        self._db = database
        self._parsed: dict[str, ECKey] = {}

    def rotate(self, *, at: float) -> str:
        """Sign with a new key from a moment on; return its name. It is shown at once."""
        key = ECKey.generate_key("P-256")
        kid = key.thumbprint()
        with self._db.transaction():
            self._db.change("UPDATE signing_key SET retired_at = ? WHERE retired_at IS NULL", at)
            jwk = json.dumps(key.as_dict(private=True))
            self._db.change("INSERT INTO signing_key VALUES (?, ?, ?, NULL)", kid, jwk, at)
        return kid

    def ensure(self, *, now: float, lifetime: float) -> None:
        """Make the first key, and the next one in time for everybody to have seen it before it signs.

        Args:
            now: seconds of the epoch.
            lifetime: seconds for which a key signs.
        """
        newest = self._db.row("SELECT begins_at FROM signing_key WHERE retired_at IS NULL")
        if newest is None:
            self.rotate(at=now)
        elif float(newest[0] or 0.0) + lifetime <= now + ANNOUNCED:
            self.rotate(at=now + ANNOUNCED)

    def forget(self, *, before: float) -> int:
        """Remove the keys that were retired before a moment; return how many."""
        return self._db.change("DELETE FROM signing_key WHERE retired_at <= ?", before)

    def sign(self, claims: Mapping[str, object], *, now: float) -> str:
        """Return an access token (RFC 9068 §2.1)."""
        kid, key = self._current(now)
        return jwt.encode({"alg": ALGORITHM, "typ": "at+jwt", "kid": kid}, dict(claims), key, algorithms=[ALGORITHM])

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

    def _current(self, now: float) -> tuple[str, ECKey]:
        """Return the key that signs; where the clock was set back that is the oldest."""
        rows = self._db.rows(
            "SELECT kid, jwk, begins_at FROM signing_key ORDER BY begins_at DESC, retired_at IS NOT NULL"
        )
        assert rows, "ensure() comes first"
        kid, jwk, _ = next((row for row in rows if float(row[2] or 0.0) <= now), rows[-1])
        return str(kid), self._key(str(kid), str(jwk))

    def _key(self, kid: str, jwk: str) -> ECKey:
        if kid not in self._parsed:
            self._parsed[kid] = ECKey.import_key(json.loads(jwk))
        return self._parsed[kid]
