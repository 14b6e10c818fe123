"""Which identities belong to which WWSF's pool (TS 33.203 Annex X.4, REQ 3.2)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wic.network.waf.users import check_identities

if TYPE_CHECKING:
    from wic.network.waf.consents import Consents
    from wic.network.web.database import Database


class PoolPairs:
    """The table of pairs; each is a subscription of its own with one IMPU and one IMPI.

    Args:
        database: the WAF's.
        consents: what was given out for them.
    """

    def __init__(self, database: Database, consents: Consents) -> None:
        self._db = database
        self._consents = consents

    def add(self, wwsf: str, impi: str, impu: str) -> None:
        """Give a pair to a WWSF, or move it there.

        Raises:
            ConfigurationError: an identity is not of its form.
        """
        check_identities(impi, (impu,))
        self._db.change("INSERT OR REPLACE INTO pool VALUES (?, ?, ?)", wwsf, impi, impu)

    def remove(self, impi: str) -> bool:
        """Take a pair out, with the tokens for it; return whether it was there."""
        self._consents.revoke_pair(impi)
        return self._db.change("DELETE FROM pool WHERE impi = ?", impi) > 0

    def impu(self, wwsf: str, impi: str) -> str | None:
        """Return the public identity that goes with a private one; None if it is not of this WWSF's pool."""
        row = self._db.row("SELECT impu FROM pool WHERE wwsf = ? AND impi = ?", wwsf, impi)
        return None if row is None else str(row[0])
