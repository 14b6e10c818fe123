"""Subscribers with their identities, and what Digest needs of them (TS 29.228 §6.3)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wic.auth.digest import find_algorithm, make_ha1
from wic.errors import ConfigurationError
from wic.network.hss.database import Database
from wic.network.hss.identities import PublicIdentity, SubscriberProfile, make_profile

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Mapping, Sequence

    from wic.auth.secret import Secret

ALGORITHMS = ("SHA-512-256", "SHA-256", "MD5")
"""Hash algorithms for which H(A1) is kept, strongest first (RFC 8760 §2.3)."""

_IDENTITIES = "SELECT impi, impu, barred, registration_set, display_name FROM identity"


class Subscribers(Database):
    """The tables of subscribers, identities and passwords.

    Passwords are not kept: a subscriber has H(A1) per hash algorithm (RFC 7616 §3.4.2).
    """

    def add_subscriber(
        self,
        impi: str,
        impus: Sequence[str | PublicIdentity],
        password: Secret,
        *,
        algorithms: Sequence[str] = ALGORITHMS,
    ) -> SubscriberProfile:
        """Add a subscriber with a password, or replace its identities and password; its bindings stay.

        Args:
            impi: private identity, such as `alice@ims.example`.
            impus: public identities, the default one first: SIP or tel URIs.
            password: is hashed, not kept.
            algorithms: hash algorithms that the subscriber may use.

        Raises:
            ConfigurationError: an identity is not of its form, or an algorithm is unknown.
        """
        subscriber = make_profile(impi, impus)
        hashes = {}
        for name in algorithms:
            if (algorithm := find_algorithm(name)) is None:
                raise ConfigurationError(f"{name!r} is no Digest algorithm; choose among {', '.join(ALGORITHMS)}")
            hashes[algorithm.name] = make_ha1(algorithm, impi, self.realm, password).reveal()
        self.add(subscriber, hashes)
        return subscriber

    def add(self, subscriber: SubscriberProfile, credentials: Mapping[str, str] | None = None) -> None:
        """Add a subscriber, or replace its identities and passwords; its USIM and its bindings stay.

        Args:
            subscriber: the identities; the public ones in canonical form.
            credentials: H(A1) in hexadecimal, by algorithm; without them SIP Digest is not for this subscriber.
        """
        impi = subscriber.impi
        with self.transaction() as db:
            store_identities(db, subscriber)
            db.execute("DELETE FROM credential WHERE impi = ?", (impi,))
            db.executemany(
                "INSERT INTO credential VALUES (?, ?, ?)",
                [(impi, name, ha1) for name, ha1 in (credentials or {}).items()],
            )

    def remove_passwords(self, impi: str) -> bool:
        """Take SIP Digest from a subscriber; return whether it had a password."""
        with self.transaction() as db:
            return db.execute("DELETE FROM credential WHERE impi = ?", (impi,)).rowcount > 0

    def remove(self, impi: str) -> bool:
        """Remove a subscriber with all that belongs to it; return whether it was there."""
        with self.transaction() as db:
            return db.execute("DELETE FROM subscriber WHERE impi = ?", (impi,)).rowcount > 0

    def subscribers(self) -> list[SubscriberProfile]:
        """Return every subscriber, by private identity."""
        return self._subscribers(f"{_IDENTITIES} ORDER BY impi, position")

    def subscriber(self, impi: str) -> SubscriberProfile | None:
        """Return the subscriber with this private identity."""
        return next(iter(self._subscribers(f"{_IDENTITIES} WHERE impi = ? ORDER BY position", impi)), None)

    def holders(self, impu: str) -> list[SubscriberProfile]:
        """Return the subscribers that share this public identity; none means that nobody has it."""
        return self._subscribers(
            f"{_IDENTITIES} WHERE impi IN (SELECT impi FROM identity WHERE impu = ?) ORDER BY impi, position", impu
        )

    def _subscribers(self, query: str, *values: str) -> list[SubscriberProfile]:
        found: dict[str, list[PublicIdentity]] = {}
        for impi, impu, barred, registration_set, display_name in self._db.execute(query, values):
            found.setdefault(impi, []).append(PublicIdentity(impu, bool(barred), registration_set, display_name))
        return [SubscriberProfile(impi, tuple(identities)) for impi, identities in found.items()]

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


def store_identities(db: sqlite3.Connection, subscriber: SubscriberProfile) -> None:
    """Write a subscriber with its identities, in a transaction of the caller."""
    impi = subscriber.impi
    db.execute("INSERT OR IGNORE INTO subscriber VALUES (?)", (impi,))
    db.execute("DELETE FROM identity WHERE impi = ?", (impi,))
    db.executemany(
        "INSERT INTO identity (impi, position, impu, barred, registration_set, display_name) VALUES (?, ?, ?, ?, ?, ?)",
        [
            (impi, position, each.impu, each.barred, each.registration_set, each.display_name)
            for position, each in enumerate(subscriber.identities)
        ],
    )
