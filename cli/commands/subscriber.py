"""`wic network subscriber`: the subscribers of the HSS, whether the network runs or not."""

from __future__ import annotations

from pathlib import Path

import click

from wic.accounts import AuthScheme
from wic.network.enrolment import sign_in_account
from wic.network.provisioning import Provisioning
from wic.registration.reg_event.reginfo import ContactEvent

from ..execution import exit_with, run_sync
from ..exit_codes import ExitCode
from ..help import HelpGroup, Quantity, examples, option
from ..new_subscriber import NewSubscriber, new_subscriber_options
from ..options import CommonOptions, common_options_without_sip

directory_option = option(
    "--dir",
    "directory",
    type=click.Path(file_okay=False, exists=True, path_type=Path),
    required=True,
    metavar="DIR",
    help="Directory of the network, as in `wic network up --dir`.",
)
# RFC 3680 §5.1: the events with which a network ends a registration.
_REASONS = (ContactEvent.DEACTIVATED, ContactEvent.REJECTED, ContactEvent.PROBATION)


@click.group(
    cls=HelpGroup,
    epilog=examples(
        "wic network subscriber add zoe --dir ims",
        "wic network subscriber list --dir ims",
        "wic network subscriber deregister zoe --dir ims --reason rejected",
    ),
)
def subscriber() -> None:
    """Manage the subscribers of the HSS.

    A running network applies every change at once.
    """


@subscriber.command(
    epilog=examples(
        "wic network subscriber add zoe --dir ims",
        "wic network subscriber add erin --dir ims --auth aka --tel tel:+4930123",
        "wic network subscriber add guest-5 --dir ims --pool",
    )
)
@click.argument("name")
@directory_option
@new_subscriber_options
@common_options_without_sip
def add(common: CommonOptions, directory: Path, name: str, new: NewSubscriber) -> None:
    """Add the subscriber sip:NAME@DOMAIN.

    A matching account is written to accounts.toml in DIR. If the subscriber already exists, its credentials are replaced.
    """

    def work() -> ExitCode:
        with Provisioning(directory) as provisioning:
            entry = new.add(name, provisioning)
            common.console.document({"impi": entry.impi, "impus": list(entry.impus)})
            file = provisioning.accounts.path
            # The password itself is never printed: it stands in the accounts file.
            where = " to the pool" if new.pool else f"; the account {name} is in {file}"
            if new.auth == AuthScheme.BEARER.value and not new.pool:
                where += f", and {sign_in_account(name)} for `wic login`"
            common.console.say(f"Added {', '.join(entry.impus)}{where}.")
        return ExitCode.DONE

    exit_with(run_sync(work, common.console))


@subscriber.command(name="list", epilog=examples("wic network subscriber list --dir ims"))
@directory_option
@common_options_without_sip
def list_(common: CommonOptions, directory: Path) -> None:
    """List the subscribers.

    Shows their identities, authentication schemes and registered contacts.
    """

    def work() -> ExitCode:
        with Provisioning(directory) as provisioning:
            rows = provisioning.list()
            common.console.document(
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
            common.console.table(
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
        return ExitCode.DONE

    exit_with(run_sync(work, common.console))


@subscriber.command(epilog=examples("wic network subscriber remove zoe --dir ims"))
@click.argument("name")
@directory_option
@common_options_without_sip
def remove(common: CommonOptions, directory: Path, name: str) -> None:
    """Remove subscriber NAME with its bindings and its account."""

    def work() -> ExitCode:
        with Provisioning(directory) as provisioning:
            impi = provisioning.remove(name)
            common.console.document({"removed": impi})
            common.console.say(f"Removed {impi}.")
        return ExitCode.DONE

    exit_with(run_sync(work, common.console))


@subscriber.command(
    epilog=examples(
        "wic network subscriber deregister zoe --dir ims",
        "wic network subscriber deregister zoe --dir ims --reason probation --retry-after 30",
    )
)
@click.argument("name")
@directory_option
@option(
    "--reason",
    type=click.Choice([each.value for each in _REASONS]),
    default=ContactEvent.DEACTIVATED.value,
    show_default=True,
    help="Reason in the NOTIFY: the WIC registers again at once (deactivated), after --retry-after (probation), or not at all (rejected).",
)
@option(
    "--retry-after",
    type=Quantity("seconds", click.IntRange(1, 86400)),
    default=60,
    show_default=True,
    help="Time before the WIC registers again, with --reason probation; up to 86400.",
)
@common_options_without_sip
def deregister(common: CommonOptions, directory: Path, name: str, reason: str, retry_after: int) -> None:
    """End the registration of subscriber NAME.

    The network running in DIR ends it and sends a NOTIFY to the WIC and to all other watchers of the registration.
    """

    def work() -> ExitCode:
        with Provisioning(directory) as provisioning:
            impi = provisioning.deregister(name, reason=ContactEvent(reason), retry_after=retry_after)
            common.console.document({"deregistered": impi, "reason": reason})
            common.console.say(f"Deregistered {impi}.")
        return ExitCode.DONE

    exit_with(run_sync(work, common.console))


@subscriber.command(epilog=examples("wic network subscriber reauthenticate zoe --dir ims --within 10"))
@click.argument("name")
@directory_option
@option(
    "--within",
    type=Quantity("seconds", click.IntRange(1, 86400)),
    default=60,
    show_default=True,
    help="Time that the WIC has to authenticate again, up to 86400.",
)
@common_options_without_sip
def reauthenticate(common: CommonOptions, directory: Path, name: str, within: int) -> None:
    """Make subscriber NAME authenticate again.

    The network running in DIR shortens the registration; the WIC has to authenticate again before it ends.
    """

    def work() -> ExitCode:
        with Provisioning(directory) as provisioning:
            impi = provisioning.reauthenticate(name, within=within)
            common.console.document({"reauthenticating": impi, "within": within})
            common.console.say(f"{impi} has {within} seconds to authenticate again.")
        return ExitCode.DONE

    exit_with(run_sync(work, common.console))
