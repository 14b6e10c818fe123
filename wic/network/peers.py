"""Destinations on Mw: the elements of this network, and the peers that its operator has configured.

What a UE writes into a request, a Contact or a Path is an address of the UE's choice, and an element that believed it
would speak to any service in reach, those of its own machine first. Every address is therefore looked up in one
`Destinations` before a message goes there, and one that is neither of this network nor of a peer leads nowhere. There
is no DNS between networks: the domain of a peer leads to its address.
"""

from __future__ import annotations

import ipaddress
import logging
import re
from collections import OrderedDict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Self

from wic.errors import ConfigurationError
from wic.sip.errors import MalformedUri
from wic.sip.grammar import HOST
from wic.sip.routing import port_of
from wic.sip.uri import Uri, bracketed

if TYPE_CHECKING:
    from collections.abc import Iterable

    from wic.sip.flow import Address

_log = logging.getLogger(__name__)

_TRANSPORTS: Final = ("UDP", "TCP")
"""Transports of Mw (TS 33.210 protects it below)."""
_WRITTEN: Final = re.compile(rf"(?:({HOST})=)?(sip:.+)", re.ASCII | re.IGNORECASE)
_KNOWN_TARGETS: Final = 256
"""Refused destinations that are remembered."""
_LOG_INTERVAL: Final = 60.0
_LOGGED_EACH_INTERVAL: Final = 10
_TARGET_LENGTH: Final = 80


@dataclass(frozen=True, slots=True)
class Peer:
    """Element of another network, such as its IBCF, to which requests may go."""

    host: str
    """IP address, or a host name until it is looked up."""
    port: int
    transport: str = "UDP"
    """For requests to a name that asks for none."""
    names: tuple[str, ...] = ()
    """Domain that it serves, and its host name, in lower case."""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a peer as operators write it: `DOMAIN=sip:HOST:PORT`, or `sip:HOST:PORT` for an element without a domain.

        Raises:
            ConfigurationError: it is not written so, or cannot be reached by UDP or TCP.
        """
        found = _WRITTEN.fullmatch(text)
        domain, address = (found[1] or "", found[2]) if found else ("", "")
        try:
            uri = Uri.parse(address)
        except MalformedUri:
            uri = Uri("")
        transport = (uri.params.get("transport") or "udp").upper()
        if not uri.host or not port_of(uri) or transport not in _TRANSPORTS or _address(domain) is not None:
            raise ConfigurationError(
                f"{text!r} is not a peer: write DOMAIN=sip:HOST:PORT or sip:HOST:PORT, with ;transport=tcp for TCP"
            )
        host = uri.host.lower()
        names = [_canonical(each) for each in (domain, host) if each and _address(each) is None]
        return cls(_address(host) or host, port_of(uri), transport, tuple(names))

    @property
    def address(self) -> Address:
        """Address and port."""
        return self.host, self.port

    def at(self, address: str, *, mw_host: str) -> Self:
        """Return the peer with the IP address of its host name.

        Raises:
            ConfigurationError: the address is of no single element, or on the loopback interface while Mw is not.
        """
        here, there = ipaddress.ip_address(mw_host), ipaddress.ip_address(address)
        mapped = there.ipv4_mapped if isinstance(there, ipaddress.IPv6Address) else None
        there = mapped or there
        if there.is_multicast or there.is_unspecified:
            raise ConfigurationError(f"a peer cannot have the address {address}: it is not the address of one element")
        if there.is_loopback and not here.is_loopback:
            raise ConfigurationError(
                f"a peer cannot have the address {address}: Mw has {mw_host}, which does not reach the loopback interface"
            )
        return replace(self, host=str(there))

    def __str__(self) -> str:
        return f"sip:{bracketed(self.host)}:{self.port}"


class Destinations:
    """Addresses to which one element on Mw sends."""

    def __init__(self, peers: Iterable[Peer] = ()) -> None:
        self._names: dict[str, Peer] = {}
        self._peers: set[Address] = set()
        for peer in peers:
            self._peers.add(peer.address)
            # The first one of a domain counts.
            self._names = dict.fromkeys(peer.names, peer) | self._names
        self._addresses = set(self._peers)

    def add(self, host: str, port: int) -> None:
        """Allow an element of this network."""
        self._addresses.add((_address(host) or host, port))

    def lead_out(self, uri: Uri) -> bool:
        """Tell whether a URI leads to a peer; an element of this network is no place for a user to call."""
        found = self.find(uri)
        return found is not None and found[1] in self._peers

    def find(self, uri: Uri) -> tuple[str, Address] | None:
        """Return transport and address of the next hop that a URI means; None if no request may go there.

        RFC 3263 without DNS: the domain of a peer, or an IP address with its port or the default one, by the transport
        that is asked for, or UDP.
        """
        # RFC 3261 §26.2.2: SIPS wants TLS, which Mw has not.
        if uri.scheme != "sip":
            return None
        host = uri.params.get("maddr") or uri.host  # RFC 3263 §4
        asked = (uri.params.get("transport") or "").upper()
        peer = self._names.get(_canonical(host))
        if peer is not None:
            transport, address = asked or peer.transport, peer.address
        else:
            transport, address = asked or "UDP", (_address(host) or host, port_of(uri))
            if address not in self._addresses:
                return None
        return (transport, address) if transport in _TRANSPORTS else None


def is_name(uri: Uri) -> bool:
    """Tell whether the host of a URI is a domain or host name, not an address."""
    return _address(uri.params.get("maddr") or uri.host) is None


def _canonical(name: str) -> str:
    return name.lower().removesuffix(".")  # RFC 3261 §25.1 allows the dot of the root


def _address(host: str) -> str | None:
    """Return an IP address in canonical form; None for a name."""
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        return None


class RefusalLog:
    """Log of refused destinations: each once, and no more than a few in a minute, for UEs choose them."""

    def __init__(self) -> None:
        self._known: OrderedDict[str, None] = OrderedDict()
        self._recent: list[float] = []
        self._untold = 0

    def refused(self, method: str, uri: Uri, *, now: float) -> None:
        """Take note of a request that may not go where it wants to."""
        host = uri.params.get("maddr") or uri.host
        transport = uri.params.get("transport")
        more = f";transport={transport}" if transport else ""
        target = f"{uri.scheme}:{bracketed(host)}:{port_of(uri)}{more}"[:_TARGET_LENGTH]
        if target in self._known:
            return
        self._recent = [moment for moment in self._recent if moment > now - _LOG_INTERVAL]
        if len(self._recent) >= _LOGGED_EACH_INTERVAL:
            self._untold += 1
            return
        self._recent.append(now)
        self._known[target] = None
        if len(self._known) > _KNOWN_TARGETS:
            self._known.popitem(last=False)
        others = f"; {self._untold} others refused meanwhile" if self._untold else ""
        self._untold = 0
        _log.warning("%s to %s refused: no peer of this network is there; --peer allows one%s", method, target, others)
