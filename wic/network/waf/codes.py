"""Authorization codes: good once, for a minute, for who has the PKCE verifier (RFC 6749 §4.1, RFC 7636)."""

from __future__ import annotations

import hmac
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from wic.network.waf.errors import invalid_grant
from wic.network.web.browser_session import fingerprint, new_secret
from wic.oauth.pkce import challenge_of, is_verifier

if TYPE_CHECKING:
    from wic.network.waf.consents import Consent, Consents
    from wic.network.web.database import Database


@dataclass(frozen=True, slots=True, kw_only=True)
class Redemption:
    """What a client shows to have a code turned into tokens."""

    code: str = field(repr=False)
    """The code."""
    client: str
    """Who shows it."""
    redirect_uri: str
    """Where the code was sent; empty if the authorization request did not say."""
    verifier: str = field(repr=False)
    """The PKCE verifier."""


class Codes:
    """The table of codes.

    Args:
        database: the WAF's.
        consents: what they hang on.
    """

    def __init__(self, database: Database, consents: Consents) -> None:
        self._db = database
        self._consents = consents

    def issue(self, consent: Consent, *, redirect_uri: str, challenge: str, expires_at: float) -> str:
        """Return a new code.

        Args:
            consent: what it stands for.
            redirect_uri: as the authorization request named it; empty if it did not.
            challenge: the S256 challenge.
            expires_at: when it ends.
        """
        code = new_secret()
        self._db.change(
            "INSERT INTO code VALUES (?, ?, ?, ?, 0, ?)",
            fingerprint(code),
            consent.id,
            redirect_uri,
            challenge,
            expires_at,
        )
        return code

    def check(self, shown: Redemption, *, now: float) -> Consent:
        """Return what a code stands for; `use` it up with what is given for it.

        Raises:
            JsonRefusal: it is good for nothing; a second use takes back all that came from the first.
        """
        key = fingerprint(shown.code)
        row = self._db.row("SELECT consent, redirect_uri, challenge, used FROM code WHERE hash = ?", key)
        if row is None:
            raise invalid_grant("there is no such code")
        consent_id, redirect_uri, challenge, used = (str(value) for value in row)
        consent = self._consents.find(consent_id, now=now)
        if consent is None or consent.client != shown.client:
            raise invalid_grant("there is no such code for this client")
        if used != "0":  # RFC 6749 §4.1.2: somebody has stolen it, before or now
            self._consents.revoke(consent_id)
            raise invalid_grant("the code was used before; what it was used for is revoked")
        if self._db.row("SELECT 1 FROM code WHERE hash = ? AND expires_at > ?", key, now) is None:
            raise invalid_grant("the code is too old")
        if redirect_uri != shown.redirect_uri:
            raise invalid_grant("redirect_uri is not that of the authorization request")
        if not is_verifier(shown.verifier):
            raise invalid_grant("code_verifier is missing or not of the form of RFC 7636 §4.1")
        if not hmac.compare_digest(challenge_of(shown.verifier), challenge):
            raise invalid_grant("code_verifier does not fit the challenge")
        return consent

    def forget_unused(self, *, now: float) -> int:
        """Remove the codes that nobody came with in time; return how many."""
        return self._db.change("DELETE FROM code WHERE NOT used AND expires_at <= ?", now)

    def use(self, code: str) -> None:
        """Note that a code has been turned into tokens."""
        self._db.change("UPDATE code SET used = 1 WHERE hash = ?", fingerprint(code))
