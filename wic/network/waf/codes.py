"""Authorization codes (RFC 6749 §4.1, RFC 7636), and the codes of the device grant (RFC 8628)."""

from __future__ import annotations

import hmac
import secrets
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Final

from wic.network.waf.tokens import GrantError
from wic.network.web.browser_session import fingerprint, new_secret
from wic.oauth.errors import ErrorCode
from wic.oauth.pkce import challenge_of, is_verifier
from wic.sip.state_table import StateTable

if TYPE_CHECKING:
    from wic.network.waf.tokens import Consent, Consents
    from wic.network.web.database import WebDatabase

USER_CODE_LETTERS = "BCDFGHJKLMNPQRSTVWXZ"
"""RFC 8628 §6.1: no vowels, so no words; no digits that look like letters."""
USER_CODE_LENGTH = 8
SLOW_DOWN = 5.0
"""Seconds by which each early poll prolongs the interval (RFC 8628 §3.5)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeRedemption:
    """Token request with an authorization code (RFC 6749 §4.1.3)."""

    code: str = field(repr=False)
    client: str
    """Id of the client that presents the code."""
    redirect_uri: str
    """The redirect URI; empty if the authorization request named none."""
    verifier: str = field(repr=False)
    """The PKCE code verifier."""


class AuthorizationCodes:
    """Table of authorization codes: each is for one use, for a minute, for the client with the PKCE verifier."""

    def __init__(self, database: WebDatabase, consents: Consents) -> None:
        self._db = database
        self._consents = consents

    def issue(self, consent: Consent, *, redirect_uri: str, challenge: str, expires_at: float) -> str:
        """Return a new code; `redirect_uri` is empty if the authorization request named none."""
        code = new_secret()
        values = (fingerprint(code), consent.id, redirect_uri, challenge, expires_at)
        self._db.change("INSERT INTO code VALUES (?, ?, ?, ?, 0, ?)", *values)
        return code

    def check(self, redemption: CodeRedemption, *, now: float) -> Consent:
        """Return the consent of a code; `use` it with the tokens that are issued for it.

        Raises:
            GrantError: it is worthless; a second use revokes the consent.
        """
        key = fingerprint(redemption.code)
        row = self._db.row("SELECT consent, redirect_uri, challenge, used, expires_at FROM code WHERE hash = ?", key)
        if row is None:
            raise GrantError(ErrorCode.INVALID_GRANT, "there is no such code")
        consent = self._consents.find(str(row[0]), now=now)
        if consent is None or consent.client != redemption.client:  # RFC 6749 §4.1.3: bound to its client
            raise GrantError(ErrorCode.INVALID_GRANT, "there is no such code for this client")
        _, redirect_uri, challenge, used, expires_at = row
        # RFC 6749 §4.1.2: one of the two uses was a thief's, so the tokens of the first are revoked.
        if used:
            self._consents.revoke(consent.id)
            raise GrantError(ErrorCode.INVALID_GRANT, "the code was used before; the tokens for it are revoked")
        if float(expires_at or 0.0) <= now:
            raise GrantError(ErrorCode.INVALID_GRANT, "the code has expired")  # RFC 6749 §4.1.2
        # RFC 6749 §4.1.3: else a code sent to a page that leaks it could be redeemed by the leak's reader.
        if str(redirect_uri) != redemption.redirect_uri:
            raise GrantError(ErrorCode.INVALID_GRANT, "redirect_uri is not that of the authorization request")
        if not is_verifier(redemption.verifier):  # RFC 9700 §2.1.1: PKCE is not optional
            raise GrantError(ErrorCode.INVALID_GRANT, "code_verifier is missing or malformed (RFC 7636 §4.1)")
        if not hmac.compare_digest(challenge_of(redemption.verifier), str(challenge)):  # RFC 7636 §4.6
            raise GrantError(ErrorCode.INVALID_GRANT, "code_verifier does not fit the challenge")
        return consent

    def use(self, code: str) -> None:
        """Mark a code as used."""
        self._db.change("UPDATE code SET used = 1 WHERE hash = ?", fingerprint(code))

    def remove_unused(self, *, now: float) -> int:
        """Remove the codes that expired without use; return how many there were.

        A used one stays with its consent: a second use is to be noticed.
        """
        return self._db.change("DELETE FROM code WHERE NOT used AND expires_at <= ?", now)


class DeviceState(Enum):
    """State of a device code and its user code."""

    PENDING = "pending"
    """The user has not decided."""
    APPROVED = "approved"
    DENIED = "denied"
    ENDED = "ended"
    """There is no row of it any more."""


class DeviceInput(Enum):
    """Input of the device grant's machine."""

    APPROVE = "user approves"
    DENY = "user denies"
    REDEEM = "device gets its tokens"
    EXPIRE = "codes expire"


