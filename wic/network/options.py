"""Options of an embedded network, and the addresses that it reports when it is ready."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import TYPE_CHECKING, ClassVar, TypedDict

from wic.errors import ConfigurationError
from wic.network.agw.gateway import AgwOptions
from wic.network.peers import Peer
from wic.network.wwsf.options import PoolOptions
from wic.oauth.urls import HTTPS_OR_HTTP, is_host, is_usable_url
from wic.option_checks import NumericOptions
from wic.sip.grammar import HOST
from wic.sip.timers import RFC3261, Timers

if TYPE_CHECKING:
    from pathlib import Path

    from wic.network.scscf.options import RegistrarOptions
    from wic.network.tokens import TrustedIssuer

_HOST = re.compile(HOST, re.ASCII)
# RFC 6454 §6.2: scheme, host and port, without a path.
_ORIGIN = re.compile(r"https?://[^/?#@\sA-Z]+")


class Ready(TypedDict):
    """Addresses of a running network, as `wic network up --json` prints them; None for an entity that does not run."""

    ready: bool
    wss: str
    sip: str | None
    wwsf: str | None
    waf: str | None
    accounts: str
    ca: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkOptions(NumericOptions):
    """Options of an `ImsNetwork`.

    Raises:
        ConfigurationError: the domain, the host, its name or a peer is malformed, or an origin is not as browsers send it.
    """

    may_be_zero: ClassVar = ("guests", "grace")
    directory: Path | None = None
    """Directory of CA, database, accounts and ports; None takes a temporary one that is removed in the end."""
    domain: str = "ims.example"
    """Home domain."""
    host: str = "127.0.0.1"
    """Address for WICs and their media."""
    name: str | None = None
    """Host name for WICs and browsers; None takes the address, or for all addresses one of this machine."""
    mw_host: str | None = None
    """Address between the entities, and towards another core, or a host name that is looked up at the start; None is
    loopback, or the address of the route to that core."""
    port_base: int | None = None
    """First of six consecutive ports; None takes those of the last time, or free ones."""
    core: str | None = None
    """SIP URI of another core behind our eP-CSCF; then no S-CSCF of ours is started."""
    peers: tuple[str, ...] = ()
    """Other networks to which requests may go: `DOMAIN=sip:HOST:PORT`, or `sip:HOST:PORT` for an element without one."""
    insecure: bool = False
    """WS instead of WSS, for peers that cannot speak TLS."""
    subscribers: tuple[str, ...] = ("alice", "bob")
    """Users to be added, with accounts, unless they exist."""
    usims: tuple[str, ...] = ("alice",)
    """Those of them with a USIM; the others have a password."""
    web: bool = True
    """Whether WAF and WWSF run; never without TLS, for tokens are sent over TLS only."""
    web_users: tuple[str, ...] = ("carol",)
    """Users with a web identity, to be added likewise."""
    guests: int = 4
    """Identities that the WWSF lends to users without a subscription."""
    anonymous: bool = True
    """Whether it lends them to users who do not sign in."""
    leases_each: int | None = None
    """Identities that one user may have at a time; anonymous users of one address count as one."""
    lease_rate: int = 60
    """Leases that one address may ask for in a minute."""
    issuers: tuple[TrustedIssuer, ...] = ()
    """Further WAFs whose tokens are accepted, such as those of third parties."""
    origins: tuple[str, ...] | None = ()
    """Web pages that may connect, besides those of this host; see `EPcscfOptions`."""
    integrity_protected: str = "tls-protected"
    """See `EPcscfOptions`."""
    grace: float = 30.0
    """Seconds for which the calls of a WIC wait for it after its connection broke."""
    requests_per_second: float = 50.0
    """Requests outside dialogs that the eP-CSCF takes of one WIC in the long run; see `EPcscfOptions`."""
    requests_at_once: int = 200
    """Such requests in a burst."""
    reg_event: bool = True
    """Whether the eP-CSCF watches the registrations of its WICs (TS 24.229 §5.2.3)."""
    registrar: RegistrarOptions | None = None
    """Limits of the registrar of the S-CSCF."""
    timers: Timers = RFC3261
    """SIP timers of eP-CSCF and S-CSCF."""
    agw: AgwOptions = field(default_factory=AgwOptions)
    """Ports and times of the eIMS-AGW; its addresses and MSRP port are set by the network."""

    @property
    def pool(self) -> PoolOptions:
        """Options of the pool of the WWSF."""
        return PoolOptions(anonymous=self.anonymous, leases_each=self.leases_each, rate=self.lease_rate)

    def __post_init__(self) -> None:
        NumericOptions.__post_init__(self)
        for name, meaning, example in (
            (self.domain, "a domain", "ims.example"),
            (self.name, "a host name", "pcscf.example"),
            (self.host, "an address", "192.0.2.7"),
        ):
            if name is not None and not _is_name_or_address(name):
                raise ConfigurationError(f"{name!r} is not {meaning}: write it like {example}")
        for peer in self.peers:
            Peer.parse(peer)
        for origin in self.origins or ():
            if _ORIGIN.fullmatch(origin) is None or not is_usable_url(origin, HTTPS_OR_HTTP):
                raise ConfigurationError(
                    f"{origin!r} is not an origin of a web page: write https://HOST or https://HOST:PORT, in lower case"
                )


def _is_name_or_address(text: str) -> bool:
    with suppress(ValueError):
        ip_address(text)  # IPv6 without brackets
        return True
    return _HOST.fullmatch(text) is not None and is_host(text)
