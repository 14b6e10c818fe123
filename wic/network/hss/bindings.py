"""Where subscribers are registered (RFC 3261 §10.3, RFC 5626 §6)."""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from wic.network.hss.database import Database

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredBinding:
    """Where an implicit registration set of a subscriber can be reached."""

    impi: str
    """Whose binding it is."""
    key: str
    """What makes two bindings the same one: instance and reg-id, or else the contact's URI."""
    contact: str
    """The Contact header value as it was registered, without its expiry."""
    path: tuple[str, ...]
    """The Path values, topmost first (RFC 3327)."""
    call_id: str
    """Call-ID of the REGISTER that set it."""
    cseq: int
    """CSeq number of the REGISTER that set it."""
    expires_at: float
    """When it ends, in seconds of the epoch."""
    registration_set: int = 0
    """Which of the subscriber's implicit registration sets is bound."""
    instance: str | None = None
    """The value of `+sip.instance`, with its angle brackets."""
    registered_at: float = 0.0
    """When it came into being, in seconds of the epoch."""
    unproved: int = 0
    """How many REGISTERs have refreshed it since the subscriber last proved who it is."""
    prove: bool = False
    """Whether the next REGISTER has to be proved (TS 24.229 §5.4.1.6)."""


_NAMES = tuple(each.name for each in fields(StoredBinding))
_COLUMNS = ", ".join(_NAMES)
_PLACES = ", ".join("?" for _ in _NAMES)


def _row(impi: str, binding: StoredBinding) -> list[object]:
    values = {name: getattr(binding, name) for name in _NAMES}
    return [*(values | {"impi": impi, "path": json.dumps(binding.path)}).values()]


def _binding(row: tuple[Any, ...]) -> StoredBinding:
    values = dict(zip(_NAMES, row, strict=True))
    return StoredBinding(**values | {"path": tuple(json.loads(values["path"])), "prove": bool(values["prove"])})


class Bindings(Database):
    """The table of bindings."""

    def bindings(self, impi: str, *, now: float, registration_set: int | None = None) -> list[StoredBinding]:
        """Return the bindings of a subscriber, or of one of its sets, that have not expired, in the order of their keys."""
        if registration_set is None:
            return self._bindings("impi = ? AND expires_at > ? ORDER BY registration_set, key", (impi, now))
        return self._bindings(
            "impi = ? AND registration_set = ? AND expires_at > ? ORDER BY key", (impi, registration_set, now)
        )

    def reachable(self, impu: str, *, now: float) -> list[StoredBinding]:
        """Return the bindings under which a public identity can be reached, of all who share it."""
        return self._bindings(
            "expires_at > ? AND (impi, registration_set) IN"
            " (SELECT impi, registration_set FROM identity WHERE impu = ? AND NOT barred) ORDER BY impi, key",
            (now, impu),
        )

    def _bindings(self, condition: str, values: Sequence[str | float]) -> list[StoredBinding]:
        rows = self._db.execute(f"SELECT {_COLUMNS} FROM binding WHERE {condition}", values)
        return [_binding(row) for row in rows]

    def change_bindings(
        self, impi: str, *, store: Iterable[StoredBinding] = (), remove: Iterable[str] = (), registration_set: int = 0
    ) -> None:
        """Store and remove bindings of one subscriber together, or not at all (RFC 3261 §10.3 step 7).

        Args:
            impi: whose they all are.
            store: are added, or replace those of the same key and set.
            remove: keys of bindings that go.
            registration_set: the set from which they go.
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
        """Remove the bindings whose time is over, and return them."""
        with self.transaction() as db:
            expired = self._bindings("expires_at <= ? ORDER BY impi, registration_set, key", (now,))
            db.execute("DELETE FROM binding WHERE expires_at <= ?", (now,))
        return expired

    def next_expiry(self) -> float | None:
        """Return when the next binding ends, in seconds of the epoch."""
        (moment,) = self._db.execute("SELECT min(expires_at) FROM binding").fetchone()
        return None if moment is None else float(moment)
