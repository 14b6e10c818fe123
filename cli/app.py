"""The root command, and the outermost frame that an error can reach."""

from __future__ import annotations

import io
import logging
import os
import sys
from contextlib import contextmanager, suppress
from importlib import import_module
from typing import TYPE_CHECKING, NoReturn, TextIO, cast

import click

from wic import __version__

from .console import Console
from .error_text import clause
from .exit_codes import ExitCode
from .failures import CommandFailure, OutputFailed, OutputStream
from .help import HelpGroup, examples

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_MODULES = {
    "demo": "demo",
    "network": "network",
    "login": "login",
    "logout": "login",
    "register": "register",
    "call": "call",
    "answer": "answer",
}
"""Module of each command, in the order of the help."""
_AS_JSON = "wic.as_json"


class _LazyGroup(HelpGroup):
    """A group that imports a command on demand: codecs and web servers take time to load."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_MODULES)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _MODULES:
            return None
        module = import_module(f".commands.{_MODULES[cmd_name]}", __package__)
        return cast("click.Command", getattr(module, cmd_name))

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        ctx.meta[_AS_JSON] = _wants_json(args)  # before the command that has the option has read it
        with _interruptible(ctx):  # `--help` imports all commands
            return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> object:
        with _interruptible(ctx):  # during an import, or at a prompt; else see `run_async`
            return super().invoke(ctx)


@contextmanager
def _interruptible(ctx: click.Context) -> Iterator[None]:
    """Turn what ends a command before `run_sync` has it into a document and an exit code."""
    console = Console(as_json=bool(ctx.meta[_AS_JSON]))
    try:
        yield
    except (click.Abort, KeyboardInterrupt, EOFError) as error:
        console.failure(CommandFailure.of(error))
        ctx.exit(ExitCode.INTERRUPTED)
    except click.ClickException as error:
        if isinstance(error, getattr(click.exceptions, "NoArgsIsHelpError", ())):  # click 8.2: help, and no error
            raise
        failure = CommandFailure.of(error)
        console.document(failure.to_dict())
        # click prints it below the usage, in the same words.
        raise click.UsageError(failure.reason, getattr(error, "ctx", None)) from error


def _wants_json(words: Sequence[str]) -> bool:
    """Tell whether `--json` stands among the words of a command line that could not be read."""
    options = words[: words.index("--")] if "--" in words else words
    return "--json" in options


@click.group(
    cls=_LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    epilog=examples("wic demo", "wic network up --dir ims", "wic register bob --accounts ims/accounts.toml"),
)
@click.version_option(__version__, prog_name="wic")
def cli() -> None:
    """A headless WebRTC IMS Client (3GPP TS 24.371), and the IMS network that it needs.

    Exit codes: 0 success; 1 the call, registration or check failed; 2 wrong usage or configuration; 3 interrupted.
    """


def main() -> None:
    """Run the command line and exit with its code; never with a traceback."""
    # In the order of their descriptors, so that each gets its own, and no socket or file of ours takes it.
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:  # closed by who started wic, as `>&-` does
            setattr(sys, name, open(os.devnull, mode))  # noqa: SIM115 - it is for the whole process
    streams = sys.stdout, sys.stderr
    for stream in streams:
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a peer's text need not fit the terminal's encoding
    sys.stdout = cast("TextIO", OutputStream(sys.stdout))
    sys.stderr = cast("TextIO", OutputStream(sys.stderr, essential=False))
    try:
        cli(prog_name="wic")
    except Exception as error:  # `run_sync` has printed every error that wic raises on purpose
        logging.getLogger(__name__).debug("failed", exc_info=True)
        failure = CommandFailure.of(error)
        # Else click cannot write a text; or the system is out of space, of files, or of time.
        if not isinstance(error, OutputFailed | OSError):
            fault = f"{clause(error)} ({failure.error}): this is a fault in wic; --log-level debug shows where."
            failure = CommandFailure(outcome="failed", reason=fault, error=failure.error)
        _fail(failure)
    finally:
        for stream in streams:
            _finish(stream)


def _fail(failure: CommandFailure) -> NoReturn:
    Console(as_json=_wants_json(sys.argv[1:])).failure(failure)
    sys.exit(failure.code)


def _finish(stream: TextIO) -> None:
    """Write what a stream still holds; where that is not possible, the interpreter would try again and complain."""
    try:
        stream.flush()
    except OSError:
        with suppress(OSError, ValueError):  # a stream of a test has no descriptor
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
