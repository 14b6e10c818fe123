"""The WWSF's database: pool, leases, sessions, sign-ins on their way."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

from wic.errors import ConfigurationError
from wic.network.web.browser_session import fingerprint, new_secret
from wic.network.web.database import Database

if TYPE_CHECKING:
    from pathlib import Path

MIGRATIONS = (
    """
    CREATE TABLE pair (
        impi TEXT PRIMARY KEY,
        impu TEXT NOT NULL UNIQUE,
        used_at REAL NOT NULL DEFAULT 0
    ) WITHOUT ROWID;
    CREATE TABLE lease (
        id TEXT PRIMARY KEY,
        impi TEXT NOT NULL UNIQUE REFERENCES pair ON DELETE CASCADE,
        holder TEXT NOT NULL,
        given_back INTEGER NOT NULL DEFAULT 0,
        expires_at REAL NOT NULL
    ) WITHOUT ROWID;
    CREATE TABLE sign_in (
        state TEXT PRIMARY KEY,
        visit TEXT NOT NULL,
        verifier TEXT NOT NULL,
        expires_at REAL NOT NULL
    ) WITHOUT ROWID;
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
)


@dataclass(frozen=True, slots=True)
class Pair:
    """One subscription of the pool.

    Attributes:
        impi: private user identity.
        impu: public user identity.
    """

    impi: str
    impu: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """A signed-in browser and the token it has.

    Attributes:
        subject: the web user.
        impi: private user identity.
        impus: public user identities, the default one first.
        access_token: the token.
        token_expires_at: when it ends, in seconds of the epoch.
        renew_at: when it is time for the next one.
        refresh_token: what the next one is got with.
        expires_at: when the session ends, in seconds of the epoch.
    """

    subject: str
    impi: str
    impus: tuple[str, ...]
    access_token: str = field(repr=False)
    token_expires_at: float
    renew_at: float
    refresh_token: str | None = field(repr=False)
    expires_at: float