DEVICE_GRANT: Final = StateTable(
    name="Device grant",
    clause="RFC 8628 §3.3 to §3.5",
    initial=DeviceState.PENDING,
    final=DeviceState.ENDED,
    rows={
        (DeviceState.PENDING, DeviceInput.APPROVE): DeviceState.APPROVED,
        (DeviceState.PENDING, DeviceInput.DENY): DeviceState.DENIED,
        (DeviceState.PENDING, DeviceInput.EXPIRE): DeviceState.ENDED,
        (DeviceState.APPROVED, DeviceInput.REDEEM): DeviceState.ENDED,
        (DeviceState.APPROVED, DeviceInput.EXPIRE): DeviceState.ENDED,
        (DeviceState.DENIED, DeviceInput.EXPIRE): DeviceState.ENDED,
    },
)


@dataclass(frozen=True, slots=True)
class DeviceRequest:
    """Device that waits for its user."""

    user_code: str
    client: str
    """Id of the client."""
    scope: str


class DeviceCodes:
    """Table of device codes, each with the short user code that the user types."""

    def __init__(self, database: WebDatabase) -> None:
        self._db = database

    def open(self, client: str, scope: str, *, interval: float, expires_at: float) -> tuple[str, str]:
        """Return a new device code and its user code; `interval` is in seconds between two polls (RFC 8628 §3.2)."""
        device_code = new_secret()
        # RFC 8628 §5.1: one of 20^8, and guessing is slowed down.
        user_code = "".join(secrets.choice(USER_CODE_LETTERS) for _ in range(USER_CODE_LENGTH))
        values = (fingerprint(device_code), user_code, client, scope, DEVICE_GRANT.initial.value, interval, expires_at)
        self._db.change("INSERT INTO device VALUES (?, ?, ?, ?, ?, NULL, ?, NULL, ?)", *values)
        return device_code, user_code

    def find(self, user_code: str, *, now: float) -> DeviceRequest | None:
        """Return the device that waits for this user code."""
        query = "SELECT user_code, client, scope FROM device WHERE user_code = ? AND state = ? AND expires_at > ?"
        row = self._db.row(query, user_code, DeviceState.PENDING.value, now)
        return None if row is None else DeviceRequest(str(row[0]), str(row[1]), str(row[2]))

    def decide(self, user_code: str, user: str, decision: DeviceInput, *, now: float) -> bool:
        """Store the decision of a user, `APPROVE` or `DENY`; return whether the code was still waiting for one."""
        # The condition on the state makes it one step: two decisions at a time cannot both be stored.
        following = DEVICE_GRANT.rows[DeviceState.PENDING, decision]
        update = "UPDATE device SET state = ?, user = ? WHERE user_code = ? AND state = ? AND expires_at > ?"
        return self._db.change(update, following.value, user, user_code, DeviceState.PENDING.value, now) > 0

    def check(self, device_code: str, client: str, *, now: float) -> tuple[str, str]:
        """Return user and scope of an approved code (RFC 8628 §3.4); `use` it with the tokens that are issued for it.

        Raises:
            GrantError: it is not approved yet, or never will be.
        """
        key = fingerprint(device_code)
        row = self._db.row(
            "SELECT state, user, scope, expires_at FROM device WHERE hash = ? AND client = ?", key, client
        )
        if row is None:
            raise GrantError(ErrorCode.INVALID_GRANT, "there is no such device code for this client")
        stored, user, scope, expires_at = row
        state = DeviceState(stored)
        # RFC 8628 §3.5: `expired_token` and `access_denied` end the polling.
        if float(expires_at or 0.0) <= now:
            raise GrantError(ErrorCode.EXPIRED_TOKEN, "the user did not enter the code in time; ask for a new one")
        if state is DeviceState.DENIED:  # RFC 8628 §3.5
            raise GrantError(ErrorCode.ACCESS_DENIED, "the user denied the request")
        # Approved: the caller issues the tokens, and removes the code with them.
        if (state, DeviceInput.REDEEM) in DEVICE_GRANT.rows:
            return str(user), str(scope)
        # RFC 8628 §3.5: a poll before its time prolongs the interval for this and all further polls.
        too_early = self._db.change(
            "UPDATE device SET interval = interval + ? WHERE hash = ? AND polled_at + interval > ?", SLOW_DOWN, key, now
        )
        self._db.change("UPDATE device SET polled_at = ? WHERE hash = ?", now, key)
        if too_early:
            raise GrantError(ErrorCode.SLOW_DOWN, f"wait {SLOW_DOWN:g} s longer between two polls")
        raise GrantError(ErrorCode.AUTHORIZATION_PENDING, "the user has not entered the code yet")  # RFC 8628 §3.5

    def use(self, device_code: str) -> None:
        """Remove a code that was exchanged for tokens."""
        self._db.change("DELETE FROM device WHERE hash = ?", fingerprint(device_code))


def read_user_code(text: str) -> str:
    """Return a user code as it is stored, however the user typed it (RFC 8628 §6.1).

    >>> read_user_code(" wdjb-mjht ")
    'WDJBMJHT'
    """
    return "".join(letter for letter in text.upper() if letter in USER_CODE_LETTERS)[: USER_CODE_LENGTH + 1]


def show_user_code(code: str) -> str:
    """Return a user code as it is shown.

    >>> show_user_code("WDJBMJHT")
    'WDJB-MJHT'
    """
    half = USER_CODE_LENGTH // 2
    return f"{code[:half]}-{code[half:]}"
