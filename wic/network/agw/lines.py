"""M-lines through the eIMS-AGW: a transport towards the WIC joined with one towards the core (TS 23.334 §5.20).

RTP is relayed packet by packet, decrypted and encrypted, never transcoded. Data channels are carried message by message
in an MSRP session. Each line is set up in two halves, in whichever order the offer goes: `connect_core` and
`connect_access`.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Literal

from wic.datachannel.msrp import MsrpUri
from wic.media.relay import Relay
from wic.network.agw.channel_bridge import ChannelBridge
from wic.sdp.gateway import MsrpPlace, RtpPlace

if TYPE_CHECKING:
    from wic.media.plain import PlainRtp
    from wic.media.transport import MediaTransport
    from wic.network.agw.msrp import MsrpLink
    from wic.sdp.transport import TransportDescription

_log = logging.getLogger(__name__)

Role = Literal["active", "passive"]

SCTP_PORT = 5000  # RFC 8841 §5: of the association within DTLS
MAX_MESSAGE_SIZE = 262_144


class RtpLine:
    """Audio or video: DTLS-SRTP towards the WIC, RTP/AVP towards the core, relayed as it comes."""

    def __init__(self, transport: MediaTransport, access: TransportDescription, plain: PlainRtp) -> None:
        self.transport = transport
        self.access = access
        """Transport description for the WIC's SDP."""
        self._plain = plain
        self._relay = Relay(transport, plain)
        self.awaited = False
        """Whether the core should be sending: not before the answer, and not on hold."""

    @property
    def place(self) -> RtpPlace:
        """Address and port for the core's SDP."""
        own = self._plain.description
        return RtpPlace(address=own.address, port=own.port)

    @property
    def heard_from_core(self) -> int:
        """Number of packets that have come from the core, RTCP included."""
        return self._relay.from_b

    def connect_core(self, remote: TransportDescription, *, awaited: bool) -> None:
        """Send to the core's address from now on; it may change during a session.

        Args:
            remote: address and ports of the core.
            awaited: whether the core should be sending from now on.

        Raises:
            MediaFailed: the address cannot be used.
        """
        self._plain.connect(remote)
        self.awaited = awaited

    async def connect_access(self, remote: TransportDescription, *, controlling: bool, role: Role) -> None:
        """Connect to the WIC.

        Raises:
            MediaFailed: it cannot be reached, or its certificate is not the one of its SDP.
        """
        await self.transport.connect(remote, controlling=controlling, dtls_role=role)

    async def close(self) -> None:
        """Free the ports."""
        self._relay.stop()
        await self.transport.close()
        await self._plain.close()


class DataLine:
    """Data channels: SCTP over DTLS towards the WIC, MSRP towards the core (TS 24.371 §8.4)."""

    def __init__(
        self, transport: MediaTransport, access: TransportDescription, link: MsrpLink, *, offerer: bool
    ) -> None:
        self.transport = transport
        self.access = access
        """Transport description for the WIC's SDP."""
        self._link = link
        self._offerer = offerer
        self._bridge = ChannelBridge(link, offerer=offerer)
        link.on_closed = self._msrp_lost

    def _msrp_lost(self, reason: str) -> None:
        # The call goes on without them: its audio does not depend on the MSRP session.
        _log.info("data channels closed: %s", reason)
        self._bridge.close()

    @property
    def place(self) -> MsrpPlace:
        """Address, port and path for the core's SDP."""
        local = self._link.local
        return MsrpPlace(address=local.host, port=local.port, path=str(local))

    def connect_core(self, remote: MsrpPlace) -> None:
        """Begin the MSRP session; RFC 4975 §5.4: the side that offered dials.

        Raises:
            MsrpRefused: the path is no MSRP path.
        """
        # RFC 4975 §8.3: the path of relays and peer; more than eight hops are no real path.
        path = tuple(MsrpUri.parse(uri) for uri in remote.path.split()[:8])
        self._link.start(path, dial=self._offerer)

    async def connect_access(self, remote: TransportDescription, *, controlling: bool, role: Role) -> None:
        """Connect to the WIC and carry channels, until cancelled.

        Raises:
            MediaFailed: it cannot be reached, or its certificate is not the one of its SDP.
        """
        await self.transport.connect(remote, controlling=controlling, dtls_role=role)
        # An SDP without a=sctp-port means the usual one.
        port = SCTP_PORT if remote.sctp_port is None else remote.sctp_port
        channels = await self.transport.start_sctp(SCTP_PORT, port, remote.max_message_size)
        await self._bridge.run(channels)

    async def close(self) -> None:
        """End the channels, the session and their transport."""
        self._link.close()
        self._bridge.close()
        await self.transport.close()


Line = RtpLine | DataLine
