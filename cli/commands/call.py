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
from ..exit_codes import ExitCode
from ..figures import show_call
from ..options import AccountOptions, Common, account_options, common
from ..run import clause, exit_with, run, sentence
from ..watch import Watch

if TYPE_CHECKING:
    from wic.client import Account, Call


@dataclass(frozen=True, slots=True, kw_only=True)
class CallOptions:
    """What a call does."""

    target: str
    duration: float | None
    timeout: float
    play: Path | None
    record: Path | None
    channel: str | None
    send: tuple[str, ...]


@click.command()
@common
@account_options
@click.argument("words", nargs=-1, metavar="[ACCOUNT] TARGET")
@click.option("--duration", type=click.FloatRange(min=0), metavar="S", help="Hang up S seconds after the answer.")
@click.option("--timeout", type=click.FloatRange(min=1), default=60, show_default=True, help="Seconds to be answered.")
@click.option(
    "--play", type=click.Path(path_type=Path), metavar="WAV", help="Play a WAV file; without --duration, once."
)
@click.option("--record", type=click.Path(path_type=Path), metavar="WAV", help="Record the other side.")
@click.option("--channel", metavar="LABEL", help="Open a data channel.")
@click.option("--send", multiple=True, metavar="TEXT", help="Send a text on the data channel; may be repeated.")
def call(
    settings: Common,
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

    Without --duration the call lasts until the file of --play has ended, the other side hangs up, or Ctrl-C.
    """
    name, (target,) = split_words(words, options, expected=("TARGET",))
    if send and channel is None:
        channel = "chat"
    wanted = CallOptions(
        target=target, duration=duration, timeout=timeout, play=play, record=record, channel=channel, send=send
    )

    async def work() -> ExitCode:
        return await _call(settings, find_account(name, options), wanted)

    exit_with(run(work, settings.console))


async def _call(settings: Common, account: Account, wanted: CallOptions) -> ExitCode:
    """Register, call, talk, report; the report is given however the call ends."""
    parse_target(wanted.target)  # a slip of the pen is told before anything is tried
    source = WavFile(wanted.play, loop=wanted.duration is not None) if wanted.play else Silence()
    seconds = wanted.duration
    if seconds is None and isinstance(source, WavFile):
        seconds = source.seconds
    sinks = [WavRecorder(wanted.record)] if wanted.record else []
    watch = Watch(settings)
    made: Call | None = None
    failed = False
    client = Client(account)
    watch.attach(client)
    try:
        with settings.console.progress(f"Registering {account.impu or account.name}") as progress:
            async with client:
                progress.update(f"Calling {wanted.target}")
                made = await client.call(wanted.target, audio=source, sinks=sinks)
                await made.answered(timeout=wanted.timeout)
                progress.update(f"In a call with {wanted.target}; Ctrl-C hangs up.")
                await _talk(settings, made, wanted, seconds)
                await made.hangup()
    except CallFailed as error:
        settings.console.error(sentence(error))
        failed = True
    finally:
        for sink in sinks:
            sink.close()
        watch.close()
        if made is not None:
            show_call(settings.console, made.report(), watch, why=not failed)
    return ExitCode.FAILED if failed else ExitCode.DONE


async def _talk(settings: Common, made: Call, wanted: CallOptions, seconds: float | None) -> None:
    """Stay in the call until its time is over or it ends by itself."""
    async with asyncio.TaskGroup() as group:
        chat = group.create_task(_chat(settings, made, wanted)) if wanted.channel else None
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(made.ended(), seconds)
        if chat is not None:
            chat.cancel()
    if made.error is not None:
        raise made.error


async def _chat(settings: Common, made: Call, wanted: CallOptions) -> None:
    """Send the texts, and show what comes back until the call ends."""
    try:
        async with made.open_channel(wanted.channel or "chat") as channel:
            for text in wanted.send:
                await channel.send(text)
            async for message in channel:
                settings.console.say(f"{channel.label}: {message if isinstance(message, str) else message.hex()}")
    except MediaFailed as error:
        settings.console.error(f"The data channel {wanted.channel} could not be used: {clause(error)}.")
