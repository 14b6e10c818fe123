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


class SigningKeys:
    """One key that signs, and those before it, which are shown as long as a token of theirs may live.

    Every process that opens the database sees the same keys: a rotation from the command line counts at once.

    Args:
        database: the WAF's.
    """

    def __init__(self, database: Database) -> None:
        self._db = database
        self._parsed: dict[str, ECKey] = {}

    def rotate(self, *, now: float) -> str:
        """Sign with a new key from now on; return its name."""
        key = ECKey.generate_key("P-256")
        kid = key.thumbprint()
        with self._db.transaction():
            self._db.change("UPDATE signing_key SET retired_at = ? WHERE retired_at IS NULL", now)
            jwk = json.dumps(key.as_dict(private=True))
            self._db.change("INSERT INTO signing_key VALUES (?, ?, ?, NULL)", kid, jwk, now)
        return kid

    def ensure(self, *, now: float, lifetime: float) -> None:
        """Make a key if there is none that signs, or if it has done so for long enough; before anything is signed."""
        newest = self._db.row("SELECT 1 FROM signing_key WHERE retired_at IS NULL AND made_at > ?", now - lifetime)
        if newest is None:
            self.rotate(now=now)

    def forget(self, *, before: float) -> int:
        """Remove the keys that were retired before a moment; return how many."""
        return self._db.change("DELETE FROM signing_key WHERE retired_at <= ?", before)

    def sign(self, claims: Mapping[str, object]) -> str:
        """Return an access token (RFC 9068 §2.1)."""
        kid, key = self._current()
        return jwt.encode({"alg": ALGORITHM, "typ": "at+jwt", "kid": kid}, dict(claims), key, algorithms=[ALGORITHM])

    def public(self) -> list[dict[str, object]]:
        """Return the public keys as they stand in the JWK set (RFC 7517), the one that signs first."""
        rows = self._db.rows("SELECT kid, jwk FROM signing_key ORDER BY retired_at IS NOT NULL, made_at DESC")
        return [
            {**self._key(str(kid), str(jwk)).as_dict(private=False), "kid": str(kid), "use": "sig", "alg": ALGORITHM}
            for kid, jwk in rows
        ]

    def find(self, kid: str) -> ECKey | None:
        """Return a key by its name."""
        row = self._db.row("SELECT jwk FROM signing_key WHERE kid = ?", kid)
        return None if row is None else self._key(kid, str(row[0]))

    def _current(self) -> tuple[str, ECKey]:
        row = self._db.row("SELECT kid, jwk FROM signing_key WHERE retired_at IS NULL")
        assert row is not None, "ensure() comes first"
        return str(row[0]), self._key(str(row[0]), str(row[1]))

    def _key(self, kid: str, jwk: str) -> ECKey:
        if kid not in self._parsed:
            self._parsed[kid] = ECKey.import_key(json.loads(jwk))
        return self._parsed[kid]
