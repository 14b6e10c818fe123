"""`wic register`: register, stay, refresh, and deregister on the way out."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import click

from wic.client import Client
from wic.client.events import RegistrationLost

from ..accounts import find_account, split_words
from ..event_text import in_words
from ..exit_codes import ExitCode
from ..options import AccountOptions, Common, account_options, common
from ..run import exit_with, run
from ..watch import Watch

if TYPE_CHECKING:
    from wic.client import Account
    from wic.client.events import ClientEvent
    from wic.registration import Binding

    from ..console import Console


@click.command()
@common
@account_options
@click.argument("words", nargs=-1, metavar="[ACCOUNT]")
@click.option("--once", is_flag=True, help="Register, show the binding, deregister.")
@click.option("--for", "seconds", type=click.FloatRange(min=0), metavar="S", help="Stay registered for S seconds.")
def register(
    settings: Common, options: AccountOptions, words: tuple[str, ...], once: bool, seconds: float | None
) -> None:
    """Register ACCOUNT, stay registered, and deregister on exit.

    Shows the binding and the identities that the network grants, and refreshes them. What happens to connection and registration meanwhile is shown as it happens. Calls that come in are
    answered 480: `wic answer` takes calls.
    """
    if once and seconds is not None:
        raise click.UsageError("--once and --for exclude each other.")
    name, _ = split_words(words, options, expected=())

    async def work() -> ExitCode:
        account = find_account(name, options)
        await _register(settings, account, seconds=0.0 if once else seconds)
        return ExitCode.DONE

    exit_with(run(work, settings.console))


async def _register(settings: Common, account: Account, *, seconds: float | None) -> None:
    """Hold a registration for a time, or until something ends it."""
    client = Client(account)
    watch = Watch(settings)
    watch.attach(client)
    started = asyncio.get_running_loop().time()
    try:
        with settings.console.progress(f"Registering {account.impu or account.name} at {account.server or 'the WWSF'}"):
            await client.__aenter__()
        try:
            _show(settings, client, watch, started)
            client.on_event(lambda event: tell(settings.console, client, event))
            with settings.console.progress("Registered; Ctrl-C deregisters."):
                await _hold(client, seconds)
        finally:
            await client.__aexit__(None, None, None)
    finally:
        watch.close()


def tell(console: Console, client: Client, event: ClientEvent) -> None:
    """Say what happened, unless it is what the command ends with."""
    if not (isinstance(event, RegistrationLost) and event.final and event.error is client.ended_by):
        console.say(in_words(event))


async def _hold(client: Client, seconds: float | None) -> None:
    """Stay registered; calls are turned away, a lost registration raises."""

    async def turn_away() -> None:
        async for call in client.incoming():
            await call.reject(480)

    try:
        async with asyncio.timeout(seconds):
            await turn_away()
    except TimeoutError:
        return


def _show(settings: Common, client: Client, watch: Watch, started: float) -> None:
    """Show what was granted, for people and for scripts."""
    binding = client.binding
    if binding is None:  # lost in the very moment: whoever waits next is told why
        return
    settings.console.document(describe(client.account, binding, watch, started))
    settings.console.say(f"Registered {client.account.impu} for {binding.expires} s.", style="green")
    settings.console.facts(
        {
            "contact": binding.contact.uri,
            "identities": ", ".join(map(str, client.identities.usable)) or "none but barred ones",
            "service route": ", ".join(str(each.uri) for each in binding.service_route) or "-",
            "refresh in": f"{binding.refresh_after:.0f} s",
        }
    )


def describe(account: Account, binding: Binding, watch: Watch, started: float) -> dict[str, object]:
    """Describe a registration with the names that scripts rely on; times are in milliseconds."""
    first = watch.arrows[0].at if watch.arrows else started
    last = watch.arrows[-1].at if watch.arrows else started
    return {
        "state": "registered",
        "impu": account.impu,
        "impi": account.impi,
        "scheme": account.auth.value,
        "expires": binding.expires,
        "service_route": [str(each.uri) for each in binding.service_route],
        "associated_uris": [str(each.uri) for each in binding.associated_uris],
        "pub_gruu": str(binding.public_gruu) if binding.public_gruu else None,
        "timings": {"connect_ms": _ms(first - started), "register_ms": _ms(last - first)},
    }


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 1)
