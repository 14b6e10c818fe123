"""Functional entities of an embedded network, opened in the order in which they need each other.

    eIMS-AGW, S-CSCF, WAF --> eP-CSCF --> WWSF

The eP-CSCF controls the eIMS-AGW, sends to the S-CSCF, and introspects tokens at the WAF; the WWSF tells WICs the URL of
the eP-CSCF. The S-CSCF is open before the eP-CSCF whose flows it trusts: until then it trusts none.
"""

from __future__ import annotations

import time
from contextlib import AsyncExitStack
from dataclasses import astuple, dataclass, replace
from functools import partial
from ipaddress import ip_address
from typing import TYPE_CHECKING, Self

from wic.errors import ConfigurationError
from wic.network.agw.gateway import Agw
from wic.network.certificates import CA_FILE
from wic.network.directory import Ports
from wic.network.epcscf.options import EPcscfOptions
from wic.network.epcscf.server import EPcscf
from wic.network.node import ALL_ADDRESSES, LOOPBACK, address_of, local_address, sip_uri
from wic.network.own_flows import OwnFlows
from wic.network.peers import Peer
from wic.network.scscf.options import RegistrarOptions, ScscfOptions
from wic.network.scscf.server import Scscf
from wic.network.tokens import TokenValidator
from wic.network.waf import WafOptions
from wic.network.web_access import WebAccess, open_waf
from wic.network.web_files import WAF_DATABASE
from wic.registration.reg_event.reginfo import ContactEvent
from wic.transport.driver import SystemRandomSource

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterable
    from pathlib import Path

    from wic.network.hss import Hss
    from wic.network.options import NetworkOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkEntities:
    """Functional entities that run; made by `open`."""

    agw: Agw
    scscf: Scscf | None
    """None with another core."""
    epcscf: EPcscf
    web: WebAccess | None
    """WAF and WWSF; None without TLS, or if they are not wanted."""
    ports: Ports
    """Ports that they listen on; those of entities that do not run are the ones that were asked for."""
    closing: AsyncExitStack
    """Closes them, the last one opened first."""

    @classmethod
    async def open(
        cls,
        options: NetworkOptions,
        *,
        name: str,
        ports: Ports,
        directory: Path,
        hss: Hss,
        ssl_context: ssl.SSLContext | None,
    ) -> Self:
        """Open the entities; without a TLS context WICs connect without TLS, and there are no web servers.

        The directory has the certificate of the CA, and keeps the databases of WAF and WWSF.

        Raises:
            ConfigurationError: a port is taken, an address is not of this machine, or the core cannot be reached.
        """
        random_source = SystemRandomSource()
        host, mw_host = await address_of(options.host), await _mw_address(options)
        peers = tuple(
            [each.at(await address_of(each.host), mw_host=mw_host) for each in map(Peer.parse, options.peers)]
        )
        async with AsyncExitStack() as stack:
            access = "" if host in ALL_ADDRESSES else host  # empty: candidates on every address
            agw_options = replace(options.agw, access_address=access, core_address=mw_host, msrp_port=ports.msrp)
            agw = await Agw.open(random_source, agw_options)
            stack.push_async_callback(agw.close)

            scscf, own_flows = None, OwnFlows()
            if options.core is None:
                scscf_options = ScscfOptions(
                    domain=options.domain,
                    host=mw_host,
                    port=ports.scscf,
                    edges=((mw_host, ports.epcscf),) if ports.epcscf else (),
                    peers=peers,
                    registrar=options.registrar or RegistrarOptions(),
                    timers=options.timers,
                )
                scscf = await Scscf.open(hss, trust=own_flows.holds, options=scscf_options)
                stack.push_async_callback(scscf.close)

            waf, issuers = None, options.issuers
            # Access tokens go over TLS only (RFC 6750 §5.3).
            if options.web and ssl_context is not None:
                waf_options = WafOptions(
                    database=directory / WAF_DATABASE,
                    ssl_context=ssl_context,
                    domain=options.domain,
                    host=host,
                    name=name,
                    port=ports.waf,
                )
                waf, issuer = await open_waf(waf_options)
                stack.push_async_callback(waf.close)
                issuers = (issuer, *issuers)

            validator = None
            if issuers:
                validator = TokenValidator(issuers, ca=None if ssl_context is None else directory / CA_FILE)
                stack.push_async_callback(validator.close)
            epcscf_options = EPcscfOptions(
                domain=options.domain,
                host=host,
                name=name,
                port=ports.wss,
                mw_host=mw_host,
                mw_port=ports.epcscf,
                core=options.core or ("" if scscf is None else scscf.uri),
                peers=() if options.core is None else peers,  # everything passes an S-CSCF of our own
                ssl_context=ssl_context,
                integrity_protected=options.integrity_protected,
                authz_server=issuers[0].issuer if issuers else None,  # RFC 8898 §4: one only; our own WAF, if it runs
                origins=options.origins,
                grace=options.grace,
                requests_per_second=options.requests_per_second,
                requests_at_once=options.requests_at_once,
                reg_event=options.reg_event,
                timers=options.timers,
            )
            epcscf = await EPcscf.open(agw, epcscf_options, random_source, validator=validator)
            stack.push_async_callback(epcscf.close)
            own_flows.edge = epcscf.node  # from now on the S-CSCF believes it
            if scscf is not None:
                scscf.node.destinations.add(epcscf.node.mw.host, epcscf.node.mw.port)

            web = None
            if waf is not None:
                # Only an S-CSCF of ours can be told to end the registration of the last holder.
                on_lent = None if scscf is None else partial(_end_registration, scscf)
                web = await WebAccess.open(waf, wss=epcscf.url, port=ports.wwsf, pool=options.pool, on_lent=on_lent)
                stack.push_async_callback(web.wwsf.close)
            taken = Ports(
                wss=epcscf.port,
                epcscf=epcscf.node.mw.port,
                scscf=ports.scscf if scscf is None else scscf.node.mw.port,
                msrp=agw.msrp_port,
                waf=ports.waf if web is None else web.waf.port,
                wwsf=ports.wwsf if web is None else web.wwsf.port,
            )
            _refuse_own_ports(peers, {mw_host, access}, taken)
            return cls(agw=agw, scscf=scscf, epcscf=epcscf, web=web, ports=taken, closing=stack.pop_all())


async def _mw_address(options: NetworkOptions) -> str:
    """Return the address for Mw: that of the named host, else loopback, or the one of the route to another core."""
    if options.mw_host is None:
        return LOOPBACK if options.core is None else local_address(await address_of(sip_uri(options.core).host))
    address = await address_of(options.mw_host)
    if address in ALL_ADDRESSES:  # it is written into Via, Path and session descriptions
        raise ConfigurationError(f"the entities cannot have the address {address} towards each other: name one address")
    return address


def _refuse_own_ports(peers: Iterable[Peer], hosts: set[str], ports: Ports) -> None:
    """Refuse peers that are this network itself: what a UE asks for would reach the inside of it."""
    own = set(astuple(ports)) - {0}
    for peer in peers:
        if peer.port in own and (peer.host in hosts or ip_address(peer.host).is_loopback):
            raise ConfigurationError(f"the peer {peer} is this network itself: name an element of another network")


def _end_registration(scscf: Scscf, impi: str) -> None:
    """End the registration of the last holder of a lent identity (TS 24.371 §6A.3)."""
    scscf.location_service.deregister(impi, ContactEvent.REJECTED, now=time.time())
    scscf.node.driver.pump()  # the NOTIFYs about it wait for no event of the network
