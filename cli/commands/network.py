"""`wic network`: run the IMS network, and manage its subscribers."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from wic.network import ImsNetwork, NetworkOptions
from wic.network.names import EPCSCF
from wic.network.tokens import TrustedIssuer

from ..execution import exit_with, run_async, until_terminated
from ..exit_codes import ExitCode
from ..help import HelpGroup, Quantity, examples, option, refuse_without_effect
from ..options import CommonOptions, common_options
from ..traffic import TrafficMonitor
from .subscriber import subscriber

if TYPE_CHECKING:
    from ..console import Console

ACCESS, POOL = "Access", "Identity pool"


@click.group(
    cls=HelpGroup, epilog=examples("wic network up --dir ims", "wic network subscriber add zoe --dir ims --auth aka")
)
def network() -> None:
    """Run an IMS network, and manage its subscribers."""


network.add_command(subscriber)


@network.command(
    epilog=examples(
        "wic network up --dir ims",
        "wic network up --dir ims --port-base 8440 --host 192.0.2.7 --trace",
        "wic network up --peer other.example=sip:127.0.0.1:5080",
        "wic network up --core sip:127.0.0.1:5060 --json",
    )
)
@option(
    "--dir",
    "directory",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Directory for CA, databases, ports and accounts.  [default: a temporary directory, deleted on exit]",
)
@option(
    "--port-base",
    type=Quantity("port", click.IntRange(1, 65530)),
    help="First of six consecutive ports to listen on, 1 to 65530.  [default: free ports]",
)
@option(
    "--core",
    metavar="URI",
    help="SIP URI of another IMS core, such as sip:127.0.0.1:5060.  [default: the built-in S-CSCF and HSS]",
)
@option(
    "--peer",
    "peers",
    multiple=True,
    metavar="PEER",
    help="Also send requests to another network: DOMAIN=sip:HOST:PORT, or sip:HOST:PORT for an address without a domain (repeatable).",
)
@option(
    "--agw",
    type=click.Choice(["embedded"]),
    default="embedded",
    show_default=True,
    expose_value=False,
    help="eIMS-AGW to use; only the built-in one is available.",
)
@option("--domain", metavar="NAME", default="ims.example", show_default=True, help="Home domain of the subscribers.")
@option(
    "--host",
    metavar="ADDRESS",
    default="127.0.0.1",
    show_default=True,
    help="IP address on which the eP-CSCF and the eIMS-AGW serve WICs.",
)
@option("--name", metavar="HOST", help="Host name for URLs and the certificate.  [default: the value of --host]")
@option(
    "--insecure",
    is_flag=True,
    help="Listen for ws:// instead of wss://, without TLS; then there is no WAF and no WWSF.",
)
@option(
    "--origin",
    "origins",
    multiple=True,
    metavar="URL",
    group=ACCESS,
    help="Also accept connections from web pages of this origin, such as https://wwsf.example:8081 (repeatable).",
)
@option(
    "--third-party-waf",
    "third_parties",
    multiple=True,
    metavar="ISSUER",
    group=ACCESS,
    help="Also accept tokens issued by this WAF, such as https://waf.example (repeatable).",
)
@option(
    "--integrity-protected",
    type=click.Choice(["tls-protected", "tls-yes"]),
    default="tls-protected",
    show_default=True,
    group=ACCESS,
    help="Value of integrity-protected sent to the core once a TLS association exists (TS 24.371 §6.4.1.2).",
)
@option(
    "--guests",
    type=Quantity("n", click.IntRange(0, 1000)),
    default=4,
    show_default=True,
    group=POOL,
    help="Least number of identities in the pool of the WWSF, 0 to 1000.",
)
@option(
    "--leases-each",
    type=Quantity("n", click.IntRange(1, 1000)),
    group=POOL,
    help="Most identities lent at a time to one user, or without sign-in to one IP address; 1 to 1000.  [default: half of the pool, up to 16 to one user]",
)
@option("--sign-in-only", is_flag=True, group=POOL, help="Lend identities only to users who have signed in.")
@common_options
def up(
    common: CommonOptions,
    directory: Path | None,
    port_base: int | None,
    core: str | None,
    peers: tuple[str, ...],
    domain: str,
    host: str,
    name: str | None,
    insecure: bool,
    origins: tuple[str, ...],
    integrity_protected: str,
    guests: int,
    leases_each: int | None,
    sign_in_only: bool,
    third_parties: tuple[str, ...],
) -> None:
    """Run the network until SIGTERM (exit code 0) or Ctrl-C.

    The network has an eP-CSCF, an eIMS-AGW, an S-CSCF with its HSS, a WAF and a WWSF. With --json it prints one line with their addresses as soon as all of them listen. With --log-level info it logs registrations, deregistrations and refusals.
    """
    if insecure:  # no WWSF runs
        refuse_without_effect("does not go with --insecure", "guests", "leases_each", "sign_in_only")

    def options() -> NetworkOptions:
        audience = f"sip:{domain}"  # RFC 7519 §4.1.3: whom a token of another WAF has to be for
        return NetworkOptions(
            directory=directory,
            port_base=port_base,
            core=core,
            peers=peers,
            domain=domain,
            host=host,
            name=name,
            insecure=insecure,
            origins=origins,
            integrity_protected=integrity_protected,
            guests=guests,
            leases_each=leases_each,
            anonymous=not sign_in_only,
            issuers=tuple(TrustedIssuer(issuer=each, audience=audience, third_party=True) for each in third_parties),
        )

    async def work() -> ExitCode:
        with TrafficMonitor(common) as traffic:
            async with ImsNetwork(options()) as ims:
                if common.trace or common.pcap:  # otherwise no message is read twice
                    traffic.attach_network(ims, EPCSCF)
                _show(common.console, ims)
                await until_terminated()
        return ExitCode.DONE

    exit_with(run_async(work, common.console, service=True))


def _show(console: Console, ims: ImsNetwork) -> None:
    ready = ims.ready()
    console.document(ready)
    console.say("The IMS network is running; Ctrl-C stops it.", style="green")
    console.facts(
        {
            "eP-CSCF": ready["wss"],
            "S-CSCF": ready["sip"] or "none (another core)",
            "WWSF": ready["wwsf"] or "none (no TLS)",
            "WAF": ready["waf"] or "none (no TLS)",
            "accounts": ready["accounts"],
            "CA": ready["ca"] or "none (no TLS)",
        }
    )
