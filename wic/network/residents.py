"""Who lives in an embedded network from its first start on, with accounts to try every way of registration."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from wic.auth.secret import Secret
from wic.network.certificates import CA_FILE
from wic.network.hss import Subscriber

if TYPE_CHECKING:
    from wic.network.accounts import AccountsFile, Value
    from wic.network.hss import Hss
    from wic.network.web_access import WebAccess

GUEST = "guest"
"""The account that borrows its identities from the pool; those are called GUEST-1, GUEST-2 and so on."""


class WebResidents:
    """Web users, programs and the pool: all that have no secret of their own in the HSS.

    What is there already is left as it is, and what a database has lost comes back from the accounts file.
    """

    def __init__(self, hss: Hss, accounts: AccountsFile, web: WebAccess, server: str) -> None:
        self._hss = hss
        self._accounts = accounts
        self._web = web
        self._server = server

    def add_web_user(self, name: str) -> None:
        """Add a web user with a password to sign in with, and an account that gets tokens without anybody's help.

        Somebody of that name who registers in another way is left alone.

        Raises:
            ConfigurationError: the name makes no identity, or the accounts file cannot be written.
        """
        account = self._accounts.get(name)
        if account is not None and account.get("auth") != "bearer":
            return
        impi, impu = self._subscribe(name)
        store = self._web.waf.store
        password = self._accounts.web_password(name)
        if password is None:
            password = secrets.token_urlsafe(12)
            self._accounts.put_web_user(name, password)
            store.remove_user(name)
        if not any(user.name == name for user in store.users()):
            store.add_user(name, Secret(password), impi, [impu])
        client, secret = f"{name}-bot", self._bot_secret(name, impi, impu)
        if not store.clients.knows_secret(client, secret):
            store.add_client(client, Secret(secret), grants=("client_credentials",), impi=impi, impus=[impu])

    def _bot_secret(self, name: str, impi: str, impu: str) -> str:
        account = self._accounts.get(name)
        secret = None if account is None else account.get("client_secret")
        if isinstance(secret, str):
            return secret
        secret = secrets.token_urlsafe(24)
        bot: dict[str, Value] = {"client_id": f"{name}-bot", "client_secret": secret}
        identities: dict[str, Value] = {"impu": impu, "impi": impi}
        self._accounts.put(name, self._entry() | identities | {"waf": self._web.waf.url} | bot)
        return secret

    def add_guests(self, number: int) -> None:
        """Fill the pool with so many identities, and add one account that borrows from it.

        Raises:
            ConfigurationError: the accounts file cannot be written.
        """
        for each in range(1, number + 1):
            self._web.add_pool_pair(*self._subscribe(f"{GUEST}-{each}"))
        if number and self._accounts.get(GUEST) is None:
            self._accounts.put(GUEST, self._entry() | {"wwsf": self._web.wwsf.url, "pool": "anonymous"})

    def _subscribe(self, name: str) -> tuple[str, str]:
        impi = f"{name}@{self._hss.realm}"
        if self._hss.subscriber(impi) is None:
            self._hss.add(Subscriber.of(impi, f"sip:{impi}"))
        return impi, f"sip:{impi}"

    def _entry(self) -> dict[str, Value]:
        return {"server": self._server, "auth": "bearer", "ca": CA_FILE}
