"""Browsers in which somebody has signed in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wic.network.web.browser_session import fingerprint, new_secret

if TYPE_CHECKING:
    from wic.network.web.database import Database


class Sessions:
    """The table of sessions.

    Args:
        database: the WAF's.
    """

    def __init__(self, database: Database) -> None:
        self._db = database

    def open(self, user: str, *, expires_at: float) -> str:
        """Return the cookie of a new session: never one that the browser had before it signed in."""
        visit = new_secret()
        self._db.change("INSERT INTO session VALUES (?, ?, ?)", fingerprint(visit), user, expires_at)
        return visit

    def user(self, visit: str | None, *, now: float) -> str | None:
        """Return who has signed in."""
        if visit is None:
            return None
        row = self._db.row("SELECT user FROM session WHERE visit = ? AND expires_at > ?", fingerprint(visit), now)
        return None if row is None else str(row[0])

    def close(self, visit: str) -> None:
        """End a session."""
        self._db.change("DELETE FROM session WHERE visit = ?", fingerprint(visit))
