"""`wic network subscriber`: the HSS's subscribers, whether the network runs or not."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from wic.network.enrolment import Auth, sign_in_account
from wic.network.provisioning import Provisioning
from wic.registration.reg_event.reginfo import ContactEvent

from ..exit_codes import ExitCode
from ..new_subscriber import NewSubscriber, new_subscriber_options
from ..options import Common, common
from ..run import exit_with, guarded

if TYPE_CHECKING:
    from collections.abc import Callable

DIRECTORY = click.option(
    "--dir",
    "directory",
    type=click.Path(file_okay=False, exists=True, path_type=Path),
    required=True,
    metavar="DIR",
    help="The directory of `wic network up --dir`.",
)
_REASONS = (ContactEvent.DEACTIVATED, ContactEvent.REJECTED, ContactEvent.PROBATION)


@click.group()
def subscriber() -> None:
    """Keep the HSS's subscribers.

    A running network sees every change at once.
    """


@subscriber.command()
@common
@DIRECTORY
@click.argument("name")
@new_subscriber_options
def add(settings: Common, directory: Path, name: str, new: NewSubscriber) -> None:
    """Add the subscriber sip:NAME@DOMAIN.

    An account that works for it is written into the accounts file. One that exists gets other credentials.
    """

    def work() -> None:
        with Provisioning(directory) as provisioning:
            entry = new.add(name, provisioning)
            settings.console.document({"impi": entry.impi, "impus": list(entry.impus)})
            file = provisioning.accounts.path
            where = "in the pool" if new.pool else f"the account {name} is in {file}"
            if new.auth == Auth.BEARER.value and not new.pool:
                where += f", and {sign_in_account(name)} for `wic login`"
            settings.console.say(f"Added {', '.join(entry.impus)}; {where}.")

    _end(settings, work)


@subscriber.command(name="list")
@common
@DIRECTORY
def list_(settings: Common, directory: Path) -> None:
    """List the subscribers.

    Shows how they prove who they are, and where they are registered.
    """

    def work() -> None:
        with Provisioning(directory) as provisioning:
            rows = provisioning.list()
            settings.console.document(
                [
                    {
                        "impi": each.subscriber.impi,
                        "impus": list(each.subscriber.impus),
                        "auth": list(each.schemes),
                        "contacts": list(each.contacts),
                    }
                    for each in rows
                ]
            )
            settings.console.table(
                "Subscribers",
                ["IMPI", "IMPUs", "auth", "contacts"],
                [
                    [
                        each.subscriber.impi,
                        ", ".join(each.subscriber.impus),
                        ", ".join(each.schemes),
                        ", ".join(each.contacts) or "-",
                    ]
                    for each in rows
                ],
            )

    _end(settings, work)


@subscriber.command()
@common
@DIRECTORY
@click.argument("name")
def remove(settings: Common, directory: Path, name: str) -> None:
    """Remove NAME with its bindings and its account."""

    def work() -> None:
        with Provisioning(directory) as provisioning:
            impi = provisioning.remove(name)
            settings.console.document({"removed": impi})
            settings.console.say(f"Removed {impi}.")

    _end(settings, work)


@subscriber.command()
@common
@DIRECTORY
@click.argument("name")
@click.option(
    "--reason",
    type=click.Choice([each.value for each in _REASONS]),
    default=ContactEvent.DEACTIVATED.value,
    show_default=True,
    help="deactivated: it may register anew at once; rejected: it should not; probation: after --retry-after.",
)
@click.option(
    "--retry-after",
    type=click.IntRange(1, 86400),
    default=60,
    show_default=True,
    metavar="S",
    help="Seconds to stay away, with --reason probation.",
)
def deregister(settings: Common, directory: Path, name: str, reason: str, retry_after: int) -> None:
    """End the registration of NAME.

    The network that runs in DIR does it, and tells whoever watches the registration.
    """

    def work() -> None:
        with Provisioning(directory) as provisioning:
            impi = provisioning.deregister(name, reason=ContactEvent(reason), retry_after=retry_after)
            settings.console.document({"deregistered": impi, "reason": reason})
            settings.console.say(f"Deregistered {impi}.")

    _end(settings, work)


@subscriber.command()
@common
@DIRECTORY
@click.argument("name")
@click.option(
    "--within",
    type=click.IntRange(1, 86400),
    default=60,
    show_default=True,
    metavar="S",
    help="Its registration ends after so many seconds if no proof comes.",
)
def reauthenticate(settings: Common, directory: Path, name: str, within: int) -> None:
    """Ask NAME for a new proof of who it is.

    The network that runs in DIR shortens the registration, and the WIC has to authenticate again.
    """

    def work() -> None:
        with Provisioning(directory) as provisioning:
            impi = provisioning.reauthenticate(name, within=within)
            settings.console.document({"reauthenticating": impi, "within": within})
            settings.console.say(f"{impi} has {within} seconds to prove who it is.")

    _end(settings, work)


def _end(settings: Common, work: Callable[[], None]) -> None:
    """Do the work, and leave with the code that says how it went."""

    def done() -> ExitCode:
        work()
        return ExitCode.DONE

    exit_with(guarded(done, settings.console))
