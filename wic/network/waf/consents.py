"""What has been allowed: by a user to a client, or by the operator to the client itself.

All codes and tokens hang on one consent; when it is revoked, they are all good for nothing.
"""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wic.network.web.database import Database


@dataclass(frozen=True, slots=True, kw_only=True)
class Consent:
    """What has been allowed to a client.

    Attributes:
        id: its name in the database.
        client: the client's id.
        user: the web user who has allowed it; None for what a client may do by itself.
        scope: for what.
        impi: private identity that may be used.
        impus: public identities that may be used.
        wwsf: identity of the WWSF that was in between.
        expires_at: when it ends, in seconds of the epoch.
    """

    id: str
    client: str
    user: str | None
    scope: str
    impi: str
    impus: tuple[str, ...]
    wwsf: str | None
    expires_at: float


class Consents:
    """The table of consents.

    Args:
        database: the WAF's.
    """

    def __init__(self, database: Database) -> None:
        self._db = database

    def open(
        self,
        *,
        client: str,
        user: str | None,
        scope: str,
        impi: str,
        impus: tuple[str, ...],
        wwsf: str | None,
        expires_at: float,
    ) -> Consent:
        """Write down a new consent."""
        consent = Consent(
            id=secrets.token_hex(16),
            client=client,
            user=user,
            scope=scope,
            impi=impi,
            impus=impus,
            wwsf=wwsf,
            expires_at=expires_at,
        )
        self._db.change(
            "INSERT INTO consent VALUES (?, ?, ?, ?, ?, ?, ?, 0, ?)",
            consent.id,
            client,
            user,
            scope,
            impi,
            json.dumps(impus),
            wwsf,
            expires_at,
        )
        return consent

    def find(self, consent_id: str, *, now: float) -> Consent | None:
        """Return a consent that still counts."""
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
            impus=tuple(json.loads(str(impus))),
            wwsf=None if wwsf is None else str(wwsf),
            expires_at=float(expires_at or 0.0),
        )

    def revoke(self, consent_id: str) -> None:
        """Take a consent back, with all that hangs on it."""
        self._db.change("UPDATE consent SET revoked = 1 WHERE id = ?", consent_id)

    def forget_unused(self) -> int:
        """Remove the consents on which nothing hangs any more; return how many."""
        return self._db.change(
            "DELETE FROM consent WHERE NOT EXISTS (SELECT 1 FROM code WHERE code.consent = consent.id AND NOT used)"
            " AND NOT EXISTS (SELECT 1 FROM refresh_token WHERE refresh_token.consent = consent.id)"
            " AND NOT EXISTS (SELECT 1 FROM access_token WHERE access_token.consent = consent.id)"
        )

    def revoke_pair(self, impi: str) -> None:
        """Take back what was allowed without a user for a private identity: a pair of a pool has one holder."""
        self._db.change("UPDATE consent SET revoked = 1 WHERE impi = ? AND user IS NULL", impi)
