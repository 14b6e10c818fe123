"""`wic demo`: a network, two WICs, a call with a data channel, and its report."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import click

from wic.accounts import Account
from wic.client import CallOutcome, Client
from wic.errors import CallFailed
from wic.media import Count, Tone
from wic.network import ImsNetwork
from wic.network.names import SCSCF

from ..call_report import show_media, show_timings
from ..execution import exit_with, registered, run_async
from ..exit_codes import ExitCode
from ..failures import CommandFailure
from ..help import HelpCommand, examples
from ..options import CommonOptions, common_options
from ..traffic import TrafficMonitor

if TYPE_CHECKING:
    from wic.client import Call, CallReport

    from ..console import Console

TALK = 3.0
"""Seconds of the call."""

GREETING = "hello from alice"


@dataclass(slots=True)
class DemoOutcome:
    """Observations of a demo."""

    registrations: list[dict[str, object]] = field(default_factory=list)
    calling: CallReport | None = None
    called: CallReport | None = None
    heard: str = ""
    """Text that the called side sent back on the data channel."""

    @property
    def good(self) -> bool:
        """Whether both sides completed the call, heard each other, and the greeting came back."""
        reports = [report for report in (self.calling, self.called) if report is not None]
        talked = all(
            report.outcome is CallOutcome.COMPLETED and report.media and all(each.received for each in report.media)
            for report in reports
        )
        return len(reports) == 2 and talked and self.heard == GREETING


@click.command(cls=HelpCommand, epilog=examples("wic demo", "wic demo --pcap demo.pcapng", "wic demo --json"))
@common_options
def demo(common: CommonOptions) -> None:
    """Run a call between two WICs in an IMS network of its own.

    Starts an IMS network on loopback. alice registers with a USIM, bob with a password. Audio and a data channel pass the eIMS-AGW with ICE, DTLS-SRTP and SCTP. All files are temporary; the demo takes about 5 seconds.
    """
    exit_with(run_async(lambda: _demo(common), common.console))


async def _demo(common: CommonOptions) -> ExitCode:
    console = common.console
    clock = asyncio.get_running_loop().time
    started = clock()
    outcome = DemoOutcome()
    with TrafficMonitor(common) as traffic, console.progress("Starting the IMS network") as progress:
        async with ImsNetwork() as ims:
            alice, bob = (Client(Account.load(name, ims.accounts_path)) for name in ("alice", "bob"))
            traffic.attach(alice, "alice")
            traffic.attach_network(ims, SCSCF)
            traffic.attach(bob, "bob")
            progress.update("Registering alice and bob over WSS")
            async with registered(bob), registered(alice):  # bob first: alice may call as soon as she is registered
                clients = {"alice": alice, "bob": bob}
                outcome.registrations += [
                    _registration(each, traffic.algorithms.get(name)) for name, each in clients.items()
                ]
                progress.update("alice calls bob")
                await _call(alice, bob, outcome)
                progress.update("Deregistering")
    _show(console, traffic, outcome, clock() - started)
    return ExitCode.DONE if outcome.good else ExitCode.FAILED


async def _call(alice: Client, bob: Client, outcome: DemoOutcome) -> None:
    """Let alice call bob for a while, and keep the reports of both."""
    async with asyncio.TaskGroup() as group:
        answering = group.create_task(_answer(bob))
        call = await alice.call(bob.account.impu, audio=Tone(440), sinks=[Count()])
        try:
            await call.answered(timeout=10)
            async with call.open_channel("chat") as channel:
                await channel.send(GREETING)
                with suppress(TimeoutError):  # no text is an outcome as well
                    outcome.heard = str(await asyncio.wait_for(anext(channel, ""), TALK))
                await asyncio.sleep(TALK)  # long enough for RTCP to measure the round trip
            await call.hangup()
        finally:
            outcome.calling = call.report()  # also of a call that failed
    outcome.called = answering.result()


async def _answer(bob: Client) -> CallReport:
    """Answer one call with another tone, and send texts on the data channel back."""
    call = await anext(bob.incoming(), None)
    if call is None:
        raise CallFailed("no call came to bob")
    async with asyncio.TaskGroup() as group:
        echoing = group.create_task(_echo(call))
        await call.answer(audio=Tone(880), sinks=[Count()])
        report = await call.ended()
        echoing.cancel()
    return report


async def _echo(call: Call) -> None:
    async for channel in call.channels():
        async for message in channel:
            await channel.send(message)


def _registration(client: Client, algorithm: str | None) -> dict[str, object]:
    account, binding = client.account, client.binding
    return {
        "impu": account.impu,
        "scheme": account.auth.value,
        "algorithm": algorithm,
        "expires": binding.expires if binding else 0,
        "service_route": [str(each.uri) for each in binding.service_route] if binding else [],
    }


def _show(console: Console, traffic: TrafficMonitor, outcome: DemoOutcome, duration: float) -> None:
    reports = {"alice": outcome.calling, "bob": outcome.called}
    document = {
        "outcome": "done",
        "seconds": round(duration, 2),
        "registrations": outcome.registrations,
        "calls": {name: report.to_dict() for name, report in reports.items() if report},
    }
    if outcome.good:
        console.document(document)
    else:
        console.failure_document(document | CommandFailure.of(CallFailed("the demo failed")).to_dict())
    console.say("SIP messages on the wire:\n", style="bold")
    traffic.show_ladder()
    console.say("")
    show_media(console, {name: report for name, report in reports.items() if report})
    if outcome.calling:
        show_timings(console, outcome.calling.timings)
    verdict = "Two WICs registered, called each other and deregistered" if outcome.good else "The demo failed"
    console.say(f"{verdict} in {duration:.1f} s.", style="bold green" if outcome.good else "bold red")
