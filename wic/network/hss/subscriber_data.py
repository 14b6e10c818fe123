"""Permanent subscriber data (TS 23.008 §3): identities, passwords, USIM keys, authorization entities.

A subscriber proves its identity by SIP Digest (H(A1) per hash algorithm, TS 29.228 §6.3), by IMS AKA (keys and sequence
number of its USIM, TS 33.102 §6.3.2, Annex C), or by neither: then only a trusted node may vouch for it
(TS 33.203 Annex U).
"""

from __future__ import annotations

import json
import secrets
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

from wic.auth.aka import DEFAULT_AMF, verify_auts
from wic.auth.aka_server import AuthenticationVector, make_vector
from wic.auth.digest import find_algorithm, make_ha1
from wic.auth.keys import FUNCTION_SETS
from wic.auth.milenage import Milenage
from wic.auth.sequence import SequenceCounter
from wic.auth.tuak import Tuak, TuakOptions
from wic.errors import ConfigurationError
from wic.network.hss.profile import PublicIdentity, SubscriberProfile, identities_of
from wic.network.hss.schema import MIGRATIONS
from wic.network.sqlite_file import SqliteFile, read_json
from wic.sip.uri import Uri

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from wic.auth.secret import Secret

DIGEST_ALGORITHMS = ("SHA-512-256", "SHA-256", "MD5")
"""Hash algorithms for which H(A1) is kept, strongest first (RFC 8760 §2.3)."""

_IDENTITIES = "SELECT impi, impu, barred, registration_set, display_name FROM identity"


@dataclass(frozen=True, slots=True, kw_only=True)
class UsimKeys:
    """Keys of a USIM, as its authentication centre has them.

    Raises:
        ConfigurationError: the function set is unknown, or a key has a wrong length.
    """

    functions: str = "milenage"
    """`milenage` or `tuak`."""
    k: bytes = field(repr=False)
    opc: bytes | None = field(default=None, repr=False)
    """OPc or TOPc."""
    op: bytes | None = field(default=None, repr=False)
    """OP or TOP, if `opc` is None."""
    amf: bytes = DEFAULT_AMF
    tuak: TuakOptions = field(default_factory=TuakOptions)
    """Lengths and iterations of TUAK."""

    def __post_init__(self) -> None:
        if len(self.amf) != 2:
            raise ConfigurationError(f"an AMF has 2 octets, not {len(self.amf)}")
        # TS 33.102 §6.3.2: a MAC of another length than 64 bits fits into no AUTN.
        make_vector(self.algorithms(), 0, self.amf, bytes(16))

    @classmethod
    def made_up(cls, functions: str = "milenage") -> UsimKeys:
        """Return random keys.

        Raises:
            ConfigurationError: the function set is unknown.
        """
        octets = 16 if functions == "milenage" else 32  # TS 35.206: 128 bits; TS 35.231: TOPc has 256
        return cls(functions=functions, k=secrets.token_bytes(octets), opc=secrets.token_bytes(octets))

    def algorithms(self) -> Milenage | Tuak:
        """Return the functions f1 to f5*."""
        if self.functions == "milenage":
            return Milenage(self.k, op=self.op, opc=self.opc)
        if self.functions == "tuak":
            return Tuak(self.k, top=self.op, topc=self.opc, options=self.tuak)
        raise ConfigurationError(f"{self.functions!r} is not a function set; choose among {', '.join(FUNCTION_SETS)}")


