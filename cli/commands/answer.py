"""`wic answer`: answer the calls that come in."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from wic.client import CallOutcome, Client
from wic.media import Echo, Silence, Sink, Source, WavFile, WavRecorder

from ..accounts import find_account, split_words
from ..exit_codes import ExitCode
from ..figures import show_call
from ..options import AccountOptions, Common, account_options, common
from ..run import exit_with, run
from ..watch import Watch

if TYPE_CHECKING:
    from wic.client import Account, Call
    from wic.media import DataChannel


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerOptions:
    """How calls are answered."""

    calls: int | None
    echo: bool
    play: Path | None
    record: Path | None
    after: float
    reject: int | None


@click.command()
@common
@account_options
@click.argument("words", nargs=-1, metavar="[ACCOUNT]")
@click.option("--calls", type=click.IntRange(min=1), metavar="N", help="Stop after N calls; else go on until Ctrl-C.")
@click.option("--echo", is_flag=True, help="Send back what is heard, and texts on data channels.")
@click.option("--play", type=click.Path(path_type=Path), metavar="WAV", help="Play a WAV file, again and again.")
@click.option(
    "--record",
    type=click.Path(path_type=Path),
    metavar="WAV",
    help="Record the other side; of later calls as NAME-2.wav …",
)
@click.option("--after", type=click.FloatRange(min=0), default=0.0, metavar="S", help="Ring for S seconds first.")
@click.option("--reject", type=click.IntRange(300, 699), metavar="CODE", help="Refuse calls with this SIP status.")
def answer(
    settings: Common,
    options: AccountOptions,
    words: tuple[str, ...],
    calls: int | None,
    echo: bool,
    play: Path | None,
    record: Path | None,
    after: float,
    reject: int | None,
) -> None:
    """Register ACCOUNT and answer the calls that come in.

    Each call is answered on its own, so several may go on at a time; with --json each has a line when it is over.
    """
    if sum((echo, play is not None, reject is not None)) > 1:
        raise click.UsageError("--echo, --play and --reject exclude each other.")
    name, _ = split_words(words, options, expected=())
    wanted = AnswerOptions(calls=calls, echo=echo, play=play, record=record, after=after, reject=reject)

    async def work() -> ExitCode:
        return await _answer_calls(settings, find_account(name, options), wanted)

    exit_with(run(work, settings.console))


async def _answer_calls(settings: Common, account: Account, wanted: AnswerOptions) -> ExitCode:
    """Take calls until there were enough of them; say whether all went well."""
    source = WavFile(wanted.play) if wanted.play else None
    if wanted.record is not None and wanted.reject is None:
        WavRecorder(wanted.record).close()  # that it cannot be written is told before anybody calls
    watch = Watch(settings)
    client = Client(account)
    watch.attach(client)
    taken: list[asyncio.Task[bool]] = []
    try:
        async with client, asyncio.TaskGroup() as group:
            settings.console.say(f"{client.account.impu} is registered and waits for calls.", style="green")
            async for call in client.incoming():
                one = _OneCall(settings, watch, wanted, call, number=len(taken) + 1)
                taken.append(group.create_task(one.take(source)))
                if len(taken) == wanted.calls:
                    break
    finally:
        watch.close()
    return ExitCode.DONE if all(task.result() for task in taken) else ExitCode.FAILED


class _OneCall:
    """A call that came in, from ringing to its report."""

    def __init__(self, settings: Common, watch: Watch, wanted: AnswerOptions, call: Call, *, number: int) -> None:
        self._settings = settings
        self._watch = watch
        self._wanted = wanted
        self._call = call
        self._number = number

    async def take(self, source: Source | None) -> bool:
        """Answer or refuse it, and report it when it is over; False if it failed."""
        self._settings.console.say(f"Call from {self._call.peer.uri}.")
        sinks = self._sinks()
        try:
            await self._serve(source, sinks)
        finally:
            await self._call.hangup()  # when interrupted: the report tells of a call that is over
            for sink in sinks:
                sink.close()
            show_call(self._settings.console, self._call.report(), self._watch)
        return self._call.report().outcome is not CallOutcome.FAILED

    async def _serve(self, source: Source | None, sinks: list[Sink]) -> None:
        if not await self._ring():
            return
        if self._wanted.reject is not None:
            await self._call.reject(self._wanted.reject)
            return
        played = source or (Echo() if self._wanted.echo else Silence())
        async with asyncio.TaskGroup() as group:
            chats = group.create_task(self._channels(group))
            await self._call.answer(audio=played, sinks=sinks)
            await self._call.ended()
            chats.cancel()

    async def _ring(self) -> bool:
        """Let it ring; False if the caller gave up before."""
        try:
            async with asyncio.timeout(self._wanted.after):
                await self._call.ended()
        except TimeoutError:
            return True
        return False

    async def _channels(self, group: asyncio.TaskGroup) -> None:
        """Serve every data channel that the caller opens."""
        async for channel in self._call.channels():
            group.create_task(self._serve_channel(channel))

    async def _serve_channel(self, channel: DataChannel) -> None:
        async for message in channel:
            shown = message if isinstance(message, str) else message.hex()
            self._settings.console.say(f"{channel.label}: {shown}")
            if self._wanted.echo:
                await channel.send(message)

    def _sinks(self) -> list[Sink]:
        path = self._wanted.record
        if path is None or self._wanted.reject is not None:
            return []
        if self._number > 1:
            path = path.with_stem(f"{path.stem}-{self._number}")
        return [WavRecorder(path)]
