"""Database of a WWSF: pool, leases, sign-ins on their way, sessions."""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Final

from wic.auth.secret import Secret
from wic.errors import ConfigurationError
from wic.network.sqlite_file import read_json
from wic.network.web.browser_session import MAX_SESSIONS, fingerprint, new_secret
from wic.network.web.database import WebStore
from wic.sip.state_table import StateTable

if TYPE_CHECKING:
    from pathlib import Path

MIGRATIONS = (
    """
    CREATE TABLE pair (impi TEXT PRIMARY KEY, impu TEXT NOT NULL UNIQUE, used_at REAL NOT NULL DEFAULT 0)
        WITHOUT ROWID;
    CREATE TABLE lease (
        id TEXT PRIMARY KEY,
        impi TEXT NOT NULL UNIQUE REFERENCES pair ON DELETE CASCADE,
        holder TEXT NOT NULL,
        given_back INTEGER NOT NULL DEFAULT 0,
        expires_at REAL NOT NULL
    ) WITHOUT ROWID;
    CREATE TABLE sign_in (state TEXT PRIMARY KEY, visit TEXT NOT NULL, verifier TEXT NOT NULL, expires_at REAL NOT NULL)
        WITHOUT ROWID;
    CREATE TABLE session (
        visit TEXT PRIMARY KEY,
        subject TEXT NOT NULL,
        impi TEXT NOT NULL,
        impus TEXT NOT NULL,
        access_token TEXT NOT NULL,
        token_expires_at REAL NOT NULL,
        renew_at REAL NOT NULL,
        refresh_token TEXT,
        expires_at REAL NOT NULL
    ) WITHOUT ROWID;
    """,
    """
    ALTER TABLE sign_in RENAME COLUMN visit TO session;
    ALTER TABLE session RENAME COLUMN visit TO id;
    ALTER TABLE lease RENAME TO old_lease;
    CREATE TABLE lease (
        id TEXT PRIMARY KEY,
        impi TEXT NOT NULL UNIQUE REFERENCES pair ON DELETE CASCADE,
        holder TEXT NOT NULL,
        state TEXT NOT NULL,
        expires_at REAL NOT NULL
    ) WITHOUT ROWID;
    INSERT INTO lease
        SELECT id, impi, holder, CASE WHEN given_back THEN 'returned' ELSE 'lent' END, expires_at FROM old_lease;
    DROP TABLE old_lease;
    """,
)


class LeaseState(Enum):
    """State of the lease of a pair."""

    RESERVED = "reserved"
    """The pair is set aside while its token is requested."""
    LENT = "lent"
    """The holder has a token."""
    RETURNED = "returned"
    """The holder has given the pair back; it stays out until the token has expired."""
    ENDED = "ended"
    """There is no row of it any more: the pair is free."""


class LeaseInput(Enum):
    """Input of a lease's machine."""

    TOKEN = "token issued"
    PROLONG = "holder asks for the next token"
    GIVE_BACK = "given back, or no token"
    HOLD = "given back, to be held"
    EXPIRE = "expiry"


_S, _I = LeaseState, LeaseInput

LEASE: Final = StateTable(
    name="Pool lease",
    clause="TS 24.371 §6.3.2, TS 33.203 Annex X.4",
    initial=_S.RESERVED,
    final=_S.ENDED,
    rows={
        (_S.RESERVED, _I.TOKEN): _S.LENT,
        (_S.RESERVED, _I.GIVE_BACK): _S.ENDED,
        (_S.RESERVED, _I.EXPIRE): _S.ENDED,
        (_S.LENT, _I.TOKEN): _S.LENT,
        (_S.LENT, _I.PROLONG): _S.LENT,
        (_S.LENT, _I.GIVE_BACK): _S.ENDED,
        (_S.LENT, _I.HOLD): _S.RETURNED,
        (_S.LENT, _I.EXPIRE): _S.ENDED,
        (_S.RETURNED, _I.EXPIRE): _S.ENDED,
    },
)


