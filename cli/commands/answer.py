"""`wic answer`: answer incoming calls."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from wic.client import CallOutcome, Client
from wic.errors import ConfigurationError, LocalProtocolError, MediaFailed
from wic.media import Echo, Silence, WavFile

from ..accounts import find_account, split_words
from ..call_report import show_call
from ..error_text import sentence
from ..event_text import message_text
from ..execution import exit_with, registered, run_async
from ..exit_codes import ExitCode
from ..failures import CommandFailure
from ..help import HelpCommand, Quantity, examples, option, refuse_without_effect, seconds
from ..options import AccountOptions, CommonOptions, account_options, common_options
from ..recording import fault_of, open_recording
from ..traffic import TrafficMonitor

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from wic.accounts import Account
    from wic.client import Call
    from wic.errors import WicError
    from wic.media import DataChannel, Sink, Source, WavRecorder


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerOptions:
    """Options for the answer to incoming calls."""

    calls: int | None
    echo: bool
    play: Path | None
    record: Path | None
    force: bool
    after: float
    reject: int | None
    ladder: bool


@click.command(
    cls=HelpCommand,
    epilog=examples(
        "wic answer bob --echo",
        "wic answer bob --calls 1 --play welcome.wav --record caller.wav",
        "wic answer bob --reject 486 --json",
    ),
)
@click.argument("words", nargs=-1, metavar="[ACCOUNT]")
@option(
    "--calls",
    type=Quantity("n", click.IntRange(min=1)),
    help="Stop after this many calls.  [default: stop on Ctrl-C]",
)
@option("--echo", is_flag=True, help="Send received audio and data channel messages back to the caller.")
@option("--play", type=click.Path(path_type=Path), metavar="WAV", help="Play a WAV file in a loop.")
@option(
    "--record",
    type=click.Path(path_type=Path),
    metavar="WAV",
    help="Record the other side to a WAV file; later calls to NAME-2.wav, NAME-3.wav and so on.",
)
@option("--force", is_flag=True, help="Replace the files of --record if they exist.")
@option(
    "--after", type=seconds(), default=0.0, help="Let each call ring this long before it is answered.  [default: 0]"
)
@option(
    "--reject",
    type=Quantity("code", click.IntRange(300, 699)),
    help="Reject every call with this SIP status, 300 to 699.",
)
@option("--ladder", is_flag=True, help="Print a ladder diagram of the SIP messages after each call.")
@account_options
@common_options
def answer(
    common: CommonOptions,
    options: AccountOptions,
    words: tuple[str, ...],
    calls: int | None,
    echo: bool,
    play: Path | None,
    record: Path | None,
    force: bool,
    after: float,
    reject: int | None,
    ladder: bool,
) -> None:
    """Register ACCOUNT and answer incoming calls.

    Several calls may be active at a time. With --json each call prints one line when it is over.
    """
    if sum((echo, play is not None, reject is not None)) > 1:
        raise click.UsageError("--echo, --play and --reject exclude each other.")
    if reject is not None:
        refuse_without_effect("does not go with --reject", "record")
    if record is None:
        refuse_without_effect("goes with --record", "force")
    name, _ = split_words(words, options, expected=())
    wanted = AnswerOptions(
        calls=calls, echo=echo, play=play, record=record, force=force, after=after, reject=reject, ladder=ladder
    )

    def work() -> Coroutine[None, None, ExitCode]:
        source = WavFile(wanted.play) if wanted.play else None  # read once, for all calls
        _open_recording(common, wanted, number=1)  # refuses a file that cannot be written before the first call
        return _answer_calls(common, find_account(name, options), wanted, source)

    exit_with(run_async(work, common.console))


async def _answer_calls(
    common: CommonOptions, account: Account, wanted: AnswerOptions, source: Source | None
) -> ExitCode:
    """Answer calls until there were enough of them, and tell whether all went well."""
    client = Client(account)
    taken: list[asyncio.Task[bool]] = []
    with TrafficMonitor(common) as traffic:
        traffic.attach(client)
        async with registered(client), asyncio.TaskGroup() as group:
            common.console.say(f"{client.account.impu} is registered and waiting for calls.", style="green")
            async for call in client.incoming():
                one = AnsweredCall(common, traffic, wanted, call, number=len(taken) + 1)
                taken.append(group.create_task(one.take(source)))
                if len(taken) == wanted.calls:
                    break
    # A rejected or cancelled call went as it should; only a fault counts.
    return ExitCode.DONE if all(task.result() for task in taken) else ExitCode.FAILED


def _open_recording(common: CommonOptions, wanted: AnswerOptions, *, number: int) -> WavRecorder | None:
    """Return the recorder of a call; None if it is not recorded.

    Raises:
        ConfigurationError: its file exists, or cannot be written.
    """
    path = wanted.record
    if path is None:
        return None
    if number > 1:
        path = path.with_stem(f"{path.stem}-{number}")
    return open_recording(path, force=wanted.force, others={"--play": wanted.play, "--pcap": common.pcap})


class AnsweredCall:
    """One incoming call, from ringing to its report."""

    def __init__(
        self, common: CommonOptions, traffic: TrafficMonitor, wanted: AnswerOptions, call: Call, *, number: int
    ) -> None:
        self._common = common
        self._console = common.console
        self._traffic = traffic
        self._wanted = wanted
        self._call = call
        self._number = number

    async def take(self, source: Source | None) -> bool:
        """Answer or reject the call, and print its report when it is over; return False if something failed."""
        self._console.say(f"Call from {self._call.peer.uri}.")
        recorder: WavRecorder | None = None
        fault: WicError | None = None
        try:
            recorder = _open_recording(self._common, self._wanted, number=self._number)
        except ConfigurationError as error:  # the caller is answered all the same
            fault = error
        try:
            await self._serve(source, [] if recorder is None else [recorder])
        finally:
            await self._call.hangup()  # when interrupted: the report is of a call that is over
            if recorder is not None:
                recorder.close()
                fault = fault_of(recorder)
            if fault is not None:
                self._console.error(sentence(fault))
            failure = None if fault is None else CommandFailure.of(fault)
            report, ladder = self._call.report(), self._wanted.ladder
            outcome = show_call(self._console, report, self._traffic, fault=failure, ladder=ladder, last=False)
        return outcome is not CallOutcome.FAILED

    async def _serve(self, source: Source | None, sinks: list[Sink]) -> None:
        if not await self._ring():
            return
        if self._wanted.reject is not None:
            await self._call.reject(self._wanted.reject)
            return
        played = source or (Echo() if self._wanted.echo else Silence())
        async with asyncio.TaskGroup() as group:
            chats = group.create_task(self._channels(group))  # before the answer, so that no early channel is missed
            await self._call.answer(audio=played, sinks=sinks)
            await self._call.ended()
            chats.cancel()  # a task group waits for all of its tasks

    async def _ring(self) -> bool:
        """Let the call ring; return False if the caller gave up meanwhile."""
        try:
            async with asyncio.timeout(self._wanted.after):
                await self._call.ended()
        except TimeoutError:  # it rang as long as it should
            return True
        return False

    async def _channels(self, group: asyncio.TaskGroup) -> None:
        """Serve every data channel that the caller opens."""
        async for channel in self._call.channels():
            group.create_task(self._serve_channel(channel))

    async def _serve_channel(self, channel: DataChannel) -> None:
        async for message in channel:
            self._console.say(message_text(channel, message))
            if not self._wanted.echo:
                continue
            try:
                await channel.send(message)
            except (MediaFailed, LocalProtocolError) as error:  # closed meanwhile, or longer than the caller takes
                self._console.error(sentence(error))
