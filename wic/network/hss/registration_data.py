"""Temporary subscriber data (TS 23.008 §3): bindings of registered subscribers, and the instances behind them."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from wic.network.sqlite_file import SqliteFile, read_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredBinding:
    """Binding of an implicit registration set to a contact (RFC 3261 §10.3, RFC 5626 §6)."""

    impi: str
    """Private identity of the subscriber."""
    key: str
    """Identity of the binding within its set: instance and reg-id, or else the URI of the contact."""
    contact: str
    """The Contact header value as it was registered, without its expiry."""
    path: tuple[str, ...]
    """The Path values, topmost first (RFC 3327)."""
    call_id: str
    """Call-ID of the REGISTER that set it."""
    cseq: int
    """CSeq number of the REGISTER that set it."""
    expires_at: float
    """End, in seconds of the epoch."""
    registration_set: int = 0
    """Number of the subscriber's implicit registration set that is bound."""
    instance: str | None = None
    """The value of `+sip.instance`, with its angle brackets."""
    registered_at: float = 0.0
    """Time of the first REGISTER, in seconds of the epoch."""
    unproved: int = 0
    """REGISTERs that have refreshed it since the subscriber was last authenticated."""
    prove: bool = False
    """Whether the next REGISTER has to be authenticated (TS 24.229 §5.4.1.6)."""


@dataclass(frozen=True, slots=True)
class UeInstance:
    """Instance of a registered UE, which GRUUs lead to (RFC 5627)."""

    number: int
    """Never given twice; another Call-ID brings another one."""
    impi: str
    registration_set: int
    instance: str
    """The value of `+sip.instance`, with its angle brackets."""
    first_cseq: int
    """CSeq of the first REGISTER since which temporary GRUUs are valid (RFC 5628 §5)."""


_GRUU_KEY_OCTETS = 64  # RFC 5297 §6.3: AEAD_AES_SIV_CMAC_512
_INSTANCE = "SELECT number, impi, registration_set, instance, first_cseq FROM instance"
_NAMES = tuple(each.name for each in fields(StoredBinding))
_COLUMNS = ", ".join(_NAMES)
_PLACES = ", ".join("?" for _ in _NAMES)


def _row(impi: str, binding: StoredBinding) -> list[object]:
    values = {name: getattr(binding, name) for name in _NAMES}
    return [*(values | {"impi": impi, "path": json.dumps(binding.path)}).values()]


def _binding(row: tuple[Any, ...]) -> StoredBinding:
    values = dict(zip(_NAMES, row, strict=True))
    return StoredBinding(**values | {"path": tuple(read_json(values["path"])), "prove": bool(values["prove"])})


class RegistrationData(SqliteFile):
    """Tables of bindings and instances; a trigger removes an instance together with its last binding."""

    def bindings(self, impi: str, *, now: float, registration_set: int | None = None) -> list[StoredBinding]:
        """Return the bindings of a subscriber, or of one of its sets, that have not expired, in the order of their keys."""
        if registration_set is None:
            return self._bindings("impi = ? AND expires_at > ? ORDER BY registration_set, key", (impi, now))
        return self._bindings(
            "impi = ? AND registration_set = ? AND expires_at > ? ORDER BY key", (impi, registration_set, now)
        )

    def reachable(self, impu: str, *, now: float) -> list[StoredBinding]:
        """Return the bindings of a public identity, of all subscribers that share it; none of a barred one."""
        return self._bindings(
            "expires_at > ? AND (impi, registration_set) IN"
            " (SELECT impi, registration_set FROM identity WHERE impu = ? AND NOT barred) ORDER BY impi, key",
            (now, impu),
        )

    def _bindings(self, condition: str, values: Sequence[str | float]) -> list[StoredBinding]:
        return [_binding(row) for row in self.rows(f"SELECT {_COLUMNS} FROM binding WHERE {condition}", *values)]

    def change_bindings(
        self, impi: str, *, store: Iterable[StoredBinding] = (), remove: Iterable[str] = (), registration_set: int = 0
    ) -> None:
        """Store bindings of one subscriber and remove those of some keys of a set, together or not at all.

        A stored binding replaces the one of the same key and set (RFC 3261 §10.3 step 7).
        """
        with self.transaction() as db:
            db.executemany(
                "DELETE FROM binding WHERE impi = ? AND registration_set = ? AND key = ?",
                [(impi, registration_set, key) for key in remove],
            )
            for each in store:
                db.execute(f"INSERT OR REPLACE INTO binding ({_COLUMNS}) VALUES ({_PLACES})", _row(impi, each))
                if each.instance is not None:
                    # RFC 5627 §5.1: another Call-ID makes the temporary GRUUs of the instance void.
                    db.execute(
                        "INSERT OR REPLACE INTO instance (impi, registration_set, instance, call_id, first_cseq)"
                        " SELECT ?1, ?2, ?3, ?4, ?5 WHERE NOT EXISTS (SELECT 1 FROM instance"
                        " WHERE impi = ?1 AND registration_set = ?2 AND instance = ?3 AND call_id = ?4)",
                        (impi, each.registration_set, each.instance, each.call_id, each.cseq),
                    )

    def expire(self, *, now: float) -> list[StoredBinding]:
        """Remove the bindings that have expired, and return them."""
        # Read and deleted in one transaction: another process may have stored a longer binding meanwhile.
        with self.transaction() as db:
            expired = self._bindings("expires_at <= ? ORDER BY impi, registration_set, key", (now,))
            db.execute("DELETE FROM binding WHERE expires_at <= ?", (now,))
        return expired

    def next_expiry(self) -> float | None:
        """Return the time at which the next binding expires, in seconds of the epoch."""
        row = self.row("SELECT min(expires_at) FROM binding")
        return None if row is None or row[0] is None else float(row[0])

    # Instances

    def instance_of(self, impi: str, registration_set: int, instance: str) -> UeInstance | None:
        """Return an instance of a registered subscriber."""
        return self._instance("impi = ? AND registration_set = ? AND instance = ?", (impi, registration_set, instance))

    def instance(self, number: int) -> UeInstance | None:
        """Return the instance with this number; None if its last binding has gone."""
        return self._instance("number = ?", (number,))

    def _instance(self, condition: str, values: Sequence[str | int]) -> UeInstance | None:
        row = self.row(f"{_INSTANCE} WHERE {condition}", *values)
        return None if row is None else UeInstance(*row)

    def gruu_key(self) -> bytes:
        """Return the key of temporary GRUUs, made at the first call; they stay valid over a restart."""
        # Two processes may ask for it at once: the first one makes it, and both read the same.
        with self.transaction() as db:
            db.execute("INSERT OR IGNORE INTO secret VALUES ('gruu', ?)", (os.urandom(_GRUU_KEY_OCTETS),))
            (value,) = db.execute("SELECT value FROM secret WHERE name = 'gruu'").fetchone()
            return bytes(value)
