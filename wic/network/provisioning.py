"""Provisioning of the subscribers of a network's directory, whether the network runs or not."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self
from urllib.parse import urlsplit

from wic.accounts.accounts_file import AccountsFile
from wic.accounts.reader import near_names
from wic.errors import ConfigurationError, WicError
from wic.network.directory import ACCOUNTS_FILE, DATABASE_FILE, PORTS_FILE, Ports
from wic.network.enrolment import AccountServers, Enrolment
from wic.network.hss import CommandAction, CommandOutcome, Hss
from wic.network.web_files import WebFiles
from wic.registration.reg_event.reginfo import ContactEvent

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from wic.accounts.accounts_file import Value
    from wic.network.hss import SubscriberProfile

_EXECUTED_WITHIN = 3.0
"""Seconds in which an S-CSCF that runs executes a command."""
_POLL_INTERVAL = 0.05


class CommandFailed(WicError):
    """An operator command had no effect; the message says why in one sentence."""


@dataclass(frozen=True, slots=True)
class SubscriberStatus:
    """Subscriber with its credentials and its registrations."""

    subscriber: SubscriberProfile
    schemes: tuple[str, ...]
    """Schemes of authentication that it may use: `digest`, `aka`; `bearer` if it has no credentials of its own."""
    contacts: tuple[str, ...]
    """Contacts under which it is registered."""


class Provisioning:
    """Subscribers of a directory that `ImsNetwork` made, as a context manager.

    Args:
        directory: the directory; the network must have been started in it once.

    Raises:
        ConfigurationError: no network has been started there, or its files cannot be used.
    """

    def __init__(self, directory: Path) -> None:
        self.accounts = AccountsFile(directory / ACCOUNTS_FILE)
        if not (directory / DATABASE_FILE).exists() and (directory / PORTS_FILE).exists():
            # The network was started, so that the file was there once; under one that runs it may have been deleted.
            raise ConfigurationError(
                f"The database {directory / DATABASE_FILE} is missing: stop the network if it runs, restore a copy of the"
                f" file, or let `wic network up --dir {directory}` make a new one."
            )
        accounts = [self.accounts.get(name) or {} for name in self.accounts.names()]
        if not accounts or not (directory / DATABASE_FILE).exists():
            raise ConfigurationError(
                f"{directory} holds no network yet: start one with `wic network up --dir {directory}`."
            )
        self._directory = directory
        self.hss = Hss(directory / DATABASE_FILE, realm="")  # which the account of a subscriber tells
        own = self._of_the_network(accounts)
        self.domain = self.hss.realm = str(own.get("impi", "")).partition("@")[2]
        self.enrolment = Enrolment(self.hss, self.accounts, WebFiles(directory), self._servers(own))
        """Adds and removes subscribers."""

    def _of_the_network(self, accounts: Sequence[Mapping[str, Value]]) -> Mapping[str, Value]:
        """Return the account of a subscriber: the user may keep accounts of other networks in the same file."""
        named = [each for each in accounts if "impi" in each]
        own = (each for each in named if self.hss.subscriber(str(each["impi"])) is not None)
        return next(own, (named or accounts)[0])

    def __enter__(self) -> Self:
        """Use as a context manager that closes the database."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the database."""
        self.hss.close()

    # Subscribers

    def list(self) -> list[SubscriberStatus]:
        """Return every subscriber."""
        now = time.time()
        found = []
        for each in self.hss.subscribers():
            schemes = ("digest",) * bool(self.hss.algorithms(each.impi)) + ("aka",) * self.hss.has_usim(each.impi)
            contacts = tuple(binding.contact for binding in self.hss.bindings(each.impi, now=now))
            # Without credentials of its own only a trusted node may vouch for it (TS 33.203 Annex U).
            found.append(SubscriberStatus(each, schemes or ("bearer",), contacts))
        return found

    def remove(self, name: str) -> str:
        """Remove a subscriber with its bindings and its account; return its private identity.

        If it is registered and the network runs, it is deregistered first.

        Args:
            name: user part of the identities, or the whole private identity.

        Raises:
            ConfigurationError: there is no such subscriber, or a file cannot be used.
            StorageFailed: a database cannot be written.
        """
        impi = self._impi(name)
        # Watchers and eP-CSCF learn of the end while the bindings still are there; without an S-CSCF it goes without.
        if self.hss.bindings(impi, now=time.time()):
            # RFC 3680 §4.7.1: `rejected` tells the UE not to try again.
            self._command(impi, CommandAction.DEREGISTER, reason=ContactEvent.REJECTED.value)
        self.enrolment.remove(impi)
        return impi

    # Operator commands

    def deregister(self, name: str, *, reason: ContactEvent = ContactEvent.DEACTIVATED, retry_after: int = 0) -> str:
        """Deregister a subscriber by the network (TS 24.229 §5.4.1.5); return its private identity.

        Args:
            name: user part of the identities, or the whole private identity.
            reason: `DEACTIVATED` makes the UE register again, `REJECTED` forbids it, `PROBATION` makes it wait.
            retry_after: seconds to wait.

        Raises:
            ConfigurationError: there is no such subscriber.
            CommandFailed: it is not registered, or no S-CSCF has answered.
        """
        impi = self._impi(name)
        outcome = self._command(impi, CommandAction.DEREGISTER, reason=reason.value, seconds=retry_after)
        self._require_done(impi, outcome)
        return impi

    def reauthenticate(self, name: str, *, within: int) -> str:
        """Demand that a subscriber authenticates again (TS 24.229 §5.4.1.6); return its private identity.

        Args:
            name: user part of the identities, or the whole private identity.
            within: seconds after which its registration ends if it does not.

        Raises:
            ConfigurationError: there is no such subscriber.
            CommandFailed: it is not registered, or no S-CSCF has answered.
        """
        impi = self._impi(name)
        self._require_done(impi, self._command(impi, CommandAction.REAUTHENTICATE, seconds=within))
        return impi

    def _command(
        self, impi: str, action: CommandAction, *, reason: str = "", seconds: int = 0
    ) -> CommandOutcome | None:
        """Give a command to the S-CSCF and wait for its outcome; None if no S-CSCF has executed it in time."""
        number = self.hss.submit_command(impi, action, reason=reason, seconds=seconds, now=time.time())
        try:
            # SQLite has no events between processes; the S-CSCF polls as well.
            until = time.monotonic() + _EXECUTED_WITHIN
            while (outcome := self.hss.command_outcome(number)) is None and time.monotonic() < until:
                time.sleep(_POLL_INTERVAL)
            return outcome
        finally:
            self.hss.delete_command(number)

    def _require_done(self, impi: str, outcome: CommandOutcome | None) -> None:
        if outcome is None:
            raise CommandFailed(
                f"No S-CSCF has answered within {_EXECUTED_WITHIN:g} s: unless it runs, start it with"
                f" `wic network up --dir {self._directory}`."
            )
        if outcome is CommandOutcome.NOT_REGISTERED:
            raise CommandFailed(f"{impi} is not registered.")

    def _impi(self, name: str) -> str:
        impi = name if "@" in name else f"{name}@{self.domain}"
        if self.hss.subscriber(impi) is None:
            home = f"@{self.domain}"  # all names have it in common, so that they would be alike
            names = (each.impi.removesuffix(home) for each in self.hss.subscribers())
            known = near_names(impi.removesuffix(home), names)
            raise ConfigurationError(f"The network has no subscriber {impi}; {known}")
        return impi

    def _servers(self, own: Mapping[str, Value]) -> AccountServers:
        """Return the servers of the network, of which an account of it names the first."""
        server, ports = str(own.get("server", "")), Ports.remembered(self._directory)
        host = urlsplit(server).hostname or ""
        web = f"https://{f'[{host}]' if ':' in host else host}"
        return AccountServers(
            wss=server, insecure=bool(own.get("insecure")), waf=f"{web}:{ports.waf}", wwsf=f"{web}:{ports.wwsf}"
        )
