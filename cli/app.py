"""The root command, and the outermost frame that an error can reach."""

from __future__ import annotations

import io
import logging
import os
import sys
from contextlib import contextmanager
from importlib import import_module
from typing import TYPE_CHECKING, cast

import click

from wic import __version__

from .console import Console
from .error_text import clause
from .exit_codes import ExitCode
from .help import HelpGroup, examples

if TYPE_CHECKING:
    from collections.abc import Iterator

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
        with _interruptible(ctx):  # `--help` imports all commands
            return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> object:
        with _interruptible(ctx):  # during an import, or at a prompt; else see `run_async`
            return super().invoke(ctx)


@contextmanager
def _interruptible(ctx: click.Context) -> Iterator[None]:
    try:
        yield
    except (click.Abort, KeyboardInterrupt, EOFError):
        ctx.exit(ExitCode.INTERRUPTED)


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
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a peer's text need not fit the terminal's encoding
    try:
        cli(prog_name="wic")
    except Exception as error:  # `run_sync` has printed every error that wic raises on purpose
        logging.getLogger(__name__).debug("unexpected", exc_info=True)
        Console().error(
            f"{clause(error)} ({type(error).__name__}): this is a fault in wic; --log-level debug shows where."
        )
        sys.exit(ExitCode.FAILED)
