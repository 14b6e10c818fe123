"""Databases of WAF and WWSF in the directory of a network, changed whether the servers run or not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wic.errors import ConfigurationError

if TYPE_CHECKING:
    from pathlib import Path

    from wic.auth.secret import Secret
    from wic.network.hss import SubscriberProfile
    from wic.network.waf.store import WafStore
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
        if not self._exist():
            raise ConfigurationError(
                f"The network in {self._directory} has no WAF and no WWSF: start it once without --insecure and --core."
            )

    def _exist(self) -> bool:
        return all((self._directory / name).exists() for name in (WAF_DATABASE, WWSF_DATABASE))

    def add_user(self, name: str, password: Secret, subscriber: SubscriberProfile) -> None:
        """Add a web user, or replace it.

        Raises:
            ConfigurationError: the name, password or an identity is malformed, or the file cannot be used.
        """
        with self._waf() as waf:
            waf.users.add(name, password, subscriber.impi, _usable(subscriber))

    def add_program(self, client_id: str, secret: Secret, subscriber: SubscriberProfile) -> None:
        """Add a program that gets tokens for a subscriber in its own name, or replace it.

        Raises:
            ConfigurationError: the secret or an identity is malformed, or the file cannot be used.
        """
        with self._waf() as waf:
            waf.clients.add(
                client_id, secret, grants=("client_credentials",), impi=subscriber.impi, impus=_usable(subscriber)
            )

    def add_to_pool(self, subscriber: SubscriberProfile) -> None:
        """Add a subscriber's identities to the pool of the WWSF.

        Raises:
            ConfigurationError: an identity is malformed, or a file cannot be used.
        """
        impu = _usable(subscriber)[0]
        with self._waf() as waf, self._wwsf() as wwsf:
            waf.pool.add(WWSF, subscriber.impi, impu)
            wwsf.add_pool_pair(subscriber.impi, impu)

    def remove(self, name: str, impi: str) -> None:
        """Remove the web user, the program and the pool pair of a subscriber.

        Args:
            name: of the web user.
            impi: of the subscriber.

        Raises:
            ConfigurationError: a file cannot be used.
        """
        if self._exist():
            with self._waf() as waf, self._wwsf() as wwsf:
                waf.users.remove(name)
                waf.clients.remove(program_of(name))
                waf.pool.remove(impi)
                wwsf.remove_pool_pair(impi)

    def _waf(self) -> WafStore:
        from wic.network.waf.store import WafStore

        return WafStore(self._directory / WAF_DATABASE)

    def _wwsf(self) -> WwsfStore:
        from wic.network.wwsf.store import WwsfStore

        return WwsfStore(self._directory / WWSF_DATABASE)


def program_of(name: str) -> str:
    """Return the client id of the program that belongs to a web user."""
    return f"{name}-bot"


def _usable(subscriber: SubscriberProfile) -> tuple[str, ...]:
    return tuple(each.impu for each in subscriber.identities if not each.barred)
