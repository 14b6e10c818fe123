"""`wic register`: register, refresh, and deregister on exit."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import click

from wic.client import Client
from wic.client.events import RegistrationLost

from ..accounts import find_account, split_words
from ..event_text import event_text
from ..execution import exit_with, registered, run_async
from ..exit_codes import ExitCode
from ..help import HelpCommand, examples, option, seconds
from ..options import AccountOptions, CommonOptions, account_options, common_options
from ..traffic import TrafficMonitor

if TYPE_CHECKING:
    from wic.accounts import Account
    from wic.client.events import ClientEvent
    from wic.registration import Binding

    from ..console import Console


@click.command(
    cls=HelpCommand,
    epilog=examples(
        "wic register bob",
        "wic register alice --accounts ims/accounts.toml --once --json",
        "wic register --server wss://pcscf.example/ --impu sip:alice@ims.example --password-file secret",
    ),
)
@click.argument("words", nargs=-1, metavar="[ACCOUNT]")
@option("--once", is_flag=True, help="Register, show the binding and deregister.")
@option("--for", "duration", type=seconds(), help="Deregister after this time.  [default: on Ctrl-C]")
@account_options
@common_options
def register(
    common: CommonOptions, options: AccountOptions, words: tuple[str, ...], once: bool, duration: float | None
) -> None:
    """Register ACCOUNT, stay registered, and deregister on exit.

    Shows the binding and the identities that the network grants, and refreshes the registration before it expires. Prints changes of the connection and of the registration as they happen. Rejects incoming calls with 480; to answer calls, use `wic answer`.
    """
    if once and duration is not None:
        raise click.UsageError("--once and --for exclude each other.")
    name, _ = split_words(words, options, expected=())
    wanted = 0.0 if once else duration
    exit_with(run_async(lambda: _register(common, find_account(name, options), duration=wanted), common.console))


async def _register(common: CommonOptions, account: Account, *, duration: float | None) -> ExitCode:
    """Hold a registration for a time, or until something ends it."""
    client = Client(account)
    started = asyncio.get_running_loop().time()
    async with AsyncExitStack() as stack:
        traffic = stack.enter_context(TrafficMonitor(common))
        traffic.attach(client)
        identity = account.impu or "a user of the access token"  # which names the identities
        with common.console.progress(f"Registering {identity} at {account.server or 'the WWSF'}"):
            await stack.enter_async_context(registered(client))
        _show(common, client, traffic, started)
        # Not before: the first registration is printed in full above.
        client.on_event(lambda event: tell(common.console, client, event))
        with common.console.progress("Registered; Ctrl-C deregisters."):
            await _hold(client, duration)
    return ExitCode.DONE


def tell(console: Console, client: Client, event: ClientEvent) -> None:
    """Print an event, but for the one that ends the command with its error."""
    if not (isinstance(event, RegistrationLost) and event.final and event.error is client.ended_by):
        console.say(event_text(event))


async def _hold(client: Client, duration: float | None) -> None:
    """Stay registered and reject calls; a lost registration raises."""
    try:
        async with asyncio.timeout(duration):
            async for call in client.incoming():
                await call.reject(480)  # RFC 3261 §21.4.18: temporarily unavailable
    except TimeoutError:
        return


def _show(common: CommonOptions, client: Client, traffic: TrafficMonitor, started: float) -> None:
    """Print what the network granted, for users and for scripts."""
    binding = client.binding
    if binding is None:  # lost already: the next operation raises the reason
        return
    dropped = client.counters.dropped
    common.console.document(describe(client.account, binding, traffic, started) | {"messages_dropped": dropped})
    common.console.say(f"Registered {client.account.impu} for {binding.expires} s.", style="green")
    common.console.facts(
        {
            "contact": binding.contact.uri,
            "identities": ", ".join(map(str, client.identities.usable)) or "none (only barred ones)",
            "service route": ", ".join(str(each.uri) for each in binding.service_route) or "-",
            "refresh in": f"{binding.refresh_after:.0f} s",
        }
    )


def describe(account: Account, binding: Binding, traffic: TrafficMonitor, started: float) -> dict[str, object]:
    """Describe a registration with the names that scripts rely on; times are in milliseconds."""
    # From the first REGISTER on the wire to its 200: the challenge in between counts too.
    first = traffic.arrows[0].at if traffic.arrows else started
    last = traffic.arrows[-1].at if traffic.arrows else started
    return {
        "state": "registered",
        "impu": account.impu,
        "impi": account.impi,
        "scheme": account.auth.value,
        "algorithm": next(iter(traffic.algorithms.values()), None),  # of the only client; a token has none
        "expires": binding.expires,
        "service_route": [str(each.uri) for each in binding.service_route],
        "associated_uris": [str(each.uri) for each in binding.associated_uris],
        "pub_gruu": str(binding.public_gruu) if binding.public_gruu else None,
        "timings": {"connect_ms": _ms(first - started), "register_ms": _ms(last - first)},
    }


def _ms(duration: float) -> float:
    return round(duration * 1000, 1)
