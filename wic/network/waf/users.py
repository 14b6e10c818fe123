"""Web users with their passwords, their IMS subscriptions (TS 24.371 Annex A.3.2) and their browser sessions.

Passwords are hashed with scrypt (RFC 7914), so that a stolen database makes each guess expensive. A check takes 32 MB
and some 80 ms: it runs beside the event loop, two at a time, and a flood of sign-ins is turned away instead of queued.
An unknown user costs the same work as a known one, or the time of the answer would tell which names exist.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import secrets
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Self

from wic.errors import ConfigurationError
from wic.network.sqlite_file import read_json
from wic.network.web.browser_session import MAX_SESSIONS, fingerprint, new_secret

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from wic.auth.secret import Secret
    from wic.network.web.database import WebDatabase

MAX_NAME = 128
MAX_PASSWORD = 1024
"""Longest password that is hashed, in characters."""
COST = 2**15
"""scrypt's N."""
BLOCK = 8
PARALLEL = 1
MEMORY = 256 * 2**20
CHECKS_AT_ONCE = 2
"""Passwords that are checked at the same time."""
MAX_WAITING = 32
"""Passwords that are checked or wait for it."""


@dataclass(frozen=True, slots=True)
class WebUser:
    """A user's web identity, mapped to an IMS subscription.

    Attributes:
        name: user name at the sign-in.
        impi: private user identity.
        impus: public user identities, the default one first.
    """

    name: str
    impi: str
    impus: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class HashedPassword:
    """A password for a user, hashed."""

    hashed: str
    differs: bool
    """Whether the user has had another one."""

    @classmethod
    def make(cls, password: Secret, *, cost: int, stored: str | None) -> Self:
        """Hash a password, and compare it with the one whose hash is stored."""
        differs = stored is not None and not verify_password(password, stored)
        return cls(hash_password(password, cost=cost), differs)


class WebUsers:
    """Table of web users.

    Args:
        database: the WAF's.
        password_cost: scrypt's N for new passwords.
    """

    def __init__(self, database: WebDatabase, *, password_cost: int = COST) -> None:
        self._db = database
        self._cost = password_cost

    def add(self, name: str, password: Secret, impi: str, impus: Sequence[str]) -> WebUser:
        """Add a user, or replace password and subscription of a known one.

        Browsers have to sign in again then. Another password revokes all that was issued under the old one; other
        identities end the access tokens, and come with the next.

        Args:
            name: user name at the sign-in.
            password: the password.
            impi: private user identity.
            impus: public user identities, the default one first.

        Raises:
            ConfigurationError: a name, password or identity is malformed.
        """
        new = WebUser(name, impi, tuple(impus))
        check_user(new, password)
        # Hashed before the transaction: it takes long, and other processes wait for the file meanwhile.
        self.store(new, self.hashing(name, password)())
        return new

    def hashing(self, name: str, password: Secret) -> Callable[[], HashedPassword]:
        """Return the work of hashing a password for a user, which any thread may do."""
        return partial(HashedPassword.make, password, cost=self._cost, stored=self.password_hash(name))

    def store(self, new: WebUser, password: HashedPassword) -> None:
        """Store a user who has been checked, as `add` says."""
        name = new.name
        with self._db.transaction():
            # The sign-ins of these browsers rest on the old password.
            self._db.change("DELETE FROM session WHERE user = ?", name)
            if password.differs:
                self._db.change("UPDATE consent SET revoked = 1 WHERE user = ?", name)
                self._db.change("DELETE FROM device WHERE user = ?", name)
            # Access tokens name the identities; refresh tokens stay, and bring tokens with the new ones.
            if self.find(name) != new:
                self._db.change(
                    "DELETE FROM access_token WHERE consent IN (SELECT id FROM consent WHERE user = ?)", name
                )
            self._db.change(
                "INSERT INTO user VALUES (?1, ?2, ?3, ?4)"
                " ON CONFLICT DO UPDATE SET password = ?2, impi = ?3, impus = ?4",
                name,
                password.hashed,
                new.impi,
                json.dumps(list(new.impus)),
            )

    def remove(self, name: str) -> bool:
        """Remove a user with all that was issued for the user; return whether there was one."""
        return self._db.change("DELETE FROM user WHERE name = ?", name) > 0

    def find(self, name: str) -> WebUser | None:
        """Return the user with this name."""
        row = self._db.row("SELECT name, impi, impus FROM user WHERE name = ?", name)
        return None if row is None else _user(*row)

    def all(self) -> list[WebUser]:
        """Return every user, by name."""
        return [_user(*row) for row in self._db.rows("SELECT name, impi, impus FROM user ORDER BY name")]

    def password_hash(self, name: str) -> str | None:
        """Return the stored hash of a user's password; None if there is no such user."""
        row = self._db.row("SELECT password FROM user WHERE name = ?", name)
        return None if row is None else str(row[0])


