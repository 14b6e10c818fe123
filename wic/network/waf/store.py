"""Database of a WAF: users, clients, pools, keys, and all codes and tokens that were issued.

Secrets are stored as hashes; the signing keys alone stand there as they are. Several processes may have the file open:
users and clients can be changed while the WAF runs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from wic.network.waf.clients import Clients, PoolPairs
from wic.network.waf.codes import AuthorizationCodes, DeviceCodes
from wic.network.waf.tokens import AccessTokens, Consents, RefreshTokens, SigningKeys
from wic.network.waf.users import COST, WebSessions, WebUsers
from wic.network.web.database import WebStore

if TYPE_CHECKING:
    from pathlib import Path

MIGRATIONS = (
    """
    CREATE TABLE user (name TEXT PRIMARY KEY, password TEXT NOT NULL, impi TEXT NOT NULL, impus TEXT NOT NULL)
        WITHOUT ROWID;
    CREATE TABLE client (
        id TEXT PRIMARY KEY,
        secret TEXT,
        title TEXT NOT NULL,
        grants TEXT NOT NULL,
        redirect_uris TEXT NOT NULL,
        consent INTEGER NOT NULL,
        wwsf TEXT,
        impi TEXT,
        impus TEXT NOT NULL
    ) WITHOUT ROWID;
    CREATE TABLE pool (wwsf TEXT NOT NULL, impi TEXT PRIMARY KEY, impu TEXT NOT NULL) WITHOUT ROWID;
    CREATE TABLE signing_key (kid TEXT PRIMARY KEY, jwk TEXT NOT NULL, made_at REAL NOT NULL, retired_at REAL)
        WITHOUT ROWID;
    CREATE TABLE session (
        visit TEXT PRIMARY KEY,
        user TEXT NOT NULL REFERENCES user ON DELETE CASCADE,
        expires_at REAL NOT NULL
    ) WITHOUT ROWID;
    CREATE INDEX session_user ON session (user);
    CREATE TABLE consent (
        id TEXT PRIMARY KEY,
        client TEXT NOT NULL,
        user TEXT REFERENCES user ON DELETE CASCADE,
        scope TEXT NOT NULL,
        impi TEXT NOT NULL,
        impus TEXT NOT NULL,
        wwsf TEXT,
        revoked INTEGER NOT NULL DEFAULT 0,
        expires_at REAL NOT NULL
    ) WITHOUT ROWID;
    CREATE INDEX consent_impi ON consent (impi);
    CREATE INDEX consent_user ON consent (user);
    CREATE TABLE code (
        hash TEXT PRIMARY KEY,
        consent TEXT NOT NULL REFERENCES consent ON DELETE CASCADE,
        redirect_uri TEXT NOT NULL,
        challenge TEXT NOT NULL,
        used INTEGER NOT NULL DEFAULT 0,
        expires_at REAL NOT NULL
    ) WITHOUT ROWID;
    CREATE INDEX code_consent ON code (consent);
    CREATE TABLE refresh_token (
        hash TEXT PRIMARY KEY,
        consent TEXT NOT NULL REFERENCES consent ON DELETE CASCADE,
        used INTEGER NOT NULL DEFAULT 0,
        expires_at REAL NOT NULL
    ) WITHOUT ROWID;
    CREATE INDEX refresh_token_consent ON refresh_token (consent);
    CREATE TABLE access_token (
        jti TEXT PRIMARY KEY,
        consent TEXT NOT NULL REFERENCES consent ON DELETE CASCADE,
        revoked INTEGER NOT NULL DEFAULT 0,
        expires_at REAL NOT NULL
    ) WITHOUT ROWID;
    CREATE INDEX access_token_consent ON access_token (consent);
    CREATE TABLE device (
        hash TEXT PRIMARY KEY,
        user_code TEXT NOT NULL UNIQUE,
        client TEXT NOT NULL,
        scope TEXT NOT NULL,
        state TEXT NOT NULL,
        user TEXT REFERENCES user ON DELETE CASCADE,
        interval REAL NOT NULL,
        polled_at REAL,
        expires_at REAL NOT NULL
    ) WITHOUT ROWID;
    CREATE INDEX device_user ON device (user);
    """,
    "ALTER TABLE signing_key RENAME COLUMN made_at TO begins_at",
    "UPDATE device SET state = 'pending' WHERE state = 'waiting'",
    "ALTER TABLE session RENAME COLUMN visit TO id",
)

_EXPIRING = ("session", "refresh_token", "access_token", "device", "consent")


class WafStore(WebStore):
    """The database in one file, as a context manager.

    Args:
        path: the file; made with mode 0600 if it is missing.
        password_cost: scrypt's N for new passwords.

    Attributes:
        users: web users, for `add` and `remove`.
        clients: OAuth clients, for `add`, `add_wwsf` and `remove`.
        pool: pairs of identities, for `add` and `remove`.
        keys: signing keys, for `rotate`.

    Raises:
        ConfigurationError: the file cannot be used.
    """

    def __init__(self, path: Path, *, password_cost: int = COST) -> None:
        super().__init__(path, MIGRATIONS)
        self.users = WebUsers(self.database, password_cost=password_cost)
        self.sessions = WebSessions(self.database)
        self.clients = Clients(self.database)
        self.consents = Consents(self.database)
        self.pool = PoolPairs(self.database, self.consents)
        self.keys = SigningKeys(self.database)
        self.codes = AuthorizationCodes(self.database, self.consents)
        self.device_codes = DeviceCodes(self.database)
        self.refresh_tokens = RefreshTokens(self.database, self.consents)
        self.access_tokens = AccessTokens(self.database, self.consents, self.keys)

    def expire(self, *, now: float, key_lifetime: float) -> int:
        """Remove what has expired; return how many rows there were. A retired key is published for `key_lifetime`."""
        db = self.database
        with db.transaction():
            removed = sum(db.change(f"DELETE FROM {table} WHERE expires_at <= ?", now) for table in _EXPIRING)
            removed += self.codes.remove_unused(now=now) + self.consents.remove_unused()
            return removed + self.keys.remove_retired(before=now - key_lifetime)
