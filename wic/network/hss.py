"""HSS: who the subscribers are, and where they are registered (TS 23.228 §4.5.4).

One SQLite file in WAL mode. Whatever a method has returned from survives `kill -9`: every change is one
transaction that is committed before the method returns. (A power cut may lose the last commits, never the file.)
Passwords are not kept: a subscriber has H(A1) per hash algorithm (RFC 7616 §3.4.2).
"""

from __future__ import annotations

import json
import os
import sqlite3
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from wic.auth.digest import find_algorithm, make_ha1
from wic.errors import ConfigurationError
from wic.sip.errors import MalformedUri
from wic.sip.uri import Uri

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path
    from types import TracebackType

    from wic.auth.secret import Secret

ALGORITHMS = ("SHA-512-256", "SHA-256", "MD5")
"""Hash algorithms for which H(A1) is kept, strongest first (RFC 8760 §2.3)."""

MIGRATIONS = (
    """
    CREATE TABLE subscriber (impi TEXT PRIMARY KEY) WITHOUT ROWID;
    CREATE TABLE credential (
        impi TEXT NOT NULL REFERENCES subscriber ON DELETE CASCADE,
        algorithm TEXT NOT NULL,
        ha1 TEXT NOT NULL,
        PRIMARY KEY (impi, algorithm)
    ) WITHOUT ROWID;
    CREATE TABLE identity (
        impi TEXT NOT NULL REFERENCES subscriber ON DELETE CASCADE,
        position INTEGER NOT NULL,
        impu TEXT NOT NULL,
        PRIMARY KEY (impi, position)
    ) WITHOUT ROWID;
    CREATE INDEX identity_impu ON identity (impu);
    CREATE TABLE binding (
        impi TEXT NOT NULL REFERENCES subscriber ON DELETE CASCADE,
        key TEXT NOT NULL,
        contact TEXT NOT NULL,
        path TEXT NOT NULL,
        call_id TEXT NOT NULL,
        cseq INTEGER NOT NULL,
        expires_at REAL NOT NULL,
        PRIMARY KEY (impi, key)
    ) WITHOUT ROWID;
    CREATE INDEX binding_expiry ON binding (expires_at);
    """,
)
"""One script per schema version; the file's `user_version` says how many it has seen."""


@dataclass(frozen=True, slots=True)
class Subscriber:
    """A subscription: a private identity and its implicit registration set.

    Attributes:
        impi: private user identity.
        impus: public user identities, the default one first (TS 24.229 §5.4.1.2.2F).
    """

    impi: str
    impus: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Binding:
    """Where a subscriber can be reached (RFC 3261 §10.3, RFC 5626 §6).

    Attributes:
        impi: whose binding it is.
        key: what makes two bindings the same one: instance and reg-id, or else the contact's URI.
        contact: the Contact header value as it was registered, without its expiry.
        path: the Path values, topmost first (RFC 3327).
        call_id: Call-ID of the REGISTER that set it.
        cseq: CSeq number of the REGISTER that set it.
        expires_at: when it ends, in seconds of the epoch.
    """

    impi: str
    key: str
    contact: str
    path: tuple[str, ...]
    call_id: str
    cseq: int
    expires_at: float