class WwsfStore:
    """The database in one file, as a context manager; several processes may have it open.

    Args:
        path: the file; made with mode 0600 if it is missing.

    Raises:
        ConfigurationError: the file cannot be used.
    """

    def __init__(self, path: Path) -> None:
        self._db = Database(path, MIGRATIONS)

    def __enter__(self) -> Self:
        """Use as a context manager that closes the file."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the file."""
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    # The pool

    def add_pool_pair(self, impi: str, impu: str) -> None:
        """Add a pair to the pool; one that is there already stays as it is leased.

        Raises:
            ConfigurationError: the identities are missing, or one of them is in another pair.
        """
        if not impi or not impu.startswith(("sip:", "sips:", "tel:")):
            raise ConfigurationError(f"{impi!r} and {impu!r} are no pair of private and public identity")
        other = self._db.row("SELECT impi FROM pair WHERE impu = ? AND impi <> ?", impu, impi)
        if other is not None:
            raise ConfigurationError(f"{impu} is in the pool already, with {other[0]}")
        self._db.change(
            "INSERT INTO pair (impi, impu) VALUES (?1, ?2) ON CONFLICT (impi) DO UPDATE SET impu = ?2", impi, impu
        )

    def remove_pool_pair(self, impi: str) -> bool:
        """Take a pair out of the pool, with its lease; return whether it was there."""
        return self._db.change("DELETE FROM pair WHERE impi = ?", impi) > 0

    def pairs(self) -> list[Pair]:
        """Return the whole pool, by private identity."""
        return [Pair(str(impi), str(impu)) for impi, impu in self._db.rows("SELECT impi, impu FROM pair ORDER BY impi")]

    # Leases

    def lease(self, holder: str, *, now: float, expires_at: float) -> tuple[str, Pair] | None:
        """Give the pair that was free for longest to somebody; None if there is none.

        Returns:
            the name of the lease, which only its holder learns, and the pair.
        """
        with self._db.transaction():
            self._db.change("DELETE FROM lease WHERE expires_at <= ?", now)
            row = self._db.row(
                "SELECT impi, impu FROM pair WHERE impi NOT IN (SELECT impi FROM lease) ORDER BY used_at, impi LIMIT 1"
            )
            if row is None:
                return None
            name, pair = new_secret(), Pair(str(row[0]), str(row[1]))
            self._db.change(
                "INSERT INTO lease VALUES (?, ?, ?, 0, ?)", fingerprint(name), pair.impi, holder, expires_at
            )
            self._db.change("UPDATE pair SET used_at = ? WHERE impi = ?", now, pair.impi)
            return name, pair

    def reserve(self, name: str, *, now: float, until: float) -> Pair | None:
        """Let a lease that still counts last until a moment at least; return its pair."""
        key = fingerprint(name)
        with self._db.transaction():
            row = self._db.row(
                "SELECT impi, impu FROM lease JOIN pair USING (impi)"
                " WHERE id = ? AND NOT given_back AND expires_at > ?",
                key,
                now,
            )
            if row is None:
                return None
            self._db.change("UPDATE lease SET expires_at = max(expires_at, ?) WHERE id = ?", until, key)
        return Pair(str(row[0]), str(row[1]))

    def prolong(self, name: str, *, expires_at: float) -> bool:
        """Let a lease last until another moment; return whether it is still there."""
        return self._db.change("UPDATE lease SET expires_at = ? WHERE id = ?", expires_at, fingerprint(name)) > 0

    def give_back(self, name: str, *, now: float, hold: bool) -> bool:
        """End a lease.

        Args:
            name: the lease.
            now: seconds of the epoch.
            hold: whether the pair stays out until the lease would have ended.

        Returns:
            whether there was such a lease.
        """
        if hold:
            statement = "UPDATE lease SET given_back = 1 WHERE id = ? AND NOT given_back AND expires_at > ?"
        else:
            statement = "DELETE FROM lease WHERE id = ? AND expires_at > ?"
        return self._db.change(statement, fingerprint(name), now) > 0

    def leases_of(self, holder: str, *, now: float) -> int:
        """Return how many leases somebody has."""
        row = self._db.row(
            "SELECT count(*) FROM lease WHERE holder = ? AND NOT given_back AND expires_at > ?", holder, now
        )
        return 0 if row is None else int(row[0] or 0)

    def next_free(self) -> float | None:
        """Return when the next lease ends, in seconds of the epoch."""
        row = self._db.row("SELECT min(expires_at) FROM lease")
        return None if row is None or row[0] is None else float(row[0])

    # Sign-ins and sessions

    def begin_sign_in(self, *, state: str, visit: str, verifier: str, expires_at: float) -> None:
        """Write down that a browser has gone to the WAF."""
        self._db.change(
            "INSERT INTO sign_in VALUES (?, ?, ?, ?)", fingerprint(state), fingerprint(visit), verifier, expires_at
        )

    def finish_sign_in(self, *, state: str, visit: str, now: float) -> str | None:
        """Return the PKCE verifier of a browser that comes back, once."""
        with self._db.transaction():
            row = self._db.row(
                "SELECT verifier FROM sign_in WHERE state = ? AND visit = ? AND expires_at > ?",
                fingerprint(state),
                fingerprint(visit),
                now,
            )
            if row is not None:
                self._db.change("DELETE FROM sign_in WHERE state = ?", fingerprint(state))
        return None if row is None else str(row[0])

    def keep_session(self, visit: str, session: Session) -> None:
        """Write a session down."""
        self._db.change(
            "INSERT OR REPLACE INTO session VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            fingerprint(visit),
            session.subject,
            session.impi,
            json.dumps(session.impus),
            session.access_token,
            session.token_expires_at,
            session.renew_at,
            session.refresh_token,
            session.expires_at,
        )

    def session(self, visit: str | None, *, now: float) -> Session | None:
        """Return the session of a browser."""
        if visit is None:
            return None
        row = self._db.row("SELECT * FROM session WHERE visit = ? AND expires_at > ?", fingerprint(visit), now)
        if row is None:
            return None
        _, subject, impi, impus, access_token, token_expires_at, renew_at, refresh_token, expires_at = row
        return Session(
            subject=str(subject),
            impi=str(impi),
            impus=tuple(json.loads(str(impus))),
            access_token=str(access_token),
            token_expires_at=float(token_expires_at or 0.0),
            renew_at=float(renew_at or 0.0),
            refresh_token=None if refresh_token is None else str(refresh_token),
            expires_at=float(expires_at or 0.0),
        )

    def end_session(self, visit: str) -> None:
        """Forget a session."""
        self._db.change("DELETE FROM session WHERE visit = ?", fingerprint(visit))

    def expire(self, *, now: float) -> int:
        """Remove what is over; return how many rows."""
        tables = ("lease", "sign_in", "session")
        with self._db.transaction():
            return sum(self._db.change(f"DELETE FROM {table} WHERE expires_at <= ?", now) for table in tables)
