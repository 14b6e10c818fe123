"""Schema of the HSS's database, as the statements of each version."""

from __future__ import annotations

# Version 1: subscribers with passwords, and one set of bindings each. What belongs to a subscriber goes with it.
_FIRST = (
    "CREATE TABLE subscriber (impi TEXT PRIMARY KEY) WITHOUT ROWID",
    """CREATE TABLE credential (
        impi TEXT NOT NULL REFERENCES subscriber ON DELETE CASCADE,
        algorithm TEXT NOT NULL,
        ha1 TEXT NOT NULL,
        PRIMARY KEY (impi, algorithm)
    ) WITHOUT ROWID""",
    """CREATE TABLE identity (
        impi TEXT NOT NULL REFERENCES subscriber ON DELETE CASCADE,
        position INTEGER NOT NULL,
        impu TEXT NOT NULL,
        PRIMARY KEY (impi, position)
    ) WITHOUT ROWID""",
    "CREATE INDEX identity_impu ON identity (impu)",
    """CREATE TABLE binding (
        impi TEXT NOT NULL REFERENCES subscriber ON DELETE CASCADE,
        key TEXT NOT NULL,
        contact TEXT NOT NULL,
        path TEXT NOT NULL,
        call_id TEXT NOT NULL,
        cseq INTEGER NOT NULL,
        expires_at REAL NOT NULL,
        PRIMARY KEY (impi, key)
    ) WITHOUT ROWID""",
    "CREATE INDEX binding_expiry ON binding (expires_at)",
)

# Version 2 has registration sets, so that a binding belongs to one. SQLite cannot change a primary key: the table is
# made anew, and old bindings belong to the set that every subscriber has.
_REGISTRATION_SETS = (
    "ALTER TABLE identity ADD COLUMN barred INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE identity ADD COLUMN registration_set INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE identity ADD COLUMN display_name TEXT NOT NULL DEFAULT ''",
    "ALTER TABLE binding RENAME TO old_binding",
    "DROP INDEX binding_expiry",
    """CREATE TABLE binding (
        impi TEXT NOT NULL REFERENCES subscriber ON DELETE CASCADE,
        registration_set INTEGER NOT NULL,
        key TEXT NOT NULL,
        contact TEXT NOT NULL,
        path TEXT NOT NULL,
        call_id TEXT NOT NULL,
        cseq INTEGER NOT NULL,
        expires_at REAL NOT NULL,
        instance TEXT,
        registered_at REAL NOT NULL,
        unproved INTEGER NOT NULL,
        prove INTEGER NOT NULL,
        PRIMARY KEY (impi, registration_set, key)
    ) WITHOUT ROWID""",
    """INSERT INTO binding
        SELECT impi, 0, key, contact, path, call_id, cseq, expires_at, NULL, 0, 0, 0 FROM old_binding""",
    "DROP TABLE old_binding",
    "CREATE INDEX binding_expiry ON binding (expires_at)",
)

# The sequence number of a USIM is in its row, so that taking a vector is one update.
_USIM = (
    """CREATE TABLE usim (
        impi TEXT PRIMARY KEY REFERENCES subscriber ON DELETE CASCADE,
        functions TEXT NOT NULL,
        k BLOB NOT NULL,
        opc BLOB NOT NULL,
        amf BLOB NOT NULL,
        settings TEXT NOT NULL,
        sqn INTEGER NOT NULL
    ) WITHOUT ROWID""",
    """CREATE TABLE authorization_entity (
        impi TEXT NOT NULL REFERENCES subscriber ON DELETE CASCADE,
        entity TEXT NOT NULL,
        barred INTEGER NOT NULL,
        PRIMARY KEY (impi, entity)
    ) WITHOUT ROWID""",
)

# RFC 5627 §5.3: a temporary GRUU ends with the last binding of its instance. It is made of the instance's number, which
# is therefore never given twice (AUTOINCREMENT).
_INSTANCES = (
    "CREATE TABLE secret (name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID",
    """CREATE TABLE instance (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        impi TEXT NOT NULL REFERENCES subscriber ON DELETE CASCADE,
        registration_set INTEGER NOT NULL,
        instance TEXT NOT NULL,
        call_id TEXT NOT NULL,
        first_cseq INTEGER NOT NULL,
        UNIQUE (impi, registration_set, instance)
    )""",
    """CREATE TRIGGER last_binding_gone AFTER DELETE ON binding WHEN OLD.instance IS NOT NULL BEGIN
        DELETE FROM instance
        WHERE impi = OLD.impi AND registration_set = OLD.registration_set AND instance = OLD.instance
            AND NOT EXISTS (
                SELECT 1 FROM binding
                WHERE impi = OLD.impi AND registration_set = OLD.registration_set AND instance = OLD.instance
            );
    END""",
)

# Operator commands outlive their subscriber: the one that removes it waits for the deregistration.
_SUBSCRIPTIONS_AND_COMMANDS = (
    """CREATE TABLE reg_event_subscription (
        call_id TEXT,
        local_tag TEXT,
        remote_tag TEXT,
        impi TEXT NOT NULL REFERENCES subscriber ON DELETE CASCADE,
        state TEXT NOT NULL,
        PRIMARY KEY (call_id, local_tag, remote_tag)
    ) WITHOUT ROWID""",
    "CREATE INDEX reg_event_impi ON reg_event_subscription (impi)",
    """CREATE TABLE orders (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        impi TEXT NOT NULL,
        action TEXT NOT NULL,
        reason TEXT NOT NULL,
        seconds INTEGER NOT NULL,
        given_at REAL NOT NULL,
        outcome TEXT
    )""",
)

MIGRATIONS: tuple[tuple[str, ...], ...] = (
    _FIRST,
    (*_REGISTRATION_SETS, *_USIM, *_INSTANCES, *_SUBSCRIPTIONS_AND_COMMANDS),
)
"""The statements of each schema version; the file's `user_version` says how many versions it has seen."""
