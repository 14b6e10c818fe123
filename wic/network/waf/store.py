"""The WAF's database: users, clients, pool, keys, and all that was given out.

It may be opened by several processes: users and clients can be changed while the WAF runs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from wic.network.waf.access import AccessTokens
from wic.network.waf.clients import CLIENT, CODE, REFRESH, Clients
from wic.network.waf.codes import Codes
from wic.network.waf.consents import Consents
from wic.network.waf.devices import Devices
from wic.network.waf.keys import SigningKeys
from wic.network.waf.passwords import COST
from wic.network.waf.pool import PoolPairs
from wic.network.waf.refresh_tokens import RefreshTokens
from wic.network.waf.schema import MIGRATIONS
from wic.network.waf.sessions import Sessions
from wic.network.waf.users import Users
from wic.network.web.database import Database

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from wic.auth.secret import Secret
    from wic.network.waf.clients import OAuthClient
    from wic.network.waf.users import WebUser

WWSF_CALLBACK = "/callback"
"""Where a WWSF takes codes."""
_EXPIRING = ("session", "refresh_token", "access_token", "device", "consent")


class WafStore:
    """The database in one file, as a context manager.

    Args:
        path: the file; made with mode 0600 if it is missing.
        password_cost: scrypt's N for new passwords.

    Attributes:
        clients: the table of clients, for `add` and `remove`.

    Raises:
        ConfigurationError: the file cannot be used.
    """

    def __init__(self, path: Path, *, password_cost: int = COST) -> None:
        self.database = Database(path, MIGRATIONS)
        self.accounts = Users(self.database, password_cost=password_cost)
        self.clients = Clients(self.database)
        self.keys = SigningKeys(self.database)
        self.sessions = Sessions(self.database)
        self.consents = Consents(self.database)
        self.pool = PoolPairs(self.database, self.consents)
        self.codes = Codes(self.database, self.consents)
        self.refresh_tokens = RefreshTokens(self.database, self.consents)
        self.access_tokens = AccessTokens(self.database, self.consents, self.keys)
        self.devices = Devices(self.database)

    def __enter__(self) -> Self:
        """Use as a context manager that closes the file."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the file."""
        self.close()

    def close(self) -> None:
        """Close the file."""
        self.database.close()

    # What operators do

    def add_user(self, name: str, password: Secret, impi: str, impus: Sequence[str]) -> WebUser:
        """Add a web user, or give the user another password and subscription; see `Users.add`."""
        return self.accounts.add(name, password, impi, impus)

    def remove_user(self, name: str) -> bool:
        """Remove a web user, with all that was given out; return whether the user was there."""
        return self.accounts.remove(name)

    def users(self) -> list[WebUser]:
        """Return every web user, by name."""
        return self.accounts.all()

    def add_wwsf(self, client_id: str, secret: Secret, url: str) -> OAuthClient:
        """Add the WWSF of this operator, or move it to another URL; its identity is its client id."""
        return self.clients.add(
            client_id,
            secret,
            title="your calls",
            redirect_uris=(f"{url}{WWSF_CALLBACK}",),
            grants=(CODE, REFRESH, CLIENT),
            consent=False,
            wwsf=client_id,
        )

    def add_pool_pair(self, wwsf: str, impi: str, impu: str) -> None:
        """Give a pair of identities to the pool of a WWSF."""
        self.pool.add(wwsf, impi, impu)

    def rotate_key(self, *, now: float) -> str:
        """Sign with a new key from now on; return its name."""
        return self.keys.rotate(at=now)

    # What time does

    def expire(self, *, now: float, key_lifetime: float) -> int:
        """Remove what is over; return how many rows.

        Args:
            now: seconds of the epoch.
            key_lifetime: how long a key is shown after it was retired.
        """
        db = self.database
        with db.transaction():
            removed = sum(db.change(f"DELETE FROM {table} WHERE expires_at <= ?", now) for table in _EXPIRING)
            removed += self.codes.forget_unused(now=now)  # a used one stays with its consent, to be known again
            return removed + self.consents.forget_unused() + self.keys.forget(before=now - key_lifetime)
