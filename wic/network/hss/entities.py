"""Who may vouch for whom in trusted-node authentication (TS 33.203 Annex U, TS 24.371 §A.3.2 step 6)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wic.network.hss.database import Database

if TYPE_CHECKING:
    from collections.abc import Iterable


class AuthorizationEntities(Database):
    """The table of authorization entities (WAFs of third parties) that are allowed or barred for a subscriber."""

    def set_entities(self, impi: str, *, allowed: Iterable[str] = (), barred: Iterable[str] = ()) -> None:
        """Say which entities may vouch for a subscriber; with none allowed, all may that are not barred.

        Args:
            impi: of the subscriber.
            allowed: values of `authorization-entity`.
            barred: likewise; these never may.
        """
        rows = dict.fromkeys(allowed, False) | dict.fromkeys(barred, True)
        with self.transaction() as db:
            db.execute("DELETE FROM authorization_entity WHERE impi = ?", (impi,))
            db.executemany(
                "INSERT INTO authorization_entity VALUES (?, ?, ?)",
                [(impi, entity, is_barred) for entity, is_barred in rows.items()],
            )

    def may_authorize(self, impi: str, entity: str) -> bool:
        """Tell whether an entity may vouch for a subscriber."""
        rows = self._db.execute("SELECT entity, barred FROM authorization_entity WHERE impi = ?", (impi,))
        known = {name: bool(barred) for name, barred in rows}
        if entity in known:
            return not known[entity]
        return all(known.values())
