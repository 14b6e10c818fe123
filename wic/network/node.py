"""Common part of the SIP entities on Mw: endpoint, driver, and one port for UDP and TCP; the addresses of this machine."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from wic.errors import ConfigurationError
from wic.network.peers import Destinations
from wic.sip.endpoint import Endpoint, EndpointOptions, Role
from wic.sip.errors import MalformedUri
from wic.sip.events import RequestReceived
from wic.sip.flow import Flow
from wic.sip.params import UriParams
from wic.sip.timers import RFC3261
from wic.sip.uri import Uri, bracketed
from wic.transport.datagram import open_udp
from wic.transport.driver import Driver, SystemRandomSource
from wic.transport.stream import serve_tcp

if TYPE_CHECKING:
    from collections.abc import Callable

    from wic.sip.events import Event
    from wic.sip.random_source import RandomSource
    from wic.sip.timers import Timers
    from wic.transport.base import Listener
    from wic.transport.datagram import DatagramSocket

LOOPBACK = "127.0.0.1"
ALL_ADDRESSES = {"0.0.0.0": "192.0.2.1", "::": "2001:db8::1"}
"""Addresses for all addresses of this machine, each with one elsewhere towards which a route is looked up; that one is of
a block for documentation (RFC 5737, RFC 3849)."""
_ATTEMPTS = 20
"""Free UDP ports to try until one is free for TCP as well."""
_START_PAUSE = 1
"""Seconds of the Retry-After while the entity behind a node starts."""
LR = UriParams((("lr", None),))


@dataclass(frozen=True, slots=True)
class MwAddress:
    """Address of a node on Mw."""

    host: str
    port: int

    def uri(self, user: str | None = None, params: UriParams = LR) -> Uri:
        """Return a SIP URI of the address, with loose routing unless there are other parameters."""
        return Uri("sip", user, host=self.host, port=self.port, params=params)


async def open_pair(host: str, port: int, driver: Driver) -> tuple[DatagramSocket, Listener]:
    """Listen on UDP and TCP on one port; 0 takes one that is free on both.

    Raises:
        ConfigurationError: the port is taken, or the address is not of this machine.
    """
    for attempt in range(_ATTEMPTS):
        datagrams = await open_udp(host, port, handler=driver)
        # A UDP port that the system gave may be taken for TCP: then another one is tried.
        try:
            return datagrams, await serve_tcp(host, datagrams.address[1], handler=driver)
        except BaseException as error:
            await datagrams.close()
            if not isinstance(error, ConfigurationError) or port or attempt == _ATTEMPTS - 1:
                raise
    raise AssertionError("unreachable")


def sip_uri(text: str) -> Uri:
    """Parse the SIP URI of an element in a user's configuration.

    Raises:
        ConfigurationError: it is no SIP URI.
    """
    with suppress(MalformedUri):
        uri = Uri.parse(text)
        if uri.is_sip:
            return uri
    raise ConfigurationError(f"{text!r} is not a SIP URI; write sip:HOST:PORT for the core")


async def address_of(host: str) -> str:
    """Return an IP address for a host name.

    Raises:
        ConfigurationError: the name is unknown.
    """
    with suppress(ValueError):
        return str(ipaddress.ip_address(host))
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, None)
    except (OSError, UnicodeError) as error:  # the latter of a label that is empty, or longer than 63 octets
        raise ConfigurationError(f"the host {host!r} is not known") from error
    return str(found[0][4][0])


def local_address(remote: str) -> str:
    """Return the address of this machine from which packets to `remote`, an IP address, would leave.

    Raises:
        ConfigurationError: there is no route to it.
    """
    family = socket.AF_INET6 if ":" in remote else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((remote, 9))  # sends nothing
        except OSError as error:
            raise ConfigurationError(f"there is no way to {remote}: {error.strerror}") from error
        return str(probe.getsockname()[0])


def name_of(host: str) -> str:
    """Return the name of a host: for all addresses, the one by which others reach this machine."""
    if host not in ALL_ADDRESSES:
        return host
    try:
        return local_address(ALL_ADDRESSES[host])
    except ConfigurationError:
        return LOOPBACK  # without a route only this machine reaches it


class Node:
    """SIP endpoint of one functional entity on Mw, with its driver; made by `open`.

    The sockets exist before the entity behind them does, for it has to know its own address: until `serve` names a
    handler, requests are answered with 503.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        driver: Driver,
        mw: MwAddress,
        listener: Listener,
        random_source: RandomSource,
        destinations: Destinations,
    ) -> None:
        self.endpoint = endpoint
        self.driver = driver
        self.mw = mw
        """Address on Mw, the same for UDP and TCP."""
        self.random_source = random_source
        self.destinations = destinations
        """Addresses that requests may go to."""
        self._listener = listener

    @classmethod
    async def open(
        cls,
        host: str,
        port: int,
        *,
        destinations: Destinations | None = None,
        random_source: RandomSource | None = None,
        timers: Timers = RFC3261,
    ) -> Self:
        """Listen on Mw.

        Args:
            host: address to listen on.
            port: for UDP and TCP; 0 takes one that is free on both.
            destinations: addresses that requests may go to; None allows none until they are added.
            random_source: source of branches and tags; None takes the system's.
            timers: SIP timers.

        Raises:
            ConfigurationError: the port is taken, or the address is not of this machine.
        """
        # The address of our Via is known only when the sockets are open; the endpoint reads it from here.
        via: dict[str, str] = {}
        options = EndpointOptions(role=Role.PROXY, timers=timers, via=via)
        source = random_source or SystemRandomSource()
        endpoint = Endpoint(random_source=source, options=options)

        def answer_unavailable(event: Event) -> None:
            if isinstance(event, RequestReceived):
                endpoint.reply(event.transaction, 503, now=driver.now, headers=[("Retry-After", _START_PAUSE)])

        driver = Driver(endpoint, on_event=answer_unavailable)
        datagrams, listener = await open_pair(host, port, driver)
        driver.attach_socket(datagrams)
        mw = MwAddress(*datagrams.address)
        via["UDP"] = via["TCP"] = f"{bracketed(mw.host)}:{mw.port}"
        return cls(endpoint, driver, mw, listener, source, destinations or Destinations())

    def serve(self, on_event: Callable[[Event], None]) -> None:
        """Hand the events of the endpoint to the entity from now on."""
        self.driver.on_event = on_event

    def flow_to(self, uri: Uri) -> Flow | None:
        """Return the flow to a URI on Mw; None if requests may not go there, or its transport is neither UDP nor TCP."""
        found = self.destinations.find(uri)
        if found is None:
            return None
        transport, remote = found
        # Port 0: any connection that leads there.
        return Flow(transport, (self.mw.host, self.mw.port if transport == "UDP" else 0), remote)

    def is_open(self, flow: Flow) -> bool:
        """Tell whether the connection of a flow still stands."""
        return self.driver.connection(flow) is not None

    async def close(self) -> None:
        """Stop listening and end every connection."""
        try:
            await self._listener.close()
        finally:  # also where the caller is cancelled
            await self.driver.close()
