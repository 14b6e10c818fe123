"""The options that commands share, and what they make of them."""

from __future__ import annotations

import functools
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Concatenate, ParamSpec

import click

from .console import Console

if TYPE_CHECKING:
    from collections.abc import Callable

P = ParamSpec("P")

LEVELS = ("debug", "info", "warning", "error")


@dataclass(frozen=True, slots=True, kw_only=True)
class Common:
    """What every command is told."""

    console: Console
    trace: bool
    """Whether SIP messages go to standard error, secrets masked."""
    pcap: Path | None
    """Where a capture of the decrypted traffic goes, if anywhere."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountOptions:
    """Where the account comes from: a name in a file, or options that say it all."""

    accounts: Path | None
    server: str | None
    impu: str | None
    impi: str | None
    auth: str
    password_file: Path | None
    ca: Path | None
    insecure: bool
    settings: tuple[str, ...] = ()
    """Further settings, each `KEY=VALUE` as in an accounts file."""


def common(command: Callable[Concatenate[Common, P], None]) -> Callable[P, None]:
    """Give a command `--json`, `--log-level`, `--trace` and `--pcap`, and a console made of them."""

    @click.option(
        "--json", "as_json", is_flag=True, help="One JSON document on standard output, text on standard error."
    )
    @click.option(
        "--log-level", type=click.Choice(LEVELS), default="warning", show_default=True, help="Log at this level."
    )
    @click.option("--trace", is_flag=True, help="Show SIP messages on standard error, secrets masked.")
    @click.option(
        "--pcap",
        type=click.Path(dir_okay=False, path_type=Path),
        metavar="FILE",
        help="Write SIP and decrypted RTP, RTCP and SCTP to a pcapng file for Wireshark.",
    )
    @functools.wraps(command)
    def with_common(*args: P.args, **kwargs: P.kwargs) -> None:
        as_json = bool(kwargs.pop("as_json"))
        logging.basicConfig(level=str(kwargs.pop("log_level")).upper(), format="%(levelname)s %(name)s: %(message)s")
        trace, pcap = bool(kwargs.pop("trace")), kwargs.pop("pcap")
        settings = Common(console=Console(as_json=as_json), trace=trace, pcap=pcap if isinstance(pcap, Path) else None)
        command(settings, *args, **kwargs)

    return with_common


def account_options(
    command: Callable[Concatenate[Common, AccountOptions, P], None],
) -> Callable[Concatenate[Common, P], None]:
    """Give a command the options that name or describe an account."""

    @click.option("--accounts", type=click.Path(path_type=Path), metavar="FILE", help="The accounts file.")
    @click.option("--server", metavar="URL", help="The eP-CSCF, wss://host:port/path, instead of an ACCOUNT.")
    @click.option("--impu", metavar="URI", help="Public user identity, sip:user@domain.")
    @click.option("--impi", metavar="NAME", help="Private user identity; by default the IMPU without its scheme.")
    @click.option(
        "--auth",
        type=click.Choice(["digest", "aka", "bearer"]),
        default="digest",
        show_default=True,
        help="How to prove who it is: a password, a USIM, or access tokens.",
    )
    @click.option(
        "--password-file",
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="Holds the password; else $WIC_PASSWORD.",
    )
    @click.option("--ca", type=click.Path(path_type=Path), metavar="FILE", help="An extra trust anchor (PEM).")
    @click.option("--insecure", is_flag=True, help="Allow ws:// and http://, without TLS.")
    @click.option(
        "--set",
        "settings",
        multiple=True,
        metavar="KEY=VALUE",
        help="A setting of the accounts file, such as waf=URL or k_file=FILE; may be repeated.",
    )
    @functools.wraps(command)
    def with_account(settings: Common, /, *args: P.args, **kwargs: P.kwargs) -> None:
        fields = {name: kwargs.pop(name) for name in AccountOptions.__dataclass_fields__}
        command(settings, AccountOptions(**fields), *args, **kwargs)  # type: ignore[arg-type]

    return with_account
