"""Options that commands share, as decorators.

A command lists its own options first, then `@account_options`, then `@common_options`: the help shows them in that order.
"""

from __future__ import annotations

import functools
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Concatenate, ParamSpec

import click

from wic.accounts.schema import SETTINGS
from wic.sip.trace import time_text

from .console import Console, clean
from .help import ACCOUNT, OUTPUT, TRACING, option, refuse_without_effect

if TYPE_CHECKING:
    from collections.abc import Callable

P = ParamSpec("P")

LOG_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"
OWN_LOGGERS = ("wic", __package__)
LEVELS = ("debug", "info", "warning", "error")


@dataclass(frozen=True, slots=True, kw_only=True)
class CommonOptions:
    """Options of every command."""

    console: Console
    trace: bool
    """Whether SIP messages are printed on standard error, secrets masked."""
    pcap: Path | None
    """File for a capture of the decrypted traffic."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountOptions:
    """Options that name an account in a file, or describe one."""

    accounts: Path | None
    server: str | None
    impu: str | None
    impi: str | None
    auth: str | None
    password_file: Path | None
    ca: Path | None
    insecure: bool
    settings: tuple[str, ...] = ()
    """Further settings, each `KEY=VALUE` as in an accounts file."""


def common_options(command: Callable[Concatenate[CommonOptions, P], None]) -> Callable[P, None]:
    """Give a command `--json`, `--log-level`, `--trace` and `--pcap`, and the console that follows from them."""
    return _with_common_options(command, sends_sip=True)


def common_options_without_sip(command: Callable[Concatenate[CommonOptions, P], None]) -> Callable[P, None]:
    """Do as `common_options`, for a command that sends no SIP: it takes the options for tracing, and does not show them."""
    return _with_common_options(command, sends_sip=False)


def _with_common_options(
    command: Callable[Concatenate[CommonOptions, P], None], *, sends_sip: bool
) -> Callable[P, None]:
    # Every command accepts all four, so that a script can pass the same options to each of them.
    @option(
        "--json",
        "as_json",
        is_flag=True,
        group=OUTPUT,
        help="Print JSON on standard output; human-readable text goes to standard error.",
    )
    @option(
        "--log-level",
        type=click.Choice(LEVELS),
        default="warning",
        show_default=True,
        metavar="LEVEL",
        group=OUTPUT,
        help=f"Log to standard error at this level and above: {', '.join(LEVELS[:-1])} or {LEVELS[-1]}.",
    )
    @option(
        "--trace",
        is_flag=True,
        group=TRACING,
        hidden=not sends_sip,
        help="Print SIP messages on standard error, with secrets masked.",
    )
    @option(
        "--pcap",
        type=click.Path(dir_okay=False, path_type=Path),
        metavar="FILE",
        group=TRACING,
        hidden=not sends_sip,
        help="Write SIP and decrypted RTP, RTCP and SCTP to a pcapng file, for Wireshark.",
    )
    @functools.wraps(command)
    def with_common(*args: P.args, **kwargs: P.kwargs) -> None:
        as_json = bool(kwargs.pop("as_json"))  # `json` would hide the module in every command
        log_to_standard_error(str(kwargs.pop("log_level")))
        trace, pcap = bool(kwargs.pop("trace")), kwargs.pop("pcap")
        console = Console(as_json=as_json)
        common = CommonOptions(console=console, trace=trace, pcap=pcap if isinstance(pcap, Path) else None)
        command(common, *args, **kwargs)

    return with_common


class LogFormatter(logging.Formatter):
    """Log lines with the time of traces and captures, and without control characters of peers."""

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:
        """Return the time of a record."""
        return time_text(record.created)

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of a record, and its traceback below."""
        return clean(super().format(record))


def log_to_standard_error(level: str) -> None:
    """Begin to log at a level and above: what wic does at info, and what libraries do as well at debug."""
    handler = logging.StreamHandler()
    handler.setFormatter(LogFormatter(LOG_FORMAT))
    # At info users want to see calls and registrations, where some libraries tell each step of theirs.
    logging.basicConfig(level=logging.WARNING if level == "info" else level.upper(), handlers=[handler])
    if level == "info":
        for name in OWN_LOGGERS:
            logging.getLogger(name).setLevel(logging.INFO)


accounts_option = option(
    "--accounts",
    type=click.Path(path_type=Path),
    metavar="FILE",
    group=ACCOUNT,
    help="Accounts file.  [default: $WIC_ACCOUNTS, else ~/.config/wic/accounts.toml]",
)


def account_options(command: Callable[Concatenate[AccountOptions, P], None]) -> Callable[P, None]:
    """Give a command the options that name or describe an account."""

    @accounts_option
    @option("--server", metavar="URL", group=ACCOUNT, help=_meaning("server", ", instead of an ACCOUNT"))
    @option("--impu", metavar="URI", group=ACCOUNT, help=_meaning("impu"))
    @option("--impi", metavar="NAME", group=ACCOUNT, help=f"{_meaning('impi')}  [default: the IMPU without its scheme]")
    @option(
        "--auth",
        type=click.Choice(SETTINGS["auth"].choices),
        group=ACCOUNT,
        help=f"{_meaning('auth')}  [default: {SETTINGS['auth'].default}]",
    )
    @option(
        "--password-file",
        type=click.Path(path_type=Path),
        metavar="FILE",
        group=ACCOUNT,
        help="File with the password in its first line.  [default: $WIC_PASSWORD, else a prompt]",
    )
    @option("--ca", type=click.Path(path_type=Path), metavar="FILE", group=ACCOUNT, help=_meaning("ca"))
    @option("--insecure", is_flag=True, group=ACCOUNT, help=_meaning("insecure"))
    @option(
        "--set",
        "settings",
        multiple=True,
        metavar="KEY=VALUE",
        group=ACCOUNT,
        help="Further account setting, such as waf=URL or k_file=FILE (repeatable).",
    )
    @functools.wraps(command)  # click keeps the options that are already there on the function
    def with_account(*args: P.args, **kwargs: P.kwargs) -> None:
        fields = {name: kwargs.pop(name) for name in AccountOptions.__dataclass_fields__}
        if fields["server"]:
            refuse_without_effect("names the file of an ACCOUNT, and does not go with --server", "accounts")
        command(AccountOptions(**fields), *args, **kwargs)  # type: ignore[arg-type]

    return with_account


def _meaning(key: str, more: str = "") -> str:
    return f"{SETTINGS[key].meaning}{more}."
