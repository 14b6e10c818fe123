"""The root command, and the last frame that an error can reach."""

from __future__ import annotations

import io
import logging
import sys

import click

from wic import __version__

from .commands.answer import answer
from .commands.call import call
from .commands.demo import demo
from .commands.login import login, logout
from .commands.network import network
from .commands.register import register
from .console import Console
from .exit_codes import ExitCode
from .run import sentence


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="wic")
def cli() -> None:
    """A headless WebRTC IMS Client (3GPP TS 24.371), and the IMS network it needs.

    Exit codes: 0 done, 1 the call, registration or check failed, 2 wrong usage or configuration, 3 interrupted.
    """


for command in (demo, network, login, logout, register, call, answer):
    cli.add_command(command)


def main() -> None:
    """Run the command line and leave with its exit code; never with a traceback."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # what a peer says need not fit the terminal's encoding
    try:
        cli(prog_name="wic")
    except Exception as error:
        logging.getLogger(__name__).debug("unexpected", exc_info=True)
        Console().error(
            f"{sentence(error)} ({type(error).__name__}): this is a fault in wic; --log-level debug shows where."
        )
        sys.exit(ExitCode.FAILED)