@dataclass(frozen=True, slots=True)
class Pair:
    """One subscription of the pool, with one private and one public user identity (TS 33.203 Annex X.4)."""

    impi: str
    impu: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WwsfSession:
    """Session of a browser in which a user has signed in, with the token of that user; all times are Unix seconds."""

    subject: str
    """The web user."""
    impi: str
    impus: tuple[str, ...]
    """Public user identities, the default one first."""
    access_token: Secret
    token_expires_at: float
    renew_at: float
    """Time at which the next token is requested."""
    refresh_token: Secret | None
    """None if the WAF issued none."""
    expires_at: float
    """End of the session."""


class WwsfStore(WebStore):
    """The database in one file, as a context manager; several processes may have it open.

    Args:
        path: the file; made with mode 0600 if it is missing.

    Attributes:
        database: the file.

    Raises:
        ConfigurationError: the file cannot be used.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path, MIGRATIONS)

    # The pool

    def add_pool_pair(self, impi: str, impu: str) -> None:
        """Add a pair to the pool; the lease of a known one is not touched.

        Raises:
            ConfigurationError: the identities are missing, or one of them is in another pair.
        """
        if not impi or not impu.startswith(("sip:", "sips:", "tel:")):
            raise ConfigurationError(f"{impi!r} and {impu!r} are not a pair of private and public identity")
        other = self.database.row("SELECT impi FROM pair WHERE impu = ? AND impi <> ?", impu, impi)
        if other is not None:
            raise ConfigurationError(f"{impu} is in the pool already, with {other[0]}")
        self.database.change(
            "INSERT INTO pair (impi, impu) VALUES (?1, ?2) ON CONFLICT (impi) DO UPDATE SET impu = ?2", impi, impu
        )

    def remove_pool_pair(self, impi: str) -> bool:
        """Remove a pair with its lease; return whether there was one."""
        return self.database.change("DELETE FROM pair WHERE impi = ?", impi) > 0

    def pairs(self) -> list[Pair]:
        """Return the whole pool, by private identity."""
        rows = self.database.rows("SELECT impi, impu FROM pair ORDER BY impi")
        return [Pair(str(impi), str(impu)) for impi, impu in rows]

    # Leases

    def reserve(self, holder: str, *, now: float, until: float) -> tuple[str, Pair] | None:
        """Set the pair aside that was free for longest, up to a time unless a token is issued; None if there is none.

        The name of the lease, which is returned with the pair, is a secret of its holder.
        """
        db = self.database
        with db.transaction():
            # Expired leases first: the pairs of those are free.
            db.change("DELETE FROM lease WHERE expires_at <= ?", now)
            row = db.row(
                "SELECT impi, impu FROM pair WHERE impi NOT IN (SELECT impi FROM lease) ORDER BY used_at, impi LIMIT 1"
            )
            if row is None:
                return None
            name, pair = new_secret(), Pair(str(row[0]), str(row[1]))
            values = (fingerprint(name), pair.impi, holder, LEASE.initial.value, until)
            db.change("INSERT INTO lease VALUES (?, ?, ?, ?, ?)", *values)
            # The pair goes to the end of the line, so that each one rests as long as possible.
            db.change("UPDATE pair SET used_at = ? WHERE impi = ?", now, pair.impi)
            return name, pair

    def lend(self, name: str, *, now: float, expires_at: float) -> bool:
        """Let a lease last as long as the token that was issued for it; return whether it is still there."""
        return self._move(name, LeaseInput.TOKEN, now=now, expires_at=expires_at)

    def prolong(self, name: str, *, now: float, until: float) -> Pair | None:
        """Let a lease last until a moment at least, while its next token is requested; return its pair."""
        db, key = self.database, fingerprint(name)
        with db.transaction():
            row = db.row("SELECT impi, impu, expires_at FROM lease JOIN pair USING (impi) WHERE id = ?", key)
            expires_at = 0.0 if row is None else float(row[2] or 0.0)
            if row is None or not self._move(name, LeaseInput.PROLONG, now=now, expires_at=max(expires_at, until)):
                return None
        return Pair(str(row[0]), str(row[1]))

    def give_back(self, name: str, *, now: float, hold: bool) -> bool:
        """End a lease; return whether there was one. With `hold` the pair stays out until the lease would have expired."""
        return self._move(name, LeaseInput.HOLD if hold else LeaseInput.GIVE_BACK, now=now)

    def _move(self, name: str, given: LeaseInput, *, now: float, expires_at: float | None = None) -> bool:
        """Move a lease that has not expired by the table; return whether there was one that takes this input."""
        db, key = self.database, fingerprint(name)
        row = db.row("SELECT state FROM lease WHERE id = ? AND expires_at > ?", key, now)
        following = None if row is None else LEASE.rows.get((LeaseState(row[0]), given))
        if row is None or following is None:
            return False
        if following is LeaseState.ENDED:
            changed = db.change("DELETE FROM lease WHERE id = ? AND state = ?", key, row[0])
        else:
            update = "UPDATE lease SET state = ?, expires_at = coalesce(?, expires_at) WHERE id = ? AND state = ?"
            changed = db.change(update, following.value, expires_at, key, row[0])
        return changed > 0

    def leases_of(self, holder: str, *, now: float) -> int:
        """Return how many leases a holder has, with those that it has given back and that keep their pair out."""
        row = self.database.row("SELECT count(*) FROM lease WHERE holder = ? AND expires_at > ?", holder, now)
        return 0 if row is None else int(row[0] or 0)

    def next_free(self) -> float | None:
        """Return when the next lease expires, in seconds of Unix time."""
        row = self.database.row("SELECT min(expires_at) FROM lease")
        return None if row is None or row[0] is None else float(row[0])

    # Sign-ins and sessions

    def begin_sign_in(self, *, state: str, session_id: str, verifier: str, expires_at: float) -> None:
        """Store that a browser was sent to the WAF, with a PKCE code verifier and a state that the response repeats."""
        self.database.change(
            "INSERT INTO sign_in VALUES (?, ?, ?, ?)", fingerprint(state), fingerprint(session_id), verifier, expires_at
        )

    def finish_sign_in(self, *, state: str, session_id: str, now: float) -> str | None:
        """Return the PKCE code verifier of a browser that comes back, once."""
        db, key, browser = self.database, fingerprint(state), fingerprint(session_id)
        with db.transaction():
            # RFC 6749 §10.12: the state counts in the browser that began this sign-in, and in no other.
            query = "SELECT verifier FROM sign_in WHERE state = ? AND session = ? AND expires_at > ?"
            row = db.row(query, key, browser, now)
            # Once only: a second response with the same state is a replay.
            if row is not None:
                db.change("DELETE FROM sign_in WHERE state = ?", key)
        return None if row is None else str(row[0])

    def save_session(self, session_id: str, session: WwsfSession) -> None:
        """Store a session; of too many of one user the oldest ends."""
        own = fingerprint(session_id)
        self.database.make_room("session", MAX_SESSIONS, "subject = ? AND id <> ?", session.subject, own)
        self.database.change(
            "INSERT OR REPLACE INTO session VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            fingerprint(session_id),
            session.subject,
            session.impi,
            json.dumps(session.impus),
            session.access_token.reveal(),
            session.token_expires_at,
            session.renew_at,
            None if session.refresh_token is None else session.refresh_token.reveal(),
            session.expires_at,
        )

    def session(self, session_id: str | None, *, now: float) -> WwsfSession | None:
        """Return the session of a browser."""
        if session_id is None:
            return None
        row = self.database.row("SELECT * FROM session WHERE id = ? AND expires_at > ?", fingerprint(session_id), now)
        if row is None:
            return None
        _, subject, impi, impus, access_token, token_expires_at, renew_at, refresh_token, expires_at = row
        return WwsfSession(
            subject=str(subject),
            impi=str(impi),
            impus=tuple(read_json(str(impus))),
            access_token=Secret(str(access_token)),
            token_expires_at=float(token_expires_at or 0.0),
            renew_at=float(renew_at or 0.0),
            refresh_token=None if refresh_token is None else Secret(str(refresh_token)),
            expires_at=float(expires_at or 0.0),
        )

    def end_session(self, session_id: str) -> None:
        """Remove a session."""
        self.database.change("DELETE FROM session WHERE id = ?", fingerprint(session_id))

    def expire(self, *, now: float) -> int:
        """Remove what has expired; return how many rows there were."""
        tables = ("lease", "sign_in", "session")
        with self.database.transaction():
            return sum(self.database.change(f"DELETE FROM {table} WHERE expires_at <= ?", now) for table in tables)
