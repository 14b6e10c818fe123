"""`wic network subscriber`: the HSS's subscribers, whether the network runs or not."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from wic.network.provisioning import Provisioning

from ..accounts import new_password
from ..exit_codes import ExitCode
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


@click.group()
def subscriber() -> None:
    """Add, list and remove the HSS's subscribers; a running network sees the change at once."""


@subscriber.command()
@common
@DIRECTORY
@click.argument("name")
@click.option("--tel", metavar="URI", help="A telephone number of the subscriber, such as tel:+4930123.")
@click.option(
    "--password-file", type=click.Path(path_type=Path), metavar="FILE", help="Holds the password; else one is made up."
)
def add(settings: Common, directory: Path, name: str, tel: str | None, password_file: Path | None) -> None:
    """Add the subscriber sip:NAME@DOMAIN and an account for it; one that exists gets a new password."""

    def work() -> None:
        with Provisioning(directory) as provisioning:
            entry = provisioning.add(name, tel=tel, password=new_password(password_file))
            settings.console.document({"impi": entry.impi, "impus": list(entry.impus)})
            settings.console.say(
                f"Added {', '.join(entry.impus)}; the account {name} is in {provisioning.accounts.path}."
            )

    _end(settings, work)


@subscriber.command(name="list")
@common
@DIRECTORY
def list_(settings: Common, directory: Path) -> None:
    """List the subscribers, and where they are registered."""

    def work() -> None:
        with Provisioning(directory) as provisioning:
            rows = provisioning.list()
            settings.console.document(
                [{"impi": each.impi, "impus": list(each.impus), "contacts": list(contacts)} for each, contacts in rows]
            )
            settings.console.table(
                "Subscribers",
                ["IMPI", "IMPUs", "contacts"],
                [[each.impi, ", ".join(each.impus), ", ".join(contacts) or "-"] for each, contacts in rows],
            )

    _end(settings, work)


@subscriber.command()
@common
@DIRECTORY
@click.argument("name")
def remove(settings: Common, directory: Path, name: str) -> None:
    """Remove the subscriber NAME with its bindings and its account."""

    def work() -> None:
        with Provisioning(directory) as provisioning:
            impi = provisioning.remove(name)
            settings.console.document({"removed": impi})
            settings.console.say(f"Removed {impi}.")

    _end(settings, work)


def _end(settings: Common, work: Callable[[], None]) -> None:
    """Do the work, and leave with the code that says how it went."""

    def done() -> ExitCode:
        work()
        return ExitCode.DONE

    exit_with(guarded(done, settings.console))
