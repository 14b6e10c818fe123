"""RTP in the clear over UDP, for the Mw side of an eIMS-AGW (RFC 3550, RFC 4961)."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from wic.errors import MediaFailed
from wic.media.udp import Address, PortRange
from wic.sdp.transport import TransportDescription

if TYPE_CHECKING:
    from wic.media.rtp_transport import PacketHandler

DEFAULT_PORTS = PortRange()


@dataclass(slots=True)
class PlainCounters:
    """Packets that a plain transport did not carry."""

    unsent: int = 0
    """Packets to send while the peer's address was not known, or that the kernel refused."""
    strangers: int = 0
    """Packets received from another host than the peer's."""


class PlainRtp:
    """One RTP/AVP m-line: a port pair for RTP and RTCP; an `RtpTransport`.

    Packets are taken from the peer's host only, from any port of it. They are never sent to where packets come from:
    an attacker whose packet comes first would get the call's media.

    Args:
        host: local IP address.
        ports: the range that ports come from, shared by the calls of a process.

    Raises:
        MediaFailed: no port is free, or `host` is not an address of this machine.
    """

    def __init__(self, host: str, *, ports: PortRange = DEFAULT_PORTS) -> None:
        self.on_rtp: PacketHandler | None = None
        self.on_rtcp: PacketHandler | None = None
        self.counters = PlainCounters()
        self._remote: Address | None = None
        self._remote_rtcp: Address | None = None
        self._rtp, self._rtcp = ports.bind_pair(host, self._rtp_received, self._rtcp_received)

    @property
    def description(self) -> TransportDescription:
        """This side, for its SDP."""
        host, port = self._rtp.address
        return TransportDescription(address=host, port=port, rtcp_mux=False)

    @property
    def remote_address(self) -> Address | None:
        """Destination of RTP, once known."""
        return self._remote

    def connect(self, remote: TransportDescription) -> None:
        """Send to the peer that `remote` describes; may be called again when its SDP changes.

        A port 0 or an unspecified address (RFC 3264 §8.4: hold in the old way) stops sending.

        Raises:
            MediaFailed: the peer's address for RTP or RTCP is a name.
        """
        address, rtcp = _ip_address(remote.address), remote.rtcp
        if remote.port == 0 or address.is_unspecified:  # RFC 3264 §8.2, §8.4
            self._remote = self._remote_rtcp = None
            return
        host = str(address)
        if rtcp is not None:  # RFC 3605
            self._remote_rtcp = (host if rtcp.address is None else str(_ip_address(rtcp.address)), rtcp.port)
        else:  # RFC 3550 §11
            self._remote_rtcp = (host, min(remote.port + 1, 65535))
        self._remote = (host, remote.port)

    def send_rtp(self, packet: bytes) -> None:
        """Send one RTP packet; while the peer's address is not known it is dropped and counted."""
        if self._remote is None:
            self.counters.unsent += 1
        else:
            self._rtp.sendto(packet, self._remote)

    def send_rtcp(self, packet: bytes) -> None:
        """Send one compound RTCP packet, as `send_rtp` does."""
        if self._remote_rtcp is None:
            self.counters.unsent += 1
        else:
            self._rtcp.sendto(packet, self._remote_rtcp)

    async def close(self) -> None:
        """Free the ports."""
        self.on_rtp = self.on_rtcp = None
        self.counters.unsent += self._rtp.unsent
        self._rtp.close()
        self._rtcp.close()

    def _rtp_received(self, packet: bytes, source: Address) -> None:
        # The source port may differ from the announced one behind NAT (RFC 4961 asks for the same); the host may not.
        remote = self._remote
        if remote is None or remote[0] != source[0]:
            self.counters.strangers += 1
        elif self.on_rtp is not None:
            self.on_rtp(packet)

    def _rtcp_received(self, packet: bytes, source: Address) -> None:
        remote = self._remote_rtcp
        if remote is None or remote[0] != source[0]:
            self.counters.strangers += 1
        elif self.on_rtcp is not None:
            self.on_rtcp(packet)


def _ip_address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    # The socket would look a name up with each packet, and nothing else would run meanwhile.
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        raise MediaFailed(f"the peer's media address {text!r} is not an IP address") from None
