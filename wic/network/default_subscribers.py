"""Default subscribers of an embedded network, with accounts for every scheme of authentication.

A subscriber that exists already stays as it is, and one that the database has lost is restored from the accounts file.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from wic.accounts import AuthScheme
from wic.auth.secret import Secret
from wic.errors import ConfigurationError
from wic.network.certificates import CA_FILE
from wic.network.enrolment import NewSubscriber, SubscriberIdentities, sign_in_account
from wic.network.hss import UsimKeys
from wic.network.web_files import program_of

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Mapping

    from wic.accounts.accounts_file import Value
    from wic.network.enrolment import Enrolment
    from wic.network.web_access import WebAccess

GUEST = "guest"
"""Name of the account that borrows identities from the pool, and prefix of these: GUEST-1, GUEST-2 and so on."""


class DefaultSubscribers:
    """Adds the default subscribers with a password or a USIM."""

    def __init__(self, enrolment: Enrolment) -> None:
        self._enrolment = enrolment

    def add(self, names: Iterable[str], *, usims: Container[str]) -> None:
        """Add subscribers with accounts, unless both are there; new ones have a USIM, or else a password.

        Raises:
            ConfigurationError: a name cannot be part of an identity, or the accounts file cannot be used.
            StorageFailed: the database cannot be written.
        """
        missing = filter(None, (self._missing(name, usim=name in usims) for name in names))
        self._enrolment.store([self._enrolment.prepare(each) for each in missing])

    def _missing(self, name: str, *, usim: bool) -> NewSubscriber | None:
        hss = self._enrolment.hss
        account = self._enrolment.accounts.get(name)
        if account is None:
            return NewSubscriber(name=name, auth=AuthScheme.AKA if usim else AuthScheme.DIGEST)
        if hss.subscriber(f"{name}@{hss.realm}") is not None:
            return None
        # The account of a lost database still has the secret: the subscriber gets it back, with the same scheme.
        if account.get("auth") == AuthScheme.AKA.value:
            return NewSubscriber(name=name, auth=AuthScheme.AKA, usim=_usim(name, account))
        if account.get("auth") == AuthScheme.BEARER.value:
            hss.add(SubscriberIdentities(name=name).profile(hss.realm))  # the WAF has the rest
            return None
        password = account.get("password")
        return NewSubscriber(name=name, password=Secret(password) if isinstance(password, str) else None)


def _usim(name: str, account: Mapping[str, Value]) -> UsimKeys:
    """Return the keys of the USIM in an account."""
    try:
        k, opc = bytes.fromhex(str(account.get("k"))), bytes.fromhex(str(account.get("opc")))
        return UsimKeys(functions=str(account.get("usim", "milenage")), k=k, opc=opc)
    except ValueError:
        raise ConfigurationError(f"accounts.{name}: 'k' and 'opc' must be written in hexadecimal digits") from None


class DefaultWebUsers:
    """Adds the default web users, their programs and the pool: subscribers without credentials in the HSS."""

    def __init__(self, enrolment: Enrolment, web: WebAccess) -> None:
        self._enrolment = enrolment
        self._accounts = enrolment.accounts
        self._web = web

    def add_web_user(self, name: str) -> None:
        """Add a web user with a password, an account to sign in with, and one that gets tokens by a secret of its own.

        A subscriber of that name that is authenticated in another way stays as it is.

        Raises:
            ConfigurationError: the name cannot be part of an identity, or the accounts file cannot be written.
        """
        account = self._accounts.get(name)
        if account is not None and account.get("auth") != AuthScheme.BEARER.value:
            return
        hss, new = self._enrolment.hss, SubscriberIdentities(name=name)
        subscriber = new.profile(hss.realm)
        impi, impus, store = subscriber.impi, subscriber.impus, self._web.waf.store
        client = program_of(name)
        if account is None:
            secret = Secret(secrets.token_urlsafe(24))
            account = self._enrolment.program_account(new, secret)
            hss.add(subscriber)
            hss.remove_usim(impi)  # without credentials only the eP-CSCF can vouch for it
            self._accounts.put(name, account)
        elif hss.subscriber(impi) is None:
            hss.add(subscriber)
        if self._accounts.get(sign_in_account(name)) is None:
            self._accounts.put(sign_in_account(name), self._enrolment.sign_in_account(new))
        # The WAF has hashes only, so that a lost database is restored from the secrets of the accounts.
        kept = account.get("client_secret")
        if isinstance(kept, str) and not store.clients.knows_secret(client, kept):
            store.clients.add(client, Secret(kept), grants=("client_credentials",), impi=impi, impus=impus)
        password = self._accounts.web_password(name)
        if password is None or store.users.find(name) is None:
            password = password or secrets.token_urlsafe(12)
            store.users.add(name, Secret(password), impi, impus)
            self._accounts.put_web_user(name, password)

    def add_guests(self, number: int, *, anonymous: bool) -> None:
        """Fill the pool with identities, and add one account that borrows from it, without signing in if `anonymous`.

        A subscriber that was given credentials or an account under such a name is its own, and not lent to others.

        Raises:
            ConfigurationError: the accounts file cannot be written.
        """
        hss = self._enrolment.hss
        for each in range(1, number + 1):
            name = f"{GUEST}-{each}"
            subscriber = SubscriberIdentities(name=name).profile(hss.realm)
            impi = subscriber.impi
            authenticated = (
                hss.algorithms(impi) or hss.has_usim(impi) or self._web.waf.store.users.find(name) is not None
            )
            if authenticated or self._accounts.get(name) is not None:
                continue
            if hss.subscriber(impi) is None:
                hss.add(subscriber)
            self._web.add_pool_pair(impi, subscriber.impus[0])
        if number and self._accounts.get(GUEST) is None:
            wwsf = {"wwsf": self._web.wwsf.url, "pool": "anonymous" if anonymous else "signed-in"}
            own = {"server": self._enrolment.servers.wss, "auth": AuthScheme.BEARER.value, "ca": CA_FILE}
            self._accounts.put(GUEST, own | wwsf)
