"""Databases of WAF and WWSF in the directory of a network, changed whether the servers run or not."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from wic.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from wic.auth.secret import Secret
    from wic.network.hss import SubscriberProfile
    from wic.network.waf.store import WafStore
    from wic.network.waf.users import HashedPassword
    from wic.network.wwsf.store import WwsfStore

WAF_DATABASE = "waf.sqlite"
WWSF_DATABASE = "wwsf.sqlite"
WWSF = "wwsf"
"""The WWSF's name at the WAF."""


class WebFiles:
    """Databases of WAF and WWSF in the directory of a network; the modules for them are loaded when they are needed.

    Args:
        directory: the network's.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def check(self) -> None:
        """Check that the network has a WAF and a WWSF.

        Raises:
            ConfigurationError: it has not.
        """
        if not self.exist():
            raise ConfigurationError(
                f"The network in {self._directory} has no WAF and no WWSF: start it once without --insecure and --core."
            )

    def exist(self) -> bool:
        """Tell whether the network has a WAF and a WWSF."""
        return all((self._directory / name).exists() for name in (WAF_DATABASE, WWSF_DATABASE))

    def check_user(self, name: str, password: Secret, subscriber: SubscriberProfile) -> None:
        """Check a web user who is to be added.

        Raises:
            ConfigurationError: the name, password or an identity is malformed.
        """
        from wic.network.waf.users import WebUser, check_user

        check_user(WebUser(name, subscriber.impi, _usable(subscriber)), password)

    @contextmanager
    def open(self) -> Iterator[OpenWebFiles]:
        """Open both databases.

        Raises:
            ConfigurationError: a file cannot be used.
        """
        from wic.network.waf.store import WafStore
        from wic.network.wwsf.store import WwsfStore

        with (
            WafStore(self._directory / WAF_DATABASE) as waf,
            WwsfStore(self._directory / WWSF_DATABASE) as wwsf,
        ):
            yield OpenWebFiles(waf, wwsf)


@dataclass(frozen=True, slots=True)
class OpenWebFiles:
    """Databases of WAF and WWSF, open."""

    waf: WafStore
    wwsf: WwsfStore

    def hash_passwords(self, passwords: Mapping[str, Secret | None]) -> dict[str, HashedPassword]:
        """Hash passwords of web users by their names, outside any transaction: each takes some 80 ms and 32 MB."""
        from wic.network.waf.users import CHECKS_AT_ONCE

        works = {name: self.waf.users.hashing(name, each) for name, each in passwords.items() if each is not None}
        with ThreadPoolExecutor(CHECKS_AT_ONCE) as threads:  # scrypt lets other threads run
            return dict(zip(works, threads.map(lambda work: work(), works.values()), strict=True))

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Run a block as one transaction of each database.

        Raises:
            StorageFailed: a database cannot be written.
        """
        with self.waf.database.transaction(), self.wwsf.database.transaction():
            yield

    def add_user(self, name: str, password: HashedPassword, subscriber: SubscriberProfile) -> None:
        """Add a web user, or replace it."""
        from wic.network.waf.users import WebUser

        self.waf.users.store(WebUser(name, subscriber.impi, _usable(subscriber)), password)

    def has_user(self, name: str) -> bool:
        """Tell whether there is a web user of this name."""
        return self.waf.users.find(name) is not None

    def add_program(self, client_id: str, secret: Secret, subscriber: SubscriberProfile) -> None:
        """Add a program that gets tokens for a subscriber in its own name, or replace it.

        Raises:
            ConfigurationError: the client id or an identity is malformed.
        """
        self.waf.clients.add(
            client_id, secret, grants=("client_credentials",), impi=subscriber.impi, impus=_usable(subscriber)
        )

    def add_to_pool(self, subscriber: SubscriberProfile) -> None:
        """Add a subscriber's identities to the pool of the WWSF.

        Raises:
            ConfigurationError: an identity is malformed, or taken.
        """
        impu = _usable(subscriber)[0]
        self.waf.pool.add(WWSF, subscriber.impi, impu)
        self.wwsf.add_pool_pair(subscriber.impi, impu)

    def remove_user(self, name: str) -> None:
        """Remove a web user with its program."""
        self.waf.users.remove(name)
        self.waf.clients.remove(program_of(name))

    def remove_from_pool(self, impi: str) -> None:
        """Remove the pool pair of a subscriber."""
        self.waf.pool.remove(impi)
        self.wwsf.remove_pool_pair(impi)


def program_of(name: str) -> str:
    """Return the client id of the program that belongs to a web user."""
    return f"{name}-bot"


def _usable(subscriber: SubscriberProfile) -> tuple[str, ...]:
    return tuple(each.impu for each in subscriber.identities if not each.barred)