class SubscriberData(SqliteFile):
    """Tables of subscribers and their credentials.

    Args:
        path: the file; made with mode 0600 if it is missing.
        realm: the home network's domain, which goes into H(A1).

    Raises:
        ConfigurationError: the file cannot be opened, is no database or was written by a newer version.
    """

    def __init__(self, path: Path, *, realm: str) -> None:
        super().__init__(path, MIGRATIONS)
        self.realm = realm

    # Profiles

    def add(
        self, subscriber: SubscriberProfile, credentials: Mapping[str, str] | None = None, *, shared: bool = False
    ) -> None:
        """Add a subscriber, or replace its identities and passwords; its USIM and its bindings stay.

        Args:
            subscriber: its identities.
            credentials: H(A1) in hexadecimal, by algorithm; without them the subscriber cannot use SIP Digest.
            shared: let it have identities that others have as well (TS 23.228 §4.3.3.4: those of one IMS subscription).

        Raises:
            ConfigurationError: another subscriber has one of the identities.
        """
        impi = subscriber.impi
        with self.transaction() as db:
            self._store_identities(db, subscriber, shared=shared)
            # All of them: an algorithm that is not allowed any more must not stay.
            db.execute("DELETE FROM credential WHERE impi = ?", (impi,))
            db.executemany(
                "INSERT INTO credential VALUES (?, ?, ?)",
                [(impi, name, ha1) for name, ha1 in (credentials or {}).items()],
            )

    def remove(self, impi: str) -> bool:
        """Remove a subscriber with all that belongs to it; return whether it was there."""
        with self.transaction() as db:
            # What belongs to it goes by the foreign keys of the schema.
            return db.execute("DELETE FROM subscriber WHERE impi = ?", (impi,)).rowcount > 0

    def subscribers(self) -> list[SubscriberProfile]:
        """Return every subscriber, by private identity."""
        return self._subscribers(f"{_IDENTITIES} ORDER BY impi, position")

    def subscriber(self, impi: str) -> SubscriberProfile | None:
        """Return the subscriber with this private identity."""
        return next(iter(self._subscribers(f"{_IDENTITIES} WHERE impi = ? ORDER BY position", impi)), None)

    def holders(self, impu: str) -> list[SubscriberProfile]:
        """Return the subscribers that share this public identity."""
        return self._subscribers(
            f"{_IDENTITIES} WHERE impi IN (SELECT impi FROM identity WHERE impu = ?) ORDER BY impi, position", impu
        )

    def check_free(self, subscriber: SubscriberProfile) -> None:
        """Check that no other subscriber has a public identity that is new to this one, in any form of it.

        Files of earlier versions have subscribers that share identities: those stay theirs.

        Raises:
            ConfigurationError: another one has.
        """
        known = self.subscriber(subscriber.impi)
        for impu in subscriber.impus:
            if known is not None and known.identity(impu) is not None:
                continue
            forms = identities_of(Uri.parse(impu), self.realm)
            marks = ", ".join("?" * len(forms))
            taken = self.row(
                f"SELECT impi FROM identity WHERE impu IN ({marks}) AND impi <> ?", *forms, subscriber.impi
            )
            if taken is not None:
                raise ConfigurationError(f"{impu} is an identity of the subscriber {taken[0]} already")

    def _store_identities(self, db: sqlite3.Connection, subscriber: SubscriberProfile, *, shared: bool = False) -> None:
        """Write a subscriber with its identities, in a transaction of the caller: no other process can come between."""
        if not shared:
            self.check_free(subscriber)
        impi = subscriber.impi
        db.execute("INSERT OR IGNORE INTO subscriber VALUES (?)", (impi,))
        db.execute("DELETE FROM identity WHERE impi = ?", (impi,))
        db.executemany(
            "INSERT INTO identity (impi, position, impu, barred, registration_set, display_name)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            [
                (impi, position, each.impu, each.barred, each.registration_set, each.display_name)
                for position, each in enumerate(subscriber.identities)
            ],
        )

    def _subscribers(self, query: str, *values: str) -> list[SubscriberProfile]:
        found: dict[str, list[PublicIdentity]] = {}
        for impi, impu, barred, registration_set, display_name in self.rows(query, *values):
            found.setdefault(impi, []).append(PublicIdentity(impu, bool(barred), registration_set, display_name))
        return [SubscriberProfile(impi, tuple(identities)) for impi, identities in found.items()]

    # SIP Digest; passwords themselves are not kept (RFC 7616 §3.4.2)

    def remove_passwords(self, impi: str) -> bool:
        """Take SIP Digest from a subscriber; return whether it had a password."""
        with self.transaction() as db:
            return db.execute("DELETE FROM credential WHERE impi = ?", (impi,)).rowcount > 0

    def ha1(self, impi: str, algorithm: str) -> str | None:
        """Return H(A1) of a subscriber for one hash algorithm."""
        row = self.row("SELECT ha1 FROM credential WHERE impi = ? AND algorithm = ?", impi, algorithm)
        return None if row is None else str(row[0])

    def algorithms(self, impi: str) -> frozenset[str]:
        """Return the hash algorithms for which a subscriber has H(A1)."""
        rows = self.rows("SELECT algorithm FROM credential WHERE impi = ?", impi)
        return frozenset(name for (name,) in rows)

    # IMS AKA

    def add_usim(self, subscriber: SubscriberProfile, usim: UsimKeys) -> None:
        """Add a subscriber with a USIM, or give it these identities and keys; its SQN, password and bindings stay.

        Raises:
            ConfigurationError: another subscriber has one of the identities.
        """
        algorithms = usim.algorithms()
        opc = algorithms.opc if isinstance(algorithms, Milenage) else algorithms.topc
        with self.transaction() as db:
            self._store_identities(db, subscriber)
            # The sequence number stays: a USIM with these keys would refuse one that it has seen (TS 33.102 §C.2.2).
            db.execute(
                "INSERT INTO usim (impi, functions, k, opc, amf, settings, sqn) VALUES (?, ?, ?, ?, ?, ?, 0)"
                " ON CONFLICT (impi) DO UPDATE SET functions = excluded.functions, k = excluded.k,"
                " opc = excluded.opc, amf = excluded.amf, settings = excluded.settings",
                (subscriber.impi, usim.functions, usim.k, opc, usim.amf, json.dumps(asdict(usim.tuak))),
            )

    def remove_usim(self, impi: str) -> bool:
        """Take the USIM from a subscriber; return whether there was one."""
        with self.transaction() as db:
            return db.execute("DELETE FROM usim WHERE impi = ?", (impi,)).rowcount > 0

    def usim(self, impi: str) -> UsimKeys | None:
        """Return the keys of a subscriber's USIM."""
        row = self.row("SELECT functions, k, opc, amf, settings FROM usim WHERE impi = ?", impi)
        if row is None:
            return None
        functions, k, opc, amf, settings = row
        return UsimKeys(functions=functions, k=k, opc=opc, amf=amf, tuak=TuakOptions(**read_json(settings)))

    def has_usim(self, impi: str) -> bool:
        """Tell whether a subscriber may use AKA."""
        return self.row("SELECT 1 FROM usim WHERE impi = ?", impi) is not None

    def next_vector(self, impi: str, rand: bytes) -> AuthenticationVector | None:
        """Make a vector of RAND and the next SQN, which is committed before it is returned; None without a USIM."""
        with self.transaction() as db:
            usim = self.usim(impi)
            if usim is None:
                return None
            # TS 33.102 §C.1.1.1: SQN and its index rise with each vector, and never come back after a crash.
            counter = self._sequence(impi).next()
            db.execute("UPDATE usim SET sqn = ? WHERE impi = ?", (counter.sqn, impi))
        return make_vector(usim.algorithms(), counter.sqn, usim.amf, rand)

    def resynchronise(self, impi: str, rand: bytes, auts: bytes) -> None:
        """Continue with the sequence number that a USIM reports in an AUTS of 14 octets (TS 33.102 §6.3.5).

        Raises:
            AutsRefused: the AUTS does not come from this subscriber's USIM.
        """
        with self.transaction() as db:
            usim = self.usim(impi)
            if usim is None:
                return
            # TS 33.102 §6.3.5: only the USIM can make MAC-S, so that no other party moves the counter.
            sqn_ms = verify_auts(usim.algorithms(), rand, auts)
            counter = self._sequence(impi).resynchronised(sqn_ms)
            db.execute("UPDATE usim SET sqn = ? WHERE impi = ?", (counter.sqn, impi))

    def _sequence(self, impi: str) -> SequenceCounter:
        (sqn,) = self._db.execute("SELECT sqn FROM usim WHERE impi = ?", (impi,)).fetchone()
        return SequenceCounter(sqn)

    # Trusted-node authentication (TS 33.203 Annex U, TS 24.371 §A.3.2 step 6)

    def set_entities(self, impi: str, *, allowed: Iterable[str] = (), barred: Iterable[str] = ()) -> None:
        """Set which values of `authorization-entity` may vouch for a subscriber; with none allowed, all but the barred."""
        rows = dict.fromkeys(allowed, False) | dict.fromkeys(barred, True)
        with self.transaction() as db:
            db.execute("DELETE FROM authorization_entity WHERE impi = ?", (impi,))
            db.executemany(
                "INSERT INTO authorization_entity VALUES (?, ?, ?)",
                [(impi, entity, is_barred) for entity, is_barred in rows.items()],
            )

    def may_authorize(self, impi: str, entity: str) -> bool:
        """Tell whether an entity may vouch for a subscriber."""
        rows = self.rows("SELECT entity, barred FROM authorization_entity WHERE impi = ?", impi)
        known = {name: bool(barred) for name, barred in rows}
        # A list of allowed entities excludes the others; a list of barred ones does not.
        if entity in known:
            return not known[entity]
        return all(known.values())


def make_hashes(
    impi: str, realm: str, password: Secret, *, algorithms: Sequence[str] = DIGEST_ALGORITHMS
) -> dict[str, str]:
    """Return H(A1) of a password in hexadecimal, by hash algorithm.

    Raises:
        ConfigurationError: an algorithm is unknown.
    """
    hashes = {}
    for name in algorithms:
        if (algorithm := find_algorithm(name)) is None:
            known = ", ".join(DIGEST_ALGORITHMS)
            raise ConfigurationError(f"{name!r} is not a Digest algorithm; choose among {known}")
        # RFC 7616 §3.4.2: bound to the user name and the realm, and as good as the password within it.
        hashes[algorithm.name] = make_ha1(algorithm, impi, realm, password).reveal()
    return hashes