class WebSessions:
    """Table of the browsers in which a user has signed in."""

    def __init__(self, database: WebDatabase) -> None:
        self._db = database

    def open(self, user: str, *, expires_at: float) -> str:
        """Return the id of a new session.

        It is never one that the browser had before it signed in: that could have been planted (session fixation).
        """
        session_id = new_secret()
        self._db.make_room("session", MAX_SESSIONS, "user = ?", user)
        self._db.change("INSERT INTO session VALUES (?, ?, ?)", fingerprint(session_id), user, expires_at)
        return session_id

    def user(self, session_id: str | None, *, now: float) -> str | None:
        """Return the name of the user who has signed in."""
        if session_id is None:
            return None
        row = self._db.row("SELECT user FROM session WHERE id = ? AND expires_at > ?", fingerprint(session_id), now)
        return None if row is None else str(row[0])

    def close(self, session_id: str) -> None:
        """End a session."""
        self._db.change("DELETE FROM session WHERE id = ?", fingerprint(session_id))


class PasswordVerifier:
    """Checks passwords beside the event loop.

    Args:
        cost: scrypt's N for the password of an unknown user; that of the known ones, so that both take the same time.
    """

    def __init__(self, *, cost: int = COST) -> None:
        self._waiting = 0
        self._slots = asyncio.Semaphore(CHECKS_AT_ONCE)  # 32 MB each
        self._unknown_user = f"scrypt${cost}${_encode(secrets.token_bytes(16))}${_encode(bytes(32))}"

    @property
    def is_busy(self) -> bool:
        """Tell whether too many passwords wait already."""
        return self._waiting >= MAX_WAITING

    async def verify(self, password: Secret, stored: str | None) -> bool:
        """Tell whether a password is right; None is the stored hash of an unknown user."""
        self._waiting += 1
        try:
            async with self._slots:
                work = partial(verify_password, password, stored or self._unknown_user)
                right = await asyncio.get_running_loop().run_in_executor(None, work)
        finally:
            self._waiting -= 1
        return right and stored is not None


def hash_password(password: Secret, *, cost: int = COST) -> str:
    """Return the hash of a password, as it is stored."""
    salt = secrets.token_bytes(16)  # RFC 7914 §2: equal passwords get different hashes
    return f"scrypt${cost}${_encode(salt)}${_encode(_scrypt(password, salt, cost))}"


def verify_password(password: Secret, stored: str) -> bool:
    """Tell whether a password has this hash."""
    _, cost, salt, expected = stored.split("$")
    computed = _scrypt(password, base64.b64decode(salt), int(cost))
    # In constant time: the time of the answer tells nothing about the hash.
    return hmac.compare_digest(computed, base64.b64decode(expected))


def check_user(user: WebUser, password: Secret) -> None:
    """Check a user who is to be added.

    Raises:
        ConfigurationError: a name, password or identity is malformed.
    """
    name = user.name
    if not 1 <= len(name) <= MAX_NAME or not name.isprintable() or name != name.strip():
        raise ConfigurationError(f"{name!r} cannot be the name of a web user")
    if not 1 <= len(password.reveal()) <= MAX_PASSWORD:
        raise ConfigurationError(f"a password has 1 to {MAX_PASSWORD} characters")
    check_identities(user.impi, user.impus)


def check_identities(impi: str, impus: Sequence[str]) -> None:
    """Check the identities of a subscription.

    Raises:
        ConfigurationError: they are missing or malformed.
    """
    if not impi or not impi.isprintable() or " " in impi or not impus:
        raise ConfigurationError("a subscription needs a private identity and at least one public one")
    for impu in impus:
        if not impu.startswith(("sip:", "sips:", "tel:")) or not impu.isprintable():
            raise ConfigurationError(f"{impu!r} is not a public identity: write sip:user@domain or tel:+number")


def _user(name: object, impi: object, impus: object) -> WebUser:
    return WebUser(str(name), str(impi), tuple(read_json(str(impus))))


def _scrypt(password: Secret, salt: bytes, cost: int) -> bytes:
    return hashlib.scrypt(password.reveal().encode(), salt=salt, n=cost, r=BLOCK, p=PARALLEL, dklen=32, maxmem=MEMORY)


def _encode(data: bytes) -> str:
    return base64.b64encode(data).decode()
