"""Web users, and the IMS subscription that each one has (TS 24.371 Annex A.3.2)."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from wic.errors import ConfigurationError
from wic.network.waf.passwords import COST, MAX_PASSWORD, hash_password, verify_password

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wic.auth.secret import Secret
    from wic.network.web.database import Database

MAX_NAME = 128


@dataclass(frozen=True, slots=True)
class WebUser:
    """A user's web identity, mapped to the IMS subscriber identity.

    Attributes:
        name: what the user signs in with.
        impi: private user identity.
        impus: public user identities, the default one first.
    """

    name: str
    impi: str
    impus: tuple[str, ...]


class Users:
    """The table of web users.

    Args:
        database: the WAF's.
        password_cost: scrypt's N for new passwords.
    """

    def __init__(self, database: Database, *, password_cost: int = COST) -> None:
        self._db = database
        self._cost = password_cost

    def add(self, name: str, password: Secret, impi: str, impus: Sequence[str]) -> WebUser:
        """Add a user, or give the user another password and subscription.

        Browsers then have to sign in again. Another password ends all that was got with the old one; other identities
        end the access tokens, and come with the next.

        Raises:
            ConfigurationError: a name, password or identity is not of its form.
        """
        if not 1 <= len(name) <= MAX_NAME or not name.isprintable() or name != name.strip():
            raise ConfigurationError(f"{name!r} is no name for a web user")
        if not 1 <= len(password.reveal()) <= MAX_PASSWORD:
            raise ConfigurationError(f"a password has 1 to {MAX_PASSWORD} characters")
        check_identities(impi, impus)
        hashed, listed = hash_password(password, cost=self._cost), json.dumps(list(impus))
        stored, new = self.password_hash(name), WebUser(name, impi, tuple(impus))
        is_other = stored is not None and not verify_password(password, stored)
        with self._db.transaction():
            self._db.change("DELETE FROM session WHERE user = ?", name)
            if is_other:
                self._db.change("UPDATE consent SET revoked = 1 WHERE user = ?", name)
                self._db.change("DELETE FROM device WHERE user = ?", name)
            if self.find(name) != new:
                self._db.change(
                    "DELETE FROM access_token WHERE consent IN (SELECT id FROM consent WHERE user = ?)", name
                )
            self._db.change(
                "INSERT INTO user VALUES (?1, ?2, ?3, ?4)"
                " ON CONFLICT DO UPDATE SET password = ?2, impi = ?3, impus = ?4",
                name,
                hashed,
                impi,
                listed,
            )
        return new

    def remove(self, name: str) -> bool:
        """Remove a user with all that was given out for the user; return whether the user was there."""
        return self._db.change("DELETE FROM user WHERE name = ?", name) > 0

    def find(self, name: str) -> WebUser | None:
        """Return the user with this name."""
        row = self._db.row("SELECT name, impi, impus FROM user WHERE name = ?", name)
        return None if row is None else _user(*row)

    def password_hash(self, name: str) -> str | None:
        """Return what is stored of a user's password; None if there is no such user."""
        row = self._db.row("SELECT password FROM user WHERE name = ?", name)
        return None if row is None else str(row[0])

    def all(self) -> list[WebUser]:
        """Return every user, by name."""
        return [_user(*row) for row in self._db.rows("SELECT name, impi, impus FROM user ORDER BY name")]


def check_identities(impi: str, impus: Sequence[str]) -> None:
    """Check the identities of a subscription.

    Raises:
        ConfigurationError: they are missing or not of their form.
    """
    if not impi or not impi.isprintable() or " " in impi or not impus:
        raise ConfigurationError("a subscription needs a private identity and at least one public one")
    for impu in impus:
        if not impu.startswith(("sip:", "sips:", "tel:")) or not impu.isprintable():
            raise ConfigurationError(f"{impu!r} is no public identity: write sip:user@domain or tel:+number")


def _user(name: object, impi: object, impus: object) -> WebUser:
    return WebUser(str(name), str(impi), tuple(json.loads(str(impus))))
