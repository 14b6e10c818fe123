"""`wic call`: one outgoing call."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from wic.client import CallOutcome, Client
from wic.client.targets import parse_target
from wic.errors import CallFailed, LocalProtocolError, MediaFailed
from wic.media import Silence, WavFile

from ..accounts import find_account, split_words
from ..call_report import show_call
from ..error_text import clause, sentence
from ..event_text import message_text
from ..execution import exit_with, registered, run_async
from ..exit_codes import ExitCode
from ..failures import CommandFailure
from ..help import HelpCommand, examples, option, refuse_without_effect, seconds
from ..options import AccountOptions, CommonOptions, account_options, common_options
from ..recording import fault_of, open_recording
from ..traffic import TrafficMonitor

if TYPE_CHECKING:
    from wic.accounts import Account
    from wic.client import Call
    from wic.errors import WicError
    from wic.media import WavRecorder

    from ..console import ProgressLine


_ANY_DOMAIN = "home.invalid"  # that of the account may be known only when it is registered


@dataclass(frozen=True, slots=True, kw_only=True)
class CallOptions:
    """Options of one outgoing call."""

    target: str
    duration: float | None
    timeout: float
    play: Path | None
    record: Path | None
    force: bool
    channel: str | None
    send: tuple[str, ...]
    ladder: bool


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
@option("--force", is_flag=True, help="Replace the file of --record if it exists.")
@option("--channel", metavar="LABEL", help="Open a data channel with this label.  [default with --send: chat]")
@option("--send", multiple=True, metavar="TEXT", help="Send a text message on the data channel (repeatable).")
@option("--ladder", is_flag=True, help="Print a ladder diagram of the SIP messages after the call.")
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
    force: bool,
    channel: str | None,
    send: tuple[str, ...],
    ladder: bool,
) -> None:
    """Call TARGET from ACCOUNT.

    TARGET is a SIP or tel URI, user@domain, or a telephone number. The call ends after --duration, at the end of the --play file, when the other side hangs up, or on Ctrl-C.
    """
    if record is None:
        refuse_without_effect("goes with --record", "force")
    name, (target,) = split_words(words, options, expected=("TARGET",))
    if send and channel is None:
        channel = "chat"
    wanted = CallOptions(
        target=target,
        duration=duration,
        timeout=timeout,
        play=play,
        record=record,
        force=force,
        channel=channel,
        send=send,
        ladder=ladder,
    )
    exit_with(run_async(lambda: PlacedCall(common, wanted).run(find_account(name, options)), common.console))


class PlacedCall:
    """One outgoing call, from the registration to its report.

    Raises:
        ConfigurationError: a file cannot be played or written.
    """

    def __init__(self, common: CommonOptions, wanted: CallOptions) -> None:
        self._common = common
        self._console = common.console
        self._wanted = wanted
        parse_target(wanted.target, _ANY_DOMAIN)  # refuses a misspelt target before anything is tried
        self._source = WavFile(wanted.play, loop=wanted.duration is not None) if wanted.play else Silence()
        self._duration = wanted.duration
        if self._duration is None and isinstance(self._source, WavFile):
            self._duration = self._source.seconds  # the file is played once
        self._recorder: WavRecorder | None = None
        if wanted.record is not None:
            others = {"--play": wanted.play, "--pcap": common.pcap}
            self._recorder = open_recording(wanted.record, force=wanted.force, others=others)
        self._call: Call | None = None
        self._unsent = len(wanted.send)
        self._faults: list[WicError] = []
        """Failures of what was asked of the call, beside the call itself."""

    async def run(self, account: Account) -> ExitCode:
        """Register, make the call and print its report, however it ends."""
        client, traffic = Client(account), TrafficMonitor(self._common)
        traffic.attach(client)
        outcome, told, interrupted = CallOutcome.FAILED, "", False
        try:
            with self._console.progress(f"Registering {account.impu or account.name}") as progress:
                async with registered(client):
                    await self._make(client, progress)
            self._check_texts()
        # Left by an error or a signal, the client hangs up by itself before it deregisters.
        except CallFailed as error:
            if self._call is None:
                raise
            # An outcome, unlike other errors: the report below is printed too.
            self._console.error(sentence(error))
            told = clause(error)
        except asyncio.CancelledError:
            if self._call is None:
                raise
            interrupted = True
        finally:
            self._close(traffic)
            if self._call is not None:
                fault = CommandFailure.of(self._faults[0]) if self._faults else None
                report, ladder = self._call.report(), self._wanted.ladder
                outcome = show_call(self._console, report, traffic, told=told, fault=fault, ladder=ladder)
        if outcome is CallOutcome.COMPLETED:  # also where the user hung up: a call is meant to end like that
            return ExitCode.DONE
        return ExitCode.INTERRUPTED if interrupted and outcome is CallOutcome.CANCELLED else ExitCode.FAILED

    async def _make(self, client: Client, progress: ProgressLine) -> None:
        target = self._wanted.target
        progress.update(f"Calling {target}; Ctrl-C gives up.")
        sinks = [] if self._recorder is None else [self._recorder]
        made = self._call = await client.call(
            target, audio=self._source, sinks=sinks, data=self._wanted.channel is not None
        )
        ringing = asyncio.create_task(self._tell_ringing(made, progress))
        try:
            await made.answered(timeout=self._wanted.timeout)
        finally:
            ringing.cancel()
        progress.update(f"In a call with {target}; Ctrl-C hangs up.", timed=True)
        await self._talk(made)
        await made.hangup()

    async def _tell_ringing(self, made: Call, progress: ProgressLine) -> None:
        """Tell the user that the other side is being alerted (RFC 3261 §13.2.2.1: 101 to 199)."""
        with contextlib.suppress(CallFailed):  # `answered` raises it too
            await made.ringing()
            if not made.is_answered:  # else it was answered without ringing
                progress.update(f"{self._wanted.target} is ringing; Ctrl-C gives up.", timed=True)
                if not self._console.is_terminal:
                    self._console.say(f"{self._wanted.target} is ringing.")

    async def _talk(self, made: Call) -> None:
        """Stay in the call until its time is over or it ends by itself."""
        async with asyncio.TaskGroup() as group:
            chat = group.create_task(self._chat(made)) if self._wanted.channel else None
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(made.ended(), self._duration)
            if chat is not None:  # it would wait for more messages
                chat.cancel()
        if made.error is not None:  # the call ended by a fault: the exit code tells
            raise made.error

    async def _chat(self, made: Call) -> None:
        """Send the texts, and print received ones until the call ends."""
        label = self._wanted.channel or "chat"
        try:
            async with made.open_channel(label) as channel:
                for text in self._wanted.send:
                    await channel.send(text)
                    self._unsent -= 1
                async for message in channel:
                    self._console.say(message_text(channel, message))
        except (MediaFailed, LocalProtocolError) as error:  # also a text longer than the peer takes; the call goes on
            self._note(MediaFailed(f"the data channel {label} could not be used: {clause(error)}"))

    def _check_texts(self) -> None:
        """Note the texts that the end of the call has left unsent."""
        if self._unsent and not self._faults:
            self._note(
                MediaFailed(f"{self._unsent} of {len(self._wanted.send)} texts were not sent before the call ended")
            )

    def _close(self, traffic: TrafficMonitor) -> None:
        """Close the files, and note those that are not complete."""
        recorder, incomplete = self._recorder, traffic.close()
        if recorder is not None:
            recorder.close()
            if (fault := fault_of(recorder)) is not None:
                self._note(fault)
            elif not recorder.frames and self._call is not None and self._call.is_answered:
                self._console.say(f"No sound came, so {recorder.path} was not written.")
        if incomplete is not None:
            self._note(incomplete)

    def _note(self, fault: WicError) -> None:
        self._faults.append(fault)
        self._console.error(sentence(fault))
