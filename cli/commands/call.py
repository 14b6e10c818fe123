"""`wic call`: one outgoing call."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from wic.client import Client
from wic.client.targets import parse_target
from wic.errors import CallFailed, MediaFailed
from wic.media import Silence, WavFile, WavRecorder

from ..accounts import find_account, split_words
from ..call_report import show_call
from ..error_text import clause, sentence
from ..execution import exit_with, run_async
from ..exit_codes import ExitCode
from ..help import HelpCommand, examples, option, seconds
from ..options import AccountOptions, CommonOptions, account_options, common_options
from ..traffic import TrafficMonitor

if TYPE_CHECKING:
    from wic.accounts import Account
    from wic.client import Call


@dataclass(frozen=True, slots=True, kw_only=True)
class CallOptions:
    """Options of one outgoing call."""

    target: str
    duration: float | None
    timeout: float
    play: Path | None
    record: Path | None
    channel: str | None
    send: tuple[str, ...]


@click.command(
    cls=HelpCommand,
    epilog=examples(
        "wic call alice bob@ims.example --duration 10",
        "wic call alice tel:+4930123 --play hello.wav --record answer.wav",
        "wic call alice sip:bob@ims.example --send hello --json",
    ),
)
@click.argument("words", nargs=-1, metavar="[ACCOUNT] TARGET")
@option(
    "--duration",
    type=seconds(),
    help="Hang up this long after the answer.  [default: at the end of --play, else when the other side hangs up]",
)
@option(
    "--timeout",
    type=seconds(at_least=1),
    default=60,
    show_default=True,
    help="Give up if the call is not answered within this time.",
)
@option(
    "--play",
    type=click.Path(path_type=Path),
    metavar="WAV",
    help="Play a WAV file: once, or in a loop with --duration.",
)
@option("--record", type=click.Path(path_type=Path), metavar="WAV", help="Record the other side to a WAV file.")
@option("--channel", metavar="LABEL", help="Open a data channel with this label.  [default with --send: chat]")
@option("--send", multiple=True, metavar="TEXT", help="Send a text message on the data channel (repeatable).")
@account_options
@common_options
def call(
    common: CommonOptions,
    options: AccountOptions,
    words: tuple[str, ...],
    duration: float | None,
    timeout: float,
    play: Path | None,
    record: Path | None,
    channel: str | None,
    send: tuple[str, ...],
) -> None:
    """Call TARGET, a SIP or tel URI or user@domain, from ACCOUNT.

    The call ends after --duration, at the end of the --play file, when the other side hangs up, or on Ctrl-C.
    """
    name, (target,) = split_words(words, options, expected=("TARGET",))
    if send and channel is None:
        channel = "chat"
    wanted = CallOptions(
        target=target, duration=duration, timeout=timeout, play=play, record=record, channel=channel, send=send
    )
    exit_with(run_async(lambda: _call(common, find_account(name, options), wanted), common.console))


async def _call(common: CommonOptions, account: Account, wanted: CallOptions) -> ExitCode:
    """Register, make the call and print its report, however it ends."""
    parse_target(wanted.target)  # refuses a misspelt target before anything is tried
    source = WavFile(wanted.play, loop=wanted.duration is not None) if wanted.play else Silence()
    duration = wanted.duration
    if duration is None and isinstance(source, WavFile):
        duration = source.seconds  # the file is played once
    sinks = [WavRecorder(wanted.record)] if wanted.record else []
    traffic = TrafficMonitor(common)
    made: Call | None = None
    failed = False
    client = Client(account)
    traffic.attach(client)
    try:
        with common.console.progress(f"Registering {account.impu or account.name}") as progress:
            async with client:
                progress.update(f"Calling {wanted.target}")
                made = await client.call(wanted.target, audio=source, sinks=sinks)
                await made.answered(timeout=wanted.timeout)
                progress.update(f"In a call with {wanted.target}; Ctrl-C hangs up.")
                await _talk(common, made, wanted, duration)
                await made.hangup()
    # Left by an error or a signal, the client hangs up by itself before it deregisters.
    except CallFailed as error:
        # An outcome, unlike other errors: the report below is printed too.
        common.console.error(sentence(error))
        failed = True
    finally:
        for sink in sinks:
            sink.close()
        traffic.close()
        if made is not None:
            show_call(common.console, made.report(), traffic, why=not failed)
    return ExitCode.FAILED if failed else ExitCode.DONE


async def _talk(common: CommonOptions, made: Call, wanted: CallOptions, duration: float | None) -> None:
    """Stay in the call until its time is over or it ends by itself."""
    async with asyncio.TaskGroup() as group:
        chat = group.create_task(_chat(common, made, wanted)) if wanted.channel else None
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(made.ended(), duration)
        if chat is not None:  # it would wait for more messages
            chat.cancel()
    if made.error is not None:  # the call ended by a fault: the exit code tells
        raise made.error


async def _chat(common: CommonOptions, made: Call, wanted: CallOptions) -> None:
    """Send the texts, and print received ones until the call ends."""
    try:
        async with made.open_channel(wanted.channel or "chat") as channel:
            for text in wanted.send:
                await channel.send(text)
            async for message in channel:
                common.console.say(f"{channel.label}: {message if isinstance(message, str) else message.hex()}")
    except MediaFailed as error:  # the call itself goes on
        common.console.error(f"The data channel {wanted.channel} could not be used: {clause(error)}.")
