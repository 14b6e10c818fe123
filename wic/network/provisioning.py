"""Keep the subscribers of a network's directory, whether the network runs or not."""

from __future__ import annotations

import secrets
import time
from typing import TYPE_CHECKING, Self

from wic.auth.secret import Secret
from wic.errors import ConfigurationError
from wic.network.accounts import AccountsFile
from wic.network.certificates import CA_FILE
from wic.network.hss import Hss

if TYPE_CHECKING:
    from pathlib import Path

    from wic.network.accounts import Value
    from wic.network.hss import Subscriber

ACCOUNTS_FILE = "accounts.toml"
DATABASE_FILE = "hss.sqlite"


class Provisioning:
    """The subscribers of a directory that `ImsNetwork` made, as a context manager.

    Args:
        directory: the directory; the network must have been started in it once.

    Raises:
        ConfigurationError: no network has been there, or its files cannot be used.
    """

    def __init__(self, directory: Path) -> None:
        self.accounts = AccountsFile(directory / ACCOUNTS_FILE)
        first = next((self.accounts.get(name) for name in self.accounts.names()), None)
        if first is None or not (directory / DATABASE_FILE).exists():
            raise ConfigurationError(
                f"{directory} holds no network yet: start one with `wic network up --dir {directory}`."
            )
        self._template = first
        self.domain = str(first.get("impi", "")).partition("@")[2]
        self.hss = Hss(directory / DATABASE_FILE, realm=self.domain)

    def __enter__(self) -> Self:
        """Use as a context manager that closes the database."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the database."""
        self.hss.close()

    def add(self, name: str, *, tel: str | None = None, password: Secret | None = None) -> Subscriber:
        """Add a subscriber `sip:NAME@DOMAIN` and an account `NAME`, or give them another password.

        Args:
            name: user part of the identities, and the account's name.
            tel: a telephone number for the implicit registration set, such as `tel:+4930123`.
            password: one nobody can guess if None.

        Raises:
            ConfigurationError: the name or number makes no identity, or the file cannot be written.
        """
        insecure = bool(self._template.get("insecure"))
        return add_subscriber(
            self.hss,
            self.accounts,
            name,
            server=str(self._template.get("server", "")),
            insecure=insecure,
            tel=tel,
            password=password,
        )

    def list(self) -> list[tuple[Subscriber, tuple[str, ...]]]:
        """Return every subscriber with the contacts it is registered at."""
        now = time.time()
        return [
            (each, tuple(binding.contact for binding in self.hss.bindings(each.impi, now=now)))
            for each in self.hss.subscribers()
        ]

    def remove(self, name: str) -> str:
        """Remove a subscriber with its bindings and its account; return its private identity.

        Args:
            name: user part of the identities, or the whole private identity.

        Raises:
            ConfigurationError: there is no such subscriber.
        """
        impi = name if "@" in name else f"{name}@{self.domain}"
        if not self.hss.remove(impi):
            known = ", ".join(each.impi for each in self.hss.subscribers()) or "none"
            raise ConfigurationError(f"There is no subscriber {impi}; there are: {known}.")
        self.accounts.remove(impi)
        return impi


def add_subscriber(
    hss: Hss,
    accounts: AccountsFile,
    name: str,
    *,
    server: str,
    insecure: bool,
    tel: str | None = None,
    password: Secret | None = None,
    algorithm: str | None = None,
) -> Subscriber:
    """Add a subscriber of the HSS's realm, and an account for it.

    Args:
        hss: the database.
        accounts: the accounts file.
        name: user part of the identities, and the account's name.
        server: where the account connects.
        insecure: whether that is without TLS.
        tel: a telephone number for the implicit registration set.
        password: one nobody can guess if None.
        algorithm: the only Digest algorithm that the subscriber may use; None allows all.

    Raises:
        ConfigurationError: the name or number makes no identity, or the file cannot be written.
    """
    impi = f"{name}@{hss.realm}"
    impus = [f"sip:{impi}", *([tel] if tel else [])]
    chosen = password or Secret(secrets.token_urlsafe(18))
    if algorithm is None:
        subscriber = hss.add_subscriber(impi, impus, chosen)
    else:
        subscriber = hss.add_subscriber(impi, impus, chosen, algorithms=[algorithm])
    entry: dict[str, Value] = {
        "server": server,
        "impu": impus[0],
        "impi": impi,
        "auth": "digest",
        "password": chosen.reveal(),
    }
    entry |= {"insecure": True} if insecure else {"ca": CA_FILE}
    accounts.put(name, entry)
    return subscriber
