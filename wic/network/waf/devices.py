"""Device codes: one for the device, a short one for the user who types it (RFC 8628)."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from wic.network.waf.errors import device_refusal, invalid_grant
from wic.network.web.browser_session import fingerprint, new_secret

if TYPE_CHECKING:
    from wic.network.web.database import Database

LETTERS = "BCDFGHJKLMNPQRSTVWXZ"
"""RFC 8628 §6.1: no vowels, so no words; no digits that look like letters."""
LENGTH = 8
SLOW_DOWN = 5.0
"""Seconds that each poll out of time costs (RFC 8628 §3.5)."""


class DeviceState(Enum):
    """What has become of a device code."""

    WAITING = "waiting"
    APPROVED = "approved"
    DENIED = "denied"


@dataclass(frozen=True, slots=True)
class DeviceRequest:
    """What a device waits for.

    Attributes:
        user_code: the code that its user types.
        client: the client that it is.
        scope: what it asks for.
    """

    user_code: str
    client: str
    scope: str


def read_user_code(text: str) -> str:
    """Return a user code as it is stored: RFC 8628 §6.1 lets people type it as they like.

    >>> read_user_code(" wdjb-mjht ")
    'WDJBMJHT'
    """
    return "".join(letter for letter in text.upper() if letter in LETTERS)[: LENGTH + 1]


def show_user_code(code: str) -> str:
    """Return a user code as people read it.

    >>> show_user_code("WDJBMJHT")
    'WDJB-MJHT'
    """
    return f"{code[: LENGTH // 2]}-{code[LENGTH // 2 :]}"


class Devices:
    """The table of device codes.

    Args:
        database: the WAF's.
    """

    def __init__(self, database: Database) -> None:
        self._db = database

    def open(self, client: str, scope: str, *, interval: float, expires_at: float) -> tuple[str, str]:
        """Return a new device code and its user code."""
        device_code = new_secret()
        user_code = "".join(secrets.choice(LETTERS) for _ in range(LENGTH))
        self._db.change(
            "INSERT INTO device VALUES (?, ?, ?, ?, ?, NULL, ?, NULL, ?)",
            fingerprint(device_code),
            user_code,
            client,
            scope,
            DeviceState.WAITING.value,
            interval,
            expires_at,
        )
        return device_code, user_code

    def find(self, user_code: str, *, now: float) -> DeviceRequest | None:
        """Return what waits for this user code."""
        row = self._db.row(
            "SELECT user_code, client, scope FROM device WHERE user_code = ? AND state = ? AND expires_at > ?",
            user_code,
            DeviceState.WAITING.value,
            now,
        )
        return None if row is None else DeviceRequest(str(row[0]), str(row[1]), str(row[2]))

    def decide(self, user_code: str, user: str, state: DeviceState, *, now: float) -> bool:
        """Write down what a user has decided; return whether it still mattered."""
        changed = self._db.change(
            "UPDATE device SET state = ?, user = ? WHERE user_code = ? AND state = ? AND expires_at > ?",
            state.value,
            user,
            user_code,
            DeviceState.WAITING.value,
            now,
        )
        return changed > 0

    def poll(self, device_code: str, client: str, *, now: float) -> tuple[str, str]:
        """Return the user and the scope of an approved code (RFC 8628 §3.4); `use` it up with what is given for it.

        Raises:
            JsonRefusal: it is not approved yet, or never will be.
        """
        key = fingerprint(device_code)
        row = self._db.row(
            "SELECT state, user, scope, expires_at FROM device WHERE hash = ? AND client = ?", key, client
        )
        if row is None:
            raise invalid_grant("there is no such device code for this client")
        state, user, scope, expires_at = row
        if float(expires_at or 0.0) <= now:
            raise device_refusal("expired_token", "nobody has typed the code in time; ask for a new one")
        if state == DeviceState.DENIED.value:
            raise device_refusal("access_denied", "the user has said no")
        if state == DeviceState.WAITING.value:
            raise self._not_yet(key, now)
        return str(user), str(scope)

    def use(self, device_code: str) -> None:
        """Forget a code that has been turned into tokens."""
        self._db.change("DELETE FROM device WHERE hash = ?", fingerprint(device_code))

    def _not_yet(self, key: str, now: float) -> Exception:
        too_early = self._db.change(
            "UPDATE device SET interval = interval + ? WHERE hash = ? AND polled_at + interval > ?", SLOW_DOWN, key, now
        )
        self._db.change("UPDATE device SET polled_at = ? WHERE hash = ?", now, key)
        if too_early:
            return device_refusal("slow_down", f"wait {SLOW_DOWN:g} s longer between two polls")
        return device_refusal("authorization_pending", "nobody has typed the code yet")
