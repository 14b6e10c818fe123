"""`wic network`: run the IMS network, and keep its subscribers."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

import click

from wic.network import ImsNetwork, NetworkOptions
from wic.network.names import EPCSCF
from wic.network.tokens import TrustedIssuer

from ..exit_codes import ExitCode
from ..options import Common, common
from ..run import exit_with, run
from ..watch import Watch
from .subscriber import subscriber

if TYPE_CHECKING:
    from ..console import Console


@click.group()
def network() -> None:
    """Run the IMS network that a WIC needs, and keep its subscribers."""


network.add_command(subscriber)


@network.command()
@common
@click.option(
    "--dir",
    "directory",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Keeps CA, databases, ports and accounts; by default a temporary one that goes in the end.",
)
@click.option(
    "--port-base", type=click.IntRange(1, 65530), metavar="N", help="First of six ports; by default free ones."
)
@click.option("--core", metavar="URI", help="Another core behind our eP-CSCF, such as sip:127.0.0.1:5060.")
@click.option(
    "--agw",
    type=click.Choice(["embedded"]),
    default="embedded",
    show_default=True,
    expose_value=False,
    help="The eIMS-AGW; this version has its own only.",
)
@click.option("--domain", default="ims.example", show_default=True, help="The home domain.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Where WICs reach the eP-CSCF and the eIMS-AGW.")
@click.option(
    "--name",
    metavar="HOST",
    help="What WICs and browsers call that host; by default its address.",
)
@click.option("--insecure", is_flag=True, help="WS instead of WSS, for peers that cannot speak TLS.")
@click.option(
    "--origin",
    "origins",
    multiple=True,
    metavar="URL",
    help="Whose web pages may connect as well, such as https://wwsf.example:8081; any number of times.",
)
@click.option(
    "--integrity-protected",
    type=click.Choice(["tls-protected", "tls-yes"]),
    default="tls-protected",
    show_default=True,
    help="What the core is told of a REGISTER within a TLS association.",
)
@click.option(
    "--guests",
    type=click.IntRange(0, 1000),
    default=4,
    show_default=True,
    metavar="N",
    help="How many identities the WWSF has to lend at least.",
)
@click.option(
    "--leases-each",
    type=click.IntRange(1, 1000),
    default=4,
    show_default=True,
    metavar="N",
    help="How many of them one user may have at a time, or one machine without a user.",
)
@click.option("--sign-in-only", is_flag=True, help="The WWSF lends them to those only who have signed in.")
@click.option(
    "--third-party-waf",
    "third_parties",
    multiple=True,
    metavar="ISSUER",
    help="A WAF of somebody else whose tokens are believed, such as https://waf.example; any number of times.",
)
def up(
    settings: Common,
    directory: Path | None,
    port_base: int | None,
    core: str | None,
    domain: str,
    host: str,
    name: str | None,
    insecure: bool,
    origins: tuple[str, ...],
    integrity_protected: str,
    guests: int,
    leases_each: int,
    sign_in_only: bool,
    third_parties: tuple[str, ...],
) -> None:
    """Run the network until interrupted.

    It has an eP-CSCF, an eIMS-AGW, an S-CSCF with its HSS, a WAF and a WWSF. With --json one line says where they listen, as soon as they do.
    """

    def options() -> NetworkOptions:
        audience = f"sip:{domain}"
        return NetworkOptions(
            directory=directory,
            port_base=port_base,
            core=core,
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
        watch = Watch(settings)
        try:
            async with ImsNetwork(options()) as ims:
                if settings.trace or settings.pcap:
                    watch.attach_network(ims, EPCSCF)
                _show(settings.console, ims)
                await asyncio.Event().wait()
        finally:
            watch.close()
        return ExitCode.DONE

    exit_with(run(work, settings.console))


def _show(console: Console, ims: ImsNetwork) -> None:
    ready = ims.ready()
    console.document(ready)
    console.say("The IMS network listens; Ctrl-C ends it.", style="green")
    console.facts(
        {
            "eP-CSCF": ready["wss"],
            "S-CSCF": ready["sip"] or "another core",
            "WWSF": ready["wwsf"] or "none: without TLS",
            "WAF": ready["waf"] or "none: without TLS",
            "accounts": ready["accounts"],
            "CA": ready["ca"] or "none: without TLS",
        }
    )