class Hss:
    """The subscriber database in one file.

    Args:
        path: the file; made with mode 0600 if it is missing.
        realm: the home network's domain, which goes into H(A1).

    Raises:
        ConfigurationError: the file cannot be opened, is no database or was written by a newer version.
    """

    def __init__(self, path: Path, *, realm: str) -> None:
        self.realm = realm
        self._path = path
        try:
            os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
            self._db = sqlite3.connect(path, timeout=5, isolation_level=None)
        except (OSError, sqlite3.Error) as error:
            raise ConfigurationError(f"cannot open the subscriber database {path}: {error}") from error
        try:
            self._prepare()
        except sqlite3.Error as error:
            self._db.close()
            raise ConfigurationError(f"cannot use the subscriber database {path}: {error}") from error
        except ConfigurationError:
            self._db.close()
            raise

    def _prepare(self) -> None:
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = NORMAL")
        self._db.execute("PRAGMA foreign_keys = ON")
        (version,) = self._db.execute("PRAGMA user_version").fetchone()
        if version > len(MIGRATIONS):
            raise ConfigurationError(f"the subscriber database {self._path} was written by a newer version of wic")
        for number, script in enumerate(MIGRATIONS[version:], start=version + 1):
            self._db.executescript(f"BEGIN IMMEDIATE; {script} PRAGMA user_version = {number}; COMMIT;")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield self._db
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    # Subscribers

    def add_subscriber(
        self, impi: str, impus: Sequence[str], password: Secret, *, algorithms: Sequence[str] = ALGORITHMS
    ) -> Subscriber:
        """Add a subscriber with a password, or replace its identities and password; its bindings stay.

        Args:
            impi: private identity, such as `alice@ims.example`.
            impus: public identities, the default one first: SIP or tel URIs.
            password: is hashed, not kept.
            algorithms: hash algorithms that the subscriber may use.

        Raises:
            ConfigurationError: an identity is not of its form, or an algorithm is unknown.
        """
        if not impi or not impi.isprintable() or not impus:
            raise ConfigurationError("a subscriber needs a private identity and at least one public one")
        hashes = {}
        for name in algorithms:
            if (algorithm := find_algorithm(name)) is None:
                raise ConfigurationError(f"{name!r} is no Digest algorithm; choose among {', '.join(ALGORITHMS)}")
            hashes[algorithm.name] = make_ha1(algorithm, impi, self.realm, password).reveal()
        subscriber = Subscriber(impi, tuple(canonical(impu) for impu in impus))
        self.add(subscriber, hashes)
        return subscriber

    def add(self, subscriber: Subscriber, credentials: Mapping[str, str]) -> None:
        """Add a subscriber, or replace its identities and credentials; its bindings stay.

        Args:
            subscriber: the identities; the public ones in canonical form.
            credentials: H(A1) in hexadecimal, by algorithm.
        """
        impi = subscriber.impi
        with self._transaction() as db:
            db.execute("INSERT OR IGNORE INTO subscriber VALUES (?)", (impi,))
            db.execute("DELETE FROM identity WHERE impi = ?", (impi,))
            db.execute("DELETE FROM credential WHERE impi = ?", (impi,))
            db.executemany(
                "INSERT INTO identity VALUES (?, ?, ?)",
                [(impi, position, impu) for position, impu in enumerate(subscriber.impus)],
            )
            db.executemany(
                "INSERT INTO credential VALUES (?, ?, ?)", [(impi, name, ha1) for name, ha1 in credentials.items()]
            )

    def remove(self, impi: str) -> bool:
        """Remove a subscriber with all that belongs to it; return whether it was there."""
        return self._db.execute("DELETE FROM subscriber WHERE impi = ?", (impi,)).rowcount > 0

    def subscribers(self) -> list[Subscriber]:
        """Return every subscriber, by private identity."""
        identities: dict[str, list[str]] = {}
        for impi, impu in self._db.execute(
            "SELECT impi, impu FROM subscriber LEFT JOIN identity USING (impi) ORDER BY impi, position"
        ):
            identities.setdefault(impi, []).extend([impu] if impu else [])
        return [Subscriber(impi, tuple(impus)) for impi, impus in identities.items()]

    def subscriber(self, impi: str) -> Subscriber | None:
        """Return the subscriber with this private identity."""
        if self._db.execute("SELECT 1 FROM subscriber WHERE impi = ?", (impi,)).fetchone() is None:
            return None
        rows = self._db.execute("SELECT impu FROM identity WHERE impi = ? ORDER BY position", (impi,))
        return Subscriber(impi, tuple(impu for (impu,) in rows))

    def holders(self, impu: str) -> list[Subscriber]:
        """Return the subscribers that share this public identity; none means that nobody has it."""
        rows = self._db.execute("SELECT DISTINCT impi FROM identity WHERE impu = ? ORDER BY impi", (impu,)).fetchall()
        return [subscriber for (impi,) in rows if (subscriber := self.subscriber(impi))]

    def ha1(self, impi: str, algorithm: str) -> str | None:
        """Return H(A1) of a subscriber for one hash algorithm."""
        row = self._db.execute(
            "SELECT ha1 FROM credential WHERE impi = ? AND algorithm = ?", (impi, algorithm)
        ).fetchone()
        return None if row is None else str(row[0])

    def algorithms(self, impi: str) -> frozenset[str]:
        """Return the hash algorithms for which a subscriber has H(A1)."""
        rows = self._db.execute("SELECT algorithm FROM credential WHERE impi = ?", (impi,))
        return frozenset(name for (name,) in rows)

    # Bindings

    def bindings(self, impi: str, *, now: float) -> list[Binding]:
        """Return the bindings of a subscriber that have not expired, in the order of their keys."""
        return self._bindings("SELECT * FROM binding WHERE impi = ? AND expires_at > ? ORDER BY key", (impi, now))

    def reachable(self, impu: str, *, now: float) -> list[Binding]:
        """Return the bindings under which a public identity can be reached, of all who share it."""
        return self._bindings(
            "SELECT * FROM binding WHERE expires_at > ? AND impi IN (SELECT impi FROM identity WHERE impu = ?)"
            " ORDER BY impi, key",
            (now, impu),
        )

    def _bindings(self, query: str, values: Sequence[str | float]) -> list[Binding]:
        return [
            Binding(
                impi=impi,
                key=key,
                contact=contact,
                path=tuple(json.loads(path)),
                call_id=call_id,
                cseq=cseq,
                expires_at=expires_at,
            )
            for impi, key, contact, path, call_id, cseq, expires_at in self._db.execute(query, values)
        ]

    def change_bindings(self, impi: str, *, store: Iterable[Binding] = (), remove: Iterable[str] = ()) -> None:
        """Store and remove bindings of one subscriber together, or not at all (RFC 3261 §10.3 step 7)."""
        with self._transaction() as db:
            db.executemany("DELETE FROM binding WHERE impi = ? AND key = ?", [(impi, key) for key in remove])
            db.executemany(
                "INSERT OR REPLACE INTO binding VALUES (?, ?, ?, ?, ?, ?, ?)",
                [(impi, b.key, b.contact, json.dumps(b.path), b.call_id, b.cseq, b.expires_at) for b in store],
            )

    def expire(self, *, now: float) -> int:
        """Remove the bindings whose time is over; return how many there were."""
        return self._db.execute("DELETE FROM binding WHERE expires_at <= ?", (now,)).rowcount

    def next_expiry(self) -> float | None:
        """Return when the next binding ends, in seconds of the epoch."""
        (moment,) = self._db.execute("SELECT min(expires_at) FROM binding").fetchone()
        return None if moment is None else float(moment)


def canonical(impu: str) -> str:
    """Return a public identity as it is stored.

    Raises:
        ConfigurationError: it is neither a SIP nor a tel URI.
    """
    try:
        uri = Uri.parse(impu)
    except MalformedUri as error:
        raise ConfigurationError(f"{impu!r} is no public identity: write sip:user@domain or tel:+number") from error
    if not uri.is_sip and uri.scheme != "tel":
        raise ConfigurationError(f"{impu!r} is no public identity: write sip:user@domain or tel:+number")
    return str(uri.aor())
