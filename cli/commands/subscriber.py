"""`wic network subscriber`: the subscribers of the HSS, whether the network runs or not."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from wic.accounts import AuthScheme
from wic.errors import ConfigurationError
from wic.network.enrolment import sign_in_account
from wic.network.provisioning import Provisioning
from wic.registration.reg_event.reginfo import ContactEvent

from ..execution import exit_with, run_sync
from ..exit_codes import ExitCode
from ..help import HelpGroup, Quantity, examples, option, refuse_without_effect
from ..new_subscriber import SubscriberOptions, new_subscriber_options
from ..options import CommonOptions, common_options_without_sip
from ..subscriber_csv import MOST_SUBSCRIBERS, read_subscribers

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from wic.network.enrolment import SubscriptionData

    from ..console import Console

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


def _provision(common: CommonOptions, directory: Path, work: Callable[[Provisioning], None]) -> None:
    """Run the work of a command with the subscribers of a directory."""

    def run() -> ExitCode:
        with Provisioning(directory) as provisioning:
            work(provisioning)
        return ExitCode.DONE

    exit_with(run_sync(run, common.console))


@subscriber.command(
    epilog=examples(
        "wic network subscriber add zoe --dir ims",
        "wic network subscriber add erin --dir ims --auth aka --tel tel:+4930123",
        "wic network subscriber add user --dir ims --count 1000",
        "wic network subscriber add --dir ims --csv users.csv",
        "wic network subscriber add guest-5 --dir ims --pool",
    )
)
@click.argument("name", required=False)
@directory_option
@option(
    "--count",
    type=Quantity("n", click.IntRange(1, MOST_SUBSCRIBERS)),
    help=f"Add N subscribers, NAME0001, NAME0002 and so on; up to {MOST_SUBSCRIBERS}.",
)
@option(
    "--csv",
    "csv_file",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Add the subscribers in the rows of a CSV file whose columns are named as these options, and 'name'.",
)
@new_subscriber_options
@common_options_without_sip
def add(
    common: CommonOptions,
    directory: Path,
    name: str | None,
    count: int | None,
    csv_file: Path | None,
    new: SubscriberOptions,
) -> None:
    """Add the subscriber sip:NAME@DOMAIN, or many at once.

    Of many, all are added, or none if one of them cannot be added. A matching account is written to accounts.toml in DIR. If the subscriber already exists, its credentials are replaced.
    """
    if (name is None) == (csv_file is None):
        raise click.UsageError("Give either NAME or --csv FILE.")
    if csv_file is not None:
        refuse_without_effect("goes with NAME, not with --csv", "count")
    # An option of a CSV file is for those of its rows that have a use for it.
    elif new.pool:
        refuse_without_effect("does not go with --pool", "auth", "algorithm", "usim")
    elif new.auth != AuthScheme.AKA.value:
        refuse_without_effect("goes with --auth aka", "usim")

    def work(provisioning: Provisioning) -> None:
        if (count or csv_file) and (new.tel or new.impu or new.separate):
            raise ConfigurationError(
                "--tel, --impu and --separate name the identities of one subscriber; those of many go into a --csv file."
            )
        if csv_file is not None:
            found = read_subscribers(csv_file, new, provisioning.enrolment.prepare)
        else:
            secrets = new.read_secrets()
            names = [name or ""] if count is None else numbered(name or "", count)
            found = [provisioning.enrolment.prepare(new.subscriber(each, secrets)) for each in names]
        provisioning.enrolment.store(found)
        if count is None and csv_file is None:
            _show_one(common.console, found[0], provisioning.accounts.path)
        else:
            _show_many(common.console, found, provisioning.accounts.path)

    _provision(common, directory, work)


def numbered(name: str, count: int) -> list[str]:
    """Return the names of many subscribers; up to 9999 of them have names of the same length.

    >>> numbered("user", 2)
    ['user0001', 'user0002']
    """
    return [f"{name}{number:04}" for number in range(1, count + 1)]


def _show_one(console: Console, added: SubscriptionData, file: Path) -> None:
    console.document({"impi": added.profile.impi, "impus": list(added.profile.impus)})
    _say_one(console, added, file)


def _say_one(console: Console, added: SubscriptionData, file: Path) -> None:
    # The password itself is never printed: it stands in the accounts file.
    where = f"; the account {added.name} is in {file}" if added.accounts else " to the pool"
    if added.sign_in is not None:
        where += f", and {sign_in_account(added.name)} for `wic login`"
    console.say(f"Added {', '.join(added.profile.impus)}{where}.")


def _show_many(console: Console, added: Sequence[SubscriptionData], file: Path) -> None:
    entries = [{"name": each.name, "impi": each.profile.impi, "impus": list(each.profile.impus)} for each in added]
    console.document({"added": len(added), "accounts": str(file), "subscribers": entries})
    if len(added) == 1:
        _say_one(console, added[0], file)
        return
    first, last = added[0].profile.impus[0], added[-1].profile.impus[0]
    accounts = f"; their accounts are in {file}" if any(each.accounts for each in added) else ""
    console.say(f"Added {len(added)} subscribers, from {first} to {last}{accounts}.")


@subscriber.command(name="list", epilog=examples("wic network subscriber list --dir ims"))
@directory_option
@common_options_without_sip
def list_(common: CommonOptions, directory: Path) -> None:
    """List the subscribers.

    Shows their identities, authentication schemes and registered contacts.
    """

    def work(provisioning: Provisioning) -> None:
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

    _provision(common, directory, work)


@subscriber.command(epilog=examples("wic network subscriber remove zoe --dir ims"))
@click.argument("name")
@directory_option
@common_options_without_sip
def remove(common: CommonOptions, directory: Path, name: str) -> None:
    """Remove subscriber NAME with its bindings and its account."""

    def work(provisioning: Provisioning) -> None:
        impi = provisioning.remove(name)
        common.console.document({"removed": impi})
        common.console.say(f"Removed {impi}.")

    _provision(common, directory, work)


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
    help="Time before the WIC registers again, with --reason probation; up to 86400.  [default: 60]",
)
@common_options_without_sip
def deregister(common: CommonOptions, directory: Path, name: str, reason: str, retry_after: int | None) -> None:
    """End the registration of subscriber NAME.

    The network running in DIR ends it and sends a NOTIFY to the WIC and to all other watchers of the registration.
    """
    if reason != ContactEvent.PROBATION.value:
        refuse_without_effect("goes with --reason probation", "retry_after")

    def work(provisioning: Provisioning) -> None:
        impi = provisioning.deregister(name, reason=ContactEvent(reason), retry_after=retry_after or 60)
        common.console.document({"deregistered": impi, "reason": reason})
        common.console.say(f"Deregistered {impi}.")

    _provision(common, directory, work)


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

    def work(provisioning: Provisioning) -> None:
        impi = provisioning.reauthenticate(name, within=within)
        common.console.document({"reauthenticating": impi, "within": within})
        common.console.say(f"{impi} has {within} seconds to authenticate again.")

    _provision(common, directory, work)
