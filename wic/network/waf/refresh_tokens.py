"""Refresh tokens: a new one with every use; using an old one again ends the family (RFC 9700 §4.14.2)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wic.network.waf.errors import invalid_grant
from wic.network.web.browser_session import fingerprint, new_secret

if TYPE_CHECKING:
    from wic.network.waf.consents import Consent, Consents
    from wic.network.web.database import Database


class RefreshTokens:
    """The table of refresh tokens.

    Args:
        database: the WAF's.
        consents: what they hang on.
    """

    def __init__(self, database: Database, consents: Consents) -> None:
        self._db = database
        self._consents = consents

    def issue(self, consent: Consent, *, expires_at: float) -> str:
        """Return a new refresh token."""
        token = new_secret()
        moment = min(expires_at, consent.expires_at)
        self._db.change("INSERT INTO refresh_token VALUES (?, ?, 0, ?)", fingerprint(token), consent.id, moment)
        return token

    def check(self, token: str, client: str, *, now: float) -> Consent:
        """Return what a refresh token stands for; `use` it up with what is given for it.

        Raises:
            JsonRefusal: it is good for nothing; a second use takes back all that hangs on the same consent.
        """
        row = self._db.row(
            "SELECT consent, used FROM refresh_token WHERE hash = ? AND expires_at > ?", fingerprint(token), now
        )
        consent = None if row is None else self._consents.find(str(row[0]), now=now)
        if row is None or consent is None or consent.client != client:
            raise invalid_grant("there is no such refresh token for this client, or its time is over")
        if row[1]:
            self._consents.revoke(consent.id)
            raise invalid_grant("the refresh token was used before; all that came from it is revoked")
        return consent

    def use(self, token: str) -> None:
        """Note that a refresh token has been turned into the next one."""
        self._db.change("UPDATE refresh_token SET used = 1 WHERE hash = ?", fingerprint(token))

    def find(self, token: str, *, now: float) -> tuple[Consent, float] | None:
        """Return what an unused refresh token stands for, and when it ends."""
        row = self._db.row(
            "SELECT consent, expires_at FROM refresh_token WHERE hash = ? AND NOT used AND expires_at > ?",
            fingerprint(token),
            now,
        )
        if row is None or (consent := self._consents.find(str(row[0]), now=now)) is None:
            return None
        return consent, float(row[1] or 0.0)
