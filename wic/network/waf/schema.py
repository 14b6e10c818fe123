"""The tables of a WAF's database. Secrets are kept as hashes; the signing keys alone are as they are."""

MIGRATIONS = (
    """
    CREATE TABLE user (
        name TEXT PRIMARY KEY,
        password TEXT NOT NULL,
        impi TEXT NOT NULL,
        impus TEXT NOT NULL
    ) WITHOUT ROWID;
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
    CREATE TABLE pool (
        wwsf TEXT NOT NULL,
        impi TEXT PRIMARY KEY,
        impu TEXT NOT NULL
    ) WITHOUT ROWID;
    CREATE TABLE signing_key (
        kid TEXT PRIMARY KEY,
        jwk TEXT NOT NULL,
        made_at REAL NOT NULL,
        retired_at REAL
    ) WITHOUT ROWID;
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
)
